//! The outbox: what was decided and has to be done outside.
//!
//! An effect is stored together with the decision, then sent. Effects of one lane go one after the other, in the order
//! in which they were decided; lanes do not wait for each other. After a crash what was being sent is pending again:
//! the sender looks first whether it has been done.

use crate::{Error, Reader, Store, With, apply, error::store, event, status, task::LIST_MAX};
use agentd_task::{Event, Millis, Severity, TaskId};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use serde::Serialize;
use serde_json::json;

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewEffect {
    /// None: where it is stored with a task's status, it is that task's.
    pub task: Option<TaskId>,
    /// What it must not overtake: effects of one lane are done in order.
    pub lane: String,
    /// Unique for ever: what has been decided once is not decided again.
    pub key: String,
    /// `push`, `change`, `notify`, …
    pub kind: String,
    /// All that is needed to do it: JSON. Never a secret.
    pub payload: String,
}

/// An effect as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    pub id: i64,
    pub task: Option<TaskId>,
    pub lane: String,
    pub key: String,
    pub kind: String,
    pub payload: String,
    /// `pending`, `sending`, `held`, `done`, `failed` or `dropped`.
    pub state: String,
    /// How often it was taken to be sent.
    pub attempts: u32,
    /// Not sent before.
    pub due: Millis,
    /// Why the last attempt failed.
    pub error: Option<String>,
    pub result: Option<String>,
    pub created_at: Millis,
}

/// What follows from an effect that was done, or could not be.
#[derive(Clone, Debug, Default)]
pub struct Follow {
    /// What it means for its task.
    pub event: Option<(TaskId, Event, With)>,
    /// What has to be done outside next; those whose key is known are left out.
    pub effects: Vec<NewEffect>,
}

/// Which effects to list.
#[derive(Clone, Debug)]
pub struct EffectFilter {
    pub task: Option<TaskId>,
    /// Only those that are not over: pending, being sent, or held.
    pub open_only: bool,
    /// The newest so many; at most 10,000.
    pub limit: u32,
}

impl Default for EffectFilter {
    fn default() -> EffectFilter {
        EffectFilter { task: None, open_only: false, limit: 100 }
    }
}

impl Store {
    /// Takes effects to be sent: of each lane the oldest that is not over, if it is pending and due. One that is held
    /// or being sent blocks its lane.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Gone`].
    pub async fn next_effects(&self, now: Millis, max: u32) -> Result<Vec<Effect>, Error> {
        self.writer
            .call(move |conn| {
                let ids: Vec<i64> = conn
                    .prepare_cached(NEXT)
                    .and_then(|mut select| select.query_map((now, max), |row| row.get(0))?.collect())
                    .map_err(store("looking for effects"))?;
                let mut taken = Vec::with_capacity(ids.len());
                for id in ids {
                    update(conn, "state = 'sending', attempts = attempts + 1", id, &[])?;
                    taken.push(expect(conn, id)?);
                }
                Ok(taken)
            })
            .await
    }

