//! What reaches the provider, what comes back, and what is not on the list.

use super::bed::{Act, Bed, KEY, MESSAGES, chunks, text, whole};
use crate::Refusal;
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::Notify;

#[tokio::test]
async fn a_call_reaches_the_provider_with_its_key_and_without_the_agents() {
    let bed =
        Bed::new(|_| whole(200, "content-type: application/json\r\nrequest-id: r1\r\nset-cookie: a=b\r\n", "{}")).await;
    let token = bed.endpoint("main").token;
    let headers = [
        ("x-api-key", token.as_str()),
        ("authorization", "Bearer something-else"),
        ("cookie", "c=d"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "one,two"),
        ("user-agent", "claude-cli/2.1.328"),
        ("accept-encoding", "gzip, br"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("proxy-authorization", "Basic eA=="),
        ("openai-organization", "org"),
        ("agentd-run", "1"),
        ("api-key", "an-account-of-the-agents-own"),
        ("x-goog-api-key", "another"),
        ("x-auth-token", "a third"),
        ("x-http-method-override", "DELETE"),
        ("x-forwarded-host", "evil.example"),
        ("x-original-url", "/v1/files"),
        ("helicone-target-url", "https://evil.example"),
        ("x-portkey-custom-host", "https://evil.example"),
        ("idempotency-key", "k"),
        ("x-stainless-retry-count", "0"),
        ("content-type", "application/json"),
    ];
    let body = r#"{"model":"m-1","max_tokens":1}"#;
    let response = bed.ask("POST", "/model/main/v1/messages?beta=true", &headers, body).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["request-id"], "r1");
    assert!(response.headers().get("set-cookie").is_none());
    assert_eq!(text(response).await, "{}");

    let heard = bed.heard().remove(0);
    assert!(heard.head.starts_with("POST /base/v1/messages?beta=true HTTP/1.1\r\n"), "{}", heard.head);
    assert_eq!(heard.header("x-api-key"), Some(KEY));
    assert_eq!(heard.header("accept-encoding"), Some("identity"));
    assert_eq!(heard.header("anthropic-beta"), Some("one,two"));
    assert_eq!(heard.header("user-agent"), Some("claude-cli/2.1.328"));
    assert_eq!(heard.header("content-type"), Some("application/json"));
    assert_eq!(heard.header("idempotency-key"), Some("k"));
    let kept = ["anthropic-version", "anthropic-beta", "user-agent", "content-type", "idempotency-key"];
    let mine = ["x-api-key", "accept-encoding", "x-stainless-retry-count"];
    for (name, _) in headers.iter().filter(|(name, _)| !kept.contains(name) && !mine.contains(name)) {
        assert_eq!(heard.header(name), None, "{name}");
    }
    assert!(!heard.head.contains(&token));
    assert_eq!(heard.body, body.as_bytes());
}

