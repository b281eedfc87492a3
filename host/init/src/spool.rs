//! The spool: everything the command says, in frames, in a file that the host made.
//!
//! `[stream u8][length u32][milliseconds since 1970 u64][payload]`, little-endian; each frame is one `write`. What does
//! not fit is counted as said and dropped after one note; the last frames always fit. A frame that the disk did not
//! take whole is taken back, so that the file never ends in half a frame for good.

use crate::Error;
use rustix::{
    fs::{FileType, Mode, OFlags},
    time::{ClockId, clock_gettime},
};
use std::{fs::File, io, io::Write as _, path::Path};

pub(crate) const PAYLOAD_MAX: usize = 64 * 1024;
const HEADER: usize = 13;
/// Kept free for the notes and the exit frame.
const RESERVED: u64 = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout = 1,
    Stderr = 2,
    Note = 3,
    Exit = 4,
}

pub(crate) struct Spool {
    file: File,
    size: u64,
    max: u64,
    /// There was more than fits, or the disk did not take it: no more output is kept.
    closed: bool,
    frame: Vec<u8>,
}

impl Spool {
    /// Opens the file for appending: it has to be there, and to be a plain file.
    pub(crate) fn open(path: &Path, max: u64) -> Result<Spool, Error> {
        let failed = |error: io::Error| format!("cannot open the spool {}: {error}", path.display());
        // Opening a pipe in its place must not wait for a reader.
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(format!("the spool {} is not a plain file", path.display()));
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Spool { file: file.into(), size, max, closed: false, frame: Vec::with_capacity(HEADER + PAYLOAD_MAX) })
    }

    /// Keeps a piece of what the command said, of at most [`PAYLOAD_MAX`] bytes.
    pub(crate) fn keep(&mut self, stream: Stream, payload: &[u8]) {
        if self.closed {
            return;
        }
        let end = self.size + (HEADER + payload.len()) as u64;
        if end + RESERVED > self.max {
            self.closed = true;
            self.note(&serde_json::json!({ "truncated": true }));
        } else if let Err(error) = self.write(stream, payload) {
            self.closed = true;
            self.note(&serde_json::json!({ "lost": error.to_string() }));
        }
    }

    /// Says something of init's own.
    pub(crate) fn note(&mut self, what: &serde_json::Value) {
        if self.write(Stream::Note, what.to_string().as_bytes()).is_err() {
            // A full disk: the exit frame may still fit later, and says what matters.
            self.closed = true;
        }
    }

    /// The last frame, and everything on disk.
    pub(crate) fn end(&mut self, code: Option<i32>, signal: Option<i32>) -> io::Result<()> {
        self.closed = true;
        let what = serde_json::json!({ "code": code, "signal": signal });
        self.write(Stream::Exit, what.to_string().as_bytes())?;
        self.file.sync_all()
    }

    fn write(&mut self, stream: Stream, payload: &[u8]) -> io::Result<()> {
        self.frame.clear();
        self.frame.push(stream as u8);
        self.frame.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.frame.extend(millis().to_le_bytes());
        self.frame.extend(payload);
        let written = loop {
            match self.file.write(&self.frame) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                other => break other,
            }
        };
        if matches!(written, Ok(count) if count == self.frame.len()) {
            self.size += self.frame.len() as u64;
            return Ok(());
        }
        self.file.set_len(self.size)?;
        Err(written.err().unwrap_or_else(|| io::ErrorKind::StorageFull.into()))
    }
}

fn millis() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests;
