//! Work comes in.
//!
//! Everything a poll gave is stored in one transaction, with the cursor that says where the next one goes on. A draft
//! becomes a new task, news of a known one, or a message to an open task about the same subject.
//!
//! - A task's text changes only while nobody works on it: what a run was told stays what it was told.
//! - A draft that is given again and again changes nothing.

use crate::{Error, NewEvent, Remark, Store, With, apply, change, depend, error::store, event, instance, kv, status};
use agentd_task::{Draft, Event, Millis, Mode, On, Purpose, Severity, Status, Task, TaskId};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

/// What a source found.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    /// The source's name.
    pub source: String,
    pub drafts: Vec<Draft>,
    /// Keys of work that is none any more, each with the reason for people.
    pub withdrawn: Vec<(String, String)>,
    /// All keys that exist, the drafts' among them: others of the source that wait or are queued are withdrawn.
    pub complete: Option<Vec<String>>,
    /// Where the next poll goes on; none: it stays.
    pub cursor: Option<String>,
    /// The entry that `kv` belongs to; none: the source's.
    pub entry: Option<String>,
    /// What the plugin keeps: key, and value or `None` to delete.
    pub kv: Vec<(String, Option<String>)>,
    /// What becomes of new tasks.
    pub mode: Mode,
    /// A task's branch is this and its id, fixed with the task.
    pub branch_prefix: String,
    /// Ids of repositories that other instances may work on too: there the branch has this instance's id in it.
    pub shared: BTreeSet<String>,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    pub new: Vec<TaskId>,
    /// Brought up to date.
    pub changed: Vec<TaskId>,
    /// Open tasks that got a message, since they are about the same subject.
    pub joined: Vec<TaskId>,
    /// Cancelled, or told to end.
    pub withdrawn: Vec<TaskId>,
    /// Over before, and asked for anew.
    pub reopened: Vec<TaskId>,
}

impl Store {
    /// Stores what a source found; all of it, or nothing.
    ///
    /// # Errors
    /// [`Error::Draft`] if a draft cannot be taken, [`Error::KvFull`], [`Error::Store`], [`Error::Gone`].
    pub async fn intake(&self, intake: Intake, now: Millis) -> Result<Taken, Error> {
        self.writer.call(move |conn| take(conn, &intake, now)).await
    }
}

fn take(conn: &Connection, intake: &Intake, now: Millis) -> Result<Taken, Error> {
    let mut taken = Taken::default();
    for draft in &intake.drafts {
        draft.check().map_err(|what| Error::Draft {
            source_name: intake.source.clone(),
            key: draft.key.chars().take(64).collect(),
            what,
        })?;
        Arrival { conn, intake, draft, now }.take(&mut taken)?;
    }
    for (key, reason) in &intake.withdrawn {
        withdraw(conn, &intake.source, key, reason, now, &mut taken)?;
    }
    if let Some(keys) = &intake.complete {
        withdraw_others(conn, intake, keys, now, &mut taken)?;
    }
    if let Some(cursor) = &intake.cursor {
        conn.prepare_cached(
            "INSERT INTO source (name, cursor) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET cursor = ?2",
        )
        .and_then(|mut write| write.execute((&intake.source, cursor)))
        .map_err(store("storing a cursor"))?;
    }
    if !intake.kv.is_empty() {
        kv::commit(conn, intake.entry.as_ref().unwrap_or(&intake.source), &intake.kv)?;
    }
    Ok(taken)
}

/// A draft on its way in.
struct Arrival<'a> {
    conn: &'a Connection,
    intake: &'a Intake,
    draft: &'a Draft,
    now: Millis,
}

