//! What models cost: one row for each call that may have cost something, answered or not, as the gateway metered it.
//!
//! Amounts are millionths of a US dollar. A row is written once and never changed: sums of rows are what budgets are
//! held against.

use crate::{Error, Reader, RunKey, Store, error::store};
use agentd_task::{Millis, RunNumber, TaskId};
use rusqlite::{Connection, Row};
use serde::Serialize;

/// A call that may have cost something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCall {
    pub run: RunKey,
    /// The account's name.
    pub account: String,
    /// As the caller named it.
    pub model: String,
    /// Tokens read at the full price.
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    pub cost_microusd: u64,
    /// The provider said what was used; false: it is an estimate.
    pub complete: bool,
}

/// What was spent so far, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    pub run: u64,
    pub task: u64,
    /// By all tasks, since the time that was asked for.
    pub day: u64,
}

/// What one model was used for by a task, all its runs together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub model: String,
    pub calls: u64,
    /// Calls whose usage is an estimate.
    pub estimated: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    pub cost_microusd: u64,
}

impl Store {
    /// Books a call.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Gone`].
    pub async fn book(&self, call: ModelCall, now: Millis) -> Result<(), Error> {
        self.writer.call(move |conn| insert(conn, &call, now)).await
    }
}

impl Reader {
    /// What a run and its task spent, and all tasks since `since`.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn spent(&self, task: TaskId, run: RunNumber, since: Millis) -> Result<Spent, Error> {
        self.ask(move |conn| {
            conn.prepare_cached(
                "SELECT (SELECT ifnull(sum(cost_microusd), 0) FROM model_call WHERE task = ?1 AND run = ?2),
                     (SELECT ifnull(sum(cost_microusd), 0) FROM model_call WHERE task = ?1),
                     (SELECT ifnull(sum(cost_microusd), 0) FROM model_call WHERE at >= ?3)",
            )
            .and_then(|mut select| {
                select.query_row((task.0, run, since), |row| {
                    Ok(Spent { run: amount(row, 0)?, task: amount(row, 1)?, day: amount(row, 2)? })
                })
            })
            .map_err(store("adding up what was spent"))
        })
        .await
    }

    /// What all tasks spent since then.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn spent_since(&self, since: Millis) -> Result<u64, Error> {
        Ok(self.spent(TaskId(0), 0, since).await?.day)
    }

    /// What a task used, model by model.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn usage(&self, task: TaskId) -> Result<Vec<Usage>, Error> {
        self.ask(move |conn| {
            conn.prepare_cached(
                "SELECT model, count(*), count(*) - sum(complete), sum(input_tokens), sum(output_tokens),
                     sum(cache_read_tokens), sum(cache_write_tokens), sum(cost_microusd)
                 FROM model_call WHERE task = ?1 GROUP BY model ORDER BY model",
            )
            .and_then(|mut select| select.query_map([task.0], usage)?.collect())
            .map_err(store("adding up what a task used"))
        })
        .await
    }
}

fn insert(conn: &Connection, call: &ModelCall, now: Millis) -> Result<(), Error> {
    let row = rusqlite::params![
        call.run.task.0,
        call.run.run,
        now,
        call.account,
        call.model,
        stored(call.input_tokens),
        stored(call.output_tokens),
        stored(call.cache_read_tokens),
        stored(call.cache_write_tokens),
        stored(call.cost_microusd),
        call.complete,
    ];
    conn.prepare_cached(
        "INSERT INTO model_call (task, run, at, account, model, input_tokens, output_tokens, cache_read_tokens,
             cache_write_tokens, cost_microusd, complete)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )
    .and_then(|mut insert| insert.execute(row))
    .map(drop)
    .map_err(store("booking a call of a model"))
}

/// What an upstream claims may be anything; sums of a few must still fit.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).min(1 << 50)
}

fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn usage(row: &Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        model: row.get(0)?,
        calls: amount(row, 1)?,
        estimated: amount(row, 2)?,
        input_tokens: amount(row, 3)?,
        output_tokens: amount(row, 4)?,
        cache_read_tokens: amount(row, 5)?,
        cache_write_tokens: amount(row, 6)?,
        cost_microusd: amount(row, 7)?,
    })
}

#[cfg(test)]
mod tests;
