//! The room with real guests: `tests/hostile-plugin`, which misbehaves on demand, and the shipped `label-priority`.
//!
//! They are built once, by cargo, into a target folder of their own.

mod agent;
mod calls;
mod edits;
mod files;
mod folder;
mod forge;
mod imports;
mod rights;

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
use crate::wit::{http, log};
use crate::{CallError, Entry, Grants, Host, HttpCall, Options, Plugins, Shipped, Tree};
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
            cache.load(engine.wasmtime(), &sha256(&wasm), &wasm).unwrap();
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

    async fn kv_get(&self, _: &str, key: &str) -> Result<Option<String>, Refusal> {
        Ok(self.kv.lock().unwrap().get(key).cloned())
    }

    async fn kv_keys(&self, _: &str, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Refusal> {
        let kv = self.kv.lock().unwrap();
        let keys = kv.keys().filter(|it| it.starts_with(prefix) && after.is_none_or(|after| it.as_str() > after));
        Ok(keys.take(1_000).cloned().collect())
    }

    async fn http(&self, call: HttpCall) -> Result<http::Response, Refusal> {
        self.requests.lock().unwrap().push(call);
        if self.deaf.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(http::Response { status: 200, headers: vec![], body: Content::Text(String::new()), extra: vec![] })
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

/// Both guests as shipped plugins.
struct House {
    daemon: Arc<Daemon>,
    plugins: Plugins,
    _folder: TempDir,
}

impl House {
    async fn new() -> House {
        let folder = TempDir::new().unwrap();
        for name in ["hostile_plugin", "label_priority"] {
            std::fs::write(folder.path().join(name).with_extension("wasm"), guest(name)).unwrap();
        }
        let daemon = Daemon::new();
        let options = Options {
            cache: warm_cache(),
            plugins: None,
            shipped: Shipped::Folder(folder.path().into()),
            max_memory: Options::MAX_MEMORY,
        };
        let plugins = Plugins::load(options, daemon.clone()).await.unwrap();
        House { daemon, plugins, _folder: folder }
    }

    /// An entry `e` of the hostile plugin, with all that it wants.
    async fn hostile(&self, settings: Value) -> Entry {
        let wants = self.plugins.wants("hostile", settings.clone()).await.unwrap();
        let grants = Grants::implied(&wants, vec!["acme/shop".into()]);
        self.plugins.entry("e", "hostile", settings, grants).await.unwrap()
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
