//! What can go wrong, in words for people: with the room as a whole, with a file, with a call.
//!
//! Texts say what failed, on what, and last what to do. What a plugin itself said is cut, and rid of control
//! characters, before it gets in here.

use crate::wit::common;
use std::path::PathBuf;

/// Why plugins, a plugin or an entry of one cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "cannot start the WebAssembly engine: {0}\nhint: agentd needs 4 GiB of address space for each plugin; `ulimit -v` may be too low"
    )]
    Engine(String),
    #[error("cannot read plugins from {path}: {source}\nhint: {hint}")]
    Folder { path: PathBuf, source: std::io::Error, hint: &'static str },
    /// Whoever can write there can run code in the daemon's name.
    #[error(
        "plugins from {path} are not loaded: {why}\nhint: it must belong to the daemon's user alone: `chown` it to that user, and `chmod go-w {path}`"
    )]
    Open { path: PathBuf, why: String },
    #[error(
        "the shipped plugin {name} cannot be used: {problem}\nhint: the installation is damaged; build or install agentd again"
    )]
    Shipped { name: String, problem: Problem },
    #[error("{path}: {problem}")]
    File { path: PathBuf, problem: Problem },
    #[error(
        "there is no plugin `{plugin}`; there are: {known}\nhint: drop its .wasm file into the plugin folder, see `agentd plugin list`"
    )]
    Unknown { plugin: String, known: String },
    /// It is there and may not serve.
    #[error("plugin `{plugin}` may not serve: {why}")]
    Held { plugin: String, why: String },
    /// A version would not do what an entry of it needs.
    #[error("its entry `{entry}` does not fit it: {why}\nhint: change the entry in the configuration, or the plugin")]
    Misfit { plugin: String, entry: String, why: String },
    #[error(
        "there is no earlier version of plugin `{plugin}` to go back to\nhint: the version before the last swap is kept while the daemon runs; `agentd plugin list` shows which it is"
    )]
    NoPrevious { plugin: String },
    #[error("the settings of `{entry}` (plugin `{plugin}`) are refused:\n  {}", problems.join("\n  "))]
    Settings { entry: String, plugin: String, problems: Vec<String> },
    #[error(transparent)]
    Call(#[from] CallError),
}

/// What is wrong with a plugin's file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("is {size} bytes long, and {limit} are allowed")]
    TooLarge { size: u64, limit: u64 },
    #[error(
        "others than the daemon's user can change it: {0}\nhint: `chown` it to the daemon's user, and `chmod go-w` it"
    )]
    Writable(String),
    #[error("is empty")]
    Empty,
    #[error("is not WebAssembly: it begins with {0}\nhint: a plugin is a component, built for wasm32-wasip2")]
    NotWasm(String),
    #[error(
        "is not a WebAssembly component (a core module)\nhint: build it with `--target wasm32-wasip2`, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    #[error("is truncated at byte {size}: what begins before byte {offset} has no end\nhint: copy the file again")]
    Truncated { size: usize, offset: u64 },
    #[error("is damaged at byte {offset}: {what}\nhint: copy or build the file again")]
    Damaged { offset: u64, what: String },
    #[error(
        "exports none of the kinds that agentd knows ({known}); it exports {exports}\nhint: export one of them and agentd:plugin/manifest@1.0.0: rebuild it against wit/ of this version of agentd"
    )]
    NoKind { known: String, exports: String },
    #[error(
        "does not export agentd:plugin/manifest@1.0.0, so it cannot say who it is\nhint: every plugin exports it beside its kinds"
    )]
    NoManifest,
    #[error("is built for a newer contract: needs {}\nhint: this agentd has 1.0.0 of it; get a newer agentd, or an older version of the plugin", needs.join(", "))]
    Newer { needs: Vec<String> },
    #[error("imports what this agentd does not have: {}\nhint: a plugin may import agentd:host, and of WASI 0.2 cli, clocks, filesystem, http (to send), io, random and sockets", imports.join(", "))]
    Foreign { imports: Vec<String> },
    #[error("does not fit the contract: {0}\nhint: build it against the WIT of this agentd")]
    Misfit(String),
    #[error("cannot be compiled: {0}")]
    Compile(String),
    #[error("takes more than {seconds} s to compile\nhint: a smaller component, or a machine with more to spare")]
    Slow { seconds: u64 },
    #[error("cannot say who it is: {0}")]
    Describe(#[source] Box<CallError>),
    #[error("describes itself badly: {0}")]
    Description(String),
    #[error(
        "needs {wanted} {what}, and {limit} are allowed\nhint: build it with less, or raise `memory` in [plugins.limits.NAME]"
    )]
    TooBig { what: &'static str, wanted: u64, limit: u64 },
    #[error(
        "waits for approval: it would replace the shipped plugin `{0}`, which serves meanwhile\nhint: `agentd plugin approve {0}` lets it, or give your plugin a name of its own"
    )]
    Replaces(String),
    #[error("{other} brings a plugin named `{name}` already, which serves\nhint: remove one of the two files")]
    Twice { name: String, other: PathBuf },
    #[error("waits for approval: plugin `{name}` wants {}\nhint: `agentd plugin approve {name}` shows and allows it", wants.join("; "))]
    Wants { name: String, wants: Vec<String> },
}

