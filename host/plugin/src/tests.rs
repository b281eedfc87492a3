//! The room with real guests: `tests/hostile-plugin`, which misbehaves on demand, and the shipped `label-priority`.
//!
//! They are built once, by cargo, into a target folder of their own.

mod agent;
mod approvals;
mod calls;
mod canary;
mod compile;
mod edits;
mod files;
mod folder;
mod forge;
mod granting;
mod imports;
mod outgoing;
mod reload;
mod rights;
mod rollback;
mod traces;
mod watch;

use crate::cache::{Cache, sha256};
use crate::engine::Engine;
use crate::wit::common::{Content, Error as Refusal};
use crate::wit::forge as issues;
use crate::wit::prioritizer::{Batch, Candidate};
use crate::wit::repository::{
    BlameRange, ChurnQuery, ChurnedFile, CommitPage, CommitQuery, FilePage, FileQuery, Info as RepositoryInfo,
    SearchPage, SearchQuery,
};
use crate::wit::work::Task;
use crate::wit::{http, log, mail};
use crate::{
    Approval, CallError, Entry, Grants, Host, HttpCall, News, OnDrop, Options, Plugins, Shipped, Trace, Tree, What,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;

const NOW: u64 = 1_790_000_000_000;

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The bytes of a guest: `hostile_plugin` or `label_priority`.
fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(build);
    std::fs::read(folder.join(name).with_extension("wasm")).expect("cargo has made it")
}

/// Without what the cargo around this test has set: its flags are for another target.
fn build() -> PathBuf {
    let target = workspace().join("target/guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).arg("build").args(["--quiet", "-p", "hostile-plugin", "-p", "label-priority"]);
    cargo.args(["--target", "wasm32-wasip2", "--profile", "guest", "--target-dir"]).arg(&target);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_cargo = text.starts_with("CARGO") && text != "CARGO_HOME" && text != "CARGO_NET_OFFLINE";
        if of_cargo || ["RUSTFLAGS", "MAKEFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"].contains(&&*text) {
            cargo.env_remove(&name);
        }
    }
    let done = cargo.status().expect("cargo runs");
    assert!(done.success(), "the guests cannot be built; is the target wasm32-wasip2 installed?");
    target.join("wasm32-wasip2/guest")
}

/// Compiled guests, kept between the runs of these tests.
fn warm_cache() -> PathBuf {
    static WARM: OnceLock<PathBuf> = OnceLock::new();
    let fill = || {
        let folder = workspace().join("target/guests/compiled");
        let (engine, cache) = (Engine::new().unwrap(), Cache::open(&folder));
        for name in ["hostile_plugin", "label_priority"] {
            let wasm = guest(name);
            if cache.find(engine.wasmtime(), &sha256(&wasm)).is_none() {
                let code = engine.wasmtime().precompile_component(&wasm).unwrap();
                cache.keep_code(engine.wasmtime(), &sha256(&wasm), &code);
            }
        }
        folder
    };
    WARM.get_or_init(fill).clone()
}

/// A daemon of the simplest kind.
struct Daemon {
    now: AtomicU64,
    log: Mutex<Vec<String>>,
    kv: Mutex<BTreeMap<String, String>>,
    requests: Mutex<Vec<HttpCall>>,
    /// Requests are never answered.
    deaf: AtomicBool,
    /// What the forge was asked.
    asked: Mutex<Vec<String>>,
    news: Mutex<Vec<News>>,
    traces: Mutex<Vec<Trace>>,
    mails: Mutex<Vec<(Vec<String>, mail::Message)>>,
    /// What every request is answered with.
    answer: Mutex<http::Response>,
    /// Requests really go out by this, if it is there.
    way_out: Mutex<Option<agentd_egress::Egress>>,
    /// What came back by it.
    answered: Mutex<Vec<String>>,
    told: tokio::sync::Notify,
}

