//! A line of the append-only log: audit trail, live stream and notifiers' input in one.

use crate::{Millis, RunNumber, TaskId};
use serde::{Deserialize, Serialize};

/// How much an event matters to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Info,
    Warning,
    /// Somebody is needed.
    Urgent,
}

/// An event as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Grows by one with each event of the instance.
    pub id: i64,
    pub at: Millis,
    pub task: Option<TaskId>,
    pub run: Option<RunNumber>,
    /// Noun dot what happened: `task.queued`, `step.finished`, `agent.message`, `plugin.failed`.
    pub kind: String,
    pub severity: Severity,
    /// One line that can stand alone.
    pub text: String,
    /// All data: a JSON object as text.
    pub details: String,
}
