//! Work as it comes in, before it is a task.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What becomes of work that comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is found and ranked, and nobody is called. A person may start it.
    Propose,
    /// A person is called to start each task.
    #[default]
    Ask,
    /// Tasks start by themselves.
    Auto,
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Mode, ()> {
        match text {
            "propose" => Ok(Mode::Propose),
            "ask" => Ok(Mode::Ask),
            "auto" => Ok(Mode::Auto),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Propose => "propose",
            Mode::Ask => "ask",
            Mode::Auto => "auto",
        })
    }
}

/// An issue or pull request of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The repository's id in the configuration.
    pub repository: String,
    pub number: u32,
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.repository, self.number)
    }
}

impl FromStr for Thread {
    type Err = ();

    fn from_str(text: &str) -> Result<Thread, ()> {
        let (repository, number) = text.rsplit_once('#').ok_or(())?;
        let number = number.parse().map_err(drop)?;
        Ok(Thread { repository: repository.into(), number })
    }
}

/// A unit of work as a source found it. `(source, key)` names it for ever.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// 1 to 256 bytes.
    pub key: String,
    /// One line, at most 256 characters.
    pub title: String,
    /// Markdown, untrusted; at most 256 KiB.
    pub body: String,
    pub url: Option<String>,
    /// The canonical URL of what it is about: at most one open task has it.
    pub subject: Option<String>,
    /// The repository's id in the configuration.
    pub repository: String,
    /// The issue that this is: its progress is told there, and a change closes it.
    pub thread: Option<Thread>,
    /// The branch to start from; none: the repository's default branch.
    pub base: Option<String>,
    pub labels: Vec<String>,
    /// 1 urgent to 4 low.
    pub priority: Option<u32>,
    /// Keys of the same source, or task ids; at most 256.
    pub depends_on: Vec<String>,
    /// What the requester asks beyond title and body; trusted.
    pub instructions: Option<String>,
    pub requested_by: Option<String>,
    /// When it was asked for, milliseconds since 1970.
    pub requested_at: Option<i64>,
    /// The agent's configured name; none: the default one.
    pub agent: Option<String>,
}

impl Draft {
    pub const KEY_BYTES_MAX: usize = 256;
    pub const TITLE_CHARS_MAX: usize = 256;
    pub const BODY_BYTES_MAX: usize = 256 << 10;
    pub const DEPENDS_ON_MAX: usize = 256;

    /// Checks the limits that hold for all work, wherever it comes from.
    ///
    /// # Errors
    /// Which limit is broken, for people: `FIELD: must be …`.
    pub fn check(&self) -> Result<(), &'static str> {
        let title = self.title.trim();
        match () {
            () if self.key.is_empty() || self.key.len() > Draft::KEY_BYTES_MAX => Err("key: must be 1 to 256 bytes"),
            () if title.is_empty() => Err("title: must not be empty"),
            () if self.title.chars().count() > Draft::TITLE_CHARS_MAX => {
                Err("title: must be at most 256 characters; the rest belongs into the body")
            }
            () if self.title.contains(['\n', '\r']) => Err("title: must be one line"),
            () if self.body.len() > Draft::BODY_BYTES_MAX => Err("body: must be at most 256 KiB"),
            () if self.repository.is_empty() => Err("repository: must be the id of a configured repository"),
            () if self.priority.is_some_and(|it| !(1..=4).contains(&it)) => {
                Err("priority: must be 1 (urgent) to 4 (low)")
            }
            () if self.depends_on.len() > Draft::DEPENDS_ON_MAX => Err("depends-on: must name at most 256 others"),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft { key: "a".into(), title: "Do it".into(), repository: "shop".into(), ..Draft::default() }
    }

    #[track_caller]
    fn check(draft: &Draft, what: &str) {
        assert_eq!(draft.check(), Err(what));
    }

    #[test]
    fn each_limit_of_a_draft_is_kept() {
        let full = Draft {
            key: "k".repeat(256),
            title: "é".repeat(256),
            body: "x".repeat(256 << 10),
            priority: Some(4),
            depends_on: vec!["x".into(); 256],
            ..draft()
        };
        assert_eq!((draft().check(), full.check()), (Ok(()), Ok(())));
        check(&Draft { key: String::new(), ..draft() }, "key: must be 1 to 256 bytes");
        check(&Draft { key: "k".repeat(257), ..draft() }, "key: must be 1 to 256 bytes");
        check(&Draft { title: " \t".into(), ..draft() }, "title: must not be empty");
        let long = Draft { title: "t".repeat(257), ..draft() };
        check(&long, "title: must be at most 256 characters; the rest belongs into the body");
        check(&Draft { title: "t\nu".into(), ..draft() }, "title: must be one line");
        check(&Draft { body: "b".repeat((256 << 10) + 1), ..draft() }, "body: must be at most 256 KiB");
        let nowhere = Draft { repository: String::new(), ..draft() };
        check(&nowhere, "repository: must be the id of a configured repository");
        check(&Draft { priority: Some(5), ..draft() }, "priority: must be 1 (urgent) to 4 (low)");
        check(&Draft { depends_on: vec!["x".into(); 257], ..draft() }, "depends-on: must name at most 256 others");
    }
}
