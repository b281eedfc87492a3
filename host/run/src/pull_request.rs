//! The text of a pull request: a template for people, and below it the same as data for programs.
//!
//! - What agent or task say passes [`markdown::tame`] before the template sees it; what closes an issue is a line that
//!   is made here. The operator's own words in the template stay as they are.
//! - The text keeps within GitHub's limit: the summary is cut, the data never.
//! - Depends on its arguments alone, so that the text of a change can be made again.

#[cfg(test)]
mod tests;

use crate::git::Stat;
use agentd_forge::markdown;
use agentd_task::{RunNumber, Thread};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, context};
use serde_json::json;
use std::error::Error as _;

/// The template of agentd's own.
const DEFAULT: &str = include_str!("../../../config/pull-request.md");
/// GitHub takes 65,536 characters; room is left for the forge's marker.
const BODY_MAX: usize = 60_000;
/// Of more commits than that the newest are named.
const COMMITS_MAX: usize = 100;
const GATES_MAX: usize = 50;
/// For a command, a subject, an id, in bytes.
const WORDS_MAX: usize = 200;
/// The form of the data: grows when a key changes its meaning or goes.
const VERSION: u32 = 1;

/// What is known of a change when it is published.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) task: String,
    pub(crate) run: RunNumber,
    pub(crate) instance: String,
    /// The issue that the change closes.
    pub(crate) issue: Option<Thread>,
    pub(crate) repository: String,
    /// What the task is about.
    pub(crate) url: Option<String>,
    pub(crate) title: String,
    /// The agent's answer.
    pub(crate) summary: String,
    /// Commands that passed, and how long each took, in milliseconds.
    pub(crate) gates: Vec<(String, u64)>,
    pub(crate) spent_microusd: u64,
    pub(crate) agent: String,
    pub(crate) session: Option<String>,
    pub(crate) requested_by: Option<String>,
    pub(crate) base: String,
    pub(crate) base_commit: String,
    pub(crate) commit: String,
    /// Ids and subjects, oldest first.
    pub(crate) commits: Vec<(String, String)>,
    pub(crate) stat: Stat,
}

/// The text of a change: by the operator's template if that works, else by agentd's own.
pub(crate) fn body(template: Option<&str>, facts: &Facts) -> String {
    if let Some(template) = template {
        match render(template, facts) {
            Ok(body) => return body,
            Err(why) => tracing::warn!(
                task.id = facts.task,
                repository = facts.repository,
                "The template of pull requests does not work, so agentd's own was taken: {why}"
            ),
        }
    }
    match render(DEFAULT, facts) {
        Ok(body) => body,
        Err(why) => {
            tracing::error!(task.id = facts.task, "The text of a pull request could not be made: {why}");
            data(facts)
        }
    }
}

/// The text of a change by a template; or what is wrong with the template, with its line.
pub(crate) fn render(template: &str, facts: &Facts) -> Result<String, String> {
    let data = data(facts);
    let summary = markdown::tame(&facts.summary);
    let mut room = summary.len();
    loop {
        let shown = if room < summary.len() { cut_summary(&summary, room) } else { summary.clone() };
        let people = filled(template, facts, &shown)?;
        let body = format!("{}\n\n{data}", people.trim());
        let over = body.len().saturating_sub(BODY_MAX);
        if over == 0 {
            return Ok(body);
        }
        if room == 0 {
            return Err(format!("it makes {} bytes without the summary; at most {BODY_MAX} are taken", body.len()));
        }
        // Some more than what is over, since cutting adds a word and may have to close a fence.
        room = room.saturating_sub(over + 64);
    }
}

fn cut_summary(summary: &str, room: usize) -> String {
    match crate::contract::cut(summary, room) {
        "" => String::new(),
        cut => format!("{}\n\n(cut here)", markdown::tame(cut).trim_end()),
    }
}

fn filled(template: &str, facts: &Facts, summary: &str) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| error.to_string())?);
    environment.set_debug(true); // so that errors name the variable
    environment.add_filter("code", |text: &str| code(text));
    let template = environment.template_from_named_str("pull-request.md", template).map_err(|e| explain(&e))?;
    template.render(values(facts, summary)).map_err(|e| explain(&e))
}

