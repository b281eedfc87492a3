//! What becomes of the task when its run does not go on: the outcome is stored, then the sandboxes go.
//!
//! Storing is tried until it works or the daemon stops, for a full disk must not lose an outcome.

use super::{Ended, Run, Stop, publish};
use crate::{
    maintenance,
    service::{Runtime, StopMode},
};
use agentd_store::{Error as StoreError, RunKey, With};
use agentd_task::{Event, Failure, Reason};
use serde_json::json;
use std::time::Duration;

const PAUSE: Duration = Duration::from_secs(5);

pub(super) async fn settle(run: &Run, ended: Result<Ended, Stop>) {
    let number = run.key.run;
    let now = run.rt.clock.now();
    let stored = match ended {
        Ok(Ended::Changed { publication, ask, session }) => {
            let effects = if ask.is_none() { publish::effects(&publication) } else { vec![] };
            let text = ask.clone().unwrap_or_else(|| "All checks passed".into());
            let details = json!({ "commit": publication.commit, "ask": ask });
            let with = With { text, details, effects, session, answer: Some(publication.answer), ..With::default() };
            store(&run.rt, run.key, Event::Verified { run: number, ask: ask.is_some() }, with).await
        }
        Ok(Ended::Answered { answer, session }) => {
            let with = With { text: "The agent answered".into(), answer: Some(answer), session, ..With::default() };
            let in_review = has_open_change(run).await;
            store(&run.rt, run.key, Event::Answered { run: number, in_review }, with).await
        }
        Err(Stop::Failed(failure)) => {
            if failure.reason == Reason::DiskFull {
                // It is not gone on with, and what it wrote may be what fills the disk.
                maintenance::remove_sandboxes(&run.rt, run.key, &run.repository).await;
                maintenance::remove_work(&run.layout).await;
            }
            fail(&run.rt, run.key, failure).await
        }
        Err(Stop::Store(error)) => {
            if let StoreError::Refused(_) = error {
                tracing::info!(task.id = %run.key.task, %error, "A run was overtaken");
                return;
            }
            let failure = store_failure(&error);
            if failure.reason == Reason::DiskFull {
                maintenance::remove_sandboxes(&run.rt, run.key, &run.repository).await;
                maintenance::remove_work(&run.layout).await;
            }
            fail(&run.rt, run.key, failure).await
        }
        Err(Stop::Stuck(why)) => {
            let with = With { text: why, ..With::default() };
            store(&run.rt, run.key, Event::Stuck { run: number }, with).await
        }
        Err(Stop::Cancelled) => store(&run.rt, run.key, Event::Ended { run: number }, With::default()).await,
        Err(Stop::Halted(StopMode::Now)) => {
            let with = With { text: "Stopped with the daemon".into(), ..With::default() };
            store(&run.rt, run.key, Event::Interrupted { run: number, now }, with).await
        }
        Err(Stop::Halted(_)) => {
            maintenance::pause_sandboxes(&run.rt, run.key, &run.repository).await;
            return;
        }
    };
    if stored {
        maintenance::end_run(&run.rt, run.key, &run.repository).await;
    }
}

/// Whether an earlier run's change is in review.
async fn has_open_change(run: &Run) -> bool {
    match run.rt.store.reader().change(run.key.task).await {
        Ok(change) => change.is_some_and(|it| matches!(it.state.as_str(), "branch" | "draft" | "open")),
        Err(error) => {
            tracing::error!(task.id = %run.key.task, %error, "Whether it has a change cannot be read");
            false
        }
    }
}

/// A run that panicked: told as a failure, so that its task does not run for ever without anybody.
pub(crate) async fn after_a_fault(rt: &Runtime, key: RunKey) {
    fail(rt, key, Failure::new(Reason::Internal, "agentd itself failed: its log says where")).await;
}

pub(super) async fn without_repository(rt: &Runtime, key: RunKey, why: String) {
    store(rt, key, Event::Stuck { run: key.run }, With { text: why, ..With::default() }).await;
}

async fn fail(rt: &Runtime, key: RunKey, failure: Failure) -> bool {
    tracing::warn!(task.id = %key.task, run = key.run, reason = %failure.reason, failure.text, "A run failed");
    let with =
        With { text: failure.text.clone(), details: json!({ "reason": failure.reason.as_str() }), ..With::default() };
    store(rt, key, Event::Failed { run: key.run, failure, now: rt.clock.now() }, with).await
}

fn store_failure(error: &StoreError) -> Failure {
    let full = matches!(error, StoreError::Store { source, .. } if source.is_disk_full());
    let reason = if full { Reason::DiskFull } else { Reason::Internal };
    Failure::new(reason, error.to_string())
}

/// True once it is stored; false if the event no longer applies, or the daemon stops before the store works again.
async fn store(rt: &Runtime, key: RunKey, event: Event, with: With) -> bool {
    loop {
        match rt.store.apply(key.task, event.clone(), with.clone(), rt.clock.now()).await {
            Ok(_) => return true,
            Err(StoreError::Refused(refused)) => {
                tracing::info!(task.id = %key.task, %refused, "An outcome came too late");
                // Told to end in the last moment: nobody else is left who could say that it has.
                let ended = Event::Ended { run: key.run };
                return rt.store.apply(key.task, ended, With::default(), rt.clock.now()).await.is_ok();
            }
            Err(error) => tracing::error!(task.id = %key.task, %error, "An outcome cannot be stored, trying again"),
        }
        let mut stopping = rt.stopping.subscribe();
        tokio::select! {
            _ = stopping.wait_for(Option::is_some) => return false,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
