//! How much room is left where agentd keeps things, how much a run takes of it, and how a folder goes.
//!
//! A disk that an agent filled up would also keep its outcome from being stored, so runs end, and none begins, while
//! there is still some room.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Never less than the smaller one of these two is left to agents.
const FLOOR: u64 = 1 << 30;
const FLOOR_PART: u64 = 20;

/// What is free, and what has to be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) free: u64,
    pub(crate) floor: u64,
}

impl Room {
    /// Of the file system that this folder is on.
    pub(crate) fn at(folder: &Path) -> io::Result<Room> {
        let stat = rustix::fs::statvfs(folder)?;
        Ok(Room::of(stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
    }

    fn of(free: u64, total: u64) -> Room {
        Room { free, floor: FLOOR.min(total / FLOOR_PART) }
    }

    pub(crate) fn is_low(self) -> bool {
        self.free < self.floor
    }
}

/// Removes a folder with all that is in it; one that is not there is fine.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What lies below these folders, in bytes on the disk. Links are not followed. What goes or changes meanwhile, or cannot
/// be read, is left out: this is a look, not a book.
pub(crate) fn used(folders: &[PathBuf]) -> u64 {
    let mut open = folders.to_vec();
    let mut bytes = 0u64;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(data.blocks().saturating_mul(512));
            if data.is_dir() {
                open.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_counted_without_following_links() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::fs::write(dir.path().join("in/file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("in/all")).unwrap();
        let seen = used(&[dir.path().to_owned(), dir.path().join("gone")]);
        assert!((100_000..200_000).contains(&seen), "{seen}");
    }

    #[test]
    fn a_twentieth_or_a_gibibyte_stays_free() {
        for (free, total, low) in [
            (2 << 30, 100 << 30, false),
            ((1 << 30) - 1, 100 << 30, true),
            (3 << 20, 64 << 20, true),
            (4 << 20, 64 << 20, false),
        ] {
            assert_eq!(Room::of(free, total).is_low(), low, "{free} of {total}");
        }
    }
}
