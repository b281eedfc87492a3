//! Plugins: WebAssembly components behind the contract in `wit/`, and the only wasmtime in agentd.
//!
//! [`Plugins::load`] reads the shipped set and the plugin folder. [`Plugins::entry`] makes of a plugin, settings and
//! grants an [`Entry`], and its functions are the calls. Every call gets a fresh instance of code that was compiled
//! ahead of time, within limits of time, CPU and memory; only an agent keeps one instance for its run
//! ([`AgentRun`]). What a plugin asks of the outside comes to the daemon through the trait [`Host`], after this room
//! has compared what the plugin wants with what the operator grants.
//!
//! - Never gives a guest a file, a socket, a variable or a secret: WASI is linked and empty.
//! - Never lets a guest's trap, loop, appetite or nonsense reach the daemon: all of them are a [`CallError`].
//! - Never stores anything but compiled code; what a call wrote to its key-value store is returned with its answer.
//! - Never reads the clock: time comes from [`Host::now`].

pub mod wit;

mod entry;
mod grants;
mod host;
mod kind;
mod registry;

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
mod component;
mod engine;
mod error;
mod exports;
mod imports;
mod limits;
mod metrics;
mod output;
mod state;

#[cfg(test)]
mod tests;

pub use agent::AgentRun;
pub use call::Answer;
pub use edits::assignees;
pub use entry::Entry;
pub use error::{CallError, Error, Problem, text};
pub use grants::{ForgeGrant, Grants, HttpGrant, line};
pub use host::{Host, HttpCall, Tree};
pub use kind::Kind;
pub use registry::{Info, Origin};

use call::Shared;
use registry::Registry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use wit::manifest::Want;

/// How many instances work at the same time; others wait.
const SLOTS: usize = 16;

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
}

impl Options {
    /// What the contract promises to most calls.
    pub const MAX_MEMORY: usize = 256 << 20;
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
            slots: Arc::new(Semaphore::new(SLOTS)),
            compiling: Arc::new(Semaphore::new(1)),
            runs: TaskTracker::new(),
        });
        let registry = Arc::new(Registry::load(&shared, &options).await?);
        Ok(Plugins { shared, registry })
    }

    /// All plugins that were found, by name; those with a problem do not serve.
    #[must_use]
    pub fn list(&self) -> Vec<Info> {
        self.registry.list()
    }

    /// Looks at any file, without letting it serve. Fails with [`Error::File`] if it is no plugin.
    pub async fn inspect(&self, file: &Path) -> Result<Info, Error> {
        match registry::open(&self.shared, file).await {
            Ok(loaded) => Ok(loaded.info),
            Err((problem, _)) => Err(Error::File { path: file.into(), problem }),
        }
    }

    /// What a plugin wants with these settings, to be granted by [`Grants::implied`].
    pub async fn wants(&self, plugin: &str, settings: serde_json::Value) -> Result<Vec<Want>, Error> {
        let loaded = self.registry.get(plugin)?;
        let settings = settings::complete(&loaded.schema, settings).map_err(|problems| Error::Settings {
            entry: String::new(),
            plugin: plugin.into(),
            problems,
        })?;
        entry::wants(&self.shared, loaded, &settings).await
    }

    /// A use of a plugin under a name, with settings and grants. Fails with all problems of the settings at once.
    pub async fn entry(
        &self,
        name: &str,
        plugin: &str,
        settings: serde_json::Value,
        grants: Grants,
    ) -> Result<Entry, Error> {
        let loaded = self.registry.get(plugin)?.clone();
        Entry::new(self.shared.clone(), loaded, name, settings, &grants).await
    }

    /// Waits until the instances of all runs have ended; they end when their [`AgentRun`] is dropped.
    pub async fn closed(&self) {
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
