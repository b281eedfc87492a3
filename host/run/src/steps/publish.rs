//! Publish: what is to be done outside, as rows of the outbox.
//!
//! Decides, and sends nothing. All rows of a task are in one lane, so that the push comes before the pull request.

use super::{collect::Collected, execute::Executed, prepare::Prepared, verify::Verified};
use crate::service::Runtime;
use crate::{Repository, pull_request};
use agentd_forge::markdown;
use agentd_store::{Change, Error, NewEffect, RunKey, TaskRow};
use agentd_task::{Millis, RunNumber, Step, TaskId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A verified change, ready to be pushed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Publication {
    pub(crate) task: TaskId,
    pub(crate) run: RunNumber,
    pub(crate) repository: String,
    pub(crate) branch: String,
    pub(crate) base: String,
    /// The base branch's commit when the run began.
    pub(crate) base_commit: String,
    pub(crate) commit: String,
    /// What the branch has to be before: none, it must not exist.
    pub(crate) expected: Option<String>,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) answer: String,
}

/// A run whose change passed every check, and what its steps gave.
pub(super) struct Finished<'a> {
    pub(super) row: &'a TaskRow,
    pub(super) key: RunKey,
    pub(super) repository: &'a Repository,
    pub(super) instance: &'a str,
    pub(super) prepared: &'a Prepared,
    pub(super) executed: &'a Executed,
    pub(super) collected: &'a Collected,
    pub(super) verified: &'a Verified,
}

impl Publication {
    pub(super) fn of(run: &Finished<'_>) -> Publication {
        let Finished { row, key, prepared, .. } = run;
        Publication {
            task: key.task,
            run: key.run,
            repository: row.repository.clone(),
            branch: row.branch.clone(),
            base: prepared.base.clone(),
            base_commit: prepared.base_commit.clone(),
            commit: run.collected.commit.clone(),
            expected: Some(prepared.start.clone()).filter(|it| *it != prepared.base_commit && !prepared.kept),
            title: markdown::tame_line(&row.title),
            body: pull_request::body(run.repository.template.as_deref(), &facts(run)),
            answer: run.executed.answer.clone(),
        }
    }

    /// The key of its effect of this kind.
    pub(crate) fn effect_key(&self, kind: &str) -> String {
        format!("{kind}:{}.{}", self.task, self.run)
    }

    pub(crate) fn key(&self) -> RunKey {
        RunKey { task: self.task, run: self.run }
    }
}

/// What a run would push, made again from its steps' rows; none: it did not come so far.
pub(crate) async fn publication(rt: &Runtime, row: &TaskRow, key: RunKey) -> Result<Option<Publication>, Error> {
    let rows = rt.store.reader().steps(key).await?;
    let output = |step: Step| rows.iter().find(|it| it.step == step).and_then(|it| it.output.as_deref());
    let (prepared, executed) = (parse(output(Step::Prepare)), parse(output(Step::Execute)));
    let (collected, verified) = (parse(output(Step::Collect)), parse(output(Step::Verify)));
    let (Some(prepared), Some(executed), Some(Some(collected)), Some(verified)) =
        (prepared, executed, collected, verified)
    else {
        return Ok(None);
    };
    let Some(repository) = rt.repositories.get(&row.repository) else { return Ok(None) };
    Ok(Some(Publication::of(&Finished {
        row,
        key,
        repository,
        instance: rt.store.instance(),
        prepared: &prepared,
        executed: &executed,
        collected: &collected,
        verified: &verified,
    })))
}

fn parse<T: DeserializeOwned>(output: Option<&str>) -> Option<T> {
    output.and_then(|it| serde_json::from_str(it).ok())
}

/// The rows that publish it.
pub(crate) fn effects(publication: &Publication) -> Vec<NewEffect> {
    let payload = serde_json::to_string(publication).expect("plain data becomes JSON");
    let effect = |kind: &str| NewEffect {
        task: Some(publication.task),
        lane: lane(publication.task),
        key: publication.effect_key(kind),
        kind: kind.into(),
        payload: payload.clone(),
    };
    vec![effect("push"), effect("change")]
}

/// A row that takes away what a change left on the forge, once it is merged or closed: the branch, if it is at `commit`.
pub(crate) fn cleaning(task: TaskId, change: &Change, commit: &str, now: Millis) -> NewEffect {
    let left = Left { repository: change.repository.clone(), branch: change.branch.clone(), commit: commit.into() };
    NewEffect {
        task: Some(task),
        lane: lane(task),
        key: format!("clean:{task}:{now}"),
        kind: "clean".into(),
        payload: serde_json::to_string(&left).expect("plain data becomes JSON"),
    }
}

/// A branch that is of no more use.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) repository: String,
    pub(crate) branch: String,
    pub(crate) commit: String,
}

/// What becomes of a task's change goes in order.
pub(crate) fn lane(task: TaskId) -> String {
    format!("change:{task}")
}

/// What the text of its change is made from.
fn facts(run: &Finished<'_>) -> pull_request::Facts {
    let Finished { row, key, prepared, executed, collected, verified, .. } = run;
    pull_request::Facts {
        task: key.task.to_string(),
        run: key.run,
        instance: run.instance.into(),
        issue: row.thread.clone(),
        repository: row.repository.clone(),
        url: row.url.clone(),
        title: row.title.clone(),
        summary: executed.answer.clone(),
        gates: verified.gates.iter().map(|it| (it.command.clone(), it.took_ms)).collect(),
        spent_microusd: verified.spent_microusd,
        agent: prepared.agent.clone(),
        session: executed.session.clone(),
        requested_by: row.requested_by.clone(),
        base: prepared.base.clone(),
        base_commit: prepared.base_commit.clone(),
        commit: collected.commit.clone(),
        commits: verified.commits.clone(),
        stat: collected.stat,
    }
}
