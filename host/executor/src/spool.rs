//! The spool: the file in which `agentd-init` keeps everything a command says.
//!
//! A row of frames, each `[stream u8][length u32][milliseconds since 1970 u64][payload]`, little-endian. The host makes
//! the file and remembers outside the sandbox's reach which one it is; init only appends, and an exit frame is the last.
//! Offsets are bytes from the start of the file, always at the border of a frame: reading on from a stored offset gives
//! what reading from the start would have given.
//!
//! - What it says is the command's word, never evidence.
//! - It is opened beneath the control folder, through no link, and only if it is the very file that was made.
//! - Whatever init would not have written is [`Error::Tampered`], and nothing after it is read.

use crate::{Error, error::io_at, launch::replace};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use serde::Deserialize;
use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::FileExt as _,
    },
    path::{Path, PathBuf},
};

/// Where the spool is below the control folder. Its folder is what the sandbox sees.
const FRAMES: &str = "spool/frames";
/// Which file it is: outside the folder that the sandbox sees.
const IDENTITY: &str = "spool.id";
const HEADER: usize = 13;
/// No frame's payload is longer.
pub const PAYLOAD_MAX: usize = 64 * 1024;
/// No exit frame is longer.
const ENDING_MAX: usize = 256;
/// Init's last notes and the exit frame fit into this.
const CLOSING_MAX: usize = 1024;
const BUFFER: usize = 4 * (HEADER + PAYLOAD_MAX);

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
    /// Init itself: see [`Note`].
    Note,
    /// Init's last word: see [`Ending`].
    Exit,
}

/// A piece of what was said, as it was read from the pipe: lines may be cut anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub stream: Stream,
    pub payload: Vec<u8>,
    /// The first byte after it: where to go on.
    pub end: u64,
}

/// What init has to say besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Note {
    /// There was more output than is kept: it is cut here.
    pub truncated: bool,
    /// The command could not be started, and why.
    pub cannot_start: Option<String>,
    /// The output could not be stored any more, and why.
    pub lost: Option<String>,
}

/// How the command ended: by itself with a code, or by a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ending {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// Makes an empty spool in the control folder, in place of one that was there.
///
/// # Errors
/// [`Error::Io`].
pub fn create(control: &Path) -> Result<(), Error> {
    let folder = control.join("spool");
    let path = control.join(FRAMES);
    // The sandbox that had this folder is gone; a link it left in place of the folder must not lead us elsewhere.
    match std::fs::symlink_metadata(&folder) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(&folder).map_err(io_at("emptying", &folder))?,
        Ok(_) => std::fs::remove_file(&folder).map_err(io_at("emptying", &folder))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => (),
        Err(error) => return Err(io_at("looking at", &folder)(error)),
    }
    fs::mkdir(&folder, Mode::RWXU).map_err(io_at("making", &folder))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(io_at("making", &path))?;
    let (_, identity) = look(&file, &path)?;
    replace(&control.join(IDENTITY), identity.as_bytes())
}

/// Reads frames as they come. It holds the file open, so that removing it takes nothing away.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    control: OwnedFd,
    file: File,
    identity: String,
    /// Bytes of the file from `offset` on that were read ahead; `used` of them are behind us.
    ahead: Vec<u8>,
    used: usize,
    offset: u64,
    ended: bool,
}

