//! Takes programs out of a package's archive (tar, gzip), and nothing else.
//!
//! - What it writes are regular files whose names agentd gave them: the archive's own paths, links, owners and modes
//!   are not used.
//! - A program is at its place whole or not at all.

use super::{Error, record::make_folder};
use flate2::read::GzDecoder;
use std::{
    collections::BTreeMap,
    fs::{File, Permissions},
    io::{self, Read, Seek},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// What an archive may unpack to, up to the last program that is wanted.
const UNPACKED_MAX: u64 = 2 << 30;

/// Unpacks some of the archive's files, each to its place.
pub(super) async fn unpack(
    archive: NamedTempFile,
    files: BTreeMap<String, PathBuf>,
    release: String,
) -> Result<(), Error> {
    let work = tokio::task::spawn_blocking(move || take(archive, files, &release));
    work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn take(mut archive: NamedTempFile, mut files: BTreeMap<String, PathBuf>, release: &str) -> Result<(), Error> {
    let bad = |what: String| Error::Archive { release: release.to_owned(), what };
    archive.rewind().map_err(Error::io("reading", archive.path()))?;
    let unpacked = GzDecoder::new(io::BufReader::new(archive.as_file())).take(UNPACKED_MAX);
    let mut tar = tar::Archive::new(unpacked);
    let mut entries = tar.entries().map_err(|error| bad(error.to_string()))?;
    while !files.is_empty() {
        let Some(entry) = entries.next() else {
            let left: Vec<_> = files.into_keys().collect();
            return Err(bad(format!("there is no {} in it", left.join(", "))));
        };
        let mut entry = entry.map_err(|error| bad(error.to_string()))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((file, to)) = files.remove_entry(path.strip_prefix("./").unwrap_or(&path)) else { continue };
        if !entry.header().entry_type().is_file() {
            return Err(bad(format!("{file} in it is no regular file")));
        }
        let size = entry.size();
        put(&mut entry, size, &to, release)?;
    }
    Ok(())
}

fn put(entry: &mut impl Read, size: u64, to: &Path, release: &str) -> Result<(), Error> {
    let bin = to.parent().expect("a program lies in a folder bin");
    let own = bin.parent().expect("bin lies in the archive's own folder");
    for folder in own.parent().into_iter().chain([own, bin]) {
        make_folder(folder)?;
    }
    let failed = || Error::io("writing", to);
    let mut file = tempfile::Builder::new().prefix(".program-").tempfile_in(bin).map_err(failed())?;
    let written = io::copy(entry, &mut file).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied => failed()(error),
        _ => Error::Archive { release: release.to_owned(), what: error.to_string() },
    })?;
    if written == 0 || written != size {
        // The archive ends too early, or what it holds is larger than is taken.
        let what = format!("{written} bytes of a program of {size} came out of it, and at most {UNPACKED_MAX} may");
        return Err(Error::Archive { release: release.to_owned(), what });
    }
    file.as_file().set_permissions(Permissions::from_mode(0o755)).map_err(failed())?;
    file.as_file().sync_all().map_err(failed())?;
    file.persist(to).map_err(|error| failed()(error.error))?;
    File::open(bin).and_then(|it| it.sync_all()).map_err(failed())
}