impl Arrival<'_> {
    fn take(&self, taken: &mut Taken) -> Result<(), Error> {
        if let Some(known) = Known::find(self.conn, &self.intake.source, &self.draft.key)? {
            return self.take_known(&known, taken);
        }
        if self.is_told()? {
            return Ok(());
        }
        match self.owner()? {
            Some(other) => self.join(other, taken),
            None => {
                taken.new.push(self.insert()?);
                Ok(())
            }
        }
    }

    fn take_known(&self, known: &Known, taken: &mut Taken) -> Result<(), Error> {
        let id = known.task.id;
        if known.task.status.is_over() {
            // Clocks differ: a request that is known is no new one, whatever time it has.
            let last = known.ended_at.max(known.draft.requested_at);
            if self.draft.requested_at <= last || self.is_told()? {
                return Ok(());
            }
            return match self.owner()?.filter(|other| *other != id) {
                Some(other) => self.join(other, taken),
                None => {
                    self.update(id, self.draft)?;
                    let event = Event::Reopened { now: self.now, mode: self.intake.mode };
                    let with = With { severity: self.severity(), ..With::default() };
                    apply::apply(self.conn, id, &event, &with, self.now)?;
                    taken.reopened.push(id);
                    Ok(())
                }
            };
        }
        if !matches!(known.task.status, Status::Queued { .. } | Status::Waiting { on: On::Start }) {
            return Ok(());
        }
        let mut draft = self.draft.clone();
        if self.owner()?.is_some_and(|other| other != id) {
            draft.subject.clone_from(&known.draft.subject);
        }
        let fields = difference(&known.draft, &draft);
        if fields.is_empty() {
            // Asked for anew: no news of the work, but of who answers for it.
            let asked = |it: &Draft| (it.requested_by.clone(), it.requested_at);
            return if asked(&draft) == asked(&known.draft) { Ok(()) } else { self.write_content(id, &draft) };
        }
        self.update(id, &draft)?;
        taken.changed.push(id);
        self.tell(id, "task.changed", format!("{id} was changed at its source: {}", fields.join(", ")), &fields)
    }

    fn insert(&self) -> Result<TaskId, Error> {
        let (intake, draft) = (self.intake, self.draft);
        let id = self
            .conn
            .prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'task'")
            .and_then(|mut select| select.query_row([], |row| row.get(0).map(TaskId)))
            .map_err(store("numbering a task"))?;
        let status = Status::at_intake(intake.mode, self.now);
        let task = Task { id, run: 0, failures: 0, purpose: Purpose::Execute, status };
        let prefix = &intake.branch_prefix;
        let branch = match intake.shared.contains(&draft.repository) {
            true => format!("{prefix}{}-{id}", instance::id(self.conn)?),
            false => format!("{prefix}{id}"),
        };
        status::insert(self.conn, &task, &intake.source, draft, &branch, self.now).map_err(store("storing a task"))?;
        self.write_content(id, draft)?;
        let details = json!({ "source": intake.source, "key": draft.key, "mode": intake.mode });
        let with = With { details, severity: self.severity(), ..With::default() };
        apply::record(self.conn, None, &task, &with, &format!("it came from {}", intake.source), self.now)?;
        depend::set(self.conn, id, &intake.source, &draft.depends_on, self.now)?;
        depend::arrived(self.conn, id, &intake.source, &draft.key, self.now)?;
        Ok(id)
    }

    /// A proposal calls nobody.
    fn severity(&self) -> Option<Severity> {
        (self.intake.mode == Mode::Propose).then_some(Severity::Info)
    }

    /// Takes over what the source says now; the score has to be made anew.
    fn update(&self, id: TaskId, draft: &Draft) -> Result<(), Error> {
        self.conn
            .prepare_cached(
                "UPDATE task SET subject = ?2, repository = ?3, changed_at = ?4, score_generation = -1 WHERE id = ?1",
            )
            .and_then(|mut update| update.execute((id.0, &draft.subject, &draft.repository, self.now)))
            .map_err(store("storing a task"))?;
        self.write_content(id, draft)?;
        depend::set(self.conn, id, &self.intake.source, &draft.depends_on, self.now)
    }

    fn write_content(&self, id: TaskId, draft: &Draft) -> Result<(), Error> {
        let list = |items: &[String]| serde_json::Value::from(items).to_string();
        self.conn
            .prepare_cached(
                "INSERT INTO content (task, title, body, url, base, labels, priority, depends_on, instructions,
                     requested_by, requested_at, agent, thread)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
                 ON CONFLICT (task) DO UPDATE SET title = ?2, body = ?3, url = ?4, base = ?5, labels = ?6,
                     priority = ?7, depends_on = ?8, instructions = ?9, requested_by = ?10, requested_at = ?11,
                     agent = ?12, thread = ?13",
            )
            .and_then(|mut write| {
                write.execute(rusqlite::params![
                    id.0,
                    draft.title,
                    draft.body,
                    draft.url,
                    draft.base,
                    list(&draft.labels),
                    draft.priority,
                    list(&draft.depends_on),
                    draft.instructions,
                    draft.requested_by,
                    draft.requested_at,
                    draft.agent,
                    draft.thread.as_ref().map(ToString::to_string),
                ])
            })
            .map(drop)
            .map_err(store("storing a task's text"))
    }

    /// The open task about the draft's subject.
    fn owner(&self) -> Result<Option<TaskId>, Error> {
        let Some(subject) = &self.draft.subject else { return Ok(None) };
        self.conn
            .prepare_cached(
                "SELECT id FROM task WHERE subject = ?1
                     AND state IN ('queued', 'running', 'publishing', 'in-review', 'waiting')",
            )
            .and_then(|mut select| select.query_row([subject], |row| row.get(0).map(TaskId)).optional())
            .map_err(store("looking for a task of the same subject"))
    }

    /// Whether this very draft was a message to another task already.
    fn is_told(&self) -> Result<bool, Error> {
        self.conn
            .prepare_cached("SELECT 1 FROM joined WHERE source = ?1 AND key = ?2 AND draft = ?3")
            .and_then(|mut select| {
                select.query_row((&self.intake.source, &self.draft.key, self.text()), |_| Ok(())).optional()
            })
            .map(|found| found.is_some())
            .map_err(store("looking for an earlier message"))
    }

    fn join(&self, other: TaskId, taken: &mut Taken) -> Result<(), Error> {
        let draft = self.draft;
        self.conn
            .prepare_cached(
                "INSERT INTO joined (source, key, task, draft) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (source, key) DO UPDATE SET task = ?3, draft = ?4",
            )
            .and_then(|mut write| write.execute((&self.intake.source, &draft.key, other.0, self.text())))
            .map_err(store("joining a draft to a task"))?;
        let parts = [Some(draft.title.as_str()), Some(&draft.body), draft.instructions.as_deref()];
        let body: Vec<&str> = parts.into_iter().flatten().filter(|it| !it.is_empty()).collect();
        let remark = Remark {
            author: draft.requested_by.clone().unwrap_or_else(|| self.intake.source.clone()),
            body: body.join("\n\n"),
            at: draft.requested_at.unwrap_or(self.now),
        };
        change::remark(self.conn, other, &remark)?;
        taken.joined.push(other);
        self.tell(other, "task.remarked", format!("{} said something about {other}", remark.author), &[])
    }

    fn tell(&self, task: TaskId, kind: &str, text: String, fields: &[&str]) -> Result<(), Error> {
        let details = json!({ "source": self.intake.source, "key": self.draft.key, "fields": fields });
        let event =
            NewEvent { task: Some(task), run: None, kind: kind.into(), severity: Severity::Info, text, details };
        event::insert(self.conn, &event, self.now, None).map(drop)
    }

    fn text(&self) -> String {
        json!(self.draft).to_string()
    }
}

