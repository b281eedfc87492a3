//! Directories of this machine, read beneath their root.
//!
//! Who can write below the root may be anybody: each path is opened from the root anew, the kernel refuses whatever
//! leads out of it or over a link, and only plain files are opened. So a link, a pipe or a device that appears between
//! two looks is an entry less, never something read or waited for.

use super::{FILE_MAX, not_found};
use agentd_plugin::wit::common::Error;
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// How many entries one walk looks at.
const ENTRIES_MAX: usize = 1_000_000;
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// A directory that is open.
pub(super) struct Root {
    dir: OwnedFd,
    /// For messages.
    path: PathBuf,
}

impl Root {
    /// The root itself may be reached over links: its path is the operator's.
    pub(super) fn open(path: &Path) -> Result<Root, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(dir) => Ok(Root { dir, path: path.into() }),
            Err(Errno::NOENT) => Err(not_found(format!("there is no directory {}", path.display()))),
            Err(Errno::NOTDIR) => Err(not_found(format!("{} is not a directory", path.display()))),
            Err(error) => Err(failed("opening", path, error)),
        }
    }

    /// Gives the path of each plain file to `take`, in byte order, from `from` on, until it says no.
    pub(super) fn walk(&self, from: Option<&str>, mut take: impl FnMut(String) -> bool) -> Result<(), Error> {
        // What is still to be looked at, the next at the end. Directories end with `/`, which is also what puts them
        // where their files belong.
        let mut waiting = self.entries("")?;
        let mut seen = waiting.len();
        while let Some(path) = waiting.pop() {
            let early = from.is_some_and(|from| path.as_str() < from);
            if !path.ends_with('/') {
                if !early && !take(path) {
                    return Ok(());
                }
                continue;
            }
            if early && !from.is_some_and(|from| from.starts_with(&path)) {
                continue; // all of it comes before
            }
            let below = self.entries(&path)?;
            seen += below.len();
            if seen > ENTRIES_MAX {
                let root = self.path.display();
                return Err(Error::TooLarge(format!(
                    "{root} holds more than {ENTRIES_MAX} files and directories: name one further down"
                )));
            }
            waiting.extend(below);
        }
        Ok(())
    }

    /// A file's size in bytes; none: it is gone.
    pub(super) fn size(&self, path: &str) -> Option<u64> {
        let file = self.open_beneath(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let stat = fs::fstat(&file).ok()?;
        (kind(stat.st_mode) == FileType::RegularFile).then(|| u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// What a file holds.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let shown = path.escape_debug();
        if path.split('/').any(|part| part == ".git") {
            return Err(not_found(format!("`{shown}` is git's own, which is no part of the tree")));
        }
        let why = |errno: Errno| match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => not_found(format!("`{shown}` does not exist")),
            Errno::LOOP | Errno::XDEV => not_found(format!("`{shown}` leads over a link, and those are not followed")),
            Errno::ACCESS | Errno::PERM => Error::Denied(format!("`{shown}` may not be read by the daemon's user")),
            errno => failed("reading", &self.path.join(path), errno),
        };
        // Looked at before it is opened: opening a device may already do something.
        let looked = self.open_beneath(path, OFlags::PATH | OFlags::NOFOLLOW).map_err(why)?;
        let what = match kind(fs::fstat(&looked).map_err(why)?.st_mode) {
            FileType::RegularFile => None,
            FileType::Directory => Some("is a directory: name a file"),
            FileType::Symlink => Some("is a symbolic link, and those are not followed"),
            _ => Some("is no plain file"),
        };
        if let Some(what) = what {
            return Err(not_found(format!("`{shown}` {what}")));
        }
        let file = self.open_beneath(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map_err(why)?;
        if kind(fs::fstat(&file).map_err(why)?.st_mode) != FileType::RegularFile {
            return Err(not_found(format!("`{shown}` is no plain file any more")));
        }
        let mut bytes = vec![];
        let read = File::from(file).take(FILE_MAX as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::Unavailable(format!("reading {}: {error}", self.path.join(path).display())))?;
        if bytes.len() > FILE_MAX {
            return Err(Error::TooLarge(format!("`{shown}` is larger than {} MiB", FILE_MAX >> 20)));
        }
        Ok(bytes)
    }

    /// The plain files and the directories in one directory (empty, or ending with `/`), the last first.
    fn entries(&self, directory: &str) -> Result<Vec<String>, Error> {
        let shown = || self.path.join(directory);
        let opened = match directory {
            "" => fs::openat(&self.dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()),
            below => self.open_beneath(below.trim_end_matches('/'), OFlags::RDONLY | OFlags::DIRECTORY),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(Errno::MFILE | Errno::NFILE | Errno::IO | Errno::NOMEM) if directory.is_empty() => {
                return Err(Error::Unavailable(format!("{} cannot be read just now", shown().display())));
            }
            Err(error) => {
                tracing::debug!(directory = %shown().display(), %error, "Left a directory out that cannot be opened");
                return Ok(vec![]);
            }
        };
        let mut entries = vec![];
        for entry in Dir::read_from(&opened).map_err(|error| failed("listing", &shown(), error))? {
            let entry = entry.map_err(|error| failed("listing", &shown(), error))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | ".." | ".git") {
                continue;
            }
            match told_kind(&opened, name, entry.file_type()) {
                FileType::RegularFile => entries.push(format!("{directory}{name}")),
                FileType::Directory => entries.push(format!("{directory}{name}/")),
                _ => {}
            }
            if entries.len() > ENTRIES_MAX {
                let shown = shown();
                return Err(Error::TooLarge(format!("{} holds more than {ENTRIES_MAX} entries", shown.display())));
            }
        }
        entries.sort_unstable_by(|a, b| b.cmp(a));
        Ok(entries)
    }

    fn open_beneath(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        fs::openat2(&self.dir, path, flags | OFlags::CLOEXEC, Mode::empty(), BENEATH)
    }
}

/// Some file systems do not tell in the directory what an entry is.
fn told_kind(dir: impl AsFd, name: &str, told: FileType) -> FileType {
    if told != FileType::Unknown {
        return told;
    }
    fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_or(FileType::Unknown, |stat| kind(stat.st_mode))
}

fn kind(mode: fs::RawMode) -> FileType {
    FileType::from_raw_mode(mode)
}

fn failed(doing: &str, path: &Path, error: Errno) -> Error {
    let path = path.display();
    match error {
        Errno::ACCESS | Errno::PERM => Error::Denied(format!("{doing} {path}: the daemon's user may not ({error})")),
        error => Error::Unavailable(format!("{doing} {path}: {error}")),
    }
}
