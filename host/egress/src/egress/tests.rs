//! Requests against a small server on loopback: what leaves, and what must not.

use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::sync::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

mod canary;
mod names;
mod stream;
mod token;

const SECRET: &str = "s3cret-value-of-jira";
const SIGNING_KEY: &str = "c2lnbmluZy1rZXktb2YtaG9vaw==";

/// A server on this machine that notes what it gets, and answers by path.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: TaskTracker,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, heard, tasks) = (listener.local_addr().unwrap().port(), Arc::default(), TaskTracker::new());
        let (all, tracker) = (Arc::clone(&heard), tasks.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tracker.spawn(serve(stream, Arc::clone(&all)));
            }
        });
        Server { port, heard, _tasks: tasks }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What was heard until now: request line, headers in lower case, body.
    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The value of a header of the only request.
    fn header(&self, name: &str) -> Option<String> {
        let heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        let lines = heard[0].lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    }
}

/// One request with its body; none: the other side went away.
async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let head = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(bytes)
}

async fn serve(mut stream: TcpStream, heard: Arc<Mutex<Vec<String>>>) {
    let Some(mut bytes) = read_request(&mut stream).await else { return };
    let request = String::from_utf8_lossy(&bytes).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    heard.lock().unwrap().push(request.clone());
    let answer = match path.split('?').next().unwrap_or_default() {
        "/api/redirect" => "HTTP/1.1 302 Found\r\nLocation: /api/target\r\nContent-Length: 0\r\n\r\n".into(),
        "/api/large" => format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}", "x".repeat(5000)),
        "/api/endless" => format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(200_000)),
        "/api/broken" => "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhalf".into(),
        "/api/silent" => {
            // Nothing, until the other side goes away.
            stream.read_buf(&mut bytes).await.ok();
            return;
        }
        "/api/pieces" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\nfirst";
            stream.write_all(head.as_bytes()).await.ok();
            // The rest comes when the other side has seen the first piece: it asks again on a connection of its own.
            while heard.lock().unwrap().len() < 2 {
                tokio::task::yield_now().await;
            }
            "other".into()
        }
        "/api/stalled" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await.ok();
            stream.read_buf(&mut bytes).await.ok();
            return;
        }
        "/api/nothing" => return,
        "/api/echo" => {
            let text = request.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
        }
        "/api/slash" => {
            format!("HTTP/1.1 301 Moved\r\nLocation: /api/slash/{}\r\nContent-Length: 0\r\n\r\n", &path[10..])
        }
        "/api/missing" => "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone".into(),
        _ => "HTTP/1.1 200 OK\r\nX-Two: 1\r\nX-Two: 2\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n\r\nhello".into(),
    };
    // The other side may have heard enough.
    stream.write_all(answer.as_bytes()).await.ok();
}

fn credentials(server: &Server) -> Credentials {
    let credential = |attach, secret: &str, urls: &[&str]| {
        let urls = urls.iter().map(|path| server.url(path)).collect();
        Credential { attach, secret: secret.into(), urls }
    };
    [
        ("jira", credential(Attach::Bearer, SECRET, &["/api"])),
        ("basic", credential(Attach::Basic { user: "bot".into() }, "p4ssword-of-bot", &["/api"])),
        ("header", credential(Attach::Header("X-Key".into()), "h3ader-secret", &["/api"])),
        ("query", credential(Attach::Query("key".into()), "qu3ry secret&", &["/api"])),
        ("elsewhere", credential(Attach::Bearer, "other-secret-1", &["/other"])),
        ("nowhere", credential(Attach::Bearer, "other-secret-2", &[])),
        ("url", credential(Attach::Url, &server.url("/services/T0SECRET"), &[])),
        ("hook", credential(Attach::SigningKey, &format!("whsec_{SIGNING_KEY}"), &["/api"])),
        ("ungranted", credential(Attach::Bearer, "other-secret-3", &["/api"])),
    ]
    .into_iter()
    .map(|(name, credential)| (name.to_owned(), credential))
    .collect()
}

