//! `agentd:host/forge`: issues, comments, pull requests and checks, of the entry's repositories.
//!
//! A repository is one of the entry's here or nowhere: the daemon is given the ids that it may ask about. Numbers are
//! brought into their documented ranges, and words that mean nothing are refused before the daemon sees them.

use crate::bindings::agentd::host::forge::{
    Check, CommentPage, CommentQuery, Host, Issue, IssuePage, IssueQuery, Label, PullRequest, PullRequestPage,
    PullRequestQuery,
};
use crate::draft::check_cursor;
use crate::state::State;
use crate::wit::common::{Error, Extra};

const PAGE: u32 = 100;
/// Labels of one query.
const LABELS: usize = 20;
/// A label, a login, a milestone, a branch.
const WORD_BYTES: usize = 256;

impl Host for State {
    async fn list_issues(&mut self, mut query: IssueQuery) -> wasmtime::Result<Result<IssuePage, Error>> {
        query.limit = query.limit.clamp(1, PAGE);
        Ok(match self.forge(query.repository.as_deref()).and_then(|ids| check_issues(&query).map(|()| ids)) {
            Ok(ids) => self.host.list_issues(&ids, query).await,
            Err(error) => Err(error),
        })
    }

    async fn get_issue(&mut self, repository: String, number: u32) -> wasmtime::Result<Result<Issue, Error>> {
        Ok(match self.forge(Some(&repository)) {
            Ok(_) => self.host.get_issue(&repository, number).await,
            Err(error) => Err(error),
        })
    }

    async fn list_comments(&mut self, mut query: CommentQuery) -> wasmtime::Result<Result<CommentPage, Error>> {
        query.limit = query.limit.clamp(1, PAGE);
        Ok(match self.forge(query.repository.as_deref()).and_then(|ids| check_comments(&query).map(|()| ids)) {
            Ok(ids) => self.host.list_comments(&ids, query).await,
            Err(error) => Err(error),
        })
    }

    async fn list_pull_requests(
        &mut self,
        mut query: PullRequestQuery,
    ) -> wasmtime::Result<Result<PullRequestPage, Error>> {
        query.limit = query.limit.clamp(1, PAGE);
        Ok(match self.forge(Some(&query.repository)).and_then(|_| check_pull_requests(&query)) {
            Ok(()) => self.host.list_pull_requests(query).await,
            Err(error) => Err(error),
        })
    }

    async fn get_pull_request(
        &mut self,
        repository: String,
        number: u32,
    ) -> wasmtime::Result<Result<PullRequest, Error>> {
        Ok(match self.forge(Some(&repository)) {
            Ok(_) => self.host.get_pull_request(&repository, number).await,
            Err(error) => Err(error),
        })
    }

    async fn list_labels(&mut self, repository: String) -> wasmtime::Result<Result<Vec<Label>, Error>> {
        Ok(match self.forge(Some(&repository)) {
            Ok(_) => self.host.list_labels(&repository).await,
            Err(error) => Err(error),
        })
    }

    async fn list_checks(&mut self, repository: String, commit: String) -> wasmtime::Result<Result<Vec<Check>, Error>> {
        Ok(match self.forge(Some(&repository)).and_then(|_| check_revision("commit", &commit)) {
            Ok(()) => self.host.list_checks(&repository, &commit).await,
            Err(error) => Err(error),
        })
    }
}

impl State {
    fn forge(&self, repository: Option<&str>) -> Result<Vec<String>, Error> {
        self.open("forge")?;
        self.rights.forge(repository)
    }
}

fn check_issues(query: &IssueQuery) -> Result<(), Error> {
    check_state(&query.state)?;
    if query.labels.len() > LABELS {
        return Err(Error::TooLarge(format!("the query names {} labels; {LABELS} are allowed", query.labels.len())));
    }
    query.labels.iter().try_for_each(|label| check_word("label", label))?;
    for key in ["assignee", "milestone"] {
        value(&query.extra, key).map_or(Ok(()), |it| check_word(key, it))?;
    }
    check_page(query.cursor.as_ref())
}

fn check_comments(query: &CommentQuery) -> Result<(), Error> {
    if query.number.is_some() && query.repository.is_none() {
        return Err(Error::Invalid("the query names a number and no repository that it is of".into()));
    }
    check_page(query.cursor.as_ref())
}

fn check_pull_requests(query: &PullRequestQuery) -> Result<(), Error> {
    check_state(&query.state)?;
    query.head.as_ref().map_or(Ok(()), |it| check_revision("head", it))?;
    check_page(query.cursor.as_ref())
}

fn check_state(state: &str) -> Result<(), Error> {
    if matches!(state, "open" | "closed" | "all") {
        return Ok(());
    }
    Err(Error::Invalid(format!("the query's state is `{}`; it is `open`, `closed` or `all`", shown(state))))
}

/// A commit or branch, which becomes a part of a path.
fn check_revision(what: &str, revision: &str) -> Result<(), Error> {
    check_word(what, revision)?;
    let plain = |it: char| !it.is_whitespace() && !"~^:?*[\\".contains(it);
    if revision.starts_with(['/', '-']) || revision.contains("..") || !revision.chars().all(plain) {
        return Err(Error::Invalid(format!("`{}` is no {what}", shown(revision))));
    }
    Ok(())
}

fn check_word(what: &str, word: &str) -> Result<(), Error> {
    if word.is_empty() || word.len() > WORD_BYTES || word.contains(char::is_control) {
        return Err(Error::Invalid(format!(
            "the {what} `{}` cannot be: it has 1 to {WORD_BYTES} bytes and no control characters",
            shown(word)
        )));
    }
    Ok(())
}

fn check_page(cursor: Option<&String>) -> Result<(), Error> {
    check_cursor(cursor).map_err(Error::TooLarge)
}

/// The value of a key of agentd's, if it is there.
fn value<'a>(extra: &'a Extra, key: &str) -> Option<&'a String> {
    extra.iter().find(|it| it.0 == key).map(|it| &it.1)
}

fn shown(word: &str) -> String {
    crate::error::readable(&word.replace('\n', " "), 64)
}
