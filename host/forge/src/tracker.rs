//! Issues and people: the trait of forges that have them, and its words.
//!
//! An issue comes with who changed what of it, as far as the forge says so, because work is done only for those who may
//! ask for it. What is not known counts as done by nobody, at that time.

use crate::Error;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A place where work is asked for. All effects may be repeated: what is already so is success.
#[async_trait]
pub trait Tracker: Send + Sync {
    /// The right that the person has in the repository now; an unknown person has [`Right::None`].
    ///
    /// # Errors
    /// If it cannot be asked. There is no right then.
    async fn right(&self, login: &str) -> Result<Right, Error>;

    /// The issue as it is now. `None`: there is no such issue, or it is a pull request.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses.
    async fn issue(&self, number: u32) -> Result<Option<Issue>, Error>;

    /// Takes the thread for this instance and the task. Done before by the same: success.
    ///
    /// # Errors
    /// [`Error::Claimed`] if another instance, or another task, has it.
    async fn claim(&self, number: u32, task: &str) -> Result<(), Error>;

    /// Gives it back. It is fine if it is another instance's or another task's, or not there.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses.
    async fn release(&self, number: u32, task: &str) -> Result<(), Error>;

    /// Makes all of it so. Each part looks first, so the whole may be repeated.
    ///
    /// # Errors
    /// [`Error::NoThread`] if there is no such thread; parts may be done after any error.
    async fn edit(&self, edit: &Edit) -> Result<(), Error>;
}

/// What somebody may do in a repository. The order is that of GitHub's roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

impl Right {
    const ALL: [Right; 6] = [Right::None, Right::Read, Right::Triage, Right::Write, Right::Maintain, Right::Admin];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Right::None => "none",
            Right::Read => "read",
            Right::Triage => "triage",
            Right::Write => "write",
            Right::Maintain => "maintain",
            Right::Admin => "admin",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = Error;

    fn from_str(text: &str) -> Result<Right, Error> {
        Right::ALL.into_iter().find(|it| it.as_str() == text).ok_or_else(|| Error::Invalid {
            what: "the right",
            why: format!("`{text}` is none of none, read, triage, write, maintain and admin"),
        })
    }
}

/// What is to be so on a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edit {
    pub number: u32,
    pub comment: Option<Said>,
    pub add_labels: Vec<String>,
    pub remove_labels: Vec<String>,
    /// Logins; `@me`: the account that agentd works as, left out where that cannot be assigned.
    pub add_assignees: Vec<String>,
    pub remove_assignees: Vec<String>,
    pub reaction: Option<Reaction>,
}

/// A comment. The same slot on the same thread is the same comment, rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Letters, digits and `-_./:`, at most 100.
    pub slot: String,
    /// Markdown.
    pub body: String,
}

/// A reaction to the thread's first text, or to a comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// As the forge gave it with the comment.
    pub comment: Option<String>,
    /// `+1`, `-1`, `laugh`, `confused`, `heart`, `hooray`, `rocket` or `eyes`.
    pub content: String,
}

/// An issue as the forge has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    pub repository: String,
    pub number: u32,
    /// Other people's text, as the body is.
    pub title: String,
    pub body: String,
    pub url: String,
    pub open: bool,
    /// `completed`, `not-planned`, `duplicate`, or empty.
    pub state_reason: String,
    pub closed_by: Option<Person>,
    pub author: Person,
    pub labels: Vec<Applied>,
    /// Logins.
    pub assignees: Vec<String>,
    /// The milestone's title.
    pub milestone: Option<String>,
    /// How many there are.
    pub comments: u32,
    /// In milliseconds since 1970, as all times here.
    pub created_at: i64,
    pub changed_at: i64,
    /// Every change of title or body that is known, newest last.
    pub edits: Vec<TextEdit>,
}

/// A label that an issue has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub name: String,
    /// Who set it last, and when, where the forge says so.
    pub by: Option<Person>,
    pub at: Option<i64>,
}

/// A change of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextEdit {
    /// `None`: it is not known who.
    pub by: Option<Person>,
    pub at: i64,
    pub what: Text,
}

/// Which text of an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    Title,
    Body,
}

/// An account of the forge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub login: String,
    pub name: Option<String>,
    pub bot: bool,
}
