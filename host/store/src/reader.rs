//! Reads, on threads of their own.
//!
//! A [`Reader`] cannot write: its connections are opened read-only. Each question is one statement or one snapshot, so
//! that no reader holds the write-ahead log back for long. What a writer has been told is durable, a reader that asks
//! after that sees.

use crate::{Error, file};
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use tokio::sync::{mpsc, oneshot};

const THREADS: usize = 2;
/// Questions that wait; who asks beyond that waits for room.
const QUEUE: usize = 256;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// Reads only. Cheap to clone; its threads end with its last clone.
#[derive(Clone, Debug)]
pub struct Reader {
    path: Arc<PathBuf>,
    questions: mpsc::Sender<Question>,
}

impl Reader {
    /// Opens the database of a daemon that may be down.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Newer`], [`Error::Older`], [`Error::Foreign`], [`Error::Corrupt`],
    /// [`Error::Open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Reader, Error> {
        let path = Arc::new(path.as_ref().to_path_buf());
        let (questions, queue) = mpsc::channel::<Question>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 1..=THREADS {
            let (conn, queue) = (file::open_to_read(&path)?, Arc::clone(&queue));
            thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || answer(&conn, &queue))
                .map_err(|source| Error::Open { path: path.to_path_buf(), source: source.into() })?;
        }
        Ok(Reader { path, questions })
    }

    /// Asks `question` on one of the threads, within one snapshot of the database.
    pub(crate) async fn ask<T, F>(&self, question: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Question = Box::new(move |conn| drop(reply.send(in_snapshot(conn, question))));
        self.questions.send(job).await.map_err(|_closed| Error::Gone)?;
        answer.await.map_err(|_closed| Error::Gone)?.map_err(|error| error.in_file(&self.path))
    }
}

fn answer(conn: &Connection, queue: &Mutex<mpsc::Receiver<Question>>) {
    loop {
        // The lock is held while waiting, and given to the other thread before the question is answered.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match next {
            Some(question) => question(conn),
            None => return,
        }
    }
}

fn in_snapshot<T>(conn: &Connection, question: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    let snapshot = conn.unchecked_transaction().map_err(crate::error::store("beginning to read"))?;
    let answer = question(&snapshot);
    snapshot.finish().map_err(crate::error::store("ending a read"))?;
    answer
}
