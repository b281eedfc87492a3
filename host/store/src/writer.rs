//! The one thread that writes.
//!
//! Commands come in through a bounded channel. What is queued is carried out in one transaction, each command in a
//! savepoint of its own, so that one that fails takes back itself alone; then one `COMMIT` makes all of them durable,
//! and only then each caller hears of it. That is what lets many callers share one flush of the disk.
//!
//! - Nobody is answered with success before the commit is on the disk.
//! - A connection that met an I/O error is closed and opened again, never used further: after a failed flush the
//!   system may drop pages that the connection believes written.

use crate::{Error, checkpoint::Checkpointer, error::store, event, file};
use rusqlite::Connection;
use std::{path::PathBuf, sync::Arc, thread};
use tokio::sync::{mpsc, oneshot, watch};

/// Commands in one transaction, at most.
const BATCH: usize = 256;
/// Commands that wait; a caller beyond that waits for room.
const QUEUE: usize = 1024;

/// Gives commands to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    path: Arc<PathBuf>,
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the thread. `latest` hears the id of the newest event after each commit.
    pub(crate) fn start(path: PathBuf, mut conn: Connection, latest: watch::Sender<i64>) -> Result<Writer, Error> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let path = Arc::new(path);
        let checkpointer = Checkpointer::start(&path)?;
        checkpointer.watch(&mut conn)?;
        let thread = Thread { path: Arc::clone(&path), conn: Some(conn), checkpointer, latest };
        thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || thread.run(queue))
            .map_err(|source| Error::Open { path: path.to_path_buf(), source: source.into() })?;
        Ok(Writer { path, jobs })
    }

    /// Carries out `work` in a transaction; returns when that is durable, or when nothing of it was stored.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Call { work: Some(work), made: None, reply });
        self.jobs.send(job).await.map_err(|_closed| Error::Gone)?;
        answer.await.map_err(|_closed| Error::Gone)?.map_err(|error| error.in_file(&self.path))
    }

    /// Carries out what is queued before it, then ends the thread and closes the database.
    pub(crate) async fn stop(&self) {
        // A thread that is gone already needs no telling.
        drop(self.jobs.send(Box::new(Stop)).await);
        self.died().await;
    }

    /// Resolves when the thread has ended, for whatever reason.
    pub(crate) async fn died(&self) {
        self.jobs.closed().await;
    }
}

/// A command, without its types.
trait Job: Send {
    /// Does the work; false: what it wrote shall be taken back.
    fn run(&mut self, conn: &Connection) -> bool;
    /// Answers the caller, given what became of the transaction.
    fn settle(self: Box<Self>, fate: Result<(), Error>);
    /// The connection met an I/O error while it worked.
    fn broke(&self) -> bool {
        false
    }
    fn is_last(&self) -> bool {
        false
    }
}

struct Call<F, T> {
    work: Option<F>,
    made: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Job for Call<F, T>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Error> + Send,
{
    fn run(&mut self, conn: &Connection) -> bool {
        self.made = self.work.take().map(|work| work(conn));
        matches!(self.made, Some(Ok(_)))
    }

    fn broke(&self) -> bool {
        matches!(&self.made, Some(Err(Error::Store { source, .. })) if source.is_io())
    }

    fn settle(self: Box<Self>, fate: Result<(), Error>) {
        let answer = match (self.made, fate) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(common)) => Err(common),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::Gone),
        };
        // A caller that stopped waiting loses the answer, not the work.
        drop(self.reply.send(answer));
    }
}

struct Stop;

impl Job for Stop {
    fn run(&mut self, _: &Connection) -> bool {
        true
    }

    fn settle(self: Box<Self>, _: Result<(), Error>) {}

    fn is_last(&self) -> bool {
        true
    }
}

struct Thread {
    path: Arc<PathBuf>,
    conn: Option<Connection>,
    checkpointer: Checkpointer,
    latest: watch::Sender<i64>,
}

