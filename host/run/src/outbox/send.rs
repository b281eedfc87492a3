//! Sends one row, by its kind. Each looks first whether it is done already, or tells somebody who can know repetitions.

use crate::{
    contract,
    edits::{self, ThreadEdit},
    layout::RunLayout,
    notices::{self, Notice},
    review,
    service::Runtime,
    steps::{self, Left, Publication},
};
use agentd_forge::{NewChange, Tracker};
use agentd_plugin::{
    CallError, Entry,
    wit::{common::Error as PluginError, work},
};
use agentd_store::{Change, Effect, EffectFilter, Error, Follow, NewEffect, RunKey, With};
use agentd_task::{Event, Millis, TaskId, Thread};
use serde::de::DeserializeOwned;

/// Why a row was not sent.
pub(super) enum Unsent {
    /// The same may work later; not before that time, if it is known.
    Later(String, Option<Millis>),
    /// It will never work.
    Never(String),
    Store(Error),
}

impl From<Error> for Unsent {
    fn from(error: Error) -> Unsent {
        Unsent::Store(error)
    }
}

/// The kind of a row that gives a change its labels and reviewers.
const DRESS: &str = "dress";

/// Sends a row; what it came to, and what follows from it.
pub(super) async fn send(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
    match effect.kind.as_str() {
        "push" => push(rt, effect).await,
        "change" => open_change(rt, effect).await,
        DRESS => dress(rt, effect).await,
        "clean" => clean(rt, effect).await,
        edits::KIND => edit(rt, effect).await,
        notices::RELEASE => release(rt, effect).await,
        "notify" => notify(rt, effect).await,
        "report" => report(rt, effect).await,
        other => Err(Unsent::Never(format!("this version of agentd does not know effects of the kind `{other}`"))),
    }
}

/// The run whose folder is not needed any more once this row is over.
pub(super) fn published(effect: &Effect) -> Option<RunKey> {
    publication(effect).ok().filter(|_| effect.kind == "change").map(|it| it.key())
}

fn publication(effect: &Effect) -> Result<Publication, Unsent> {
    payload(effect)
}

fn payload<T: DeserializeOwned>(effect: &Effect) -> Result<T, Unsent> {
    serde_json::from_str(&effect.payload).map_err(|e| Unsent::Never(format!("its payload cannot be read: {e}")))
}

/// What access is missing for may be given any moment: until then nothing that was decided is lost.
fn forge_error(error: &agentd_forge::Error) -> Unsent {
    match error.is_transient() || error.is_access() {
        true => Unsent::Later(error.to_string(), error.retry_at()),
        false => Unsent::Never(error.to_string()),
    }
}

async fn push(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
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
    Ok((pushed.map_err(|e| forge_error(&e))?.commit, Follow::default()))
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

async fn open_change(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
    let it = publication(effect)?;
    let pushed =
        pushes(rt, it.task).await?.into_iter().any(|row| row.state == "done" && row.key == it.effect_key("push"));
    if !pushed {
        return Err(Unsent::Never("its commit was not pushed".into()));
    }
    let repository = configured(rt, &it.repository)?;
    refuse_secrets(rt, &it.title)?;
    refuse_secrets(rt, &it.body)?;
    let new = NewChange {
        branch: it.branch.clone(),
        base: it.base.clone(),
        title: it.title.clone(),
        body: it.body.clone(),
        key: format!("{}/{}.{}", rt.store.instance(), it.task, it.run),
        draft: repository.draft,
    };
    let opened = repository.forge.open_change(new).await.map_err(|e| forge_error(&e))?;
    let change =
        Change { url: opened.url.clone(), ..change(&it, Some(opened.number), review::word(&opened, repository)) };
    let with = With { text: format!("Change {} is open", opened.number), change: Some(change), ..With::default() };
    let dressed = !repository.labels.is_empty() || !repository.reviewers.is_empty();
    let effects = dressed.then(|| NewEffect {
        task: Some(it.task),
        lane: steps::lane(it.task),
        key: it.effect_key(DRESS),
        kind: DRESS.into(),
        payload: effect.payload.clone(),
    });
    let event = Some((it.task, Event::Published, with));
    Ok((opened.number.to_string(), Follow { event, effects: effects.into_iter().collect() }))
}

/// Gives the change its labels and reviewers.
async fn dress(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
    let it = publication(effect)?;
    let repository = configured(rt, &it.repository)?;
    let change = rt.store.reader().change(it.task).await?;
    let Some(number) = change.and_then(|it| it.number) else { return Err(Unsent::Never("there is no change".into())) };
    let dressed = repository.forge.dress_change(number, &repository.labels, &repository.reviewers).await;
    dressed.map_err(|e| forge_error(&e))?;
    Ok((String::new(), Follow::default()))
}

/// Takes away what a change left.
async fn clean(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
    let left: Left = payload(effect)?;
    let forge = &configured(rt, &left.repository)?.forge;
    let gone = forge.delete_branch(&left.branch, &left.commit).await.map_err(|e| forge_error(&e))?;
    let word = if gone { "deleted" } else { "left: somebody else pushed to it, or it was gone" };
    Ok((word.into(), Follow::default()))
}

/// Writes on an issue or pull request what a plugin wanted there.
async fn edit(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
    let ThreadEdit { repository, mut edit } = payload(effect)?;
    // That it may not be said keeps nothing else from being done: a lock has to come off.
    let mut said_all = Ok(());
    if let Some(said) = &edit.comment {
        said_all = refuse_secrets(rt, &said.body);
        if said_all.is_err() || edits::is_superseded(rt, effect, said).await? {
            edit.comment = None;
        }
    }
    tracker(rt, &repository)?.edit(&edit).await.map_err(|e| forge_error(&e))?;
    said_all?;
    Ok((String::new(), Follow::default()))
}

/// Gives back what was taken for a task that is over, unless it is at work again.
async fn release(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
    let thread: Thread = payload(effect)?;
    let task = effect.task.ok_or_else(|| Unsent::Never("it names no task".into()))?;
    let again = rt.store.reader().task(task).await?.is_some_and(|it| !it.task.status.is_over());
    if !again {
        let released = tracker(rt, &thread.repository)?.release(thread.number, &task.to_string()).await;
        released.map_err(|e| forge_error(&e))?;
    }
    Ok((String::new(), Follow::default()))
}

fn tracker<'a>(rt: &'a Runtime, repository: &str) -> Result<&'a dyn Tracker, Unsent> {
    let without = || Unsent::Never(format!("the repository `{repository}` is on no forge that has issues"));
    configured(rt, repository)?.forge.tracker().ok_or_else(without)
}

