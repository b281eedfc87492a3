//! A provider that follows a script, a ledger in memory, and a client.

use crate::{
    Account, Budget, Call, Door, Endpoint, Gateway, Ledger, Model, Options, Price, Prices, Provider, Refusal, SOCKET,
    Scope, Spent, registry,
};
use agentd_egress::{Attach, Credential, Egress, Patience};
use agentd_task::{RunNumber, TaskId};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::{Notify, watch},
};
use tokio_util::task::TaskTracker;

/// The provider's key, which only the egress holds.
pub(super) const KEY: &str = "sk-real-key-of-the-account-0001";
/// More than any test takes.
pub(super) const PATIENCE: Patience = Patience { head: Duration::from_secs(20), idle: Duration::from_secs(20) };
pub(super) const NOW: i64 = 1_700_000_000_000;

/// What the provider does with a request.
#[derive(Clone)]
pub(super) enum Act {
    Say(Vec<u8>),
    /// Goes on when the test says so.
    Wait(Arc<Notify>),
    /// Says nothing more until the other side goes away.
    Hang,
}

/// What the provider heard.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Request line and headers, these in lower case.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(it, _)| *it == name).map(|(_, value)| value)
    }
}

type Script = Arc<dyn Fn(&Heard) -> Vec<Act> + Send + Sync>;

/// A head that leaves the body's end to the connection's.
pub(super) fn head(status: u16, headers: &str) -> Act {
    Act::Say(format!("HTTP/1.1 {status} X\r\n{headers}connection: close\r\n\r\n").into_bytes())
}

/// A whole answer.
pub(super) fn whole(status: u16, headers: &str, body: &str) -> Vec<Act> {
    vec![head(status, &format!("content-length: {}\r\n{headers}", body.len())), Act::Say(body.into())]
}

/// An answer in chunks that come to their end.
pub(super) fn chunks<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Act> {
    let mut acts = vec![head(200, "content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n")];
    for piece in pieces.into_iter().filter(|it| !it.is_empty()) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        acts.push(Act::Say(chunk));
    }
    acts.push(Act::Say(b"0\r\n\r\n".to_vec()));
    acts
}

async fn provide(listener: TcpListener, script: Script, heard: Arc<Mutex<Vec<Heard>>>, tasks: TaskTracker) {
    while let Ok((stream, _)) = listener.accept().await {
        tasks.spawn(follow(stream, Arc::clone(&script), Arc::clone(&heard)));
    }
}

