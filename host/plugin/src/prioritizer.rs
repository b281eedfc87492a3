//! `agentd:prioritizer`: a number for each waiting task.

use crate::call::Answer;
use crate::entry::Entry;
use crate::error::{CallError, readable};
use crate::json;
use crate::kind::Kind;
use crate::limits::Function;
use crate::wit::prioritizer::{Batch, Score};
use std::collections::HashSet;

impl Entry {
    /// Scores tasks. Every score is finite and of a task in the batch, and no task has two.
    pub async fn rank(&self, batch: Batch) -> Result<Answer<Vec<Score>>, CallError> {
        let face = self.face_as(Kind::Prioritizer)?;
        let exports = face.loaded.exports.prioritizer.as_ref().ok_or_else(|| face.wrong_kind(Kind::Prioritizer))?;
        let mut call = face.begin(Function::Rank).await?;
        let outcome = call
            .watch()
            .run(async {
                let instance = call.instantiate().await?;
                let prioritizer = exports.load(&mut call.store, &instance)?;
                prioritizer.call_rank(&mut call.store, &batch).await
            })
            .await;
        call.end(outcome, || json::value(&(&batch,)), |scores| check(&batch, scores))
    }
}

fn check(batch: &Batch, scores: &mut [Score]) -> Result<(), String> {
    let mut left: HashSet<&str> = batch.candidates.iter().map(|it| it.task.id.as_str()).collect();
    for score in scores {
        if !left.remove(score.task.as_str()) {
            let task = readable(&score.task, 64);
            return Err(format!("a score for task `{task}`, which is not in the batch or has one already"));
        }
        if !score.value.is_finite() {
            return Err(format!("the score of task {} is {}", score.task, score.value));
        }
        score.reason = readable(&score.reason, 1_024);
    }
    Ok(())
}