/// Why a call did not give an answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The plugin's own answer: it could not do it, and says why.
    #[error("{}", text(.0))]
    Plugin(common::Error),
    /// A trap, a limit, or an answer that makes no sense. The instance is gone, and nothing of the call counts.
    #[error(
        "plugin `{plugin}`{}: {function} failed: {what}{}{}\nhint: {}; `agentd plugin repro {}` keeps the call for its \
         author",
        of(entry), last_words(&details.said), frames(&details.stack), details.hint, details.trace
    )]
    Failed { plugin: String, entry: String, function: &'static str, what: String, details: Box<Details> },
    /// It failed too often in a row, and rests.
    #[error("plugin `{plugin}`{} is switched off for {} s more, after {failures} failures in a row; the last: {last}", of(entry), wait_ms.div_ceil(1000))]
    Open {
        plugin: String,
        entry: String,
        /// When it is tried again, milliseconds since 1970.
        until: u64,
        wait_ms: u64,
        failures: u32,
        last: String,
    },
    #[error("plugin `{plugin}` is not {wanted} but {}\nhint: name another plugin for entry `{entry}`", kinds.join(", "))]
    WrongKind { plugin: String, entry: String, wanted: &'static str, kinds: Vec<&'static str> },
    /// Its file was taken away, or may not serve (any more).
    #[error("plugin `{plugin}`, entry `{entry}`, does not serve: {why}\nhint: see `agentd plugin list`")]
    Gone { plugin: String, entry: String, why: String },
    /// What it is to be called with makes no sense; the plugin was not asked. Only rehearsals come with such.
    #[error("{0}")]
    Input(String),
    /// The instance of this run failed before; a new one has to replay the run.
    #[error("the instance of plugin `{plugin}`, entry `{entry}`, is gone: make a new one and replay the run")]
    Ended { plugin: String, entry: String },
}

/// What else is known of a call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The end of what it wrote to standard error.
    pub said: String,
    /// Where in its code it was, the innermost function first, a line each; empty if nobody knows.
    pub stack: String,
    /// The [`Trace`](crate::Trace) of the call.
    pub trace: String,
    pub hint: String,
}

impl CallError {
    /// Whether the contract says to repeat the call: the failure may be gone the next time.
    #[must_use]
    pub fn worth_repeating(&self) -> bool {
        match self {
            CallError::Plugin(error) => {
                matches!(error, common::Error::Unavailable(_) | common::Error::RateLimited(_) | common::Error::Other(_))
            }
            CallError::Failed { .. } | CallError::Open { .. } | CallError::Gone { .. } => true,
            CallError::WrongKind { .. } | CallError::Input(_) | CallError::Ended { .. } => false,
        }
    }
}

/// A plugin's error as a sentence.
#[must_use]
pub fn text(error: &common::Error) -> String {
    use common::Error as E;
    let (word, message) = match error {
        E::Invalid(message) => ("invalid", message),
        E::Denied(message) => ("denied", message),
        E::NotFound(message) => ("not found", message),
        E::Conflict(message) => ("conflict", message),
        E::Unsupported(message) => ("unsupported", message),
        E::TooLarge(message) => ("too large", message),
        E::RateLimited(limit) => ("rate limited", &limit.message),
        E::Unavailable(message) => ("unavailable", message),
        E::Other(message) => ("failed", message),
    };
    format!("{word}: {}", readable(message, 2_048))
}

/// Foreign text made fit for an error: without control characters, and cut.
pub(crate) fn readable(text: &str, limit: usize) -> String {
    let bad = |it: char| it.is_control() && it != '\n' || turns(it);
    let clean: String = text.trim().chars().map(|it| if bad(it) { '\u{fffd}' } else { it }).collect();
    match clean.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

/// Whether it turns the direction of writing around, so that a text reads as another one.
fn turns(it: char) -> bool {
    matches!(it, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn of(entry: &str) -> String {
    if entry.is_empty() { String::new() } else { format!(", entry `{entry}`") }
}

fn last_words(said: &str) -> String {
    if said.is_empty() {
        return String::new();
    }
    said.lines().fold("; its last words:".to_owned(), |text, line| text + "\n  " + line)
}

fn frames(stack: &str) -> String {
    if stack.is_empty() {
        return String::new();
    }
    stack.lines().fold("\nit was in:".to_owned(), |text, line| text + "\n  " + line)
}
