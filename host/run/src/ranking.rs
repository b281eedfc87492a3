//! Has the prioritizer score what waits.
//!
//! A score belongs to a generation: prioritizer, version and settings. Tasks whose score is of another one are scored
//! in batches of at most 1,000 before anything is claimed. A prioritizer that fails holds up nothing: its tasks keep
//! the scores they have, and the operator is told.

use crate::{contract, service::Runtime};
use agentd_plugin::wit::prioritizer::{Batch, Candidate};
use agentd_store::{NewEvent, Score, TaskRow};
use agentd_task::{Purpose, Severity};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

const BATCH: u32 = 1_000;

/// Scores all tasks that have no score of the present generation, and returns that.
pub(crate) async fn rank_waiting(rt: &Runtime) -> Result<i64, agentd_store::Error> {
    let generation = generation(rt);
    loop {
        let rows = rt.store.reader().unranked(generation, BATCH).await?;
        if rows.is_empty() {
            return Ok(generation);
        }
        let scores = rank(rt, &rows).await?;
        rt.store.rank(generation, scores).await?;
    }
}

async fn rank(rt: &Runtime, rows: &[TaskRow]) -> Result<Vec<Score>, agentd_store::Error> {
    let mut candidates = Vec::with_capacity(rows.len());
    for row in rows {
        candidates.push(Candidate {
            task: contract::task_now(&rt.store, row).await?,
            purpose: purpose(row.task.purpose).into(),
            waiting_since: contract::timestamp(row.waiting_since),
            failures: row.task.failures,
            blocks: rt.store.reader().dependents(row.task.id).await?,
            typical_microusd: None,
            extra: vec![],
        });
    }
    let batch = Batch { now: contract::timestamp(rt.clock.now()), candidates, extra: vec![] };
    let given: HashMap<_, _> = match rt.prioritizer.rank(batch).await {
        Ok(answer) => {
            rt.keep_kv(&rt.prioritizer, answer.kv).await?;
            answer.value.into_iter().map(|it| (it.task.clone(), it)).collect()
        }
        Err(error) => {
            tell(rt, &error.to_string()).await?;
            return Ok(rows.iter().map(kept).collect());
        }
    };
    let score = |row: &TaskRow| match given.get(&row.task.id.to_string()) {
        Some(it) => Score { task: row.task.id, value: it.value, reason: it.reason.clone() },
        None => Score { task: row.task.id, value: 0.0, reason: "the prioritizer said nothing".into() },
    };
    Ok(rows.iter().map(score).collect())
}

fn kept(row: &TaskRow) -> Score {
    Score { task: row.task.id, value: row.score, reason: row.score_reason.clone() }
}

async fn tell(rt: &Runtime, error: &str) -> Result<(), agentd_store::Error> {
    tracing::warn!(
        plugin.name = rt.prioritizer.plugin(),
        error,
        "The prioritizer failed, tasks keep the scores they have"
    );
    let event = NewEvent {
        task: None,
        run: None,
        kind: "plugin.failed".into(),
        severity: Severity::Warning,
        text: format!("The prioritizer failed, tasks keep the scores they have: {error}"),
        details: serde_json::json!({ "entry": rt.prioritizer.name(), "error": error }),
    };
    rt.store.log(event, rt.clock.now()).await.map(drop)
}

pub(crate) fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Execute => "execute",
        Purpose::Feedback => "feedback",
    }
}

fn generation(rt: &Runtime) -> i64 {
    let of = format!("{} {}", rt.prioritizer.digest(), rt.prioritizer.settings());
    let hash = Sha256::digest(of.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first) & i64::MAX // -1 stands for "never scored"
}
