//! Carries out what was decided: pushes, changes, notifications, reports.
//!
//! A row was committed before anything is sent, and each sender looks before it acts, so a row that is tried again after
//! a crash has its effect once. Lanes keep order; different lanes go side by side.

use crate::{
    contract,
    layout::RunLayout,
    maintenance,
    notices::{self, Notice},
    service::{Runtime, StopMode},
    steps::Publication,
};
use agentd_forge::NewChange;
use agentd_plugin::CallError;
use agentd_store::{Change, Effect, EffectFilter, Error, With};
use agentd_task::{Event, Failure, Millis, Reason, TaskId};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// So many rows are sent at once.
const AT_ONCE: u32 = 8;
/// A row is tried for a day, with pauses that grow to an hour.
const FIRST_PAUSE_MS: Millis = 5_000;
const LONGEST_PAUSE_MS: Millis = 3_600_000;
const TRIES: u32 = 32;
const PAUSE: Duration = Duration::from_secs(5);

/// Why a row was not sent.
enum Unsent {
    /// The same may work later.
    Later(String),
    /// It will never work.
    Never(String),
    Store(Error),
}

impl From<Error> for Unsent {
    fn from(error: Error) -> Unsent {
        Unsent::Store(error)
    }
}

/// What goes into the store once a row is sent.
type Then = Option<(TaskId, Event, With)>;

