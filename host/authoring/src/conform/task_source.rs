//! Task sources: nothing twice, reports that may be repeated, deliveries that may be anything.

use super::sample::{FOREIGN, NOW, comment, long, task, with};
use super::{Said, Suite, equal, said};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn tried(suite: &mut Suite<'_>) {
    let first = json!([{ "cursor": null, "extra": [] }]);
    suite.the_same_again("poll answers the same again", "poll", &first).await;
    suite.extra_is_taken("poll", &first).await;
    polled_twice(suite).await;
    let cursor = |text: &str| json!([{ "cursor": text, "extra": [] }]);
    let cursors = vec![
        ("an empty cursor", cursor("")),
        ("a cursor that it never gave", cursor(FOREIGN)),
        ("a long cursor", cursor(&"9".repeat(60_000))),
    ];
    suite.no_traps("poll takes any cursor without a trap", "poll", cursors).await;
    let feedback = vec![
        ("no tasks", json!([{ "cursor": null, "tasks": [], "extra": [] }])),
        (
            "a task",
            json!([{ "cursor": FOREIGN, "tasks": [with(task(1), json!({ "state": "in-review" }))], "extra": [] }]),
        ),
    ];
    suite.no_traps("feedback answers, or says unsupported", "feedback", feedback).await;
    let bodies = [("an empty body", ""), ("no JSON", FOREIGN), ("an empty object", "{}"), ("a list", "[1, [2]]")];
    let deliveries = bodies.map(|(what, body)| (what, delivery(body))).to_vec();
    suite.no_traps("receive takes any delivery without a trap", "receive", deliveries).await;
    reported(suite).await;
}

async fn polled_twice(suite: &mut Suite<'_>) {
    let name = "a second poll with the cursor finds nothing new";
    let played = suite.call("poll", json!([{ "cursor": null, "extra": [] }])).await;
    let first = match said(&played) {
        Ok(Said::Answer(intake)) => intake,
        Ok(Said::Refusal(why)) => return suite.not_tried(name, &format!("the first poll said {why}")),
        Err(trap) => return suite.note("poll does not trap", Err(trap)),
    };
    suite.note("keys of drafts are unique", unique(&first));
    if first["cursor"].is_null() {
        return suite.not_tried(name, "poll gave no cursor");
    }
    let kv: BTreeMap<String, String> = played.kv.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let second = suite.call_with("poll", json!([{ "cursor": first["cursor"], "extra": [] }]), kv).await;
    let second = match said(&second) {
        Ok(Said::Answer(intake)) => intake,
        Ok(Said::Refusal(why)) => return suite.not_tried(name, &format!("the second poll said {why}")),
        Err(trap) => return suite.note(name, Err(trap)),
    };
    suite.note(name, nothing_new(&first, &second));
}

/// Nothing has changed: what comes again is what it was, and nothing else comes.
fn nothing_new(first: &Value, second: &Value) -> Result<(), String> {
    let before: BTreeMap<String, &Value> = drafts(first).map(|it| (key(it), it)).collect();
    for draft in drafts(second) {
        match before.get(&key(draft)) {
            Some(known) if *known == draft => (),
            Some(_) => {
                return Err(format!("{} came again and was another one, though nothing had changed", key(draft)));
            }
            None if first["more"] == json!(true) => (),
            None => return Err(format!("{} is new, though nothing had changed", key(draft))),
        }
    }
    Ok(())
}

fn drafts(intake: &Value) -> impl Iterator<Item = &Value> {
    intake["items"].as_array().into_iter().flatten().filter_map(|it| it.get("work"))
}

fn key(draft: &Value) -> String {
    draft["key"].as_str().unwrap_or_default().to_owned()
}

fn unique(intake: &Value) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    drafts(intake)
        .map(key)
        .find(|it| !seen.insert(it.clone()))
        .map_or(Ok(()), |key| Err(format!("{key} is there twice")))
}

fn delivery(body: &str) -> Value {
    json!([{ "id": "d-1", "event": "issue_comment", "headers": [["content-type", "application/json"]], "body": body,
        "received-at": NOW, "extra": [] }])
}

fn update(task: Value, former: &str, text: Option<&str>) -> Value {
    json!([{ "id": "0b1f4f5e-7d4b-4f3e-9a3a-6f5d8f1c2b3a", "task": task, "former-state": former, "text": text,
        "reply-to": null, "marker": "<!-- agentd -->", "at": NOW, "extra": [] }])
}

async fn reported(suite: &mut Suite<'_>) {
    let running = update(with(task(1), json!({ "state": "running", "run": 1 })), "queued", Some("It begins."));
    let (one, other) = (suite.call("report", running.clone()).await, suite.call("report", running.clone()).await);
    suite.note("report called twice with one id gives the same edits", equal(&one, &other, "the second call"));
    suite.extra_is_taken("report", &running).await;
    let states = ["queued", "waiting", "publishing", "in-review", "done", "failed", "cancelled", "a-later-state"];
    let mut updates: Vec<(&str, Value)> = states
        .iter()
        .map(|it| (*it, update(with(task(2), json!({ "state": it, "run": 2 })), "running", None)))
        .collect();
    updates.push(("a new task", update(task(3), "", None)));
    updates.push((
        "a task without anything",
        update(
            with(task(4), json!({ "url": null, "thread": null, "requester": null, "labels": [], "priority": null })),
            "queued",
            Some(""),
        ),
    ));
    updates.push(("a long text", update(task(5), "running", Some(&long()))));
    let answered = comment("c-1", FOREIGN);
    updates.push((
        "foreign text",
        update(with(task(6), json!({ "title": FOREIGN, "reason": answered["body"] })), "running", Some(FOREIGN)),
    ));
    suite.no_traps("report takes every state and text without a trap", "report", updates).await;
}
