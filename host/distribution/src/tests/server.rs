//! A registry, and beside it a few files, on loopback: as it should be, and broken where a test says so.

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{net::TcpListener, time::Interval};
use tokio_util::task::TaskTracker;

/// How the registry wants to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Login {
    #[default]
    None,
    Basic,
    /// A token that anybody gets.
    Token,
    /// A token for whom the place for tokens knows.
    TokenOfUser,
}

/// What is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    /// Another blob than was asked for.
    OtherBlob,
    OtherManifest,
    /// The connection ends in the middle of a blob.
    Cut,
    /// A byte now and then, for ever.
    Drip,
    /// Blobs are elsewhere.
    Elsewhere(String),
    /// Larger than anybody would take.
    Huge,
}

#[derive(Default)]
pub(super) struct Kept {
    pub(super) login: Login,
    pub(super) fault: Fault,
    /// What it says about where tokens are; none: here.
    pub(super) realm: Option<String>,
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, Vec<u8>>,
    /// By path.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Method, path and whether there was a login.
    pub(super) heard: Vec<String>,
    pub(super) port: u16,
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) kept: Arc<Mutex<Kept>>,
    _tasks: TaskTracker,
}

impl Server {
    pub(super) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, tasks) = (listener.local_addr().unwrap().port(), TaskTracker::new());
        let kept = Arc::new(Mutex::new(Kept { port, ..Kept::default() }));
        let (all, tracker) = (Arc::clone(&kept), tasks.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&all);
                tracker.spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&kept)));
                    // A client that goes away is none of its business.
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        Server { port, kept, _tasks: tasks }
    }

    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.kept.lock().unwrap());
    }

    pub(super) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.kept.lock().unwrap().heard)
    }
}

