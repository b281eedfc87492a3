//! agentd's side of the protocol: what is asked, in which order, and what is answered.
//!
//! ```text
//! initialize -> [authenticate] -> session/new | session/resume | session/load -> [mode, model] -> session/prompt
//! ```
//!
//! Each request waits for the answer to the one before. The first error, and the answer to the prompt, are the end: the
//! program's input is closed then, and it may go.
//!
//! What a program tells while it loads a conversation is what was said before, and is left out. Some tell it only after
//! they have answered; that cannot be told from the new.

use crate::update::Updates;
use crate::{Settings, ending, launch};
use agentd_sdk::agent::json_lines::{JsonLines, Object, Piece};
use agentd_sdk::agent::telling::{note, notice, shortened};
use agentd_sdk::agent::terminal::plain;
use agentd_sdk::agent::{Conclusion, Event, Exit, Happening, Line, Progress, Run, Started, Weight};
use serde_json::{Value, json};
use std::path::{Component, Path};

/// How much of standard error is looked at in the end.
const STDERR_BYTES: usize = 8 << 10;

/// What JSON-RPC says of a method that is not there.
const NO_METHOD: i64 = -32601;

/// One conversation with the program.
pub(crate) struct Client {
    lines: JsonLines,
    asked: Asked,
    /// The id of the newest request.
    id: u64,
    run: Run,
    wanted: Wanted,
    updates: Updates,
    pub(crate) seen: Seen,
}

/// What the session is to be like.
struct Wanted {
    model: Option<String>,
    mode: Option<String>,
    auth_method: Option<String>,
}

/// Which request the program has not answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Initialize,
    Authenticate,
    New,
    /// It goes on with a conversation; what it tells meanwhile was said before.
    Load,
    Mode,
    Model,
    Prompt,
    /// There is nothing more to ask.
    Nothing,
}

/// What the end is judged by.
#[derive(Default)]
pub(crate) struct Seen {
    /// The conversation that a later run may go on with.
    pub(crate) session: Option<String>,
    pub(crate) end: Option<Ended>,
    /// What was said last.
    pub(crate) answer: String,
    /// It has used a tool.
    pub(crate) worked: bool,
    pub(crate) stderr: String,
}

/// How the program answered, the prompt or a request before.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With a reason to stop.
    Stopped(String),
    /// With an error: to which request, its code, its words.
    Refused { to: &'static str, code: i64, message: String },
    /// The conversation to go on with is not there.
    Lost(String),
}

