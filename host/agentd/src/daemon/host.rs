//! The other ends of the plugins' host calls: the store's key-value space, the egress, mail, the reading of repositories
//! and of the forge; and where news of plugins go.
//!
//! What of it comes from the configuration is one [`Outside`], which is replaced whole: a call that is under way ends
//! with the one that it began with.

use super::{forge, mail::Mailer, news, plugin_log::PluginLog};
use crate::way_out;
use agentd_egress::Egress;
use agentd_plugin::{Host, HttpCall, Trace, Tree, wit};
use agentd_run::{Clock, Reading};
use agentd_store::Reader;
use async_trait::async_trait;
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use wit::common::{Content, Error};
use wit::{forge as issues, repository as files};

pub(super) struct Wired {
    reader: Reader,
    clock: Clock,
    log: Arc<PluginLog>,
    news: news::Told,
    told: Told,
    outside: RwLock<Arc<Outside>>,
}

/// What plugins reach, as the configuration says.
pub(super) struct Outside {
    pub(super) egress: Egress,
    pub(super) reading: Reading,
    pub(super) forge: forge::Reading,
    pub(super) mailer: Option<Arc<Mailer>>,
}

impl Wired {
    pub(super) fn new(reader: Reader, clock: Clock, log: Arc<PluginLog>, news: news::Told, outside: Outside) -> Wired {
        Wired { reader, clock, log, news, told: Told::default(), outside: RwLock::new(Arc::new(outside)) }
    }

    pub(super) fn outside(&self) -> Arc<Outside> {
        self.outside.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, outside: Arc<Outside>) {
        *self.outside.write().unwrap_or_else(PoisonError::into_inner) = outside;
    }
}

/// The errors that plugins logged: a source that is polled every few seconds finds the same mistake each time.
#[derive(Default)]
pub(super) struct Told(Mutex<HashSet<u64>>);

const TOLD_MAX: usize = 10_000;

impl Told {
    /// Whether it is said for the first time, as far as this process remembers.
    fn is_new(&self, entry: &str, message: &str, fields: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        let mut hasher = DefaultHasher::new();
        (entry, message, fields).hash(&mut hasher);
        told.insert(hasher.finish())
    }
}

fn store(error: agentd_store::Error) -> Error {
    Error::Unavailable(error.to_string())
}

#[async_trait]
impl Host for Wired {
    fn now(&self) -> u64 {
        u64::try_from(self.clock.now()).unwrap_or(0)
    }

    fn log(&self, plugin: &str, entry: &str, level: wit::log::Level, message: &str, fields: &[(String, String)]) {
        use wit::log::Level;
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
        self.log.add(self.clock.now(), plugin, entry, level, message, &fields);
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
        let egress = self.outside().egress.clone();
        way_out::send(&egress, call, self.clock.now()).await
    }

    fn news(&self, news: agentd_plugin::News) {
        self.news.news(news);
    }

    fn failed(&self, trace: Trace) {
        self.news.trace(trace);
    }

    async fn mail(&self, entry: &str, allowed: &[String], message: wit::mail::Message) -> Result<(), Error> {
        let Some(mailer) = self.outside().mailer.clone() else {
            return Err(Error::Unavailable(
                "there is no mail server: the operator has to add [mail] with its url".into(),
            ));
        };
        mailer.send(entry, allowed, message, self.clock.now()).await
    }

    fn repositories(&self, ids: &[String]) -> Vec<files::Info> {
        self.outside().reading.repositories(ids)
    }

    async fn list_files(&self, tree: Tree, query: files::FileQuery) -> Result<files::FilePage, Error> {
        self.outside().reading.list_files(tree, query).await
    }

    async fn read_file(&self, tree: Tree, revision: Option<String>, path: String) -> Result<Content, Error> {
        self.outside().reading.read_file(tree, revision, path).await
    }

    async fn search(&self, tree: Tree, query: files::SearchQuery) -> Result<files::SearchPage, Error> {
        self.outside().reading.search(tree, query).await
    }

    async fn history(&self, tree: Tree, query: files::CommitQuery) -> Result<files::CommitPage, Error> {
        self.outside().reading.history(tree, query).await
    }

    async fn blame(
        &self,
        tree: Tree,
        revision: Option<String>,
        path: String,
        first: u32,
        last: u32,
    ) -> Result<Vec<files::BlameRange>, Error> {
        self.outside().reading.blame(tree, revision, path, first, last).await
    }

    async fn churn(&self, tree: Tree, query: files::ChurnQuery) -> Result<Vec<files::ChurnedFile>, Error> {
        self.outside().reading.churn(tree, query).await
    }

    async fn list_issues(&self, ids: &[String], query: issues::IssueQuery) -> Result<issues::IssuePage, Error> {
        self.outside().forge.list_issues(ids, query).await
    }

    async fn get_issue(&self, repository: &str, number: u32) -> Result<issues::Issue, Error> {
        self.outside().forge.get_issue(repository, number).await
    }

    async fn list_comments(&self, ids: &[String], query: issues::CommentQuery) -> Result<issues::CommentPage, Error> {
        self.outside().forge.list_comments(ids, query).await
    }

    async fn list_pull_requests(&self, query: issues::PullRequestQuery) -> Result<issues::PullRequestPage, Error> {
        self.outside().forge.list_pull_requests(query).await
    }

    async fn get_pull_request(&self, repository: &str, number: u32) -> Result<issues::PullRequest, Error> {
        self.outside().forge.get_pull_request(repository, number).await
    }

    async fn list_labels(&self, repository: &str) -> Result<Vec<issues::Label>, Error> {
        self.outside().forge.list_labels(repository).await
    }

    async fn list_checks(&self, repository: &str, commit: &str) -> Result<Vec<issues::Check>, Error> {
        self.outside().forge.list_checks(repository, commit).await
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
