//! What a door remembers of what went wrong.

use super::bed::{Act, Bed, KEY, MESSAGES, MESSAGES_COST, NOW, PATIENCE, chunks, head, whole};
use crate::{Budget, Fault, FaultKind};
use agentd_egress::Patience;
use http_body_util::BodyExt;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

const SHORT: Duration = Duration::from_millis(150);
const CALL: &str = r#"{"model":"m-1","stream":true}"#;

/// A call against the script ends with this status, this end of the body and this fault.
async fn check(
    script: impl Fn(&super::bed::Heard) -> Vec<Act> + Send + Sync + 'static,
    status: u16,
    end: &str,
    kind: FaultKind,
) -> (Bed, Fault) {
    // What waits for the end of its patience has little of it, and nothing else does.
    let patience = match kind {
        FaultKind::Silent => Patience { head: SHORT, ..PATIENCE },
        FaultKind::Stalled => Patience { idle: SHORT, ..PATIENCE },
        _ => PATIENCE,
    };
    let bed = Bed::with(script, patience, Budget::default()).await;
    let (found, text) = bed.called("main", "/v1/messages", CALL).await;
    assert_eq!(found, status, "{text}");
    assert!(text.ends_with(end), "{text}");
    let fault = bed.door.fault().expect("a fault");
    assert_eq!(fault.kind, kind, "{fault:?}");
    assert!(!fault.text.contains(KEY) && !text.contains(KEY));
    (bed, fault)
}

#[tokio::test]
async fn each_error_of_the_provider_goes_through_and_has_its_kind() {
    let error = r#"{"type":"error","error":{"type":"x","message":"told\nwhy"}}"#;
    for (status, kind) in [
        (400, FaultKind::Refused),
        (401, FaultKind::Unauthorized),
        (403, FaultKind::Unauthorized),
        (404, FaultKind::Refused),
        (429, FaultKind::RateLimited),
        (500, FaultKind::Error),
        (503, FaultKind::Overloaded),
        (529, FaultKind::Overloaded),
    ] {
        let (bed, fault) = check(move |_| whole(status, "", error), status, error, kind).await;
        assert_eq!(fault.status, Some(status));
        assert_eq!(fault.text, format!("the provider of the account `anthropic` answered {status}: told why"));
        assert_eq!(bed.books.book.borrow().calls, [], "an error costs nothing");
    }
}

#[tokio::test]
async fn a_limit_says_when_it_is_over() {
    let (_bed, fault) = check(|_| whole(429, "retry-after: 30\r\n", ""), 429, "", FaultKind::RateLimited).await;
    assert_eq!(fault.until, Some(NOW + 30_000));
    let (_bed, fault) = check(|_| whole(529, "retry-after: 30\r\n", ""), 529, "", FaultKind::Overloaded).await;
    assert_eq!(fault.until, None);
    assert_eq!(fault.text, "the provider of the account `anthropic` answered 529");
}

