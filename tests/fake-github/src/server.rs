//! From a connection to an answer: reads a request, has it answered by the API, GraphQL or git, and lets the planned
//! faults happen before and after that.

use crate::clock::Clock;
use crate::fault::{Faults, How, Name, What, When};
use crate::journal::Journal;
use crate::limit::Limits;
use crate::message::{Answer, Body, Request};
use crate::spec::Spec;
use crate::state::State;
use crate::{api, git, graphql};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Response, server::conn::http1};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) spec: Arc<Spec>,
}

/// The connection is to end without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut by a planned fault")
    }
}

impl std::error::Error for Cut {}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until `stop`; then every connection ends at once.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, shared.clone(), stop.clone()));
                }
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, stop: CancellationToken) {
    let service = service_fn(|request| answer(request, shared.clone()));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A program that hangs up, or a planned cut: nobody is left to be told.
        ended = serving => drop(ended),
        () = stop.cancelled() => (),
    }
}

async fn answer(request: hyper::Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Cut> {
    let request = read(request).await?;
    let name = name(&shared, &request);
    shared.journal.asked(&name);
    let planned = shared.faults.of(&name, &api::by_name(&shared, request.path.trim_start_matches("/api/v3")));
    for (_, what) in planned.iter().filter(|(when, _)| *when == When::Before) {
        let failed = happen(what, &shared).await;
        if !matches!(failed, Ok(None)) {
            api::record(&shared, &request, &name, 0);
        }
        if let Some(failed) = failed? {
            return Ok(response(failed));
        }
    }
    let (worker, asked) = (shared.clone(), request.clone());
    let what = name.clone();
    // What has an effect is noted with it, even if the program has hung up meanwhile.
    let done = tokio::task::spawn_blocking(move || {
        let answer = dispatch(&worker, &asked, &what);
        api::record(&worker, &asked, &what, answer.status);
        answer
    });
    let answer = done.await.unwrap_or_else(|error| {
        shared.journal.violation(format!("the fake itself failed at {name}: {error}"));
        Answer::error(500, "the fake itself failed")
    });
    for (_, what) in planned.iter().filter(|(when, _)| *when == When::After) {
        if let Some(failed) = happen(what, &shared).await? {
            return Ok(response(failed));
        }
    }
    Ok(response(answer))
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes().to_vec();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
    })
}

fn name(shared: &Shared, request: &Request) -> Name {
    if request.path == "/api/graphql" {
        return Name::Graphql { mutation: graphql::is_mutation(&request.body) };
    }
    if let Some(path) = request.path.strip_prefix("/api/v3") {
        let path = api::by_name(shared, path);
        let route = shared.spec.find(&path).map_or(path, |found| found.template);
        return Name::Api { method: request.method.clone(), route };
    }
    match request.path.rsplit('/').next() {
        Some("git-receive-pack") => Name::GitPush,
        Some("git-upload-pack") => Name::GitFetch,
        _ => Name::GitOther,
    }
}

/// An answer, where the fault gives one; it may never end.
async fn happen(what: &What, shared: &Shared) -> Result<Option<Answer>, Cut> {
    match what {
        What::Hold(gate) => {
            gate.wait().await;
            Ok(None)
        }
        What::Fail(How::Cut) => Err(Cut),
        What::Fail(How::Hang) => pending().await,
        What::Fail(How::Status(status, message)) => Ok(Some(Answer::error(*status, message))),
        What::Fail(How::SecondaryLimit { retry_after }) => {
            shared.journal.refused();
            let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            let answer = Answer::error(403, message);
            Ok(Some(match retry_after {
                Some(seconds) => answer.header("retry-after", seconds.to_string()),
                None => answer,
            }))
        }
    }
}

fn dispatch(shared: &Shared, request: &Request, name: &Name) -> Answer {
    match name {
        Name::Graphql { .. } => graphql::answer(shared, request),
        Name::Api { .. } => api::answer(shared, request),
        Name::GitPush | Name::GitFetch | Name::GitOther => git::serve::answer(shared, request),
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let (kind, body) = match answer.body {
        Body::Empty => (None, Vec::new()),
        Body::Json(value) => (Some("application/json; charset=utf-8".to_owned()), value.to_string().into_bytes()),
        Body::Other(kind, bytes) => (Some(kind), bytes),
    };
    let mut response = Response::builder().status(answer.status).header("server", "fake-github");
    for (name, value) in &answer.headers {
        response = response.header(name.as_str(), value.as_str());
    }
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(Full::new(Bytes::from(body))).expect("the fake's own headers are valid")
}
