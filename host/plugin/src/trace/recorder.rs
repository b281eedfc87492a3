//! A host in front of the host: hands every question on, and writes it down with its answer.
//!
//! Questions are written before they are asked, so that one that never got its answer is there too. What does not fit
//! any more is dropped, and from then on nothing is written: a tape with a hole would replay into nonsense.

use super::{HostAnswer, TAPE_BYTES, Trace};
use crate::grants::Rights;
use crate::wit::common::{Content, Error};
use crate::wit::forge::{
    Check, CommentPage, CommentQuery, Issue, IssuePage, IssueQuery, Label, PullRequest, PullRequestPage,
    PullRequestQuery,
};
use crate::wit::repository::{
    BlameRange, ChurnQuery, ChurnedFile, CommitPage, CommitQuery, FilePage, FileQuery, Info, SearchPage, SearchQuery,
};
use crate::wit::{http, log, mail};
use crate::{Host, HttpCall, News, Tree, json};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The imports that are neither questions to the outside nor worth a place among them: what a rehearsal sets itself.
pub(crate) const CLOCK: &str = "clock.now";
pub(crate) const MONOTONIC: &str = "clock.monotonic";
pub(crate) const KV_GET: &str = "kv.get";
pub(crate) const KV_KEYS: &str = "kv.keys";

/// What a reading of a clock takes up, about.
const READING_BYTES: usize = 64;

pub(crate) struct Recorder {
    host: Arc<dyn Host>,
    rights: Arc<Rights>,
    /// When the first reading of the clock was, or the first look at this.
    began: OnceLock<u64>,
    cpu_ns: AtomicU64,
    tape: Mutex<Tape>,
}

struct Tape {
    entries: Vec<Entry>,
    left: usize,
    complete: bool,
}

enum Entry {
    Reading(&'static str, u64),
    Asked { import: &'static str, arguments: String, answer: Option<String> },
}

/// Where on the tape a question stands.
type Place = Option<usize>;

impl Recorder {
    pub(crate) fn new(host: Arc<dyn Host>, rights: Arc<Rights>) -> Recorder {
        let tape = Tape { entries: vec![], left: TAPE_BYTES, complete: true };
        Recorder { host, rights, began: OnceLock::new(), cpu_ns: AtomicU64::new(0), tape: Mutex::new(tape) }
    }

    /// The first time that the guest was told, or the present one.
    pub(crate) fn began(&self) -> u64 {
        *self.began.get_or_init(|| self.host.now())
    }

    pub(crate) fn used(&self, cpu: Duration) {
        self.cpu_ns.fetch_add(u64::try_from(cpu.as_nanos()).unwrap_or(0), Ordering::Relaxed);
    }

    /// What was used of the CPU since the last time somebody asked.
    pub(crate) fn take_cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.swap(0, Ordering::Relaxed))
    }

    /// All that was asked, in its order.
    pub(crate) fn answers(&self) -> Vec<HostAnswer> {
        self.tape().entries.iter().map(Entry::read).collect()
    }

    /// Tells a trace what was asked, and what was read of the store.
    pub(crate) fn tell(&self, trace: &mut Trace) {
        trace.answers = self.answers();
        trace.complete &= self.tape().complete;
        for it in trace.answers.iter().filter(|it| it.import == KV_GET) {
            if let (Some(key), Some(value)) = (it.arguments[0].as_str(), it.answer["ok"].as_str()) {
                trace.kv.insert(key.into(), value.into());
            }
        }
    }

    /// From now on nothing is kept: something else of the call did not fit.
    pub(crate) fn give_up(&self) {
        self.tape().complete = false;
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self, import: &'static str, value: u64) -> u64 {
        let mut tape = self.tape();
        if tape.take(READING_BYTES) {
            tape.entries.push(Entry::Reading(import, value));
        }
        value
    }

    fn ask(&self, import: &'static str, arguments: &impl Serialize) -> Place {
        let room = self.tape().room()?;
        let arguments = json::text(arguments, room);
        let mut tape = self.tape();
        match arguments {
            Some(arguments) if tape.take(arguments.len()) => {
                tape.entries.push(Entry::Asked { import, arguments, answer: None });
                Some(tape.entries.len() - 1)
            }
            _ => tape.stop(),
        }
    }

    fn told<T: Serialize>(&self, place: Place, answer: T) -> T {
        let Some(place) = place else { return answer };
        let Some(room) = self.tape().room() else { return answer };
        let text = json::text(&answer, room);
        let mut tape = self.tape();
        match text {
            Some(text) if tape.take(text.len()) => {
                if let Some(Entry::Asked { answer, .. }) = tape.entries.get_mut(place) {
                    *answer = Some(text);
                }
            }
            _ => {
                tape.entries.truncate(place);
                tape.stop();
            }
        }
        answer
    }
}

impl Tape {
    /// How much there is left; none: nothing is written any more.
    fn room(&self) -> Option<usize> {
        self.complete.then_some(self.left)
    }

    fn take(&mut self, bytes: usize) -> bool {
        if !self.complete {
            return false;
        }
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => drop(self.stop()),
        }
        self.complete
    }

    fn stop(&mut self) -> Place {
        self.complete = false;
        None
    }
}

