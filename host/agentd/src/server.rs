//! The daemon's control socket: HTTP with JSON on `<home>/agentd.sock`, for its owner alone.
//!
//! - Reads go to the store, everything else to [`Control`]; nothing is decided here.
//! - Every request has a limit in size and time, and there is a limit to how many are under way.
//! - The socket is made by [`bind`], which the holder of the home's lock calls and nobody else: what lies there then is
//!   left from a daemon that is dead.

mod control;
mod error;
pub(crate) mod query;
mod route;
mod stream;
pub(crate) mod view;

pub(crate) use control::{Control, EffectOrder, Refusal, StopMode};
pub(crate) use error::{ErrorBody, ErrorView};
pub(crate) use query::Identity;

use agentd_store::Reader;
use std::{io, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};
use tokio::{
    net::UnixListener,
    sync::{Semaphore, watch},
    time,
};
use tokio_util::sync::CancellationToken;

/// Requests under way at once; those that follow events are counted apart.
const REQUESTS_MAX: usize = 256;
const FOLLOWERS_MAX: usize = 64;
const BODY_BYTES_MAX: usize = 1 << 20;
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How long clients may take to hear their answer after the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What the server is made of.
pub(crate) struct Parts {
    pub(crate) reader: Reader,
    /// The id of the newest event, as `Store::latest` gives it.
    pub(crate) latest: watch::Receiver<i64>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) identity: Identity,
    /// As people know it: the path of the home folder.
    pub(crate) home: String,
}

/// Makes the control socket, for its owner alone. Whatever lies there is replaced.
///
/// # Errors
/// Those of the file system; a path that is too long for a socket.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    // Nobody else can enter the home folder, so that the moment before the mode is set reveals nothing.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until `stop`; answers that are under way then are still given.
///
/// # Errors
/// When the socket cannot be listened to any more.
pub(crate) async fn serve(listener: UnixListener, parts: Parts, stop: CancellationToken) -> io::Result<()> {
    let state = Arc::new(State {
        parts,
        requests: Semaphore::new(REQUESTS_MAX),
        followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        stop: stop.clone(),
    });
    let served = axum::serve(listener, route::router(state)).with_graceful_shutdown(stop.clone().cancelled_owned());
    let overdue = async {
        stop.cancelled().await;
        time::sleep(GRACE).await;
    };
    tokio::select! {
        served = served => served,
        () = overdue => Ok(()),
    }
}

struct State {
    parts: Parts,
    requests: Semaphore,
    followers: Arc<Semaphore>,
    stop: CancellationToken,
}

#[cfg(test)]
pub(crate) mod tests;
