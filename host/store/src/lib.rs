//! What agentd remembers: tasks, runs, steps, events, the outbox, and what plugins keep. The only SQL in agentd.
//!
//! One SQLite file. [`Store`] writes through one thread (`writer`), [`Reader`] reads beside it (`reader`). Each method is
//! a named command in one transaction of its own; no connection and no transaction leaves the room, so that another
//! database can stand behind the same door.
//!
//! - A task's status changes only through [`agentd_task::Task::on`], in the transaction that also writes its event;
//!   the schema's `CHECK`s and triggers repeat the rules.
//! - A command that answers with success is on the disk; one that answers with an error left nothing behind.
//! - The room never reads the clock: `now` comes in, in milliseconds since 1970.

mod checkpoint;
mod error;
mod file;
mod reader;
mod writer;

mod status;
mod task;

mod apply;
mod claim;
mod depend;
mod intake;

mod change;
mod event;
mod instance;
mod kv;
mod ledger;
mod outbox;
mod run;

pub use apply::{Session, SessionNote, With};
pub use change::{Change, Remark};
pub use claim::{Score, Staged};
pub use error::{Error, Fault};
pub use event::NewEvent;
pub use intake::{Intake, Taken};
pub use ledger::{ModelCall, Spent, Usage};
pub use outbox::{Effect, EffectFilter, Follow, NewEffect};
pub use reader::Reader;
pub use run::{Begun, RunKey, RunRow, StepRow};
pub use task::{TaskFilter, TaskRow};

use agentd_task::Millis;
use std::{path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// Where the store is.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file. Its folder exists; the file is made if it is missing, readable by its owner alone.
    pub path: PathBuf,
}

/// Writes and reads. Cheap to clone; the writer's thread ends with its last clone.
#[derive(Clone, Debug)]
pub struct Store {
    writer: writer::Writer,
    reader: Reader,
    instance: Arc<str>,
    latest: watch::Receiver<i64>,
}

impl Store {
    /// Opens the database, or makes it, and brings it up to date.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Foreign`], [`Error::Corrupt`], [`Error::Open`]: the file is left as it was.
    pub fn open(options: Options, now: Millis) -> Result<Store, Error> {
        let conn = file::open_or_make(&options.path, now)?;
        let instance = instance::id(&conn)?.into();
        let (sender, latest) = watch::channel(event::newest(&conn)?);
        let writer = writer::Writer::start(options.path.clone(), conn, sender)?;
        let reader = Reader::open(&options.path)?;
        Ok(Store { writer, reader, instance, latest })
    }

    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Eight hexadecimal digits, the same for the life of the database.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The id of the newest event that is on the disk; 0: none yet. Changes with each commit that added events.
    #[must_use]
    pub fn latest(&self) -> watch::Receiver<i64> {
        self.latest.clone()
    }

    /// Resolves when the writer's thread is gone: nothing can be stored any more, and the process should end.
    pub async fn died(&self) {
        self.writer.died().await;
    }

    /// Stores what was asked before, then closes the database. Later commands are answered with [`Error::Gone`].
    pub async fn close(&self) {
        self.writer.stop().await;
    }
}

#[cfg(test)]
mod tests;
