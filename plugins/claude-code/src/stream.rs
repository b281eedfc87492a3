//! What Claude Code says (`--output-format stream-json`), as events, and what of it the verdict needs.
//!
//! An object of type `system/init` begins a round, `assistant` and `user` are the conversation, `result` ends the
//! round. A run may have several rounds, since a task in the background wakes the agent again: the last result counts.
//! [`message`] reads the conversation, [`system`] the rest.
//!
//! - What is not understood becomes a note, and never stops anything.
//! - An event that comes twice (by its `uuid`) is told once.
//! - Depends on the lines and their order alone.

mod message;
mod system;

use crate::field::{self, Object};
use crate::usage::Meter;
use agentd_sdk::agent::json_lines::{JsonLines, Piece};
use agentd_sdk::agent::{Event, Happening, Line, Note, Notice, Started, Weight, Window, terminal};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is known about a run before its first line.
pub(crate) struct Began {
    /// The conversation's id: agentd's choice, or that of an earlier run.
    pub(crate) session: String,
    /// The conversation is that of an earlier run.
    pub(crate) resumed: bool,
    pub(crate) sandboxed: bool,
}

/// One run's output up to now.
pub(crate) struct Stream {
    pub(crate) began: Began,
    pub(crate) heard: Heard,
    lines: JsonLines,
    meter: Meter,
    /// Of events that were told.
    uuids: BTreeSet<String>,
    /// The last beginning that was told.
    started: Option<Started>,
    /// Of tool calls that were told.
    calls: BTreeSet<String>,
    /// Of tool calls that were refused.
    denied: BTreeSet<String>,
    /// Servers that could not be reached.
    unreached: BTreeSet<String>,
}

/// What the verdict needs to know.
#[derive(Default)]
pub(crate) struct Heard {
    /// A round has begun.
    pub(crate) started: bool,
    /// It answers in another conversation than it was told to go on with.
    pub(crate) strayed: bool,
    /// The mode of permission that it works in, in its own words.
    pub(crate) mode: String,
    /// What the main agent said last.
    pub(crate) said: String,
    /// The model used a tool, or said something.
    pub(crate) answered: bool,
    /// Something was written that is no event.
    pub(crate) noise: String,
    /// The last error on the way to the model that nothing followed.
    pub(crate) trouble: Option<Trouble>,
    /// The last result.
    pub(crate) result: Option<Object>,
    pub(crate) turns: u64,
    /// When the last usage window that was used up opens again.
    pub(crate) resets_at: Option<u64>,
    /// How many tool calls were refused.
    pub(crate) denials: usize,
}

/// An error on the way to the model, in Claude Code's words.
#[derive(Default, Clone)]
pub(crate) struct Trouble {
    /// `rate_limit`, `authentication_failed`, `server_error`, …
    pub(crate) kind: String,
    /// The status of the answer, if there was one.
    pub(crate) status: Option<u64>,
    /// A more exact word for some of them: `connection_failed`, `max_output_tokens`, …
    pub(crate) cause: String,
    pub(crate) text: String,
    pub(crate) refused: bool,
}

impl Stream {
    pub(crate) fn new(began: Began) -> Stream {
        Stream {
            began,
            heard: Heard::default(),
            lines: JsonLines::of(is_event),
            meter: Meter::default(),
            uuids: BTreeSet::new(),
            started: None,
            calls: BTreeSet::new(),
            denied: BTreeSet::new(),
            unreached: BTreeSet::new(),
        }
    }

    /// Reads one line.
    pub(crate) fn line(&mut self, line: &Line, events: &mut Vec<Event>) {
        if line.stderr {
            let text = terminal::plain(&line.text);
            if !text.trim().is_empty() {
                push(events, notice(Weight::Warning, "stderr", &text));
            }
            return;
        }
        for piece in self.lines.line(&line.text, line.cut) {
            self.piece(piece, events);
        }
    }

    /// The output is over: what was held back is told.
    pub(crate) fn end(&mut self, events: &mut Vec<Event>) {
        for piece in self.lines.end() {
            self.piece(piece, events);
        }
    }

