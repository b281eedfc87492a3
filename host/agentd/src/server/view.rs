//! What the daemon says about its tasks, events and effects: the JSON of the control socket and of `--json`.
//!
//! Fields are added, never renamed or removed: scripts read this. Points in time are milliseconds since 1970.

use agentd_store::{Change, Effect, Remark, RunRow, StepRow, TaskRow, Usage};
use agentd_task::{Draft, Mode, Purpose, Recorded, RunNumber, Severity, Status, Step, TaskId, Thread};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The daemon and its queue at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StatusView {
    pub(crate) version: String,
    pub(crate) home: String,
    pub(crate) running: bool,
    /// None: the daemon is down, and so for all that only it knows.
    pub(crate) pid: Option<u32>,
    pub(crate) instance: Option<String>,
    pub(crate) started_at: Option<i64>,
    pub(crate) paused: bool,
    /// Number of tasks in each state that any is in.
    pub(crate) tasks: BTreeMap<String, u64>,
    pub(crate) working_on: Vec<TaskView>,
    /// Effects that were decided and are not done yet.
    pub(crate) open_effects: u64,
    /// What models cost since the day began (UTC), in millionths of a US dollar.
    #[serde(default)]
    pub(crate) spent_today_microusd: u64,
}

/// A task in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TaskView {
    pub(crate) id: TaskId,
    pub(crate) state: String,
    /// Why it is in that state, for people.
    pub(crate) reason: String,
    /// Where a running one stands.
    pub(crate) step: Option<Step>,
    /// What a waiting one waits for: `start`, `approval`, `operator`, `confirmation`.
    pub(crate) waits_for: Option<String>,
    pub(crate) run: RunNumber,
    pub(crate) failures: u32,
    pub(crate) purpose: Purpose,
    pub(crate) source: String,
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) url: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) repository: String,
    pub(crate) base: Option<String>,
    pub(crate) branch: String,
    pub(crate) labels: Vec<String>,
    pub(crate) priority: Option<u32>,
    pub(crate) depends_on: Vec<String>,
    pub(crate) requested_by: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) score: f64,
    pub(crate) score_reason: String,
    pub(crate) created_at: i64,
    pub(crate) changed_at: i64,
    pub(crate) waiting_since: i64,
}

/// A task with everything that is known of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TaskDetail {
    #[serde(flatten)]
    pub(crate) task: TaskView,
    pub(crate) body: String,
    pub(crate) instructions: Option<String>,
    pub(crate) answer: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) change: Option<ChangeView>,
    pub(crate) runs: Vec<RunView>,
    pub(crate) remarks: Vec<RemarkView>,
    pub(crate) effects: Vec<EffectView>,
    /// What each model was used for, all runs together.
    #[serde(default)]
    pub(crate) usage: Vec<UsageView>,
}

/// What one model was used for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UsageView {
    pub(crate) model: String,
    pub(crate) calls: u64,
    /// Calls whose usage is an estimate: the provider's own count never came.
    pub(crate) estimated: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cache_read_tokens: u64,
    pub(crate) cache_write_tokens: u64,
    pub(crate) cost_microusd: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ChangeView {
    pub(crate) repository: String,
    pub(crate) branch: String,
    pub(crate) base: String,
    pub(crate) commit: String,
    pub(crate) number: Option<u32>,
    pub(crate) url: Option<String>,
    pub(crate) state: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunView {
    pub(crate) run: RunNumber,
    pub(crate) purpose: Purpose,
    pub(crate) started_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) outcome: Option<String>,
    pub(crate) steps: Vec<StepView>,
    /// What its calls of models cost, in millionths of a US dollar.
    #[serde(default)]
    pub(crate) spent_microusd: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepView {
    pub(crate) step: Step,
    pub(crate) started_at: i64,
    pub(crate) finished_at: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RemarkView {
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) at: i64,
}

/// One line of the event log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EventView {
    pub(crate) id: i64,
    pub(crate) at: i64,
    pub(crate) task: Option<TaskId>,
    pub(crate) run: Option<RunNumber>,
    pub(crate) kind: String,
    pub(crate) severity: Severity,
    pub(crate) text: String,
    pub(crate) details: Json,
}

/// One row of the outbox. Its payload stays inside: it may be large.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EffectView {
    pub(crate) id: i64,
    pub(crate) task: Option<TaskId>,
    pub(crate) lane: String,
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) attempts: u32,
    pub(crate) due: i64,
    pub(crate) error: Option<String>,
    pub(crate) created_at: i64,
}