/// The last look at what other people will read.
fn refuse_secrets(rt: &Runtime, text: &str) -> Result<(), Unsent> {
    match rt.secrets.find(text.as_bytes()) {
        Some(_) => Err(Unsent::Never("it would show a secret of this configuration".into())),
        None => Ok(()),
    }
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
    let missing = || Unsent::Later(format!("the repository `{id}` is not configured (any more)"), None);
    rt.repositories.get(id).ok_or_else(missing)
}

async fn notify(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
    let notice = notice(effect)?;
    let gone = || Unsent::Never(format!("the notifier `{}` is not configured any more", notice.to));
    let notifier = rt.notifiers.iter().find(|it| it.name == notice.to).ok_or_else(gone)?;
    let task = task_of(rt, &notice).await?;
    let answer = notifier.entry.notify(notices::message(&notice, task)).await.map_err(|e| call_error(&e))?;
    rt.keep_kv(&notifier.entry, answer.kv).await?;
    Ok((String::new(), written(&notifier.entry, answer.value, &notice)))
}

/// What a plugin wants written becomes rows of its own.
fn written(entry: &Entry, edits: Vec<work::Edit>, notice: &Notice) -> Follow {
    Follow { event: None, effects: edits::rows(entry, edits, notice.event.task, &notice.id) }
}

async fn report(rt: &Runtime, effect: &Effect) -> Result<(String, Follow), Unsent> {
    let notice = notice(effect)?;
    let gone = || Unsent::Never(format!("the source `{}` is not configured any more", notice.to));
    let entry = rt.reporters.get(&notice.to).ok_or_else(gone)?;
    let Some(task) = task_of(rt, &notice).await? else { return Err(Unsent::Never("its task is gone".into())) };
    match entry.report(notices::update(rt, &notice, task)).await {
        Ok(answer) => {
            rt.keep_kv(entry, answer.kv).await?;
            Ok((String::new(), written(entry, answer.value, &notice)))
        }
        Err(CallError::Plugin(PluginError::Unsupported(_))) => Ok((String::new(), Follow::default())),
        Err(error) => Err(call_error(&error)),
    }
}

fn notice(effect: &Effect) -> Result<Notice, Unsent> {
    payload(effect)
}

async fn task_of(rt: &Runtime, notice: &Notice) -> Result<Option<agentd_plugin::wit::work::Task>, Unsent> {
    let Some(id) = notice.event.task else { return Ok(None) };
    let Some(row) = rt.store.reader().task(id).await? else { return Ok(None) };
    let mut task = contract::task_now(&rt.store, &row).await?;
    // As it was when the event happened, not as it is by now.
    let details: serde_json::Value = serde_json::from_str(&notice.event.details).unwrap_or_default();
    if let Some(state) = details["state"].as_str() {
        task.state = state.into();
        task.run = notice.event.run.unwrap_or(0);
    }
    Ok(Some(task))
}

fn call_error(error: &CallError) -> Unsent {
    // What a plugin says of its time is believed, within the longest pause there is.
    let until = match error {
        CallError::Plugin(PluginError::RateLimited(limit)) => limit.retry_at.and_then(|it| Millis::try_from(it).ok()),
        _ => None,
    };
    match error.worth_repeating() {
        true => Unsent::Later(error.to_string(), until),
        false => Unsent::Never(error.to_string()),
    }
}
