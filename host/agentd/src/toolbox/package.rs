//! Takes a whole package out of its archive: a program for Node.js that brings all that it needs.
//!
//! What lies in the archive's first folder comes to `lib`, and `bin` gets a starter: it runs what `package.json` calls the
//! program, with the Node.js that was fetched for it (`NAME-node`), else with the one of the sandbox.
//!
//! - A package that needs other packages is refused: nothing is resolved, and no npm runs.
//! - What it writes are regular files below `lib`: links, owners and modes of the archive are not used.
//! - The starter comes last: without it nothing is there.

use super::{Error, record::make_folder};
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions},
    io::{self, Read, Seek, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};
use tempfile::NamedTempFile;

/// What a package may unpack to, and of how many files.
const UNPACKED_MAX: u64 = 2 << 30;
const FILES_MAX: usize = 50_000;

/// As much of `package.json` as matters.
#[derive(Default, Deserialize)]
struct About {
    #[serde(default)]
    bin: Bin,
    #[serde(default)]
    dependencies: BTreeMap<String, serde_json::Value>,
}

/// One program, which is called like the package, or several by name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bin {
    One(String),
    Several(BTreeMap<String, String>),
}

impl Default for Bin {
    fn default() -> Bin {
        Bin::Several(BTreeMap::new())
    }
}

/// Unpacks the archive, and makes the starter `program`.
pub(super) async fn unpack(archive: NamedTempFile, program: PathBuf, release: String) -> Result<(), Error> {
    let work = tokio::task::spawn_blocking(move || take(archive, &program, &release));
    work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn take(mut archive: NamedTempFile, program: &Path, release: &str) -> Result<(), Error> {
    let bin = program.parent().expect("a program lies in a folder bin");
    let own = bin.parent().expect("bin lies in the archive's own folder");
    for folder in own.parent().into_iter().chain([own, bin]) {
        make_folder(folder)?;
    }
    // Under a name of its own until it is whole; what a command that was killed left there goes.
    let (new, lib) = (own.join(".lib"), own.join("lib"));
    remove(&new)?;
    make_folder(&new)?;
    archive.rewind().map_err(Error::io("reading", archive.path()))?;
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let entry = files(archive.as_file(), &new, release).and_then(|()| entry(&new, &name, release));
    let entry = match entry {
        Ok(entry) => entry,
        Err(error) => {
            remove(&new)?;
            return Err(error);
        }
    };
    remove(&lib)?;
    fs::rename(&new, &lib).map_err(Error::io("writing", &lib))?;
    start(program, &entry)
}

/// Unpacks all regular files.
fn files(archive: &File, to: &Path, release: &str) -> Result<(), Error> {
    let bad = |what: String| Error::Archive { release: release.to_owned(), what };
    let unpacked = GzDecoder::new(io::BufReader::new(archive)).take(UNPACKED_MAX);
    let mut tar = tar::Archive::new(unpacked);
    let mut count = 0;
    for entry in tar.entries().map_err(|error| bad(error.to_string()))? {
        let mut entry = entry.map_err(|error| bad(error.to_string()))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let inside: PathBuf = Path::new(path.strip_prefix("./").unwrap_or(&path)).components().skip(1).collect();
        let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || inside.as_os_str().is_empty() || path.starts_with('/') {
            return Err(bad(format!("{path:?} leads out of it")));
        }
        count += 1;
        if count > FILES_MAX {
            return Err(bad(format!("it holds more than {FILES_MAX} files")));
        }
        write(&mut entry, &to.join(inside), to, release)?;
    }
    Ok(())
}

fn write(entry: &mut tar::Entry<'_, impl Read>, path: &Path, root: &Path, release: &str) -> Result<(), Error> {
    let folders = path.ancestors().skip(1).take_while(|it| *it != root).collect::<Vec<_>>();
    for folder in folders.into_iter().rev() {
        make_folder(folder)?;
    }
    let failed = || Error::io("writing", path);
    let size = entry.size();
    let mut file = File::create(path).map_err(failed())?;
    let written = io::copy(entry, &mut file).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied => failed()(error),
        _ => Error::Archive { release: release.to_owned(), what: error.to_string() },
    })?;
    if written != size {
        let what = format!("{written} bytes of {size} came of a file, and at most {UNPACKED_MAX} may in all");
        return Err(Error::Archive { release: release.to_owned(), what });
    }
    file.set_permissions(Permissions::from_mode(0o644)).map_err(failed())
}

/// The file that the program begins with, below the package.
fn entry(package: &Path, name: &str, release: &str) -> Result<String, Error> {
    let unsupported = |what: String| Error::Unsupported { release: release.to_owned(), what };
    let text = fs::read(package.join("package.json")).map_err(|_| unsupported("it has no package.json".into()))?;
    let about: About =
        serde_json::from_slice(&text).map_err(|error| unsupported(format!("its package.json is odd: {error}")))?;
    if let Some(other) = about.dependencies.keys().next() {
        return Err(unsupported(format!("it needs other packages ({other}), which only npm could install")));
    }
    let entry = match about.bin {
        Bin::One(path) => Some(path),
        Bin::Several(mut paths) => paths.remove(name),
    };
    let entry = entry.ok_or_else(|| unsupported(format!("it brings no program called {name}")))?;
    let entry = entry.strip_prefix("./").unwrap_or(&entry).to_owned();
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_' | '/');
    if !entry.chars().all(plain) || entry.split('/').any(|it| matches!(it, "" | "." | "..")) {
        return Err(unsupported(format!("its program {entry:?} is no plain path")));
    }
    match package.join(&entry).is_file() {
        true => Ok(entry),
        false => Err(unsupported(format!("its program {entry} is not in it"))),
    }
}

/// Writes the starter.
fn start(program: &Path, entry: &str) -> Result<(), Error> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let text = format!(
        "#!/bin/sh\nnode=$(command -v {name}-node || command -v node) || {{\n    echo '{name}: there is no Node.js' >&2\n    \
         exit 127\n}}\nexec \"$node\" \"${{0%/*}}/../lib/{entry}\" \"$@\"\n"
    );
    let failed = || Error::io("writing", program);
    let bin = program.parent().expect("a program lies in a folder bin");
    let mut file = tempfile::Builder::new().prefix(".program-").tempfile_in(bin).map_err(failed())?;
    file.write_all(text.as_bytes()).map_err(failed())?;
    file.as_file().set_permissions(Permissions::from_mode(0o755)).map_err(failed())?;
    file.as_file().sync_all().map_err(failed())?;
    file.persist(program).map_err(|error| failed()(error.error))?;
    File::open(bin).and_then(|it| it.sync_all()).map_err(failed())
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("removing", folder)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