#[tokio::test]
async fn the_languages_of_openai_go_below_its_base_url() {
    let bed = Bed::new(|_| whole(200, "content-type: application/json\r\n", "{}")).await;
    let token = format!("bearer {}", bed.endpoint("gpt").token);
    for (method, path, body) in [
        ("POST", "/responses", r#"{"model":"m-2"}"#),
        ("POST", "/chat/completions", r#"{"model":"m-2","stream":true}"#),
        ("GET", "/models?client_version=1", ""),
        ("GET", "/models/m-2", ""),
    ] {
        let response = bed.ask(method, &format!("/model/gpt{path}"), &[("authorization", &token)], body).await;
        assert_eq!(response.status(), 200, "{path}");
        let heard = bed.heard().pop().unwrap();
        assert!(heard.head.starts_with(&format!("{method} /openai/v1{path} HTTP/1.1\r\n")), "{}", heard.head);
        assert_eq!(heard.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        let asks_for_usage =
            String::from_utf8(heard.body).unwrap().contains(r#""stream_options":{"include_usage":true}"#);
        assert_eq!(asks_for_usage, path == "/chat/completions");
    }
}

#[tokio::test]
async fn a_stream_is_untouched_however_it_is_cut() {
    for size in [1, 7, 64, 100_000] {
        let bed = Bed::new(move |_| chunks(MESSAGES.as_bytes().chunks(size))).await;
        let response = bed.call("main", "/v1/messages", r#"{"model":"m-1","stream":true}"#).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(text(response).await, MESSAGES, "in pieces of {size}");
        assert_eq!(bed.door.fault(), None);
    }
}

#[tokio::test]
async fn a_piece_is_there_before_the_next_one_is_sent() {
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let bed = Bed::new(move |_| {
        let mut acts = chunks([b"data: 1\n\n".as_slice(), b"data: 2\n\n"]);
        acts.insert(2, Act::Wait(Arc::clone(&held)));
        acts
    })
    .await;
    let mut body = bed.call("main", "/v1/messages", "{}").await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "data: 1\n\n");
    gate.notify_one();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: 2\n\n");
}

#[tokio::test]
async fn a_compressed_answer_stays_as_it_is() {
    let bed =
        Bed::new(|_| whole(200, "content-encoding: gzip\r\ncontent-type: application/json\r\n", "not gzip")).await;
    let response = bed.call("main", "/v1/messages", "{}").await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["content-length"], "8");
    assert_eq!(text(response).await, "not gzip");
}

#[tokio::test]
async fn only_this_runs_token_for_this_endpoint_is_good() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let gpt = bed.endpoint("gpt").token;
    let bearer = format!("Bearer {gpt}");
    for headers in
        [vec![], vec![("x-api-key", gpt.as_str())], vec![("authorization", &bearer)], vec![("x-api-key", KEY)]]
    {
        let response = bed.ask("POST", "/model/main/v1/messages", &headers, "{}").await;
        assert_eq!(response.status(), 401, "{headers:?}");
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["error"]["type"], "authentication_error");
    }
    assert_eq!(bed.heard().len(), 0);
    let why = "the key is not this run's token for the endpoint `main`".to_owned();
    assert_eq!(bed.refusals(), [Refusal { what: "model call".into(), why, allow: None }]);
}

#[tokio::test]
async fn what_is_not_on_the_list_is_refused_in_the_providers_words() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let check = async |name: &str, method: &str, path: &str, status: u16| {
        let token = bed.endpoint("main").token;
        let other = format!("Bearer {}", bed.endpoint("gpt").token);
        let headers = [("x-api-key", token.as_str()), ("authorization", &other)];
        let response = bed.ask(method, &format!("/model/{name}{path}"), &headers, "").await;
        assert_eq!(response.status(), status, "{method} {path}");
        serde_json::from_str::<Value>(&text(response).await).unwrap()
    };
    let body = check("main", "POST", "/v1/files?x=secret", 404).await;
    assert_eq!((body["type"].as_str(), body["error"]["type"].as_str()), (Some("error"), Some("not_found_error")));
    let body = check("gpt", "POST", "/v1/responses", 404).await;
    assert_eq!((body["type"].as_str(), body["error"]["type"].as_str()), (None, Some("invalid_request_error")));
    check("main", "DELETE", "/v1/messages", 404).await;
    check("main", "POST", "/../gpt/responses", 404).await;
    check("other", "POST", "/v1/messages", 404).await;
    assert_eq!(bed.heard().len(), 0);
    let whats: Vec<String> = bed.refusals().into_iter().map(|it| it.what).collect();
    assert_eq!(
        whats,
        [
            "POST /model/main/v1/files",
            "POST /model/gpt/v1/responses",
            "DELETE /model/main/v1/messages",
            "POST /model/main/../gpt/responses",
            "POST /model/other/v1/messages"
        ]
    );
}