/// What `POST /v1/tasks` takes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    pub(crate) key: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: String,
    pub(crate) repository: String,
    /// Where it stands.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// The canonical URL of what it is about: at most one open task has it.
    #[serde(default)]
    pub(crate) subject: Option<String>,
    /// The issue that it is.
    #[serde(default)]
    pub(crate) thread: Option<Thread>,
    #[serde(default)]
    pub(crate) base: Option<String>,
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    #[serde(default)]
    pub(crate) priority: Option<u32>,
    #[serde(default)]
    pub(crate) depends_on: Vec<String>,
    #[serde(default)]
    pub(crate) agent: Option<String>,
    /// Beyond title and body, and trusted: who can reach the socket commands agentd.
    #[serde(default)]
    pub(crate) instructions: Option<String>,
    #[serde(default)]
    pub(crate) requested_by: Option<String>,
    #[serde(default)]
    pub(crate) requested_at: Option<i64>,
    /// What becomes of it; a person who types it in wants it done.
    #[serde(default = "auto")]
    pub(crate) mode: Mode,
}

fn auto() -> Mode {
    Mode::Auto
}

impl Submission {
    /// Checks the limits of a draft, and gives it with its mode.
    ///
    /// # Errors
    /// What is wrong, for the person who wrote it.
    pub(crate) fn into_draft(self) -> Result<(Draft, Mode), String> {
        let draft = Draft {
            key: self.key,
            title: self.title.trim().to_owned(),
            body: self.body,
            url: self.url,
            subject: self.subject,
            repository: self.repository,
            thread: self.thread,
            base: self.base,
            labels: self.labels,
            priority: self.priority,
            depends_on: self.depends_on,
            instructions: self.instructions,
            requested_by: self.requested_by,
            requested_at: self.requested_at,
            agent: self.agent,
        };
        draft.check()?;
        Ok((draft, self.mode))
    }
}

impl From<TaskRow> for TaskView {
    fn from(row: TaskRow) -> TaskView {
        let status = &row.task.status;
        let step = if let Status::Running { step, .. } = status { Some(*step) } else { None };
        let waits_for = match status {
            Status::Waiting { on } => serde_json::to_value(on).ok().and_then(|it| it.as_str().map(str::to_owned)),
            _ => None,
        };
        TaskView {
            id: row.task.id,
            state: status.as_str().to_owned(),
            reason: row.reason,
            step,
            waits_for,
            run: row.task.run,
            failures: row.task.failures,
            purpose: row.task.purpose,
            source: row.source,
            key: row.key,
            title: row.title,
            url: row.url,
            subject: row.subject,
            repository: row.repository,
            base: row.base,
            branch: row.branch,
            labels: row.labels,
            priority: row.priority,
            depends_on: row.depends_on,
            requested_by: row.requested_by,
            agent: row.agent,
            score: row.score,
            score_reason: row.score_reason,
            created_at: row.created_at,
            changed_at: row.changed_at,
            waiting_since: row.waiting_since,
        }
    }
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> ChangeView {
        let Change { repository, branch, base, commit, number, url, state, .. } = change;
        ChangeView { repository, branch, base, commit, number, url, state }
    }
}

impl RunView {
    pub(crate) fn new(run: RunRow, steps: Vec<StepRow>, spent_microusd: u64) -> RunView {
        let step = |row: StepRow| StepView { step: row.step, started_at: row.started_at, finished_at: row.finished_at };
        RunView {
            run: run.key.run,
            purpose: run.purpose,
            started_at: run.started_at,
            ended_at: run.ended_at,
            outcome: run.outcome,
            steps: steps.into_iter().map(step).collect(),
            spent_microusd,
        }
    }
}

impl From<Usage> for UsageView {
    fn from(usage: Usage) -> UsageView {
        let Usage { model, calls, estimated, cost_microusd, .. } = usage;
        let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, .. } = usage;
        UsageView {
            model,
            calls,
            estimated,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cost_microusd,
        }
    }
}

impl From<Remark> for RemarkView {
    fn from(remark: Remark) -> RemarkView {
        RemarkView { author: remark.author, body: remark.body, at: remark.at }
    }
}

impl From<Recorded> for EventView {
    fn from(event: Recorded) -> EventView {
        let details = serde_json::from_str(&event.details).unwrap_or(Json::Null);
        let Recorded { id, at, task, run, kind, severity, text, .. } = event;
        EventView { id, at, task, run, kind, severity, text, details }
    }
}

impl From<Effect> for EffectView {
    fn from(effect: Effect) -> EffectView {
        let Effect { id, task, lane, key, kind, state, attempts, due, error, created_at, .. } = effect;
        EffectView { id, task, lane, key, kind, state, attempts, due, error, created_at }
    }
}

#[cfg(test)]
mod tests;
