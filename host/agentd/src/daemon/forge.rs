//! What plugins ask of the forge: their questions in the client's words, and its answers in theirs.
//!
//! Rights are decided before, and limits, caches and retries are the client's business. Repositories that are not on
//! GitHub have no issues: lists leave them out, and whoever asks for one of them by number hears that it is not there.
//!
//! - Never hands on what agentd itself wrote: a comment of its own is no news.
//! - Never hands on a change of a text without an author: where that is not known, it is somebody without any right.

use agentd_forge::{self as forge, GitHub, Tracker, github};
use agentd_plugin::wit::{
    common::{Error, RateLimit, Timestamp},
    forge as wit,
    work::{Comment, Location, Person, Thread},
};
use std::collections::BTreeSet;

/// What JavaScript can hold, as the contract promises.
const LATEST: Timestamp = (1 << 53) - 1;

/// GitHub, and which repositories are there.
#[derive(Clone)]
pub(super) struct Reading {
    github: Option<GitHub>,
    there: BTreeSet<String>,
}

impl Reading {
    /// `there`: the ids of the repositories that are on GitHub.
    pub(super) fn new(github: Option<GitHub>, there: impl IntoIterator<Item = String>) -> Reading {
        Reading { github, there: there.into_iter().collect() }
    }

    pub(super) async fn list_issues(&self, ids: &[String], query: wit::IssueQuery) -> Result<wit::IssuePage, Error> {
        let Some((github, repositories)) = self.of(ids) else {
            return Ok(wit::IssuePage { issues: vec![], next: None, extra: vec![] });
        };
        let page = github.issues(&issue_query(repositories, query)).await.map_err(refusal)?;
        Ok(wit::IssuePage { issues: page.items.into_iter().map(issue).collect(), next: page.next, extra: vec![] })
    }

    pub(super) async fn get_issue(&self, repository: &str, number: u32) -> Result<wit::Issue, Error> {
        let missing = || Error::NotFound(format!("there is no issue {repository}#{number}, or it cannot be seen"));
        let repository = self.one(repository)?.repository(repository, false).map_err(refusal)?;
        repository.issue(number).await.map_err(refusal)?.map(issue).ok_or_else(missing)
    }

    pub(super) async fn list_comments(
        &self,
        ids: &[String],
        query: wit::CommentQuery,
    ) -> Result<wit::CommentPage, Error> {
        let Some((github, repositories)) = self.of(ids) else {
            return Ok(wit::CommentPage { comments: vec![], next: None, extra: vec![] });
        };
        let query = github::CommentQuery {
            repositories,
            number: query.number,
            changed_since: query.changed_since.map(ms),
            cursor: query.cursor,
            limit: query.limit,
        };
        let page = github.comments(&query).await.map_err(refusal)?;
        let comments = page.items.into_iter().filter(|it| !it.own).map(comment).collect();
        Ok(wit::CommentPage { comments, next: page.next, extra: vec![] })
    }

    pub(super) async fn list_pull_requests(&self, query: wit::PullRequestQuery) -> Result<wit::PullRequestPage, Error> {
        let Some((github, _)) = self.of(std::slice::from_ref(&query.repository)) else {
            return Ok(wit::PullRequestPage { pull_requests: vec![], next: None, extra: vec![] });
        };
        let query = github::PullQuery {
            repository: query.repository,
            state: query.state,
            head: query.head,
            cursor: query.cursor,
            limit: query.limit,
        };
        let page = github.pull_requests(&query).await.map_err(refusal)?;
        let pull_requests = page.items.into_iter().map(pull_request).collect();
        Ok(wit::PullRequestPage { pull_requests, next: page.next, extra: vec![] })
    }

    pub(super) async fn get_pull_request(&self, repository: &str, number: u32) -> Result<wit::PullRequest, Error> {
        let missing =
            || Error::NotFound(format!("there is no pull request {repository}#{number}, or it cannot be seen"));
        let found = self.one(repository)?.pull_request(repository, number).await.map_err(refusal)?;
        found.map(pull_request).ok_or_else(missing)
    }

    pub(super) async fn list_labels(&self, repository: &str) -> Result<Vec<wit::Label>, Error> {
        let Some((github, _)) = self.of(&[repository.to_owned()]) else { return Ok(vec![]) };
        let labels = github.labels(repository).await.map_err(refusal)?;
        let label = |it: github::Label| wit::Label { name: it.name, description: it.description, extra: vec![] };
        Ok(labels.into_iter().map(label).collect())
    }

    pub(super) async fn list_checks(&self, repository: &str, commit: &str) -> Result<Vec<wit::Check>, Error> {
        let Some((github, _)) = self.of(&[repository.to_owned()]) else { return Ok(vec![]) };
        let checks = github.checks(repository, commit).await.map_err(refusal)?;
        let check = |it: github::Check| wit::Check {
            name: it.name,
            state: it.state,
            url: it.url,
            summary: it.summary,
            extra: vec![],
        };
        Ok(checks.into_iter().map(check).collect())
    }

