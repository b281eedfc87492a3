//! Carries out what was decided: pushes, changes, edits of issues, notifications, reports.
//!
//! A row was committed before anything is sent, and each sender looks before it acts, so a row that is tried again after
//! a crash has its effect once. Lanes keep order; different lanes go side by side.

use crate::{
    maintenance,
    service::{Current, Runtime, StopMode},
};
use agentd_store::{Effect, EffectFilter, Error, Follow, NewEvent, With};
use agentd_task::{Event, Failure, Millis, Reason, Severity};
use send::{Unsent, published, send};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod send;

/// So many rows are sent at once.
const AT_ONCE: u32 = 8;
/// A row is tried for a day, with pauses that grow to an hour.
const FIRST_PAUSE_MS: Millis = 5_000;
const LONGEST_PAUSE_MS: Millis = 3_600_000;
const TRIES: u32 = 32;
/// After so many vain tries people are told.
const TOLD_AFTER: u32 = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// Sends rows until `stop`.
pub(crate) async fn send_effects(current: Current, stop: CancellationToken) {
    let (mut changes, mut rearranged) = (current.get().store.latest(), current.changes());
    let tracker = TaskTracker::new();
    let (ended, mut ends) = watch::channel(0u64);
    while !stop.is_cancelled() && *current.get().stopping.borrow() != Some(StopMode::Now) {
        let rt = current.get();
        let room = AT_ONCE.saturating_sub(u32::try_from(tracker.len()).unwrap_or(AT_ONCE));
        let effects = match rt.store.next_effects(rt.clock.now(), room).await {
            Ok(effects) => effects,
            Err(error) => {
                tracing::error!(%error, "The outbox cannot be read");
                vec![]
            }
        };
        for effect in effects {
            let (rt, ended) = (rt.clone(), ended.clone());
            tracker.spawn(async move {
                carry_out(&rt, effect).await;
                ended.send_modify(|it| *it += 1);
            });
        }
        tokio::select! {
            () = stop.cancelled() => {}
            _ = changes.changed() => {}
            _ = rearranged.changed() => {}
            _ = ends.changed() => {}
            () = tokio::time::sleep(PAUSE) => {} // a row that is tried again becomes due
        }
    }
    tracker.close();
    tracker.wait().await;
}

/// Waits until nothing is left to send, or somebody wants to stop at once.
pub(crate) async fn wait_until_empty(rt: &Runtime, stop: &mut watch::Receiver<Option<StopMode>>) {
    let mut changes = rt.store.latest();
    loop {
        let filter = EffectFilter { task: None, open_only: true, limit: 1_000 };
        match rt.store.reader().effects(filter).await {
            Ok(rows) if rows_to_wait_for(&rows) => {}
            Ok(_) => return,
            Err(error) => tracing::error!(%error, "The outbox cannot be read"),
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            _ = stop.wait_for(|mode| *mode != Some(StopMode::Drain)) => return,
        }
    }
}

/// Whether the first open row of any lane is being sent, or was never tried. What failed before is tried again for up to
/// a day, and what stands behind it waits as long: that is for the next daemon.
fn rows_to_wait_for(rows: &[Effect]) -> bool {
    let mut heads: BTreeMap<&str, &Effect> = BTreeMap::new();
    for row in rows.iter().filter(|it| it.state == "sending" || it.state == "pending") {
        let head = heads.entry(&row.lane).or_insert(row);
        if row.id < head.id {
            *head = row;
        }
    }
    heads.values().any(|it| it.state == "sending" || it.attempts == 0)
}

async fn carry_out(rt: &Runtime, effect: Effect) {
    let (id, attempts) = (effect.id, effect.attempts);
    let sent = send(rt, &effect).await;
    let now = rt.clock.now();
    let stored = match sent {
        Ok((result, then)) => match rt.store.effect_done(id, result.clone(), then, now).await {
            // The task is elsewhere by now; the effect is done all the same.
            Err(Error::Refused(_)) => rt.store.effect_done(id, result, Follow::default(), now).await,
            stored => stored,
        },
        Err(Unsent::Later(error, until)) if attempts < TRIES => {
            tracing::warn!(effect.id = id, effect.kind, error, "An effect is tried again");
            if attempts == TOLD_AFTER {
                tell_of_delay(rt, &effect, &error).await;
            }
            let pause = (FIRST_PAUSE_MS << attempts.saturating_sub(1).min(20)).min(LONGEST_PAUSE_MS);
            let due = (now + pause).max(until.unwrap_or(0).min(now + LONGEST_PAUSE_MS));
            rt.store.effect_again(id, due, error).await
        }
        Err(Unsent::Later(error, _) | Unsent::Never(error)) => {
            tracing::warn!(effect.id = id, effect.kind, error, "An effect is given up");
            match rt.store.effect_failed(id, error.clone(), given_up(&effect, error.clone()), now).await {
                Err(Error::Refused(_)) => rt.store.effect_failed(id, error, Follow::default(), now).await,
                stored => stored,
            }
        }
        Err(Unsent::Store(error)) => Err(error),
    };
    if let Some(key) = published(&effect)
        && let Ok(Some(problem)) = maintenance::tidy(rt, key).await
    {
        tracing::warn!(task.id = %key.task, problem, "A run left something behind");
    }
    if let Err(error) = stored {
        tracing::error!(effect.id = id, %error, "What became of an effect cannot be stored yet");
        put_back(rt, id, error.to_string()).await;
    }
}

/// Says that something that was decided is not done yet, so that people can see to it.
async fn tell_of_delay(rt: &Runtime, effect: &Effect, error: &str) {
    let event = NewEvent {
        task: effect.task,
        run: None,
        kind: "effect.delayed".into(),
        severity: Severity::Warning,
        text: format!("Effect {} ({}) could not be done {TOLD_AFTER} times: {error}", effect.id, effect.kind),
        details: json!({ "effect": effect.id, "kind": effect.kind, "key": effect.key, "error": error }),
    };
    if let Err(error) = rt.store.log(event, rt.clock.now()).await {
        tracing::error!(%error, "An event could not be stored");
    }
}

/// Has a row looked at again later, as soon as that can be stored; at the latest the next start does it.
async fn put_back(rt: &Runtime, id: i64, why: String) {
    let mut stopping = rt.stopping.subscribe();
    while let Err(error) = rt.store.effect_again(id, rt.clock.now() + FIRST_PAUSE_MS, why.clone()).await {
        tracing::error!(effect.id = id, %error, "An effect cannot be put back yet");
        tokio::select! {
            _ = stopping.wait_for(Option::is_some) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// A push or change that cannot be made fails its task; nothing else hangs on a notice.
fn given_up(effect: &Effect, error: String) -> Follow {
    let Some(task) = effect.task.filter(|_| matches!(effect.kind.as_str(), "push" | "change")) else {
        return Follow::default();
    };
    let failure = Failure::new(Reason::Publish, error);
    let details = json!({ "reason": failure.reason.as_str() });
    let with = With { text: failure.text.clone(), details, ..With::default() };
    Follow { event: Some((task, Event::PublishFailed { failure }, with)), effects: vec![] }
}
