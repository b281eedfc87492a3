//! The other end of the control socket.
//!
//! One connection a request; an answer has a limit in size. Knows nothing of terminals.

use crate::server::{ErrorBody, ErrorView};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;
use std::{io::ErrorKind, path::PathBuf};
use tokio::net::UnixStream;
use tokio_util::task::TaskTracker;

const ANSWER_BYTES_MAX: usize = 64 << 20;
const LINE_BYTES_MAX: usize = 16 << 20;

/// Speaks to the daemon of one home. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    home: PathBuf,
    socket: PathBuf,
    /// The halves of connections that only move bytes.
    connections: TaskTracker,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("agentd is not running on {}", home.display())]
    NotRunning { home: PathBuf },
    /// The daemon said no.
    #[error("{}", .0.message)]
    Refused(ErrorView),
    /// It was there, and went away before it had answered.
    #[error("agentd on {} ended before it had answered", home.display())]
    Cut { home: PathBuf },
    #[error("the control socket {} cannot be used: {what}", socket.display())]
    Broken { socket: PathBuf, what: String },
}

impl Error {
    #[must_use]
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::NotRunning { .. } => Some("agentd start".into()),
            Error::Refused(view) => view.hint.clone(),
            Error::Cut { .. } => Some("agentd status shows whether it runs, agentd logs why it does not".into()),
            Error::Broken { .. } => None,
        }
    }
}

impl Client {
    #[must_use]
    pub(crate) fn new(home: &crate::home::Home) -> Client {
        Client { home: home.path().to_owned(), socket: home.socket(), connections: TaskTracker::new() }
    }

    /// # Errors
    /// Any [`Error`], as for all requests here.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let response = self.send(Method::GET, path, None).await?;
        self.read(response).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(&error))?;
        let response = self.send(Method::POST, path, Some(body)).await?;
        self.read(response).await
    }

    /// An answer that comes line by line.
    pub(crate) async fn lines(&self, path: &str) -> Result<Lines, Error> {
        let response = self.send(Method::GET, path, None).await?;
        Ok(Lines { client: self.clone(), body: response.into_body(), kept: Vec::new() })
    }

    /// Whether a daemon answers, with its process id.
    pub(crate) async fn health(&self) -> Result<u32, Error> {
        let health: Json = self.get("/v1/health").await?;
        let pid = health["pid"].as_u64().and_then(|it| u32::try_from(it).ok());
        pid.ok_or_else(|| self.broken(&"what answers there is not agentd"))
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Response<Incoming>, Error> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Error::NotRunning { home: self.home.clone() },
            _ => self.broken(&error),
        })?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| self.broken(&error))?;
        // What goes wrong with the connection, the request and the body hear of.
        self.connections.spawn(async move { connection.await.ok() });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "agentd")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| self.broken(&error))?;
        let response = sender.send_request(request).await.map_err(|error| self.cut(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    async fn refusal(&self, response: Response<Incoming>) -> Error {
        let status = response.status();
        match self.read::<ErrorBody>(response).await {
            Ok(body) => Error::Refused(body.error),
            Err(_) => self.broken(&format!("it answered {status}")),
        }
    }

    async fn read<T: DeserializeOwned>(&self, response: Response<Incoming>) -> Result<T, Error> {
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| self.broken(&error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| self.broken(&error))
    }

    /// The other end hung up, or something else is wrong with the connection.
    fn cut(&self, error: &hyper::Error) -> Error {
        let hung_up = error.is_incomplete_message() || error.is_closed() || error.is_body_write_aborted();
        let by_kernel = std::error::Error::source(error).and_then(|it| it.downcast_ref::<std::io::Error>()).is_some();
        match hung_up || by_kernel {
            true => Error::Cut { home: self.home.clone() },
            false => self.broken(error),
        }
    }

    fn broken(&self, what: &dyn std::fmt::Display) -> Error {
        Error::Broken { socket: self.socket.clone(), what: what.to_string() }
    }
}

/// An answer that comes line by line, for as long as the other end likes.
#[derive(Debug)]
pub(crate) struct Lines {
    client: Client,
    body: Incoming,
    kept: Vec<u8>,
}

impl Lines {
    /// The next line as JSON; none: the end. Empty lines only say that the other end is alive.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(end) = self.kept.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = self.kept.drain(..=end).collect();
                if line.len() > 1 {
                    return serde_json::from_slice(&line).map(Some).map_err(|error| self.client.broken(&error));
                }
                continue;
            }
            if self.kept.len() > LINE_BYTES_MAX {
                return Err(self.client.broken(&"a line has no end"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.client.cut(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.kept.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

/// `path?name=value&…`, with values escaped.
#[must_use]
pub(crate) fn with_query(path: &str, pairs: &[(&str, String)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
