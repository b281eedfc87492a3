//! Sockets and connections: how they are made, counted and ended. What is said on them is [`serve`](crate::serve)'s.

use crate::{SOCKET, answer::Body, door::DoorState, gateway::Doors, serve};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixListener as StdUnixListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Of one door; more wait in the backlog.
const CONNECTIONS_MAX: usize = 128;
/// Of a request's line and headers, in bytes.
const HEAD_MAX: usize = 64 << 10;
/// Until a request's head is there: also how long an idle connection stays open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(300);
/// After `accept` failed: it does so when files run out, and then at once again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Makes the socket of a door in `folder`, for this user alone: the first process of the sandbox that it is mounted into is
/// the same user, and what runs there besides comes by its bridge.
///
/// The path of a socket has to be short, and that of a run's folder need not be: it is bound below an open directory.
/// It is made beside its place and moved there, so that there is one at every moment.
pub(crate) fn bind(folder: &Path) -> io::Result<StdUnixListener> {
    std::fs::create_dir_all(folder)?;
    let directory =
        fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    fs::fchmod(&directory, Mode::RWXU)?;
    let fresh = format!("{SOCKET}.new");
    match fs::unlinkat(&directory, &fresh, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let path = PathBuf::from(format!("/proc/self/fd/{}/{fresh}", directory.as_raw_fd()));
    let listener = StdUnixListener::bind(&path)?;
    fs::chmodat(&directory, &fresh, Mode::RUSR | Mode::WUSR, AtFlags::empty())?;
    fs::renameat(&directory, &fresh, &directory, SOCKET)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves the connections of one door until it is closed.
pub(crate) async fn serve_door(listener: UnixListener, door: Arc<DoorState>) {
    let (tasks, stop) = (door.shared.tasks.clone(), door.stop.clone());
    let answer = move |request| {
        let door = Arc::clone(&door);
        async move { serve::behind_door(&door, request).await }
    };
    accept(|| async { listener.accept().await.map(|(stream, _)| stream) }, &tasks, &stop, answer).await;
}

/// Serves the connections of all doors at the loopback listener until `stop`.
pub(crate) async fn serve_loopback(listener: TcpListener, doors: Doors, tasks: TaskTracker, stop: CancellationToken) {
    let answer = move |request| {
        let doors = Arc::clone(&doors);
        async move { serve::at_loopback(&doors, request).await }
    };
    accept(|| async { listener.accept().await.map(|(stream, _)| stream) }, &tasks, &stop, answer).await;
}

async fn accept<S, N, F, A>(next: impl Fn() -> N, tasks: &TaskTracker, stop: &CancellationToken, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    N: Future<Output = io::Result<S>>,
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Body>> + Send,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
            (next().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok(stream) => {
                let (answer, stop) = (answer.clone(), stop.clone());
                tasks.spawn(async move {
                    serve_connection(stream, &stop, answer).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(target: "gateway", %error, "A connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection<S, F, A>(stream: S, stop: &CancellationToken, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<Body>>,
{
    let service = service_fn(move |request| {
        let answered = answer(request);
        async move { Ok::<_, std::convert::Infallible>(answered.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let result = tokio::select! {
        () = stop.cancelled() => return,
        result = connection => result,
    };
    if let Err(error) = result {
        // Programs that go away in the middle are nothing special, and cut answers end like this.
        tracing::debug!(target: "gateway", %error, "A connection ended early");
    }
}
