//! Has the prioritizer score what waits.
//!
//! A score belongs to a generation: prioritizer, version and settings. Tasks whose score is of another one are scored
//! in batches of at most 1,000 before anything is claimed. A prioritizer that fails holds up nothing: tasks keep the
//! scores they have, the operator is told once, and it is asked again after growing pauses. What came in meanwhile
//! stands where it would stand without a prioritizer, and is scored as soon as that answers again.

use crate::{contract, service::Runtime};
use agentd_plugin::wit::prioritizer::{Batch, Candidate};
use agentd_store::{NewEvent, Score, TaskRow};
use agentd_task::{Millis, Purpose, Severity};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

const BATCH: u32 = 1_000;
/// The pause after a prioritizer failed; then they double, up to the longest.
const FIRST_PAUSE_MS: Millis = 5_000;
const LONGEST_PAUSE_MS: Millis = 15 * 60_000;

/// What is remembered of a prioritizer that fails.
#[derive(Default)]
pub(crate) struct Vain(Mutex<Option<Failing>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failing {
    generation: i64,
    times: u32,
    until: Millis,
}

impl Vain {
    /// Whether there is no use in asking now.
    fn holds(&self, generation: i64, now: Millis) -> bool {
        self.lock().is_some_and(|it| it.generation == generation && now < it.until)
    }

    /// True: it is news.
    fn failed(&self, generation: i64, now: Millis) -> bool {
        let mut failing = self.lock();
        let times = failing.filter(|it| it.generation == generation).map_or(0, |it| it.times);
        let pause = (FIRST_PAUSE_MS << times.min(20)).min(LONGEST_PAUSE_MS);
        *failing = Some(Failing { generation, times: times + 1, until: now + pause });
        times == 0
    }

    /// True: it had failed before.
    fn answered(&self) -> bool {
        self.lock().take().is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Failing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Scores all tasks that have no score of the present generation, and returns that.
pub(crate) async fn rank_waiting(rt: &Runtime) -> Result<i64, agentd_store::Error> {
    let present = generation(rt);
    loop {
        let vain = rt.vain.holds(present, rt.clock.now());
        // Scores that were only kept are of a generation of their own, so that they are made once it answers again.
        let generation = if vain { kept_of(present) } else { present };
        let rows = rt.store.reader().unranked(generation, BATCH).await?;
        if rows.is_empty() {
            return Ok(generation);
        }
        if vain {
            rt.store.rank(generation, rows.iter().map(kept).collect()).await?;
        } else if let Some(scores) = rank(rt, present, &rows).await? {
            rt.store.rank(generation, scores).await?;
        }
    }
}

/// None: the prioritizer failed, and is not asked again for a while.
async fn rank(rt: &Runtime, generation: i64, rows: &[TaskRow]) -> Result<Option<Vec<Score>>, agentd_store::Error> {
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
            if rt.vain.answered() {
                tracing::info!(plugin.name = rt.prioritizer.plugin(), "The prioritizer answers again");
            }
            rt.keep_kv(&rt.prioritizer, answer.kv).await?;
            answer.value.into_iter().map(|it| (it.task.clone(), it)).collect()
        }
        Err(error) => {
            if rt.vain.failed(generation, rt.clock.now()) {
                tell(rt, &error.to_string()).await?;
            }
            return Ok(None);
        }
    };
    let score = |row: &TaskRow| match given.get(&row.task.id.to_string()) {
        Some(it) => Score { task: row.task.id, value: it.value, reason: it.reason.clone() },
        None => Score { task: row.task.id, value: 0.0, reason: "the prioritizer said nothing".into() },
    };
    Ok(Some(rows.iter().map(score).collect()))
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

/// Of scores that were kept because the prioritizer of that generation did not answer.
fn kept_of(generation: i64) -> i64 {
    generation ^ 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prioritizer_that_fails_is_told_of_once_and_asked_ever_seldomer() {
        let vain = Vain::default();
        assert!(!vain.holds(7, 0));
        assert!(vain.failed(7, 0));
        assert!(vain.holds(7, FIRST_PAUSE_MS - 1) && !vain.holds(7, FIRST_PAUSE_MS));
        assert!(!vain.failed(7, FIRST_PAUSE_MS), "it is no news");
        assert!(vain.holds(7, 3 * FIRST_PAUSE_MS - 1) && !vain.holds(7, 3 * FIRST_PAUSE_MS));
        for _ in 0..100 {
            vain.failed(7, 0);
        }
        assert!(vain.holds(7, LONGEST_PAUSE_MS - 1) && !vain.holds(7, LONGEST_PAUSE_MS));
    }

    #[test]
    fn another_prioritizer_is_asked_at_once_and_one_that_answers_begins_anew() {
        let vain = Vain::default();
        assert!(vain.failed(7, 0));
        assert!(!vain.holds(8, 0));
        assert!(vain.failed(8, 0), "it is another one's");
        assert!(vain.answered() && !vain.answered());
        assert!(vain.failed(8, 0));
    }
}