async fn follow(mut stream: TcpStream, script: Script, all: Arc<Mutex<Vec<Heard>>>) {
    let mut bytes = Vec::new();
    let head = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length =
        text.to_lowercase().lines().find_map(|it| it.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let heard = Heard { head: text, body: bytes[head..].to_vec() };
    let acts = script(&heard);
    all.lock().unwrap().push(heard);
    for act in acts {
        match act {
            Act::Say(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Wait(gate) => gate.notified().await,
            Act::Hang => while stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {},
        }
    }
}

/// What the ledger has, and how it behaves.
#[derive(Default)]
pub(super) struct Book {
    pub(super) calls: Vec<Call>,
    pub(super) refusals: Vec<Refusal>,
    /// Spent before.
    pub(super) before: Spent,
    pub(super) broken: bool,
    /// What this run spends cannot be booked.
    pub(super) broken_for: Option<RunNumber>,
}

/// A ledger in memory.
pub(super) struct Books {
    pub(super) book: watch::Sender<Book>,
}

#[async_trait]
impl Ledger for Books {
    async fn spent(&self, _task: TaskId, run: RunNumber) -> Result<Spent, String> {
        let book = self.book.borrow();
        let cost =
            |of: &dyn Fn(&Call) -> bool| book.calls.iter().filter(|it| of(it)).map(|it| it.cost_microusd).sum::<u64>();
        let Spent { run: before, task, day } = book.before;
        let (all, own) = (cost(&|_| true), cost(&|it| it.run == run));
        Ok(Spent { run: before + own, task: task + all, day: day + all })
    }

    async fn book(&self, call: Call) -> Result<(), String> {
        let mut result = Ok(());
        self.book.send_modify(|book| {
            if book.broken || book.broken_for == Some(call.run) {
                result = Err("the disk is full".into());
            } else {
                book.calls.push(call);
            }
        });
        result
    }

    async fn refused(&self, _task: TaskId, _run: RunNumber, refusal: Refusal) {
        self.book.send_modify(|book| book.refusals.push(refusal));
    }
}

/// A gateway with one door, in front of a provider that follows a script.
pub(super) struct Bed {
    pub(super) gateway: Gateway,
    pub(super) door: Door,
    pub(super) books: Arc<Books>,
    pub(super) heard: Arc<Mutex<Vec<Heard>>>,
    pub(super) port: u16,
    pub(super) folder: TempDir,
    tasks: TaskTracker,
}

pub(super) fn scope(run: RunNumber, apis: &[(&str, &str)]) -> Scope {
    let model = |(name, api): &(&str, &str)| Model {
        name: (*name).into(),
        account: if api.starts_with("anthropic") { "anthropic" } else { "openai" }.into(),
        apis: vec!["unheard-of".into(), (*api).into()],
    };
    Scope {
        task: TaskId(1),
        run,
        models: apis.iter().map(model).collect(),
        registries: [].into(),
        tunnels: vec![],
        repository: "acme/api".into(),
    }
}

/// Both providers' languages.
pub(super) const BOTH: &[(&str, &str)] = &[("main", "anthropic-messages"), ("gpt", "openai-responses")];

impl Bed {
    pub(super) async fn new(script: impl Fn(&Heard) -> Vec<Act> + Send + Sync + 'static) -> Bed {
        Bed::with(script, PATIENCE, Budget::default()).await
    }

    pub(super) async fn with(
        script: impl Fn(&Heard) -> Vec<Act> + Send + Sync + 'static,
        patience: Patience,
        budget: Budget,
    ) -> Bed {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, tasks, heard) = (listener.local_addr().unwrap().port(), TaskTracker::new(), Arc::default());
        tasks.spawn(provide(listener, Arc::new(script), Arc::clone(&heard), tasks.clone()));
        let books = Arc::new(Books { book: watch::Sender::new(Book::default()) });
        let folder = TempDir::new().unwrap();
        let gateway = gateway(port, &books, patience, budget, folder.path());
        let door = gateway.open(scope(1, BOTH), &folder.path().join("door")).await.unwrap();
        Bed { gateway, door, books, heard, port, folder, tasks }
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub(super) fn endpoint(&self, name: &str) -> Endpoint {
        self.door.endpoints().into_iter().find(|it| it.name == name).unwrap()
    }

    /// Waits until so many calls are booked.
    pub(super) async fn booked(&self, count: usize) -> Vec<Call> {
        let mut changes = self.books.book.subscribe();
        let waits = changes.wait_for(|book| book.calls.len() >= count);
        let book = tokio::time::timeout(Duration::from_secs(20), waits).await.expect("no call was booked").unwrap();
        book.calls.clone()
    }

    pub(super) fn refusals(&self) -> Vec<Refusal> {
        self.books.book.borrow().refusals.clone()
    }

    /// Sends a request through the door's socket.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        self.ask_at(&self.folder.path().join("door"), method, path, headers, body).await
    }

    async fn ask_at(
        &self,
        folder: &Path,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        let stream = UnixStream::connect(folder.join(SOCKET)).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        self.tasks.spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8417");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap()
    }

    /// Calls the first model of another door, to the end: the status.
    pub(super) async fn called_at(&self, door: &Door, folder: &Path, body: &str) -> u16 {
        let token = door.endpoints()[0].token.clone();
        let headers = [("x-api-key", token.as_str())];
        let response = self.ask_at(folder, "POST", "/model/main/v1/messages", &headers, body).await;
        let status = response.status().as_u16();
        text(response).await;
        status
    }

    /// Calls a model with the right token.
    pub(super) async fn call(&self, name: &str, path: &str, body: &str) -> Response<Incoming> {
        let token = self.endpoint(name).token;
        self.ask("POST", &format!("/model/{name}{path}"), &[("x-api-key", &token)], body).await
    }

    /// The same, to the end: status and body.
    pub(super) async fn called(&self, name: &str, path: &str, body: &str) -> (u16, String) {
        let response = self.call(name, path, body).await;
        (response.status().as_u16(), text(response).await)
    }
}

pub(super) fn gateway(port: u16, books: &Arc<Books>, patience: Patience, budget: Budget, folder: &Path) -> Gateway {
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let credential = |attach| Credential { attach, secret: KEY.into(), urls: vec![at("/")] };
    let credentials = [
        ("anthropic-key".to_owned(), credential(Attach::Header("x-api-key".into()))),
        ("openai-key".to_owned(), credential(Attach::Bearer)),
    ];
    let options = agentd_egress::Options { allow_private: vec!["127.0.0.0/8".into()], ..Default::default() };
    let account =
        |provider, path: &str, credential: &str| Account { provider, url: at(path), credential: credential.into() };
    let price = Price { input: 1.0, output: 10.0, cache_read: 0.1, cache_write: 2.0 };
    Gateway::new(Options {
        egress: Egress::new(options, credentials.into_iter().collect()).unwrap(),
        accounts: [
            ("anthropic".to_owned(), account(Provider::Anthropic, "/base", "anthropic-key")),
            ("openai".to_owned(), account(Provider::OpenAi, "/openai/v1", "openai-key")),
        ]
        .into(),
        budget,
        prices: Prices::with([("m*".to_owned(), price)]).unwrap(),
        patience,
        registries: registry::Options::public(folder.join("cache")),
        ledger: Arc::clone(books) as Arc<dyn Ledger>,
        key: [3; 32],
        loopback: Some(std::net::TcpListener::bind("127.0.0.1:0").unwrap()),
        clock: Arc::new(|| NOW),
    })
    .unwrap()
}

/// The whole body; what comes before it breaks off, and a mark, if it does.
pub(super) async fn text(response: Response<Incoming>) -> String {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => bytes.extend_from_slice(b"<broken>"),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A stream of Anthropic's, as it is recorded in its documentation.
pub(super) const MESSAGES: &str = "event: message_start\n\
    data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m-1\",\"usage\":{\"input_tokens\":25,\
    \"cache_creation_input_tokens\":200,\"cache_read_input_tokens\":1000,\"cache_creation\":\
    {\"ephemeral_5m_input_tokens\":200,\"ephemeral_1h_input_tokens\":0},\"output_tokens\":1}}}\n\n\
    event: ping\ndata: {\"type\": \"ping\"}\n\n\
    event: content_block_delta\n\
    data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße\"}}\n\n\
    event: message_delta\n\
    data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// What it costs with the bed's prices: 25 + 2 x 200 + 1000 / 10 + 15 x 10.
pub(super) const MESSAGES_COST: u64 = 25 + 400 + 100 + 150;