/// A server, and an egress whose caller may GET and POST below `/api`, with or without the credentials.
struct Bed {
    server: Server,
    egress: Egress,
    rules: Vec<Rule>,
}

impl Bed {
    async fn new() -> Bed {
        Bed::with(&["127.0.0.0/8", "::1"]).await
    }

    async fn with(networks: &[&str]) -> Bed {
        let server = Server::start().await;
        let options = Options {
            allow_private: networks.iter().map(|it| (*it).to_owned()).collect(),
            max_response: 4096,
            timeout: Duration::from_secs(20),
            ..Options::default()
        };
        let egress = Egress::new(options, credentials(&server)).unwrap();
        let rule = |credential: Option<&str>, prefix: String| Rule {
            methods: vec!["GET".into(), "POST".into()],
            url_prefix: prefix,
            credential: credential.map(str::to_owned),
        };
        let mut rules = vec![rule(None, server.url("/api")), rule(Some("url"), String::new())];
        for name in ["jira", "basic", "header", "query", "elsewhere", "nowhere", "hook", "unknown"] {
            rules.push(rule(Some(name), server.url("/api")));
        }
        Bed { server, egress, rules }
    }

    async fn send(&self, request: Request) -> Result<Response, Error> {
        self.egress.send("backlog", &self.rules, request).await
    }

    fn get(&self, path: &str) -> Request {
        Request { method: "GET".into(), url: self.server.url(path), ..Request::default() }
    }

    fn post(&self, credential: &str, body: &str) -> Request {
        let (method, credential) = ("POST".into(), Some(credential.into()));
        Request { method, credential, body: body.into(), now_ms: 1_700_000_000_123, ..self.get("/api/x?a=1") }
    }

    /// Refused, nothing was sent, and the text has these parts and no secret.
    async fn check_refused(&self, request: Request, word: &str, parts: &[&str]) {
        let shown = format!("{request:?}");
        let error = self.send(request).await.expect_err(&shown);
        let text = error.to_string();
        assert_eq!(error.word(), word, "{shown}: {text}");
        for part in parts {
            assert!(text.contains(part), "{shown}: `{part}` is not in: {text}");
        }
        for secret in self.egress.inner.credentials.secrets() {
            use secrecy::ExposeSecret;
            assert!(!text.contains(secret.expose_secret()), "{shown}");
        }
        assert_eq!(self.server.heard(), Vec::<String>::new(), "{shown}");
    }
}

#[tokio::test]
async fn what_a_rule_covers_is_sent_and_answered() {
    let bed = Bed::new().await;
    let headers = vec![("Accept".into(), "text/plain".into()), ("X-Own".into(), "1".into())];
    let response = bed.send(Request { headers, ..bed.get("/api/x?a=1#part") }).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"hello".as_slice()));
    let headers: Vec<_> = response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(headers, ["x-two: 1", "x-two: 2", "content-length: 5"]);
    assert!(bed.server.heard()[0].starts_with("GET /api/x?a=1 HTTP/1.1\r\n"), "{:?}", bed.server.heard());
    assert_eq!(bed.server.header("x-own").as_deref(), Some("1"));
    assert_eq!(bed.server.header("authorization"), None);
    let missing = bed.send(bed.get("/api/missing")).await.unwrap();
    assert_eq!((missing.status, missing.body.as_slice()), (404, b"none".as_slice()));
}