impl Daemon {
    fn new() -> Arc<Daemon> {
        Arc::new(Daemon {
            now: AtomicU64::new(NOW),
            log: Mutex::default(),
            kv: Mutex::default(),
            requests: Mutex::default(),
            deaf: AtomicBool::default(),
            asked: Mutex::default(),
            news: Mutex::default(),
            traces: Mutex::default(),
            mails: Mutex::default(),
            answer: Mutex::new(answer(200, "")),
            way_out: Mutex::default(),
            answered: Mutex::default(),
            told: tokio::sync::Notify::new(),
        })
    }

    fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    fn ask(&self, question: String) {
        self.asked.lock().unwrap().push(question);
    }

    fn logged(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// What happened since this was last asked, but for compilations: `PLUGIN WORD`.
    fn heard(&self) -> Vec<String> {
        let news = std::mem::take(&mut *self.news.lock().unwrap());
        let told = news.iter().filter(|it| it.what != What::Compiled);
        told.map(|it| format!("{} {}", it.plugin, it.what.word())).collect()
    }
}

#[async_trait]
impl Host for Daemon {
    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    fn log(&self, plugin: &str, entry: &str, level: log::Level, message: &str, fields: &[(String, String)]) {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let level = match level {
            log::Level::Debug => "debug",
            log::Level::Info => "info",
            log::Level::Warn => "warn",
            log::Level::Error => "error",
        };
        let line = format!("{plugin}/{entry} {level}: {message}{}", fields.concat());
        self.log.lock().unwrap().push(line);
    }

    fn news(&self, news: News) {
        self.news.lock().unwrap().push(news);
        self.told.notify_one();
    }

    fn failed(&self, trace: Trace) {
        self.traces.lock().unwrap().push(trace);
    }

    async fn mail(&self, _: &str, allowed: &[String], message: mail::Message) -> Result<(), Refusal> {
        self.mails.lock().unwrap().push((allowed.to_vec(), message));
        Ok(())
    }

    async fn kv_get(&self, _: &str, key: &str) -> Result<Option<String>, Refusal> {
        Ok(self.kv.lock().unwrap().get(key).cloned())
    }

