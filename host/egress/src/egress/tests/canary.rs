//! Secrets of every kind, in every form that programs give them: none leaves in what a caller wrote, none comes back.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Characters that each encoding treats in its own way.
const CANARY: &str = "c4n4ry/+=&\"%~ÿ-";

/// Every kind that is attached as it is.
fn kinds() -> Vec<(&'static str, Attach)> {
    vec![
        ("basic", Attach::Basic { user: "bot".into() }),
        ("query", Attach::Query("key".into())),
        ("bearer", Attach::Bearer),
        ("header", Attach::Header("x-key".into())),
        ("url", Attach::Url),
        ("signing-key", Attach::SigningKey),
        ("oauth2", oauth2("https://login.example/token", None)),
        ("oauth2-refresh", oauth2("https://login.example/token", Some(CANARY))),
    ]
}

fn oauth2(token_url: &str, refresh: Option<&str>) -> Attach {
    Attach::OAuth2 {
        token_url: token_url.into(),
        client_id: "agentd".into(),
        refresh_token: refresh.map(Into::into),
        scopes: vec![],
    }
}

/// The secret as its kind can hold it.
fn secret(kind: &str) -> String {
    match kind {
        "url" => "https://hooks.example/services/c4n4ry-of-the-hook".into(),
        "signing-key" => format!("whsec_{}", STANDARD.encode(CANARY)),
        "oauth2-refresh" => "secret-of-the-client".into(),
        _ => CANARY.into(),
    }
}

/// What must not be in anything.
fn canaries(kind: &str) -> Vec<String> {
    let mut all = vec![secret(kind)];
    all.extend((kind == "oauth2-refresh").then(|| CANARY.to_owned()));
    all
}

/// The ways in which a program that means no harm may write a text.
fn forms(text: &str) -> Vec<String> {
    let percent: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let some = text.replace('%', "%25").replace('&', "%26").replace('/', "%2f").replace('"', "%22");
    let json = text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut all = vec![text.to_owned(), percent.replace('%', "%25"), percent, some, json, hex::encode(text)];
    for before in ["", "x", "xy", "user:"] {
        let whole = format!("{before}{text}@");
        let standard = STANDARD.encode(&whole);
        all.push(standard.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"));
        all.extend([standard, URL_SAFE_NO_PAD.encode(&whole)]);
    }
    all
}

#[tokio::test]
async fn no_form_of_a_secret_leaves_in_what_a_caller_wrote() {
    let server = Server::start().await;
    for (kind, attach) in kinds() {
        let credential = Credential { attach, secret: secret(kind).into(), urls: vec![server.url("/api")] };
        let options = Options { allow_private: vec!["127.0.0.1".into()], ..Options::default() };
        let egress = Egress::new(options, [(kind.to_owned(), credential)].into_iter().collect()).unwrap();
        let rules = [Rule { methods: vec![], url_prefix: server.url("/"), credential: None }];
        let plain = || Request { method: "POST".into(), url: server.url("/api"), ..Request::default() };
        for form in canaries(kind).iter().flat_map(|it| forms(it)) {
            // What a URL or a header cannot hold does not get as far, and is said of the text as it is.
            let tries = [
                Request { url: format!("{}?q={form}", server.url("/api")), ..plain() },
                Request { url: format!("{}/{form}/x", server.url("/api")), ..plain() },
                Request { headers: vec![("x-note".into(), form.clone())], ..plain() },
                Request {
                    headers: vec![("x-a".into(), "1".into()), ("cookie".into(), format!("a={form}"))],
                    ..plain()
                },
                Request { body: format!("{{\"a\": \"{form}\"}}").into(), ..plain() },
                Request { idempotency_key: Some(form.clone()), ..plain() },
                Request { method: form.clone(), ..plain() },
            ];
            for request in tries {
                let shown = format!("{request:?}");
                let error = egress.send("x", &rules, request).await.expect_err(&form);
                assert!(matches!(error, Error::SecretInRequest { .. }), "{kind}: {form}: {error}");
                let told = format!("{error} {shown}");
                assert!(canaries(kind).iter().all(|it| !told.contains(it.as_str())), "{kind}: {told}");
            }
        }
        assert!(canaries(kind).iter().all(|it| !format!("{egress:?}").contains(it.as_str())), "{kind}");
    }
    assert_eq!(server.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_stays_behind_when_its_place_is_left() {
    // The host and the path are right or the secret stays here, whatever the caller's rules say.
    let server = Server::start().await;
    let at = server.url("/api/issues");
    for (kind, attach) in [("bearer", Attach::Bearer), ("query", Attach::Query("key".into()))] {
        let credential = Credential { attach, secret: "c4n4ry-of-issues".into(), urls: vec![at.clone()] };
        let options = Options { allow_private: vec!["127.0.0.0/8".into(), "::1".into()], ..Options::default() };
        let egress = Egress::new(options, [("c".to_owned(), credential)].into_iter().collect()).unwrap();
        let port = server.port;
        for url in [
            server.url("/api"),
            server.url("/api/issues2"),
            server.url("/api/issues/../secrets"),
            server.url("/API/issues"),
            format!("http://localhost:{port}/api/issues"),
            format!("http://127.0.0.2:{port}/api/issues"),
            format!("https://127.0.0.1:{port}/api/issues"),
        ] {
            let rules =
                [Rule { methods: vec![], url_prefix: Url::parse(&url).unwrap().into(), credential: Some("c".into()) }];
            let request =
                Request { method: "GET".into(), url: url.clone(), credential: Some("c".into()), ..Request::default() };
            let error = egress.send("x", &rules, request).await.expect_err(&url);
            assert!(matches!(error, Error::Denied { .. }), "{kind}: {url}: {error}");
        }
    }
    assert_eq!(server.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_redirect_takes_no_secret_along() {
    let bed = Bed::new().await;
    let request = Request { url: bed.server.url("/api/redirect"), ..bed.post("jira", "") };
    assert_eq!(bed.send(request).await.unwrap().status, 302);
    assert_eq!(bed.server.heard().len(), 1, "nobody went there");
    // Who follows by hand names a credential again, or none, and is asked again.
    bed.send(bed.get("/api/target")).await.unwrap();
    let heard = bed.server.heard();
    assert!(heard[0].contains(SECRET) && !heard[1].contains(SECRET), "{heard:?}");
}

#[tokio::test]
async fn cookies_stay_with_the_host() {
    let bed = Bed::new().await;
    let response = bed.send(bed.post("jira", "x")).await.unwrap();
    assert!(response.headers.iter().all(|(name, _)| !name.contains("cookie")), "{:?}", response.headers);
    bed.send(bed.post("jira", "x")).await.unwrap();
    assert!(!bed.server.heard()[1].to_lowercase().contains("cookie"), "and are not sent back");
}
