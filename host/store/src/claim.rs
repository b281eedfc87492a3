//! The queue: scores, what is ready, and who is next.
//!
//! A claim costs the same however many tasks wait. `ready` is a column, kept by `stage` and by every change of status;
//! the index over ready tasks is ordered by repository, then by rank, so that a claim looks at the first entry of each
//! repository only. That is a loose scan: from one repository it seeks the next.

use crate::{Error, Store, TaskRow, With, apply, error::store, instance};
use agentd_task::{Event, Limits, Millis, TaskId};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use std::{cmp::Ordering, collections::HashMap};

/// What a prioritizer thinks of a task.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    pub task: TaskId,
    /// Higher goes first; a finite number.
    pub value: f64,
    /// For people.
    pub reason: String,
}

/// What staging found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Staged {
    /// Tasks that became ready by this call.
    pub ready: u64,
    /// When the next one becomes ready by time alone; none: nothing waits for its time.
    pub next_due: Option<Millis>,
}

impl Store {
    /// Writes scores. `generation` names the prioritizer and its settings; tasks that have begun or are over by now are
    /// left alone.
    ///
    /// # Errors
    /// [`Error::Score`] if one is not finite (then none is written), [`Error::Store`], [`Error::Gone`].
    pub async fn rank(&self, generation: i64, scores: Vec<Score>) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                let mut update = conn
                    .prepare_cached(
                        "UPDATE task SET score = ?2, score_reason = ?3, score_generation = ?4
                         WHERE id = ?1 AND (state = 'queued' OR waits_on = 'start')",
                    )
                    .map_err(store("ranking tasks"))?;
                for score in &scores {
                    if !score.value.is_finite() {
                        return Err(Error::Score(score.task));
                    }
                    update
                        .execute((score.task.0, score.value, &score.reason, generation))
                        .map_err(store("ranking tasks"))?;
                }
                Ok(())
            })
            .await
    }

    /// Makes ready what has become due.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Gone`].
    pub async fn stage(&self, now: Millis) -> Result<Staged, Error> {
        self.writer
            .call(move |conn| {
                let ready = conn
                    .prepare_cached(STAGE)
                    .and_then(|mut update| update.execute([now]))
                    .map_err(store("staging tasks"))?;
                let next_due = conn
                    .prepare_cached(NEXT_DUE)
                    .and_then(|mut select| select.query_row([], |row| row.get(0)))
                    .map_err(store("looking for the next due task"))?;
                Ok(Staged { ready: ready as u64, next_due })
            })
            .await
    }

    /// Takes the best ready task that the limits allow; none: there is none, or the instance is paused.
    ///
    /// With a `generation`, a task whose score is of another one is not taken: it has come in since the last
    /// [`Store::rank`] and may not be the best. Rank again, and then claim.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Gone`].
    pub async fn claim(&self, limits: Limits, generation: Option<i64>, now: Millis) -> Result<Option<TaskRow>, Error> {
        self.writer
            .call(move |conn| match next(conn, &limits)? {
                Some(id) if generation.map_or(Ok(false), |it| is_of_another(conn, id, it))? => Ok(None),
                Some(id) => apply::apply(conn, id, &Event::Claimed, &With::default(), now).map(Some),
                None => Ok(None),
            })
            .await
    }
}

// The index is named wherever another one would answer the same in time that grows with the queue.

const STAGE: &str = "UPDATE task INDEXED BY task_due SET ready = 1
    WHERE state = 'queued' AND ready = 0 AND blocked = 0 AND due <= ?1";
const NEXT_DUE: &str = "SELECT min(due) FROM task INDEXED BY task_due
    WHERE state = 'queued' AND ready = 0 AND blocked = 0";
const FIRST_REPOSITORY: &str = "SELECT repository FROM task INDEXED BY task_ready
    WHERE ready = 1 AND ?1 IS NULL ORDER BY repository LIMIT 1";
const NEXT_REPOSITORY: &str = "SELECT repository FROM task INDEXED BY task_ready
    WHERE ready = 1 AND repository > ?1 ORDER BY repository LIMIT 1";
