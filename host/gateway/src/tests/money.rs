//! What is booked, and when nothing more may be spent.

use super::bed::{Act, Bed, MESSAGES, MESSAGES_COST, PATIENCE, chunks, whole};
use crate::{Budget, FaultKind, Spent, Usage};
use http_body_util::BodyExt;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

const CALL: &str = r#"{"model":"m-1","stream":true}"#;

#[tokio::test]
async fn a_streamed_call_is_booked_to_the_token() {
    let bed = Bed::new(|_| chunks(MESSAGES.as_bytes().chunks(10))).await;
    bed.called("main", "/v1/messages", CALL).await;
    let call = bed.booked(1).await.remove(0);
    assert_eq!(call.usage, Usage { input: 25, output: 15, cache_read: 1000, cache_write: 200 });
    assert_eq!((call.cost_microusd, call.complete), (MESSAGES_COST, true));
    assert_eq!((call.account.as_str(), call.model.as_str(), call.run), ("anthropic", "m-1", 1));
}

#[tokio::test]
async fn a_whole_answer_is_booked_and_what_is_free_is_not() {
    let answer = r#"{"type":"message","model":"m-1","usage":{"input_tokens":10,"output_tokens":2}}"#;
    let bed = Bed::new(move |_| whole(200, "content-type: application/json\r\n", answer)).await;
    bed.called("main", "/v1/messages/count_tokens", r#"{"model":"m-1"}"#).await;
    bed.called("main", "/v1/messages", r#"{"model":"m-1"}"#).await;
    let calls = bed.booked(1).await;
    assert_eq!((calls.len(), calls[0].cost_microusd, calls[0].complete), (1, 30, true));
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated() {
    let bed = Bed::new(|_| whole(200, "content-type: application/json\r\n", &"x".repeat(400))).await;
    bed.called("gpt", "/responses", CALL).await;
    let call = bed.booked(1).await.remove(0);
    assert_eq!(call.usage, Usage { input: 8, output: 100, ..Usage::default() });
    assert!(!call.complete && call.cost_microusd == 8 + 1000, "{call:?}");
}

#[tokio::test]
async fn a_model_without_a_price_costs_as_much_as_the_dearest() {
    let bed = Bed::new(|_| chunks([MESSAGES.as_bytes()])).await;
    bed.called("main", "/v1/messages", r#"{"model":"nobodys"}"#).await;
    let call = bed.booked(1).await.remove(0);
    assert!(call.cost_microusd > MESSAGES_COST, "{call:?}");
}

#[tokio::test]
async fn what_was_served_counts_where_it_is_dearer_than_what_was_asked_for() {
    let answer = r#"{"model":"claude-opus-5","usage":{"input_tokens":1000000,"output_tokens":0}}"#;
    let bed = Bed::new(move |_| whole(200, "content-type: application/json\r\n", answer)).await;
    for (model, cost) in [("claude-haiku-4-5", 5_000_000), ("claude-opus-4-1", 15_000_000), ("m-1", 1_000_000)] {
        bed.books.book.send_modify(|book| book.calls.clear());
        bed.called("main", "/v1/messages", &format!("{{\"model\":\"{model}\"}}")).await;
        let call = bed.booked(1).await.remove(0);
        assert_eq!((call.model.as_str(), call.cost_microusd), (model, cost));
    }
}

#[tokio::test]
async fn what_could_not_be_booked_outlives_its_door() {
    let bed = Bed::new(|_| chunks([MESSAGES.as_bytes()])).await;
    let folder = bed.folder.path().join("other");
    let door = bed.gateway.open(super::bed::scope(2, super::bed::BOTH), &folder).await.unwrap();
    bed.books.book.send_modify(|book| book.broken_for = Some(1));
    assert_eq!(bed.called("main", "/v1/messages", CALL).await.0, 200);
    assert_eq!(bed.called("main", "/v1/messages", CALL).await.0, 503);
    // A call that cannot be booked is no other run's business.
    assert_eq!(bed.called_at(&door, &folder, CALL).await, 200);
    assert_eq!(bed.booked(1).await[0].run, 2);
    let Bed { gateway, door: first, books, .. } = &bed;
    assert_eq!(first.fault().unwrap().kind, FaultKind::Error);
    books.book.send_modify(|book| book.broken_for = None);
    gateway.drain().await;
    assert_eq!(bed.booked(2).await[1].run, 1);
}

#[tokio::test]
async fn a_client_that_goes_away_is_booked() {
    let bed = Bed::new(|_| {
        let mut acts = chunks([&MESSAGES.as_bytes()[..400]]);
        acts.pop();
        acts.push(Act::Hang);
        acts
    })
    .await;
    let mut response = bed.call("main", "/v1/messages", CALL).await;
    response.frame().await.unwrap().unwrap();
    drop(response);
    let call = bed.booked(1).await.remove(0);
    assert_eq!((call.usage.input, call.usage.output, call.complete), (25, 100, false));
    assert_eq!(bed.door.fault(), None);
}

#[tokio::test]
async fn a_door_that_closes_and_a_gateway_that_drains_have_booked_everything() {
    let gate = Arc::new(Notify::new());
    let reached = Arc::clone(&gate);
    let bed = Bed::new(move |_| {
        reached.notify_one();
        vec![Act::Hang]
    })
    .await;
    let call = bed.call("main", "/v1/messages", CALL);
    tokio::select! {
        _ = call => panic!("the provider says nothing"),
        () = gate.notified() => {}
    }
    tokio::time::timeout(Duration::from_secs(10), bed.gateway.drain()).await.unwrap();
    let calls = bed.booked(1).await;
    assert_eq!((calls.len(), calls[0].complete), (1, false));
}

#[tokio::test]
async fn what_is_used_up_ends_the_run_in_the_providers_words() {
    for (before, kind, line) in [
        (Spent { run: 5_000_000, task: 0, day: 0 }, FaultKind::RunBudget, "[budget] run = 10.00"),
        (Spent { run: 0, task: 10_000_000, day: 0 }, FaultKind::TaskBudget, "[budget] task = 20.00"),
        (Spent { run: 0, task: 0, day: 60_000_000 }, FaultKind::DayBudget, "[budget] day = 120.00"),
    ] {
        let bed = Bed::new(|_| chunks([MESSAGES.as_bytes()])).await;
        bed.books.book.send_modify(|book| book.before = before);
        for (name, path) in [("main", "/v1/messages"), ("gpt", "/responses")] {
            let response = bed.call(name, path, CALL).await;
            assert_eq!(
                (response.status().as_u16(), &response.headers()["x-should-retry"]),
                (400, &"false".parse().unwrap())
            );
            let body: Value = serde_json::from_str(&super::bed::text(response).await).unwrap();
            assert_eq!(body["error"]["type"], "invalid_request_error");
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("agentd: budget: ") && message.ends_with(line), "{message}");
        }
        let fault = bed.door.fault().unwrap();
        assert!(fault.kind == kind && fault.text.contains(line), "{fault:?}");
        // 2023-11-15T00:00:00Z, and it is the 14th.
        assert_eq!(fault.until, (kind == FaultKind::DayBudget).then_some(1_700_006_400_000));
        let refusals = bed.refusals();
        assert_eq!(refusals.len(), 1, "each text comes once");
        assert_eq!((refusals[0].what.as_str(), refusals[0].allow.as_deref()), ("model call", Some(line)));
        assert_eq!(bed.heard().len(), 0);
    }
}

#[tokio::test]
async fn calls_run_side_by_side_and_the_one_after_the_limit_is_refused() {
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let budget = Budget { run: MESSAGES_COST * 2, ..Budget::default() };
    let script = move |_: &super::bed::Heard| {
        let mut acts = chunks([MESSAGES.as_bytes()]);
        // All but the end of the connection.
        acts.insert(2, Act::Wait(Arc::clone(&held)));
        acts
    };
    let bed = Bed::with(script, PATIENCE, budget).await;
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let mut body = bed.call("main", "/v1/messages", CALL).await.into_body();
        body.frame().await.unwrap().unwrap();
        bodies.push(body);
    }
    // Nothing is booked yet, and both answers have told what they cost.
    assert_eq!(bed.books.book.borrow().calls.len(), 0);
    assert_eq!(bed.called("main", "/v1/messages", CALL).await.0, 400);
    gate.notify_one();
    gate.notify_one();
    for mut body in bodies {
        while body.frame().await.is_some() {
            gate.notify_one();
        }
    }
    assert_eq!(bed.booked(2).await.len(), 2);
    assert_eq!(bed.called("main", "/v1/messages", CALL).await.0, 400);
    assert_eq!(bed.heard().len(), 2);
}

#[tokio::test]
async fn without_a_ledger_no_call_is_made_and_none_is_forgotten() {
    let bed = Bed::new(|_| chunks([MESSAGES.as_bytes()])).await;
    bed.books.book.send_modify(|book| book.broken = true);
    assert_eq!(bed.called("main", "/v1/messages", CALL).await.0, 200);
    let (status, text) = bed.called("main", "/v1/messages", CALL).await;
    assert_eq!(status, 503);
    assert!(text.contains("overloaded_error") && text.contains("cannot book"), "{text}");
    assert_eq!(bed.heard().len(), 1);
    bed.books.book.send_modify(|book| book.broken = false);
    assert_eq!(bed.called("main", "/v1/messages", CALL).await.0, 200);
    let calls = bed.booked(2).await;
    assert_eq!((calls.len(), bed.heard().len()), (2, 2));
    assert_eq!(bed.door.fault(), None);
}