/// The first request, which goes with the start.
pub(crate) fn greeting() -> String {
    let none = json!({"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false});
    let me = json!({"name": "agentd", "version": env!("CARGO_PKG_VERSION")});
    request(0, "initialize", &json!({"protocolVersion": 1, "clientCapabilities": none, "clientInfo": me}))
}

impl Client {
    pub(crate) fn new(settings: &Settings, run: Run) -> Client {
        let model = launch::model(settings, &run);
        let wanted = Wanted { model, mode: settings.mode.clone(), auth_method: settings.auth_method.clone() };
        let seen = Seen { session: run.resume.clone(), ..Seen::default() };
        // Its messages have no `type`: whatever is an object and fills a line is one.
        let lines = JsonLines::of(|_| false);
        Client { lines, asked: Asked::Initialize, id: 0, run, wanted, updates: Updates::default(), seen }
    }

    /// Reads one line, and answers it.
    pub(crate) fn line(&mut self, line: &Line, progress: &mut Progress) {
        if line.stderr {
            return self.stderr(&line.text, progress);
        }
        for piece in self.lines.line(&line.text, line.cut) {
            match piece {
                Piece::Object { object, whole: true } => self.message(&object, progress),
                Piece::Object { object, whole: false } => {
                    progress.events.push(note("incomplete", &Value::Object(object).to_string()));
                }
                Piece::Text(words) => progress.events.push(note("text", &plain(&words))),
            }
        }
    }

    /// Asks the program to stop what it does: it then answers the prompt.
    pub(crate) fn interrupt(&mut self) -> Progress {
        let mut progress = Progress::default();
        if let (Asked::Prompt, Some(session)) = (self.asked, &self.seen.session) {
            let cancel = json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": session}});
            progress.send = format!("{cancel}\n");
        }
        progress
    }

    /// Judges the end.
    pub(crate) fn conclude(&mut self, exit: &Exit) -> Conclusion {
        let mut events = vec![];
        for piece in self.lines.end() {
            if let Piece::Text(words) = piece {
                events.push(note("text", &plain(&words)));
            }
        }
        self.updates.end(&mut self.seen, &mut events);
        let (outcome, answer) = ending::verdict(&self.seen, exit);
        let session = ending::may_go_on(&outcome).then(|| self.seen.session.clone()).flatten();
        Conclusion { outcome, answer: shortened(&answer), session, events, extra: vec![] }
    }

    fn stderr(&mut self, line: &str, progress: &mut Progress) {
        let text = plain(line);
        if text.trim().is_empty() {
            return;
        }
        self.seen.stderr.push_str(&shortened(&text));
        self.seen.stderr.push('\n');
        let over = self.seen.stderr.len().saturating_sub(STDERR_BYTES);
        self.seen.stderr.drain(..self.seen.stderr.ceil_char_boundary(over));
        let lower = text.to_ascii_lowercase();
        let bad = ["error", "warn", "failed"].iter().any(|it| lower.contains(it));
        progress.events.push(notice(if bad { Weight::Warning } else { Weight::Info }, "stderr", &text));
    }

    fn message(&mut self, object: &Object, progress: &mut Progress) {
        let part = |key: &str| object.get(key).unwrap_or(&Value::Null);
        match (part("method").as_str(), object.get("id")) {
            (Some(method), Some(id)) => self.asked_for(method, id, part("params"), progress),
            (Some("session/update"), None) => {
                if self.asked != Asked::Load && self.seen.end.is_none() {
                    self.updates.take(&part("params")["update"], &mut self.seen, &mut progress.events);
                }
            }
            (Some(method), None) => progress.events.push(note(method, &part("params").to_string())),
            // An answer to something else, or to what was answered already, says nothing.
            (None, Some(id)) if id.as_u64() != Some(self.id) || self.asked == Asked::Nothing => {}
            (None, Some(_)) => match object.get("error") {
                Some(error) if !error.is_null() => self.refused(error, progress),
                _ => self.answered(part("result"), progress),
            },
            (None, None) => progress.events.push(note("json", &Value::Object(object.clone()).to_string())),
        }
    }

    /// The program wants something of its client.
    fn asked_for(&mut self, method: &str, id: &Value, params: &Value, progress: &mut Progress) {
        let answer = if method == "session/request_permission" {
            self.updates.permission(&params["toolCall"], &mut self.seen, &mut progress.events);
            let allowed = self.run.sandboxed || is_harmless(&params["toolCall"], &self.run.workspace);
            if !allowed {
                let what = params["toolCall"]["title"].as_str().unwrap_or("something");
                let text = format!("without a sandbox the agent was not allowed to do this: {what}");
                progress.events.push(notice(Weight::Warning, "permission-denied", &text));
            }
            let outcome = match option(&params["options"], allowed) {
                Some(id) => json!({"outcome": "selected", "optionId": id}),
                None => json!({"outcome": "cancelled"}),
            };
            json!({"jsonrpc": "2.0", "id": id, "result": {"outcome": outcome}})
        } else {
            let error = json!({"code": NO_METHOD, "message": format!("agentd does not offer {method}")});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        };
        progress.send.push_str(&format!("{answer}\n"));
    }

    /// The newest request was answered: on to the next.
    fn answered(&mut self, result: &Value, progress: &mut Progress) {
        match self.asked {
            Asked::Initialize => {
                let version = &result["protocolVersion"];
                if version.as_u64() != Some(1) {
                    let message = format!("it speaks version {version} of the protocol, and agentd version 1");
                    return self.end(Ended::Refused { to: "initialize", code: 0, message }, progress);
                }
                let program = &result["agentInfo"]["version"];
                self.updates.version = program.as_str().map(str::to_owned);
                match self.wanted.auth_method.clone() {
                    Some(method) => {
                        self.updates.capabilities = result["agentCapabilities"].clone();
                        self.ask(Asked::Authenticate, "authenticate", &json!({"methodId": method}), progress);
                    }
                    None => self.open(&result["agentCapabilities"], progress),
                }
            }
            Asked::Authenticate => {
                let capabilities = self.updates.capabilities.take();
                self.open(&capabilities, progress);
            }
            Asked::New | Asked::Load => self.opened(result, progress),
            Asked::Mode => self.model(progress),
            Asked::Model => self.prompt(progress),
            Asked::Prompt => {
                self.updates.end(&mut self.seen, &mut progress.events);
                progress.events.extend(self.updates.usage(result));
                let reason = result["stopReason"].as_str().unwrap_or_default();
                let end = match ending::hidden_failure(result) {
                    Some(message) => Ended::Refused { to: "session/prompt", code: 0, message },
                    None => Ended::Stopped(reason.to_owned()),
                };
                self.end(end, progress);
            }
            Asked::Nothing => {}
        }
    }

    fn open(&mut self, capabilities: &Value, progress: &mut Progress) {
        let mut params = json!({"cwd": self.run.workspace, "mcpServers": self.servers(capabilities)});
        let Some(resume) = self.run.resume.clone() else {
            return self.ask(Asked::New, "session/new", &params, progress);
        };
        params["sessionId"] = json!(resume);
        if capabilities["sessionCapabilities"]["resume"].is_object() {
            self.ask(Asked::Load, "session/resume", &params, progress);
        } else if capabilities["loadSession"] == json!(true) {
            self.ask(Asked::Load, "session/load", &params, progress);
        } else {
            let text = "the program cannot go on with a conversation".to_owned();
            self.end(Ended::Lost(text), progress);
        }
    }

    fn servers(&self, capabilities: &Value) -> Vec<Value> {
        if capabilities["mcpCapabilities"]["http"] != json!(true) {
            return vec![];
        }
        let server = |it: &agentd_sdk::agent::McpServer| {
            let header = |(name, value): &(String, String)| json!({"name": name, "value": value});
            let headers: Vec<_> = it.headers.iter().map(header).collect();
            json!({"type": "http", "name": it.name, "url": it.url, "headers": headers})
        };
        self.run.mcp_servers.iter().map(server).collect()
    }

    fn opened(&mut self, result: &Value, progress: &mut Progress) {
        if let Some(id) = result["sessionId"].as_str().filter(|_| self.asked == Asked::New) {
            self.seen.session = Some(id.to_owned());
        }
        self.updates.session(result);
        let started = Started {
            session: self.seen.session.clone(),
            model: self.wanted.model.clone().or_else(|| self.updates.model.clone()),
            version: self.updates.version.clone(),
            extra: vec![],
        };
        progress.events.push(Event::from(Happening::Started(started)));
        let mode = self.wanted.mode.clone().map(|mode| (self.updates.has_mode(&mode), mode));
        match mode {
            Some((true, mode)) => {
                let params = json!({"sessionId": self.seen.session, "modeId": mode});
                self.ask(Asked::Mode, "session/set_mode", &params, progress);
            }
            Some((false, mode)) => {
                let text = format!("the program has no mode {mode:?}");
                progress.events.push(notice(Weight::Warning, "mode", &text));
                self.model(progress);
            }
            None => self.model(progress),
        }
    }

    /// Asks for the model, where the program offers it and has not taken it by itself.
    fn model(&mut self, progress: &mut Progress) {
        let request = self.wanted.model.as_ref().and_then(|model| self.updates.model_request(model));
        match request {
            Some((method, mut params)) => {
                params["sessionId"] = json!(self.seen.session);
                self.ask(Asked::Model, method, &params, progress);
            }
            None => self.prompt(progress),
        }
    }

    fn prompt(&mut self, progress: &mut Progress) {
        let text = match self.run.system.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
            Some(system) => format!("{system}\n\n{}", self.run.prompt),
            None => self.run.prompt.clone(),
        };
        let params = json!({"sessionId": self.seen.session, "prompt": [{"type": "text", "text": text}]});
        self.ask(Asked::Prompt, "session/prompt", &params, progress);
    }

    fn ask(&mut self, asked: Asked, method: &str, params: &Value, progress: &mut Progress) {
        self.asked = asked;
        self.id += 1;
        progress.send.push_str(&request(self.id, method, params));
    }

    fn refused(&mut self, error: &Value, progress: &mut Progress) {
        let (code, message) = (error["code"].as_i64().unwrap_or_default(), ending::words(error));
        let end = match self.asked {
            Asked::Initialize => Ended::Refused { to: "initialize", code, message },
            Asked::Authenticate => Ended::Refused { to: "authenticate", code, message },
            Asked::New => Ended::Refused { to: "session/new", code, message },
            Asked::Load => Ended::Lost(message),
            // The session is as it was: it can be worked with.
            Asked::Mode => {
                progress.events.push(notice(Weight::Warning, "mode", &message));
                return self.model(progress);
            }
            Asked::Model => {
                progress.events.push(notice(Weight::Warning, "model", &message));
                return self.prompt(progress);
            }
            Asked::Prompt => Ended::Refused { to: "session/prompt", code, message },
            Asked::Nothing => return,
        };
        self.updates.end(&mut self.seen, &mut progress.events);
        self.end(end, progress);
    }

    fn end(&mut self, end: Ended, progress: &mut Progress) {
        if let Ended::Refused { message, .. } | Ended::Lost(message) = &end {
            progress.events.push(notice(Weight::Error, "error", message));
        }
        self.seen.end = Some(end);
        self.asked = Asked::Nothing;
        progress.finished = true;
    }
}

fn request(id: u64, method: &str, params: &Value) -> String {
    format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

/// What needs no walls: looking, thinking, and edits that name no file outside of the checkout.
fn is_harmless(call: &Value, workspace: &str) -> bool {
    let outside = |it: &Value| {
        let path = Path::new(it["path"].as_str().unwrap_or_default());
        let up = path.components().any(|it| it == Component::ParentDir);
        up || path.has_root() && !path.starts_with(workspace)
    };
    match call["kind"].as_str().unwrap_or_default() {
        "read" | "search" | "think" => true,
        "edit" => !call["locations"].as_array().is_some_and(|all| all.iter().any(outside)),
        _ => false,
    }
}

/// Which of the answers that the program offers says so, rather for once than for ever.
fn option(options: &Value, allowed: bool) -> Option<&str> {
    let kinds = if allowed { ["allow_once", "allow_always"] } else { ["reject_once", "reject_always"] };
    let options = options.as_array()?;
    kinds.iter().find_map(|kind| options.iter().find(|it| it["kind"] == **kind)?["optionId"].as_str())
}

#[cfg(test)]
mod tests;
