//! Watches changes in review, until they are merged or closed.

use crate::service::Runtime;
use agentd_forge::State;
use agentd_store::{Change, Error, With};
use agentd_task::{Event, TaskId};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Looks at all open changes from time to time, until `stop`.
pub(crate) async fn watch_changes(rt: Arc<Runtime>, stop: CancellationToken) {
    loop {
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
    for (task, change) in rt.store.reader().open_changes().await? {
        let (Some(number), Some(repository)) = (change.number, rt.repositories.get(&change.repository)) else {
            continue;
        };
        match repository.forge.change(number).await {
            Ok(Some(seen)) => follow(rt, task, &change, seen.state).await?,
            Ok(None) => follow(rt, task, &change, State::Closed).await?,
            Err(error) => tracing::warn!(task.id = %task, %error, "A change in review cannot be read"),
        }
    }
    Ok(())
}

/// Has the task follow its change. A task that is elsewhere by now stays there.
pub(crate) async fn follow(rt: &Runtime, task: TaskId, change: &Change, state: State) -> Result<(), Error> {
    let event = match state {
        State::Open => return Ok(()),
        State::Merged => Event::Merged,
        State::Closed => Event::Closed,
    };
    let change = Change { state: state.as_str().into(), ..change.clone() };
    let with = With { text: format!("Its change was {state}"), change: Some(change), ..With::default() };
    match rt.store.apply(task, event, with, rt.clock.now()).await {
        Ok(_) => Ok(()),
        Err(Error::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
