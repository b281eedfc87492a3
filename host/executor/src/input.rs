//! What a command gets on its input while it runs: a file that only grows, and a mark that there is no more.
//!
//! Both lie in the control folder, where `agentd-init` follows them. The file holds the whole input from its first byte,
//! so a daemon that was restarted sees what was given before: it says at which place of the input its bytes stand, and
//! what is there already is not given again.
//!
//! - Nothing that was given is changed or taken back.
//! - Whether the command reads it, nobody here knows.

use crate::{Error, error::io_at};
use rustix::fs::{self, Mode, OFlags};
use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// What a command may be given in all.
const INPUT_MAX: u64 = 256 << 20;

/// The input of one command that was started with `keep_stdin`.
#[derive(Debug)]
pub struct Input {
    folder: PathBuf,
    bytes: File,
    length: u64,
}

impl Input {
    /// That of the sandbox with this control folder, as far as it was given until now.
    ///
    /// # Errors
    /// [`Error::Io`] if there is none.
    pub fn open(control: &Path) -> Result<Input, Error> {
        let folder = folder(control);
        let path = folder.join(BYTES);
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let bytes = File::from(fs::open(&path, flags, Mode::empty()).map_err(io_at("opening", &path))?);
        let length = bytes.metadata().map_err(io_at("opening", &path))?.len();
        Ok(Input { folder, bytes, length })
    }

    /// How many bytes were given, by whomever.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Gives bytes that stand at `at` of the whole input. Those that were given before are left out.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk does not take them, or something before them is missing. What was written of them is
    /// known to the next call.
    pub fn give(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(BYTES);
        let refused = |what: &str| io_at("giving input by", &path)(io::Error::new(io::ErrorKind::InvalidInput, what));
        if at > self.length {
            return Err(refused("what stands before it was never given"));
        }
        let known = usize::try_from(self.length - at).unwrap_or(usize::MAX);
        let Some(mut new) = bytes.get(known..).filter(|it| !it.is_empty()) else { return Ok(()) };
        if self.length + new.len() as u64 > INPUT_MAX {
            return Err(refused("it is more than a command may be given"));
        }
        while !new.is_empty() {
            match self.bytes.write(new) {
                Ok(count) => {
                    self.length += count as u64;
                    new = &new[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_at("writing", &path)(error)),
            }
        }
        Ok(())
    }

    /// Says that there is no more: the command's input ends after what was given.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk does not take the mark.
    pub fn end(&self) -> Result<(), Error> {
        let path = self.folder.join(END);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map(drop).map_err(io_at("writing", &path))
    }
}

/// The whole input, and the mark: `agentd-init` knows these names.
const BYTES: &str = "bytes";
const END: &str = "end";

/// Where both are, in a control folder.
pub(crate) fn folder(control: &Path) -> PathBuf {
    control.join("input")
}

/// Makes it anew, with its beginning.
pub(crate) fn create(control: &Path, beginning: &str) -> Result<(), Error> {
    let folder = folder(control);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&folder).map_err(io_at("making", &folder))?;
    let end = folder.join(END);
    match std::fs::remove_file(&end) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_at("removing", &end)(error)),
        Ok(()) | Err(_) => {}
    }
    let path = folder.join(BYTES);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(io_at("writing", &path))?;
    File::from(file).write_all(beginning.as_bytes()).map_err(io_at("writing", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_given_twice_however_a_second_one_cuts_it() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), "begin ").unwrap();
        let whole = "begin one two three";
        for (from, to) in [(6, 10), (0, 10), (3, 14), (14, 14), (0, 19), (18, 19)] {
            let mut again = Input::open(dir.path()).unwrap();
            again.give(from as u64, &whole.as_bytes()[from..to]).unwrap();
            let there = std::fs::read_to_string(dir.path().join("input/bytes")).unwrap();
            assert!(whole.starts_with(&there) && there.len() >= to, "{there}");
            assert_eq!(again.length(), there.len() as u64);
        }
        let mut again = Input::open(dir.path()).unwrap();
        assert!(again.give(20, b"x").is_err(), "a gap");
        again.end().unwrap();
        again.end().unwrap();
        create(dir.path(), "anew").unwrap();
        assert_eq!(Input::open(dir.path()).unwrap().length(), 4);
        assert!(!dir.path().join("input/end").exists());
    }
}
