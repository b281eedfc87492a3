//! Access tokens: had once, used by all, had anew when they end; and nothing of them in the hands of callers.

use super::*;
use crate::{Keep, Tokens};
use secrecy::{ExposeSecret, SecretString};

const CLIENT_SECRET: &str = "c4n4ry of the:client";
const REFRESH: &str = "c4n4ry-refresh-1";

/// What the server of tokens does, and what was heard.
#[derive(Default)]
struct Script {
    /// Status and body of the next answers of `/token`; the last one for ever.
    tokens: Vec<(u16, String)>,
    /// The tokens that `/api` takes; empty: any.
    good: Vec<String>,
    heard: Vec<String>,
    /// `/token` answers when this is given.
    gate: Option<Arc<tokio::sync::Notify>>,
}

struct TokenServer {
    port: u16,
    script: Arc<Mutex<Script>>,
    _tasks: TaskTracker,
}

impl TokenServer {
    async fn start(tokens: &[(u16, &str)]) -> TokenServer {
        let tokens = tokens.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let script = Arc::new(Mutex::new(Script { tokens, ..Script::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, tasks) = (listener.local_addr().unwrap().port(), TaskTracker::new());
        let (all, tracker) = (Arc::clone(&script), tasks.clone());
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let script = Arc::clone(&all);
                tracker.spawn(async move {
                    let Some(bytes) = read_request(&mut stream).await else { return };
                    let request = String::from_utf8_lossy(&bytes).into_owned();
                    let gate = script.lock().unwrap().gate.clone().filter(|_| request.starts_with("POST /token"));
                    if let Some(gate) = gate {
                        script.lock().unwrap().heard.push("waiting".into());
                        gate.notified().await;
                    }
                    let answer = answer(&request, &mut script.lock().unwrap());
                    stream.write_all(answer.as_bytes()).await.ok();
                });
            }
        });
        TokenServer { port, script, _tasks: tasks }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// The requests whose line begins so, and forgets them.
    fn heard(&self, start: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.set(|it| {
            found = it.heard.iter().filter(|it| it.starts_with(start)).cloned().collect();
            it.heard.retain(|it| !it.starts_with(start));
        });
        found
    }

    async fn until_heard(&self, text: &str) {
        while !self.script.lock().unwrap().heard.iter().any(|it| it == text) {
            tokio::task::yield_now().await;
        }
    }
}

fn answer(request: &str, script: &mut Script) -> String {
    script.heard.push(request.to_owned());
    let (status, body) = if request.starts_with("POST /token") {
        let next = script.tokens[0].clone();
        if script.tokens.len() > 1 {
            script.tokens.remove(0);
        }
        next
    } else {
        let good = script.good.is_empty() || script.good.iter().any(|it| request.contains(&format!("Bearer {it}\r\n")));
        (if good { 200 } else { 401 }, "done".to_owned())
    };
    format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn credential(server: &TokenServer, secret: &str, refresh: Option<&str>) -> Credential {
    let attach = Attach::OAuth2 {
        token_url: server.url("/token"),
        client_id: "agent d".into(),
        refresh_token: refresh.map(SecretString::from),
        scopes: vec!["read".into(), "write".into()],
    };
    Credential { attach, secret: secret.into(), urls: vec![server.url("/api")] }
}

fn egress(credential: Credential, tokens: &Tokens) -> Egress {
    let options = Options { allow_private: vec!["127.0.0.1".into()], tokens: tokens.clone(), ..Options::default() };
    Egress::new(options, [("tracker".to_owned(), credential)].into_iter().collect()).unwrap()
}

async fn ask(egress: &Egress, server: &TokenServer, method: &str, body: &str) -> Result<Response, Error> {
    let name = Some("tracker".to_owned());
    let rule = Rule { methods: vec![], url_prefix: server.url("/api"), credential: name.clone() };
    let request = Request {
        method: method.into(),
        url: server.url("/api"),
        body: body.into(),
        credential: name,
        ..Request::default()
    };
    egress.send("x", &[rule], request).await
}

/// Notes what it is to keep.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Keep for Kept {
    fn keep(&self, credential: &str, refresh_token: &SecretString) {
        self.0.lock().unwrap().push(format!("{credential} {}", refresh_token.expose_secret()));
    }
}

