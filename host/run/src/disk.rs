//! How much room is left where agentd keeps things.
//!
//! A disk that an agent filled up would also keep its outcome from being stored, so runs end, and none begins, while
//! there is still some room.

use std::{io, path::Path};

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

#[cfg(test)]
mod tests {
    use super::*;

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
