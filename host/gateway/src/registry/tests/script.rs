//! A server on loopback that answers by a script, and notes what it hears.

use crate::answer::{self, Body};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{HeaderMap, Request, Response, StatusCode, body::Frame, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::task::TaskTracker;

#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Vec<Bytes>,
    /// Waited for before the second piece.
    gate: Option<Arc<Notify>>,
    /// The connection ends after the last piece, and the answer does not.
    cut: bool,
}

impl Reply {
    pub(super) fn status(status: u16) -> Reply {
        Reply { status, headers: vec![], pieces: vec![], gate: None, cut: false }
    }

    pub(super) fn bytes(bytes: &str) -> Reply {
        Reply::status(200).header("content-length", &bytes.len().to_string()).with(&[bytes])
    }

    pub(super) fn pieces(pieces: &[&str]) -> Reply {
        Reply::status(200).with(pieces)
    }

    pub(super) fn json(text: impl AsRef<str>) -> Reply {
        Reply::bytes(text.as_ref()).header("content-type", "application/json")
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Waits after its first two pieces, until the gate is told.
    pub(super) fn gated(mut self) -> (Reply, Arc<Notify>) {
        let gate = Arc::new(Notify::new());
        self.gate = Some(Arc::clone(&gate));
        (self, gate)
    }

    pub(super) fn cut(mut self) -> Reply {
        self.cut = true;
        self
    }

    fn with(mut self, pieces: &[&str]) -> Reply {
        self.pieces = pieces.iter().map(|it| Bytes::copy_from_slice(it.as_bytes())).collect();
        self
    }

    fn response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        let Reply { pieces, gate, cut, .. } = self;
        let body = stream::unfold((pieces, 0), move |(pieces, at)| {
            let gate = gate.clone();
            async move {
                if let (2, Some(gate)) = (at, gate) {
                    gate.notified().await;
                }
                // Each piece is to be a piece for the reader too.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                let piece = match pieces.get(at) {
                    Some(piece) => Ok(Frame::data(piece.clone())),
                    None if cut && at == pieces.len() => Err(io::Error::other("cut")),
                    None => return None,
                };
                Some((piece, (pieces, at + 1)))
            }
        });
        response.body(StreamBody::new(body).boxed()).unwrap()
    }
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    heard: Mutex<Vec<(String, HeaderMap)>>,
}

pub(super) struct Script {
    port: u16,
    shared: Arc<Shared>,
    _tasks: TaskTracker,
}

impl Script {
    pub(super) async fn start() -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, shared) = (listener.local_addr().unwrap().port(), Arc::<Shared>::default());
        let for_all = Arc::clone(&shared);
        let tasks = listen(listener, move |request| {
            let path = request.uri().path_and_query().unwrap().to_string();
            let reply = for_all.replies.lock().unwrap().get(&path).cloned();
            for_all.heard.lock().unwrap().push((path, request.headers().clone()));
            async { reply.map_or_else(|| answer::text(StatusCode::NOT_FOUND, "no"), Reply::response) }
        });
        Script { port, shared, _tasks: tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url())
    }

    pub(super) fn put(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    pub(super) fn heard(&self) -> Vec<(String, HeaderMap)> {
        self.shared.heard.lock().unwrap().clone()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.heard().iter().filter(|(it, _)| it == path).count()
    }

    /// What requests for `path` had in one of their headers.
    pub(super) fn headers_of(&self, path: &str, name: &str) -> Vec<String> {
        let heard = self.heard().into_iter().filter(|(it, _)| it == path);
        heard.map(|(_, headers)| headers.get(name).map_or("", |it| it.to_str().unwrap()).to_owned()).collect()
    }
}

/// Serves HTTP at `listener` as long as the tasks live.
pub(super) fn listen<F, A>(listener: TcpListener, serve: F) -> TaskTracker
where
    F: Fn(Request<hyper::body::Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let tasks = TaskTracker::new();
    let tracker = tasks.clone();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve = serve.clone();
            let service = service_fn(move |request| {
                let answer = serve(request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            tracker.spawn(async move {
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
                // A client that goes away is no failure of the test.
                drop(connection.await);
            });
        }
    });
    tasks
}
