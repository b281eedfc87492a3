//! The npm registry: which archive a release is, and the archive.
//!
//! What the registry says of the archive (`dist.integrity`) is checked while it comes. Redirects are not followed: the
//! registry names the archive's address itself.

use super::{Error, Release, record::Folder};
use crate::hint;
use agentd_egress::{Egress, Patience, Request, Rule, Streamed};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};
use std::{collections::BTreeMap, io::Write, time::Duration};
use tempfile::NamedTempFile;

const CALLER: &str = "agentd toolbox";
const PATIENCE: Patience = Patience { head: Duration::from_secs(30), idle: Duration::from_secs(60) };
/// What the registry says about a package, with all its versions.
const ABOUT_BYTES_MAX: usize = 64 << 20;
const ARCHIVE_BYTES_MAX: u64 = 2 << 30;

/// A registry, and the way to it.
pub(super) struct Npm<'a> {
    pub(super) egress: &'a Egress,
    /// Without a slash at the end.
    pub(super) root: &'a str,
}

/// Where a release's archive is, and what it should be.
#[derive(Debug)]
pub(super) struct Package {
    url: String,
    sha512: Vec<u8>,
}

/// An archive that is what the registry said.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) file: NamedTempFile,
    /// SHA-256, hexadecimal.
    pub(super) digest: String,
}

#[derive(Deserialize)]
struct About {
    #[serde(default)]
    versions: BTreeMap<String, Version>,
    #[serde(default, rename = "dist-tags")]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Version {
    dist: Dist,
}

#[derive(Deserialize)]
struct Dist {
    tarball: String,
    #[serde(default)]
    integrity: String,
}

impl Npm<'_> {
    /// Asks which archive a release is.
    pub(super) async fn find(&self, release: &Release) -> Result<Package, Error> {
        let url = format!("{}/{}", self.root, release.package.replace('/', "%2f"));
        let accept = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";
        let mut answer = self.open(&url, Some(accept)).await?;
        if answer.status == 404 {
            return Err(Error::NoPackage { registry: self.root.to_owned(), package: release.package.clone() });
        }
        check_status(&url, &answer)?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| failed(&url, &error))? {
            if body.len() + piece.len() > ABOUT_BYTES_MAX {
                return Err(odd(&url, format!("it is larger than {ABOUT_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        let mut about: About = serde_json::from_slice(&body)
            .map_err(|error| odd(&url, format!("it is not what an npm registry says of a package: {error}")))?;
        let Some(Version { dist }) = about.versions.remove(&release.version) else {
            let newest = about.tags.remove("latest");
            let (package, version) = (release.package.clone(), release.version.clone());
            return Err(Error::NoVersion { package, version, newest });
        };
        let sha512 = dist.integrity.split_whitespace().find_map(|it| it.strip_prefix("sha512-"));
        let sha512 = sha512.and_then(|it| STANDARD.decode(it).ok()).filter(|it| it.len() == 64);
        let Some(sha512) = sha512 else {
            return Err(odd(&url, format!("it gives no SHA-512 of {release}, so that nobody could check the archive")));
        };
        Ok(Package { url: dist.tarball, sha512 })
    }

    /// Fetches an archive into the toolbox's folder, and checks that it is the one.
    pub(super) async fn fetch(
        &self,
        release: &Release,
        package: &Package,
        folder: &Folder,
        mut told: impl FnMut(u64, Option<u64>),
    ) -> Result<Fetched, Error> {
        let url = &package.url;
        let mut answer = self.open(url, None).await?;
        check_status(url, &answer)?;
        let length = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let total = length.and_then(|(_, value)| value.parse().ok());
        let mut file = folder.partial()?;
        let (mut sha256, mut sha512, mut done) = (Sha256::new(), Sha512::new(), 0);
        told(done, total);
        while let Some(piece) = answer.chunk().await.map_err(|error| failed(url, &error))? {
            done += piece.len() as u64;
            if done > ARCHIVE_BYTES_MAX {
                return Err(odd(url, format!("it is larger than {ARCHIVE_BYTES_MAX} bytes")));
            }
            sha256.update(&piece);
            sha512.update(&piece);
            file.write_all(&piece).map_err(Error::io("writing", file.path()))?;
            told(done, total);
        }
        let found = sha512.finalize();
        if found[..] != package.sha512[..] {
            let (told, found) = (STANDARD.encode(&package.sha512), STANDARD.encode(found));
            return Err(Error::Integrity { release: release.to_string(), kind: "SHA-512", told, found });
        }
        Ok(Fetched { file, digest: hex::encode(sha256.finalize()) })
    }

    async fn open(&self, url: &str, accept: Option<&str>) -> Result<Streamed, Error> {
        let rules = [Rule { methods: vec!["GET".into()], url_prefix: url.to_owned(), credential: None }];
        let headers = accept.map(|it| ("accept".to_owned(), it.to_owned())).into_iter().collect();
        let request = Request { method: "GET".into(), url: url.to_owned(), headers, ..Request::default() };
        self.egress.open(CALLER, &rules, request, PATIENCE).await.map_err(|error| failed(url, &error))
    }
}

fn check_status(url: &str, answer: &Streamed) -> Result<(), Error> {
    match answer.status {
        200 => Ok(()),
        status @ (401 | 403) => Err(Error::Registry {
            url: url.to_owned(),
            what: format!("it answers {status}"),
            hint: Some("agentd has no login for that registry: [registries] npm names one that needs none".into()),
        }),
        status => Err(odd(url, format!("it answers {status}"))),
    }
}

fn odd(url: &str, what: String) -> Error {
    Error::Registry { url: url.to_owned(), what, hint: None }
}

/// What egress says, with its hint where it has one.
fn failed(url: &str, error: &agentd_egress::Error) -> Error {
    let (what, hint) = hint::apart(&error.to_string());
    Error::Registry { url: url.to_owned(), what, hint }
}