#[tokio::test]
async fn what_no_rule_covers_is_denied_with_a_word_on_what_may_be_sent() {
    let bed = Bed::new().await;
    let hint = "hint: a shipped plugin may send to what its section's settings name; one from the plugin folder";
    bed.check_refused(bed.get("/api-evil?token=1"), "denied", &["`backlog` may not send GET to", hint]).await;
    let delete = Request { method: "DELETE".into(), ..bed.get("/api/x") };
    bed.check_refused(delete, "denied", &["other methods", hint]).await;
    for path in ["/", "/API", "/api/../admin", "/api/%2e%2e/admin", "//api", "/other/api"] {
        bed.check_refused(bed.get(path), "denied", &["no grant covers it"]).await;
    }
    let port = Request { url: "http://127.0.0.1:1/api".into(), ..bed.get("") };
    bed.check_refused(port, "denied", &["http://127.0.0.1:1/api"]).await;
    let https = Request { url: bed.server.url("/api").replace("http:", "https:"), ..bed.get("") };
    bed.check_refused(https, "denied", &["https://127.0.0.1"]).await;
}

#[tokio::test]
async fn what_cannot_be_a_request_is_invalid() {
    let bed = Bed::new().await;
    let url = |url: &str| Request { url: url.replace("PORT", &bed.server.port.to_string()), ..bed.get("") };
    for (bad, why) in [
        ("", "has no URL"),
        ("/api/x", "not an absolute one"),
        ("ftp://127.0.0.1/api", "neither https: nor http:"),
        ("file:///etc/passwd", "neither https: nor http:"),
        ("http://127.0.0.1:PORT@evil.example/api", "user or password"),
        ("http://me@127.0.0.1:PORT/api", "user or password"),
        ("http://127.0.0.1:PORT/api/..%2fadmin", "hidden `..`"),
        ("http://127.0.0.1:PORT/api/%252e%252e%252fadmin", "hidden `..`"),
        ("http://127.0.0.1:PORT/api/x\r\nHost: evil", "control characters"),
        ("http://127.0.0.1:PORT/api/x y", "spaces"),
    ] {
        bed.check_refused(url(bad), "invalid", &[why, "`backlog`"]).await;
    }
    for bad in ["CONNECT", "TRACE", "", "GET /evil HTTP/1.1\r\nX:"] {
        bed.check_refused(Request { method: bad.into(), ..bed.get("/api") }, "invalid", &["method"]).await;
    }
}

#[tokio::test]
async fn no_second_request_can_be_smuggled_in_headers() {
    let bed = Bed::new().await;
    let with = |name: &str, value: &str| {
        let headers = vec![("accept".into(), "*/*".into()), (name.to_owned(), value.to_owned())];
        Request { headers, ..bed.get("/api") }
    };
    for name in ["Host", "content-length", "Transfer-Encoding", "connection", "UPGRADE", "expect", "te", "via"] {
        bed.check_refused(with(name, "1"), "invalid", &[&name.to_lowercase(), "the host's business"]).await;
    }
    for (name, value) in
        [("x\r\nhost", "1"), ("x y", "1"), ("", "1"), ("x", "1\r\nhost: evil"), ("x", "1\n2"), ("x", "\0")]
    {
        bed.check_refused(with(name, value), "invalid", &["not allowed there"]).await;
    }
    bed.check_refused(with("x", &"y".repeat(70_000)), "invalid", &["65536 are allowed"]).await;
    let key = Request { idempotency_key: Some("a\r\nb".into()), ..bed.get("/api") };
    bed.check_refused(key, "invalid", &["idempotency key"]).await;
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused() {
    let bed = Bed::with(&[]).await;
    bed.check_refused(bed.get("/api"), "address", &["127.0.0.1 is loopback", "private = [\"127.0.0.1/32\"]"]).await;
    let port = bed.server.port;
    for host in ["[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0", "169.254.169.254", "[64:ff9b::a00:1]"] {
        let (url, method) = (format!("http://{host}:{port}/api"), "GET".into());
        let rule = Rule { methods: vec![], url_prefix: url.clone(), credential: None };
        let error = bed.egress.send("x", &[rule], Request { method, url, ..Request::default() }).await.unwrap_err();
        let Error::Address { address, .. } = error else { panic!("{host}: {error}") };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        assert!(error.to_string().ends_with(&format!("[network] private = [\"{address}/{bits}\"]")), "{host}: {error}");
    }
    assert_eq!(bed.server.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_of_an_address_that_is_not_public_is_refused() {
    for (networks, refused) in [(vec![], true), (vec!["127.0.0.0/8", "::1"], false)] {
        let bed = Bed::with(&networks).await;
        let url = format!("http://localhost:{}/api", bed.server.port);
        let rule = Rule { methods: vec![], url_prefix: url.clone(), credential: None };
        let request = Request { method: "GET".into(), url, ..Request::default() };
        let result = bed.egress.send("x", &[rule], request).await;
        match result {
            Err(Error::Address { host, why, .. }) if refused => {
                assert_eq!((host.as_str(), why), ("localhost", "loopback"))
            }
            Ok(response) if !refused => assert_eq!(response.status, 200),
            other => panic!("{networks:?}: {other:?}"),
        }
        assert_eq!(bed.server.heard().is_empty(), refused);
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let bed = Bed::new().await;
    let response = bed.send(bed.get("/api/redirect")).await.unwrap();
    assert_eq!(response.status, 302);
    assert!(response.headers.contains(&("location".into(), "/api/target".into())));
    assert_eq!(bed.server.heard().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_cut_off() {
    let bed = Bed::new().await;
    for path in ["/api/large", "/api/endless"] {
        let error = bed.send(bed.get(path)).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 4096, what: "answer", .. }), "{error}");
    }
    let huge = Request { body: vec![b'x'; (8 << 20) + 1], ..bed.post("jira", "") };
    let error = bed.send(huge).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "request", .. }), "{error}");
}