fn values(facts: &Facts, summary: &str) -> Value {
    let gates = facts.gates.iter().take(GATES_MAX);
    let gates: Vec<Value> = gates
        .map(|(command, took_ms)| context! { command => command_line(command), seconds => seconds(*took_ms) })
        .collect();
    let commits: Vec<Value> = newest(&facts.commits)
        .iter()
        .map(|(id, subject)| context! { id => words(id), subject => markdown::tame(&words(subject)) })
        .collect();
    context! {
        closes => facts.issue.as_ref().map(|issue| closes(issue, &facts.repository)),
        url => facts.url.as_deref().map(|url| markdown::tame(&words(url))),
        title => markdown::tame(&markdown::tame_line(&facts.title)),
        summary,
        gates,
        task => &facts.task,
        run => facts.run,
        instance => &facts.instance,
        agent => &facts.agent,
        session => facts.session.as_deref().map(words),
        spent_usd => usd(facts.spent_microusd),
        requested_by => facts.requested_by.as_deref().map(words),
        repository => &facts.repository,
        base => &facts.base,
        base_commit => &facts.base_commit,
        commit => &facts.commit,
        commits,
        files_changed => facts.stat.files,
        lines_added => facts.stat.added,
        lines_removed => facts.stat.removed,
    }
}

/// The one line that closes an issue; the agent's own are taken out.
fn closes(issue: &Thread, repository: &str) -> String {
    match issue.repository.eq_ignore_ascii_case(repository) {
        true => format!("Closes #{}", issue.number),
        false => format!("Closes {}#{}", issue.repository, issue.number),
    }
}

/// The same for programs. Keys stay what they are; see [`VERSION`].
fn data(facts: &Facts) -> String {
    let gates: Vec<_> = facts.gates.iter().take(GATES_MAX).collect();
    let gates: Vec<_> = gates
        .iter()
        .map(|(command, took_ms)| json!({ "command": command_line(command), "result": "passed", "took_ms": took_ms }))
        .collect();
    let commits: Vec<_> = newest(&facts.commits)
        .iter()
        .map(|(id, subject)| json!({ "id": words(id), "subject": words(subject) }))
        .collect();
    let data = json!({
        "version": VERSION,
        "instance": facts.instance,
        "task": facts.task,
        "run": facts.run,
        "issue": facts.issue.as_ref().map(|it| format!("{}#{}", it.repository, it.number)),
        "agent": facts.agent,
        "session": facts.session.as_deref().map(words),
        "requested_by": facts.requested_by.as_deref().map(words),
        "spent_usd": usd(facts.spent_microusd),
        "base": { "branch": facts.base, "commit": facts.base_commit },
        "commit": facts.commit,
        "commits": commits,
        "commits_total": facts.commits.len(),
        "files_changed": facts.stat.files,
        "lines_added": facts.stat.added,
        "lines_removed": facts.stat.removed,
        "gates": gates,
        "gates_total": facts.gates.len(),
    });
    let text = serde_json::to_string_pretty(&data).unwrap_or_default();
    // No line of it can be the end of the fence: each begins with a brace, a bracket or a key.
    format!("<details><summary>agentd</summary>\n\n```json\n{text}\n```\n\n</details>")
}

fn newest(commits: &[(String, String)]) -> &[(String, String)] {
    &commits[commits.len().saturating_sub(COMMITS_MAX)..]
}

/// Somebody's words in one line, with nothing in them that GitHub acts upon.
fn words(text: &str) -> String {
    let line = markdown::tame_line(text);
    crate::contract::cut(&line, WORDS_MAX).trim_end().to_owned()
}

/// The operator's own words, which stand in code.
fn command_line(command: &str) -> String {
    let line = command.split_whitespace().collect::<Vec<_>>().join(" ");
    crate::contract::cut(&line, WORDS_MAX).to_owned()
}

/// A text as a span of code, whatever backticks are in it.
fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return text;
    }
    let longest = text.split(|it| it != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    match longest {
        0 => format!("{fence}{text}{fence}"),
        _ => format!("{fence} {text} {fence}"),
    }
}

/// Whole cents, rounded up: what was spent is never told as nothing.
fn usd(microusd: u64) -> String {
    let cents = microusd.div_ceil(10_000);
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn seconds(took_ms: u64) -> String {
    format!("{}.{}", took_ms / 1000, took_ms % 1000 / 100)
}

/// Line and reason.
fn explain(error: &minijinja::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source().and_then(|inner| inner.downcast_ref::<minijinja::Error>()) {
        error = inner;
    }
    let place = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    match error.detail() {
        Some(detail) if error.kind() == ErrorKind::UndefinedError => format!("{place}{detail}"),
        Some(detail) => format!("{place}{}: {detail}", error.kind()),
        None => format!("{place}{}", error.kind()),
    }
}
