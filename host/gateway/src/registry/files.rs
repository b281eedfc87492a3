//! Packages' files: fetched once however many ask, handed on while they arrive, kept when their digest is right.
//!
//! Readers follow the temporary file. They see only what was written before the newest piece, and the rest when the
//! file is complete and right: the end of a wrong file is never handed out, and its connection is cut.

use super::{
    Error,
    digest::{Check, Digest},
    store::{self, Store, Temporary},
    upstream::{Opened, Upstream},
};
use crate::answer::Body;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Response, StatusCode,
    body::Frame,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    io::AsyncWriteExt,
    sync::{Semaphore, watch},
};
use tokio_util::task::TaskTracker;

/// The largest file, in bytes.
const FILE_MAX: u64 = 4 << 30;
/// How many files may arrive at the same time; others wait.
const FETCHES_MAX: usize = 64;
/// What a reader takes at once, in bytes.
const PIECE: u64 = 64 << 10;

/// Where the index says that a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) url: String,
    /// `None`: the index tells none that can be checked, and the file is not kept.
    pub(super) digest: Option<Digest>,
}

pub(super) struct Files {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    upstream: Upstream,
    /// What is arriving, by key.
    arriving: Mutex<HashMap<String, Arrival>>,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// How to follow a file that arrives. The temporary file may be gone by the name, but not for who has it open.
#[derive(Clone)]
struct Arrival {
    state: watch::Receiver<State>,
    file: Arc<fs::File>,
}

#[derive(Clone, Debug)]
enum State {
    Asking,
    /// The answer began; so many bytes may be read.
    Arriving {
        length: Option<u64>,
        ready: u64,
    },
    /// Complete and right; so many bytes.
    Done(u64),
    Failed(Error),
}

impl Files {
    pub(super) fn new(store: Store, upstream: Upstream) -> Files {
        let permits = Arc::new(Semaphore::new(FETCHES_MAX));
        let (arriving, tasks) = (Mutex::default(), TaskTracker::new());
        Files { inner: Arc::new(Inner { store, upstream, arriving, permits, tasks }) }
    }

    /// The file behind `link`, from the cache or from its place.
    pub(super) async fn open(&self, link: Link) -> Result<Response<Body>, Error> {
        // The digest is part of the key: where an index changes its mind, it is another file.
        let key = store::key("file", &format!("{} {:?}", link.url, link.digest));
        if let Some((file, size)) = self.inner.store.open(&key)? {
            let (_, state) = watch::channel(State::Done(size));
            return Ok(response(Some(size), Reader::new(file, state)));
        }
        let mut arrival = self.inner.follow(&key, link).await?;
        let began = arrival.state.wait_for(|it| !matches!(it, State::Asking)).await;
        let began = began.map(|it| it.clone()).unwrap_or_else(|_| State::Failed(broken()));
        let length = match began {
            State::Asking => None,
            State::Arriving { length, .. } => length,
            State::Done(size) => Some(size),
            State::Failed(error) => return Err(error),
        };
        let file = arrival.file.try_clone().map_err(|error| Error::Here(format!("no more files: {error}")))?;
        Ok(response(length, Reader::new(file, arrival.state)))
    }
}

impl Inner {
    /// Follows who fetches the file already, or begins to.
    ///
    /// Who waits for its turn has nothing open yet, and gives it up by going away: what a run asks for and does not wait
    /// for costs nobody else a file.
    async fn follow(self: &Arc<Self>, key: &str, link: Link) -> Result<Arrival, Error> {
        if let Some(arrival) = self.arriving().get(key) {
            return Ok(arrival.clone());
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| broken())?;
        let mut arriving = self.arriving();
        if let Some(arrival) = arriving.get(key) {
            return Ok(arrival.clone());
        }
        let (temporary, writer) = self.store.temporary()?;
        let reader = fs::File::open(temporary.path()).map_err(|error| Error::Here(format!("no such file: {error}")))?;
        let (sender, state) = watch::channel(State::Asking);
        let arrival = Arrival { state, file: Arc::new(reader) };
        arriving.insert(key.to_owned(), arrival.clone());
        let (inner, key) = (Arc::clone(self), key.to_owned());
        self.tasks.spawn(async move {
            let end = inner.fetch(&key, &link, temporary, writer, &sender).await;
            inner.arriving().remove(&key);
            drop(permit);
            sender.send_replace(end.map_or_else(State::Failed, State::Done));
        });
        Ok(arrival)
    }