#[tokio::test]
async fn silence_and_broken_answers_are_unavailable() {
    let bed = Bed::new().await;
    let timeout = Some(Duration::from_millis(50));
    let error = bed.send(Request { timeout, ..bed.get("/api/silent") }).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1 did not answer: not within 50 ms"), "{error}");
    let error = bed.send(bed.get("/api/broken?private")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }) && !error.to_string().contains("private"), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{closed}/?private");
    let rule = Rule { methods: vec![], url_prefix: format!("http://127.0.0.1:{closed}"), credential: None };
    let request = Request { method: "GET".into(), url, ..Request::default() };
    let error = bed.egress.send("x", &[rule], request).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("refused") && !text.contains("private"), "{text}");
}

#[tokio::test]
async fn a_callers_timeout_only_shortens_the_rooms_own() {
    let bed = Bed::new().await;
    let options =
        Options { allow_private: vec!["127.0.0.1".into()], timeout: Duration::from_millis(50), ..Options::default() };
    let egress = Egress::new(options, Credentials::default()).unwrap();
    let request = Request { timeout: Some(Duration::from_secs(600)), ..bed.get("/api/silent") };
    let error = egress.send("x", &bed.rules, request).await.unwrap_err().to_string();
    assert!(error.contains("not within 50 ms"), "{error}");
}

