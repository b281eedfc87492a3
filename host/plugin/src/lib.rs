//! Plugins: WebAssembly components behind the contract in `wit/`, and the only wasmtime in agentd.
//!
//! [`Plugins::load`] reads the shipped set and the plugin folder, and [`Plugins::watch`] follows the folder.
//! [`Plugins::entry`] makes of a plugin and settings an [`Entry`], which stays while versions of the plugin come and go;
//! its functions are the calls. Every call gets a fresh instance of code that was compiled ahead of time, within limits
//! of time, CPU and memory; only an agent keeps one instance for its run ([`AgentRun`]). What a plugin asks of the
//! outside comes to the daemon through the trait [`Host`], after this room has compared what the plugin wants with what
//! the operator grants. [`Plugins::open`] is for authors: any file, called once, with answers that are given or recorded.
//!
//! - Never gives a guest a file, a socket, a variable or a secret: WASI is linked and empty, but for requests by
//!   `wasi:http`, which go the way of the contract's own.
//! - Never lets a guest's trap, loop, appetite or nonsense reach the daemon: all of them are a [`CallError`].
//! - Never stores anything but compiled code; what a call wrote to its key-value store is returned with its answer.
//! - Never reads the clock: time comes from [`Host::now`].

pub mod wit;

mod approval;
mod entry;
mod generation;
mod grants;
mod host;
mod kind;
mod news;
mod registry;
mod watch;

mod agent;
mod analyzer;
mod draft;
mod edits;
mod manifest;
mod notifier;
mod prioritizer;
mod prompt_template;
mod settings;
mod task_source;

mod bindings;
mod breaker;
mod cache;
mod call;
mod compile;
mod component;
mod engine;
mod error;
mod exports;
mod imports;
mod json;
mod limits;
mod metrics;
mod output;
mod rehearse;
mod state;
mod trace;

#[cfg(test)]
mod tests;

pub use agent::AgentRun;
pub use approval::{Approval, OnDrop};
pub use call::Answer;
pub use compile::{Compiler, compile_child};
pub use edits::assignees;
pub use entry::Entry;
pub use error::{CallError, Details, Error, Problem, text};
pub use grants::{ForgeGrant, Grants, HttpGrant, line};
pub use host::{Host, HttpCall, Tree};
pub use kind::Kind;
pub use limits::{Budget, PluginLimits, limits_of};
pub use metrics::{Counter, Health};
pub use news::{News, What};
pub use registry::{Held, Info, Origin};
pub use rehearse::{Answers, Approved, LogLine, Opened, Played, Rehearsal};
pub use trace::{HostAnswer, Trace};
pub use watch::Watcher;

use call::Shared;
use registry::Registry;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wit::manifest::Want;

/// How many instances work at the same time; others wait.
const SLOTS: usize = 16;

/// How many of them may be one plugin's.
const SHARE: usize = 4;

/// How often the plugin folder is looked at without a change in it.
const LOOK: Duration = Duration::from_secs(30);

/// Where plugins come from, and what one call may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of compiled code: made if it is missing, and used only if nobody else can write to it.
    pub cache: PathBuf,
    /// The folder that people drop plugins into. It need not exist; nobody but the daemon's user may write to it.
    pub plugins: Option<PathBuf>,
    pub shipped: Shipped,
    /// Bytes of memory for one call; an analyzer gets twice that. See [`Options::MAX_MEMORY`].
    pub max_memory: usize,
    pub compiler: Compiler,
    /// What a person has allowed, by plugin.
    pub approvals: BTreeMap<String, Approval>,
    pub on_drop: OnDrop,
    /// What the operator has set in place of the defaults, by plugin.
    pub limits: BTreeMap<String, PluginLimits>,
    pub keeping: Keeping,
}

/// Whether it is remembered, from one start to the next, what served and what was gone back from.
#[derive(Clone, Debug)]
pub enum Keeping {
    /// The plugin folder alone counts.
    Nothing,
    /// As it stands in this folder, which is only read: for a look beside the daemon.
    Read(PathBuf),
    /// In this folder, which nobody else writes to.
    Own(PathBuf),
}

impl Options {
    /// What the contract promises to most calls.
    pub const MAX_MEMORY: usize = 256 << 20;

    /// The shipped set alone, compiled in this process; the rest is to be filled in.
    #[must_use]
    pub fn new(cache: PathBuf, shipped: Shipped) -> Options {
        Options {
            cache,
            plugins: None,
            shipped,
            max_memory: Options::MAX_MEMORY,
            compiler: Compiler::InProcess,
            approvals: BTreeMap::new(),
            on_drop: OnDrop::Hold,
            limits: BTreeMap::new(),
            keeping: Keeping::Nothing,
        }
    }
}

