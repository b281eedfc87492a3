//! What Gemini CLI says, as events: one JSON object a line on standard output, and warnings on standard error.
//!
//! | line | event |
//! |---|---|
//! | `init` | the conversation and the model |
//! | `message` of the assistant | what it says: pieces, which are put together until something else comes |
//! | `tool_use`, `tool_result` | a tool |
//! | `error`; standard error | a notice: it goes on |
//! | `result` | usage of this run, and how it ended |
//!
//! Anything else is kept as a note. All of it depends on the lines alone, and not on how they come in calls.

use crate::ending;
use agentd_sdk::agent::json_lines::{JsonLines, Object, Piece};
use agentd_sdk::agent::telling::{TEXT_BYTES, note, notice, shortened};
use agentd_sdk::agent::terminal::plain;
use agentd_sdk::agent::{
    Conclusion, Event, Exit, Happening, Line, Message, Started, ToolCall, ToolResult, Usage, UsageScope, Weight, Window,
};
use serde_json::Value;

/// Pieces of words are told at the latest when there are so many bytes of them.
const PIECES_BYTES: usize = 32 << 10;

/// How much of standard error is looked at in the end.
const STDERR_BYTES: usize = 8 << 10;

/// What it writes to standard error in each run.
const SMALL_TALK: [&str; 4] =
    ["256-color support", "Basic terminal detected", "YOLO mode is enabled", "Ripgrep is not available"];

/// What a run has said up to now, as far as its end needs it.
pub(crate) struct Output {
    lines: JsonLines,
    resume: Option<String>,
    pub(crate) seen: Seen,
    /// Words whose end has not come.
    pieces: String,
    /// Of the message that is coming a part was told.
    continued: bool,
}

/// What the end is judged by.
#[derive(Default)]
pub(crate) struct Seen {
    /// The conversation that a later run may go on with.
    pub(crate) session: Option<String>,
    /// It has begun another conversation than the one to go on with.
    pub(crate) strayed: bool,
    pub(crate) begun: bool,
    pub(crate) result: Option<Ended>,
    /// What was said last.
    pub(crate) answer: String,
    /// It has used a tool.
    pub(crate) worked: bool,
    pub(crate) stderr: String,
}

/// The line `result`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Badly { kind: String, message: String },
}

impl Output {
    pub(crate) fn new(resume: Option<String>) -> Output {
        let seen = Seen { session: resume.clone(), ..Seen::default() };
        Output { lines: JsonLines::of(is_line), resume, seen, pieces: String::new(), continued: false }
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
        self.say(false, &mut events);
        let (outcome, answer) = ending::verdict(&self.seen, self.resume.is_some(), exit);
        let session = ending::may_go_on(&outcome).then(|| self.seen.session.clone()).flatten();
        Conclusion { outcome, answer: shortened(&answer), session, events, extra: vec![] }
    }

    fn stderr(&mut self, line: &str, events: &mut Vec<Event>) {
        let text = plain(line);
        if text.trim().is_empty() || SMALL_TALK.iter().any(|it| text.contains(it)) {
            return;
        }
        self.seen.stderr.push_str(&shortened(&text));
        self.seen.stderr.push('\n');
        let over = self.seen.stderr.len().saturating_sub(STDERR_BYTES);
        self.seen.stderr.drain(..self.seen.stderr.ceil_char_boundary(over));
        let lower = text.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
        let (weight, code) = if has(&["retrying", "attempt "]) {
            (Weight::Warning, "retry")
        } else if has(&["mcp"]) {
            (Weight::Warning, "mcp-failed")
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
            // Of what is incomplete only the results of tools are of use: the end itself must be whole.
            Piece::Object { object, whole: false } if text(&object, "type") == "tool_result" => {
                self.object(object, events);
            }
            Piece::Object { object, whole: false } => {
                events.push(note("incomplete", &Value::Object(object).to_string()));
            }
            Piece::Text(words) => events.push(note("text", &plain(&words))),
        }
    }

    fn object(&mut self, mut object: Object, events: &mut Vec<Event>) {
        let kind = text(&object, "type").to_owned();
        if kind == "message" {
            return self.message(&object, events);
        }
        self.say(false, events);
        match kind.as_str() {
            "init" => self.begun(&object, events),
            "tool_use" => {
                self.seen.worked = true;
                events.push(Event::from(Happening::ToolCall(ToolCall {
                    id: text(&object, "tool_id").into(),
                    name: text(&object, "tool_name").into(),
                    input: shortened(&part(&object, "parameters").to_string()),
                    extra: vec![],
                })));
            }
            "tool_result" => events.push(Event::from(Happening::ToolResult(result(&object)))),
            "error" => {
                let weight = if text(&object, "severity") == "error" { Weight::Error } else { Weight::Warning };
                events.push(notice(weight, "error", text(&object, "message")));
            }
            "result" => self.result(&object, events),
            _ => {
                let kind = if kind.is_empty() { "json" } else { &kind };
                object.remove("type");
                object.remove("timestamp");
                events.push(note(kind, &Value::Object(object).to_string()));
            }
        }
    }

