//! Answers as they come, bare connections, and the way through a proxy.

use super::*;

const PATIENCE: Patience = Patience { head: Duration::from_secs(20), idle: Duration::from_secs(20) };
/// For answers that do not begin, and for answers that do not go on.
const SHORT_HEAD: Patience = Patience { head: Duration::from_millis(80), ..PATIENCE };
const SHORT_IDLE: Patience = Patience { idle: Duration::from_millis(80), ..PATIENCE };

/// To the end: what came, and how it ended.
async fn rest(streamed: &mut Streamed) -> (Vec<u8>, Option<Error>) {
    let mut all = Vec::new();
    loop {
        match streamed.chunk().await {
            Ok(Some(piece)) => all.extend_from_slice(&piece),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

#[tokio::test]
async fn a_piece_is_there_before_the_next_one_is_sent() {
    let bed = Bed::new().await;
    let mut streamed = bed.egress.open("backlog", &bed.rules, bed.get("/api/pieces"), PATIENCE).await.unwrap();
    assert_eq!(streamed.status, 200);
    assert_eq!(bed.server.header("accept-encoding").as_deref(), Some("identity"));
    // What the provider says of its encoding stays true, for nothing is decoded.
    assert!(streamed.headers.contains(&("content-encoding".into(), "gzip".into())));
    assert_eq!(streamed.chunk().await.unwrap().unwrap(), "first");
    bed.send(bed.get("/api/x")).await.unwrap();
    assert_eq!(streamed.chunk().await.unwrap().unwrap(), "other");
    assert!(streamed.chunk().await.unwrap().is_none());
    assert!(streamed.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn an_answer_of_any_length_comes_through() {
    let bed = Bed::new().await;
    let mut streamed = bed.egress.open("backlog", &bed.rules, bed.get("/api/endless"), PATIENCE).await.unwrap();
    let (all, error) = rest(&mut streamed).await;
    assert!(all.len() == 200_000 && error.is_none(), "{} {error:?}", all.len());
}

#[tokio::test]
async fn a_body_of_32_mib_is_taken_and_no_larger_one() {
    let bed = Bed::new().await;
    let post = |size: usize| Request { method: "POST".into(), body: vec![b'x'; size], ..bed.get("/api/x") };
    let streamed = bed.egress.open("backlog", &bed.rules, post(32 << 20), PATIENCE).await.unwrap();
    assert_eq!(streamed.status, 200);
    let error = bed.egress.open("backlog", &bed.rules, post((32 << 20) + 1), PATIENCE).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "request", limit: 33_554_432, .. }), "{error}");
}

#[tokio::test]
async fn each_way_to_get_no_answer_has_its_own_error() {
    let bed = Bed::new().await;
    let open = async |path: &str, patience| {
        let mut streamed = bed.egress.open("backlog", &bed.rules, bed.get(path), patience).await?;
        rest(&mut streamed).await.1.map_or(Ok(()), Err)
    };
    let silent = open("/api/silent?private", SHORT_HEAD).await.unwrap_err();
    assert!(matches!(silent, Error::Silent { .. }), "{silent}");
    let stalled = open("/api/stalled?private", SHORT_IDLE).await.unwrap_err();
    assert!(matches!(stalled, Error::Stalled { .. }), "{stalled}");
    let broken = open("/api/broken?private", PATIENCE).await.unwrap_err();
    assert!(matches!(broken, Error::Cut { .. }), "{broken}");
    let nothing = open("/api/nothing?private", PATIENCE).await.unwrap_err();
    assert!(matches!(nothing, Error::Cut { .. }), "{nothing}");
    let denied = open("/other?private", PATIENCE).await.unwrap_err();
    assert!(matches!(denied, Error::Denied { .. }), "{denied}");
    for error in [silent, stalled, broken, nothing, denied] {
        assert!(error.to_string().contains("127.0.0.1") && !error.to_string().contains("private"), "{error}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{closed}/");
    let rule = Rule { methods: vec![], url_prefix: url.clone(), credential: None };
    let request = Request { method: "GET".into(), url, ..Request::default() };
    let error = bed.egress.open("x", &[rule], request, PATIENCE).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn secrets_neither_go_out_nor_come_back() {
    let bed = Bed::new().await;
    let with_secret = Request { body: SECRET.into(), method: "POST".into(), ..bed.get("/api/x") };
    let error = bed.egress.open("backlog", &bed.rules, with_secret, PATIENCE).await.unwrap_err();
    assert!(matches!(error, Error::SecretInRequest { .. }), "{error}");
    let echo = Request { url: bed.server.url("/api/echo"), ..bed.post("jira", "") };
    let mut streamed = bed.egress.open("backlog", &bed.rules, echo, PATIENCE).await.unwrap();
    let (all, error) = rest(&mut streamed).await;
    assert!(matches!(error, Some(Error::SecretInAnswer { .. })), "{error:?}");
    assert!(!String::from_utf8_lossy(&all).contains(SECRET));
}

#[tokio::test]
async fn a_streamed_answer_leaves_one_line_however_it_ends() {
    let (bed, log) = (Bed::new().await, Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .with_env_filter("egress=info")
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let open = async |path: &str, patience| bed.egress.open("backlog", &bed.rules, bed.get(path), patience).await;
    rest(&mut open("/api/x?private", PATIENCE).await.unwrap()).await;
    rest(&mut open("/api/stalled?private", SHORT_IDLE).await.unwrap()).await;
    let mut left = open("/api/stalled?private", PATIENCE).await.unwrap();
    left.chunk().await.unwrap();
    drop(left);
    open("/api/silent?private", SHORT_HEAD).await.unwrap_err();
    bed.egress.connect("backlog", "127.0.0.1", bed.server.port).await.unwrap();
    drop(logging);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split(" ms=").next().unwrap().replace("caller=\"backlog\" host=\"127.0.0.1\" method=", ""))
        .collect();
    assert_eq!(
        lines,
        [
            " INFO egress: Request answered \"GET\" status=200 sent=0 bytes=5",
            " WARN egress: Request failed \"GET\" error=\"stalled\" sent=0",
            " WARN egress: Answer abandoned \"GET\" status=200 sent=0 bytes=5",
            " WARN egress: Request failed \"GET\" error=\"silent\" sent=0",
            " INFO egress: Tunnel opened \"CONNECT\"",
        ]
    );
}

#[tokio::test]
async fn a_connection_goes_only_to_an_address_that_may_be_dialled() {
    let bed = Bed::with(&["127.0.0.1"]).await;
    let port = bed.server.port;
    let mut stream = bed.egress.connect("t-1.1", "127.0.0.1", port).await.unwrap();
    stream.write_all(b"GET /api/x HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    for host in ["127.0.0.2", "10.0.0.1", "::1", "[::1]", "169.254.169.254", "0x7f.2", "2130706434"] {
        let error = bed.egress.connect("t-1.1", host, port).await.unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{host}: {error}");
    }
    let error = bed.egress.connect("t-1.1", &format!("{SECRET}.example.org"), 443).await.unwrap_err();
    assert!(matches!(error, Error::SecretInRequest { .. }) && !error.to_string().contains(SECRET), "{error}");
    for bad in ["", "a b", "a/b", "user@host"] {
        let error = bed.egress.connect("t-1.1", bad, 443).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{bad}: {error}");
    }
    let none = Bed::with(&[]).await;
    let error = none.egress.connect("t-1.1", "localhost", port).await.unwrap_err();
    assert!(matches!(error, Error::Address { .. }), "{error}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = bed.egress.connect("t-1.1", "127.0.0.1", closed).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

/// A proxy that notes what it gets and answers with `answer` before it repeats what it hears.
async fn proxy(answer: &'static str) -> (u16, Arc<Mutex<Vec<String>>>, TaskTracker) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, heard, tasks) =
        (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(vec![])), TaskTracker::new());
    let all = Arc::clone(&heard);
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") && stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {}
            all.lock().unwrap().push(String::from_utf8_lossy(&bytes).to_lowercase());
            stream.write_all(answer.as_bytes()).await.ok();
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await.ok();
        }
    });
    (port, heard, tasks)
}

fn behind(proxy: String) -> Egress {
    let options = Options { proxy: Some(proxy), ..Options::default() };
    Egress::new(options, Credentials::default()).unwrap()
}

#[tokio::test]
async fn everything_goes_through_the_proxy_and_it_resolves_the_names() {
    let basic = format!("basic {}", STANDARD.encode("me:pass word").to_lowercase());
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let (port, heard, _tasks) = proxy(answer).await;
    let egress = behind(format!("http://me:pass%20word@127.0.0.1:{port}"));
    let url = "http://no-such-name.invalid/api".to_owned();
    let rule = Rule { methods: vec![], url_prefix: url.clone(), credential: None };
    let request = Request { method: "GET".into(), url, ..Request::default() };
    let response = egress.send("x", std::slice::from_ref(&rule), request.clone()).await.unwrap();
    assert_eq!(response.body, b"ok");
    let mut streamed = egress.open("x", &[rule], request, PATIENCE).await.unwrap();
    assert_eq!(rest(&mut streamed).await.0, b"ok");
    for request in heard.lock().unwrap().iter() {
        assert!(request.starts_with("get http://no-such-name.invalid/api http/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("proxy-authorization: {basic}\r\n")), "{request}");
    }
    // An address that stands in a URL is still looked at here.
    let url = "http://169.254.169.254/".to_owned();
    let rule = Rule { methods: vec![], url_prefix: url.clone(), credential: None };
    let error =
        egress.send("x", &[rule], Request { method: "GET".into(), url, ..Request::default() }).await.unwrap_err();
    assert!(matches!(error, Error::Address { .. }), "{error}");
    assert_eq!(heard.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_tunnel_goes_through_the_proxy() {
    let (port, heard, _tasks) = proxy("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nhello").await;
    let egress = behind(format!("http://me:pass@127.0.0.1:{port}/"));
    let mut stream = egress.connect("x", "no-such-name.invalid", 443).await.unwrap();
    stream.write_all(b" there").await.unwrap();
    let mut answer = [0; 11];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello there");
    let request = heard.lock().unwrap().remove(0);
    assert!(request.starts_with("connect no-such-name.invalid:443 http/1.1\r\nhost: no-such-name.invalid:443\r\n"));
    assert!(request.contains("proxy-authorization: basic "), "{request}");

    let (port, _heard, _tasks) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let egress = behind(format!("http://me:hunter22@127.0.0.1:{port}"));
    let error = egress.connect("x", "no-such-name.invalid", 443).await.unwrap_err().to_string();
    assert!(error.contains("the proxy 127.0.0.1 answered \"407\"") && !error.contains("hunter22"), "{error}");
    let egress = behind("https://127.0.0.1:1".into());
    let error = egress.connect("x", "no-such-name.invalid", 443).await.unwrap_err().to_string();
    assert!(error.contains("an https: proxy cannot be used for tunnels"), "{error}");
}

#[tokio::test]
async fn nothing_shows_the_password_of_the_proxy_or_sends_it_elsewhere() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let options = Options { proxy: Some(format!("http://me:hunter22@127.0.0.1:{closed}")), ..Options::default() };
    assert!(!format!("{options:?}").contains("hunter22"), "{options:?}");
    let egress = Egress::new(options, Credentials::default()).unwrap();
    assert!(!format!("{egress:?}").contains("hunter22"), "{egress:?}");
    let rules = ["http://a.invalid/", "https://a.invalid/"].map(|url| Rule {
        methods: vec![],
        url_prefix: url.into(),
        credential: None,
    });
    for url in ["http://a.invalid/", "https://a.invalid/"] {
        let request = Request { method: "GET".into(), url: url.into(), ..Request::default() };
        let error = egress.send("x", &rules, request).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }) && !error.to_string().contains("hunter22"), "{error}");
    }
    let url = "http://a.invalid/?x=hunter22".into();
    let error =
        egress.send("x", &rules, Request { method: "GET".into(), url, ..Request::default() }).await.unwrap_err();
    assert!(matches!(error, Error::SecretInRequest { .. }), "{error}");
}

#[test]
fn certificates_that_cannot_be_read_are_refused() {
    for (path, part) in [("/nowhere/ca.pem", "No such file"), ("/dev/null", "no certificate in PEM form")] {
        let options = Options { ca: Some(path.into()), ..Options::default() };
        let error = Egress::new(options, Credentials::default()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("[network] ca: {path}: ")) && error.contains(part), "{error}");
    }
    // Some bundle of this system's, if it has one.
    let bundle = std::path::Path::new("/etc/ssl/certs/ca-certificates.crt");
    if bundle.exists() {
        Egress::new(Options { ca: Some(bundle.into()), ..Options::default() }, Credentials::default()).unwrap();
    }
}
