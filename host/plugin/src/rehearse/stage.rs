//! The host of a rehearsal: its own clock and store, and for the rest a live host or recorded answers.

use super::{Answers, LogLine, Rehearsal};
use crate::grants::Rights;
use crate::json;
use crate::trace::{CLOCK, HostAnswer, KV_GET, KV_KEYS, MONOTONIC};
use crate::wit::common::{Content, Error};
use crate::wit::forge::{
    Check, CommentPage, CommentQuery, Issue, IssuePage, IssueQuery, Label, PullRequest, PullRequestPage,
    PullRequestQuery,
};
use crate::wit::repository::{
    BlameRange, ChurnQuery, ChurnedFile, CommitPage, CommitQuery, FilePage, FileQuery, Info, SearchPage, SearchQuery,
};
use crate::wit::{http, log, mail};
use crate::{Host, HttpCall, Tree};
use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const KEYS: usize = 1_000;
/// How much of a question an error repeats.
const SHOWN: usize = 512;

pub(super) struct Stage {
    live: Option<Arc<dyn Host>>,
    now: u64,
    kv: BTreeMap<String, String>,
    set: Mutex<Set>,
}

struct Set {
    /// Those that were not given yet.
    recorded: Vec<Option<HostAnswer>>,
    rights: Arc<Rights>,
    lines: Vec<LogLine>,
    missing: Vec<String>,
    /// How often the clock that only goes forward was read.
    readings: u64,
}

/// Whether the rehearsal answers it by what it is, so that nobody has to record it.
pub(super) fn is_its_own(import: &str) -> bool {
    [CLOCK, MONOTONIC, KV_GET, KV_KEYS].contains(&import)
}

impl Stage {
    pub(super) fn new(rehearsal: &Rehearsal) -> Stage {
        let (live, recorded) = match &rehearsal.answers {
            Answers::Live(host) => (Some(host.clone()), vec![]),
            Answers::Recorded(answers) => (None, answers.iter().cloned().map(Some).collect()),
        };
        let set = Set { recorded, rights: Arc::default(), lines: vec![], missing: vec![], readings: 0 };
        Stage { live, now: rehearsal.now, kv: rehearsal.kv.clone(), set: Mutex::new(set) }
    }

    pub(super) fn set_rights(&self, rights: Arc<Rights>) {
        self.set().rights = rights;
    }

    pub(super) fn lines(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.set().lines)
    }

    pub(super) fn missing(&self) -> Vec<String> {
        std::mem::take(&mut self.set().missing)
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next recorded reading of a clock.
    fn reading(&self, import: &str) -> Option<u64> {
        let mut set = self.set();
        let found = set.recorded.iter_mut().find(|it| it.as_ref().is_some_and(|it| it.import == import))?;
        found.take()?.answer.as_u64()
    }

    /// The first recorded answer to this question that was not given yet.
    fn find(&self, import: &str, arguments: &Value) -> Option<Value> {
        let asked = pruned(arguments);
        let fits = |it: &HostAnswer| it.import == import && (it.arguments.is_null() || pruned(&it.arguments) == asked);
        let mut set = self.set();
        let found = set.recorded.iter_mut().find(|it| it.as_ref().is_some_and(fits))?;
        found.take().map(|it| it.answer)
    }

    /// What was recorded. A question that had no answer when its call ended has none here either.
    async fn recorded<T: DeserializeOwned>(&self, import: &str, arguments: &impl Serialize) -> Result<T, Error> {
        let arguments = json::value(arguments);
        match self.find(import, &arguments) {
            Some(Value::Null) => std::future::pending().await,
            Some(answer) => {
                let read: Result<Result<T, Error>, String> = json::read(&answer, import);
                read.unwrap_or_else(|what| {
                    Err(Error::Unavailable(format!("the recorded answer cannot be read: {what}")))
                })
            }
            None => Err(self.miss(import, &arguments)),
        }
    }

    fn miss(&self, import: &str, arguments: &Value) -> Error {
        let shown = |import: &str, arguments: &Value| crate::error::readable(&format!("{import} {arguments}"), SHOWN);
        let asked = shown(import, arguments);
        let mut set = self.set();
        let next = set.recorded.iter().flatten().find(|it| !is_its_own(&it.import));
        let next = next.map_or("nothing more".to_owned(), |it| shown(&it.import, &it.arguments));
        let what = format!("no answer is recorded for {asked}\nwhat comes next is {next}");
        set.missing.push(what.clone());
        Error::Unavailable(what)
    }

    fn tree(&self, tree: &Tree) -> String {
        self.set().rights.tree_name(tree)
    }
}

/// Without what says nothing: null and empty lists, as an author leaves them out.
fn pruned(value: &Value) -> Value {
    let empty = |it: &Value| it.is_null() || it.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|it| !empty(it.1)).map(|(name, value)| (name.clone(), pruned(value)));
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

/// Asks the live host, or takes what was recorded.
macro_rules! ask {
    ($stage:ident, $import:literal, $arguments:expr, $call:ident($($argument:expr),*)) => {
        match &$stage.live {
            Some(live) => live.$call($($argument),*).await,
            None => $stage.recorded($import, &$arguments).await,
        }
    };
}

#[async_trait]
impl Host for Stage {
    fn now(&self) -> u64 {
        self.reading(CLOCK).unwrap_or(self.now)
    }

