//! GitHub's own descriptions of its two APIs, which the tests' fake GitHub is checked against.
//!
//! Each is one file of an npm package, of a version that is pinned here together with the digest of its archive. It is
//! fetched once, by `curl`, which knows the machine's proxy and certificates; the archive is unpacked while it arrives
//! and is never on disk. A file is in its place only when the digest of the whole archive is the pinned one.

use crate::process;
use crate::say::Say;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha512};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where npm packages come from, unless npm's own variable names another registry.
const REGISTRY: &str = "https://registry.npmjs.org";
const REGISTRY_VARIABLE: &str = "npm_config_registry";

struct Description {
    variable: &'static str,
    /// The package without its scope, and its version.
    package: (&'static str, &'static str),
    /// SHA-512 of the archive, as npm's lock files have it.
    integrity: &'static str,
    /// In the archive.
    file: &'static str,
    /// What the kept file's name begins and ends with, around the version.
    kept: (&'static str, &'static str),
}

const DESCRIPTIONS: [Description; 2] = [
    Description {
        variable: "AGENTD_TEST_GITHUB_OPENAPI",
        package: ("openapi", "23.0.2"),
        integrity: "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
        file: "package/generated/api.github.com.json",
        kept: ("openapi", "json"),
    },
    Description {
        variable: "AGENTD_TEST_GITHUB_GRAPHQL",
        package: ("graphql-schema", "15.26.1"),
        integrity: "RFDC2MpRBd4AxSRvUeBIVeBU7ojN/SxDfALUd7iVYOSeEK3gZaqR2MGOysj4Zh2xj2RY5fQAUT+Oqq7hWTraMA==",
        file: "package/schema.graphql",
        kept: ("graphql", "graphql"),
    },
];

/// The variables that tests find the descriptions by.
pub(crate) type Variables = Vec<(&'static str, PathBuf)>;

/// The variables, once all files are there.
pub(crate) fn find(root: &Path) -> Result<Variables, String> {
    let files = DESCRIPTIONS.iter().map(|it| (it.variable, it.path(root)));
    files.map(|(name, path)| if path.is_file() { Ok((name, path)) } else { Err(missing(&path)) }).collect()
}

/// Fetches what is not there yet.
pub(crate) fn bring(root: &Path, say: Say) -> Result<Variables> {
    for description in &DESCRIPTIONS {
        let path = description.path(root);
        if !path.is_file() {
            say.line(format_args!("  fetching {} {}", description.name(), description.package.1));
            description.fetch(&path)?;
        }
    }
    find(root).map_err(anyhow::Error::msg)
}

/// For who runs a test by hand: what is said on stdout can be given to a shell.
pub(crate) fn print(root: &Path) -> Result<()> {
    for (name, path) in bring(root, Say::Stderr)? {
        Say::Stdout.line(format_args!("export {name}='{}'", path.display()));
    }
    Ok(())
}

fn missing(path: &Path) -> String {
    format!("no {}", path.display())
}

impl Description {
    fn name(&self) -> String {
        format!("@octokit/{}", self.package.0)
    }

    fn path(&self, root: &Path) -> PathBuf {
        root.join("target/github").join(format!("{}-{}.{}", self.kept.0, self.package.1, self.kept.1))
    }

    fn url(&self) -> String {
        let registry = std::env::var(REGISTRY_VARIABLE).ok().filter(|it| !it.is_empty());
        let registry = registry.unwrap_or_else(|| REGISTRY.to_owned());
        let (package, version) = self.package;
        format!("{}/{}/-/{package}-{version}.tgz", registry.trim_end_matches('/'), self.name())
    }

    fn fetch(&self, path: &Path) -> Result<()> {
        let url = self.url();
        if process::which("curl").is_none() {
            bail!("fetching {url}: no curl");
        }
        let mut curl = Command::new("curl");
        curl.args(["--fail", "--silent", "--show-error", "--location", "--retry", "3", "--max-time", "600"]);
        let mut child = curl.arg(&url).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting curl")?;
        let stdout = child.stdout.take().context("curl has no stdout")?;
        let kept = self.keep(stdout, path);
        let status = child.wait().context("waiting for curl")?;
        ensure!(status.success(), "fetching {url}: curl ended with {status}");
        kept.with_context(|| format!("fetching {url}"))
    }

    /// Takes the one file out of the archive and puts it in its place, if the archive is the pinned one.
    fn keep(&self, archive: impl Read, path: &Path) -> Result<()> {
        let folder = path.parent().context("the file has a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        // Its own name for each process: another checkout may share the target folder.
        let beside = path.with_extension(format!("{}.part", std::process::id()));
        let outcome = self
            .unpack(archive, &beside)
            .and_then(|()| fs::rename(&beside, path).with_context(|| format!("writing {}", path.display())));
        if outcome.is_err() {
            fs::remove_file(&beside).ok();
        }
        outcome
    }

    fn unpack(&self, archive: impl Read, to: &Path) -> Result<()> {
        let mut hashed = Hashed { inner: archive, digest: Sha512::new() };
        let mut found = false;
        {
            let mut tar = tar::Archive::new(GzDecoder::new(&mut hashed));
            for entry in tar.entries().context("reading the archive")? {
                let mut entry = entry.context("reading the archive")?;
                if entry.path().context("reading the archive")? == Path::new(self.file) {
                    let mut file = File::create(to).with_context(|| format!("making {}", to.display()))?;
                    io::copy(&mut entry, &mut file).with_context(|| format!("writing {}", to.display()))?;
                    found = true;
                }
            }
        }
        // What follows the archive's end counts for the digest, too.
        io::copy(&mut hashed, &mut io::sink()).context("reading the archive")?;
        let digest = BASE64_STANDARD.encode(hashed.digest.finalize());
        ensure!(digest == self.integrity, "the archive is not the pinned one: its SHA-512 is {digest}");
        ensure!(found, "the archive has no {}", self.file);
        Ok(())
    }
}

struct Hashed<R> {
    inner: R,
    digest: Sha512,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn archive(name: &str, text: &str) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        tar.into_inner().unwrap().finish().unwrap()
    }

    #[track_caller]
    fn check(name: &str, pinned: bool, expected: Result<&str, &str>) {
        let archive = archive(name, "{}");
        let digest = if pinned { BASE64_STANDARD.encode(Sha512::digest(&archive)) } else { "other".to_owned() };
        let description = Description {
            variable: "X",
            package: ("openapi", "1.0.0"),
            integrity: Box::leak(digest.into_boxed_str()),
            file: "package/x.json",
            kept: ("openapi", "json"),
        };
        let root = std::env::temp_dir().join(format!("xtask-github-{}-{pinned}-{}", std::process::id(), name.len()));
        let path = description.path(&root);
        let said = description.keep(archive.as_slice(), &path).map_err(|error| format!("{error:#}"));
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|it| it.unwrap().path()).collect();
        match expected {
            Ok(text) => assert_eq!((said, fs::read_to_string(&path).unwrap().as_str()), (Ok(()), text)),
            Err(text) => assert!(said.unwrap_err().contains(text) && left.is_empty(), "{left:?}"),
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_description_is_kept_only_from_the_pinned_archive() {
        check("package/x.json", true, Ok("{}"));
        check("package/x.json", false, Err("the archive is not the pinned one"));
        check("package/other.json", true, Err("the archive has no package/x.json"));
    }
}
