//! Why the store said no.
//!
//! Variants are the branches a caller takes; the text is for people. No type of the database library leaves the room:
//! what it says is kept as a [`Fault`].

use crate::RunKey;
use agentd_task::{Refused, Step, TaskId};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Why a command was not carried out. Nothing of it is stored then.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The event does not apply (any more): stop, and write nothing further about it.
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("task {0} does not exist: `agentd task list` shows those that do")]
    NoTask(TaskId),
    #[error("{0} does not exist")]
    NoRun(RunKey),
    #[error("step {step} of {run} was not started, or is finished already")]
    NoStep { run: RunKey, step: Step },
    #[error("effect {0} does not exist: `agentd outbox list` shows those that do")]
    NoEffect(i64),
    /// The effect is in a state that the command does not apply to.
    #[error("effect {id} is {state}: {what}")]
    Effect { id: i64, state: String, what: &'static str },
    /// Keys of effects are unique for ever: this one was decided before.
    #[error("an effect with the key `{0}` exists already: it was decided before, and is not decided twice")]
    EffectExists(String),
    /// Somebody else stored a part of the spool, or it was stored before a crash: read on from `stored`.
    #[error("the output of {run} is stored up to byte {stored}: a part from byte {from} does not follow it")]
    Offset { run: RunKey, stored: u64, from: u64 },
    #[error("{task} cannot be opened again: {other} is about the same subject ({subject}) and still open")]
    Subject { task: TaskId, subject: String, other: TaskId },
    #[error("source `{source_name}` gave a task that cannot be taken, `{key}`: {what}")]
    Draft { source_name: String, key: String, what: &'static str },
    #[error("the score of {0} is not a finite number: the prioritizer has to give one")]
    Score(TaskId),
    #[error("the key-value store of `{entry}` takes no more: {what}")]
    KvFull { entry: String, what: &'static str },

    #[error("there is no database at {}: it is made when agentd starts for the first time", .path.display())]
    Missing { path: PathBuf },
    #[error(
        "the database {} has version {found}, made by a newer agentd; this one knows versions up to {known}: \
         run the newer agentd, or restore the backup made before the upgrade",
        .path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the database {} has version {found}, and this agentd reads version {known}: start agentd once, it brings \
         the database up to date",
        .path.display()
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("the file {} is a database, but not one of agentd's: name another file, or move it away", .path.display())]
    Foreign { path: PathBuf },
    #[error(
        "the database {} is damaged ({source}): stop agentd and restore it from a backup, or move it away (together \
         with the files beside it that end in -wal and -shm) to start with an empty one",
        .path.display()
    )]
    Corrupt { path: PathBuf, source: Fault },
    #[error("the database {} cannot be opened: {source}", .path.display())]
    Open { path: PathBuf, source: Fault },

    /// The disk or the database failed. The same call may be made again.
    #[error("the store failed while {doing}: {source}")]
    Store { doing: &'static str, source: Fault },
    /// The store's own thread has ended, so that nothing can be stored any more.
    #[error("the store has stopped: start agentd again")]
    Gone,
}

impl Error {
    /// Says of a database that turned out to be damaged which one it is, and what to do.
    pub(crate) fn in_file(self, path: &Path) -> Error {
        match self {
            Error::Store { source, .. } if source.is_corrupt() => Error::Corrupt { path: path.into(), source },
            other => other,
        }
    }

    /// Reading or writing failed: what the connection holds in memory can no longer be trusted.
    pub(crate) fn is_io(&self) -> bool {
        matches!(self, Error::Store { source, .. } if source.is_io())
    }
}

/// What the database or the operating system said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// SQLite's extended result code; 0: it came from elsewhere.
    pub code: i32,
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.is_disk_full() { f.write_str("; make room on the disk") } else { Ok(()) }
    }
}

impl std::error::Error for Fault {}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        let code = error.sqlite_error().map_or(0, |it| it.extended_code);
        Fault { code, text: error.to_string() }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Fault {
        Fault { code: 0, text: error.to_string() }
    }
}

impl Fault {
    /// No room on the disk, as far as SQLite can tell.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.primary() == rusqlite::ffi::SQLITE_FULL
    }

    /// The file is not a sound database.
    pub(crate) fn is_corrupt(&self) -> bool {
        matches!(self.primary(), rusqlite::ffi::SQLITE_CORRUPT | rusqlite::ffi::SQLITE_NOTADB)
    }

    pub(crate) fn is_io(&self) -> bool {
        self.primary() == rusqlite::ffi::SQLITE_IOERR
    }

    fn primary(&self) -> i32 {
        self.code & 0xff
    }
}

/// For `map_err`: says what was being done.
pub(crate) fn store(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
    move |source| Error::Store { doing, source: source.into() }
}
