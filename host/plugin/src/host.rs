//! What this room needs of the daemon: the other ends of a plugin's host calls.
//!
//! Rights are decided before anything here is called: a [`Tree`], an [`HttpCall`] or a repository of the forge that
//! arrives has been wanted by the plugin and granted by the operator. The daemon's wiring still applies its own rules
//! on top (addresses, credentials, what is below a tree's root).

use crate::{HttpGrant, News, Trace, wit};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;
use wit::common::{Content, Error};
use wit::forge::{
    Check, CommentPage, CommentQuery, Issue, IssuePage, IssueQuery, Label, PullRequest, PullRequestPage,
    PullRequestQuery,
};
use wit::repository::{
    BlameRange, ChurnQuery, ChurnedFile, CommitPage, CommitQuery, FilePage, FileQuery, Info, SearchPage, SearchQuery,
};

/// Files that an entry may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A repository by its id.
    Repository(String),
    /// A directory of this machine, as the entry's setting has it.
    Directory(PathBuf),
}

/// One HTTP request of a plugin.
#[derive(Clone, Debug)]
pub struct HttpCall {
    pub entry: String,
    /// The entry's rights under which this request falls; never empty.
    pub granted: Vec<HttpGrant>,
    /// `timeout_ms` is always set, and no more than what is left of the call's own time.
    pub request: wit::http::Request,
}

/// The daemon, as plugins see it. Errors go to the plugin as they are: they say what failed and what would help, and
/// hold no secret.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now(&self) -> u64;

    /// Nanoseconds on a clock that only goes forward; where it began means nothing.
    fn monotonic(&self) -> u64 {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        u64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What happened to a plugin, for the event log.
    fn news(&self, news: News) {
        drop(news);
    }

    /// A call failed: what is needed to do it again, for `agentd plugin repro`. No secret is in it, for guests never
    /// have any.
    fn failed(&self, trace: Trace) {
        drop(trace);
    }

    /// A line of a plugin's log, already cut to its limits. `entry` is empty while a plugin describes itself.
    fn log(&self, plugin: &str, entry: &str, level: wit::log::Level, message: &str, fields: &[(String, String)]);

    async fn kv_get(&self, entry: &str, key: &str) -> Result<Option<String>, Error>;

    /// The keys that begin with `prefix`, in byte order, from the first after `after`; at most 1,000.
    async fn kv_keys(&self, entry: &str, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Error>;

    async fn http(&self, call: HttpCall) -> Result<wit::http::Response, Error>;

    /// Hands a mail to the operator's server. All recipients are among `allowed` (addresses, or `*@domain`); a lone `*`
    /// stands for whom the configuration allows plugins that are part of agentd, and is the daemon's to decide.
    async fn mail(&self, entry: &str, allowed: &[String], message: wit::mail::Message) -> Result<(), Error> {
        Err(Error::Unsupported(format!(
            "entry `{entry}` cannot send `{}` to {} allowed places: no mail is sent from here",
            message.id.escape_debug(),
            allowed.len()
        )))
    }

    /// What is known of these repositories; unknown ids are left out.
    fn repositories(&self, ids: &[String]) -> Vec<Info>;

    async fn list_files(&self, tree: Tree, query: FileQuery) -> Result<FilePage, Error>;

    async fn read_file(&self, tree: Tree, revision: Option<String>, path: String) -> Result<Content, Error>;

    async fn search(&self, tree: Tree, query: SearchQuery) -> Result<SearchPage, Error>;

    async fn history(&self, tree: Tree, query: CommitQuery) -> Result<CommitPage, Error>;

    /// Lines `first` to `last`, included, counted from 1.
    async fn blame(
        &self,
        tree: Tree,
        revision: Option<String>,
        path: String,
        first: u32,
        last: u32,
    ) -> Result<Vec<BlameRange>, Error>;

    async fn churn(&self, tree: Tree, query: ChurnQuery) -> Result<Vec<ChurnedFile>, Error>;

    /// Issues of these repositories, which are one or more of the entry's; the query's own word for them is settled.
    async fn list_issues(&self, repositories: &[String], query: IssueQuery) -> Result<IssuePage, Error>;

    async fn get_issue(&self, repository: &str, number: u32) -> Result<Issue, Error>;

    /// As with issues. A query that names a number comes with exactly one repository.
    async fn list_comments(&self, repositories: &[String], query: CommentQuery) -> Result<CommentPage, Error>;

    async fn list_pull_requests(&self, query: PullRequestQuery) -> Result<PullRequestPage, Error>;

    async fn get_pull_request(&self, repository: &str, number: u32) -> Result<PullRequest, Error>;

    async fn list_labels(&self, repository: &str) -> Result<Vec<Label>, Error>;

    /// `commit` is an id or a branch.
    async fn list_checks(&self, repository: &str, commit: &str) -> Result<Vec<Check>, Error>;
}