/// The plugins that come with agentd.
#[derive(Clone)]
pub enum Shipped {
    /// All `.wasm` files of a folder.
    Folder(PathBuf),
    /// Name and component.
    Embedded(&'static [(&'static str, &'static [u8])]),
}

/// All plugins. Cheap to clone.
#[derive(Clone)]
pub struct Plugins {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
}

impl Plugins {
    /// Reads, compiles and asks all plugins. Fails if the engine does not start, a folder cannot be read or can be
    /// changed by others, or a shipped plugin does not work; a bad file in the plugin folder is listed with its
    /// problem, and the others serve.
    pub async fn load(options: Options, host: Arc<dyn Host>) -> Result<Plugins, Error> {
        let shared = Arc::new(Shared {
            engine: engine::Engine::new()?,
            cache: cache::Cache::open(&options.cache),
            host,
            metrics: metrics::Metrics::default(),
            max_memory: options.max_memory,
            limits: RwLock::new(options.limits.clone()),
            slots: Arc::new(Semaphore::new(SLOTS)),
            shares: std::sync::Mutex::default(),
            asking: Arc::new(Semaphore::new(SHARE)),
            compiler: options.compiler.clone(),
            compiling: Arc::new(Semaphore::new(1)),
            runs: TaskTracker::new(),
        });
        let registry = Registry::load(shared.clone(), options).await?;
        Ok(Plugins { shared, registry })
    }

    /// Follows the plugin folder until `stop`: what is new, changed or gone there takes effect. Never fails; where a
    /// look does, it is logged, and the next change is looked at again.
    pub async fn watch(&self, stop: CancellationToken) {
        let Some(folder) = self.registry.folder() else { return stop.cancelled().await };
        let mut watcher = Watcher::new([folder.to_owned()]);
        loop {
            let look = async {
                self.look().await;
                // What waits for an entry that is in its way hears of no change.
                timeout(LOOK, watcher.changed()).await.ok();
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = look => (),
            }
        }
    }

    /// One look at the plugin folder, now. Comes back when all that was found has taken effect.
    pub async fn look(&self) {
        self.registry.look_again().await;
    }

    /// What people allow from now on. What is held is examined again, and what serves has at once no more than it may.
    pub async fn set_approvals(&self, approvals: BTreeMap<String, Approval>, on_drop: OnDrop) {
        self.registry.set_approvals(approvals, on_drop).await;
    }

    /// What the operator sets in place of the defaults, by plugin, for all calls from now on.
    pub fn set_limits(&self, limits: BTreeMap<String, PluginLimits>) {
        *self.shared.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Goes back to the version before the last swap. The version that it leaves waits until its file changes or it
    /// is approved again. Fails with [`Error::NoPrevious`], or with [`Error::Misfit`] if an entry does not fit; then
    /// nothing changes.
    pub async fn rollback(&self, plugin: &str) -> Result<Info, Error> {
        self.registry.rollback(plugin, "a person asked for it", None).await
    }

    /// Lets a version that was rolled back serve again, if nothing else is against it.
    pub async fn retry(&self, plugin: &str) -> Result<Info, Error> {
        self.registry.retry(plugin).await
    }

    /// All plugins that were found, by name; those with a problem do not serve.
    #[must_use]
    pub fn list(&self) -> Vec<Info> {
        self.registry.list()
    }

    /// Looks at any file, without letting it serve. Fails with [`Error::File`] if it is no plugin.
    pub async fn inspect(&self, file: &Path) -> Result<Info, Error> {
        match generation::open(&self.shared, file).await {
            Ok(loaded) => Ok(loaded.info),
            Err((problem, _)) => Err(Error::File { path: file.into(), problem }),
        }
    }

    /// What a plugin wants with these settings; of models, only those that it may call.
    pub async fn wants(&self, plugin: &str, settings: serde_json::Value) -> Result<Vec<Want>, Error> {
        self.registry.wants(plugin, settings).await
    }

    /// A use of a plugin under a name, with settings, and repositories that it may read as far as it wants them. A
    /// shipped plugin may do what it wants; a dropped one what it wants and a person has approved. Fails with all
    /// problems of the settings at once.
    pub async fn entry(
        &self,
        name: &str,
        plugin: &str,
        settings: serde_json::Value,
        repositories: Vec<String>,
    ) -> Result<Entry, Error> {
        self.registry.entry(name, plugin, settings, repositories).await
    }

    /// The numbers that plugins count themselves, since the start.
    #[must_use]
    pub fn counters(&self) -> Vec<Counter> {
        self.shared.metrics.counters()
    }

    /// How each function of each entry fares, since the start; those that were never called are left out.
    #[must_use]
    pub fn health(&self) -> Vec<Health> {
        self.shared.metrics.health(self.shared.host.now())
    }

    /// Waits until the instances of all runs have ended; they end when their [`AgentRun`] is dropped.
    pub async fn closed(&self) {
        self.registry.settled().await;
        self.shared.runs.close();
        self.shared.runs.wait().await;
    }
}

impl std::fmt::Debug for Shipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shipped::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Shipped::Embedded(files) => {
                f.debug_tuple("Embedded").field(&files.iter().map(|it| it.0).collect::<Vec<_>>()).finish()
            }
        }
    }
}
