//! What is needed to make a plugin's failed call again, in files of the home folder: `agentd plugin repro` hands them
//! out.
//!
//! - No secret is in them, for guests never have any; all the same nobody else may read them.
//! - They stay below a number and a size: the oldest go.

use agentd_plugin::Trace;
use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

const FILES_MAX: usize = 200;
const BYTES_MAX: u64 = 64 << 20;

/// The folder of them.
#[must_use]
pub(crate) fn folder(home: &Path) -> PathBuf {
    home.join("repro")
}

/// Keeps one, and lets the oldest go.
pub(super) fn keep(home: &Path, trace: &Trace) -> io::Result<()> {
    let id = &trace.id;
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
    if id.is_empty() || id.len() > 100 || !id.chars().all(plain) {
        return Err(io::Error::other("its id is no name of a file"));
    }
    let text = serde_json::to_vec(trace)?;
    let folder = folder(home);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let partial = folder.join(format!("{id}.partial"));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(&text)?;
    fs::rename(partial, folder.join(format!("{id}.json")))?;
    prune(&folder, FILES_MAX, BYTES_MAX)
}

/// Removes the oldest until as many and as large ones are left as may be.
fn prune(folder: &Path, files: usize, bytes: u64) -> io::Result<()> {
    let mut found: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        if data.is_file() {
            found.push((data.modified()?, data.len(), entry.path()));
        }
    }
    found.sort_by(|one, other| other.cmp(one));
    let mut used = 0;
    for (index, (_, size, path)) in found.into_iter().enumerate() {
        used += size;
        if index >= files || used > bytes && index > 0 {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: usize, bytes: u64, left: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        for (age, name) in ["new", "older", "oldest"].into_iter().enumerate() {
            let path = dir.path().join(name);
            fs::write(&path, [0; 10]).unwrap();
            let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000 - age as u64);
            fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
        }
        prune(dir.path(), files, bytes).unwrap();
        let mut names: Vec<String> =
            fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, left, "{files} files, {bytes} bytes");
    }

    #[test]
    fn the_oldest_go_and_the_newest_stays() {
        check(3, 1_000, &["new", "older", "oldest"]);
        check(2, 1_000, &["new", "older"]);
        check(3, 25, &["new", "older"]);
        check(3, 5, &["new"]);
    }
}