#[tokio::test]
async fn a_silent_provider_is_a_timeout() {
    let (bed, fault) = check(|_| vec![Act::Hang], 504, "}", FaultKind::Silent).await;
    assert!(fault.text.contains("127.0.0.1 did not begin to answer within"), "{}", fault.text);
    let call = bed.booked(1).await.remove(0);
    assert_eq!((call.complete, call.usage.input), (false, 8));
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_is_cut() {
    let (bed, _) = check(|_| vec![], 502, "}", FaultKind::Cut).await;
    assert!(!bed.booked(1).await[0].complete);
}

#[tokio::test]
async fn a_stream_that_stalls_or_breaks_off_does_so_for_the_agent_too() {
    let half = &MESSAGES[..400];
    let stalls = move |_: &super::bed::Heard| {
        let mut acts = chunks([half.as_bytes()]);
        acts.pop();
        acts.push(Act::Hang);
        acts
    };
    let (bed, _) = check(stalls, 200, &format!("{half}<broken>"), FaultKind::Stalled).await;
    let call = bed.booked(1).await.remove(0);
    assert!(!call.complete && call.usage.input == 25 && call.usage.cache_read == 1000, "{call:?}");
    assert_eq!(call.usage.output, 100, "a quarter of the answer's bytes");

    let cut = move |_: &super::bed::Heard| {
        let mut acts = chunks([half.as_bytes()]);
        acts.pop();
        acts
    };
    let (bed, _) = check(cut, 200, &format!("{half}<broken>"), FaultKind::Cut).await;
    assert!(!bed.booked(1).await[0].complete);
    // The connection came to a proper end, and the stream did not.
    let (bed, fault) = check(move |_| chunks([half.as_bytes()]), 200, half, FaultKind::Cut).await;
    assert!(fault.text.contains("ended in the middle"), "{}", fault.text);
    assert!(!bed.booked(1).await[0].complete);
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_a_fault() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let (_bed, fault) = check(move |_| chunks([error.as_bytes()]), 200, error, FaultKind::Overloaded).await;
    assert!(fault.text.ends_with("ended its answer with an error: Overloaded"), "{}", fault.text);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unreachable() {
    let bed = Bed::new(|_| vec![]).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gateway = super::bed::gateway(nobody, &bed.books, PATIENCE, Budget::default(), bed.folder.path());
    let door = gateway.open(super::bed::scope(1, super::bed::BOTH), &bed.folder.path().join("door")).await.unwrap();
    let (status, text) = bed.called("main", "/v1/messages", CALL).await;
    assert_eq!(status, 502, "{text}");
    assert!(text.contains("api_error") && text.contains("agentd: 127.0.0.1 could not be reached: "), "{text}");
    let fault = door.fault().unwrap();
    assert!(fault.kind == FaultKind::Unreachable && !fault.text.contains("t-1.1"), "{fault:?}");
    let (status, _) = bed.called("gpt", "/responses", "{}").await;
    assert_eq!((status, bed.books.book.borrow().calls.len()), (502, 0));
}

#[tokio::test]
async fn a_good_answer_ends_a_fault() {
    let count = AtomicUsize::new(0);
    let bed = Bed::new(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => whole(500, "", "{}"),
        _ => chunks([MESSAGES.as_bytes()]),
    })
    .await;
    bed.called("main", "/v1/messages", CALL).await;
    assert_eq!(bed.door.fault().unwrap().kind, FaultKind::Error);
    assert_eq!(bed.called("main", "/v1/messages", CALL).await.0, 200);
    bed.booked(1).await;
    assert_eq!(bed.door.fault(), None);
}

/// What the provider says to each request, by its path and how often it was asked.
fn by_path(acts: impl Fn(&str, usize) -> Vec<Act> + Send + Sync + 'static) -> impl Fn(&super::bed::Heard) -> Vec<Act> {
    let count = AtomicUsize::new(0);
    move |heard| {
        let path = heard.head.split(' ').nth(1).unwrap_or_default();
        acts(path, count.fetch_add(1, Ordering::Relaxed))
    }
}

const CHAT: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

#[tokio::test]
async fn a_good_answer_of_another_endpoint_ends_no_fault() {
    let bed = Bed::new(by_path(|path, _| match path {
        "/base/v1/messages" => whole(401, "", "{}"),
        _ => whole(200, "content-type: application/json\r\n", CHAT),
    }))
    .await;
    bed.called("main", "/v1/messages", CALL).await;
    assert_eq!(bed.called("gpt", "/chat/completions", "{}").await.0, 200);
    bed.booked(1).await;
    assert_eq!(bed.door.fault().unwrap().kind, FaultKind::Unauthorized);
}

#[tokio::test]
async fn what_is_free_hides_no_fault_and_is_none_once_the_model_answered() {
    let bed = Bed::new(by_path(|path, count| match (path, count) {
        ("/base/v1/messages", 2) => whole(529, "", "{}"),
        ("/base/v1/messages", _) => chunks([MESSAGES.as_bytes()]),
        (_, 0 | 3) => whole(401, "", "{}"),
        _ => whole(200, "content-type: application/json\r\n", "{}"),
    }))
    .await;
    let kind = || bed.door.fault().map(|it| it.kind);
    let count_tokens = || bed.called("main", "/v1/messages/count_tokens", CALL);
    let call = || bed.called("main", "/v1/messages", CALL);
    count_tokens().await;
    assert_eq!(kind(), Some(FaultKind::Unauthorized), "nothing else is known yet");
    call().await;
    bed.booked(1).await;
    assert_eq!(kind(), None);
    call().await;
    assert_eq!(kind(), Some(FaultKind::Overloaded));
    count_tokens().await;
    assert_eq!(kind(), Some(FaultKind::Overloaded), "neither a fault");
    count_tokens().await;
    assert_eq!(kind(), Some(FaultKind::Overloaded), "nor a good answer");
}

#[tokio::test]
async fn an_answer_that_had_begun_before_does_not_end_a_fault() {
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let budget = Budget { run: MESSAGES_COST, ..Budget::default() };
    let script = move |_: &super::bed::Heard| {
        let mut acts = chunks([MESSAGES.as_bytes()]);
        acts.insert(2, Act::Wait(Arc::clone(&held)));
        acts
    };
    let bed = Bed::with(script, PATIENCE, budget).await;
    let mut body = bed.call("main", "/v1/messages", CALL).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(bed.called("main", "/v1/messages", CALL).await.0, 400);
    gate.notify_one();
    while body.frame().await.is_some() {}
    bed.booked(1).await;
    assert_eq!(bed.door.fault().unwrap().kind, FaultKind::RunBudget);
}

#[tokio::test]
async fn an_agent_that_gives_up_first_waited_in_vain_all_the_same() {
    let patience = Patience { head: SHORT * 8, idle: SHORT * 8 };
    let bed = Bed::with(|_| vec![Act::Hang], patience, Budget::default()).await;
    let call = bed.call("main", "/v1/messages", CALL);
    assert!(tokio::time::timeout(SHORT * 3, call).await.is_err(), "the provider says nothing");
    bed.booked(1).await;
    let fault = bed.door.fault().unwrap();
    assert!(fault.kind == FaultKind::Silent && fault.text.contains("waited no longer"), "{fault:?}");

    let half = &MESSAGES[..400];
    let stalls = move |_: &super::bed::Heard| {
        let mut acts = chunks([half.as_bytes()]);
        acts.pop();
        acts.push(Act::Hang);
        acts
    };
    let bed = Bed::with(stalls, patience, Budget::default()).await;
    let mut body = bed.call("main", "/v1/messages", CALL).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(tokio::time::timeout(SHORT * 3, body.frame()).await.is_err(), "nothing more comes");
    drop(body);
    bed.booked(1).await;
    let fault = bed.door.fault().unwrap();
    assert!(fault.kind == FaultKind::Stalled && fault.text.contains("waited no longer"), "{fault:?}");
}

#[tokio::test]
async fn a_redirect_is_no_answer_and_costs_nothing() {
    let moved = "location: https://elsewhere.example/\r\n";
    let (bed, fault) = check(move |_| whole(307, moved, ""), 307, "", FaultKind::Error).await;
    assert_eq!((fault.status, bed.books.book.borrow().calls.len()), (Some(307), 0));
}

#[tokio::test]
async fn what_is_free_and_missing_is_no_fault() {
    let bed = Bed::new(|_| vec![head(404, "")]).await;
    let token = bed.endpoint("gpt").token;
    let response = bed.ask("GET", "/model/gpt/models", &[("x-api-key", &token)], "").await;
    assert_eq!(response.status(), 404);
    super::bed::text(response).await;
    assert_eq!(bed.door.fault(), None);
}
