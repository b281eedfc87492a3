//! `wasi:http` goes the way of `agentd:host/http`; mail goes to whom it may.

use super::*;

/// What the guest makes of it, and what was asked of the daemon.
async fn send(house: &House, settings: Value) -> (String, Option<HttpCall>) {
    let said = rank(&house.hostile(settings).await).await.unwrap();
    (said, house.daemon.requests.lock().unwrap().pop())
}

#[tokio::test]
async fn a_request_of_wasis_is_one_of_agentds() {
    let house = House::new().await;
    *house.daemon.answer.lock().unwrap() = answer(201, "made");
    let settings = json!({ "does": "wasi-http", "url": "https://example.org/hook?x=1", "credential": "hook",
        "wanted": "https://example.org/hook" });
    let (said, call) = send(&house, settings).await;
    assert_eq!(said, "201 made");
    let call = call.unwrap();
    let http::Request { method, url, headers, body, credential, timeout_ms, .. } = call.request;
    assert_eq!((method.as_str(), url.as_str()), ("POST", "https://example.org/hook?x=1"));
    assert_eq!((headers, body), (vec![], Content::Text("hello".into())));
    assert_eq!(credential.as_deref(), Some("hook"));
    assert_eq!(call.granted[0].credential.as_deref(), Some("hook"));
    assert!(timeout_ms.is_some_and(|it| (9_000..=10_000).contains(&it)), "{timeout_ms:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let house = House::new().await;
    let location = ("location".to_owned(), "http://169.254.169.254/latest/meta-data".to_owned());
    *house.daemon.answer.lock().unwrap() = http::Response { headers: vec![location], ..answer(302, "there") };
    let (said, _) = send(&house, json!({ "does": "wasi-http", "url": "https://example.org/hook" })).await;
    assert_eq!(said, "302 there");
    assert!(house.daemon.requests.lock().unwrap().is_empty(), "nobody went on to where it pointed");
}

#[tokio::test]
async fn what_is_refused_is_a_typed_error_and_a_line_that_helps() {
    let house = House::new().await;
    house.daemon.logged();
    let url = "https://example.org/hook";
    let refused = json!({ "does": "wasi-http", "url": url, "wanted": "https://a.org/" });
    let (said, call) = send(&house, refused).await;
    assert!(said.starts_with("ErrorCode::HttpRequestDenied"), "{said}");
    assert!(call.is_none());
    let logged = house.daemon.logged();
    let expected = "hostile/e warn: wasi:http: POST example.org: denied: plugin `hostile`, entry `e`, may not POST \
                    https://example.org/hook: its `describe` never asks for this, with the settings that it has";
    assert!(logged.iter().any(|it| it == expected), "{logged:?}");
    for does in ["wasi-http-host", "wasi-http-chunked", "wasi-http-split"] {
        let (said, call) = send(&house, json!({ "does": does, "url": url })).await;
        assert!(said.starts_with("HeaderError::"), "{does}: {said}");
        assert!(call.is_none(), "{does}");
    }
    let (said, call) = send(&house, json!({ "does": "wasi-http", "url": "https://me:secret@example.org/hook" })).await;
    assert!(call.is_none() && !said.starts_with("200"), "{said}");
    let (said, _) = send(&house, json!({ "does": "wasi-http", "url": "https:///hook" })).await;
    assert!(!said.starts_with("200"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_ends_with_the_call() {
    let house = House::new().await;
    house.daemon.deaf.store(true, Ordering::SeqCst);
    let entry = house.hostile(json!({ "does": "wasi-http", "url": "https://example.org/hook" })).await;
    let failure = rank(&entry).await.unwrap_err().to_string();
    assert!(failure.contains("it gave no answer within 10 s"), "{failure}");
    assert!(failure.contains("`wall` in [plugins.limits.hostile] raises the limit"), "{failure}");
}

#[tokio::test]
async fn mail_goes_to_addresses_and_nowhere_else() {
    let house = House::new().await;
    let sends = async |to: &str| rank(&house.hostile(json!({ "does": "mail", "url": to })).await).await;
    assert_eq!(sends("Ann <ann@example.org>").await, Ok("sent".into()));
    let sent = house.daemon.mails.lock().unwrap().pop().unwrap();
    assert_eq!((sent.0, sent.1.to), (vec!["*".to_owned()], vec!["Ann <ann@example.org>".to_owned()]));
    for to in [
        "ann",
        "@example.org",
        "ann@",
        "a@b@c",
        "ann@example.org\r\nBcc: eve@evil.org",
        "<ann@example.org",
        "*@x.org",
        "",
    ] {
        let failure = sends(to).await.unwrap_err().to_string();
        assert!(failure.starts_with("invalid: ") && failure.ends_with("is no mail address"), "{to}: {failure}");
    }
    assert!(house.daemon.mails.lock().unwrap().is_empty());
}