#[tokio::test]
async fn a_secret_goes_where_its_kind_says() {
    let basic = format!("Basic {}", STANDARD.encode("bot:p4ssword-of-bot"));
    for (credential, header, value) in [
        ("jira", "authorization", format!("Bearer {SECRET}")),
        ("basic", "authorization", basic),
        ("header", "x-key", "h3ader-secret".into()),
    ] {
        let bed = Bed::new().await;
        bed.send(bed.post(credential, "x")).await.unwrap();
        assert_eq!(bed.server.header(header), Some(value), "{credential}");
    }
    let bed = Bed::new().await;
    bed.send(bed.post("query", "x")).await.unwrap();
    let heard = bed.server.heard().remove(0);
    assert!(heard.starts_with("POST /api/x?a=1&key=qu3ry+secret%26 HTTP/1.1\r\n"), "{heard}");

    let bed = Bed::new().await;
    bed.send(Request { url: String::new(), ..bed.post("url", "x") }).await.unwrap();
    assert!(bed.server.heard()[0].starts_with("POST /services/T0SECRET HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_credential_goes_only_where_the_operator_and_the_rule_say() {
    let bed = Bed::new().await;
    let at = bed.server.url("/");
    let line = format!("[credentials.elsewhere] urls = [\"{at}\"]");
    bed.check_refused(bed.post("elsewhere", ""), "denied", &["`elsewhere` may not go there", &line]).await;
    bed.check_refused(bed.post("nowhere", ""), "denied", &["`nowhere` may not go there"]).await;
    let hint = "may use the credential that its section's settings name";
    bed.check_refused(bed.post("ungranted", ""), "denied", &["may not use the credential `ungranted`", hint]).await;
    bed.check_refused(
        bed.post("unknown", ""),
        "denied",
        &["there is no credential `unknown`", "[credentials.unknown] "],
    )
    .await;
    // A rule for something else does not lend its prefix to the credential.
    let rules = [bed.rules[0].clone(), Rule { credential: Some("jira".into()), ..bed.rules[1].clone() }];
    let error = bed.egress.send("x", &rules, bed.post("jira", "")).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    let with_url = Request { url: bed.server.url("/api"), ..bed.post("url", "") };
    bed.check_refused(with_url, "invalid", &["has one of its own"]).await;
    let patch = Request { method: "PATCH".into(), url: String::new(), ..bed.post("url", "") };
    bed.check_refused(patch, "denied", &["/…"]).await;
}

#[tokio::test]
async fn a_caller_cannot_write_where_the_secret_goes() {
    let bed = Bed::new().await;
    let with = |credential: &str, name: &str| Request {
        headers: vec![(name.to_owned(), "mine".into())],
        ..bed.post(credential, "")
    };
    bed.check_refused(with("jira", "Authorization"), "invalid", &["`authorization` is the credential's"]).await;
    bed.check_refused(with("header", "x-key"), "invalid", &["`x-key` is the credential's"]).await;
    bed.check_refused(with("hook", "webhook-signature"), "invalid", &["`webhook-signature` is"]).await;
    let query = Request { url: bed.server.url("/api?key=mine"), ..bed.post("query", "") };
    bed.check_refused(query, "invalid", &["`key` is the credential's"]).await;
    let key = Request { idempotency_key: Some("1".into()), ..with("jira", "Idempotency-Key") };
    bed.check_refused(key, "invalid", &["idempotency key"]).await;
    let dotted = Request { idempotency_key: Some("1.2".into()), ..bed.post("hook", "") };
    bed.check_refused(dotted, "invalid", &["`.` in the idempotency key"]).await;
}

#[tokio::test]
async fn a_request_that_contains_a_secret_is_not_sent() {
    let bed = Bed::new().await;
    let encoded = STANDARD.encode(format!("bot:{SECRET}"));
    let at = |url: String| Request { url: bed.server.url(&url), ..bed.get("") };
    let refused = "secret-in-request";
    bed.check_refused(at(format!("/api?x={SECRET}")), refused, &["its URL contains a secret", "`backlog`"]).await;
    bed.check_refused(at(format!("/elsewhere/{SECRET}")), refused, &["its URL"]).await;
    bed.check_refused(at(format!("/api/{}", SECRET.replace('s', "%73"))), refused, &["its URL"]).await;
    bed.check_refused(at("/api?u=/services/T0SECRET".into()), refused, &["its URL"]).await;
    for value in [SECRET.to_owned(), format!("Basic {encoded}")] {
        let headers = vec![("x-note".into(), value)];
        bed.check_refused(Request { headers, ..bed.get("/api") }, refused, &["its headers contains a secret"]).await;
    }
    for body in [format!("{{\"text\":\"{SECRET}\"}}"), encoded] {
        let request = Request { credential: None, ..bed.post("", &body) };
        bed.check_refused(request, refused, &["its body contains a secret", "hint: name the credential"]).await;
    }
    let key = Request { idempotency_key: Some(SECRET.into()), ..bed.get("/api") };
    bed.check_refused(key, refused, &["its headers"]).await;
}

#[tokio::test]
async fn a_secret_that_the_server_repeats_does_not_reach_the_caller() {
    let bed = Bed::new().await;
    let at = |credential, path| Request { url: bed.server.url(path), ..bed.post(credential, "") };
    let error = bed.send(at("jira", "/api/echo")).await.unwrap_err();
    assert!(matches!(error, Error::SecretInAnswer { .. }) && !error.to_string().contains(SECRET), "{error}");
    let redirect = bed.send(at("query", "/api/slash?a=1")).await.unwrap();
    assert_eq!(redirect.status, 301);
    assert_eq!(redirect.headers, [("content-length".into(), "0".into())]);
    assert!(bed.server.heard()[1].contains("key=qu3ry"), "{:?}", bed.server.heard());
}

/// What is logged goes here.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_request_leaves_one_line_without_anything_private() {
    let (bed, log) = (Bed::new().await, Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .with_env_filter("egress=info")
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    bed.send(bed.post("jira", "private body")).await.unwrap();
    bed.send(Request { url: bed.server.url("/other?private"), ..bed.get("") }).await.unwrap_err();
    bed.send(Request { method: SECRET.into(), ..bed.get("/api") }).await.unwrap_err();
    tokio::select! {
        biased;
        result = bed.send(bed.get("/api/silent?private")) => panic!("{result:?}"),
        () = std::future::ready(()) => {}
    }
    drop(logging);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.split(" ms=").next().unwrap()).collect();
    let start = "egress: Request";
    assert_eq!(
        lines,
        [
            format!(
                " INFO {start} answered caller=\"backlog\" host=\"127.0.0.1\" method=\"POST\" status=200 sent=12 bytes=5"
            ),
            format!(
                " WARN {start} failed caller=\"backlog\" host=\"127.0.0.1\" method=\"GET\" error=\"denied\" sent=0"
            ),
            format!(
                " WARN {start} failed caller=\"backlog\" host=\"\" method=\"other\" error=\"secret-in-request\" sent=0"
            ),
            format!(" WARN {start} abandoned caller=\"backlog\" host=\"127.0.0.1\" method=\"GET\" sent=0"),
        ]
    );
}

#[tokio::test]
async fn a_signed_request_can_be_verified_by_its_receiver() {
    let bed = Bed::new().await;
    let request = Request { idempotency_key: Some("effect-17".into()), ..bed.post("hook", r#"{"event":"ÿ"}"#) };
    bed.send(request).await.unwrap();
    let [id, timestamp, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| bed.server.header(name).unwrap());
    assert_eq!((id.as_str(), timestamp.as_str()), ("effect-17", "1700000000"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(SIGNING_KEY).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.{}", r#"{"event":"ÿ"}"#).as_bytes());
    mac.verify_slice(&STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap()).unwrap();
    assert_eq!(bed.server.header("idempotency-key"), None);
}

#[tokio::test]
async fn an_idempotency_key_is_a_header() {
    let bed = Bed::new().await;
    bed.send(Request { idempotency_key: Some("effect.17".into()), ..bed.post("jira", "") }).await.unwrap();
    assert_eq!(bed.server.header("idempotency-key").as_deref(), Some("effect.17"));
}

#[test]
fn options_that_do_not_work_are_refused() {
    let options = |network: &str| Options { allow_private: vec![network.into()], ..Options::default() };
    let error = Egress::new(options("10.0.0.0/99"), Credentials::default()).unwrap_err().to_string();
    assert!(error.contains("`10.0.0.0/99` is not a network"), "{error}");
    let bad = Credential { attach: Attach::Bearer, secret: "value".into(), urls: vec!["api.acme.com".into()] };
    let error = Egress::new(Options::default(), [("jira".to_owned(), bad)].into_iter().collect()).unwrap_err();
    assert!(error.to_string().starts_with("[credentials.jira]: `api.acme.com` is no URL prefix"), "{error}");
}