    /// The effect was done, and `then` follows. Both are stored, or neither.
    ///
    /// # Errors
    /// [`Error::NoEffect`]; [`Error::Effect`] if it is not being sent; those of [`Store::apply`] for `then`: the effect
    /// stays `sending` then, and may be ended by a call without `then`.
    pub async fn effect_done(&self, id: i64, result: String, then: Follow, now: Millis) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                expect_in(conn, id, &["sending"], "only what is being sent can be done")?;
                update(conn, "state = 'done', result = ?2, error = NULL, ended_at = ?3", id, &[&result, &now])?;
                follow(conn, then, now)
            })
            .await
    }

    /// The effect could not be done this time: it is pending again, from `due` on.
    ///
    /// # Errors
    /// [`Error::NoEffect`]; [`Error::Effect`] if it is not being sent; [`Error::Store`], [`Error::Gone`].
    pub async fn effect_again(&self, id: i64, due: Millis, error: String) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                expect_in(conn, id, &["sending"], "only what is being sent can be sent again")?;
                update(conn, "state = 'pending', due = ?2, error = ?3", id, &[&due, &error])
            })
            .await
    }

    /// The effect cannot be done; its lane goes on. `then` as in [`Store::effect_done`].
    ///
    /// # Errors
    /// As [`Store::effect_done`].
    pub async fn effect_failed(&self, id: i64, error: String, then: Follow, now: Millis) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                expect_in(conn, id, &["sending"], "only what is being sent can fail")?;
                update(conn, "state = 'failed', error = ?2, ended_at = ?3", id, &[&error, &now])?;
                follow(conn, then, now)
            })
            .await
    }

    /// At start: what was being sent when the daemon ended is pending again. Returns how many those are.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Gone`].
    pub async fn recover_effects(&self) -> Result<u64, Error> {
        self.writer
            .call(|conn| {
                conn.prepare_cached("UPDATE effect SET state = 'pending' WHERE state = 'sending'")
                    .and_then(|mut update| update.execute([]))
                    .map(|changed| changed as u64)
                    .map_err(store("recovering effects"))
            })
            .await
    }

    /// Keeps a pending effect, and with it its lane, from being sent.
    ///
    /// # Errors
    /// [`Error::NoEffect`]; [`Error::Effect`] if it is not pending; [`Error::Store`], [`Error::Gone`].
    pub async fn hold_effect(&self, id: i64) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                expect_in(conn, id, &["pending"], "only what is pending can be held")?;
                update(conn, "state = 'held'", id, &[])
            })
            .await
    }

    /// Lets a held effect go, and gives one that failed all its tries again. What publishes a change is not tried again:
    /// its task failed with it, and may be retried.
    ///
    /// # Errors
    /// [`Error::NoEffect`]; [`Error::Effect`] if it is neither; [`Error::Store`], [`Error::Gone`].
    pub async fn release_effect(&self, id: i64) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                let what = "only what is held or failed can be released";
                let effect = expect_in(conn, id, &["held", "failed"], what)?;
                if effect.state == "held" {
                    return update(conn, "state = 'pending'", id, &[]);
                }
                if matches!(effect.kind.as_str(), "push" | "change") {
                    let what = "its task failed with it: `agentd task retry` gives that another try";
                    return Err(Error::Effect { id, state: effect.state, what });
                }
                update(conn, "state = 'pending', attempts = 0, due = 0, ended_at = NULL", id, &[])
            })
            .await
    }

    /// Gives an effect up: it is never sent, and its lane goes on. Tells of it (`effect.dropped`).
    ///
    /// # Errors
    /// [`Error::NoEffect`]; [`Error::Effect`] if it is being sent, done or dropped; [`Error::Store`], [`Error::Gone`].
    pub async fn drop_effect(&self, id: i64, now: Millis) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                let what = "only what is pending, held or failed can be dropped";
                let effect = expect_in(conn, id, &["pending", "held", "failed"], what)?;
                update(conn, "state = 'dropped', ended_at = ?2", id, &[&now])?;
                let event = crate::NewEvent {
                    task: effect.task,
                    run: None,
                    kind: "effect.dropped".into(),
                    severity: Severity::Info,
                    text: format!("Effect {id} ({}) was dropped: it is not done any more", effect.kind),
                    details: json!({ "effect": id, "kind": effect.kind, "key": effect.key }),
                };
                event::insert(conn, &event, now, None).map(drop)
            })
            .await
    }

    /// A reader of the log has come to event `upto`, and decided `effects` on the way; those whose key is known are
    /// left out. A reader never goes back.
    ///
    /// # Errors
    /// [`Error::NoTask`] if an effect names a task that is not there; [`Error::Store`], [`Error::Gone`].
    pub async fn enqueue(
        &self,
        consumer: String,
        upto: i64,
        effects: Vec<NewEffect>,
        now: Millis,
    ) -> Result<(), Error> {
        self.writer
            .call(move |conn| {
                for effect in &effects {
                    insert(conn, effect.task, effect, now)?;
                }
                conn.prepare_cached(
                    "INSERT INTO consumer (name, event) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET event = max(event, ?2)",
                )
                .and_then(|mut write| write.execute((&consumer, upto)))
                .map(drop)
                .map_err(store("moving a consumer on"))
            })
            .await
    }
}

impl Reader {
    /// The newest effects that fit, oldest of them first.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn effects(&self, filter: EffectFilter) -> Result<Vec<Effect>, Error> {
        self.listed(filter, "'pending', 'sending', 'held'").await
    }

    /// What a person may still decide about: as [`Reader::effects`], but `open_only` leaves in what failed.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn effects_and_failed(&self, filter: EffectFilter) -> Result<Vec<Effect>, Error> {
        self.listed(filter, "'pending', 'sending', 'held', 'failed'").await
    }

    async fn listed(&self, filter: EffectFilter, open: &'static str) -> Result<Vec<Effect>, Error> {
        self.ask(move |conn| {
            let limit = filter.limit.min(LIST_MAX);
            let sql = match (filter.task, filter.open_only) {
                (Some(_), _) => format!("WHERE task = ?1 AND (NOT ?2 OR state IN ({open}))"),
                (None, true) => format!("WHERE ?1 IS NULL AND ?2 AND state IN ({open})"),
                (None, false) => "WHERE ?1 IS NULL AND NOT ?2".to_owned(),
            };
            conn.prepare_cached(&format!("SELECT * FROM effect {sql} ORDER BY id DESC LIMIT ?3"))
                .and_then(|mut select| {
                    let newest = select
                        .query_map((filter.task.map(|it| it.0), filter.open_only, limit), from_row)?
                        .collect::<Result<Vec<_>, _>>()?;
                    Ok(newest.into_iter().rev().collect())
                })
                .map_err(store("listing effects"))
        })
        .await
    }

    /// # Errors
    /// As [`Reader::task`].
    pub async fn effect(&self, id: i64) -> Result<Option<Effect>, Error> {
        self.ask(move |conn| one(conn, id)).await
    }
}