    fn begun(&mut self, object: &Object, events: &mut Vec<Event>) {
        let id = text(object, "session_id");
        self.seen.begun = true;
        self.seen.strayed = self.resume.as_deref().is_some_and(|resume| resume != id);
        if self.seen.strayed {
            let words = "Gemini CLI has begun another conversation than the one to go on with";
            events.push(notice(Weight::Error, "session-lost", words));
        }
        self.seen.session = Some(id.to_owned()).filter(|id| !self.seen.strayed && !id.is_empty());
        let model = Some(text(object, "model").to_owned()).filter(|it| !it.is_empty());
        let started = Started { session: self.seen.session.clone(), model, ..Started::default() };
        events.push(Event::from(Happening::Started(started)));
    }

    fn message(&mut self, object: &Object, events: &mut Vec<Event>) {
        if text(object, "role") != "assistant" {
            return;
        }
        if object.get("delta") != Some(&Value::Bool(true)) {
            self.say(false, events);
        }
        self.pieces.push_str(text(object, "content"));
        if self.pieces.len() >= PIECES_BYTES {
            self.say(true, events);
        }
    }

    /// Tells the words that have come; `partial`: there may be more of the same.
    fn say(&mut self, partial: bool, events: &mut Vec<Event>) {
        let words = std::mem::take(&mut self.pieces);
        let continued = std::mem::replace(&mut self.continued, partial);
        if words.trim().is_empty() && !continued {
            return;
        }
        if continued {
            self.seen.answer.push_str(&words);
        } else {
            self.seen.answer.clone_from(&words);
        }
        if self.seen.answer.len() > TEXT_BYTES * 2 {
            self.seen.answer = shortened(&self.seen.answer);
        }
        let message = Message { text: shortened(&words), partial, ..Message::default() };
        events.push(Event::from(Happening::Message(message)));
    }

    fn result(&mut self, object: &Object, events: &mut Vec<Event>) {
        let models = part(object, "stats")["models"].as_object().cloned().unwrap_or_default();
        events.extend(models.iter().map(|(model, stats)| usage(model, stats)));
        if text(object, "status") == "success" {
            self.seen.result = Some(Ended::Well);
            return;
        }
        let error = part(object, "error");
        let word = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let (kind, message) = (word("type"), ending::readable(&word("message")));
        events.push(notice(Weight::Error, "error", &message));
        if ending::is_used_up(&message) {
            let window = Window { name: "quota".into(), exhausted: true, ..Window::default() };
            events.push(Event::from(Happening::Window(window)));
        }
        self.seen.result = Some(Ended::Badly { kind, message });
    }
}

/// It counts what this process used, and what came of the cache among what it read.
fn usage(model: &str, stats: &Value) -> Event {
    let count = |key: &str| stats[key].as_u64().unwrap_or_default();
    let (all, cached) = (count("input_tokens"), count("cached"));
    Event::from(Happening::Usage(Usage {
        model: model.into(),
        scope: UsageScope::Run,
        input_tokens: all.saturating_sub(cached),
        output_tokens: count("output_tokens").max(count("total_tokens").saturating_sub(all)),
        cache_read_tokens: cached,
        cache_write_tokens: 0,
        cost_microusd: None,
        extra: vec![],
    }))
}

fn result(object: &Object) -> ToolResult {
    let failed = text(object, "status") != "success";
    let error = part(object, "error")["message"].as_str().unwrap_or_default();
    let output = Some(text(object, "output")).filter(|it| !it.is_empty()).unwrap_or(error);
    ToolResult { id: text(object, "tool_id").into(), failed, output: shortened(output), extra: vec![] }
}

/// Whether lines have this type.
fn is_line(kind: &str) -> bool {
    ["init", "message", "tool_use", "tool_result", "error", "result"].contains(&kind)
}

fn part<'a>(object: &'a Object, key: &str) -> &'a Value {
    object.get(key).unwrap_or(&Value::Null)
}

fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    part(object, key).as_str().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;
