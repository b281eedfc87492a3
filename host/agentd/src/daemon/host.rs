//! The other ends of the plugins' host calls: the store's key-value space, the egress, the reading of repositories and of
//! the forge.

use super::forge;
use agentd_egress::{Egress, Request, Rule};
use agentd_plugin::{Host, HttpCall, Tree, wit};
use agentd_run::{Clock, Reading};
use agentd_store::Reader;
use async_trait::async_trait;
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use wit::common::{Content, Error};
use wit::{forge as issues, repository as files};

pub(super) struct Wired {
    pub(super) reader: Reader,
    pub(super) egress: Egress,
    pub(super) reading: Reading,
    pub(super) forge: forge::Reading,
    pub(super) clock: Clock,
    pub(super) told: Told,
}

/// The errors that plugins logged: a source that is polled every few seconds finds the same mistake each time.
#[derive(Default)]
pub(super) struct Told(Mutex<HashSet<String>>);

const TOLD_MAX: usize = 10_000;

impl Told {
    /// Whether it is said for the first time, as far as this process remembers.
    fn is_new(&self, entry: &str, message: &str, fields: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(format!("{entry} {message} {fields}"))
    }
}

fn store(error: agentd_store::Error) -> Error {
    Error::Unavailable(error.to_string())
}

fn egress(error: agentd_egress::Error) -> Error {
    use agentd_egress::Error as E;
    let text = error.to_string();
    match error {
        E::Denied { .. } | E::Address { .. } | E::SecretInRequest { .. } => Error::Denied(text),
        E::Invalid { .. } | E::Options(_) => Error::Invalid(text),
        E::Unavailable { .. } => Error::Unavailable(text),
        E::TooLarge { .. } => Error::TooLarge(text),
        _ => Error::Other(text),
    }
}

#[async_trait]
impl Host for Wired {
    fn now(&self) -> u64 {
        u64::try_from(self.clock.now()).unwrap_or(0)
    }

    fn log(&self, plugin: &str, entry: &str, level: wit::log::Level, message: &str, fields: &[(String, String)]) {
        use wit::log::Level;
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
        match level {
            Level::Debug => tracing::debug!(plugin.name = plugin, entry, fields, "{message}"),
            Level::Info => tracing::info!(plugin.name = plugin, entry, fields, "{message}"),
            Level::Warn => tracing::warn!(plugin.name = plugin, entry, fields, "{message}"),
            // ERROR means that a person must act; whether that is so is not for a plugin to say.
            Level::Error if self.told.is_new(entry, message, &fields) => {
                tracing::warn!(plugin.name = plugin, entry, fields, plugin.level = "error", "{message}");
            }
            Level::Error => tracing::debug!(plugin.name = plugin, entry, fields, "Again: {message}"),
        }
    }

    async fn kv_get(&self, entry: &str, key: &str) -> Result<Option<String>, Error> {
        self.reader.kv_get(entry, key).await.map_err(store)
    }

    async fn kv_keys(&self, entry: &str, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Error> {
        self.reader.kv_keys(entry, prefix, after, 1_000).await.map_err(store)
    }

    async fn http(&self, call: HttpCall) -> Result<wit::http::Response, Error> {
        let HttpCall { entry, granted, request } = call;
        let rules: Vec<Rule> = granted
            .into_iter()
            .map(|it| Rule { methods: it.methods, url_prefix: it.url_prefix, credential: it.credential })
            .collect();
        let key = request.extra.into_iter().find(|(name, _)| name == "idempotency-key").map(|(_, value)| value);
        let request = Request {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: match request.body {
                Content::Text(text) => text.into_bytes(),
                Content::Bytes(bytes) => bytes,
            },
            credential: request.credential,
            timeout: request.timeout_ms.map(|it| Duration::from_millis(it.into())),
            idempotency_key: key,
            now_ms: self.clock.now(),
        };
        let response = self.egress.send(&entry, &rules, request).await.map_err(egress)?;
        let body = match String::from_utf8(response.body) {
            Ok(text) => Content::Text(text),
            Err(error) => Content::Bytes(error.into_bytes()),
        };
        Ok(wit::http::Response { status: response.status, headers: response.headers, body, extra: vec![] })
    }

    fn repositories(&self, ids: &[String]) -> Vec<files::Info> {
        self.reading.repositories(ids)
    }

    async fn list_files(&self, tree: Tree, query: files::FileQuery) -> Result<files::FilePage, Error> {
        self.reading.list_files(tree, query).await
    }

    async fn read_file(&self, tree: Tree, revision: Option<String>, path: String) -> Result<Content, Error> {
        self.reading.read_file(tree, revision, path).await
    }

    async fn search(&self, tree: Tree, query: files::SearchQuery) -> Result<files::SearchPage, Error> {
        self.reading.search(tree, query).await
    }

    async fn history(&self, tree: Tree, query: files::CommitQuery) -> Result<files::CommitPage, Error> {
        self.reading.history(tree, query).await
    }

    async fn blame(
        &self,
        tree: Tree,
        revision: Option<String>,
        path: String,
        first: u32,
        last: u32,
    ) -> Result<Vec<files::BlameRange>, Error> {
        self.reading.blame(tree, revision, path, first, last).await
    }

    async fn churn(&self, tree: Tree, query: files::ChurnQuery) -> Result<Vec<files::ChurnedFile>, Error> {
        self.reading.churn(tree, query).await
    }

    async fn list_issues(&self, ids: &[String], query: issues::IssueQuery) -> Result<issues::IssuePage, Error> {
        self.forge.list_issues(ids, query).await
    }

    async fn get_issue(&self, repository: &str, number: u32) -> Result<issues::Issue, Error> {
        self.forge.get_issue(repository, number).await
    }

    async fn list_comments(&self, ids: &[String], query: issues::CommentQuery) -> Result<issues::CommentPage, Error> {
        self.forge.list_comments(ids, query).await
    }

    async fn list_pull_requests(&self, query: issues::PullRequestQuery) -> Result<issues::PullRequestPage, Error> {
        self.forge.list_pull_requests(query).await
    }

    async fn get_pull_request(&self, repository: &str, number: u32) -> Result<issues::PullRequest, Error> {
        self.forge.get_pull_request(repository, number).await
    }

    async fn list_labels(&self, repository: &str) -> Result<Vec<issues::Label>, Error> {
        self.forge.list_labels(repository).await
    }

    async fn list_checks(&self, repository: &str, commit: &str) -> Result<Vec<issues::Check>, Error> {
        self.forge.list_checks(repository, commit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_once_and_another_one_too() {
        let told = Told::default();
        for (entry, message, new) in [
            ("notes", "a.md is bad", true),
            ("notes", "a.md is bad", false),
            ("notes", "b.md is bad", true),
            ("other", "a.md is bad", true),
        ] {
            assert_eq!(told.is_new(entry, message, ""), new, "{entry}: {message}");
        }
    }
}
