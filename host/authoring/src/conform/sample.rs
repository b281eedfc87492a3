//! What plugins are given on the stage: people, tasks, and texts of all sorts.

use super::stage::REPOSITORY;
use serde_json::{Value, json};

/// Some moment in 2026.
pub(super) const NOW: u64 = 1_790_000_000_000;

const DAY: u64 = 86_400_000;

/// Text in several scripts, with what breaks careless programs: quotes, marks of templates, a control character.
pub(super) const FOREIGN: &str =
    "Größe ändern 日本語 \u{202e}עברית\u{202c} 🚀 <b>&amp;</b> \"q\" 'q' `q` {{x}} ${x} %s \u{7}\r\n";

pub(super) fn person(login: &str) -> Value {
    json!({ "login": login, "name": "Ann Other", "bot": false, "extra": [] })
}

/// The task `t-number`.
pub(super) fn task(number: u64) -> Value {
    json!({
        "id": format!("t-{number}"), "source": "conform", "key": format!("key-{number}"),
        "title": format!("Fix the parser, part {number}"), "url": "https://example.com/1", "repository": REPOSITORY,
        "thread": { "repository": REPOSITORY, "number": number, "extra": [] }, "requester": person("ann"),
        "labels": ["bug", "agentd"], "priority": 1 + number % 4, "state": "queued", "reason": null, "run": 0,
        "change": null, "created-at": NOW - number * DAY, "changed-at": NOW - DAY, "spent-microusd": 0, "extra": [],
    })
}

/// The same with other values in some fields.
pub(super) fn with(mut record: Value, changes: Value) -> Value {
    if let (Some(fields), Value::Object(changes)) = (record.as_object_mut(), changes) {
        fields.extend(changes);
    }
    record
}

pub(super) fn comment(id: &str, body: &str) -> Value {
    json!({
        "id": id, "author": person("bob"), "body": body, "url": "https://example.com/1#c", "thread": null,
        "location": null, "created-at": NOW - DAY, "updated-at": NOW - DAY, "extra": [],
    })
}

/// As long as untrusted texts get.
pub(super) fn long() -> String {
    "A line of a long text.\n".repeat((256 << 10) / 23)
}