/// A loose scan over the lanes that have something to do, then the head of each.
const NEXT: &str = "
    WITH RECURSIVE head (id, lane) AS (
        SELECT * FROM (SELECT id, lane FROM effect WHERE state IN ('pending', 'sending', 'held')
            ORDER BY lane, id LIMIT 1)
        UNION ALL
        SELECT later.id, later.lane FROM head CROSS JOIN effect later ON later.id =
            (SELECT id FROM effect WHERE state IN ('pending', 'sending', 'held') AND lane > head.lane
             ORDER BY lane, id LIMIT 1))
    SELECT effect.id FROM head CROSS JOIN effect USING (id)
    WHERE effect.state = 'pending' AND effect.due <= ?1 ORDER BY effect.id LIMIT ?2";

/// A task is tried again: what could not be published of it before is not to be done any more.
pub(crate) fn drop_failed(conn: &Connection, task: TaskId, now: Millis) -> Result<(), Error> {
    conn.prepare_cached(
        "UPDATE effect SET state = 'dropped', ended_at = ?2
         WHERE task = ?1 AND state = 'failed' AND kind IN ('push', 'change')",
    )
    .and_then(|mut update| update.execute((task.0, now)))
    .map(drop)
    .map_err(store("dropping effects of an earlier try"))
}

/// Stores an effect that is decided now and was not decided before.
pub(crate) fn decide(conn: &Connection, task: Option<TaskId>, effect: &NewEffect, now: Millis) -> Result<(), Error> {
    match insert(conn, effect.task.or(task), effect, now)? {
        true => Ok(()),
        false => Err(Error::EffectExists(effect.key.clone())),
    }
}

/// False: there is one of that key already, and it stays as it is.
fn insert(conn: &Connection, task: Option<TaskId>, effect: &NewEffect, now: Millis) -> Result<bool, Error> {
    if let Some(task) = task {
        event::expect_task(conn, task)?;
    }
    conn.prepare_cached(
        "INSERT INTO effect (task, lane, key, kind, payload, state, due, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6, ?6) ON CONFLICT (key) DO NOTHING",
    )
    .and_then(|mut insert| {
        insert.execute((task.map(|it| it.0), &effect.lane, &effect.key, &effect.kind, &effect.payload, now))
    })
    .map(|inserted| inserted == 1)
    .map_err(store("storing an effect"))
}

fn follow(conn: &Connection, then: Follow, now: Millis) -> Result<(), Error> {
    for effect in &then.effects {
        insert(conn, effect.task, effect, now)?;
    }
    match then.event {
        Some((task, event, with)) => apply::apply(conn, task, &event, &with, now).map(drop),
        None => Ok(()),
    }
}

fn update(conn: &Connection, set: &str, id: i64, values: &[&dyn ToSql]) -> Result<(), Error> {
    let params: Vec<&dyn ToSql> = [&id as &dyn ToSql].into_iter().chain(values.iter().copied()).collect();
    conn.prepare_cached(&format!("UPDATE effect SET {set} WHERE id = ?1"))
        .and_then(|mut update| update.execute(params.as_slice()))
        .map(drop)
        .map_err(store("writing an effect"))
}

fn expect_in(conn: &Connection, id: i64, states: &[&str], what: &'static str) -> Result<Effect, Error> {
    let effect = expect(conn, id)?;
    match states.contains(&effect.state.as_str()) {
        true => Ok(effect),
        false => Err(Error::Effect { id, state: effect.state, what }),
    }
}

fn expect(conn: &Connection, id: i64) -> Result<Effect, Error> {
    one(conn, id)?.ok_or(Error::NoEffect(id))
}

fn one(conn: &Connection, id: i64) -> Result<Option<Effect>, Error> {
    conn.prepare_cached("SELECT * FROM effect WHERE id = ?1")
        .and_then(|mut select| select.query_row([id], from_row).optional())
        .map_err(store("reading an effect"))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Effect> {
    Ok(Effect {
        id: row.get("id")?,
        task: row.get::<_, Option<i64>>("task")?.map(TaskId),
        lane: row.get("lane")?,
        key: row.get("key")?,
        kind: row.get("kind")?,
        payload: row.get("payload")?,
        state: status::word(row, "state", |it| Some(it.to_owned()))?,
        attempts: row.get("attempts")?,
        due: row.get("due")?,
        error: row.get("error")?,
        result: row.get("result")?,
        created_at: row.get("created_at")?,
    })
}

#[cfg(test)]
mod tests;
