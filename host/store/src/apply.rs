//! The one way in which a task's status changes: read, decide, write and record, in the caller's transaction.

use crate::{
    Change, Error, NewEffect, NewEvent, Remark, Store, TaskRow, change, depend, error::store, event, outbox, run,
    status, task,
};
use agentd_task::{Event, Millis, On, Outcome, Queued, Severity, Status, Task, TaskId};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is stored in the same transaction as a task's new status.
#[derive(Clone, Debug, Default)]
pub struct With {
    /// One line for the event; empty: a default one.
    pub text: String,
    /// More for the event's details: a JSON object, or null. `state` and `former` are always set by the store.
    pub details: Value,
    /// How much the event matters; none: what the new status says of itself.
    pub severity: Option<Severity>,
    /// What has to be done outside now. A key that exists already is an error: each is decided once.
    pub effects: Vec<NewEffect>,
    pub change: Option<Change>,
    pub session: SessionNote,
    pub answer: Option<String>,
    pub remark: Option<Remark>,
}

/// The conversation that a later run of a task may go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The agent's name: another one cannot go on with it.
    pub agent: String,
    pub id: String,
}

/// What is to be known of a task's conversation from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SessionNote {
    /// As before.
    #[default]
    Same,
    Kept(Session),
    /// There is none to go on with.
    Lost,
}

impl Store {
    /// Applies `event` to a task, and stores what comes with it. An event that changes nothing (cancelling what was
    /// told to end already) stores only what comes with it.
    ///
    /// # Errors
    /// [`Error::Refused`] if the event does not apply, [`Error::NoTask`], [`Error::Subject`],
    /// [`Error::EffectExists`], [`Error::Store`], [`Error::Gone`].
    pub async fn apply(&self, task: TaskId, event: Event, with: With, now: Millis) -> Result<TaskRow, Error> {
        self.writer.call(move |conn| apply(conn, task, &event, &with, now)).await
    }
}

pub(crate) fn apply(conn: &Connection, id: TaskId, event: &Event, with: &With, now: Millis) -> Result<TaskRow, Error> {
    let before = status::read(conn, id).map_err(store("reading a task"))?.ok_or(Error::NoTask(id))?;
    let after = before.on(event)?;
    // That people were asked is news also of a change that is in review already.
    if after != before || *event == Event::ReviewRequested {
        transit(conn, &before, &after, event, with, now)?;
    }
    attach(conn, &after, with, now)?;
    task::one(conn, id)?.ok_or(Error::NoTask(id))
}

/// Writes a new status with all that follows from it within the store.
fn transit(
    conn: &Connection,
    before: &Task,
    after: &Task,
    event: &Event,
    with: &With,
    now: Millis,
) -> Result<(), Error> {
    if before.status.is_over() && !after.status.is_over() {
        expect_free_subject(conn, after.id)?;
    }
    let note = match event {
        _ if !with.text.is_empty() => with.text.clone(),
        Event::Ended { .. } => status::note(conn, after.id).map_err(store("reading a task"))?, // why it was told to end
        event => cause(event),
    };
    status::write(conn, after, now, &note).map_err(store("writing a task"))?;
    run::follow(conn, before, event, after, &note, now)?;
    change::follow(conn, after.id, event)?;
    if matches!(event, Event::Retried { .. } | Event::Reopened { .. }) {
        outbox::drop_failed(conn, after.id, now)?;
    }
    if matches!(before.status, Status::Done { .. }) != matches!(after.status, Status::Done { .. }) {
        depend::settled(conn, after.id, now)?;
    }
    // A step's own event tells of it.
    if !matches!(event, Event::Stepped { .. }) {
        record(conn, Some(before), after, with, &note, now)?;
    }
    Ok(())
}

/// Stores what comes with an event, whether or not it changed the status.
fn attach(conn: &Connection, task: &Task, with: &With, now: Millis) -> Result<(), Error> {
    if let Some(change) = &with.change {
        change::write(conn, task.id, change)?;
    }
    let session = match &with.session {
        SessionNote::Same => None,
        SessionNote::Kept(it) => Some((Some(&it.id), Some(&it.agent))),
        SessionNote::Lost => Some((None, None)),
    };
    if let Some((id, agent)) = session {
        conn.prepare_cached("UPDATE task SET session = ?2, session_agent = ?3 WHERE id = ?1")
            .and_then(|mut update| update.execute((task.id.0, id, agent)))
            .map_err(store("writing a session"))?;
    }
    if let Some(answer) = &with.answer {
        conn.prepare_cached("UPDATE content SET answer = ?2 WHERE task = ?1")
            .and_then(|mut update| update.execute((task.id.0, answer)))
            .map_err(store("writing an answer"))?;
    }
    if let Some(remark) = &with.remark {
        change::remark(conn, task.id, remark)?;
    }
    for effect in &with.effects {
        outbox::decide(conn, Some(task.id), effect, now)?;
    }
    Ok(())
}

