//! Watches changes in review, until they are merged or closed.

use crate::{
    Repository,
    service::{Current, Runtime},
    steps,
};
use agentd_forge::State;
use agentd_store::{Change, Error, TaskRow, With};
use agentd_task::{Event, TaskId};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// Looks at all open changes from time to time, until `stop`.
pub(crate) async fn watch_changes(current: Current, stop: CancellationToken) {
    loop {
        let rt = current.get();
        if let Err(error) = look(&rt).await {
            tracing::error!(%error, "Changes in review cannot be read");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rt.review_interval) => {}
        }
    }
}

async fn look(rt: &Runtime) -> Result<(), Error> {
    let mut open: BTreeMap<String, Vec<(TaskId, u32, Change)>> = BTreeMap::new();
    for (task, change) in rt.store.reader().open_changes().await? {
        let Some(number) = change.number else { continue };
        open.entry(change.repository.clone()).or_default().push((task, number, change));
    }
    for (repository, changes) in open {
        let Some(repository) = rt.repositories.get(&repository) else { continue };
        let numbers: Vec<u32> = changes.iter().map(|(_, number, _)| *number).collect();
        let seen = match repository.forge.changes_of(&numbers).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(repository = repository.id, %error, "Changes in review cannot be read");
                continue;
            }
        };
        for (task, number, change) in changes {
            match seen.iter().find(|it| it.number == number) {
                Some(it) if it.state == State::Open => note_request(rt, task, &change, word(it, repository)).await?,
                Some(it) => follow(rt, task, &change, it.state, &it.commit).await?,
                None => follow(rt, task, &change, State::Closed, &change.commit).await?,
            }
        }
    }
    Ok(())
}

/// A change that was a draft, and that people are asked to look at now.
async fn note_request(rt: &Runtime, task: TaskId, change: &Change, word: &str) -> Result<(), Error> {
    if change.state != "draft" || word == "draft" {
        return Ok(());
    }
    let change = Change { state: "open".into(), ..change.clone() };
    let with = With { text: "A review of its change was asked for".into(), change: Some(change), ..With::default() };
    applied(rt.store.apply(task, Event::ReviewRequested, with, rt.clock.now()).await)
}

/// The state of a change, as the store has it. Where agentd itself asks for reviews, that they are asked for is no news.
pub(crate) fn word(seen: &agentd_forge::Change, repository: &Repository) -> &'static str {
    let asked = seen.review_requested && repository.reviewers.is_empty();
    match seen.state {
        State::Open if seen.draft && !asked => "draft",
        state => state.as_str(),
    }
}

/// Has the task follow its change, and the branch go if it is where it was then: at `tip` when it was merged, where
/// agentd left it when it was closed. A task that is elsewhere by now stays there.
pub(crate) async fn follow(rt: &Runtime, task: TaskId, change: &Change, state: State, tip: &str) -> Result<(), Error> {
    let (event, left_at) = match state {
        State::Open => return Ok(()),
        State::Merged => (Event::Merged, tip),
        State::Closed => (Event::Closed, change.commit.as_str()),
    };
    let effects = vec![steps::cleaning(task, change, left_at, rt.clock.now())];
    let change = Change { state: state.as_str().into(), ..change.clone() };
    let with = With { text: format!("Its change was {state}"), change: Some(change), effects, ..With::default() };
    applied(rt.store.apply(task, event, with, rt.clock.now()).await)
}

fn applied(stored: Result<TaskRow, Error>) -> Result<(), Error> {
    match stored {
        Ok(_) | Err(Error::Refused(_) | Error::EffectExists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
