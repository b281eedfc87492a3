//! What the gateway tells of its calls, and what it asks before each.

use agentd_task::{RunNumber, TaskId};
use async_trait::async_trait;

/// Where the money is counted. The daemon fills it in with the store.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// What was spent so far: of this run, of this task, and since the start of the UTC day.
    async fn spent(&self, task: TaskId, run: RunNumber) -> Result<Spent, String>;

    /// A call has ended, in whatever way.
    async fn book(&self, call: Call) -> Result<(), String>;

    /// Something was refused; becomes an event of the run. Each distinct text comes at most once per door.
    async fn refused(&self, task: TaskId, run: RunNumber, refusal: Refusal);
}

/// In millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub run: u64,
    pub task: u64,
    pub day: u64,
}

/// One call of a model, for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub task: TaskId,
    pub run: RunNumber,
    pub account: String,
    pub model: String,
    pub usage: Usage,
    pub cost_microusd: u64,
    /// Its usage arrived; false: it is estimated from the bytes that went both ways.
    pub complete: bool,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read at the full price: without those of the cache.
    pub input: u64,
    /// Written, thinking included.
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
}

/// Something that the gateway did not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `CONNECT example.org:443`, `npm left-pad`, `model call`.
    pub what: String,
    pub why: String,
    /// The line of the configuration that would allow it: `[repositories."acme/api"] egress = ["npm"]`.
    pub allow: Option<String>,
}