impl Reader {
    /// Opens the spool of a control folder and goes on at `offset`, which is 0 or the end of a frame.
    ///
    /// # Errors
    /// [`Error::Tampered`] if it is not the file that [`create`] made, or shorter than `offset`.
    pub fn open(control: &Path, offset: u64) -> Result<Reader, Error> {
        let path = control.join(FRAMES);
        let identity_path = control.join(IDENTITY);
        let identity = std::fs::read_to_string(&identity_path).map_err(io_at("reading", identity_path))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let control = fs::open(control, flags, Mode::empty()).map_err(io_at("opening", control))?;
        let found = locate(&control, &path)?;
        check(&found, &identity, &path)?;
        // `found` only names the file: opening a device or a pipe does things, so it is opened for reading after the check.
        let named = format!("/proc/self/fd/{}", found.as_raw_fd());
        let file = fs::open(named, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
            .map_err(io_at("opening", &path))?;
        let reader = Reader {
            path,
            control,
            file: File::from(file),
            identity,
            ahead: Vec::new(),
            used: 0,
            offset,
            ended: false,
        };
        reader.check_unchanged()?;
        Ok(reader)
    }

    /// The next frame; `None`: it is not (fully) there yet. Call again when the command may have said more.
    ///
    /// # Errors
    /// [`Error::Tampered`], and the same again on every further call.
    #[expect(clippy::should_implement_trait, reason = "it ends for now, not for good, and it can fail")]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        if !self.is_ahead(HEADER)? {
            return Ok(None);
        }
        if self.ended {
            return Err(self.tampered("it goes on after the command's end".into()));
        }
        let (stream, length) = self.header()?;
        if !self.is_ahead(HEADER + length)? {
            return Ok(None);
        }
        let payload = self.ahead[self.used + HEADER..self.used + HEADER + length].to_vec();
        self.used += HEADER + length;
        self.offset += (HEADER + length) as u64;
        self.ended = stream == Stream::Exit;
        Ok(Some(Frame { stream, payload, end: self.offset }))
    }

    /// Whether the file ends, as it is now, with init's note that there was more output than is kept: known long before
    /// everything in front of it is read. A command that prints such a note at its very end ends only itself by it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn is_cut(&self) -> Result<bool, Error> {
        let failed = |error| io_at("reading", &self.path)(error);
        let size = self.file.metadata().map_err(failed)?.len();
        let mut tail = vec![0; usize::try_from(size).map_or(CLOSING_MAX, |size| size.min(CLOSING_MAX))];
        let from = size - tail.len() as u64;
        let read = self.file.read_at(&mut tail, from).map_err(failed)?;
        Ok((0..read).any(|start| closing(&tail[start..read]).is_some_and(|cut| cut)))
    }

    /// What the next frame is; when it was written is for people who look into the file.
    fn header(&self) -> Result<(Stream, usize), Error> {
        let bytes = &self.ahead[self.used..self.used + HEADER];
        let stream = match bytes[0] {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            3 => Stream::Note,
            4 => Stream::Exit,
            other => return Err(self.tampered(format!("it has a frame of the unknown stream {other}"))),
        };
        let length = u32::from_le_bytes(bytes[1..5].try_into().expect("it is four bytes")) as usize;
        if length > PAYLOAD_MAX {
            return Err(self.tampered(format!("it has a frame of {length} bytes, and {PAYLOAD_MAX} is the most")));
        }
        Ok((stream, length))
    }

    /// Whether `count` bytes from the offset on are there, after reading what can be read.
    fn is_ahead(&mut self, count: usize) -> Result<bool, Error> {
        if self.ahead.len() - self.used >= count {
            return Ok(true);
        }
        self.check_unchanged()?;
        self.ahead.drain(..self.used);
        self.used = 0;
        while self.ahead.len() < count {
            let have = self.ahead.len();
            self.ahead.resize(BUFFER, 0);
            let read = self.file.read_at(&mut self.ahead[have..], self.offset + have as u64);
            self.ahead.truncate(have + *read.as_ref().unwrap_or(&0));
            if read.map_err(io_at("reading", &self.path))? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The file is still the one that was made, still in its place, and no shorter than what was read of it.
    fn check_unchanged(&self) -> Result<(), Error> {
        check(locate(&self.control, &self.path)?, &self.identity, &self.path)?;
        let size = self.file.metadata().map_err(io_at("looking at", &self.path))?.len();
        let seen = self.offset + (self.ahead.len() - self.used) as u64;
        if size < seen {
            return Err(self.tampered(format!("it has {size} bytes, and had {seen}")));
        }
        Ok(())
    }

    fn tampered(&self, what: String) -> Error {
        Error::Tampered { path: self.path.clone(), what: format!("{what} (at byte {})", self.offset) }
    }
}

impl Frame {
    /// What init notes; none for other streams.
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        (self.stream == Stream::Note).then(|| serde_json::from_slice(&self.payload).unwrap_or_default())
    }

    /// How the command ended; none for other streams.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        (self.stream == Stream::Exit).then(|| serde_json::from_slice(&self.payload).unwrap_or_default())
    }
}

