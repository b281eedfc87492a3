//! Lists of what is on GitHub: issues with who made them what they are, comments, pull requests, checks.
//!
//! Several repositories of one owner are one search, which costs one request however many they are; one repository is a
//! list, which is always up to date where a search may be some seconds behind.
//!
//! - Never gives anything of a repository that was not asked for.
//! - Never writes.

use super::{GitHub, Page, Scope, issue, issue::RestIssue, path};
use crate::{Error, Issue, Person};
use serde::{Deserialize, Serialize};

mod check;
mod issues;
mod pull_request;
mod said;

pub(super) use issues::Seen;

/// Which issues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssueQuery {
    /// `owner/name`; nothing of another one is given.
    pub repositories: Vec<String>,
    /// `open`, `closed` or `all`.
    pub state: String,
    /// Only those that have all of these.
    pub labels: Vec<String>,
    /// Only those changed at or after that moment, in milliseconds since 1970.
    pub changed_since: Option<i64>,
    pub order: IssueOrder,
    /// A login, or `*` for anybody.
    pub assignee: Option<String>,
    /// Its title.
    pub milestone: Option<String>,
    pub cursor: Option<String>,
    /// 1 to 100 a page. There may be fewer, also before the last one.
    pub limit: u32,
}

/// In which order, within one owner's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueOrder {
    /// Most recently created first.
    #[default]
    Newest,
    Oldest,
    /// Most recently changed first.
    Freshest,
    Stalest,
}

/// Which comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommentQuery {
    pub repositories: Vec<String>,
    /// Those of this thread, reviews included; then there is one repository.
    pub number: Option<u32>,
    /// Only those changed at or after that moment, in milliseconds since 1970.
    pub changed_since: Option<i64>,
    pub cursor: Option<String>,
    /// 1 to 100 a page.
    pub limit: u32,
}

/// Something said on a thread, or beside a line of its diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadComment {
    /// The forge's; those beside lines begin with `line-`, those of reviews with `review-`.
    pub id: String,
    pub repository: String,
    pub number: u32,
    pub author: Person,
    /// Untrusted.
    pub body: String,
    pub url: String,
    pub location: Option<Location>,
    /// In milliseconds since 1970.
    pub created_at: i64,
    pub changed_at: i64,
    /// agentd wrote it: it has this instance's mark and is from its own account.
    pub own: bool,
}

/// Lines of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub path: String,
    /// Counted from 1; 0: the file as a whole.
    pub line: u32,
    pub end_line: u32,
}

/// Which pull requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullQuery {
    pub repository: String,
    /// `open`, `closed` or `all`.
    pub state: String,
    /// Only those of this source branch.
    pub head: Option<String>,
    pub cursor: Option<String>,
    /// 1 to 100 a page.
    pub limit: u32,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    pub repository: String,
    pub number: u32,
    /// Untrusted, like the body.
    pub title: String,
    pub body: String,
    pub url: String,
    /// `draft`, `open`, `merged` or `closed`.
    pub state: String,
    pub author: Person,
    pub labels: Vec<String>,
    /// The source branch, and its last commit.
    pub head: String,
    pub head_commit: String,
    pub base: String,
    /// In milliseconds since 1970.
    pub created_at: i64,
    pub changed_at: i64,
}

/// What CI says of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    /// `waiting`, `running`, `passed`, `failed`, `cancelled` or `skipped`.
    pub state: String,
    pub url: Option<String>,
    /// What it says of itself; untrusted.
    pub summary: String,
}

/// The address of a repository's part.
fn of(repository: &str, rest: &str) -> String {
    format!("repos/{}{}{rest}", path::segments(repository), if rest.is_empty() { "" } else { "/" })
}

/// How many a page has.
fn per_page(limit: u32) -> (&'static str, String) {
    ("per_page", limit.clamp(1, 100).to_string())
}

/// Which of several lists a page is of, and how far that one has come.
struct Cursor {
    list: usize,
    within: Option<String>,
}

impl Cursor {
    fn read(text: Option<&str>) -> Result<Cursor, Error> {
        let Some(text) = text else { return Ok(Cursor { list: 0, within: None }) };
        let (list, within) = text.split_once('~').unwrap_or((text, ""));
        let bad = |_| Error::Invalid { what: "the cursor", why: "it is none of agentd's".to_owned() };
        let within = (!within.is_empty()).then(|| within.to_owned());
        Ok(Cursor { list: list.parse().map_err(bad)?, within })
    }

    /// The cursor after a page of this list, of which there are `lists`.
    fn after(list: usize, next: Option<String>, lists: usize) -> Option<String> {
        match next {
            Some(next) => Some(format!("{list}~{next}")),
            None if list + 1 < lists => Some(format!("{}~", list + 1)),
            None => None,
        }
    }
}

fn rfc3339(ms: i64) -> String {
    // Whole seconds, rounded down: what changed within this one counts.
    jiff::Timestamp::from_second(ms.div_euclid(1000))
        .map_or_else(|_| "1970-01-01T00:00:00Z".into(), |at| at.to_string())
}

#[cfg(test)]
mod tests;
