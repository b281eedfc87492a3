//! What the operator configured, as this room needs it.

use crate::{Author, Clock, Layout};
use agentd_egress::secret::SecretScan;
use agentd_executor::{Executor, Limits as SandboxLimits};
use agentd_forge::Forge;
use agentd_plugin::Entry;
use agentd_store::Store;
use agentd_task::{Limits, Mode};
use globset::GlobSet;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// Everything that tasks are moved with.
pub struct Options {
    pub store: Store,
    pub clock: Clock,
    pub layout: Layout,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub sources: Vec<Source>,
    pub analyzers: Vec<Analyzer>,
    pub prioritizer: Entry,
    pub prompts: Entry,
    pub agents: BTreeMap<String, Agent>,
    /// The name of the agent for tasks that name none.
    pub default_agent: Option<String>,
    pub notifiers: Vec<Notifier>,
    pub repositories: BTreeMap<String, Repository>,
    pub sandboxes: Sandboxes,
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
}

/// A use of an analyzer plugin.
pub struct Analyzer {
    pub name: String,
    pub entry: Entry,
    pub mode: Mode,
    pub interval: Duration,
    pub repositories: Vec<String>,
}

pub struct Agent {
    pub entry: Entry,
}

/// A use of a notifier plugin.
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
    pub image: String,
    /// A shell command, run in the workspace before the agent and before the gates.
    pub setup: Option<String>,
    /// Shell commands.
    pub gates: Vec<String>,
    /// A change that touches one of these waits for a person.
    pub protected: GlobSet,
    /// Added and removed lines together.
    pub max_lines: u64,
    /// A person sees every change before it is pushed.
    pub ask: bool,
}

pub struct Sandboxes {
    /// The program that is PID 1 in the sandbox.
    pub init: PathBuf,
    pub limits: SandboxLimits,
    /// Bytes that an agent may have written in its checkout and its home together, as the watch sees it now and then.
    pub disk: u64,
    /// Who the agent is in the sandbox, where the executor changes users.
    pub uid: u32,
    pub gid: u32,
}