/// Sends rows until `stop`.
pub(crate) async fn send_effects(rt: Arc<Runtime>, stop: CancellationToken) {
    let mut changes = rt.store.latest();
    let tracker = TaskTracker::new();
    let (ended, mut ends) = watch::channel(0u64);
    while !stop.is_cancelled() && *rt.stopping.borrow() != Some(StopMode::Now) {
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
    let sent = match effect.kind.as_str() {
        "push" => push(rt, &effect).await,
        "change" => open_change(rt, &effect).await,
        "notify" => notify(rt, &effect).await,
        "report" => report(rt, &effect).await,
        other => Err(Unsent::Never(format!("this version of agentd does not know effects of the kind `{other}`"))),
    };
    let now = rt.clock.now();
    let stored = match sent {
        Ok((result, then)) => match rt.store.effect_done(id, result.clone(), then, now).await {
            // The task is elsewhere by now; the effect is done all the same.
            Err(Error::Refused(_)) => rt.store.effect_done(id, result, None, now).await,
            stored => stored,
        },
        Err(Unsent::Later(error)) if attempts < TRIES => {
            tracing::warn!(effect.id = id, effect.kind, error, "An effect is tried again");
            let pause = (FIRST_PAUSE_MS << attempts.saturating_sub(1).min(20)).min(LONGEST_PAUSE_MS);
            rt.store.effect_again(id, now + pause, error).await
        }
        Err(Unsent::Later(error) | Unsent::Never(error)) => {
            tracing::warn!(effect.id = id, effect.kind, error, "An effect is given up");
            match rt.store.effect_failed(id, error.clone(), given_up(&effect, error.clone()), now).await {
                Err(Error::Refused(_)) => rt.store.effect_failed(id, error, None, now).await,
                stored => stored,
            }
        }
        Err(Unsent::Store(error)) => Err(error),
    };
    if effect.kind == "change"
        && let Ok(it) = publication(&effect)
        && let Ok(Some(problem)) = maintenance::tidy(rt, it.key()).await
    {
        tracing::warn!(task.id = %it.task, problem, "A run left something behind");
    }
    if let Err(error) = stored {
        tracing::error!(effect.id = id, %error, "What became of an effect cannot be stored yet");
        put_back(rt, id, error.to_string()).await;
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
fn given_up(effect: &Effect, error: String) -> Then {
    let task = effect.task.filter(|_| matches!(effect.kind.as_str(), "push" | "change"))?;
    let failure = Failure::new(Reason::Publish, error);
    Some((task, Event::PublishFailed { failure: failure.clone() }, With { text: failure.text, ..With::default() }))
}

fn publication(effect: &Effect) -> Result<Publication, Unsent> {
    serde_json::from_str(&effect.payload).map_err(|e| Unsent::Never(format!("its payload cannot be read: {e}")))
}

fn forge_error(error: &agentd_forge::Error) -> Unsent {
    match error.is_transient() {
        true => Unsent::Later(error.to_string()),
        false => Unsent::Never(error.to_string()),
    }
}

async fn push(rt: &Runtime, effect: &Effect) -> Result<(String, Then), Unsent> {
    let it = publication(effect)?;
    let forge = &configured(rt, &it.repository)?.forge;
    let layout: RunLayout = rt.layout.run(it.key());
    let from = layout.quarantine();
    let mut pushed = forge.push(&from, &it.commit, &it.branch, it.expected.as_deref()).await;
    // A branch that was left by an earlier run of this task is agentd's own to move.
    if let Err(agentd_forge::Error::Stale { found: Some(found), .. }) = &pushed
        && pushed_before(rt, it.task, found).await?
    {
        let found = found.clone();
        pushed = forge.push(&from, &it.commit, &it.branch, Some(&found)).await;
    }
    Ok((pushed.map_err(|e| forge_error(&e))?.commit, None))
}

/// Whether agentd itself put this commit on the task's branch.
async fn pushed_before(rt: &Runtime, task: TaskId, commit: &str) -> Result<bool, Unsent> {
    let rows = pushes(rt, task).await?;
    Ok(rows.iter().any(|it| it.state == "done" && it.result.as_deref() == Some(commit)))
}

async fn pushes(rt: &Runtime, task: TaskId) -> Result<Vec<Effect>, Unsent> {
    let rows = rt.store.reader().effects(EffectFilter { task: Some(task), open_only: false, limit: 10_000 }).await?;
    Ok(rows.into_iter().filter(|it| it.kind == "push").collect())
}

async fn open_change(rt: &Runtime, effect: &Effect) -> Result<(String, Then), Unsent> {
    let it = publication(effect)?;
    let pushed =
        pushes(rt, it.task).await?.into_iter().any(|row| row.state == "done" && row.key == it.effect_key("push"));
    if !pushed {
        return Err(Unsent::Never("its commit was not pushed".into()));
    }
    let forge = &configured(rt, &it.repository)?.forge;
    let new = NewChange {
        branch: it.branch.clone(),
        base: it.base.clone(),
        title: it.title.clone(),
        body: it.body.clone(),
        key: format!("{}/{}.{}", rt.store.instance(), it.task, it.run),
    };
    let opened = forge.open_change(new).await.map_err(|e| forge_error(&e))?;
    let change = Change { url: opened.url, ..change(&it, Some(opened.number), opened.state.as_str()) };
    let with = With { text: format!("Change {} is open", opened.number), change: Some(change), ..With::default() };
    Ok((opened.number.to_string(), Some((it.task, Event::Published, with))))
}

fn change(it: &Publication, number: Option<u32>, state: &str) -> Change {
    Change {
        repository: it.repository.clone(),
        branch: it.branch.clone(),
        base: it.base.clone(),
        commit: it.commit.clone(),
        number,
        url: None,
        state: state.into(),
    }
}

fn configured<'a>(rt: &'a Runtime, id: &str) -> Result<&'a crate::Repository, Unsent> {
    let missing = || Unsent::Later(format!("the repository `{id}` is not configured (any more)"));
    rt.repositories.get(id).ok_or_else(missing)
}

async fn notify(rt: &Runtime, effect: &Effect) -> Result<(String, Then), Unsent> {
    let notice = notice(effect)?;
    let gone = || Unsent::Never(format!("the notifier `{}` is not configured any more", notice.to));
    let notifier = rt.notifiers.iter().find(|it| it.name == notice.to).ok_or_else(gone)?;
    let task = task_of(rt, &notice).await?;
    let answer = notifier.entry.notify(notices::message(&notice, task)).await.map_err(|e| call_error(&e))?;
    note_edits(&notice.to, answer.value.len());
    rt.keep_kv(&notifier.entry, answer.kv).await?;
    Ok((String::new(), None))
}

/// The local forge has no threads to write to.
fn note_edits(entry: &str, edits: usize) {
    if edits > 0 {
        tracing::warn!(entry, edits, "A plugin wants something written on a forge, which this version does not do");
    }
}

async fn report(rt: &Runtime, effect: &Effect) -> Result<(String, Then), Unsent> {
    let notice = notice(effect)?;
    let gone = || Unsent::Never(format!("the source `{}` is not configured any more", notice.to));
    let entry = rt.reporters.get(&notice.to).ok_or_else(gone)?;
    let Some(task) = task_of(rt, &notice).await? else { return Err(Unsent::Never("its task is gone".into())) };
    match entry.report(notices::update(rt, &notice, task)).await {
        Ok(answer) => {
            note_edits(&notice.to, answer.value.len());
            rt.keep_kv(entry, answer.kv).await?;
        }
        Err(CallError::Plugin(agentd_plugin::wit::common::Error::Unsupported(_))) => {}
        Err(error) => return Err(call_error(&error)),
    }
    Ok((String::new(), None))
}

fn notice(effect: &Effect) -> Result<Notice, Unsent> {
    serde_json::from_str(&effect.payload).map_err(|e| Unsent::Never(format!("its payload cannot be read: {e}")))
}

async fn task_of(rt: &Runtime, notice: &Notice) -> Result<Option<agentd_plugin::wit::work::Task>, Unsent> {
    let Some(id) = notice.event.task else { return Ok(None) };
    let Some(row) = rt.store.reader().task(id).await? else { return Ok(None) };
    let mut task = contract::task_now(&rt.store, &row).await?;
    // As it was when the event happened, not as it is by now.
    let details: serde_json::Value = serde_json::from_str(&notice.event.details).unwrap_or_default();
    if let Some(state) = details["state"].as_str() {
        task.state = state.into();
    }
    Ok(Some(task))
}

fn call_error(error: &CallError) -> Unsent {
    match error.worth_repeating() {
        true => Unsent::Later(error.to_string()),
        false => Unsent::Never(error.to_string()),
    }
}
