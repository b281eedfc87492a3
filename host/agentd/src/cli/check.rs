//! Checks and how they are shown: what was looked at, what was found, what to do.

use super::print::{Out, Paint, lines_of};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    Ok,
    /// It works, with something to know.
    Warn,
    /// agentd, or the part that the line is about, cannot work.
    Fail,
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) level: Level,
    /// What was looked at.
    pub(crate) name: String,
    /// What was found.
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: impl Into<String>, text: impl Into<String>) -> Check {
        Check { level: Level::Ok, name: name.into(), text: text.into(), hint: None }
    }

    pub(crate) fn warn(name: impl Into<String>, text: impl Into<String>, hint: impl Into<String>) -> Check {
        Check { level: Level::Warn, name: name.into(), text: text.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn fail(name: impl Into<String>, text: impl Into<String>, hint: impl Into<String>) -> Check {
        Check { level: Level::Fail, name: name.into(), text: text.into(), hint: Some(hint.into()) }
    }
}

/// How many of them say that something cannot work.
pub(crate) fn failed(checks: &[Check]) -> usize {
    checks.iter().filter(|it| it.level == Level::Fail).count()
}

/// All of them, for people.
pub(crate) fn text(out: &Out, checks: &[Check]) -> String {
    let mut lines = Vec::new();
    for Check { level, name, text, hint } in checks {
        let word = match level {
            Level::Ok => out.paint(Paint::Green, "ok  "),
            Level::Warn => out.paint(Paint::Yellow, "warn"),
            Level::Fail => out.paint(Paint::Red, "fail"),
        };
        let text = lines_of(text).replace('\n', "\n      ");
        lines.push(format!("{word}  {name}: {text}"));
        lines.extend(
            hint.as_ref().map(|hint| format!("      hint: {}", lines_of(hint).replace('\n', "\n            "))),
        );
    }
    lines.join("\n")
}
