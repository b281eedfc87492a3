//! Runs, their steps, and how far their output was read.
//!
//! A run is open from its claim until its task leaves `running`; what an ended run says is refused. A step's row holds
//! the hash of its input: one that was finished with the same input is not done again.

use crate::{Error, NewEvent, Reader, Store, error::store, event, status};
use agentd_task::{Event, Millis, Purpose, Refused, RunNumber, Severity, Status, Step, Task, TaskId};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::json;
use std::fmt;

/// Names a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RunKey {
    pub task: TaskId,
    pub run: RunNumber,
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} of {}", self.run, self.task)
    }
}

/// An attempt at a task.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    pub key: RunKey,
    pub purpose: Purpose,
    /// Up to which byte the file of its output was read and stored.
    pub spool_offset: u64,
    pub started_at: Millis,
    pub ended_at: Option<Millis>,
    /// How it ended: a word, and after a colon what there is to say.
    pub outcome: Option<String>,
}

/// A step of a run.
#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    pub run: RunKey,
    pub step: Step,
    pub input_hash: String,
    /// JSON; none: it is not finished.
    pub output: Option<String>,
    pub started_at: Millis,
    pub finished_at: Option<Millis>,
}

/// What beginning a step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It begins now.
    Fresh,
    /// It was begun before and not finished: its traces may be there.
    Again,
    /// It was finished with the same input; its output, JSON.
    Finished(String),
}

impl Store {
    /// Begins a step, or finds that it is finished already. Moves the task to that step.
    ///
    /// # Errors
    /// [`Error::Refused`] if the run is over or already past that step, [`Error::NoTask`], [`Error::Store`],
    /// [`Error::Gone`].
    pub async fn begin_step(&self, run: RunKey, step: Step, input_hash: String, now: Millis) -> Result<Begun, Error> {
        self.writer.call(move |conn| begin(conn, run, step, &input_hash, now)).await
    }

    /// Stores a step's output (JSON) and what happened in it.
    ///
    /// # Errors
    /// [`Error::Refused`] if the run is over, [`Error::NoStep`] if it was not begun or is finished,
    /// [`Error::NoTask`], [`Error::Store`], [`Error::Gone`].
    pub async fn finish_step(
        &self,
        run: RunKey,
        step: Step,
        output: String,
        events: Vec<NewEvent>,
        now: Millis,
    ) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                expect_running(conn, run)?;
                let finished = conn
                    .prepare_cached(
                        "UPDATE step SET output = ?4, finished_at = ?5
                         WHERE task = ?1 AND run = ?2 AND name = ?3 AND finished_at IS NULL",
                    )
                    .and_then(|mut update| update.execute((run.task.0, run.run, step.as_str(), &output, now)))
                    .map_err(store("finishing a step"))?;
                if finished == 0 {
                    return Err(Error::NoStep { run, step });
                }
                event::insert_of(conn, run.task, Some(run.run), &events, now)?;
                tell(conn, run, step, "step.finished", now)
            })
            .await
    }

    /// Takes over the bytes `from..to` of a run's output: `events` are what was found in them, each with its byte.
    /// Offset and events are stored together, so that nothing is taken over twice or lost.
    ///
    /// # Errors
    /// [`Error::Offset`] if what is stored does not end at `from`, or `to` lies before it; [`Error::NoRun`];
    /// [`Error::Refused`] if the run is over; [`Error::Store`], [`Error::Gone`].
    pub async fn take_output(
        &self,
        run: RunKey,
        from: u64,
        to: u64,
        events: Vec<(u64, NewEvent)>,
        now: Millis,
    ) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                let found = self::run(conn, run)?.ok_or(Error::NoRun(run))?;
                expect_running(conn, run)?;
                if found.spool_offset != from || to < from {
                    return Err(Error::Offset { run, stored: found.spool_offset, from });
                }
                event::insert_spooled(conn, run, &events, now)?;
                conn.prepare_cached("UPDATE run SET spool_offset = ?3 WHERE task = ?1 AND number = ?2")
                    .and_then(|mut update| update.execute((run.task.0, run.run, i64::try_from(to).unwrap_or(i64::MAX))))
                    .map(drop)
                    .map_err(store("storing how far output was read"))
            })
            .await
    }
}

impl Reader {
    /// The steps of a run, in the order in which they were begun.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn steps(&self, run: RunKey) -> Result<Vec<StepRow>, Error> {
        self.ask(move |conn| {
            conn.prepare_cached("SELECT * FROM step WHERE task = ?1 AND run = ?2 ORDER BY rowid")
                .and_then(|mut select| select.query_map((run.task.0, run.run), step_from_row)?.collect())
                .map_err(store("reading steps"))
        })
        .await
    }

    /// All runs of a task, oldest first.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn runs(&self, task: TaskId) -> Result<Vec<RunRow>, Error> {
        self.ask(move |conn| {
            conn.prepare_cached("SELECT * FROM run WHERE task = ?1 ORDER BY number")
                .and_then(|mut select| select.query_map([task.0], run_from_row)?.collect())
                .map_err(store("reading runs"))
        })
        .await
    }

    /// # Errors
    /// As [`Reader::task`].
    pub async fn run(&self, key: RunKey) -> Result<Option<RunRow>, Error> {
        self.ask(move |conn| run(conn, key)).await
    }
}