    fn arriving(&self) -> MutexGuard<'_, HashMap<String, Arrival>> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(
        &self,
        key: &str,
        link: &Link,
        mut temporary: Temporary,
        writer: fs::File,
        state: &watch::Sender<State>,
    ) -> Result<u64, Error> {
        let mut opened = self.upstream.get(&link.url, &[]).await?;
        let length = opened.length();
        if opened.status != 200 {
            return Err(Error::Upstream(format!("it answers with status {}", opened.status)));
        }
        let mut check = link.digest.as_ref().map(Check::new);
        let size = write(&mut opened, &mut temporary, writer, check.as_mut(), |ready| {
            state.send_replace(State::Arriving { length, ready });
        });
        let size = size.await?;
        if length.is_some_and(|it| it != size) {
            return Err(Error::Upstream("the file is not as long as was said".into()));
        }
        match check.map(Check::end) {
            Some(true) => temporary.keep(key).map(|()| size),
            Some(false) => {
                tracing::warn!(target: "gateway", url = link.url, "A package's file is not what its registry's index says");
                Err(Error::Upstream(
                    "the file is not the one that the registry's index tells: its digest differs".into(),
                ))
            }
            None => Ok(size),
        }
    }
}

/// Writes the answer's body to the file, and says how much of it may be read: all but the newest piece.
async fn write(
    opened: &mut Opened,
    temporary: &mut Temporary,
    writer: fs::File,
    mut check: Option<&mut Check>,
    ready: impl Fn(u64),
) -> Result<u64, Error> {
    let failed = |error: io::Error| Error::Here(format!("a package's file could not be written: {error}"));
    let mut writer = tokio::fs::File::from_std(writer);
    let mut size = 0;
    ready(0);
    while let Some(piece) = opened.chunk().await? {
        if piece.is_empty() {
            continue;
        }
        // Everything until now is behind a flush, and is not the end.
        ready(size);
        size += piece.len() as u64;
        if size > FILE_MAX {
            return Err(Error::Upstream(format!("the file is larger than {FILE_MAX} bytes")));
        }
        temporary.grow(piece.len() as u64)?;
        if let Some(check) = check.as_mut() {
            check.update(&piece);
        }
        writer.write_all(&piece).await.map_err(failed)?;
        writer.flush().await.map_err(failed)?;
    }
    Ok(size)
}

/// Reads a file that may still be arriving.
struct Reader {
    file: Option<fs::File>,
    at: u64,
    state: watch::Receiver<State>,
}

impl Reader {
    fn new(file: fs::File, state: watch::Receiver<State>) -> Reader {
        Reader { file: Some(file), at: 0, state }
    }

    /// The next bytes; `None`: that was all.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let state = self.state.borrow_and_update().clone();
            let (ready, done) = match state {
                State::Asking => (0, false),
                State::Arriving { ready, .. } => (ready, false),
                State::Done(size) => (size, true),
                State::Failed(error) => return Err(io::Error::other(error)),
            };
            if self.at < ready {
                return self.read((ready - self.at).min(PIECE)).await.map(Some);
            }
            if done {
                return Ok(None);
            }
            self.state.changed().await.map_err(|_| io::Error::other(broken()))?;
        }
    }

    /// Readers share an open file, so each says where it reads.
    async fn read(&mut self, count: u64) -> io::Result<Bytes> {
        use std::os::unix::fs::FileExt;
        let (at, size) = (self.at, usize::try_from(count).unwrap_or(0));
        let Some(file) = self.file.take() else { return Err(io::Error::other(broken())) };
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; size];
            let result = file.read_exact_at(&mut piece, at);
            (file, result.map(|()| piece))
        });
        let (file, piece) = read.await.map_err(io::Error::other)?;
        self.file = Some(file);
        self.at += count;
        piece.map(Bytes::from)
    }
}

fn response(length: Option<u64>, reader: Reader) -> Response<Body> {
    let pieces = stream::try_unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        Ok::<_, io::Error>(piece.map(|piece| (Frame::data(piece), reader)))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=31536000, immutable"));
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// Who fetched the file is gone without a word.
fn broken() -> Error {
    Error::Here("fetching the file ended unexpectedly".into())
}