impl Ending {
    /// The exit code as a shell would tell it: 128 + n for signal n.
    #[must_use]
    pub fn exit_code(self) -> Option<i32> {
        self.code.or(self.signal.map(|signal| signal.saturating_add(128)))
    }
}

/// How the command ended, from the spool's last frame alone; none: it has not ended, or nobody saw it.
///
/// # Errors
/// [`Error::Tampered`], as [`Reader::open`].
pub fn ending(control: &Path) -> Result<Option<Ending>, Error> {
    let reader = Reader::open(control, 0)?;
    let size = reader.file.metadata().map_err(io_at("looking at", &reader.path))?.len();
    let mut tail = vec![0; usize::try_from(size).map_or(ENDING_MAX, |size| size.min(ENDING_MAX))];
    let at = size - tail.len() as u64;
    reader.file.read_exact_at(&mut tail, at).map_err(io_at("reading", &reader.path))?;
    // An exit frame is the last and reaches exactly to the end of the file.
    let fits = |start: &usize| {
        let frame = &tail[*start..];
        frame[0] == 4 && frame[1..5] == u32::try_from(frame.len() - HEADER).unwrap_or(u32::MAX).to_le_bytes()
    };
    let start = (0..tail.len().saturating_sub(HEADER)).rev().find(fits);
    Ok(start.and_then(|start| serde_json::from_slice(&tail[start + HEADER..]).ok()))
}

/// Whether a note among these frames says that output was cut; `None`: they are not notes and an ending, from the first
/// byte to the last.
fn closing(mut bytes: &[u8]) -> Option<bool> {
    let mut cut = false;
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let length = u32::from_le_bytes(header[1..5].try_into().expect("it is four bytes")) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        match header[0] {
            3 => cut |= serde_json::from_slice(payload).is_ok_and(|it: Note| it.truncated),
            4 => {}
            _ => return None,
        }
        bytes = rest;
    }
    Some(cut)
}

/// Moves the spool out of the control folder once its sandbox is gone. False: there is none, or it is not the file that
/// [`create`] made. Then nothing is moved: what was put in its place may be anybody's.
///
/// # Errors
/// [`Error::Io`].
pub fn keep(control: &Path, to: &Path) -> Result<bool, Error> {
    match Reader::open(control, 0) {
        Ok(_) => {}
        Err(Error::Tampered { .. }) => return Ok(false),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    std::fs::rename(control.join(FRAMES), to).map_err(io_at("keeping", to))?;
    Ok(true)
}

/// Names the spool file without opening it.
fn locate(control: &OwnedFd, path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    fs::openat2(control, FRAMES, flags, Mode::empty(), beneath).map_err(|error| match error {
        rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => {
            Error::Tampered { path: path.into(), what: "it is gone".into() }
        }
        rustix::io::Errno::LOOP | rustix::io::Errno::XDEV => {
            Error::Tampered { path: path.into(), what: "a link is in its place".into() }
        }
        other => io_at("opening", path)(other),
    })
}

fn check(found: impl AsFd, expected: &str, path: &Path) -> Result<(), Error> {
    let tampered = |what: &str| Err(Error::Tampered { path: path.into(), what: what.into() });
    match look(found, path)? {
        (FileType::RegularFile, identity) if identity == expected => Ok(()),
        (FileType::RegularFile, _) => tampered("another file is in its place"),
        (FileType::Symlink, _) => tampered("a link is in its place"),
        (_, _) => tampered("something that is no file is in its place"),
    }
}

/// What kind of file it is, and which: a number alone may be given to a new file once the old one is gone, so the moment
/// of its making belongs to it. The device is that of the control folder, or it would not have been found; its number
/// may change when the machine starts again.
fn look(file: impl AsFd, path: &Path) -> Result<(FileType, String), Error> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let stat = fs::statx(file, "", AtFlags::EMPTY_PATH, wanted).map_err(io_at("looking at", path))?;
    let born = format!("{}.{:09}", stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec);
    let identity = format!("{}:{born}\n", stat.stx_ino);
    Ok((FileType::from_raw_mode(stat.stx_mode.into()), identity))
}