    fn monotonic(&self) -> u64 {
        if let Some(reading) = self.reading(MONOTONIC) {
            return reading;
        }
        let mut set = self.set();
        set.readings += 1;
        set.readings * 1_000_000
    }

    fn log(&self, plugin: &str, entry: &str, level: log::Level, message: &str, fields: &[(String, String)]) {
        self.set().lines.push(LogLine::new(level, message, fields));
        if let Some(live) = &self.live {
            live.log(plugin, entry, level, message, fields);
        }
    }

    async fn kv_get(&self, _: &str, key: &str) -> Result<Option<String>, Error> {
        match self.find(KV_GET, &json::value(&(key,))) {
            Some(answer) => json::read(&answer, KV_GET).unwrap_or_else(|what| Err(Error::Unavailable(what))),
            None => Ok(self.kv.get(key).cloned()),
        }
    }

    async fn kv_keys(&self, _: &str, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Error> {
        if let Some(answer) = self.find(KV_KEYS, &json::value(&(prefix, after))) {
            return json::read(&answer, KV_KEYS).unwrap_or_else(|what| Err(Error::Unavailable(what)));
        }
        let keys = self.kv.keys().filter(|it| it.starts_with(prefix) && after.is_none_or(|after| it.as_str() > after));
        Ok(keys.take(KEYS).cloned().collect())
    }

    async fn http(&self, mut call: HttpCall) -> Result<http::Response, Error> {
        if let Some(live) = &self.live {
            return live.http(call).await;
        }
        call.request.timeout_ms = None; // it is what was left of the call's time, and that is never the same
        self.recorded("http.send", &(&call.request,)).await
    }

    async fn mail(&self, entry: &str, allowed: &[String], message: mail::Message) -> Result<(), Error> {
        ask!(self, "mail.send", (&message,), mail(entry, allowed, message))
    }

    /// What nobody has recorded is made of the ids: whoever writes a case gives those anyway.
    fn repositories(&self, ids: &[String]) -> Vec<Info> {
        if let Some(live) = &self.live {
            return live.repositories(ids);
        }
        let recorded = self.find("repository.repositories", &Value::Array(vec![]));
        let info = |id: &String| Info {
            id: id.clone(),
            forge: "local".into(),
            default_branch: "main".into(),
            url: None,
            extra: vec![],
        };
        let recorded = recorded.and_then(|it| json::read(&it, "repository.repositories").ok());
        recorded.unwrap_or_else(|| ids.iter().map(info).collect())
    }

    async fn list_files(&self, tree: Tree, query: FileQuery) -> Result<FilePage, Error> {
        ask!(self, "repository.list-files", (&query,), list_files(tree, query))
    }

    async fn read_file(&self, tree: Tree, revision: Option<String>, path: String) -> Result<Content, Error> {
        let name = self.tree(&tree);
        ask!(self, "repository.read-file", (&name, &revision, &path), read_file(tree, revision, path))
    }

    async fn search(&self, tree: Tree, query: SearchQuery) -> Result<SearchPage, Error> {
        ask!(self, "repository.search", (&query,), search(tree, query))
    }

    async fn history(&self, tree: Tree, query: CommitQuery) -> Result<CommitPage, Error> {
        ask!(self, "repository.history", (&query,), history(tree, query))
    }

    async fn blame(
        &self,
        tree: Tree,
        revision: Option<String>,
        path: String,
        first: u32,
        last: u32,
    ) -> Result<Vec<BlameRange>, Error> {
        let arguments = (self.tree(&tree), &revision, &path, first, last);
        match &self.live {
            None => self.recorded("repository.blame", &arguments).await,
            Some(live) => live.blame(tree, revision, path, first, last).await,
        }
    }

    async fn churn(&self, tree: Tree, query: ChurnQuery) -> Result<Vec<ChurnedFile>, Error> {
        ask!(self, "repository.churn", (&query,), churn(tree, query))
    }

    async fn list_issues(&self, repositories: &[String], query: IssueQuery) -> Result<IssuePage, Error> {
        ask!(self, "forge.list-issues", (&query,), list_issues(repositories, query))
    }

    async fn get_issue(&self, repository: &str, number: u32) -> Result<Issue, Error> {
        ask!(self, "forge.get-issue", (repository, number), get_issue(repository, number))
    }

    async fn list_comments(&self, repositories: &[String], query: CommentQuery) -> Result<CommentPage, Error> {
        ask!(self, "forge.list-comments", (&query,), list_comments(repositories, query))
    }

    async fn list_pull_requests(&self, query: PullRequestQuery) -> Result<PullRequestPage, Error> {
        ask!(self, "forge.list-pull-requests", (&query,), list_pull_requests(query))
    }

    async fn get_pull_request(&self, repository: &str, number: u32) -> Result<PullRequest, Error> {
        ask!(self, "forge.get-pull-request", (repository, number), get_pull_request(repository, number))
    }

    async fn list_labels(&self, repository: &str) -> Result<Vec<Label>, Error> {
        ask!(self, "forge.list-labels", (repository,), list_labels(repository))
    }

    async fn list_checks(&self, repository: &str, commit: &str) -> Result<Vec<Check>, Error> {
        ask!(self, "forge.list-checks", (repository, commit), list_checks(repository, commit))
    }
}
