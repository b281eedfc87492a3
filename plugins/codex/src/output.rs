//! What Codex says, as events: one JSON object a line on standard output, and warnings on standard error.
//!
//! | line | event |
//! |---|---|
//! | `thread.started` | the conversation |
//! | `item.…` with `agent_message`, `reasoning` | what it says, what it thinks |
//! | `item.…` with `command_execution`, `file_change`, `mcp_tool_call`, `web_search`, `collab_tool_call` | a tool |
//! | `item.…` with `error`; `error`; standard error | a notice: Codex goes on |
//! | `turn.completed` | usage, of the whole conversation up to now |
//! | `turn.failed` | how the run ends |
//!
//! Anything else is kept as a note. All of it depends on the lines alone, and not on how they come in calls.

use crate::ending;
use crate::tool::{self, Item, part, text};
use agentd_sdk::agent::json_lines::{JsonLines, Piece};
use agentd_sdk::agent::telling::{note, notice, shortened};
use agentd_sdk::agent::terminal::plain;
use agentd_sdk::agent::{
    Conclusion, Event, Exit, Happening, Line, Message, Started, Usage, UsageScope, Weight, Window,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// How much of standard error is looked at in the end.
const STDERR_BYTES: usize = 8 << 10;

/// What Codex writes to standard error in each run.
const SMALL_TALK: [&str; 2] = ["Reading prompt from stdin...", "Reading additional input from stdin..."];

/// What a run has said up to now, as far as its end needs it.
pub(crate) struct Output {
    lines: JsonLines,
    model: Option<String>,
    resume: Option<String>,
    pub(crate) seen: Seen,
    /// Items that have begun and are not complete.
    open: BTreeMap<String, Begun>,
    todo: Value,
    last_error: String,
}

/// What the end is judged by.
#[derive(Default)]
pub(crate) struct Seen {
    /// The conversation that a later run may go on with.
    pub(crate) thread: Option<String>,
    /// Codex has begun another conversation than the one to go on with.
    pub(crate) strayed: bool,
    pub(crate) turn: Turn,
    /// The model wrote something that Codex did not show.
    pub(crate) unshown: bool,
    /// What was said last.
    pub(crate) answer: String,
    /// It has used a tool.
    pub(crate) worked: bool,
    /// Why it can use none.
    pub(crate) toolless: Option<String>,
    /// It has told of a fault that it did not get over.
    pub(crate) faulty: bool,
    pub(crate) stderr: String,
}

/// How far the newest turn is: a prompt, and everything up to the answer.
#[derive(Default)]
pub(crate) enum Turn {
    #[default]
    None,
    Begun,
    Completed,
    Failed(String),
}

/// An item that is not complete.
enum Begun {
    Call,
    /// Words, as far as they were told.
    Words(Message),
}

impl Output {
    pub(crate) fn new(model: Option<String>, resume: Option<String>) -> Output {
        let seen = Seen { thread: resume.clone(), ..Seen::default() };
        let (open, last_error) = (BTreeMap::new(), String::new());
        Output { lines: JsonLines::of(is_line), model, resume, seen, open, todo: Value::Null, last_error }
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
        for begun in std::mem::take(&mut self.open).into_values() {
            if let Begun::Words(message) = begun {
                self.say(message, &mut events);
            }
        }
        let (outcome, answer) = ending::verdict(&self.seen, self.resume.is_some(), exit);
        let session = ending::may_go_on(&outcome).then(|| self.seen.thread.clone()).flatten();
        // A turn of Codex is a prompt with everything up to the answer: how often it asked its model, it does not say.
        Conclusion { outcome, answer: shortened(&answer), session, events, extra: vec![] }
    }

    fn stderr(&mut self, line: &str, events: &mut Vec<Event>) {
        let text = plain(line);
        if text.trim().is_empty() || SMALL_TALK.contains(&text.trim()) {
            return;
        }
        self.seen.stderr.push_str(&shortened(&text));
        self.seen.stderr.push('\n');
        let over = self.seen.stderr.len().saturating_sub(STDERR_BYTES);
        self.seen.stderr.drain(..self.seen.stderr.ceil_char_boundary(over));
        let (weight, code) = meaning(&text);
        events.push(notice(weight, code, &text));
    }

    fn piece(&mut self, piece: Piece, events: &mut Vec<Event>) {
        match piece {
            Piece::Object { object, whole: true } => self.object(object, events),
            // Of what is incomplete only words and results of tools are of use: the end itself must be whole.
            Piece::Object { object, whole: false } if text(&object, "type").starts_with("item.") => {
                self.object(object, events);
            }
            Piece::Object { object, whole: false } => {
                events.push(note("incomplete", &Value::Object(object).to_string()));
            }
            Piece::Text(words) => events.push(note("text", &plain(&words))),
        }
    }

    fn object(&mut self, mut object: Item, events: &mut Vec<Event>) {
        let item = || part(&object, "item").as_object().cloned().unwrap_or_default();
        match text(&object, "type") {
            "thread.started" => self.thread(text(&object, "thread_id"), events),
            "turn.started" => self.seen.turn = Turn::Begun,
            "turn.completed" => {
                self.seen.turn = Turn::Completed;
                self.seen.unshown = self.is_unshown(part(&object, "usage"));
                events.extend(self.usage(part(&object, "usage")));
            }
            "turn.failed" => {
                let message = part(&object, "error")["message"].as_str().unwrap_or_default().to_owned();
                self.error(&message, events);
                self.seen.turn = Turn::Failed(message);
            }
            "error" => self.error(text(&object, "message"), events),
            "item.started" | "item.updated" => self.item(&item(), false, events),
            "item.completed" => self.item(&item(), true, events),
            "request_user_input" => {
                events.push(notice(Weight::Warning, "question", &part(&object, "questions").to_string()));
            }
            kind => {
                let kind = if kind.is_empty() { "json".to_owned() } else { kind.to_owned() };
                object.remove("type");
                events.push(note(&kind, &Value::Object(object).to_string()));
            }
        }
    }

    fn thread(&mut self, id: &str, events: &mut Vec<Event>) {
        self.seen.strayed = self.resume.as_deref().is_some_and(|resume| resume != id);
        if self.seen.strayed {
            let words = "Codex has begun another conversation than the one to go on with";
            events.push(notice(Weight::Error, "session-lost", words));
        }
        self.seen.thread = Some(id.to_owned()).filter(|id| !self.seen.strayed && !id.is_empty());
        let started = Started { session: self.seen.thread.clone(), model: self.model.clone(), ..Started::default() };
        events.push(Event::from(Happening::Started(started)));
    }

    /// A fault: one that Codex gets over, or the one that it ends with, which it tells twice.
    fn error(&mut self, message: &str, events: &mut Vec<Event>) {
        if message == self.last_error || message.is_empty() {
            return;
        }
        message.clone_into(&mut self.last_error);
        if message.starts_with("Reconnecting...") {
            return events.push(notice(Weight::Warning, "retry", message));
        }
        self.seen.faulty = true;
        let words = ending::readable(message);
        events.push(notice(Weight::Error, "error", &words));
        if ending::is_used_up(message) {
            let name = "usage-limit".into();
            events.push(Event::from(Happening::Window(Window { name, exhausted: true, ..Window::default() })));
        }
    }

    fn item(&mut self, item: &Item, complete: bool, events: &mut Vec<Event>) {
        let id = text(item, "id");
        match text(item, "type") {
            kind @ ("agent_message" | "reasoning" | "plan") => {
                let thinking = kind == "reasoning";
                let message = Message { text: text(item, "text").into(), thinking, ..Message::default() };
                if complete {
                    self.open.remove(id);
                    self.say(message, events);
                } else {
                    self.open.insert(id.into(), Begun::Words(message));
                }
            }
            "error" => self.warning(text(item, "message"), events),
            "todo_list" => {
                let items = part(item, "items").clone();
                if items != self.todo {
                    events.push(note("todo_list", &items.to_string()));
                    self.todo = items;
                }
            }
            _ => self.tool(item, id, complete, events),
        }
    }

    fn tool(&mut self, item: &Item, id: &str, complete: bool, events: &mut Vec<Event>) {
        let Some(call) = tool::call(item) else {
            if complete {
                events.push(note(text(item, "type"), &Value::Object(item.clone()).to_string()));
            }
            return;
        };
        self.seen.worked = true;
        if !self.open.contains_key(id) {
            events.push(Event::from(Happening::ToolCall(call)));
            self.open.insert(id.into(), Begun::Call);
        }
        if complete {
            self.open.remove(id);
            events.push(Event::from(Happening::ToolResult(tool::result(item))));
            if let Some((code, words)) = tool::refusal(item) {
                events.push(notice(Weight::Warning, code, &words));
            }
        }
    }

    /// An item that is an error is a warning: Codex goes on.
    fn warning(&mut self, message: &str, events: &mut Vec<Event>) {
        let toolless = message.starts_with("Code Mode is unavailable");
        if toolless {
            self.seen.toolless = Some(message.to_owned());
        }
        let (weight, code) = match toolless {
            true => (Weight::Error, "tools-missing"),
            false if message.to_ascii_lowercase().contains("mcp") => (Weight::Warning, "mcp-failed"),
            false => (Weight::Warning, "warning"),
        };
        events.push(notice(weight, code, message));
    }

    fn say(&mut self, message: Message, events: &mut Vec<Event>) {
        if message.text.trim().is_empty() {
            return;
        }
        let message = Message { text: shortened(&message.text), ..message };
        if !message.thinking {
            message.text.clone_into(&mut self.seen.answer);
        }
        events.push(Event::from(Happening::Message(message)));
    }

    /// Codex leaves out the part of an answer in which a provider says that its model declines, and counts it. What it
    /// counts is of this run only if the conversation began here.
    fn is_unshown(&self, usage: &Value) -> bool {
        let count = |key: &str| usage[key].as_u64().unwrap_or_default();
        let wrote = count("output_tokens") > count("reasoning_output_tokens");
        wrote && self.resume.is_none() && self.seen.answer.is_empty() && !self.seen.worked
    }

    /// Codex counts over the whole conversation, and what comes of the cache among what it reads.
    fn usage(&self, usage: &Value) -> Option<Event> {
        let count = |key: &str| usage[key].as_u64().unwrap_or_default();
        let (read, written) = (count("cached_input_tokens"), count("cache_write_input_tokens"));
        usage.is_object().then(|| {
            Event::from(Happening::Usage(Usage {
                model: self.model.clone().unwrap_or_default(),
                scope: UsageScope::Session,
                input_tokens: count("input_tokens").saturating_sub(read).saturating_sub(written),
                output_tokens: count("output_tokens"),
                cache_read_tokens: read,
                cache_write_tokens: written,
                cost_microusd: None,
                extra: vec![],
            }))
        })
    }
}

/// Whether lines have this type. Items have types too, and stand inside of lines.
fn is_line(kind: &str) -> bool {
    kind.contains('.') || ["error", "request_user_input"].contains(&kind)
}

/// What a line of standard error is about. Of some things Codex tells only there: a command or an edit that it does not
/// allow, and a server of tools that it cannot reach.
fn meaning(line: &str) -> (Weight, &'static str) {
    let line = line.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| line.contains(it));
    if has(&["rejected", "approval settings"]) {
        (Weight::Warning, "permission-denied")
    } else if has(&["rmcp::", "mcp client", "mcp server"]) {
        (Weight::Warning, "mcp-failed")
    } else if has(&["request_user_input is unavailable"]) {
        (Weight::Warning, "question")
    } else if has(&["error", "warn", "failed"]) {
        (Weight::Warning, "stderr")
    } else {
        (Weight::Info, "stderr")
    }
}

#[cfg(test)]
pub(crate) mod tests;
