//! Notifiers: a message that comes twice is told as one, and any event can be told.

use super::sample::{FOREIGN, NOW, long, task, with};
use super::{Suite, equal};
use serde_json::{Value, json};

pub(super) async fn tried(suite: &mut Suite<'_>) {
    let plain = message(vec![event(1, json!({}))], false);
    let (one, other) = (suite.call("notify", plain.clone()).await, suite.call("notify", plain.clone()).await);
    suite.note("notify called twice with one id gives the same", equal(&one, &other, "the second call"));
    suite.note(
        "notify called twice with one id sends the same",
        if one.asked == other.asked { Ok(()) } else { Err("the second call asked the host for something else".into()) },
    );
    suite.extra_is_taken("notify", &plain).await;
    let digest = (1..=50).map(|it| event(it, json!({}))).collect();
    let odd = vec![
        ("an event without a task", message(vec![event(1, json!({ "task": null, "url": null, "text": "" }))], false)),
        ("an event of later", message(vec![event(1, json!({ "kind": "moon.full", "severity": "urgent" }))], false)),
        (
            "foreign text",
            message(
                vec![event(
                    1,
                    json!({ "title": FOREIGN, "text": FOREIGN, "task": with(task(1), json!({ "title": FOREIGN })) }),
                )],
                false,
            ),
        ),
        ("a long text", message(vec![event(1, json!({ "text": long() }))], false)),
        ("details that are no JSON", message(vec![event(1, json!({ "details": "{" }))], false)),
        ("a digest of 50 events", message(digest, true)),
        ("no events", message(vec![], true)),
    ];
    suite.no_traps("notify takes any message without a trap", "notify", odd).await;
}

fn event(number: u64, changes: Value) -> Value {
    let plain = json!({
        "id": number.to_string(), "kind": "task.failed", "severity": "warning", "at": NOW - number, "title": "It failed",
        "text": "The tests **failed**.", "task": with(task(number), json!({ "state": "failed" })),
        "url": "https://example.com/tasks/1", "details": "{}", "extra": [],
    });
    with(plain, changes)
}

fn message(events: Vec<Value>, digest: bool) -> Value {
    json!([{ "id": "5b2e9d1c-1f0e-4d5a-8c57-2f1e0d9c8b7a", "events": events, "digest": digest, "extra": [] }])
}
