//! A host that nobody asks anything.

use agentd_plugin::wit::common::{Content, Error};
use agentd_plugin::wit::{forge, http, log, repository as tree};
use agentd_plugin::{Host, HttpCall, Tree};
use async_trait::async_trait;

pub(crate) struct Nobody;

impl Nobody {
    fn refuse<T>() -> Result<T, Error> {
        Err(Error::Unsupported("nobody is here".into()))
    }
}

#[async_trait]
impl Host for Nobody {
    fn now(&self) -> u64 {
        0
    }

    fn log(&self, _: &str, _: &str, _: log::Level, _: &str, _: &[(String, String)]) {}

    async fn kv_get(&self, _: &str, _: &str) -> Result<Option<String>, Error> {
        Nobody::refuse()
    }

    async fn kv_keys(&self, _: &str, _: &str, _: Option<&str>) -> Result<Vec<String>, Error> {
        Nobody::refuse()
    }

    async fn http(&self, _: HttpCall) -> Result<http::Response, Error> {
        Nobody::refuse()
    }

    fn repositories(&self, _: &[String]) -> Vec<tree::Info> {
        vec![]
    }

    async fn list_files(&self, _: Tree, _: tree::FileQuery) -> Result<tree::FilePage, Error> {
        Nobody::refuse()
    }

    async fn read_file(&self, _: Tree, _: Option<String>, _: String) -> Result<Content, Error> {
        Nobody::refuse()
    }

    async fn search(&self, _: Tree, _: tree::SearchQuery) -> Result<tree::SearchPage, Error> {
        Nobody::refuse()
    }

    async fn history(&self, _: Tree, _: tree::CommitQuery) -> Result<tree::CommitPage, Error> {
        Nobody::refuse()
    }

    async fn blame(
        &self,
        _: Tree,
        _: Option<String>,
        _: String,
        _: u32,
        _: u32,
    ) -> Result<Vec<tree::BlameRange>, Error> {
        Nobody::refuse()
    }

    async fn churn(&self, _: Tree, _: tree::ChurnQuery) -> Result<Vec<tree::ChurnedFile>, Error> {
        Nobody::refuse()
    }

    async fn list_issues(&self, _: &[String], _: forge::IssueQuery) -> Result<forge::IssuePage, Error> {
        Nobody::refuse()
    }

    async fn get_issue(&self, _: &str, _: u32) -> Result<forge::Issue, Error> {
        Nobody::refuse()
    }

    async fn list_comments(&self, _: &[String], _: forge::CommentQuery) -> Result<forge::CommentPage, Error> {
        Nobody::refuse()
    }

    async fn list_pull_requests(&self, _: forge::PullRequestQuery) -> Result<forge::PullRequestPage, Error> {
        Nobody::refuse()
    }

    async fn get_pull_request(&self, _: &str, _: u32) -> Result<forge::PullRequest, Error> {
        Nobody::refuse()
    }

    async fn list_labels(&self, _: &str) -> Result<Vec<forge::Label>, Error> {
        Nobody::refuse()
    }

    async fn list_checks(&self, _: &str, _: &str) -> Result<Vec<forge::Check>, Error> {
        Nobody::refuse()
    }
}