#[tokio::test]
async fn one_token_serves_all_who_ask_at_once() {
    let server = TokenServer::start(&[(200, r#"{"access_token":"t0ken-one","expires_in":3600}"#)]).await;
    let egress = egress(credential(&server, CLIENT_SECRET, None), &Tokens::default());
    let tasks = TaskTracker::new();
    let server = Arc::new(server);
    let all: Vec<_> = (0..8)
        .map(|_| {
            let (egress, server) = (egress.clone(), Arc::clone(&server));
            tasks.spawn(async move { ask(&egress, &server, "POST", "x").await.unwrap().status })
        })
        .collect();
    for it in all {
        assert_eq!(it.await.unwrap(), 200);
    }
    let asked = server.heard("POST /token");
    assert_eq!(asked.len(), 1, "{asked:?}");
    // Both parts are encoded before they are joined.
    let basic = STANDARD.encode("agent+d:c4n4ry+of+the%3Aclient");
    assert!(asked[0].contains(&format!("Basic {basic}\r\n")), "{}", asked[0]);
    assert!(asked[0].ends_with("\r\n\r\ngrant_type=client_credentials&scope=read+write"), "{}", asked[0]);
    let used = server.heard("POST /api");
    assert!(used.len() == 8 && used.iter().all(|it| it.contains("Bearer t0ken-one\r\n")), "{used:?}");
}

#[tokio::test]
async fn a_token_that_ends_at_once_is_had_anew_each_time_and_one_without_an_end_never() {
    for (body, times) in [
        (r#"{"access_token":"t0ken-one","expires_in":0}"#, 3),
        (r#"{"access_token":"t0ken-one","expires_in":"3600"}"#, 1),
        (r#"{"access_token":"t0ken-one","token_type":"Bearer"}"#, 1),
    ] {
        let server = TokenServer::start(&[(200, body)]).await;
        let egress = egress(credential(&server, CLIENT_SECRET, None), &Tokens::default());
        for _ in 0..3 {
            ask(&egress, &server, "GET", "").await.unwrap();
        }
        assert_eq!(server.heard("POST /token").len(), times, "{body}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_was_changed_is_kept_and_used() {
    let server = TokenServer::start(&[
        (200, r#"{"access_token":"t0ken-one","expires_in":0,"refresh_token":"c4n4ry-refresh-2"}"#),
        (200, r#"{"access_token":"t0ken-two","expires_in":3600,"refresh_token":"c4n4ry-refresh-2"}"#),
    ])
    .await;
    let kept = Arc::new(Kept::default());
    let tokens = Tokens::new(kept.clone());
    let egress = egress(credential(&server, "", Some(REFRESH)), &tokens);
    ask(&egress, &server, "GET", "").await.unwrap();
    ask(&egress, &server, "GET", "").await.unwrap();
    let asked: Vec<_> =
        server.heard("POST /token").iter().map(|it| it.lines().last().unwrap_or_default().to_owned()).collect();
    let with =
        |token: &str| format!("grant_type=refresh_token&refresh_token={token}&scope=read+write&client_id=agent+d");
    assert_eq!(asked, [with(REFRESH), with("c4n4ry-refresh-2")], "a public client shows its name alone");
    assert_eq!(*kept.0.lock().unwrap(), ["tracker c4n4ry-refresh-2"], "once, when it changed");
    // Tokens that were had are secrets like those of the configuration.
    for live in ["c4n4ry-refresh-2", "t0ken-one", "t0ken-two", REFRESH] {
        let error = ask(&egress, &server, "POST", &format!("look: {live}")).await.unwrap_err();
        assert!(matches!(error, Error::SecretInRequest { .. }) && !error.to_string().contains(live), "{error}");
    }
    assert!(!format!("{egress:?} {tokens:?}").contains("c4n4ry"));
}

#[tokio::test]
async fn a_token_outlives_the_configuration_that_it_came_with() {
    let server = TokenServer::start(&[(200, r#"{"access_token":"t0ken-one","expires_in":3600}"#)]).await;
    let tokens = Tokens::default();
    ask(&egress(credential(&server, CLIENT_SECRET, None), &tokens), &server, "GET", "").await.unwrap();
    ask(&egress(credential(&server, CLIENT_SECRET, None), &tokens), &server, "GET", "").await.unwrap();
    assert_eq!(server.heard("POST /token").len(), 1);
    ask(&egress(credential(&server, "another secret", None), &tokens), &server, "GET", "").await.unwrap();
    assert_eq!(server.heard("POST /token").len(), 1, "another secret is another credential");
}

#[tokio::test]
async fn a_refused_token_is_had_anew_and_only_what_changes_nothing_is_sent_again() {
    let tokens: Vec<(u16, String)> =
        (1..=9).map(|it| (200, format!(r#"{{"access_token":"t0ken-{it}","expires_in":3600}}"#))).collect();
    let tokens: Vec<(u16, &str)> = tokens.iter().map(|(status, body)| (*status, body.as_str())).collect();
    for (method, good, status, sent, asked) in [
        ("GET", "t0ken-2", 200, 2, 2),
        ("HEAD", "t0ken-2", 200, 2, 2),
        ("GET", "none", 401, 2, 2),
        ("POST", "t0ken-2", 401, 1, 1),
        ("DELETE", "t0ken-2", 401, 1, 1),
    ] {
        let server = TokenServer::start(&tokens).await;
        server.set(|it| it.good = vec![good.into()]);
        let egress = egress(credential(&server, CLIENT_SECRET, None), &Tokens::default());
        assert_eq!(ask(&egress, &server, method, "").await.unwrap().status, status, "{method}");
        let counts = (server.heard(&format!("{method} /api")).len(), server.heard("POST /token").len());
        assert_eq!(counts, (sent, asked), "{method} {good}");
        // Whoever was not sent again makes the next one have a new token.
        if status == 401 && good != "none" {
            assert_eq!(ask(&egress, &server, method, "").await.unwrap().status, 200, "{method}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_piece_by_piece_has_a_token_too() {
    let server =
        TokenServer::start(&[(200, r#"{"access_token":"t0ken-1"}"#), (200, r#"{"access_token":"t0ken-2"}"#)]).await;
    server.set(|it| it.good = vec!["t0ken-2".into()]);
    let egress = egress(credential(&server, CLIENT_SECRET, None), &Tokens::default());
    let (method, credential) = ("GET".to_owned(), Some("tracker".to_owned()));
    let rule = Rule { methods: vec![], url_prefix: server.url("/api"), credential: credential.clone() };
    let request = Request { method, url: server.url("/api"), credential, ..Request::default() };
    let patience = Patience { head: Duration::from_secs(20), idle: Duration::from_secs(20) };
    let mut answer = egress.open("x", &[rule], request, patience).await.unwrap();
    assert_eq!((answer.status, answer.chunk().await.unwrap().unwrap().as_ref()), (200, b"done".as_slice()));
}

#[tokio::test]
async fn a_server_that_wants_the_secret_in_the_body_gets_it_there() {
    let no = r#"{"error":"invalid_client","error_description":"c4n4ry of the:client is wrong"}"#;
    let server = TokenServer::start(&[(401, no), (200, r#"{"access_token":"t0ken-one","expires_in":0}"#)]).await;
    let egress = egress(credential(&server, CLIENT_SECRET, None), &Tokens::default());
    ask(&egress, &server, "GET", "").await.unwrap();
    ask(&egress, &server, "GET", "").await.unwrap();
    let asked = server.heard("POST /token");
    let in_header: Vec<_> = asked.iter().map(|it| it.to_lowercase().contains("\r\nauthorization: ")).collect();
    assert_eq!(in_header, [true, false, false], "what worked is remembered");
    assert!(asked[1].ends_with("&client_id=agent+d&client_secret=c4n4ry+of+the%3Aclient"), "{}", asked[1]);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_nothing_is_told() {
    let check = async |status: u16, body: &'static str, parts: &[&str], asked: usize| {
        let server = TokenServer::start(&[(status, body)]).await;
        let egress = egress(credential(&server, CLIENT_SECRET, Some(REFRESH)), &Tokens::default());
        let error = ask(&egress, &server, "GET", "").await.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error}");
        let text = error.to_string();
        for part in parts.iter().chain(&["the credential `tracker` has no access token: 127.0.0.1"]) {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        assert!(!text.contains("c4n4ry") && !format!("{error:?}").contains("c4n4ry"), "{error:?}");
        // The server is left alone for a while.
        ask(&egress, &server, "GET", "").await.unwrap_err();
        assert_eq!(server.heard("POST /token").len(), asked, "{text}");
        assert_eq!(server.heard("GET /api").len(), 0);
    };
    let grant = r#"{"error":"invalid_grant","error_description":"c4n4ry-refresh-1 was used"}"#;
    check(400, grant, &["answered 400 (invalid_grant)", "hint: the refresh token has ended"], 1).await;
    check(401, "", &["answered 401 (invalid_client)", "hint: check client_id and secret in [credentials.tracker]"], 2)
        .await;
    check(400, r#"{"error":"c4n4ry"}"#, &["answered 400\n"], 1).await;
    check(400, r#"{"error":"invalid_scope"}"#, &["hint: check scopes"], 1).await;
    check(503, "c4n4ry", &["answered 503", "tried again with a later request"], 1).await;
    check(200, "<html>c4n4ry", &["something that is no token"], 1).await;
    check(200, r#"{"error":"bad_refresh_token"}"#, &["answered bad_refresh_token", "has ended"], 1).await;
    check(200, r#"{"access_token":"c4n4ry","token_type":"mac"}"#, &["another type than bearer"], 1).await;
    check(200, "{\"access_token\":\"c4n4ry\\n\"}", &["cannot be a header"], 1).await;
    check(307, "", &["answered 307"], 1).await;
}

#[tokio::test]
async fn a_new_refresh_token_is_not_lost_with_whoever_waited_for_it() {
    let body = r#"{"access_token":"t0ken-one","expires_in":3600,"refresh_token":"c4n4ry-refresh-2"}"#;
    let server = TokenServer::start(&[(200, body)]).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    server.set(|it| it.gate = Some(Arc::clone(&gate)));
    let kept = Arc::new(Kept::default());
    let egress = egress(credential(&server, "", Some(REFRESH)), &Tokens::new(kept.clone()));
    tokio::select! {
        biased;
        result = ask(&egress, &server, "GET", "") => panic!("{result:?}"),
        () = server.until_heard("waiting") => {}
    }
    gate.notify_one();
    // The next one finds the token that the one before had asked for.
    assert_eq!(ask(&egress, &server, "GET", "").await.unwrap().status, 200);
    assert_eq!(server.heard("POST /token").len(), 1);
    assert_eq!(*kept.0.lock().unwrap(), ["tracker c4n4ry-refresh-2"]);
}

#[tokio::test]
async fn the_place_for_tokens_is_checked_like_any_other() {
    let server = TokenServer::start(&[(200, "")]).await;
    for (url, part) in
        [("https://169.254.169.254/token", "a cloud's metadata service"), ("https://[::1]/token", "loopback")]
    {
        let mut credential = credential(&server, CLIENT_SECRET, None);
        if let Attach::OAuth2 { token_url, .. } = &mut credential.attach {
            url.clone_into(token_url);
        }
        let error = ask(&egress(credential, &Tokens::default()), &server, "GET", "").await.unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("c4n4ry"), "{error}");
    }
    for (url, part) in [
        ("http://login.example/token", "is not https:"),
        ("http://1.1.1.1/token", "is not https:"),
        ("https://me:c4n4ry@login.example/token", "a user, a password"),
        ("login.example", "not an absolute URL"),
    ] {
        let mut credential = credential(&server, CLIENT_SECRET, None);
        if let Attach::OAuth2 { token_url, .. } = &mut credential.attach {
            url.clone_into(token_url);
        }
        let made = Egress::new(Options::default(), [("tracker".to_owned(), credential)].into_iter().collect());
        let error = made.unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("c4n4ry"), "{error}");
    }
}

#[tokio::test]
async fn a_caller_cannot_write_where_the_token_goes() {
    let server = TokenServer::start(&[(200, r#"{"access_token":"t0ken-one"}"#)]).await;
    let egress = egress(credential(&server, CLIENT_SECRET, None), &Tokens::default());
    let name = Some("tracker".to_owned());
    let rule = |path: &str| Rule { methods: vec![], url_prefix: server.url(path), credential: name.clone() };
    let request = |path: &str, headers: Vec<(String, String)>| Request {
        method: "GET".into(),
        url: server.url(path),
        headers,
        credential: name.clone(),
        ..Request::default()
    };
    let mine = vec![("Authorization".to_owned(), "Bearer mine".to_owned())];
    let error = egress.send("x", &[rule("/api")], request("/api", mine)).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    let error = egress.send("x", &[rule("/other")], request("/other", vec![])).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert_eq!(server.heard("POST /token").len(), 0, "no token is had for what is not sent");
}
