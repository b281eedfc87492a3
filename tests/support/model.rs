//! A scripted model: a server on loopback that real agent programs take for their provider.
//!
//! It speaks Anthropic's Messages (`…/messages`), OpenAI's Responses (`…/responses`) and chat completions
//! (`…/chat/completions`), each whole and as a stream, and Google's `…:streamGenerateContent`. What it says is a list of
//! [`Turn`]s. Which one is next it reads from the conversation that a call carries, never from how many calls there
//! were: whoever asks again, after a broken stream or a `kill -9`, gets the same turn again, and who resumes a session
//! gets the turn after its last.
//!
//! - A [`Turn`] that is an answer stands in the history afterwards; one that is a fault does not, so a fault without
//!   [`Turn::times`] is met for ever. The last answer is given for ever, too.
//! - Each call is kept, with the headers and the body that came, and when.
//! - Its threads end with the test's process; nothing waits for them.

mod anthropic;
mod chat;
mod gemini;
mod http;
mod openai;
mod script;

pub(crate) use script::{Turn, Usage};

use self::http::{Answer, Request};
use self::script::{Kind, Script};
use super::wait_for;
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Whose programming interface an agent's program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Anthropic,
    OpenAi,
    /// Whoever else speaks chat completions.
    Chat,
    Gemini,
}

/// The server. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Model(Arc<Inner>);

struct Inner {
    port: u16,
    began: Instant,
    script: Script,
    state: Mutex<State>,
    /// Rung whenever [`State`] changes.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    calls: Vec<Seen>,
    /// How often each turn was given.
    given: Vec<usize>,
    /// Calls whose answer has begun and is held back.
    holding: usize,
    released: bool,
}

/// One call of a model as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Since the server was started.
    pub(crate) at: Duration,
    pub(crate) path: String,
    /// Names in small letters, in the order that they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// Which turn of the script was given, counted from 0; none for a side call, such as counting tokens.
    pub(crate) turn: Option<usize>,
    /// The agent's own id of the session.
    pub(crate) conversation: String,
    /// What a provider would put on the bill: the input as soon as an answer began, its output when it ended.
    pub(crate) billed: Usage,
    /// Whether the answer went out whole.
    pub(crate) complete: bool,
}

impl Seen {
    /// A header's value; empty when it did not come.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// The key that the call was made with, wherever it stood.
    pub(crate) fn key(&self) -> &str {
        let bearer = self.header("authorization");
        let keys = [bearer.strip_prefix("Bearer ").unwrap_or_default(), self.header("x-api-key")];
        keys.into_iter().find(|it| !it.is_empty()).unwrap_or(self.header("x-goog-api-key"))
    }

    /// What the conversation holds, as JSON: to look for words in.
    pub(crate) fn history(&self) -> String {
        let history = ["messages", "input", "contents"].map(|name| &self.body[name]);
        history.into_iter().find(|it| !it.is_null()).unwrap_or(&Value::Null).to_string()
    }
}

impl Model {
    /// The key that a caller has to bring, as the operator's environment would hold it.
    pub(crate) const KEY: &str = "sk-fake-7f3a9c1e5b8d2046";
    /// The variable that [`Model::config_sections`] takes it from.
    pub(crate) const KEY_VARIABLE: &str = "FAKE_MODEL_KEY";
    /// What `[network] private` has to allow.
    pub(crate) const NETWORK: &str = "127.0.0.1/32";