#[tokio::test]
async fn everything_else_is_refused_once_and_told_what_there_is() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    for path in ["/", "/v1/messages", "/metrics", "/metrics"] {
        let response = bed.ask("GET", path, &[], "").await;
        assert_eq!(response.status(), 403, "{path}");
        assert!(text(response).await.contains("agentd's gateway has /model/"), "{path}");
    }
    let whats: Vec<String> = bed.refusals().into_iter().map(|it| it.what).collect();
    assert_eq!(whats, ["GET /", "GET /v1/messages", "GET /metrics"]);
    let registry = bed.ask("GET", "/npm/left-pad", &[], "").await;
    assert_eq!(registry.status(), 403);
    assert!(text(registry).await.contains(r#"[repositories."acme/api"] egress = ["npm"]"#));
    let proxied = bed.ask("GET", "http://example.org/", &[], "").await;
    assert_eq!(proxied.status(), 403);
    assert_eq!(bed.refusals().len(), 5);
}

#[tokio::test]
async fn a_run_cannot_fill_the_log_with_refusals() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    for number in 0..250 {
        bed.ask("GET", &format!("/{number}"), &[], "").await;
    }
    assert_eq!(bed.refusals().len(), 200);
}

#[tokio::test]
async fn a_request_of_any_size_that_agents_send_goes_through_and_no_larger_one() {
    let bed = Bed::new(|heard| whole(200, "content-type: application/json\r\n", &heard.body.len().to_string())).await;
    let body = format!("{{\"model\":\"m-1\",\"x\":\"{}\"}}", "y".repeat(20 << 20));
    assert_eq!(bed.called("main", "/v1/messages", &body).await, (200, body.len().to_string()));
    let (status, text) = bed.called("main", "/v1/messages", &"y".repeat((32 << 20) + 1)).await;
    assert_eq!(status, 413);
    assert!(text.contains("request_too_large") && text.contains("32 MiB"), "{text}");
    assert_eq!(bed.heard().len(), 1);
}

#[tokio::test]
async fn a_request_that_holds_a_secret_is_not_sent() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let (status, text) = bed.called("main", "/v1/messages", &format!("{{\"text\":\"{KEY}\"}}")).await;
    assert_eq!(status, 400);
    assert!(text.contains("contains a secret") && !text.contains(KEY), "{text}");
    assert_eq!((bed.heard().len(), bed.refusals().len()), (0, 1));
}

#[tokio::test]
async fn a_call_whose_cost_could_hide_is_not_sent() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let token = bed.endpoint("gpt").token;
    for (extra, body, status, part) in [
        (("x-a", "b"), r#"{"background":true}"#, 400, "background"),
        (("x-a", "b"), "nonsense", 400, "no JSON object"),
        (("content-encoding", "gzip"), "{}", 415, "packed"),
    ] {
        let headers = [("x-api-key", token.as_str()), extra];
        let response = bed.ask("POST", "/model/gpt/responses", &headers, body).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["x-should-retry"], "false");
        assert!(text(response).await.contains(part), "{body}");
    }
    assert_eq!((bed.heard().len(), bed.refusals().len()), (0, 3));
    assert_eq!(bed.called("gpt", "/responses", r#"{"background":false}"#).await.0, 200);
}

#[tokio::test]
async fn a_provider_that_repeats_the_key_does_not_give_it_to_the_agent() {
    let gate = Arc::new(Notify::new());
    for (start, end) in [("data: 1\n\n", KEY), ("data: 1\n\ndata: sk-real-key-of", &KEY["sk-real-key-of".len()..])] {
        let held = Arc::clone(&gate);
        let bed = Bed::new(move |_| {
            let mut acts = chunks([start.as_bytes(), end.as_bytes()]);
            acts.insert(2, Act::Wait(Arc::clone(&held)));
            acts
        })
        .await;
        let mut body = bed.call("main", "/v1/messages", "{}").await.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), start);
        gate.notify_one();
        assert!(body.frame().await.unwrap().is_err(), "the rest of the key does not come");
        let fault = bed.door.fault().unwrap();
        assert!(fault.text.contains("contains a secret") && !fault.text.contains(KEY), "{fault:?}");
    }
}