    fn piece(&mut self, piece: Piece, events: &mut Vec<Event>) {
        match piece {
            Piece::Object { object, whole } => {
                if self.uuids.len() >= UUIDS {
                    self.uuids.clear();
                }
                let seen = field::some_text(&object, "uuid").is_some_and(|uuid| !self.uuids.insert(uuid));
                if !seen {
                    self.object(object, whole, events);
                }
            }
            Piece::Text(text) => {
                let text = terminal::plain(&text);
                if self.heard.noise.len() < NOISE_BYTES {
                    self.heard.noise.push_str(text.trim());
                    self.heard.noise.push('\n');
                }
                push(events, note("output", &text));
            }
        }
    }

    fn object(&mut self, object: Object, whole: bool, events: &mut Vec<Event>) {
        match field::text(&object, "type") {
            "system" => self.system(&object, events),
            "assistant" => self.assistant(&object, events),
            "user" => self.user(&object, events),
            // Half a result says nothing about how the run ended.
            "result" if whole => self.result(object, events),
            "rate_limit_event" => {
                if let Some(info) = field::object(&object, "rate_limit_info") {
                    self.window(info, events);
                }
            }
            // Pieces of messages that come as a whole as well, and signs of life.
            "stream_event" | "keep_alive" | "tool_progress" => (),
            kind => {
                let kind = if kind.is_empty() { "output".to_owned() } else { kind.to_owned() };
                push(events, note(&kind, &Value::Object(object).to_string()));
            }
        }
    }

    fn result(&mut self, result: Object, events: &mut Vec<Event>) {
        for denial in field::objects(&result, "permission_denials") {
            let tool = field::text(denial, "tool_name");
            self.denied(field::text(denial, "tool_use_id"), &format!("{tool} was not permitted"), events);
        }
        for usage in self.meter.result(&result) {
            push(events, Happening::Usage(usage));
        }
        self.heard.turns += field::number(&result, "num_turns").unwrap_or_default();
        let told = self.heard.trouble.as_ref().is_some_and(|it| it.text == field::text(&result, "result"));
        if field::flag(&result, "is_error") && !told {
            push(events, notice(Weight::Error, field::text(&result, "subtype"), &result_text(&result)));
        }
        if !field::flag(&result, "is_error") {
            self.heard.trouble = None;
        }
        self.heard.result = Some(result);
    }

    /// News of a usage window. Only `rejected` means that it is used up, and not even that where extra usage is paid.
    fn window(&mut self, info: &Object, events: &mut Vec<Event>) {
        let exhausted = field::text(info, "status") == "rejected" && !field::flag(info, "isUsingOverage");
        // Seconds since 1970, where milliseconds would be five digits longer.
        let resets_at = field::number(info, "resetsAt").filter(|it| *it > 0);
        let resets_at = resets_at.map(|it| if it < 100_000_000_000 { it * 1_000 } else { it });
        self.heard.resets_at = resets_at.filter(|_| exhausted);
        let name = field::text(info, "rateLimitType").to_owned();
        push(events, Happening::Window(Window { name, exhausted, resets_at, extra: vec![] }));
    }

    fn denied(&mut self, call: &str, text: &str, events: &mut Vec<Event>) {
        if call.is_empty() || self.denied.insert(call.to_owned()) {
            self.heard.denials += 1;
            push(events, notice(Weight::Warning, "permission-denied", text));
        }
    }
}

/// Types of lines. Parts of lines have types, too: `text`, `tool_use`, `message`, …
fn is_event(kind: &str) -> bool {
    matches!(kind, "system" | "assistant" | "user" | "result" | "keep_alive" | "tool_progress" | "tool_use_summary")
        || kind.ends_with("_event")
        || kind.starts_with("control_")
}

/// How many events are remembered: one that comes twice does so soon.
const UUIDS: usize = 10_000;

/// How much of what is no event is kept for the verdict, in bytes.
const NOISE_BYTES: usize = 4 << 10;

/// What a result says: its text, or its errors.
pub(crate) fn result_text(result: &Object) -> String {
    let errors = result.get("errors").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    match field::text(result, "result").trim() {
        "" => errors.collect::<Vec<_>>().join("\n"),
        text => text.to_owned(),
    }
}

fn push(events: &mut Vec<Event>, happening: Happening) {
    events.push(Event::from(happening));
}

fn notice(weight: Weight, code: &str, text: &str) -> Happening {
    Happening::Notice(Notice { weight, code: code.into(), text: field::cut(text), extra: vec![] })
}

fn note(kind: &str, content: &str) -> Happening {
    Happening::Other(Note { kind: kind.into(), content: field::cut(content), extra: vec![] })
}

#[cfg(test)]
mod tests;