    /// Starts it with what it will say.
    pub(crate) fn start(turns: impl IntoIterator<Item = Turn>) -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script = Script::new(turns);
        let state = Mutex::new(State { given: vec![0; script.len()], ..State::default() });
        let port = listener.local_addr().unwrap().port();
        let inner = Inner { port, began: Instant::now(), script, state, changed: Condvar::new() };
        let model = Model(Arc::new(inner));
        let server = model.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let model = server.clone();
                std::thread::spawn(move || model.serve(stream));
            }
        });
        model
    }

    /// Where it is, without a path: what Anthropic's programs take for `ANTHROPIC_BASE_URL`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// `[accounts.fake]`, and the agent that works with it, called after its plugin.
    ///
    /// The test sets [`Model::KEY_VARIABLE`] with `Home::env` and allows [`Model::NETWORK`].
    pub(crate) fn config_sections(&self, provider: Provider) -> String {
        self.sections_of(provider, "fake", provider.plugin(), "{}")
    }

    /// The same with names of the test's own, so that one home can have several models, and settings for the plugin.
    pub(crate) fn sections_of(&self, provider: Provider, account: &str, agent: &str, settings: &str) -> String {
        let (name, path) = match provider {
            Provider::Anthropic => ("anthropic", ""),
            Provider::OpenAi => ("openai", "/v1"),
            Provider::Chat => ("openai-compatible", "/v1"),
            Provider::Gemini => ("gemini", ""),
        };
        format!(
            "[accounts.{account}]\nprovider = \"{name}\"\nkey = \"${{{variable}}}\"\nurl = \"{url}{path}\"\n\
             [agents.{agent}]\nplugin = \"{plugin}\"\naccount = \"{account}\"\nmodel = \"{model}\"\n\
             settings = {settings}\n",
            variable = Model::KEY_VARIABLE,
            url = self.url(),
            plugin = provider.plugin(),
            model = provider.model(),
        )
    }

    /// All calls so far, oldest first; side calls too.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.state().calls.clone()
    }

    /// Those that got a turn.
    pub(crate) fn answered(&self) -> Vec<Seen> {
        self.calls().into_iter().filter(|it| it.turn.is_some()).collect()
    }

    /// The sum of what a provider would put on the bill.
    pub(crate) fn billed(&self) -> Usage {
        self.state().calls.iter().map(|it| it.billed).sum()
    }

    /// Waits until a turn that is [`Turn::held`] is being given: its answer has begun and does not go on.
    #[track_caller]
    pub(crate) fn in_call(&self) {
        wait_for("a call of the model is held", || (self.state().holding > 0).then_some(()));
    }

    /// Lets all held answers go on, those to come too.
    pub(crate) fn release(&self) {
        self.state().released = true;
        self.0.changed.notify_all();
    }

    /// Waits until there were so many calls that got a turn.
    #[track_caller]
    pub(crate) fn wait_for_calls(&self, count: usize) -> Vec<Seen> {
        wait_for("the model is called", || {
            let calls = self.answered();
            (calls.len() >= count).then_some(calls)
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One connection, until its other end has had enough.
    fn serve(&self, stream: TcpStream) {
        let mut connection = http::Connection::new(stream);
        while let Ok(Some(request)) = connection.request() {
            let done = match Provider::of(&request) {
                Some(provider) => self.answer(provider, &request, &mut connection),
                None => self.answer_aside(&request, &mut connection),
            };
            // Whoever went away in the middle will ask again on a new connection.
            if done.is_err() {
                return;
            }
        }
    }

    fn answer(
        &self,
        provider: Provider,
        request: &Request,
        connection: &mut http::Connection,
    ) -> Result<(), http::Gone> {
        let body = request.json();
        let said = provider.said(&body);
        let (call, turn, index) = {
            let mut state = self.state();
            let index = self.0.script.next(&said, &state.given);
            state.given[index] += 1;
            state.calls.push(Seen {
                at: self.0.began.elapsed(),
                path: request.path.clone(),
                headers: request.headers.clone(),
                turn: Some(index),
                conversation: provider.conversation(request, &body),
                billed: Usage::default(),
                complete: false,
                body: body.clone(),
            });
            (state.calls.len() - 1, self.0.script.turn(index).clone(), index)
        };
        let answer = provider.answer(request, &body, &turn, index);
        let streamed = body["stream"].as_bool() == Some(true) || provider == Provider::Gemini;
        self.give(call, &turn, answer, streamed, connection)
    }

    /// Gives one turn: the whole of it, or as much as the script wants to be given.
    fn give(
        &self,
        call: usize,
        turn: &Turn,
        answer: Answer,
        streamed: bool,
        connection: &mut http::Connection,
    ) -> Result<(), http::Gone> {
        if let Kind::Hang = turn.kind {
            return connection.wait_for_its_end();
        }
        if let Some(refusal) = answer.refusal {
            return connection.whole(refusal.status, &refusal.headers, &refusal.body);
        }
        let usage = turn.usage;
        if !streamed {
            self.hold(turn);
            if turn.sent(usize::MAX) < usize::MAX {
                // There is no middle of an answer in one piece: what breaks a stream breaks this one at its start.
                return turn.broken(connection);
            }
            self.bill(call, usage, true);
            return connection.whole(200, &answer.headers, &answer.whole);
        }
        connection.begin_stream(&answer.headers)?;
        self.bill(call, Usage { output: 0, ..usage }, false);
        let sent = turn.sent(answer.events.len());
        for (number, event) in answer.events.iter().take(sent).enumerate() {
            connection.event(event)?;
            if number == 0 {
                self.hold(turn);
            }
        }
        if sent < answer.events.len() {
            return turn.broken(connection);
        }
        connection.end_stream()?;
        if !answer.failed {
            self.bill(call, usage, true);
        }
        Ok(())
    }

    /// Waits here while the turn is to be held.
    fn hold(&self, turn: &Turn) {
        if !turn.held {
            return;
        }
        let mut state = self.state();
        state.holding += 1;
        while !state.released {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.holding -= 1;
    }

    fn bill(&self, call: usize, usage: Usage, complete: bool) {
        let seen = &mut self.state().calls[call];
        (seen.billed, seen.complete) = (usage, complete);
    }

    /// What is no conversation: a list of models, a count of tokens, somebody who looks whether one is there.
    fn answer_aside(&self, request: &Request, connection: &mut http::Connection) -> Result<(), http::Gone> {
        self.state().calls.push(Seen {
            at: self.0.began.elapsed(),
            path: request.path.clone(),
            headers: request.headers.clone(),
            body: request.json(),
            turn: None,
            conversation: String::new(),
            billed: Usage::default(),
            complete: true,
        });
        let (status, body) = match request.route() {
            it if it.ends_with("/count_tokens") => (200, r#"{"input_tokens":1200}"#),
            it if it.ends_with("/models") => (200, r#"{"object":"list","data":[],"has_more":false}"#),
            "/" => (200, "{}"),
            _ => (404, r#"{"type":"error","error":{"type":"not_found_error","message":"no such path"}}"#),
        };
        connection.whole(status, &[], body)
    }
}

impl Provider {
    /// A model of this provider's that gets a plain tool for shell commands.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Provider::Anthropic => "claude-sonnet-4-6",
            Provider::OpenAi => "gpt-5.5",
            Provider::Chat => "qwen3-coder",
            Provider::Gemini => "gemini-3.8-flash",
        }
    }

    /// The plugin whose program speaks its language.
    pub(crate) fn plugin(self) -> &'static str {
        match self {
            Provider::Anthropic => "claude-code",
            Provider::OpenAi => "codex",
            Provider::Chat => "opencode",
            Provider::Gemini => "gemini",
        }
    }

    fn of(request: &Request) -> Option<Provider> {
        match request.route() {
            it if request.method == "POST" && it.ends_with("/messages") => Some(Provider::Anthropic),
            it if request.method == "POST" && it.ends_with("/responses") => Some(Provider::OpenAi),
            it if request.method == "POST" && it.ends_with("/chat/completions") => Some(Provider::Chat),
            it if request.method == "POST" && it.ends_with(":streamGenerateContent") => Some(Provider::Gemini),
            _ => None,
        }
    }

    fn said(self, body: &Value) -> Vec<script::Said> {
        match self {
            Provider::Anthropic => anthropic::said(body),
            Provider::OpenAi => openai::said(body),
            Provider::Chat => chat::said(body),
            Provider::Gemini => gemini::said(body),
        }
    }

    fn conversation(self, request: &Request, body: &Value) -> String {
        match self {
            Provider::Anthropic => anthropic::conversation(request, body),
            Provider::OpenAi => openai::conversation(request, body),
            Provider::Chat => chat::conversation(request),
            // It has no word for it.
            Provider::Gemini => String::new(),
        }
    }

    fn answer(self, request: &Request, body: &Value, turn: &Turn, index: usize) -> Answer {
        match self {
            Provider::Anthropic => anthropic::answer(body, turn, index),
            Provider::OpenAi => openai::answer(body, turn, index),
            Provider::Chat => chat::answer(body, turn, index),
            Provider::Gemini => gemini::answer(request.route(), turn, index),
        }
    }
}

#[cfg(test)]
mod tests;
