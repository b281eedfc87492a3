//! Work as it comes in, before it is a task.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What becomes of work that comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is found and ranked, and nobody can start it.
    Propose,
    /// A person starts each task.
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
    /// The branch to start from; none: the repository's default branch.
    pub base: Option<String>,
    pub labels: Vec<String>,
    /// 1 urgent to 4 low.
    pub priority: Option<u32>,
    /// Keys of the same source, or task ids.
    pub depends_on: Vec<String>,
    /// What the requester asks beyond title and body; trusted.
    pub instructions: Option<String>,
    pub requested_by: Option<String>,
    /// When it was asked for, milliseconds since 1970.
    pub requested_at: Option<i64>,
    /// The agent's configured name; none: the repository's or the default one.
    pub agent: Option<String>,
}