/// Opens or ends the run that goes with a new status.
pub(crate) fn follow(
    conn: &Connection,
    before: &Task,
    event: &Event,
    after: &Task,
    note: &str,
    now: Millis,
) -> Result<(), Error> {
    let runs = |task: &Task| matches!(task.status, Status::Running { .. });
    if after.run > before.run {
        conn.prepare_cached("INSERT INTO run (task, number, purpose, started_at) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut insert| insert.execute((after.id.0, after.run, status::purpose_word(after.purpose), now)))
            .map_err(store("opening a run"))?;
    } else if runs(before) && !runs(after) {
        let outcome = if note.is_empty() { word(event).into() } else { format!("{}: {note}", word(event)) };
        conn.prepare_cached("UPDATE run SET ended_at = ?3, outcome = ?4 WHERE task = ?1 AND number = ?2")
            .and_then(|mut update| update.execute((before.id.0, before.run, now, outcome)))
            .map_err(store("ending a run"))?;
    }
    Ok(())
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::Verified { .. } => "verified",
        Event::Answered { .. } => "answered",
        Event::Failed { .. } => "failed",
        Event::NothingToDo { .. } => "nothing-to-do",
        Event::Parked { .. } => "parked",
        Event::Stuck { .. } => "stuck",
        Event::Interrupted { .. } => "interrupted",
        Event::Withdrawn { .. } => "withdrawn",
        _ => "cancelled",
    }
}

fn begin(conn: &Connection, run: RunKey, step: Step, input_hash: &str, now: Millis) -> Result<Begun, Error> {
    let task = expect_running(conn, run)?;
    let row = conn
        .prepare_cached("SELECT * FROM step WHERE task = ?1 AND run = ?2 AND name = ?3")
        .and_then(|mut select| select.query_row((run.task.0, run.run, step.as_str()), step_from_row).optional())
        .map_err(store("reading a step"))?;
    let begun = match row {
        Some(StepRow { output: Some(output), input_hash: known, .. }) if known == input_hash => {
            return Ok(Begun::Finished(output));
        }
        Some(StepRow { output: None, .. }) => Begun::Again,
        Some(_) | None => Begun::Fresh,
    };
    let next = task.on(&Event::Stepped { run: run.run, step })?;
    let note = status::note(conn, run.task).map_err(store("reading a task"))?;
    status::write(conn, &next, now, &note).map_err(store("writing a task"))?;
    conn.prepare_cached(
        "INSERT INTO step (task, run, name, input_hash, started_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (task, run, name) DO UPDATE
         SET input_hash = ?4, started_at = ?5, output = NULL, finished_at = NULL",
    )
    .and_then(|mut insert| insert.execute((run.task.0, run.run, step.as_str(), input_hash, now)))
    .map_err(store("beginning a step"))?;
    tell(conn, run, step, "step.started", now)?;
    Ok(begun)
}

/// The task, if that run is the one that owns it.
fn expect_running(conn: &Connection, run: RunKey) -> Result<Task, Error> {
    let task = status::read(conn, run.task).map_err(store("reading a task"))?.ok_or(Error::NoTask(run.task))?;
    match task.status {
        Status::Running { .. } if task.run == run.run => Ok(task),
        _ => {
            let what = "that run is over, or was told to end";
            Err(Refused { id: task.id, run: task.run, state: task.status.as_str(), what }.into())
        }
    }
}

fn tell(conn: &Connection, run: RunKey, step: Step, kind: &str, now: Millis) -> Result<(), Error> {
    let verb = if kind == "step.finished" { "finished" } else { "began" };
    let event = NewEvent {
        task: Some(run.task),
        run: Some(run.run),
        kind: kind.into(),
        severity: Severity::Info,
        text: format!("{} {verb} step {step} of run {}", run.task, run.run),
        details: json!({ "step": step }),
    };
    event::insert(conn, &event, now, None).map(drop)
}

fn run(conn: &Connection, key: RunKey) -> Result<Option<RunRow>, Error> {
    conn.prepare_cached("SELECT * FROM run WHERE task = ?1 AND number = ?2")
        .and_then(|mut select| select.query_row((key.task.0, key.run), run_from_row).optional())
        .map_err(store("reading a run"))
}

fn run_from_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        key: RunKey { task: TaskId(row.get("task")?), run: row.get("number")? },
        purpose: status::word(row, "purpose", status::purpose_of)?,
        spool_offset: row.get::<_, i64>("spool_offset")?.unsigned_abs(),
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        outcome: row.get("outcome")?,
    })
}

fn step_from_row(row: &Row<'_>) -> rusqlite::Result<StepRow> {
    Ok(StepRow {
        run: RunKey { task: TaskId(row.get("task")?), run: row.get("run")? },
        step: status::word(row, "name", |it| it.parse().ok())?,
        input_hash: row.get("input_hash")?,
        output: row.get("output")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}

#[cfg(test)]
mod tests;
