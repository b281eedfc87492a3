//! What the plugin needs of the host, as a trait, so that tests can stand in for it.

use agentd_sdk::host::forge::{self, CommentPage, CommentQuery, Issue, IssuePage, IssueQuery};
use agentd_sdk::host::{clock, kv, repository};
use agentd_sdk::{Error, Timestamp};

pub(crate) trait World {
    fn now(&self) -> Timestamp;
    fn comments(&self, query: &CommentQuery) -> Result<CommentPage, Error>;
    fn issues(&self, query: &IssueQuery) -> Result<IssuePage, Error>;
    fn issue(&self, repository: &str, number: u32) -> Result<Issue, Error>;
    /// The repositories of the entry that may have issues.
    fn repositories(&self) -> Vec<String>;
    fn get(&self, key: &str) -> Result<Option<String>, Error>;
    fn set(&self, key: &str, value: &str) -> Result<(), Error>;
    fn remove(&self, key: &str) -> Result<(), Error>;
}

/// The real one.
pub(crate) struct Host;

impl World for Host {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn comments(&self, query: &CommentQuery) -> Result<CommentPage, Error> {
        forge::list_comments(query)
    }

    fn issues(&self, query: &IssueQuery) -> Result<IssuePage, Error> {
        forge::list_issues(query)
    }

    fn issue(&self, repository: &str, number: u32) -> Result<Issue, Error> {
        forge::get_issue(repository, number)
    }

    fn repositories(&self) -> Vec<String> {
        repository::repositories().into_iter().filter(|it| it.forge != "local").map(|it| it.id).collect()
    }

    fn get(&self, key: &str) -> Result<Option<String>, Error> {
        kv::get(key)
    }

    fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        kv::set(key, value)
    }

    fn remove(&self, key: &str) -> Result<(), Error> {
        kv::remove(key)
    }
}

#[cfg(test)]
pub(crate) mod toy;