    /// Those of the repositories that GitHub can be asked about. None: there are none.
    fn of(&self, ids: &[String]) -> Option<(&GitHub, Vec<String>)> {
        let repositories: Vec<String> = ids.iter().filter(|it| self.there.contains(*it)).cloned().collect();
        self.github.as_ref().filter(|_| !repositories.is_empty()).map(|github| (github, repositories))
    }

    fn one(&self, repository: &str) -> Result<&GitHub, Error> {
        let known = self.there.contains(repository);
        self.github.as_ref().filter(|_| known).ok_or_else(|| {
            Error::NotFound(format!("the repository {repository} is not on GitHub: it has no issues or pull requests"))
        })
    }
}

fn issue_query(repositories: Vec<String>, query: wit::IssueQuery) -> github::IssueQuery {
    let mut extra = query.extra;
    let mut take = |key: &str| extra.iter().position(|it| it.0 == key).map(|place| extra.swap_remove(place).1);
    github::IssueQuery {
        repositories,
        state: query.state,
        labels: query.labels,
        changed_since: query.changed_since.map(ms),
        order: match query.order {
            wit::IssueOrder::Newest => github::IssueOrder::Newest,
            wit::IssueOrder::Oldest => github::IssueOrder::Oldest,
            wit::IssueOrder::Freshest => github::IssueOrder::Freshest,
            wit::IssueOrder::Stalest => github::IssueOrder::Stalest,
        },
        assignee: take("assignee"),
        milestone: take("milestone"),
        cursor: query.cursor,
        limit: query.limit,
    }
}

fn issue(it: forge::Issue) -> wit::Issue {
    let editor = editor(&it);
    let label = |it: forge::Applied| wit::AppliedLabel {
        name: it.name,
        by: it.by.map(person),
        at: it.at.map(timestamp),
        extra: vec![],
    };
    wit::Issue {
        repository: it.repository,
        number: it.number,
        title: it.title,
        body: it.body,
        url: it.url,
        state: if it.open { "open".into() } else { "closed".into() },
        state_reason: it.state_reason,
        author: person(it.author),
        editor,
        labels: it.labels.into_iter().map(label).collect(),
        assignees: it.assignees,
        milestone: it.milestone,
        comments: it.comments,
        created_at: timestamp(it.created_at),
        changed_at: timestamp(it.changed_at),
        extra: it.closed_by.into_iter().map(|by| ("closed-by".into(), by.login)).collect(),
    }
}

/// Who changed title or body last, if that was not the author. Where the forge does not say who it was, it is the name
/// that GitHub gives to those who are gone.
fn editor(it: &forge::Issue) -> Option<Person> {
    let last = it.edits.last()?;
    match &last.by {
        Some(by) if by.login.eq_ignore_ascii_case(&it.author.login) => None,
        Some(by) => Some(person(by.clone())),
        None => Some(Person { login: "ghost".into(), name: None, bot: false, extra: vec![] }),
    }
}

fn comment(it: github::ThreadComment) -> Comment {
    let location =
        |it: github::Location| Location { path: it.path, line: it.line, end_line: it.end_line, extra: vec![] };
    Comment {
        id: it.id,
        author: person(it.author),
        body: it.body,
        url: Some(it.url).filter(|url| !url.is_empty()),
        thread: Some(Thread { repository: it.repository, number: it.number, extra: vec![] }),
        location: it.location.map(location),
        created_at: timestamp(it.created_at),
        updated_at: timestamp(it.changed_at),
        extra: vec![],
    }
}

fn pull_request(it: github::PullRequest) -> wit::PullRequest {
    wit::PullRequest {
        repository: it.repository,
        number: it.number,
        title: it.title,
        body: it.body,
        url: it.url,
        state: it.state,
        author: person(it.author),
        labels: it.labels,
        head: it.head,
        head_commit: it.head_commit,
        base: it.base,
        created_at: timestamp(it.created_at),
        changed_at: timestamp(it.changed_at),
        extra: vec![],
    }
}

fn person(it: forge::Person) -> Person {
    Person { login: it.login, name: it.name, bot: it.bot, extra: vec![] }
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::try_from(ms).unwrap_or(0).min(LATEST)
}

fn ms(timestamp: Timestamp) -> i64 {
    i64::try_from(timestamp).unwrap_or(i64::MAX)
}

/// A client's error as the plugin hears of it, and hands it on: its case decides when the call is made again.
fn refusal(error: forge::Error) -> Error {
    use forge::Error as E;
    let text = error.to_string();
    match error {
        E::Limited { until, .. } => {
            Error::RateLimited(RateLimit { retry_at: Some(timestamp(until)), message: text, extra: vec![] })
        }
        E::Unauthorized { .. } | E::Forbidden { .. } | E::NotInstalled { .. } => Error::Denied(text),
        E::Invalid { .. } => Error::Invalid(text),
        E::NoThread { .. } | E::NoChange(_) | E::NoBranch { .. } => Error::NotFound(text),
        _ if error.is_transient() => Error::Unavailable(text),
        _ => Error::Other(text),
    }
}

#[cfg(test)]
mod tests;
