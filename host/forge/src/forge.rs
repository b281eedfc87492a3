//! The trait of all forges, and its words.

use crate::{Error, Tracker};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{fmt, path::Path};

/// A place where changes are reviewed. All effects may be repeated: what is already so is success.
#[async_trait]
pub trait Forge: Send + Sync {
    /// One word: `local`, `github`.
    fn kind(&self) -> &'static str;

    /// Where people look at the repository, if there is such a place.
    fn url(&self) -> Option<String>;

    /// Brings heads and tags of the bare repository at `mirror` up to date. What is gone from the forge goes there, too.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses. The mirror is whole in any case.
    async fn fetch(&self, mirror: &Path) -> Result<(), Error>;

    /// The branch that changes are made for unless somebody says otherwise. It exists and has a commit.
    async fn default_branch(&self) -> Result<String, Error>;

    /// Pushes `commit` from the repository at `from` to `branch`.
    ///
    /// `expected` is what the branch has to be now; `None`: it must not exist. A branch that already is at `commit` is
    /// success, whatever was expected.
    ///
    /// # Errors
    /// [`Error::Stale`] if the branch is somewhere else, [`Error::OutsidePrefix`] if it is none of agentd's.
    async fn push(&self, from: &Path, commit: &str, branch: &str, expected: Option<&str>) -> Result<Pushed, Error>;

    /// Opens a change, or finds it: the one with the same key, or the open one for the same branch and base. One that is
    /// found open gets the title and the body.
    ///
    /// # Errors
    /// [`Error::NothingNew`] if the branch has no commit that the base lacks, [`Error::NoBranch`] if one of them is gone.
    async fn open_change(&self, new: NewChange) -> Result<Change, Error>;

    /// Gives the change the labels that it lacks, and asks reviewers (logins, or `team:org/slug`) who were not asked. None
    /// is taken off. A forge that has neither does nothing.
    async fn dress_change(&self, number: u32, labels: &[String], reviewers: &[String]) -> Result<(), Error>;

    /// The change as it is now; `None`: there is no such number.
    async fn change(&self, number: u32) -> Result<Option<Change>, Error>;

    /// As [`Forge::change`] for each of the numbers that is there, by number, with as few requests as it can.
    async fn changes_of(&self, numbers: &[u32]) -> Result<Vec<Change>, Error>;

    /// All changes in the order of their numbers.
    async fn changes(&self) -> Result<Vec<Change>, Error>;

    /// Says something about a change, once for each `key`.
    async fn comment(&self, number: u32, body: &str, key: &str) -> Result<(), Error>;

    /// Merges the change if its branch is at `commit`, with a merge commit whose author is `author`.
    ///
    /// # Errors
    /// [`Error::Moved`] if the branch is not at `commit`; [`Error::Conflict`] if it does not merge cleanly;
    /// [`Error::CheckedOut`] if moving the base would pull it away under somebody's work tree.
    async fn merge(&self, number: u32, commit: &str, author: &Author) -> Result<Change, Error>;

    /// Closes the change without merging it. A merged one stays merged; its branch goes all the same if it is asked.
    async fn close(&self, number: u32, delete_branch: bool) -> Result<Change, Error>;

    /// Deletes one of agentd's branches if it is at `commit`. False: it is elsewhere, or gone.
    ///
    /// # Errors
    /// [`Error::OutsidePrefix`] if it is none of agentd's.
    async fn delete_branch(&self, branch: &str, commit: &str) -> Result<bool, Error>;

    /// What `commit` changes since it left `base` (a branch or a commit), as a unified diff. It is cut at 4 MiB, and
    /// then says so in its last line.
    async fn diff(&self, base: &str, commit: &str) -> Result<String, Error>;

    /// Whether the token of a run of CI may write unless its workflow says otherwise. `None`: there is no CI, or agentd may
    /// not ask.
    ///
    /// # Errors
    /// If the forge cannot be reached.
    async fn workflow_token_writes(&self) -> Result<Option<bool>, Error>;

    /// Issues and people, where the forge has them.
    fn tracker(&self) -> Option<&dyn Tracker> {
        None
    }
}

/// A change that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    pub branch: String,
    pub base: String,
    /// One line.
    pub title: String,
    /// Markdown, complete: a forge adds nothing that people see.
    pub body: String,
    /// Names the effect: opening the same key again finds the same change, even a closed one.
    pub key: String,
    /// Not yet to be merged. Where the repository has no drafts, the change is a normal one.
    pub draft: bool,
}

/// A change as the forge knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub number: u32,
    pub title: String,
    pub body: String,
    pub branch: String,
    pub base: String,
    /// Where its branch is; once it is merged or closed, where it was.
    pub commit: String,
    pub state: State,
    /// Where people look at it.
    pub url: Option<String>,
    /// The commit of the base that brought it in.
    pub merged_as: Option<String>,
    /// agentd's own.
    pub comments: Vec<Comment>,
    #[serde(default)]
    pub draft: bool,
    /// Whether people were asked to review it and have not yet.
    #[serde(default)]
    pub review_requested: bool,
}

/// Something that was said about a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    pub key: String,
    pub body: String,
}

/// What has become of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Open,
    Merged,
    Closed,
}

impl State {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Merged => "merged",
            State::Closed => "closed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who made a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    pub name: String,
    pub email: String,
}

/// What a push did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub commit: String,
    /// False: the branch was there already.
    pub moved: bool,
}
