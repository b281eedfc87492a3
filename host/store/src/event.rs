//! The append-only log: audit trail, live stream and notifiers' input in one.
//!
//! Ids grow by one with each event. Nothing here, and nothing in the schema, changes or deletes an event.

use crate::{Error, Reader, RunKey, Store, error::store, status, task::LIST_MAX};
use agentd_task::{Millis, Recorded, RunNumber, Severity, TaskId};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::Value;

/// An event that has not happened yet, as far as the log is concerned.
#[derive(Clone, Debug, Serialize)]
pub struct NewEvent {
    /// None: where it is stored together with something of a task, it is that task's; else the instance's.
    pub task: Option<TaskId>,
    pub run: Option<RunNumber>,
    /// Noun dot what happened.
    pub kind: String,
    pub severity: Severity,
    /// One line that can stand alone; line breaks become spaces, and what is longer than 1,000 characters is cut.
    pub text: String,
    /// A JSON object, or null for none; more than 256 KiB are left out, and the event says so.
    pub details: Value,
}

const TEXT_CHARS: usize = 1_000;
const DETAILS_BYTES: usize = 256 << 10;

impl Store {
    /// Stores an event that stands alone; returns its id.
    ///
    /// # Errors
    /// [`Error::NoTask`] if it names a task that is not there; [`Error::Store`], [`Error::Gone`].
    pub async fn log(&self, event: NewEvent, now: Millis) -> Result<i64, Error> {
        self.writer
            .call(move |conn| {
                if let Some(task) = event.task {
                    expect_task(conn, task)?;
                }
                insert(conn, &event, now, None)
            })
            .await
    }
}

impl Reader {
    /// Events with ids greater than `after`, oldest first; of one task, or of all.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn events(&self, after: i64, limit: u32, task: Option<TaskId>) -> Result<Vec<Recorded>, Error> {
        self.ask(move |conn| {
            let sql = match task {
                Some(_) => "SELECT * FROM event WHERE task = ?3 AND id > ?1 ORDER BY id LIMIT ?2",
                None => "SELECT * FROM event WHERE id > ?1 AND ?3 IS NULL ORDER BY id LIMIT ?2",
            };
            conn.prepare_cached(sql)
                .and_then(|mut select| {
                    let params = (after, limit.min(LIST_MAX), task.map(|it| it.0));
                    select.query_map(params, from_row)?.collect()
                })
                .map_err(store("reading events"))
        })
        .await
    }
}

/// Writes one event; `spool`: where in its run's output it was found, and which of several it is there.
pub(crate) fn insert(
    conn: &Connection,
    event: &NewEvent,
    now: Millis,
    spool: Option<(i64, i64)>,
) -> Result<i64, Error> {
    let (at, part) = (spool.map(|it| it.0), spool.map(|it| it.1));
    conn.prepare_cached(
        "INSERT INTO event (at, task, run, kind, severity, text, details, spool_offset, part)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .and_then(|mut insert| {
        insert.insert(rusqlite::params![
            now,
            event.task.map(|it| it.0),
            event.run,
            event.kind,
            severity_word(event.severity),
            one_line(&event.text),
            object(&event.details),
            at,
            part,
        ])
    })
    .map_err(store("storing an event"))
}

/// Writes events that came together with something of a run, or of a task.
pub(crate) fn insert_of(
    conn: &Connection,
    task: TaskId,
    run: Option<RunNumber>,
    events: &[NewEvent],
    now: Millis,
) -> Result<(), Error> {
    for event in events {
        insert(conn, &of(event, task, run), now, None)?;
    }
    Ok(())
}

/// Writes events that were found in a run's output, each with the byte where it was found.
pub(crate) fn insert_spooled(
    conn: &Connection,
    run: RunKey,
    events: &[(u64, NewEvent)],
    now: Millis,
) -> Result<(), Error> {
    for (offset, event) in events {
        let offset = i64::try_from(*offset).unwrap_or(i64::MAX);
        let part = conn
            .prepare_cached(
                "SELECT coalesce(max(part) + 1, 0) FROM event WHERE task = ?1 AND run = ?2 AND spool_offset = ?3",
            )
            .and_then(|mut select| select.query_row((run.task.0, run.run, offset), |row| row.get(0)))
            .map_err(store("numbering an event"))?;
        insert(conn, &of(event, run.task, Some(run.run)), now, Some((offset, part)))?;
    }
    Ok(())
}

/// The id of the newest event; 0: there is none.
pub(crate) fn newest(conn: &Connection) -> Result<i64, Error> {
    conn.prepare_cached("SELECT coalesce(max(id), 0) FROM event")
        .and_then(|mut select| select.query_row([], |row| row.get(0)))
        .map_err(store("reading the newest event"))
}

pub(crate) fn expect_task(conn: &Connection, task: TaskId) -> Result<(), Error> {
    conn.prepare_cached("SELECT 1 FROM task WHERE id = ?1")
        .and_then(|mut select| select.query_row([task.0], |_| Ok(())).optional())
        .map_err(store("looking for a task"))?
        .ok_or(Error::NoTask(task))
}

fn of(event: &NewEvent, task: TaskId, run: Option<RunNumber>) -> NewEvent {
    NewEvent { task: event.task.or(Some(task)), run: event.run.or(run), ..event.clone() }
}

fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(TEXT_CHARS).collect()
}

fn object(details: &Value) -> String {
    let text = match details {
        Value::Object(_) => details.to_string(),
        Value::Null => return "{}".into(),
        other => serde_json::json!({ "value": other }).to_string(),
    };
    if text.len() <= DETAILS_BYTES {
        return text;
    }
    let mut short = serde_json::json!({ "omitted_bytes": text.len() });
    for kept in ["state", "former"] {
        if let Some(value) = details.get(kept) {
            short[kept] = value.clone();
        }
    }
    short.to_string()
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Urgent => "urgent",
    }
}

fn severity_of(text: &str) -> Option<Severity> {
    [Severity::Info, Severity::Warning, Severity::Urgent].into_iter().find(|it| severity_word(*it) == text)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        id: row.get("id")?,
        at: row.get("at")?,
        task: row.get::<_, Option<i64>>("task")?.map(TaskId),
        run: row.get("run")?,
        kind: row.get("kind")?,
        severity: status::word(row, "severity", severity_of)?,
        text: row.get("text")?,
        details: row.get("details")?,
    })
}