/// Which fields of the work differ; who asked and when is no news of the work.
fn difference(old: &Draft, new: &Draft) -> Vec<&'static str> {
    let fields = [
        ("title", old.title == new.title),
        ("body", old.body == new.body),
        ("url", old.url == new.url),
        ("subject", old.subject == new.subject),
        ("repository", old.repository == new.repository),
        ("thread", old.thread == new.thread),
        ("base", old.base == new.base),
        ("labels", old.labels == new.labels),
        ("priority", old.priority == new.priority),
        ("depends_on", old.depends_on == new.depends_on),
        ("instructions", old.instructions == new.instructions),
        ("agent", old.agent == new.agent),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

/// A task of that key, and what its source said of it last.
struct Known {
    task: Task,
    ended_at: Option<Millis>,
    draft: Draft,
}

impl Known {
    fn find(conn: &Connection, source: &str, key: &str) -> Result<Option<Known>, Error> {
        conn.prepare_cached("SELECT * FROM task JOIN content ON content.task = task.id WHERE source = ?1 AND key = ?2")
            .and_then(|mut select| select.query_row((source, key), Known::from_row).optional())
            .map_err(store("looking for a known task"))
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Known> {
        let list = |column| status::word(row, column, |it| serde_json::from_str(it).ok());
        Ok(Known {
            task: status::from_row(row)?,
            ended_at: row.get("ended_at")?,
            draft: Draft {
                key: row.get("key")?,
                title: row.get("title")?,
                body: row.get("body")?,
                url: row.get("url")?,
                subject: row.get("subject")?,
                repository: row.get("repository")?,
                thread: status::thread(row)?,
                base: row.get("base")?,
                labels: list("labels")?,
                priority: row.get("priority")?,
                depends_on: list("depends_on")?,
                instructions: row.get("instructions")?,
                requested_by: row.get("requested_by")?,
                requested_at: row.get("requested_at")?,
                agent: row.get("agent")?,
            },
        })
    }
}

/// Ends a task whose work is none any more; one whose change is under way stays.
fn withdraw(
    conn: &Connection,
    source: &str,
    key: &str,
    reason: &str,
    now: Millis,
    taken: &mut Taken,
) -> Result<(), Error> {
    let found = conn
        .prepare_cached("SELECT * FROM task WHERE source = ?1 AND key = ?2")
        .and_then(|mut select| select.query_row((source, key), status::from_row).optional())
        .map_err(store("looking for a withdrawn task"))?;
    let Some(task) = found else { return Ok(()) };
    // One whose change is open stays, whatever it does just now: people see it, and it has to be followed.
    if change::is_open(conn, task.id)? {
        return Ok(());
    }
    let (Status::Queued { .. } | Status::Running { cancel: false, .. } | Status::Waiting { .. }) = task.status else {
        return Ok(());
    };
    let with = With { text: format!("{} was withdrawn: {reason}", task.id), ..With::default() };
    apply::apply(conn, task.id, &Event::Cancelled, &with, now)?;
    taken.withdrawn.push(task.id);
    Ok(())
}

fn withdraw_others(
    conn: &Connection,
    intake: &Intake,
    keys: &[String],
    now: Millis,
    taken: &mut Taken,
) -> Result<(), Error> {
    let missing: Vec<String> = conn
        .prepare_cached(
            "SELECT key FROM task INDEXED BY task_withdrawable WHERE source = ?1 AND state IN ('queued', 'waiting')
                 AND key NOT IN (SELECT value FROM json_each(?2)) ORDER BY id",
        )
        .and_then(|mut select| {
            let keys = serde_json::Value::from(keys).to_string();
            select.query_map((&intake.source, keys), |row| row.get(0))?.collect()
        })
        .map_err(store("looking for missing tasks"))?;
    for key in missing.iter().filter(|key| intake.drafts.iter().all(|draft| draft.key != **key)) {
        withdraw(conn, &intake.source, key, "its source has it no longer", now, taken)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
