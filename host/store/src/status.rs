//! A task's status as columns, and back.
//!
//! The words of the columns are those of the schema's `CHECK`s. A row that cannot be read as a status is an error of
//! the database, never a guess.

use agentd_task::{
    Draft, Failure, Millis, On, Outcome, Purpose, Queued, Reason, RunNumber, Status, Step, Task, TaskId, Thread,
};
use rusqlite::{Connection, OptionalExtension, Row, types::Type};

/// Makes the row of a new task.
pub(crate) fn insert(
    conn: &Connection,
    task: &Task,
    source: &str,
    draft: &Draft,
    branch: &str,
    now: Millis,
) -> rusqlite::Result<()> {
    let columns = Columns::of(&task.status);
    let mut insert = conn.prepare_cached(
        "INSERT INTO task (id, source, key, subject, repository, branch, state, due, queued, waits_on, ready,
             created_at, changed_at, waiting_since)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, (?7 = 'queued' AND ?8 <= ?11), ?11, ?11, ?11)",
    )?;
    insert.execute(rusqlite::params![
        task.id.0,
        source,
        draft.key,
        draft.subject,
        draft.repository,
        branch,
        task.status.as_str(),
        columns.due,
        columns.queued,
        columns.waits_on,
        now,
    ])?;
    Ok(())
}

/// Writes where a task stands, and whether it may be claimed now.
pub(crate) fn write(conn: &Connection, task: &Task, now: Millis, note: &str) -> rusqlite::Result<()> {
    let columns = Columns::of(&task.status);
    let mut update = conn.prepare_cached(
        "UPDATE task SET run = ?2, failures = ?3, purpose = ?4, state = ?5, due = ?6, queued = ?7, step = ?8,
             cancel = ?9, waits_on = ?10, outcome = ?11, failure = ?12, failure_text = ?13, note = ?14,
             ready = (?5 = 'queued' AND ?6 <= ?15 AND blocked = 0), changed_at = ?15,
             waiting_since = iif(?16, ?15, waiting_since), ended_at = iif(?17, ?15, NULL)
         WHERE id = ?1",
    )?;
    update.execute(rusqlite::params![
        task.id.0,
        task.run,
        task.failures,
        purpose_word(task.purpose),
        task.status.as_str(),
        columns.due,
        columns.queued,
        columns.step,
        columns.cancel,
        columns.waits_on,
        columns.outcome,
        columns.failure,
        columns.failure_text,
        note,
        now,
        starts_to_wait(&task.status),
        task.status.is_over(),
    ])?;
    Ok(())
}

/// Reads where a task stands.
pub(crate) fn read(conn: &Connection, id: TaskId) -> rusqlite::Result<Option<Task>> {
    conn.prepare_cached("SELECT * FROM task WHERE id = ?1")?.query_row([id.0], from_row).optional()
}

/// Why it stands where it stands.
pub(crate) fn note(conn: &Connection, id: TaskId) -> rusqlite::Result<String> {
    conn.prepare_cached("SELECT note FROM task WHERE id = ?1")?.query_row([id.0], |row| row.get(0))
}

/// Reads it from a row that has all columns of `task`.
pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Task> {
    let status = match row.get_ref("state")?.as_str()? {
        "queued" => Status::Queued { due: row.get("due")?, reason: word(row, "queued", queued_of)? },
        "running" => Status::Running { step: word(row, "step", |it| it.parse().ok())?, cancel: row.get("cancel")? },
        "publishing" => Status::Publishing,
        "in-review" => Status::InReview,
        "waiting" => Status::Waiting { on: word(row, "waits_on", on_of)? },
        "done" => Status::Done { outcome: word(row, "outcome", outcome_of)? },
        "failed" => {
            let reason = word(row, "failure", |it| it.parse::<Reason>().ok())?;
            Status::Failed { failure: Failure { reason, text: row.get("failure_text")? } }
        }
        "cancelled" => Status::Cancelled,
        other => return Err(unreadable("state", other)),
    };
    Ok(Task {
        id: TaskId(row.get("id")?),
        run: row.get::<_, RunNumber>("run")?,
        failures: row.get("failures")?,
        purpose: word(row, "purpose", purpose_of)?,
        status,
    })
}

/// Reads the issue that a task is.
pub(crate) fn thread(row: &Row<'_>) -> rusqlite::Result<Option<Thread>> {
    let text: Option<String> = row.get("thread")?;
    text.map(|text| text.parse().map_err(|()| unreadable("thread", &text))).transpose()
}

/// Reads a column that holds one of a few words.
pub(crate) fn word<T>(row: &Row<'_>, column: &str, read: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    read(text).ok_or_else(|| unreadable(column, text))
}

pub(crate) fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Execute => "execute",
        Purpose::Feedback => "feedback",
    }
}

pub(crate) fn purpose_of(text: &str) -> Option<Purpose> {
    match text {
        "execute" => Some(Purpose::Execute),
        "feedback" => Some(Purpose::Feedback),
        _ => None,
    }
}

/// The columns that only some states have.
#[derive(Default)]
struct Columns<'a> {
    due: Option<Millis>,
    queued: Option<&'static str>,
    step: Option<&'static str>,
    cancel: Option<bool>,
    waits_on: Option<&'static str>,
    outcome: Option<&'static str>,
    failure: Option<&'static str>,
    failure_text: Option<&'a str>,
}

impl Columns<'_> {
    fn of(status: &Status) -> Columns<'_> {
        let none = Columns::default();
        match status {
            Status::Queued { due, reason } => Columns { due: Some(*due), queued: Some(queued_word(*reason)), ..none },
            Status::Running { step, cancel } => {
                Columns { step: Some(Step::as_str(*step)), cancel: Some(*cancel), ..none }
            }
            Status::Waiting { on } => Columns { waits_on: Some(on.as_str()), ..none },
            Status::Done { outcome } => Columns { outcome: Some(outcome.as_str()), ..none },
            Status::Failed { failure } => {
                Columns { failure: Some(failure.reason.as_str()), failure_text: Some(&failure.text), ..none }
            }
            Status::Publishing | Status::InReview | Status::Cancelled => none,
        }
    }
}

/// Whether its time of waiting begins now. A try that failed or was interrupted keeps its place in the queue.
fn starts_to_wait(status: &Status) -> bool {
    matches!(status, Status::Queued { reason: Queued::New | Queued::Feedback, .. } | Status::Waiting { .. })
}

fn queued_word(reason: Queued) -> &'static str {
    match reason {
        Queued::New => "new",
        Queued::Retry => "retry",
        Queued::Interrupted => "interrupted",
        Queued::Limited => "limited",
        Queued::Feedback => "feedback",
    }
}

fn queued_of(text: &str) -> Option<Queued> {
    [Queued::New, Queued::Retry, Queued::Interrupted, Queued::Feedback, Queued::Limited]
        .into_iter()
        .find(|it| queued_word(*it) == text)
}

fn on_of(text: &str) -> Option<On> {
    On::ALL.into_iter().find(|it| it.as_str() == text)
}

fn outcome_of(text: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|it| it.as_str() == text)
}

fn unreadable(column: &str, text: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("column {column} holds `{text}`").into())
}
