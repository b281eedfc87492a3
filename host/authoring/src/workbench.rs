//! The plugin room set up for an author: nothing shipped, no plugin folder, and a host that has nothing.

use crate::Error;
use agentd_plugin::wit::common::{Content, Error as Answer};
use agentd_plugin::wit::{forge, http, log, repository as files};
use agentd_plugin::{Host, HttpCall, Options, Plugins, Shipped, Tree};
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;

/// Plugins to be opened, with compiled code kept in `cache`. `now` is the time of what no rehearsal names.
///
/// # Errors
/// [`Error::Plugin`] if the engine does not start or the folder cannot be had.
pub async fn plugins(cache: &Path, now: u64) -> Result<Plugins, Error> {
    let options = Options::new(cache.to_owned(), Shipped::Embedded(&[]));
    Ok(Plugins::load(options, Arc::new(Offline { now })).await?)
}

/// A host without anything: its lists are empty, and everything else is not there.
#[derive(Clone, Copy, Debug)]
pub struct Offline {
    pub now: u64,
}

fn no<T>(what: &str) -> Result<T, Answer> {
    Err(Answer::Unavailable(format!("there is no {what} here: nothing goes out without --live")))
}

#[async_trait]
impl Host for Offline {
    fn now(&self) -> u64 {
        self.now
    }

    fn log(&self, plugin: &str, entry: &str, _: log::Level, message: &str, _: &[(String, String)]) {
        tracing::debug!(plugin.name = plugin, entry, "{message}");
    }

    async fn kv_get(&self, _: &str, _: &str) -> Result<Option<String>, Answer> {
        Ok(None)
    }

    async fn kv_keys(&self, _: &str, _: &str, _: Option<&str>) -> Result<Vec<String>, Answer> {
        Ok(vec![])
    }

    async fn http(&self, call: HttpCall) -> Result<http::Response, Answer> {
        no(&format!("network for {} {}", call.request.method, call.request.url))
    }

    fn repositories(&self, _: &[String]) -> Vec<files::Info> {
        vec![]
    }

    async fn list_files(&self, _: Tree, _: files::FileQuery) -> Result<files::FilePage, Answer> {
        Ok(files::FilePage { files: vec![], next: None, extra: vec![] })
    }

    async fn read_file(&self, _: Tree, _: Option<String>, path: String) -> Result<Content, Answer> {
        Err(Answer::NotFound(format!("there is no file {path}: --repository ID=PATH gives a repository")))
    }

    async fn search(&self, _: Tree, _: files::SearchQuery) -> Result<files::SearchPage, Answer> {
        Ok(files::SearchPage { hits: vec![], next: None, extra: vec![] })
    }

    async fn history(&self, _: Tree, _: files::CommitQuery) -> Result<files::CommitPage, Answer> {
        Ok(files::CommitPage { commits: vec![], next: None, extra: vec![] })
    }

    async fn blame(
        &self,
        _: Tree,
        _: Option<String>,
        _: String,
        _: u32,
        _: u32,
    ) -> Result<Vec<files::BlameRange>, Answer> {
        Ok(vec![])
    }

    async fn churn(&self, _: Tree, _: files::ChurnQuery) -> Result<Vec<files::ChurnedFile>, Answer> {
        Ok(vec![])
    }

    async fn list_issues(&self, _: &[String], _: forge::IssueQuery) -> Result<forge::IssuePage, Answer> {
        Ok(forge::IssuePage { issues: vec![], next: None, extra: vec![] })
    }

    async fn get_issue(&self, repository: &str, number: u32) -> Result<forge::Issue, Answer> {
        Err(Answer::NotFound(format!("there is no issue {repository}#{number}")))
    }

    async fn list_comments(&self, _: &[String], _: forge::CommentQuery) -> Result<forge::CommentPage, Answer> {
        Ok(forge::CommentPage { comments: vec![], next: None, extra: vec![] })
    }

    async fn list_pull_requests(&self, _: forge::PullRequestQuery) -> Result<forge::PullRequestPage, Answer> {
        Ok(forge::PullRequestPage { pull_requests: vec![], next: None, extra: vec![] })
    }

    async fn get_pull_request(&self, repository: &str, number: u32) -> Result<forge::PullRequest, Answer> {
        Err(Answer::NotFound(format!("there is no pull request {repository}#{number}")))
    }

    async fn list_labels(&self, _: &str) -> Result<Vec<forge::Label>, Answer> {
        Ok(vec![])
    }

    async fn list_checks(&self, _: &str, _: &str) -> Result<Vec<forge::Check>, Answer> {
        Ok(vec![])
    }
}