impl Kept {
    fn route(&mut self, method: &Method, path: &str, query: &str, login: Option<&str>, body: &[u8]) -> Response<Said> {
        if path == "/token" {
            return self.token(login, body);
        }
        if let Some(file) = self.files.get(path) {
            return match file.strip_prefix(b"redirect ") {
                Some(to) => moved(&String::from_utf8_lossy(to)),
                None => full(200, file.clone()),
            };
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return full(404, Vec::new()) };
        if let Some(refused) = self.refusal(login) {
            return refused;
        }
        if rest.ends_with("/blobs/uploads/") {
            let mut answer = full(202, Vec::new());
            answer.headers_mut().insert("location", format!("{path}1?state=x").parse().unwrap());
            return answer;
        }
        match rest.rsplit_once('/') {
            Some((at, _)) if at.ends_with("/blobs/uploads") => {
                let digest = query.rsplit("digest=").next().unwrap_or_default().replace("%3A", ":");
                if digest != digest_of(body) {
                    return full(400, br#"{"errors":[{"code":"DIGEST_INVALID"}]}"#.to_vec());
                }
                self.blobs.insert(digest, body.to_vec());
                full(201, Vec::new())
            }
            Some((at, digest)) if at.ends_with("/blobs") => self.blob(method, digest),
            Some((at, version)) if at.ends_with("/manifests") => {
                self.manifest(method, at.trim_end_matches("/manifests"), version, body)
            }
            _ => full(404, Vec::new()),
        }
    }

    fn token(&self, login: Option<&str>, body: &[u8]) -> Response<Said> {
        let known = login == Some(&basic()) || String::from_utf8_lossy(body).contains("refresh_token=identity-t0ken");
        if self.login == Login::TokenOfUser && !known {
            return full(401, Vec::new());
        }
        full(200, br#"{"token":"t0ken-of-registry"}"#.to_vec())
    }

    fn refusal(&self, login: Option<&str>) -> Option<Response<Said>> {
        let (wanted, challenge) = match self.login {
            Login::None => return None,
            Login::Basic => (basic(), "Basic realm=\"x\"".to_owned()),
            Login::Token | Login::TokenOfUser => {
                let here = format!("http://127.0.0.1:{}/token", self.port);
                let realm = self.realm.clone().unwrap_or(here);
                let challenge = format!("Bearer realm=\"{realm}\",service=\"r\",scope=\"repository:a/tool:pull\"");
                ("Bearer t0ken-of-registry".to_owned(), challenge)
            }
        };
        if login == Some(wanted.as_str()) {
            return None;
        }
        let mut answer = full(401, br#"{"errors":[{"code":"UNAUTHORIZED"}]}"#.to_vec());
        answer.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
        Some(answer)
    }

    fn blob(&self, method: &Method, digest: &str) -> Response<Said> {
        let Some(bytes) = self.blobs.get(digest).cloned() else { return full(404, Vec::new()) };
        if method == Method::HEAD {
            return full(200, Vec::new());
        }
        let broken = |said: Said, length: usize| {
            Response::builder().header("content-length", length).body(said).expect("a good answer")
        };
        match &self.fault {
            Fault::OtherBlob => full(200, vec![b'x'; bytes.len()]),
            Fault::Cut => broken(Said::Cut(Some(bytes[..bytes.len() / 2].to_vec().into())), bytes.len()),
            Fault::Drip => broken(Said::Drip(tokio::time::interval(Duration::from_millis(5))), bytes.len() * 1_000_000),
            Fault::Elsewhere(to) => moved(&to.replace("DIGEST", digest)),
            Fault::Huge => broken(Said::Drip(tokio::time::interval(Duration::from_millis(5))), 1 << 40),
            Fault::None | Fault::OtherManifest => full(200, bytes),
        }
    }

    fn manifest(&mut self, method: &Method, repository: &str, version: &str, body: &[u8]) -> Response<Said> {
        if method == Method::PUT {
            for at in [version.to_owned(), digest_of(body)] {
                self.manifests.insert(format!("{repository}:{at}"), body.to_vec());
            }
            let mut answer = full(201, Vec::new());
            answer.headers_mut().insert("docker-content-digest", digest_of(body).parse().unwrap());
            return answer;
        }
        match self.manifests.get(&format!("{repository}:{version}")) {
            None => full(404, br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.to_vec()),
            Some(bytes) if self.fault == Fault::OtherManifest => full(200, [bytes.as_slice(), b" "].concat()),
            Some(bytes) => full(200, bytes.clone()),
        }
    }
}

async fn answer(request: Request<Incoming>, kept: Arc<Mutex<Kept>>) -> Result<Response<Said>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|it| it.to_bytes()).unwrap_or_default();
    let login = head.headers.get("authorization").and_then(|it| it.to_str().ok());
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    let mut kept = kept.lock().unwrap();
    let with = if login.is_some() { " with login" } else { "" };
    kept.heard.push(format!("{} {path}{with}", head.method));
    Ok(kept.route(&head.method, &path, &query, login, &body))
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode("bot:p4ssword-of-bot"))
}

fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn full(status: u16, bytes: Vec<u8>) -> Response<Said> {
    let mut answer = Response::new(Said::Full(Some(bytes.into())));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

fn moved(to: &str) -> Response<Said> {
    let mut answer = full(307, Vec::new());
    answer.headers_mut().insert("location", to.parse().unwrap());
    answer
}

/// The body of an answer.
pub(super) enum Said {
    Full(Option<Bytes>),
    /// This, and then the connection ends.
    Cut(Option<Bytes>),
    Drip(Interval),
}

impl Body for Said {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Said::Full(bytes) => Poll::Ready(bytes.take().map(|it| Ok(Frame::data(it)))),
            Said::Cut(bytes) => match bytes.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Poll::Ready(Some(Err(std::io::Error::other("cut")))),
            },
            Said::Drip(interval) => {
                interval.poll_tick(context).map(|_| Some(Ok(Frame::data(Bytes::from_static(b"x")))))
            }
        }
    }
}
