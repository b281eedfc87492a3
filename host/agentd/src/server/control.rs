//! What the server asks of the daemon. Reading is not among it: that is the store's.

use agentd_task::{Draft, Mode, TaskId};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Why something was not done. The text is for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    NotFound(String),
    /// It could be done at another time: the text says what is in the way.
    #[error("{0}")]
    NotNow(String),
    /// What was asked makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// agentd could not do it.
    #[error("{0}")]
    Failed(String),
}

/// How the daemon ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StopMode {
    /// Sandboxes are paused and found again at the next start.
    #[default]
    Stop,
    /// What runs may end first; nothing new starts.
    Drain,
    /// Containers are killed and nothing more is sent.
    Now,
}

/// What to do with an effect that was decided and not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EffectOrder {
    Hold,
    Release,
    Drop,
}

/// What the daemon does when it is told to. A `String` is one sentence of what happened.
#[async_trait]
pub(crate) trait Control: Send + Sync + 'static {
    /// Takes work in, from the source `cli`.
    async fn submit(&self, draft: Draft, mode: Mode) -> Result<TaskId, Refusal>;
    async fn start(&self, task: TaskId) -> Result<String, Refusal>;
    async fn cancel(&self, task: TaskId) -> Result<String, Refusal>;
    async fn retry(&self, task: TaskId) -> Result<String, Refusal>;
    async fn approve(&self, task: TaskId) -> Result<String, Refusal>;
    /// With a comment another run takes it up; without one the change is closed.
    async fn reject(&self, task: TaskId, comment: Option<String>) -> Result<String, Refusal>;
    async fn clean(&self, task: TaskId) -> Result<String, Refusal>;
    /// The unified diff of the task's change.
    async fn diff(&self, task: TaskId) -> Result<String, Refusal>;
    async fn pause(&self, paused: bool) -> Result<(), Refusal>;
    /// What is wrong with the workspaces; empty: all is well.
    async fn check_workspaces(&self) -> Result<Vec<String>, Refusal>;
    async fn effect(&self, id: i64, order: EffectOrder) -> Result<String, Refusal>;
    /// All plugins as JSON objects, in the order of their names.
    async fn plugins(&self) -> Vec<Json>;
    /// The generation before takes over again.
    async fn rollback(&self, plugin: &str) -> Result<String, Refusal>;
    /// Tries the file again that was left by a rollback.
    async fn readmit(&self, plugin: &str) -> Result<String, Refusal>;
    /// Lines that plugins said after a number, as JSON objects; with `wait`, as soon as there is one.
    async fn plugin_log(&self, after: u64, plugin: Option<&str>, wait: bool) -> Vec<Json>;
    /// Reads the configuration again and applies what changed: what came of it.
    async fn reload(&self) -> Result<Json, Refusal>;
    /// What the configuration in force waits for, and what is wrong with the file.
    async fn configuration(&self) -> Json;
    /// Begins to end the daemon and returns at once.
    async fn stop(&self, mode: StopMode) -> Result<(), Refusal>;
}
