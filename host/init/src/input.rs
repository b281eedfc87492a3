//! Input that the host gives while the command runs: a file that grows, in a folder of the host's, and a file `end`
//! beside it once there is no more.
//!
//! - Only reads, and in order: what was handed on is not looked at again.
//! - Holds one piece at a time. A command that does not read holds up its own input and nothing else.

use crate::Error;
use rustix::fs::{Mode, OFlags};
use std::{
    fs::File,
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

const PIECE: usize = 64 * 1024;
/// Between two looks at a file that has not grown. Watching by inotify would not see what a host behind a network file
/// system writes.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Input {
    bytes: File,
    end: PathBuf,
}

impl Input {
    pub(crate) fn open(folder: &Path) -> Result<Input, Error> {
        let path = folder.join("bytes");
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let bytes = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|error| format!("cannot open the input {}: {}", path.display(), io::Error::from(error)))?;
        Ok(Input { bytes: bytes.into(), end: folder.join("end") })
    }

    /// Hands on all that comes, until the host says that this was all, or the command takes no more.
    pub(crate) fn hand_on(mut self, stdin: &mut impl Write) {
        let mut piece = vec![0; PIECE];
        loop {
            // Looked for first: what is there when the mark is there is all.
            let ended = self.end.exists();
            match self.bytes.read(&mut piece) {
                Ok(0) if ended => return,
                Ok(0) => thread::sleep(LOOK),
                Ok(count) if stdin.write_all(&piece[..count]).is_ok() => {}
                // It has closed its input.
                Ok(_) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}
