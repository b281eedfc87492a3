//! Brings the write-ahead log into the database file, without making a command wait for it.
//!
//! SQLite itself would do that within some commit, and whoever waits for that commit would wait for thousands of pages.
//! Here a thread with a connection of its own does it while the writer goes on. What the writer added meanwhile is
//! little: the writer brings that over itself, after its callers are answered, and the log begins anew. Should the
//! thread fall behind, the writer waits for it, so that the log stays small and opening after a crash stays quick.

use crate::{Error, file};
use rusqlite::Connection;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
        mpsc::{self, Receiver, SyncSender, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// From so many pages of 4 KiB in the log on, they are brought over.
const PAGES: i32 = 2_000;
/// With so many the writer waits.
const PAGES_MAX: i32 = 8_000;
/// How long closing waits for readers.
const FOLD: Duration = Duration::from_secs(1);

/// The writer's side.
pub(crate) struct Checkpointer {
    /// In the log, after the writer's last commit.
    pages: Arc<AtomicI32>,
    ask: SyncSender<()>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
    asked: bool,
    seen: i32,
    next: i32,
}

impl Checkpointer {
    pub(crate) fn start(path: &Path) -> Result<Checkpointer, Error> {
        let conn = file::open_to_write(path)?;
        let ((ask, asked), (tell, done)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
        let thread = thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || {
                while let Ok(()) = asked.recv() {
                    checkpoint(&conn, "passive");
                    if tell.send(()).is_err() {
                        return;
                    }
                }
            })
            .map_err(|source| Error::Open { path: path.into(), source: source.into() })?;
        Ok(Checkpointer { pages: Arc::default(), ask, done, thread, asked: false, seen: 0, next: PAGES })
    }

    /// From now on hears how long the log is after each commit of `conn`.
    pub(crate) fn watch(&self, conn: &mut Connection) -> Result<(), Error> {
        let pages = Arc::clone(&self.pages);
        conn.wal_hook(Some(move |_: &mut _, now| {
            pages.store(now, Ordering::Relaxed);
            Ok(())
        }))
        .map_err(crate::error::store("watching the write-ahead log"))
    }

    /// To be called between transactions, when nobody waits.
    pub(crate) fn after_commit(&mut self, conn: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            self.next = PAGES;
        }
        self.seen = pages;
        if self.asked {
            if self.is_done(pages) {
                self.asked = false;
                checkpoint(conn, "passive");
            }
        } else if pages >= self.next {
            // If a reader keeps the log from beginning anew, trying again makes sense only after a while.
            self.next = pages.saturating_add(PAGES);
            self.asked = self.ask.try_send(()).is_ok();
            if !self.asked {
                checkpoint(conn, "passive");
            }
        }
    }

    /// Brings everything into the one file, so that a stopped daemon's database can be copied as it is.
    pub(crate) fn finish(self, conn: &Connection) {
        drop((self.ask, self.done));
        if self.thread.join().is_err() {
            tracing::warn!("The thread that keeps the write-ahead log small had failed");
        }
        if let Err(error) = conn.busy_timeout(FOLD) {
            tracing::warn!(%error, "Closing the database may wait for readers");
        }
        checkpoint(conn, "truncate");
    }

    /// A thread that is gone is done as well: the writer then does its work.
    fn is_done(&self, pages: i32) -> bool {
        if pages < PAGES_MAX {
            return !matches!(self.done.try_recv(), Err(TryRecvError::Empty));
        }
        match self.done.recv() {
            Ok(()) | Err(mpsc::RecvError) => true,
        }
    }
}

fn checkpoint(conn: &Connection, how: &str) {
    if let Err(error) = conn.pragma_update_and_check(None, "wal_checkpoint", how, |_| Ok(())) {
        tracing::warn!(%error, "The write-ahead log could not be brought into the database file, and grows");
    }
}
