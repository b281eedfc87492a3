//! Why the forge did not do what it was told.

use crate::{State, git};
use std::path::PathBuf;

/// Variants are the branches a caller takes; the texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "{} cannot be used as a git repository: {why}\n\
         hint: give a repository's folder, or make one with `git init`",
        path.display()
    )]
    NotARepository { path: PathBuf, why: String },
    #[error(
        "the repository {} has no commit yet\nhint: make a first commit on its branch `{branch}`",
        path.display()
    )]
    NoCommits { path: PathBuf, branch: String },
    #[error(
        "the repository {} has no default branch: {why}\n\
         hint: name the base branch, or let HEAD name one: `git symbolic-ref HEAD refs/heads/BRANCH`",
        path.display()
    )]
    NoDefaultBranch { path: PathBuf, why: String },
    #[error("the repository {path} has no branch `{branch}`", path = path.display())]
    NoBranch { path: PathBuf, branch: String },
    /// agentd may write this branch under no circumstances.
    #[error("`{branch}` was not written: agentd writes branches below `{prefix}` only")]
    OutsidePrefix { branch: String, prefix: String },
    /// A name, a number or a text that cannot be one.
    #[error("{what}: {why}")]
    Invalid { what: &'static str, why: String },
    /// Somebody else moved, made or deleted the branch.
    #[error(
        "`{branch}` was not pushed: it should {}, and {}",
        expected_words(expected.as_deref()),
        found_words(found.as_deref())
    )]
    Stale { branch: String, expected: Option<String>, found: Option<String> },
    /// The branch is not what was reviewed.
    #[error(
        "change {number} was not merged: `{branch}` should be at {expected}, and {}\nhint: look at it again",
        found_words(found.as_deref())
    )]
    Moved { number: u32, branch: String, expected: String, found: Option<String> },
    #[error("change {number} does not merge into `{base}` cleanly: {}", files.join(", "))]
    Conflict { number: u32, base: String, files: Vec<String> },
    /// Moving the branch would pull it away under a work tree. `hint` is what a person does there.
    #[error(
        "`{branch}` is checked out in {}, and agentd touches no work tree\nhint: {hint}",
        path.display()
    )]
    CheckedOut { branch: String, path: PathBuf, hint: String },
    #[error("there is no change {0}")]
    NoChange(u32),
    /// A closed change can no longer be merged.
    #[error("change {number} is {state}")]
    NotOpen { number: u32, state: State },
    #[error("no change was opened: `{branch}` has no commit that `{base}` lacks")]
    NothingNew { branch: String, base: String },
    /// Somebody wrote something else where a change is recorded.
    #[error(
        "the record of change {number} cannot be read ({why})\nhint: look at it with `git cat-file -p {reference}`"
    )]
    Record { number: u32, reference: String, why: String },
    /// Others were quicker again and again. The same may be tried again.
    #[error("{what} was changed by somebody else {tries} times in a row")]
    Contended { what: String, tries: u32 },
    #[error(transparent)]
    Git(#[from] git::Error),
}

impl Error {
    /// Whether the same may well succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Contended { .. } => true,
            Error::Git(error) => error.is_transient(),
            _ => false,
        }
    }
}

fn expected_words(expected: Option<&str>) -> String {
    expected.map_or_else(|| "not exist".into(), |commit| format!("be at {commit}"))
}

fn found_words(found: Option<&str>) -> String {
    found.map_or_else(|| "does not exist".into(), |commit| format!("is at {commit}"))
}
