//! What is sent: one JSON object with the message's id and its events, oldest first.
//!
//! ```json
//! {"id": "7e0f…", "digest": false, "events": [
//!   {"id": "4711", "kind": "task.in-review", "severity": "info", "at": 1789000000000, "title": "…", "text": "…",
//!    "url": null, "details": {…},
//!    "task": {"id": "t-17", "title": "…", "state": "in-review", "repository": "shop", …}}]}
//! ```
//!
//! Keys are only ever added. Moments are milliseconds since 1970. Text may come from anybody: who shows it escapes it.

use agentd_sdk::notifier::{Event, Message, Severity, Task};
use serde_json::{Value, json};

/// The message as JSON text.
pub(crate) fn json(message: &Message) -> String {
    let events: Vec<Value> = message.events.iter().map(event).collect();
    json!({"id": message.id, "digest": message.digest, "events": events}).to_string()
}

fn event(event: &Event) -> Value {
    json!({
        "id": event.id,
        "kind": event.kind,
        "severity": match event.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Urgent => "urgent",
        },
        "at": event.at,
        "title": event.title,
        "text": event.text,
        "url": event.url,
        "task": event.task.as_ref().map(task),
        "details": details(&event.details),
    })
}

fn task(task: &Task) -> Value {
    let change = task.change.as_ref().map(|change| {
        json!({
            "repository": change.repository,
            "branch": change.branch,
            "base": change.base,
            "commit": change.commit,
            "number": change.number,
            "url": change.url,
            "state": change.state,
        })
    });
    json!({
        "id": task.id,
        "source": task.source,
        "key": task.key,
        "title": task.title,
        "url": task.url,
        "repository": task.repository,
        "labels": task.labels,
        "priority": task.priority,
        "state": task.state,
        "reason": task.reason,
        "run": task.run,
        "change": change,
        "spent_microusd": task.spent_microusd,
    })
}

/// The event's data as an object; text that is none is handed on as it is.
fn details(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentd_sdk::work::Change;

    fn sample(details: &str, task: Option<Task>) -> Message {
        let event = Event {
            id: "4711".into(),
            kind: "task.in-review".into(),
            severity: Severity::Warning,
            at: 1_789_000_000_000,
            title: "t-17 is \"in review\"".into(),
            text: "**Look**".into(),
            task,
            url: None,
            details: details.into(),
            extra: vec![],
        };
        Message { id: "u-1".into(), events: vec![event], digest: false, extra: vec![] }
    }

    #[test]
    fn a_message_has_everything_that_a_person_needs() {
        let change = Change { branch: "agentd/t-17".into(), state: "open".into(), ..Change::default() };
        let task = Task {
            id: "t-17".into(),
            title: "Log in".into(),
            state: "in-review".into(),
            repository: "shop".into(),
            change: Some(change),
            ..Task::default()
        };
        let text = json(&sample(r#"{"commit": "abc"}"#, Some(task)));
        let sent: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(sent["id"], "u-1");
        let event = &sent["events"][0];
        assert_eq!((&event["id"], &event["kind"]), (&json!("4711"), &json!("task.in-review")));
        assert_eq!((&event["severity"], &event["at"]), (&json!("warning"), &json!(1_789_000_000_000_u64)));
        assert_eq!((&event["title"], &event["text"]), (&json!("t-17 is \"in review\""), &json!("**Look**")));
        assert_eq!((&event["task"]["state"], &event["task"]["repository"]), (&json!("in-review"), &json!("shop")));
        assert_eq!(event["task"]["change"]["branch"], "agentd/t-17");
        assert_eq!(event["details"], json!({"commit": "abc"}));
    }

    #[test]
    fn what_is_not_there_is_null_and_details_that_are_no_json_are_text() {
        let sent: Value = serde_json::from_str(&json(&sample("{broken", None))).expect("JSON");
        assert_eq!(sent["events"][0]["task"], Value::Null);
        assert_eq!(sent["events"][0]["details"], "{broken");
    }
}