impl Entry {
    fn read(&self) -> HostAnswer {
        let value = |text: &String| serde_json::from_str(text).unwrap_or(Value::Null);
        match self {
            Entry::Reading(import, reading) => {
                HostAnswer { import: (*import).into(), arguments: Value::Array(vec![]), answer: (*reading).into() }
            }
            Entry::Asked { import, arguments, answer } => HostAnswer {
                import: (*import).into(),
                arguments: value(arguments),
                answer: answer.as_ref().map_or(Value::Null, value),
            },
        }
    }
}

#[async_trait]
impl Host for Recorder {
    fn now(&self) -> u64 {
        let now = self.host.now();
        self.began.get_or_init(|| now);
        self.reading(CLOCK, now)
    }

    fn monotonic(&self) -> u64 {
        self.reading(MONOTONIC, self.host.monotonic())
    }

    fn news(&self, news: News) {
        self.host.news(news);
    }

    fn failed(&self, trace: Trace) {
        self.host.failed(trace);
    }

    fn log(&self, plugin: &str, entry: &str, level: log::Level, message: &str, fields: &[(String, String)]) {
        self.host.log(plugin, entry, level, message, fields);
    }

    async fn kv_get(&self, entry: &str, key: &str) -> Result<Option<String>, Error> {
        let place = self.ask(KV_GET, &(key,));
        self.told(place, self.host.kv_get(entry, key).await)
    }

    async fn kv_keys(&self, entry: &str, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Error> {
        let place = self.ask(KV_KEYS, &(prefix, after));
        self.told(place, self.host.kv_keys(entry, prefix, after).await)
    }

    /// Without the time-out: it is what was left of the call's time, and that is never the same.
    async fn http(&self, mut call: HttpCall) -> Result<http::Response, Error> {
        let timeout = call.request.timeout_ms.take();
        let place = self.ask("http.send", &(&call.request,));
        call.request.timeout_ms = timeout;
        self.told(place, self.host.http(call).await)
    }

    async fn mail(&self, entry: &str, allowed: &[String], message: mail::Message) -> Result<(), Error> {
        let place = self.ask("mail.send", &(&message,));
        self.told(place, self.host.mail(entry, allowed, message).await)
    }

    fn repositories(&self, ids: &[String]) -> Vec<Info> {
        let place = self.ask("repository.repositories", &[(); 0]);
        self.told(place, self.host.repositories(ids))
    }

    async fn list_files(&self, tree: Tree, query: FileQuery) -> Result<FilePage, Error> {
        let place = self.ask("repository.list-files", &(&query,));
        self.told(place, self.host.list_files(tree, query).await)
    }

    async fn read_file(&self, tree: Tree, revision: Option<String>, path: String) -> Result<Content, Error> {
        let place = self.ask("repository.read-file", &(self.rights.tree_name(&tree), &revision, &path));
        self.told(place, self.host.read_file(tree, revision, path).await)
    }

    async fn search(&self, tree: Tree, query: SearchQuery) -> Result<SearchPage, Error> {
        let place = self.ask("repository.search", &(&query,));
        self.told(place, self.host.search(tree, query).await)
    }

    async fn history(&self, tree: Tree, query: CommitQuery) -> Result<CommitPage, Error> {
        let place = self.ask("repository.history", &(&query,));
        self.told(place, self.host.history(tree, query).await)
    }

    async fn blame(
        &self,
        tree: Tree,
        revision: Option<String>,
        path: String,
        first: u32,
        last: u32,
    ) -> Result<Vec<BlameRange>, Error> {
        let place = self.ask("repository.blame", &(self.rights.tree_name(&tree), &revision, &path, first, last));
        self.told(place, self.host.blame(tree, revision, path, first, last).await)
    }

    async fn churn(&self, tree: Tree, query: ChurnQuery) -> Result<Vec<ChurnedFile>, Error> {
        let place = self.ask("repository.churn", &(&query,));
        self.told(place, self.host.churn(tree, query).await)
    }

    async fn list_issues(&self, repositories: &[String], query: IssueQuery) -> Result<IssuePage, Error> {
        let place = self.ask("forge.list-issues", &(&query,));
        self.told(place, self.host.list_issues(repositories, query).await)
    }

    async fn get_issue(&self, repository: &str, number: u32) -> Result<Issue, Error> {
        let place = self.ask("forge.get-issue", &(repository, number));
        self.told(place, self.host.get_issue(repository, number).await)
    }

    async fn list_comments(&self, repositories: &[String], query: CommentQuery) -> Result<CommentPage, Error> {
        let place = self.ask("forge.list-comments", &(&query,));
        self.told(place, self.host.list_comments(repositories, query).await)
    }

    async fn list_pull_requests(&self, query: PullRequestQuery) -> Result<PullRequestPage, Error> {
        let place = self.ask("forge.list-pull-requests", &(&query,));
        self.told(place, self.host.list_pull_requests(query).await)
    }

    async fn get_pull_request(&self, repository: &str, number: u32) -> Result<PullRequest, Error> {
        let place = self.ask("forge.get-pull-request", &(repository, number));
        self.told(place, self.host.get_pull_request(repository, number).await)
    }

    async fn list_labels(&self, repository: &str) -> Result<Vec<Label>, Error> {
        let place = self.ask("forge.list-labels", &(repository,));
        self.told(place, self.host.list_labels(repository).await)
    }

    async fn list_checks(&self, repository: &str, commit: &str) -> Result<Vec<Check>, Error> {
        let place = self.ask("forge.list-checks", &(repository, commit));
        self.told(place, self.host.list_checks(repository, commit).await)
    }
}