impl Thread {
    /// Owns the connection to its end, and closes it before the channel: whoever waits for the thread's end may then
    /// open the file anew.
    fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        while let Some(first) = queue.blocking_recv() {
            let mut jobs = vec![first];
            while jobs.len() < BATCH
                && let Ok(next) = queue.try_recv()
            {
                jobs.push(next);
            }
            let last = jobs.iter().any(|job| job.is_last());
            self.batch(jobs);
            if last {
                break;
            }
        }
        if let Some(conn) = self.conn.take() {
            self.checkpointer.finish(&conn);
        }
    }

    fn batch(&mut self, jobs: Vec<Box<dyn Job>>) {
        let conn = match self.connection() {
            Ok(conn) => conn,
            Err(error) => return settle(jobs, &Err(error)),
        };
        let mut open: Vec<Box<dyn Job>> = Vec::with_capacity(jobs.len());
        let mut healthy = true;
        for mut job in jobs {
            // Some errors (a full disk, say) end the whole transaction, and with it what came before in it.
            if conn.is_autocommit() {
                settle(std::mem::take(&mut open), &Err(lost()));
                if let Err(error) = conn.execute_batch("BEGIN IMMEDIATE").map_err(store("beginning a transaction")) {
                    healthy &= !error.is_io();
                    job.settle(Err(error));
                    continue;
                }
            }
            let ran = in_savepoint(&conn, job.as_mut()).map_err(store("writing"));
            healthy &= !job.broke();
            open.push(job);
            if let Err(error) = ran {
                healthy &= !error.is_io();
                roll_back(&conn);
                settle(std::mem::take(&mut open), &Err(error));
            }
        }
        if !open.is_empty() {
            let fate = self.commit(&conn);
            healthy &= !matches!(&fate, Err(error) if error.is_io());
            settle(open, &fate);
        }
        if healthy {
            self.checkpointer.after_commit(&conn);
            self.conn = Some(conn);
        } else {
            tracing::warn!("The store met an I/O error and opens its file again");
        }
    }

    fn connection(&mut self) -> Result<Connection, Error> {
        if let Some(conn) = self.conn.take() {
            return Ok(conn);
        }
        let mut conn = file::open_to_write(&self.path)?;
        self.checkpointer.watch(&mut conn)?;
        Ok(conn)
    }

    fn commit(&self, conn: &Connection) -> Result<(), Error> {
        if conn.is_autocommit() {
            return Err(lost());
        }
        let newest = event::newest(conn);
        if let Err(error) = conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])) {
            roll_back(conn);
            return Err(store("committing")(error));
        }
        match newest {
            Ok(newest) => {
                self.latest.send_if_modified(|latest| std::mem::replace(latest, newest) != newest);
            }
            Err(error) => tracing::warn!(%error, "Followers of the event log hear of the newest events later"),
        }
        Ok(())
    }
}

/// Runs one command so that it can be taken back alone.
fn in_savepoint(conn: &Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    conn.prepare_cached("SAVEPOINT command")?.execute([])?;
    let keep = job.run(conn);
    if conn.is_autocommit() {
        return Ok(());
    }
    if !keep {
        conn.prepare_cached("ROLLBACK TO command")?.execute([])?;
    }
    conn.prepare_cached("RELEASE command")?.execute([])?;
    Ok(())
}

fn roll_back(conn: &Connection) {
    if !conn.is_autocommit()
        && let Err(error) = conn.execute_batch("ROLLBACK")
    {
        tracing::warn!(%error, "A transaction could not be rolled back; the database undoes it when next opened");
    }
}

fn settle(jobs: Vec<Box<dyn Job>>, fate: &Result<(), Error>) {
    for job in jobs {
        job.settle(fate.clone());
    }
}

fn lost() -> Error {
    let text = "another command of the same transaction failed and took it along".into();
    Error::Store { doing: "committing", source: crate::Fault { code: 0, text } }
}

#[cfg(test)]
mod tests;
