//! Tasks as people and other rooms see them.

use crate::{Error, Reader, Session, error::store, status};
use agentd_task::{Millis, On, Queued, RunNumber, Status, Task, TaskId, Thread};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// A task, and all that is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct TaskRow {
    /// Where it stands; written as `{id, run, failures, purpose, status: {state, …}}`.
    #[serde(serialize_with = "task_fields")]
    pub task: Task,
    pub source: String,
    pub key: String,
    pub title: String,
    /// Other people's text.
    pub body: String,
    pub url: Option<String>,
    pub subject: Option<String>,
    pub repository: String,
    /// The issue that it is.
    pub thread: Option<Thread>,
    pub base: Option<String>,
    /// Fixed with the task.
    pub branch: String,
    pub labels: Vec<String>,
    pub priority: Option<u32>,
    /// The tasks that have to be done before this one can start, as ids; those that are done are left out.
    pub depends_on: Vec<String>,
    pub instructions: Option<String>,
    pub requested_by: Option<String>,
    pub requested_at: Option<Millis>,
    pub agent: Option<String>,
    pub score: f64,
    pub score_reason: String,
    /// The agent's own conversation, to be resumed.
    pub session: Option<Session>,
    pub answer: Option<String>,
    pub created_at: Millis,
    pub changed_at: Millis,
    pub waiting_since: Millis,
    /// Why it stands where it stands: a sentence for people.
    pub reason: String,
}

/// Which tasks to list.
#[derive(Clone, Debug)]
pub struct TaskFilter {
    /// Words of states; empty: all.
    pub states: Vec<String>,
    pub source: Option<String>,
    pub repository: Option<String>,
    /// Only tasks with greater ids: where the next page begins.
    pub after: Option<TaskId>,
    /// At most 10,000 are listed.
    pub limit: u32,
}

impl Default for TaskFilter {
    fn default() -> TaskFilter {
        TaskFilter { states: Vec::new(), source: None, repository: None, after: None, limit: 100 }
    }
}

/// More rows than this are never listed at once.
pub(crate) const LIST_MAX: u32 = 10_000;

impl Reader {
    /// # Errors
    /// As all reads: [`Error::Store`], [`Error::Corrupt`], [`Error::Gone`].
    pub async fn task(&self, id: TaskId) -> Result<Option<TaskRow>, Error> {
        self.ask(move |conn| one(conn, id)).await
    }

    /// # Errors
    /// As [`Reader::task`].
    pub async fn task_by_key(
        &self,
        source: impl Into<String>,
        key: impl Into<String>,
    ) -> Result<Option<TaskRow>, Error> {
        let (source, key) = (source.into(), key.into());
        self.ask(move |conn| Ok(rows(conn, "t.source = ?1 AND t.key = ?2", (source, key))?.pop())).await
    }