    async fn kv_keys(&self, _: &str, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Refusal> {
        let kv = self.kv.lock().unwrap();
        let keys = kv.keys().filter(|it| it.starts_with(prefix) && after.is_none_or(|after| it.as_str() > after));
        Ok(keys.take(1_000).cloned().collect())
    }

    async fn http(&self, call: HttpCall) -> Result<http::Response, Refusal> {
        let way_out = self.way_out.lock().unwrap().clone();
        if let Some(egress) = way_out {
            let answer = canary::send(&egress, call).await;
            self.answered.lock().unwrap().push(format!("{answer:?}"));
            return answer;
        }
        self.requests.lock().unwrap().push(call);
        if self.deaf.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(self.answer.lock().unwrap().clone())
    }

    fn repositories(&self, ids: &[String]) -> Vec<RepositoryInfo> {
        let info = |id: &String| RepositoryInfo {
            id: id.clone(),
            forge: "local".into(),
            default_branch: "main".into(),
            url: None,
            extra: vec![],
        };
        ids.iter().map(info).collect()
    }

    async fn list_files(&self, _: Tree, _: FileQuery) -> Result<FilePage, Refusal> {
        Ok(FilePage { files: vec![], next: None, extra: vec![] })
    }

    async fn read_file(&self, tree: Tree, _: Option<String>, path: String) -> Result<Content, Refusal> {
        Ok(Content::Text(format!("{tree:?} {path}")))
    }

    async fn search(&self, _: Tree, _: SearchQuery) -> Result<SearchPage, Refusal> {
        Ok(SearchPage { hits: vec![], next: None, extra: vec![] })
    }

    async fn history(&self, _: Tree, _: CommitQuery) -> Result<CommitPage, Refusal> {
        Ok(CommitPage { commits: vec![], next: None, extra: vec![] })
    }

    async fn blame(&self, _: Tree, _: Option<String>, _: String, _: u32, _: u32) -> Result<Vec<BlameRange>, Refusal> {
        Ok(vec![])
    }

    async fn churn(&self, _: Tree, _: ChurnQuery) -> Result<Vec<ChurnedFile>, Refusal> {
        Ok(vec![])
    }

    async fn list_issues(&self, ids: &[String], query: issues::IssueQuery) -> Result<issues::IssuePage, Refusal> {
        let issues::IssueQuery { state, labels, limit, .. } = query;
        self.ask(format!("issues {ids:?} {state} {labels:?} {limit}"));
        Ok(issues::IssuePage { issues: vec![forge::issue(&ids[0])], next: None, extra: vec![] })
    }

    async fn get_issue(&self, repository: &str, number: u32) -> Result<issues::Issue, Refusal> {
        self.ask(format!("issue {repository}#{number}"));
        Ok(forge::issue(repository))
    }

    async fn list_comments(&self, ids: &[String], query: issues::CommentQuery) -> Result<issues::CommentPage, Refusal> {
        self.ask(format!("comments {ids:?} {:?} {}", query.number, query.limit));
        Ok(issues::CommentPage { comments: vec![], next: Some("more".into()), extra: vec![] })
    }

    async fn list_pull_requests(&self, query: issues::PullRequestQuery) -> Result<issues::PullRequestPage, Refusal> {
        self.ask(format!("pull requests {} {} {:?} {}", query.repository, query.state, query.head, query.limit));
        Ok(issues::PullRequestPage { pull_requests: vec![], next: None, extra: vec![] })
    }

    async fn get_pull_request(&self, repository: &str, number: u32) -> Result<issues::PullRequest, Refusal> {
        Err(Refusal::NotFound(format!("no pull request {repository}#{number}")))
    }

    async fn list_labels(&self, repository: &str) -> Result<Vec<issues::Label>, Refusal> {
        self.ask(format!("labels {repository}"));
        Ok(vec![])
    }

    async fn list_checks(&self, repository: &str, commit: &str) -> Result<Vec<issues::Check>, Refusal> {
        self.ask(format!("checks {repository} {commit}"));
        Ok(vec![])
    }
}

fn answer(status: u16, body: &str) -> http::Response {
    http::Response { status, headers: vec![], body: Content::Text(body.into()), extra: vec![] }
}

/// Both guests as shipped plugins.
struct House {
    daemon: Arc<Daemon>,
    plugins: Plugins,
    folder: TempDir,
}

impl House {
    async fn new() -> House {
        let folder = TempDir::new().unwrap();
        for name in ["hostile_plugin", "label_priority"] {
            std::fs::write(folder.path().join(name).with_extension("wasm"), guest(name)).unwrap();
        }
        let daemon = Daemon::new();
        let options = Options::new(warm_cache(), Shipped::Folder(folder.path().into()));
        let plugins = Plugins::load(options, daemon.clone()).await.unwrap();
        House { daemon, plugins, folder }
    }

    /// An entry `e` of the hostile plugin, with all that it wants.
    async fn hostile(&self, settings: Value) -> Entry {
        self.plugins.entry("e", "hostile", settings, vec!["acme/shop".into()]).await.unwrap()
    }

    async fn does(&self, what: &str) -> Entry {
        self.hostile(json!({ "does": what })).await
    }
}

fn batch(ids: &[&str]) -> Batch {
    let candidate = |id: &&str| Candidate {
        task: task(id),
        purpose: "execute".into(),
        waiting_since: NOW,
        failures: 0,
        blocks: 0,
        typical_microusd: None,
        extra: vec![],
    };
    Batch { now: NOW, candidates: ids.iter().map(candidate).collect(), extra: vec![] }
}

pub(crate) fn task(id: &str) -> Task {
    Task {
        id: id.into(),
        source: "notes".into(),
        key: id.into(),
        title: "Mend it".into(),
        url: None,
        repository: "acme/shop".into(),
        thread: None,
        requester: None,
        labels: vec!["bug".into()],
        priority: None,
        state: "queued".into(),
        reason: None,
        run: 0,
        change: None,
        created_at: NOW,
        changed_at: NOW,
        spent_microusd: 0,
        extra: vec![],
    }
}

/// What the hostile plugin found out while it ranked, or how it failed.
async fn rank(entry: &Entry) -> Result<String, CallError> {
    Ok(entry.rank(batch(&["t-1"])).await?.value.remove(0).reason)
}
