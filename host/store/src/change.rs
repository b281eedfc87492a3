//! What a task left at the forge, and what people said to it.

use crate::{Error, Reader, error::store};
use agentd_task::{Event, Millis, TaskId};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

/// A pushed branch and its pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub repository: String,
    pub branch: String,
    pub base: String,
    pub commit: String,
    /// The pull request's number; none: there is only the branch.
    pub number: Option<u32>,
    pub url: Option<String>,
    /// `branch`, `draft`, `open`, `merged` or `closed`.
    pub state: String,
}

/// What a person said to a task. Other people's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    pub author: String,
    pub body: String,
    pub at: Millis,
}

impl Reader {
    /// # Errors
    /// As [`Reader::task`].
    pub async fn change(&self, task: TaskId) -> Result<Option<Change>, Error> {
        self.ask(move |conn| {
            conn.prepare_cached("SELECT * FROM change WHERE task = ?1")
                .and_then(|mut select| select.query_row([task.0], from_row).optional())
                .map_err(store("reading a change"))
        })
        .await
    }

    /// The changes that are open at the forge, whatever their tasks do: those of failed ones too.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn open_changes(&self) -> Result<Vec<(TaskId, Change)>, Error> {
        self.ask(|conn| {
            conn.prepare_cached("SELECT * FROM change WHERE state IN ('branch', 'draft', 'open') ORDER BY task")
                .and_then(|mut select| {
                    select.query_map((), |row| Ok((TaskId(row.get("task")?), from_row(row)?)))?.collect()
                })
                .map_err(store("listing changes"))
        })
        .await
    }

    /// What people said to a task, in the order in which it was heard.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn remarks(&self, task: TaskId) -> Result<Vec<Remark>, Error> {
        self.ask(move |conn| {
            conn.prepare_cached("SELECT author, body, at FROM remark WHERE task = ?1 ORDER BY id")
                .and_then(|mut select| {
                    let read = |row: &Row<'_>| {
                        Ok(Remark { author: row.get("author")?, body: row.get("body")?, at: row.get("at")? })
                    };
                    select.query_map([task.0], read)?.collect()
                })
                .map_err(store("reading remarks"))
        })
        .await
    }
}

/// Makes `change` the task's change.
pub(crate) fn write(conn: &Connection, task: TaskId, change: &Change) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT INTO change (task, repository, branch, base, commit_id, number, url, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (task) DO UPDATE SET repository = ?2, branch = ?3, base = ?4, commit_id = ?5, number = ?6,
             url = ?7, state = ?8",
    )
    .and_then(|mut insert| {
        insert.execute(rusqlite::params![
            task.0,
            change.repository,
            change.branch,
            change.base,
            change.commit,
            change.number,
            change.url,
            change.state,
        ])
    })
    .map_err(store("writing a change"))?;
    mark(conn, task)
}

/// Merging and closing end the task's change as well.
pub(crate) fn follow(conn: &Connection, task: TaskId, event: &Event) -> Result<(), Error> {
    let state = match event {
        Event::Merged => "merged",
        Event::Closed => "closed",
        _ => return Ok(()),
    };
    conn.prepare_cached("UPDATE change SET state = ?2 WHERE task = ?1")
        .and_then(|mut update| update.execute((task.0, state)))
        .map_err(store("ending a change"))?;
    mark(conn, task)
}

/// Whether the task has a change that is open at the forge.
pub(crate) fn is_open(conn: &Connection, task: TaskId) -> Result<bool, Error> {
    conn.prepare_cached("SELECT 1 FROM change WHERE task = ?1 AND state IN ('branch', 'draft', 'open')")
        .and_then(|mut select| select.exists([task.0]))
        .map_err(store("looking for an open change"))
}

/// Adds what a person said.
pub(crate) fn remark(conn: &Connection, task: TaskId, remark: &Remark) -> Result<(), Error> {
    conn.prepare_cached("INSERT INTO remark (task, author, body, at) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut insert| insert.execute((task.0, &remark.author, &remark.body, remark.at)))
        .map(drop)
        .map_err(store("storing a remark"))
}

/// Keeps the task's own note of whether its change is open.
fn mark(conn: &Connection, task: TaskId) -> Result<(), Error> {
    conn.prepare_cached(
        "UPDATE task SET has_change = EXISTS (SELECT 1 FROM change WHERE change.task = task.id
             AND change.state IN ('branch', 'draft', 'open')) WHERE id = ?1",
    )
    .and_then(|mut update| update.execute([task.0]))
    .map(drop)
    .map_err(store("noting a change"))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Change> {
    Ok(Change {
        repository: row.get("repository")?,
        branch: row.get("branch")?,
        base: row.get("base")?,
        commit: row.get("commit_id")?,
        number: row.get("number")?,
        url: row.get("url")?,
        state: row.get("state")?,
    })
}