    /// Tasks in the order of their ids.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn tasks(&self, filter: TaskFilter) -> Result<Vec<TaskRow>, Error> {
        let states = serde_json::Value::from(filter.states.clone()).to_string();
        let all = filter.states.is_empty();
        let (after, limit) = (filter.after.map_or(0, |it| it.0), filter.limit.min(LIST_MAX));
        self.ask(move |conn| {
            let which = "t.id > ?1 AND (?2 OR t.state IN (SELECT value FROM json_each(?3)))
                 AND (?4 IS NULL OR t.source = ?4) AND (?5 IS NULL OR t.repository = ?5) ORDER BY t.id LIMIT ?6";
            rows(conn, which, (after, all, states, filter.source, filter.repository, limit))
        })
        .await
    }

    /// What runs now.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn running(&self) -> Result<Vec<TaskRow>, Error> {
        self.ask(|conn| rows(conn, "t.state = 'running' ORDER BY t.id", ())).await
    }

    /// Queued tasks: first those that may be claimed, in the order in which claims take them, then those whose time has
    /// not come, then those that wait for others.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn queue(&self, limit: u32) -> Result<Vec<TaskRow>, Error> {
        let which = "t.state = 'queued'
             ORDER BY t.ready DESC, t.blocked > 0, t.score DESC, t.waiting_since, t.id LIMIT ?1";
        self.ask(move |conn| rows(conn, which, [limit.min(LIST_MAX)])).await
    }

    /// How many tasks are in each state; states without any are left out.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn counts(&self) -> Result<Vec<(String, u64)>, Error> {
        self.ask(|conn| {
            conn.prepare_cached("SELECT state, count(*) FROM task GROUP BY state ORDER BY state")
                .and_then(|mut select| {
                    select.query_map((), |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?.collect()
                })
                .map_err(store("counting tasks"))
        })
        .await
    }

    /// Queued tasks, and those that wait for their start, whose score is not of `generation`.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn unranked(&self, generation: i64, limit: u32) -> Result<Vec<TaskRow>, Error> {
        let which = "t.id IN (
             SELECT id FROM task WHERE (state = 'queued' OR waits_on = 'start') AND score_generation < ?1
             UNION ALL
             SELECT id FROM task WHERE (state = 'queued' OR waits_on = 'start') AND score_generation > ?1
             LIMIT ?2) ORDER BY t.id";
        self.ask(move |conn| rows(conn, which, (generation, limit.min(LIST_MAX)))).await
    }

    /// How many queued or waiting tasks wait for this one, directly or not.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn dependents(&self, id: TaskId) -> Result<u32, Error> {
        self.ask(move |conn| {
            conn.prepare_cached(
                "WITH RECURSIVE later (id) AS (
                     SELECT task FROM dependency WHERE needs = ?1
                     UNION
                     SELECT dependency.task FROM dependency JOIN later ON dependency.needs = later.id)
                 SELECT count(*) FROM later JOIN task USING (id) WHERE task.state IN ('queued', 'waiting')",
            )
            .and_then(|mut select| select.query_row([id.0], |row| row.get(0)))
            .map_err(store("counting dependents"))
        })
        .await
    }
}

/// One task; for writers too, who then see what they wrote.
pub(crate) fn one(conn: &Connection, id: TaskId) -> Result<Option<TaskRow>, Error> {
    conn.prepare_cached(&select("t.id = ?1"))
        .and_then(|mut select| select.query_row([id.0], from_row).optional())
        .map_err(store("reading a task"))
}

fn rows(conn: &Connection, which: &str, params: impl Params) -> Result<Vec<TaskRow>, Error> {
    conn.prepare_cached(&select(which))
        .and_then(|mut select| select.query_map(params, from_row)?.collect())
        .map_err(store("listing tasks"))
}

fn select(which: &str) -> String {
    format!(
        "SELECT t.*, c.*, strftime('%Y-%m-%d %H:%M:%S UTC', t.due / 1000, 'unixepoch') AS due_text,
             iif(t.blocked > 0, (SELECT json_group_array(json_array(n.id, n.state) ORDER BY n.id)
                 FROM dependency d JOIN task n ON n.id = d.needs
                 WHERE d.task = t.id AND n.state <> 'done'), '[]') AS needs
         FROM task t JOIN content c ON c.task = t.id WHERE {which}"
    )
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    let task = status::from_row(row)?;
    let needs = status::word(row, "needs", |it| serde_json::from_str::<Vec<(i64, String)>>(it).ok())?;
    Ok(TaskRow {
        source: row.get("source")?,
        key: row.get("key")?,
        title: row.get("title")?,
        body: row.get("body")?,
        url: row.get("url")?,
        subject: row.get("subject")?,
        repository: row.get("repository")?,
        thread: status::thread(row)?,
        base: row.get("base")?,
        branch: row.get("branch")?,
        labels: status::word(row, "labels", |it| serde_json::from_str(it).ok())?,
        priority: row.get("priority")?,
        depends_on: needs.iter().map(|(id, _)| TaskId(*id).to_string()).collect(),
        instructions: row.get("instructions")?,
        requested_by: row.get("requested_by")?,
        requested_at: row.get("requested_at")?,
        agent: row.get("agent")?,
        score: row.get("score")?,
        score_reason: row.get("score_reason")?,
        session: match (row.get("session_agent")?, row.get("session")?) {
            (Some(agent), Some(id)) => Some(Session { agent, id }),
            _ => None,
        },
        answer: row.get("answer")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
        waiting_since: row.get("waiting_since")?,
        reason: Why { row, task: &task, needs: &needs }.sentence()?,
        task,
    })
}

