//! Which task waits for which.
//!
//! A draft names what it waits for by key or by task id. A name that nobody has yet is kept and blocks nothing, until
//! a task of that name comes. Only a task that is done lets its dependents go. There are no cycles: the edge that would
//! close one is left out, and an event says so.

use crate::{Error, NewEvent, error::store, event};
use agentd_task::{Millis, Severity, TaskId};
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

/// Makes `wanted` all that `task` waits for.
pub(crate) fn set(conn: &Connection, task: TaskId, source: &str, wanted: &[String], now: Millis) -> Result<(), Error> {
    let cleared = conn
        .prepare_cached("DELETE FROM dependency WHERE task = ?1")
        .and_then(|mut delete| delete.execute([task.0]))
        .map_err(store("clearing dependencies"))?;
    if cleared == 0 && wanted.is_empty() {
        return Ok(());
    }
    for name in wanted {
        let needs = find(conn, source, name)?;
        if let Some(needs) = needs
            && closes_cycle(conn, task, needs)?
        {
            tell_cycle(conn, task, needs, now)?;
            continue;
        }
        conn.prepare_cached("INSERT OR IGNORE INTO dependency (task, wanted, needs) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute((task.0, name, needs.map(|it| it.0))))
            .map_err(store("writing a dependency"))?;
    }
    recount(conn, task, now)
}

/// A task has come: whoever named it before it was there waits for it from now on.
pub(crate) fn arrived(conn: &Connection, needs: TaskId, source: &str, key: &str, now: Millis) -> Result<(), Error> {
    let waiting: Vec<i64> = conn
        .prepare_cached(
            "SELECT d.task FROM dependency d JOIN task t ON t.id = d.task
             WHERE d.needs IS NULL AND d.wanted = ?1 AND t.source = ?2 ORDER BY d.task",
        )
        .and_then(|mut select| select.query_map((key, source), |row| row.get(0))?.collect())
        .map_err(store("looking for dependents"))?;
    for task in waiting.into_iter().map(TaskId) {
        let sql = match closes_cycle(conn, task, needs)? {
            true => {
                tell_cycle(conn, task, needs, now)?;
                "DELETE FROM dependency WHERE task = ?1 AND wanted = ?2 AND ?3 IS NOT NULL"
            }
            false => "UPDATE dependency SET needs = ?3 WHERE task = ?1 AND wanted = ?2",
        };
        conn.prepare_cached(sql)
            .and_then(|mut write| write.execute((task.0, key, needs.0)))
            .map_err(store("writing a dependency"))?;
        recount(conn, task, now)?;
    }
    Ok(())
}

/// A task became done, or is done no longer: its dependents may start, or have to wait again.
pub(crate) fn settled(conn: &Connection, needs: TaskId, now: Millis) -> Result<(), Error> {
    let dependents: Vec<i64> = conn
        .prepare_cached("SELECT task FROM dependency WHERE needs = ?1")
        .and_then(|mut select| select.query_map([needs.0], |row| row.get(0))?.collect())
        .map_err(store("looking for dependents"))?;
    dependents.into_iter().try_for_each(|task| recount(conn, TaskId(task), now))
}

fn recount(conn: &Connection, task: TaskId, now: Millis) -> Result<(), Error> {
    conn.prepare_cached(
        "UPDATE task SET blocked = open.number,
             ready = (state = 'queued' AND open.number = 0 AND (ready OR due <= ?2))
         FROM (SELECT count(*) AS number FROM dependency d JOIN task n ON n.id = d.needs
               WHERE d.task = ?1 AND n.state <> 'done') AS open
         WHERE id = ?1 AND blocked <> open.number",
    )
    .and_then(|mut update| update.execute((task.0, now)))
    .map(drop)
    .map_err(store("counting dependencies"))
}

/// Who has that name: a task of the same source, one that such a draft was joined to, or a task id.
fn find(conn: &Connection, source: &str, name: &str) -> Result<Option<TaskId>, Error> {
    // A bare number is a key that has not come yet, not an id: sources number their work themselves.
    let id = if name.starts_with("t-") { name.parse::<TaskId>().ok() } else { None };
    conn.prepare_cached(
        "SELECT coalesce(
             (SELECT id FROM task WHERE source = ?1 AND key = ?2),
             (SELECT task FROM joined WHERE source = ?1 AND key = ?2),
             (SELECT id FROM task WHERE id = ?3))",
    )
    .and_then(|mut select| select.query_row((source, name, id.map(|it| it.0)), |row| row.get::<_, Option<i64>>(0)))
    .map(|found| found.map(TaskId))
    .map_err(store("looking for a dependency"))
}

/// Whether `needs` waits for `task` already, directly or not, or is it.
fn closes_cycle(conn: &Connection, task: TaskId, needs: TaskId) -> Result<bool, Error> {
    if task == needs {
        return Ok(true);
    }
    conn.prepare_cached(
        "WITH RECURSIVE earlier (id) AS (
             SELECT needs FROM dependency WHERE task = ?2 AND needs IS NOT NULL
             UNION
             SELECT d.needs FROM dependency d JOIN earlier ON d.task = earlier.id WHERE d.needs IS NOT NULL)
         SELECT 1 FROM earlier WHERE id = ?1",
    )
    .and_then(|mut select| select.query_row((task.0, needs.0), |_| Ok(())).optional())
    .map(|found| found.is_some())
    .map_err(store("looking for a dependency cycle"))
}

fn tell_cycle(conn: &Connection, task: TaskId, needs: TaskId, now: Millis) -> Result<(), Error> {
    let event = NewEvent {
        task: Some(task),
        run: None,
        kind: "task.dependency-cycle".into(),
        severity: Severity::Warning,
        text: format!("{task} does not wait for {needs}, which waits for it: change one of the two"),
        details: json!({ "needs": needs }),
    };
    event::insert(conn, &event, now, None).map(drop)
}

#[cfg(test)]
mod tests;
