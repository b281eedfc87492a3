//! What opencode says, as events: one JSON object a line on standard output, and warnings on standard error.
//!
//! | line | event |
//! |---|---|
//! | the first with a `sessionID` | the conversation |
//! | `text`, `reasoning` | what it says, what it thinks |
//! | `tool_use` | a tool: it is told when it is done, call and result at once |
//! | `step_finish` | usage so far; and whether it goes on |
//! | `error` | how the run ends, mostly |
//!
//! `step_start` says nothing. Anything else is kept as a note. All of it depends on the lines alone, and not on how they
//! come in calls.

use crate::ending;
use agentd_sdk::agent::json_lines::{JsonLines, Object, Piece};
use agentd_sdk::agent::telling::{note, notice, shortened};
use agentd_sdk::agent::terminal::plain;
use agentd_sdk::agent::{
    Conclusion, Event, Exit, Happening, Line, Message, Started, ToolCall, ToolResult, Usage, UsageScope, Weight,
};
use serde_json::Value;

/// How much of standard error is looked at in the end.
const STDERR_BYTES: usize = 8 << 10;

/// What a run has said up to now, as far as its end needs it.
pub(crate) struct Output {
    lines: JsonLines,
    model: Option<String>,
    resume: Option<String>,
    pub(crate) seen: Seen,
    used: Used,
}

/// What the end is judged by.
#[derive(Default)]
pub(crate) struct Seen {
    /// The conversation that a later run may go on with.
    pub(crate) session: Option<String>,
    /// It has begun another conversation than the one to go on with.
    pub(crate) strayed: bool,
    pub(crate) begun: bool,
    /// Why the newest step ended; empty: it has not.
    pub(crate) reason: String,
    /// The newest fault, with nothing after it.
    pub(crate) fault: Option<Fault>,
    /// What was said last.
    pub(crate) answer: String,
    /// It has used a tool.
    pub(crate) worked: bool,
    pub(crate) stderr: String,
}

/// A line `error`.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) status: Option<u64>,
}

/// The sum of all steps.
#[derive(Default)]
struct Used {
    input: u64,
    output: u64,
    read: u64,
    written: u64,
}

impl Output {
    pub(crate) fn new(model: Option<String>, resume: Option<String>) -> Output {
        let seen = Seen { session: resume.clone(), ..Seen::default() };
        Output { lines: JsonLines::of(is_line), model, resume, seen, used: Used::default() }
    }

    /// Reads one line.
    pub(crate) fn line(&mut self, line: &Line, events: &mut Vec<Event>) {
        if line.stderr {
            return self.stderr(&line.text, events);
        }
        for piece in self.lines.line(&line.text, line.cut) {
            self.piece(piece, events);
        }
    }

    /// Judges the end.
    pub(crate) fn conclude(&mut self, exit: &Exit) -> Conclusion {
        let mut events = vec![];
        for piece in self.lines.end() {
            self.piece(piece, &mut events);
        }
        let (outcome, answer) = ending::verdict(&self.seen, self.resume.is_some(), exit);
        let session = ending::may_go_on(&outcome).then(|| self.seen.session.clone()).flatten();
        Conclusion { outcome, answer: shortened(&answer), session, events, extra: vec![] }
    }

    fn stderr(&mut self, line: &str, events: &mut Vec<Event>) {
        let text = plain(line);
        if text.trim().is_empty() {
            return;
        }
        self.seen.stderr.push_str(&shortened(&text));
        self.seen.stderr.push('\n');
        let over = self.seen.stderr.len().saturating_sub(STDERR_BYTES);
        self.seen.stderr.drain(..self.seen.stderr.ceil_char_boundary(over));
        let lower = text.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
        let (weight, code) = if has(&["permission requested", "auto-rejecting"]) {
            (Weight::Warning, "permission-denied")
        } else if has(&["error", "warn", "failed"]) {
            (Weight::Warning, "stderr")
        } else {
            (Weight::Info, "stderr")
        };
        events.push(notice(weight, code, &text));
    }

    fn piece(&mut self, piece: Piece, events: &mut Vec<Event>) {
        match piece {
            Piece::Object { object, whole: true } => self.object(object, events),
            // Of what is incomplete only words and results of tools are of use: the end itself must be whole.
            Piece::Object { object, whole: false } if ["text", "tool_use"].contains(&text(&object, "type")) => {
                self.object(object, events);
            }
            Piece::Object { object, whole: false } => {
                events.push(note("incomplete", &Value::Object(object).to_string()));
            }
            Piece::Text(words) => events.push(note("text", &plain(&words))),
        }
    }

