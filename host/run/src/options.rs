//! What the operator configured, as this room needs it.

use crate::{Allow, Author, Clock, Layout};
use agentd_egress::secret::SecretScan;
use agentd_executor::{Executor, Limits as SandboxLimits};
use agentd_forge::Forge;
use agentd_gateway::{Gateway, registry::Registry};
use agentd_plugin::{Entry, wit::agent::Requirements};
use agentd_store::Store;
use agentd_task::{Limits, Mode};
use globset::GlobSet;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Everything that tasks are moved with.
pub struct Options {
    pub store: Store,
    pub clock: Clock,
    pub layout: Layout,
    /// Where agents' programs are.
    pub toolbox: Arc<dyn Toolbox>,
    /// What holds until [`Handle::rearrange`](crate::Handle::rearrange) brings another.
    pub arrangement: Arrangement,
}

/// What comes from the configuration and may change while runs go on. A run keeps the one that it began with.
#[derive(Clone)]
pub struct Arrangement {
    pub limits: Limits,
    pub timeouts: Timeouts,
    /// The very same `Arc` as before: the source is the same and goes on undisturbed.
    pub sources: Vec<Arc<Source>>,
    /// As with the sources.
    pub analyzers: Vec<Arc<Analyzer>>,
    pub prioritizer: Entry,
    pub prompts: Entry,
    pub agents: BTreeMap<String, Agent>,
    /// The name of the agent for tasks that name none.
    pub default_agent: Option<String>,
    pub notifiers: Vec<Notifier>,
    pub repositories: BTreeMap<String, Repository>,
    pub sandboxes: Sandboxes,
    /// The way out of sandboxes.
    pub gateway: Gateway,
    pub secrets: Arc<SecretScan>,
    /// On every commit, whatever the agent wrote.
    pub author: Author,
    /// How often a change in review is looked at.
    pub review_interval: Duration,
}

#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the agent, from its start to its end.
    pub wall: Duration,
    /// The agent may be silent for so long.
    pub idle: Duration,
    /// For each gate, and for setup.
    pub gate: Duration,
    /// For a service until it is ready.
    pub service: Duration,
    /// For collecting.
    pub collect: Duration,
}

/// A use of a task-source plugin.
pub struct Source {
    pub name: String,
    pub entry: Entry,
    pub mode: Mode,
    pub interval: Duration,
    /// For drafts that name none.
    pub repository: Option<String>,
    /// Who may start its work; none: the source vouches for it.
    pub allow: Option<Allow>,
}

/// A use of an analyzer plugin.
pub struct Analyzer {
    pub name: String,
    pub entry: Entry,
    pub mode: Mode,
    pub interval: Duration,
    pub repositories: Vec<String>,
}

#[derive(Clone)]
pub struct Agent {
    pub entry: Entry,
    /// The model to ask for; none: the plugin's settings say, or the agent itself.
    pub model: Option<String>,
    /// The ways to models that it gets.
    pub endpoints: Vec<agentd_gateway::Model>,
    /// Why a model that it cannot work without has nobody's key, and what to do.
    pub no_model: Option<String>,
    /// What has to be in its sandbox.
    pub needs: Requirements,
}

/// Programs that were installed for agents, to be mounted into sandboxes.
pub trait Toolbox: Send + Sync {
    /// Those of the requirements that are for this machine.
    ///
    /// # Errors
    /// A sentence that says which one is missing, and what to do.
    fn tools(&self, needs: &Requirements) -> Result<Vec<Tool>, String>;
}

/// An installed program.
#[derive(Clone, Debug)]
pub struct Tool {
    pub name: String,
    /// The folder on this machine that has it in `bin/`.
    pub folder: PathBuf,
}

/// A container that a repository's tests and agents need beside them, as it is configured. Each network of each run gets
/// one of its own, which then is an [`agentd_executor::Service`]: with a name, labels, limits and a place.
#[derive(Clone, Debug)]
pub struct ServiceContainer {
    pub image: String,
    pub env: Vec<(String, String)>,
    /// Empty: the image's own.
    pub command: Vec<String>,
    /// A shell command in it that ends with 0 once it is ready.
    pub ready: Option<String>,
}

/// A use of a notifier plugin.
#[derive(Clone)]
pub struct Notifier {
    pub name: String,
    pub entry: Entry,
    /// Kinds of events that it hears of.
    pub events: GlobSet,
}

#[derive(Clone)]
pub struct Repository {
    pub id: String,
    pub forge: Arc<dyn Forge>,
    pub executor: Arc<dyn Executor>,
    /// None: the forge's default branch.
    pub base: Option<String>,
    /// A name, or `dockerfile`, `dockerfile:STAGE`, `devcontainer`.
    pub image: String,
    pub services: Vec<ServiceContainer>,
    /// Package registries that its sandboxes may read.
    pub registries: BTreeSet<Registry>,
    /// `host:port`: unfiltered ways out.
    pub tunnels: Vec<String>,
    /// A shell command, run in the workspace before the agent and before the gates.
    pub setup: Option<String>,
    /// Shell commands.
    pub gates: Vec<String>,
    /// A change that touches one of these waits for a person.
    pub protected: GlobSet,
    /// Added and removed lines together.
    pub max_lines: u64,
    pub push: Push,
    /// Set on its changes.
    pub labels: Vec<String>,
    /// Asked to review its changes: logins, or `team:org/slug`.
    pub reviewers: Vec<String>,
    /// Its changes are opened as drafts.
    pub draft: bool,
    /// The template of its changes' texts; none: agentd's own.
    pub template: Option<String>,
}

/// Whether a person sees a change before it is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    Ask,
    Branch,
    /// Where its workflows would give a pushed branch what nobody has looked at should not have.
    AsWorkflowsSay,
}

#[derive(Clone)]
pub struct Sandboxes {
    /// The program that is PID 1 in the sandbox.
    pub init: PathBuf,
    /// An image with nothing in it, for sandboxes that only hold a network.
    pub empty_image: String,
    pub limits: SandboxLimits,
    /// Bytes that an agent may have written in its checkout and its home together, as the watch sees it now and then.
    pub disk: u64,
    /// Who the agent is in the sandbox, where the executor changes users.
    pub uid: u32,
    pub gid: u32,
}
