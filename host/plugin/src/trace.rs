//! What one call was asked and answered, so that it can be done again with the same result.
//!
//! Every call runs behind a [`Recorder`], which hands the guest's questions on and writes them down with their answers,
//! clocks included; the [`Seed`] says what chance told it. Of a call that fails a [`Trace`] is made, and of one that
//! goes well nothing stays. [`Trace::replay`] gives the same call to the same component, with the recorded answers.
//!
//! - Never holds a secret: what is recorded is what the guest has seen, and guests see none.
//! - Never grows beyond a limit: what does not fit is left out, and the trace says that it is not complete.

mod recorder;
mod seed;

pub(crate) use recorder::{CLOCK, KV_GET, KV_KEYS, MONOTONIC, Recorder};
pub(crate) use seed::Seed;

use crate::grants::Grants;
use crate::limits::Budget;
use crate::rehearse::{Answers, Approved, Opened, Played, Rehearsal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How much of one call is kept.
const TAPE_BYTES: usize = 4 << 20;

/// A call that failed, with all that made it so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The error names it, and `agentd plugin repro` takes it.
    pub id: String,
    /// `sha256:…` of the component.
    pub digest: String,
    pub plugin: String,
    /// Empty: the plugin about itself.
    pub entry: String,
    /// As the contract names it; `run` for an agent.
    pub function: String,
    /// With defaults.
    pub settings: Value,
    pub repositories: Vec<String>,
    /// A list, in the contract's words.
    pub arguments: Value,
    pub answers: Vec<HostAnswer>,
    /// What it read of its store.
    pub kv: BTreeMap<String, String>,
    /// When the call began, milliseconds since 1970.
    pub now: u64,
    pub seed: u64,
    pub limits: Budget,
    pub grants: Grants,
    /// What went wrong, for people.
    pub error: String,
    /// False: there was more than is kept, and a replay ends where that begins.
    pub complete: bool,
}

/// A question of a plugin's to the host, and what it was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostAnswer {
    /// Interface and function: `http.send`.
    pub import: String,
    /// A list, in the contract's words.
    pub arguments: Value,
    /// In the contract's words. Null where there was none when the call ended.
    pub answer: Value,
}

impl Trace {
    /// Does the call again, with the component that made it (which is the caller's to compare by its digest).
    pub async fn replay(&self, opened: &Opened) -> Played {
        let rehearsal = Rehearsal {
            entry: self.entry.clone(),
            settings: self.settings.clone(),
            repositories: self.repositories.clone(),
            function: self.function.clone(),
            arguments: self.arguments.clone(),
            kv: self.kv.clone(),
            now: self.now,
            seed: self.seed,
            answers: Answers::Recorded(self.answers.clone()),
            approved: Approved::Grants(self.grants.clone()),
        };
        opened.call_within(rehearsal, Some(self.limits)).await
    }
}
