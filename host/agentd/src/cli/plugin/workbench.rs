//! What the commands for authors share: the plugin room on its own, a host with as much of the outside as was asked
//! for, and how results are shown.
//!
//! Compiled code is kept in the user's cache folder, so that trying again is quick; without one it goes away at the end.
//!
//! - Never needs a daemon, and never touches one's home.

mod outside;
#[cfg(test)]
mod tests;

pub(super) use outside::Outside;

use crate::cli::{
    check::Check,
    context::Context,
    exit::Error,
    print::{Out, Paint, lines_of, now, one_line, say},
};
use agentd_authoring::{Finding, Level};
use agentd_plugin::{Opened, Played, Plugins};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The plugin room, and its folder if that was made for this alone.
pub(super) struct Bench {
    pub(super) plugins: Plugins,
    _scratch: Option<TempDir>,
}

impl Bench {
    pub(super) async fn new(context: &Context) -> Result<Bench, Error> {
        let (cache, scratch) = match cache_folder() {
            Some(folder) => (folder, None),
            None => {
                let scratch = TempDir::with_prefix("agentd-plugin-")?;
                (scratch.path().to_owned(), Some(scratch))
            }
        };
        let plugins = agentd_authoring::plugins(&cache, present());
        let plugins = context.progress.during("starting the plugin engine", plugins).await?;
        Ok(Bench { plugins, _scratch: scratch })
    }

    /// Opens one file, which takes seconds if it is a large one and new.
    pub(super) async fn open(&self, context: &Context, file: &Path) -> Result<Opened, Error> {
        let opened = context.progress.during("compiling the plugin", self.plugins.open(file)).await;
        opened.map_err(|error| agentd_authoring::Error::from(error).into())
    }
}

/// The present, as plugins count it.
pub(super) fn present() -> u64 {
    u64::try_from(now()).unwrap_or(0)
}

/// `$XDG_CACHE_HOME/agentd/plugins`, or the same below `~/.cache`; none if it cannot be made.
fn cache_folder() -> Option<PathBuf> {
    let named = |name| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let base = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
    let folder = base.join("agentd").join("plugins");
    fs::create_dir_all(&folder).ok().map(|()| folder)
}

impl From<agentd_authoring::Error> for Error {
    fn from(error: agentd_authoring::Error) -> Error {
        use agentd_authoring::Error as E;
        let (text, own) = (error.to_string(), error.hint());
        let (text, hint) = match text.rsplit_once("\nhint: ") {
            Some((text, hint)) if own.is_none() => (text.to_owned(), Some(hint.to_owned())),
            _ => (text, own),
        };
        let usage = matches!(error, E::Name(_) | E::NoTemplate { .. } | E::Taken(_) | E::Project { .. });
        let error = if usage { Error::usage(text) } else { Error::work(text) };
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// JSON as it stands on a command line, or `@file`.
pub(super) fn json_given(option: &str, given: Option<&str>, default: Value) -> Result<Value, Error> {
    let Some(given) = given else { return Ok(default) };
    let text = match given.strip_prefix('@') {
        Some(file) => fs::read_to_string(file)
            .map_err(|error| Error::usage(format!("{option} {given}: cannot read it: {error}")))?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| Error::usage(format!("{option}: this is no JSON: {error}")))
}

/// One finding as `doctor` and its like show them.
pub(super) fn as_check(finding: &Finding) -> Check {
    let hint = finding.hint.clone().unwrap_or_default();
    match finding.level {
        Level::Ok => Check::ok(finding.name, &finding.text),
        Level::Warn => Check::warn(finding.name, &finding.text, hint),
        Level::Fail => {
            Check { hint: Some(hint).filter(|it| !it.is_empty()), ..Check::fail(finding.name, &finding.text, "") }
        }
    }
}

/// A call with all that came of it, as JSON.
pub(super) fn played_json(played: &Played) -> Value {
    json!({
        "outcome": agentd_authoring::outcome(&played.outcome), "kv": played.kv, "lines": played.lines, "asked": played.asked,
        "cpu_us": played.cpu_us, "memory": played.memory,
    })
}

/// What it logged and asked for, and what that took, one line each.
pub(super) fn played_lines(out: &Out, played: &Played) -> Vec<String> {
    let mut lines = vec![];
    for line in &played.lines {
        let fields: String = line.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        lines.push(format!("log   {}: {}", line.level, one_line(&format!("{}{fields}", line.message), 2_000)));
    }
    for asked in &played.asked {
        let (arguments, answer) = (asked.arguments.to_string(), asked.answer.to_string());
        lines.push(format!("host  {} {} -> {}", asked.import, one_line(&arguments, 160), one_line(&answer, 160)));
    }
    for (key, value) in &played.kv {
        let value = value.as_deref().unwrap_or("(removed)");
        lines.push(format!("kv    {} = {}", one_line(key, 200), one_line(value, 160)));
    }
    let memory = agentd_authoring::human(played.memory as u64);
    lines.push(format!("took  {}.{} ms of CPU, {memory}", played.cpu_us / 1_000, played.cpu_us % 1_000 / 100));
    lines.into_iter().map(|it| out.paint(Paint::Dim, &it)).collect()
}

/// The answer, or why there is none.
pub(super) fn outcome_text(played: &Played) -> String {
    match &played.outcome {
        Ok(value) => serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()),
        Err(error) => lines_of(&error.to_string()),
    }
}

/// A recorded case that asks for something else when it is replayed needs its author.
pub(super) fn told_what_is_missing(missing: &[String]) {
    for question in missing {
        say(&format!("warning: without what was taken out, it asks for what was not recorded: {question}"));
    }
}
