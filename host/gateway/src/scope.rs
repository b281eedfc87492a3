//! What one run may reach.

use crate::registry::Registry;
use agentd_task::{RunNumber, TaskId};
use std::collections::BTreeSet;

/// What one run may reach.
#[derive(Clone, Debug)]
pub struct Scope {
    pub task: TaskId,
    pub run: RunNumber,
    pub models: Vec<Model>,
    pub registries: BTreeSet<Registry>,
    /// `host:port`.
    pub tunnels: Vec<String>,
    /// Its id, for the lines of the configuration in refusals.
    pub repository: String,
}

/// An endpoint that the run gets: a model of an account.
#[derive(Clone, Debug)]
pub struct Model {
    /// The endpoint's name.
    pub name: String,
    pub account: String,
    /// The languages that the agent speaks, preferred first.
    pub apis: Vec<String>,
}
