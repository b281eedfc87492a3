//! `github-comment`: tells what happens to a task where people talk about it, by comments on its pull request or issue.
//!
//! ```toml
//! [notifiers.comments]
//! plugin = "github-comment"
//! events = ["task.waiting", "task.failed"]
//! settings = { on = "both" }
//! ```
//!
//! The comment is returned as an edit: the host writes it, once, and puts its hidden marker in, so that agentd never
//! takes its own words for a remark. The source `github-issues` keeps a comment of its own on the issue; this plugin is
//! for the pull request, and for tasks of other sources.
//!
//! - Never tells of what belongs to no task, or to one without issue and pull request: there is no place for it.
//! - Never lets words of others pass for agentd's: a title stands there as code, and a text is quoted.

use agentd_sdk::manifest::ForgeWant;
use agentd_sdk::markdown::{code, quoted};
use agentd_sdk::notifier::{Edit, Event, Message, Notifier, Severity, Task};
use agentd_sdk::settings::parse;
use agentd_sdk::work::Thread;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};

struct GithubComment;
agentd_sdk::plugin!(GithubComment: notifier);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "on": {"type": "string", "enum": ["change", "issue", "both"], "default": "change",
        "description": "Where to comment: on the pull request, on the issue that the task came from, or on both"},
    "living": {"type": "boolean", "default": false,
        "description": "Keep one comment that says the newest, rather than adding one each time"}}}"#;

/// How much of an event's text is quoted, in characters.
const QUOTE: usize = 8_000;
/// How long one comment may get, in bytes: the host takes 60,000.
const COMMENT: usize = 50_000;
/// The comment's name, where there is only one.
const SLOT: &str = "notice";

/// What the operator configured.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    on: On,
    living: bool,
}

#[derive(serde::Deserialize, Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum On {
    #[default]
    Change,
    Issue,
    Both,
}

impl Plugin for GithubComment {
    fn describe(_settings: &str) -> Description {
        let want = ForgeWant {
            writes: vec!["comment".into()],
            why: "to comment on issues and pull requests what happens to their tasks".into(),
            extra: vec![],
        };
        Description {
            name: "github-comment".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Comments on pull requests and issues what happens to their tasks".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Forge(want)],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(_) => vec![],
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Notifier for GithubComment {
    fn notify(message: Message) -> Result<Vec<Edit>, Error> {
        Ok(edits(&settings()?, &message))
    }
}

/// One comment for each thread, in the order in which they are first spoken of.
fn edits(settings: &Settings, message: &Message) -> Vec<Edit> {
    let mut told: Vec<(Thread, String)> = vec![];
    for event in &message.events {
        let Some(task) = &event.task else { continue };
        for thread in threads(settings.on, task) {
            let text = text(event, task);
            match told.iter_mut().find(|(it, _)| *it == thread) {
                // A living comment says the newest, and one that is too long says what fits.
                Some((_, before)) if settings.living => *before = text,
                Some((_, before)) if before.len() + text.len() > COMMENT => (),
                Some((_, before)) => *before = format!("{before}\n\n{text}"),
                None => told.push((thread, text)),
            }
        }
    }
    let edit = |(thread, text): (Thread, String)| {
        let edit = Edit::on(thread).comment(text);
        if settings.living { edit.slot(SLOT) } else { edit }
    };
    told.into_iter().map(edit).collect()
}

fn threads(on: On, task: &Task) -> Vec<Thread> {
    let issue = task.thread.clone().filter(|_| on != On::Change);
    let numbered = |it: &agentd_sdk::work::Change| Some(Thread::new(&it.repository, it.number?));
    let change = task.change.as_ref().and_then(numbered).filter(|_| on != On::Issue);
    let mut threads: Vec<Thread> = issue.into_iter().chain(change).collect();
    threads.dedup();
    threads
}

/// What happened, what was said of it, and where to see more.
fn text(event: &Event, task: &Task) -> String {
    let severity = match event.severity {
        Severity::Info => "",
        Severity::Warning => "**Worth a look:** ",
        Severity::Urgent => "**Somebody is needed:** ",
    };
    let mut parts = vec![format!("{severity}{}", code(&event.title))];
    if !event.text.trim().is_empty() {
        parts.push(quoted(&event.text, QUOTE));
    }
    let more = event.url.as_ref().map(|url| format!(" · [more]({url})")).unwrap_or_default();
    parts.push(format!("Task `{}`{more}", task.id));
    parts.join("\n\n")
}

#[cfg(test)]
mod tests;
