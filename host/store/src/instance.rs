//! Facts of the whole instance: its id, whether it is paused, how far readers of the log have come, and whether the
//! database is sound.

use crate::{Error, NewEvent, Reader, Store, error::store, event};
use agentd_task::{Millis, Severity};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

impl Store {
    /// Stops or allows claims, until told otherwise: it survives a restart. Tells of it if it is news.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Gone`].
    pub async fn pause(&self, paused: bool, now: Millis) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                if is_paused(conn)? == paused {
                    return Ok(());
                }
                conn.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('paused', ?1)")
                    .and_then(|mut insert| insert.execute([if paused { "1" } else { "0" }]))
                    .map_err(store("pausing"))?;
                let (kind, text) = match paused {
                    true => ("daemon.paused", "No task starts until agentd is resumed"),
                    false => ("daemon.resumed", "Tasks start again"),
                };
                let severity = Severity::Info;
                let event = NewEvent {
                    task: None,
                    run: None,
                    kind: kind.into(),
                    severity,
                    text: text.into(),
                    details: Value::Null,
                };
                event::insert(conn, &event, now, None).map(drop)
            })
            .await
    }
}

impl Reader {
    /// # Errors
    /// As [`Reader::task`].
    pub async fn paused(&self) -> Result<bool, Error> {
        self.ask(is_paused).await
    }

    /// # Errors
    /// As [`Reader::task`].
    pub async fn instance(&self) -> Result<String, Error> {
        self.ask(id).await
    }

    /// What a source's last poll gave.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn cursor(&self, source: impl Into<String>) -> Result<Option<String>, Error> {
        let source = source.into();
        self.ask(move |conn| {
            conn.prepare_cached("SELECT cursor FROM source WHERE name = ?1")
                .and_then(|mut select| select.query_row([source], |row| row.get(0)).optional())
                .map_err(store("reading a cursor"))
        })
        .await
    }

    /// Up to which event a reader of the log has come; none: nobody of that name has read it yet.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn consumer(&self, name: impl Into<String>) -> Result<Option<i64>, Error> {
        let name = name.into();
        self.ask(move |conn| {
            conn.prepare_cached("SELECT event FROM consumer WHERE name = ?1")
                .and_then(|mut select| select.query_row([name], |row| row.get(0)).optional())
                .map_err(store("reading a consumer"))
        })
        .await
    }

    /// Checks the whole file, its references, and what the schema cannot say. Reads everything: seconds for a large
    /// database.
    ///
    /// # Errors
    /// As [`Reader::task`]. What is wrong with the data is no error but a line of the answer; empty: all is sound.
    pub async fn integrity(&self) -> Result<Vec<String>, Error> {
        self.ask(|conn| {
            let mut problems = lines(conn, "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'")?;
            problems.extend(lines(
                conn,
                "SELECT 'row ' || coalesce(rowid, '?') || ' of ' || \"table\" || ' refers to a missing ' || parent
                 FROM pragma_foreign_key_check",
            )?);
            problems.extend(lines(
                conn,
                "SELECT 't-' || id || ' is ' || state || ', and its run is not' FROM task
                 WHERE (state = 'running') <> EXISTS (SELECT 1 FROM run
                     WHERE run.task = task.id AND number = task.run AND ended_at IS NULL)",
            )?);
            problems.extend(lines(
                conn,
                "SELECT 't-' || id || ' counts ' || blocked || ' dependencies, which is wrong' FROM task
                 WHERE blocked <> (SELECT count(*) FROM dependency d JOIN task n ON n.id = d.needs
                     WHERE d.task = task.id AND n.state <> 'done')",
            )?);
            Ok(problems)
        })
        .await
    }
}

pub(crate) fn id(conn: &Connection) -> Result<String, Error> {
    conn.query_row("SELECT value FROM meta WHERE name = 'instance'", [], |row| row.get(0))
        .map_err(store("reading the id of the instance"))
}

pub(crate) fn is_paused(conn: &Connection) -> Result<bool, Error> {
    conn.prepare_cached("SELECT 1 FROM meta WHERE name = 'paused' AND value = '1'")
        .and_then(|mut select| select.query_row([], |_| Ok(())).optional())
        .map(|found| found.is_some())
        .map_err(store("reading whether it is paused"))
}

fn lines(conn: &Connection, sql: &str) -> Result<Vec<String>, Error> {
    conn.prepare(sql)
        .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
        .map_err(store("checking the database"))
}