    fn object(&mut self, mut object: Object, events: &mut Vec<Event>) {
        self.session(text(&object, "sessionID"), events);
        let kind = text(&object, "type").to_owned();
        let body = object.get("part").cloned().unwrap_or_default();
        if kind != "error" {
            self.seen.fault = None;
        }
        match kind.as_str() {
            "step_start" => self.seen.reason.clear(),
            "text" | "reasoning" => self.say(word(&body["text"]), kind == "reasoning", events),
            "tool_use" => self.tool(&body, events),
            "step_finish" => self.step(&body, events),
            "error" => self.fault(&object, events),
            _ => {
                let kind = if kind.is_empty() { "json" } else { &kind };
                for own in ["type", "timestamp", "sessionID"] {
                    object.remove(own);
                }
                events.push(note(kind, &Value::Object(object).to_string()));
            }
        }
    }

    fn session(&mut self, id: &str, events: &mut Vec<Event>) {
        if self.seen.begun || id.is_empty() {
            return;
        }
        self.seen.begun = true;
        self.seen.strayed = self.resume.as_deref().is_some_and(|resume| resume != id);
        if self.seen.strayed {
            let words = "opencode has begun another conversation than the one to go on with";
            events.push(notice(Weight::Error, "session-lost", words));
        }
        self.seen.session = Some(id.to_owned()).filter(|_| !self.seen.strayed);
        let started = Started { session: self.seen.session.clone(), model: self.model.clone(), ..Started::default() };
        events.push(Event::from(Happening::Started(started)));
    }

    fn say(&mut self, words: &str, thinking: bool, events: &mut Vec<Event>) {
        if words.trim().is_empty() {
            return;
        }
        let message = Message { text: shortened(words), thinking, ..Message::default() };
        if !thinking {
            message.text.clone_into(&mut self.seen.answer);
        }
        events.push(Event::from(Happening::Message(message)));
    }

    fn tool(&mut self, body: &Value, events: &mut Vec<Event>) {
        self.seen.worked = true;
        let (id, state) = (word(&body["callID"]).to_owned(), &body["state"]);
        events.push(Event::from(Happening::ToolCall(ToolCall {
            id: id.clone(),
            name: word(&body["tool"]).into(),
            input: shortened(&state["input"].to_string()),
            extra: vec![],
        })));
        let code = state["metadata"]["exit"].as_i64();
        let error = word(&state["error"]);
        let failed = word(&state["status"]) != "completed" || code.is_some_and(|code| code != 0);
        let output = if error.is_empty() { word(&state["output"]) } else { error };
        let extra = code.map(|code| ("exit-code".to_owned(), code.to_string())).into_iter().collect();
        let result = ToolResult { id, failed, output: shortened(output), extra };
        events.push(Event::from(Happening::ToolResult(result)));
        let lower = error.to_ascii_lowercase();
        if ["rejected permission", "prevents you from using", "permission denied"].iter().any(|it| lower.contains(it)) {
            events.push(notice(Weight::Warning, "permission-denied", error));
        }
    }

    /// It counts each step alone, and its price by what its configuration says of the model, which is nothing.
    fn step(&mut self, body: &Value, events: &mut Vec<Event>) {
        word(&body["reason"]).clone_into(&mut self.seen.reason);
        let tokens = &body["tokens"];
        if !tokens.is_object() {
            return;
        }
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let used = &mut self.used;
        used.input = used.input.saturating_add(count(&tokens["input"]));
        used.output = used.output.saturating_add(count(&tokens["output"]).saturating_add(count(&tokens["reasoning"])));
        used.read = used.read.saturating_add(count(&tokens["cache"]["read"]));
        used.written = used.written.saturating_add(count(&tokens["cache"]["write"]));
        events.push(Event::from(Happening::Usage(Usage {
            model: self.model.clone().unwrap_or_default(),
            scope: UsageScope::Run,
            input_tokens: used.input,
            output_tokens: used.output,
            cache_read_tokens: used.read,
            cache_write_tokens: used.written,
            cost_microusd: None,
            extra: vec![],
        })));
    }

    fn fault(&mut self, object: &Object, events: &mut Vec<Event>) {
        let error = object.get("error").unwrap_or(&Value::Null);
        let (name, data) = (word(&error["name"]).to_owned(), &error["data"]);
        let message = [&data["message"], &error["message"]].into_iter().map(word).find(|it| !it.is_empty());
        let message = message.unwrap_or(&name).to_owned();
        events.push(notice(Weight::Error, "error", &message));
        self.seen.fault = Some(Fault { name, message, status: data["statusCode"].as_u64() });
    }
}

/// Whether lines have this type. Parts have types too, with dashes, and stand inside of lines.
fn is_line(kind: &str) -> bool {
    ["step_start", "step_finish", "tool_use", "text", "reasoning", "error"].contains(&kind)
}

fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;
