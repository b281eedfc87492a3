//! The questions that the store alone can answer: the server asks them for its clients, and the command line asks them
//! itself while the daemon is down.
//!
//! Never writes. Every answer has a limit.

use super::view::{EffectView, EventView, RunView, StatusView, TaskDetail, TaskView};
use agentd_store::{EffectFilter, Error, Reader, RunKey, TaskFilter};
use agentd_task::{Millis, TaskId, day_start};

/// As many rows as one answer has at most.
pub(crate) const ROWS_MAX: u32 = 1000;

/// What only the running daemon knows of itself.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) instance: String,
    pub(crate) pid: u32,
    /// Milliseconds since 1970.
    pub(crate) started_at: i64,
}

/// Which tasks.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TaskQuery {
    /// Words of states with commas between them; empty: all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u32>,
}

/// # Errors
/// Those of the store, as for all questions here.
pub(crate) async fn status(
    reader: &Reader,
    home: &str,
    identity: Option<&Identity>,
    now: Millis,
) -> Result<StatusView, Error> {
    let effects = EffectFilter { task: None, open_only: true, limit: ROWS_MAX };
    let working_on = reader.running().await?.into_iter().map(TaskView::from).collect();
    Ok(StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        home: home.to_owned(),
        running: identity.is_some(),
        pid: identity.map(|it| it.pid),
        instance: identity.map(|it| it.instance.clone()),
        started_at: identity.map(|it| it.started_at),
        paused: reader.paused().await?,
        tasks: reader.counts().await?.into_iter().collect(),
        working_on,
        open_effects: reader.effects(effects).await?.len() as u64,
        spent_today_microusd: reader.spent_since(day_start(now)).await?,
    })
}

pub(crate) async fn tasks(reader: &Reader, query: TaskQuery) -> Result<Vec<TaskView>, Error> {
    let states = query.state.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let limit = query.limit.unwrap_or(100).clamp(1, ROWS_MAX);
    let TaskQuery { source, repository, after, .. } = query;
    let rows = reader.tasks(TaskFilter { states, source, repository, after, limit }).await?;
    Ok(rows.into_iter().map(TaskView::from).collect())
}

/// None: there is no such task.
pub(crate) async fn task(reader: &Reader, id: TaskId) -> Result<Option<TaskDetail>, Error> {
    let Some(row) = reader.task(id).await? else { return Ok(None) };
    let mut runs = Vec::new();
    for run in reader.runs(id).await? {
        let steps = reader.steps(RunKey { task: id, run: run.key.run }).await?;
        let spent = reader.spent(id, run.key.run, Millis::MAX).await?.run;
        runs.push(RunView::new(run, steps, spent));
    }
    let (body, instructions) = (row.body.clone(), row.instructions.clone());
    let (answer, session) = (row.answer.clone(), row.session.as_ref().map(|it| it.id.clone()));
    Ok(Some(TaskDetail {
        task: row.into(),
        body,
        instructions,
        answer,
        session,
        change: reader.change(id).await?.map(Into::into),
        runs,
        remarks: reader.remarks(id).await?.into_iter().map(Into::into).collect(),
        effects: effects(reader, Some(id), true).await?,
        usage: reader.usage(id).await?.into_iter().map(Into::into).collect(),
    }))
}

/// In the order in which they would start.
pub(crate) async fn queue(reader: &Reader, limit: u32) -> Result<Vec<TaskView>, Error> {
    let rows = reader.queue(limit.clamp(1, ROWS_MAX)).await?;
    Ok(rows.into_iter().map(TaskView::from).collect())
}

pub(crate) async fn events(
    reader: &Reader,
    after: i64,
    limit: u32,
    task: Option<TaskId>,
) -> Result<Vec<EventView>, Error> {
    let events = reader.events(after, limit.clamp(1, ROWS_MAX), task).await?;
    Ok(events.into_iter().map(EventView::from).collect())
}

pub(crate) async fn effects(reader: &Reader, task: Option<TaskId>, all: bool) -> Result<Vec<EffectView>, Error> {
    let filter = EffectFilter { task, open_only: !all, limit: ROWS_MAX };
    Ok(reader.effects_and_failed(filter).await?.into_iter().map(EffectView::from).collect())
}
