//! Why an executor could not do what it was asked.

use agentd_task::{Failure, Reason};
use std::{io, path::PathBuf};

/// Variants are the branches a caller takes; the text is for people and holds no secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine does not answer, or answers that it is in trouble: the same call may be made again.
    #[error("the container engine failed {doing}: {what}; is it running? (`docker info` should answer)")]
    Engine { doing: &'static str, what: String },
    /// The engine is there and may not be used.
    #[error(
        "no permission to use the container engine at {socket}: put agentd's user into the group that owns the socket \
         (usually `docker`) and log in again, or run agentd as root"
    )]
    Permission { socket: String },
    /// The engine is set up in a way that sandboxes would not be safe or could not work.
    #[error("the container engine cannot be used: {what}")]
    Unfit { what: String },
    /// There is no sandbox of that name, or it was never started.
    #[error("there is no sandbox called {name}: it was removed, or never started")]
    NotFound { name: String },
    /// The sandbox cannot start as it is described: trying the same again would end the same way.
    #[error("the sandbox {name} cannot start: {why}")]
    StartFailed { name: String, why: String },
    /// A service ended, or was not ready in time. `why` has its last words.
    #[error("the service {name} ({image}) {why}")]
    ServiceFailed { name: String, image: String, why: String },
    /// The image could not be made.
    #[error("the image {what}")]
    Image { what: String },
    /// An image that the engine lacks could not be pulled. `passing`: the same may work a little later.
    #[error("the image {image} cannot be pulled: {why}")]
    Pull { image: String, why: String, passing: bool },
    /// The image's own Dockerfile does not build: trying the same again would end the same way.
    #[error("the image {tag} cannot be built: {why}")]
    Build { tag: String, why: String },
    /// A file or process of this machine did not do what it should.
    #[error("{doing} {} failed: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The spool is not what `agentd-init` wrote.
    #[error("the spool in {} is not what agentd's init wrote: {what}; nothing in it is believed from there on", path.display())]
    Tampered { path: PathBuf, what: String },
}

impl Error {
    /// The same as the failure of a run.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let reason = match self {
            Error::Engine { what, .. } if what.contains("no space left") => Reason::DiskFull,
            Error::Engine { .. } => Reason::Engine,
            Error::Permission { .. } | Error::Unfit { .. } | Error::StartFailed { .. } | Error::Image { .. } => {
                Reason::Misconfigured
            }
            Error::Pull { passing: true, .. } => Reason::StartFailed,
            Error::Pull { .. } | Error::Build { .. } => Reason::Image,
            Error::ServiceFailed { .. } => Reason::Service,
            Error::NotFound { .. } => Reason::Lost,
            Error::Io { source, .. } if is_full(source) => Reason::DiskFull,
            Error::Io { .. } => Reason::StartFailed,
            Error::Tampered { .. } => Reason::SpoolTampered,
        };
        Failure::new(reason, self.to_string())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// For `map_err`: the error of doing something with a file.
pub(crate) fn io_at<E: Into<io::Error>>(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(E) -> Error {
    let path = path.into();
    move |source| Error::Io { doing, path, source: source.into() }
}