const BEST: &str = "SELECT id, score, waiting_since FROM task INDEXED BY task_ready
    WHERE ready = 1 AND repository = ?1 AND has_change = ?2 ORDER BY score DESC, waiting_since, id LIMIT 1";
const IN_REVIEW: &str = "SELECT count(*) FROM (SELECT 1 FROM task INDEXED BY task_reviewed
    WHERE repository = ?1 AND (state IN ('publishing', 'in-review')
        OR (has_change = 1 AND state IN ('queued', 'running', 'waiting'))) LIMIT ?2)";
const RUNNING: &str = "SELECT repository, count(*) FROM task INDEXED BY task_state
    WHERE state = 'running' GROUP BY repository";

/// A task that could be claimed, with what it is ranked by.
struct Candidate {
    id: i64,
    score: f64,
    waiting_since: Millis,
}

impl Candidate {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Candidate> {
        Ok(Candidate { id: row.get(0)?, score: row.get(1)?, waiting_since: row.get(2)? })
    }

    /// Higher scores first, then who has waited longer, then who came first.
    fn rank(&self, other: &Candidate) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.waiting_since.cmp(&other.waiting_since))
            .then(self.id.cmp(&other.id))
    }
}

fn next(conn: &Connection, limits: &Limits) -> Result<Option<TaskId>, Error> {
    if instance::is_paused(conn)? {
        return Ok(None);
    }
    let running = running(conn)?;
    if running.values().sum::<u32>() >= limits.concurrent {
        return Ok(None);
    }
    let mut best: Option<Candidate> = None;
    let mut repository = repository_after(conn, None)?;
    while let Some(name) = repository {
        if running.get(&name).copied().unwrap_or(0) < limits.per_repository {
            for candidate in candidates(conn, &name, limits)? {
                if best.as_ref().is_none_or(|best| candidate.rank(best).is_lt()) {
                    best = Some(candidate);
                }
            }
        }
        repository = repository_after(conn, Some(&name))?;
    }
    Ok(best.map(|it| TaskId(it.id)))
}

fn is_of_another(conn: &Connection, id: TaskId, generation: i64) -> Result<bool, Error> {
    conn.prepare_cached("SELECT score_generation <> ?2 FROM task WHERE id = ?1")
        .and_then(|mut select| select.query_row((id.0, generation), |row| row.get(0)))
        .map_err(store("looking for work"))
}

fn running(conn: &Connection) -> Result<HashMap<String, u32>, Error> {
    conn.prepare_cached(RUNNING)
        .and_then(|mut select| select.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(store("counting what runs"))
}

/// The next repository, by name, that has a ready task.
fn repository_after(conn: &Connection, name: Option<&str>) -> Result<Option<String>, Error> {
    conn.prepare_cached(if name.is_none() { FIRST_REPOSITORY } else { NEXT_REPOSITORY })
        .and_then(|mut select| select.query_row([name], |row| row.get(0)).optional())
        .map_err(store("looking for work"))
}

/// The best ready task with an open change, and the best without one where another change is allowed.
fn candidates(conn: &Connection, repository: &str, limits: &Limits) -> Result<Vec<Candidate>, Error> {
    let best = |has_change: bool| {
        conn.prepare_cached(BEST)
            .and_then(|mut select| select.query_row((repository, has_change), Candidate::from_row).optional())
            .map_err(store("looking for work"))
    };
    let again = best(true)?;
    let first = if in_review(conn, repository, limits.open_changes)? { None } else { best(false)? };
    Ok(again.into_iter().chain(first).collect())
}

/// Whether as many changes of the repository are in review as may be.
fn in_review(conn: &Connection, repository: &str, limit: u32) -> Result<bool, Error> {
    conn.prepare_cached(IN_REVIEW)
        .and_then(|mut select| select.query_row((repository, limit), |row| row.get::<_, u32>(0)))
        .map(|found| found >= limit)
        .map_err(store("counting changes in review"))
}

#[cfg(test)]
mod tests;