/// What the sentence of a row is made of.
struct Why<'a> {
    row: &'a Row<'a>,
    task: &'a Task,
    needs: &'a [(i64, String)],
}

impl Why<'_> {
    fn sentence(&self) -> rusqlite::Result<String> {
        let note: String = self.row.get("note")?;
        Ok(match &self.task.status {
            Status::Queued { .. } if !self.needs.is_empty() => self.blocked(),
            Status::Queued { reason, .. } => {
                let ready: bool = self.row.get("ready")?;
                let when = match ready {
                    true => "starts when the limits allow it".to_owned(),
                    false => format!("is due at {}", self.row.get::<_, String>("due_text")?),
                };
                match reason {
                    Queued::New => when,
                    Queued::Retry if ready => with_note("is tried again when the limits allow it", &note),
                    Queued::Retry => {
                        with_note(&format!("retries at {}", self.row.get::<_, String>("due_text")?), &note)
                    }
                    Queued::Interrupted => format!("was interrupted and goes on; {when}"),
                    Queued::Limited => with_note(&format!("waits for a limit to be over; {when}"), &note),
                    Queued::Feedback => format!("takes up what people said; {when}"),
                }
            }
            Status::Running { step, cancel: false } => format!("run {} is at its step {step}", self.task.run),
            Status::Running { step, cancel: true } => {
                format!("run {} was told to end, at its step {step}", self.task.run)
            }
            Status::Publishing => "its change is being pushed".into(),
            Status::InReview => "its change waits for the people who review it".into(),
            Status::Waiting { on: On::Start } => {
                format!("waits for a person to start it: agentd task start {}", self.task.id)
            }
            Status::Waiting { on: On::Approval } => {
                format!("waits for a person to see its change: agentd task approve {}", self.task.id)
            }
            Status::Waiting { on: On::Operator } => with_note("waits for an operator to put something right", &note),
            Status::Waiting { on: On::Confirmation } => {
                format!(
                    "the agent found nothing to do; a person says whether that is so: agentd task approve {}",
                    self.task.id
                )
            }
            Status::Done { outcome: agentd_task::Outcome::NothingToDo } => "there was nothing to do".into(),
            Status::Done { outcome: agentd_task::Outcome::Change } => "its change was merged".into(),
            Status::Done { outcome: agentd_task::Outcome::Answer } => "the agent answered and changed nothing".into(),
            Status::Failed { failure } => failure.to_string(),
            Status::Cancelled => with_note("was cancelled", &note),
        })
    }

    fn blocked(&self) -> String {
        let names: Vec<String> = self.needs.iter().map(|(id, state)| needed(TaskId(*id), state)).collect();
        format!("waits for {}", names.join(" and "))
    }
}

fn needed(id: TaskId, state: &str) -> String {
    match state {
        "failed" => format!("{id}, which failed"),
        "cancelled" => format!("{id}, which was cancelled"),
        _ => id.to_string(),
    }
}

fn with_note(sentence: &str, note: &str) -> String {
    if note.is_empty() { sentence.into() } else { format!("{sentence}: {note}") }
}

fn task_fields<S: Serializer>(task: &Task, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct("Task", 5)?;
    fields.serialize_field("id", &task.id)?;
    fields.serialize_field::<RunNumber>("run", &task.run)?;
    fields.serialize_field("failures", &task.failures)?;
    fields.serialize_field("purpose", &task.purpose)?;
    fields.serialize_field("status", &task.status)?;
    fields.end()
}
