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
    #[error("the repository {repository} has no branch `{branch}`")]
    NoBranch { repository: String, branch: String },
    /// agentd may write this branch under no circumstances.
    #[error("`{branch}` was not written: agentd writes branches below `{prefix}` only")]
    OutsidePrefix { branch: String, prefix: String },
    /// A name, a number or a text that cannot be one.
    #[error("{what}: {why}")]
    Invalid { what: &'static str, why: String },
    /// Somebody else moved, made or deleted the branch.
    #[error(
        "`{branch}` was left as it is: it should {}, and {}\n\
         hint: look at what somebody pushed there: a further run of the task starts from it",
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
    /// `files` is empty where the forge does not say which.
    #[error(
        "change {number} does not merge into `{base}` cleanly{}\n\
         hint: `agentd task reject --comment` has a run bring it up to date, or merge the base into its branch by hand",
        files_words(files)
    )]
    Conflict { number: u32, base: String, files: Vec<String> },
    /// Moving the branch would pull it away under a work tree. `hint` is what a person does there.
    #[error(
        "`{branch}` is checked out in {}, and agentd touches no work tree\nhint: {hint}",
        path.display()
    )]
    CheckedOut { branch: String, path: PathBuf, hint: String },
    #[error("there is no change {0}")]
    NoChange(u32),
    #[error("{repository} has no issue or pull request {number}")]
    NoThread { repository: String, number: u32 },
    /// Another instance, or another task of this one, works on the thread. `by` says whom, `since` is in milliseconds
    /// since 1970, `hint` is what a person does if nobody does any more.
    #[error("{repository}#{number} is taken: {by} works on it{}\nhint: {hint}", since_words(*since))]
    Claimed { repository: String, number: u32, by: String, since: Option<i64>, hint: String },
    /// The forge took the connection and refused the branch: a rule, a hook, a size.
    #[error("`{branch}` was not pushed: {repository} refused it: {why}\nhint: {hint}")]
    PushRefused { repository: String, branch: String, why: String, hint: String },
    /// The forge does not merge it, for a reason of its own.
    #[error("change {number} was not merged: {why}")]
    NotMergeable { number: u32, why: String },
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
    /// No connection or no answer to something that changes nothing, or that was not sent. The same may be tried again.
    #[error("{host} did not answer: {why}\nhint: `agentd doctor` looks at the way there")]
    NotReachable { host: String, why: String },
    /// It was not sent, and would not be sent the next time.
    #[error("{host} was not asked: {why}")]
    NotAsked { host: String, why: String },
    /// It was sent, and the answer was lost: look before it is done again.
    #[error("nobody knows whether {host} did `{what}`: {why}")]
    Unknown { what: String, host: String, why: String },
    #[error(
        "{host} does not take agentd's token or App: {message}\n\
         hint: `agentd auth github` sets another one; a token may have ended or been revoked"
    )]
    Unauthorized { host: String, message: String },
    /// The access lacks a right; `hint` says which, where GitHub does.
    #[error("{host} did not let agentd {what}: {message}\nhint: {hint}")]
    Forbidden { host: String, what: String, message: String, hint: String },
    #[error(
        "agentd's App is not installed for {repository} on {host}, or not for this repository\n\
         hint: install it there: {host}, Settings, Developer settings, GitHub Apps, Install App; `agentd auth github` tests it"
    )]
    NotInstalled { host: String, repository: String },
    #[error(
        "there is no repository {repository} on {host}, or this access does not see it\n\
         hint: look at the name, and at which repositories the token was given; `agentd auth github` sets another one"
    )]
    NoRepository { host: String, repository: String },
    /// `until` is in milliseconds since 1970: there is nothing to be had before.
    #[error("{host}'s limit of requests is used up until {}", time_words(*until))]
    Limited { host: String, until: i64 },
    /// It failed several times in a row, and is left alone for a while. `until` is in milliseconds since 1970.
    #[error(
        "{host} failed several times in a row and is not asked until {}\nhint: `agentd doctor` looks at the way there",
        time_words(*until)
    )]
    Resting { host: String, until: i64 },
    #[error("`{what}` was refused ({status}): {message}")]
    Refused { what: String, status: u16, message: String },
    #[error(
        "the answer to `{what}` is not what it should be: {why}\n\
         hint: is a proxy in between that answers by itself? `agentd doctor` looks at the way there"
    )]
    Unreadable { what: String, why: String },
}

impl Error {
    /// Whether the same may well succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Contended { .. }
            | Error::NotReachable { .. }
            | Error::Unknown { .. }
            | Error::Limited { .. }
            | Error::Resting { .. } => true,
            Error::Git(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether the same succeeds once a person has put agentd's access right.
    #[must_use]
    pub fn is_access(&self) -> bool {
        matches!(
            self,
            Error::Unauthorized { .. }
                | Error::Forbidden { .. }
                | Error::NotInstalled { .. }
                | Error::NoRepository { .. }
        )
    }

    /// When the same may be tried again, in milliseconds since 1970, where that is known.
    #[must_use]
    pub fn retry_at(&self) -> Option<i64> {
        match self {
            Error::Limited { until, .. } | Error::Resting { until, .. } => Some(*until),
            _ => None,
        }
    }
}

fn time_words(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "some day".to_owned(), |at| format!("{at:.0}"))
}

fn since_words(since: Option<i64>) -> String {
    let since = since.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    since.map_or_else(String::new, |at| format!(" since {at:.0}"))
}

fn files_words(files: &[String]) -> String {
    if files.is_empty() { String::new() } else { format!(": {}", files.join(", ")) }
}

fn expected_words(expected: Option<&str>) -> String {
    expected.map_or_else(|| "not exist".into(), |commit| format!("be at {commit}"))
}

fn found_words(found: Option<&str>) -> String {
    found.map_or_else(|| "does not exist".into(), |commit| format!("is at {commit}"))
}
