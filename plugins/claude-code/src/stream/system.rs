//! What Claude Code says about itself.

use super::{Stream, note, notice, push};
use crate::field::{self, Object};
use agentd_sdk::agent::{Event, Happening, Started, Weight};
use serde_json::Value;

impl Stream {
    pub(super) fn system(&mut self, line: &Object, events: &mut Vec<Event>) {
        match field::text(line, "subtype") {
            "init" => self.init(line, events),
            "api_retry" => push(events, notice(Weight::Warning, "retry", &retry(line))),
            "compact_boundary" => push(events, notice(Weight::Info, "compacted", &compacted(line))),
            "informational" => {
                let text = field::text(line, "content");
                let weight = match field::text(line, "level") {
                    "error" => Weight::Error,
                    "warning" => Weight::Warning,
                    _ => Weight::Info,
                };
                push(events, notice(weight, "informational", text));
            }
            "permission_denied" => {
                let text = match field::text(line, "message") {
                    "" => format!("{} was not permitted", field::text(line, "tool_name")),
                    text => text.to_owned(),
                };
                self.denied(field::text(line, "tool_use_id"), &text, events);
            }
            "model_refusal_no_fallback" => {
                let text = format!("{} declined to answer", field::text(line, "original_model"));
                push(events, notice(Weight::Error, "refusal", &text));
            }
            // Counters and progress, of which the tool calls tell already.
            "thinking_tokens" | "task_progress" | "task_updated" | "background_tasks_changed" | "status" => (),
            kind => push(events, note(kind, &Value::Object(line.clone()).to_string())),
        }
    }

    /// A round begins. Told when it differs from the one before.
    fn init(&mut self, line: &Object, events: &mut Vec<Event>) {
        self.heard.started = true;
        self.heard.mode = field::text(line, "permissionMode").to_owned();
        let named = field::text(line, "session_id");
        self.heard.strayed = !named.is_empty() && named != self.began.session;
        let started = Started {
            session: (!self.heard.strayed).then(|| self.began.session.clone()),
            model: field::some_text(line, "model"),
            version: field::some_text(line, "claude_code_version"),
            extra: vec![],
        };
        if self.started.as_ref() != Some(&started) {
            self.started = Some(started.clone());
            push(events, Happening::Started(started));
        }
        for server in field::objects(line, "mcp_servers") {
            let (name, status) = (field::text(server, "name"), field::text(server, "status"));
            let down = !matches!(status, "connected" | "pending" | "disabled" | "");
            if down && self.unreached.insert(name.to_owned()) {
                let text = format!("the MCP server {name} cannot be used: {status}");
                push(events, notice(Weight::Warning, "mcp-failed", &text));
            }
        }
    }
}

fn retry(line: &Object) -> String {
    let count = |name| field::number(line, name).unwrap_or_default();
    let why = match (field::text(line, "error"), field::number(line, "error_status")) {
        (error, Some(status)) => format!("{status} {error}"),
        ("" | "unknown", None) => "no answer".to_owned(),
        (error, None) => error.to_owned(),
    };
    let (attempt, most, pause) = (count("attempt"), count("max_retries"), count("retry_delay_ms"));
    format!("the model's API: {why}; try {attempt} of {most} in {pause} ms")
}

fn compacted(line: &Object) -> String {
    let metadata = field::object(line, "compact_metadata");
    match metadata.and_then(|it| field::number(it, "pre_tokens")) {
        Some(tokens) => format!("the conversation was summarised at {tokens} tokens"),
        None => "the conversation was summarised".to_owned(),
    }
}