/// Writes the event of a new status; `before`: none, the task is new; `note`: for the default text.
pub(crate) fn record(
    conn: &Connection,
    before: Option<&Task>,
    after: &Task,
    with: &With,
    note: &str,
    now: Millis,
) -> Result<(), Error> {
    let mut details = match &with.details {
        object @ Value::Object(_) => object.clone(),
        Value::Null => json!({}),
        other => json!({ "value": other }),
    };
    details["former"] = json!(before.map(|it| it.status.as_str()));
    details["state"] = json!(after.status.as_str());
    let text = if with.text.is_empty() { default_text(conn, after, note)? } else { with.text.clone() };
    let event = NewEvent {
        task: Some(after.id),
        run: Some(after.run).filter(|run| *run > 0),
        kind: kind(&after.status).into(),
        severity: with.severity.unwrap_or_else(|| severity(&after.status)),
        text,
        details,
    };
    event::insert(conn, &event, now, None).map(drop)
}

fn default_text(conn: &Connection, task: &Task, note: &str) -> Result<String, Error> {
    let title: String = conn
        .prepare_cached("SELECT title FROM content WHERE task = ?1")
        .and_then(|mut select| select.query_row([task.id.0], |row| row.get(0)))
        .map_err(store("reading a title"))?;
    let sentence = sentence(&task.status);
    Ok(match note {
        "" => format!("{} {sentence} ({title})", task.id),
        note => format!("{} {sentence}: {note} ({title})", task.id),
    })
}

/// What an event says of its own, where it says something.
fn cause(event: &Event) -> String {
    match event {
        Event::Failed { failure, .. } | Event::PublishFailed { failure } => failure.to_string(),
        _ => String::new(),
    }
}

fn kind(status: &Status) -> &'static str {
    match status {
        Status::Queued { .. } => "task.queued",
        Status::Running { cancel: false, .. } => "task.running",
        Status::Running { cancel: true, .. } => "task.cancelling",
        Status::Publishing => "task.publishing",
        Status::InReview => "task.in-review",
        Status::Waiting { .. } => "task.waiting",
        Status::Done { .. } => "task.done",
        Status::Failed { .. } => "task.failed",
        Status::Cancelled => "task.cancelled",
    }
}

fn severity(status: &Status) -> Severity {
    match status {
        Status::Failed { .. } => Severity::Warning,
        Status::Waiting { .. } => Severity::Urgent,
        _ => Severity::Info,
    }
}

fn sentence(status: &Status) -> &'static str {
    match status {
        Status::Queued { reason: Queued::New, .. } => "is queued",
        Status::Queued { reason: Queued::Retry, .. } => "failed and is tried again",
        Status::Queued { reason: Queued::Interrupted, .. } => "was interrupted and is queued again",
        Status::Queued { reason: Queued::Limited, .. } => "goes on when a limit is over",
        Status::Queued { reason: Queued::Feedback, .. } => "is queued to take up what people said",
        Status::Running { cancel: false, .. } => "runs",
        Status::Running { cancel: true, .. } => "was told to end",
        Status::Publishing => "is verified and being published",
        Status::InReview => "is in review",
        Status::Waiting { on: On::Start } => "waits for a person to start it",
        Status::Waiting { on: On::Approval } => "waits for a person to see its change",
        Status::Waiting { on: On::Operator } => "waits for an operator",
        Status::Waiting { on: On::Confirmation } => "waits for a person to say that there is nothing to do",
        Status::Done { outcome: Outcome::Change } => "is done, its change merged",
        Status::Done { outcome: Outcome::NothingToDo } => "is done: there was nothing to do",
        Status::Done { outcome: Outcome::Answer } => "is done, with an answer",
        Status::Failed { .. } => "failed",
        Status::Cancelled => "is cancelled",
    }
}

/// A task that is over may only come back while no other open one is about the same subject.
fn expect_free_subject(conn: &Connection, id: TaskId) -> Result<(), Error> {
    let other = conn
        .prepare_cached(
            "SELECT other.id, other.subject FROM task JOIN task other ON other.subject = task.subject
             WHERE task.id = ?1 AND other.id <> task.id
                 AND other.state IN ('queued', 'running', 'publishing', 'in-review', 'waiting')",
        )
        .and_then(|mut select| select.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(store("looking for a task of the same subject"))?;
    match other {
        Some((other, subject)) => Err(Error::Subject { task: id, subject, other: TaskId(other) }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
