//! Publish: what is to be done outside, as rows of the outbox.
//!
//! Decides, and sends nothing. All rows of a task are in one lane, so that the push comes before the pull request.

use super::{collect::Collected, execute::Executed, prepare::Prepared, verify::Verified};
use crate::service::Runtime;
use agentd_store::{Error, NewEffect, RunKey, TaskRow};
use agentd_task::{RunNumber, Step, TaskId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Write;

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

impl Publication {
    pub(super) fn new(
        row: &TaskRow,
        key: RunKey,
        prepared: &Prepared,
        executed: &Executed,
        collected: &Collected,
        verified: &Verified,
    ) -> Publication {
        Publication {
            task: key.task,
            run: key.run,
            repository: row.repository.clone(),
            branch: row.branch.clone(),
            base: prepared.base.clone(),
            base_commit: prepared.base_commit.clone(),
            commit: collected.commit.clone(),
            expected: Some(prepared.start.clone()).filter(|it| *it != prepared.base_commit && !prepared.kept),
            title: row.title.clone(),
            body: body(row, key, collected, verified),
            answer: executed.answer.clone(),
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
    Ok(Some(Publication::new(row, key, &prepared, &executed, &collected, &verified)))
}

fn parse<T: DeserializeOwned>(output: Option<&str>) -> Option<T> {
    output.and_then(|it| serde_json::from_str(it).ok())
}

/// The rows that publish it.
pub(crate) fn effects(publication: &Publication) -> Vec<NewEffect> {
    let payload = serde_json::to_string(publication).expect("plain data becomes JSON");
    let effect = |kind: &str| NewEffect {
        task: Some(publication.task),
        lane: format!("change:{}", publication.task),
        key: publication.effect_key(kind),
        kind: kind.into(),
        payload: payload.clone(),
    };
    vec![effect("push"), effect("change")]
}

fn body(row: &TaskRow, key: RunKey, collected: &Collected, verified: &Verified) -> String {
    let mut body = format!("Task {}, run {}.\n", key.task, key.run);
    if let Some(url) = &row.url {
        writeln!(body, "For {url}").ok();
    }
    let stat = collected.stat;
    writeln!(body, "\n{} files, +{} -{}.", stat.files, stat.added, stat.removed).ok();
    if !verified.gates.is_empty() {
        body.push_str("\nChecked by agentd in a fresh sandbox, on this commit:\n");
        for gate in &verified.gates {
            writeln!(body, "- `{}` passed in {} ms", gate.command, gate.took_ms).ok();
        }
    }
    body
}
