//! What becomes of the task when its run does not go on: the outcome is stored, then the sandboxes go.
//!
//! Storing is tried until it works or the daemon stops, for a full disk must not lose an outcome.

use super::{Ended, Run, Stop, publish};
use crate::{
    contract, maintenance,
    service::{Runtime, StopMode},
};
use agentd_store::{Error as StoreError, RunKey, RunRow, SessionNote, With};
use agentd_task::{Class, Event, Failure, Millis, Reason, Severity};
use serde_json::json;
use std::time::Duration;

/// How long a limit lasts whose end nobody knows, how long one is believed to last at most, and what is added.
const LIMIT_PAUSE_MS: Millis = 5 * 60_000;
const LIMIT_LONGEST_MS: Millis = 7 * 24 * 3_600_000;
const LIMIT_MARGIN_MS: Millis = 1_000;
/// A provider may say again and again that its limit is over and refuse what comes then: each time the task waits
/// longer, up to this.
const LIMIT_PATIENCE_MS: Millis = 3_600_000;
/// Of an answer, what its event holds.
const ANSWER_MAX: usize = 32 << 10;
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
            let event = |in_review| Event::Answered { run: number, in_review };
            told(run, "The agent answered", answer, session, event).await
        }
        Ok(Ended::NothingToDo { answer, session }) => {
            let event = |in_review| Event::NothingToDo { run: number, in_review };
            told(run, "The agent found nothing to do; a person says whether that is so", answer, session, event).await
        }
        Err(Stop::Failed(failure)) => give_up(run, failure).await,
        Err(Stop::Limited(failure, until)) => park(&run.rt, run.key, failure, until).await,
        Err(Stop::Store(error)) => {
            if let StoreError::Refused(_) = error {
                tracing::info!(task.id = %run.key.task, %error, "A run was overtaken");
                return;
            }
            give_up(run, store_failure(&error)).await
        }
        Err(Stop::Stuck(why)) => {
            let with = With { text: why, ..With::default() };
            store(&run.rt, run.key, Event::Stuck { run: number }, with).await
        }
        Err(Stop::Withdrawn(why)) => {
            let with = With { text: why, severity: Some(Severity::Warning), ..With::default() };
            store(&run.rt, run.key, Event::Withdrawn { run: number }, with).await
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

/// A run that ended with words and no change.
async fn told(run: &Run, text: &str, answer: String, session: SessionNote, event: impl FnOnce(bool) -> Event) -> bool {
    let Some(in_review) = has_open_change(run).await else { return false };
    let details = json!({ "answer": contract::cut(&answer, ANSWER_MAX) });
    let with = With { text: text.into(), details, answer: Some(answer), session, ..With::default() };
    store(&run.rt, run.key, event(in_review), with).await
}

async fn give_up(run: &Run, failure: Failure) -> bool {
    if failure.reason == Reason::DiskFull {
        // It is not gone on with, and what it wrote may be what fills the disk.
        maintenance::remove_sandboxes(&run.rt, run.key, &run.repository).await;
        maintenance::remove_work(&run.layout).await;
    }
    fail(&run.rt, run.key, failure).await
}

/// Whether an earlier run's change is in review: a task that had one must not be over without it. None: the daemon
/// stops before that can be read, and the next one asks again.
async fn has_open_change(run: &Run) -> Option<bool> {
    loop {
        match run.rt.store.reader().change(run.key.task).await {
            Ok(change) => {
                return Some(change.is_some_and(|it| matches!(it.state.as_str(), "branch" | "draft" | "open")));
            }
            Err(error) => {
                tracing::error!(task.id = %run.key.task, %error, "Whether it has a change cannot be read, trying again");
            }
        }
        if stops_within(&run.rt, PAUSE).await {
            return None;
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

/// What a failure costs and who is asked goes by its class.
async fn fail(rt: &Runtime, key: RunKey, failure: Failure) -> bool {
    tracing::warn!(task.id = %key.task, run = key.run, reason = %failure.reason, failure.text, "A run failed");
    let now = rt.clock.now();
    let mut with = with_reason(&failure);
    if matches!(failure.reason, Reason::SessionLost | Reason::SessionBroken) {
        with.session = SessionNote::Lost;
    }
    let event = match failure.reason.class() {
        Class::Transient | Class::Permanent => Event::Failed { run: key.run, failure, now },
        Class::Operator => Event::Stuck { run: key.run },
        Class::Limited => Event::Parked { run: key.run, until: now + LIMIT_PAUSE_MS },
        Class::Fresh => Event::Parked { run: key.run, until: now },
    };
    store(rt, key, event, with).await
}

/// The task goes on when the limit is over; nothing is charged.
async fn park(rt: &Runtime, key: RunKey, failure: Failure, until: Option<Millis>) -> bool {
    tracing::info!(task.id = %key.task, run = key.run, reason = %failure.reason, until, failure.text, "A run is parked");
    let until = limit_ends(rt.clock.now(), until, parked_before(rt, key).await);
    store(rt, key, Event::Parked { run: key.run, until }, with_reason(&failure)).await
}

/// When a task goes on that has been parked so many times in a row before.
fn limit_ends(now: Millis, said: Option<Millis>, before: u32) -> Millis {
    // A little later than was said, so that the first call after it is not the last one before.
    let said = said.map_or(now + LIMIT_PAUSE_MS, |it| it.clamp(now, now + LIMIT_LONGEST_MS) + LIMIT_MARGIN_MS);
    said.max(now + (LIMIT_MARGIN_MS << before.min(20)).min(LIMIT_PATIENCE_MS))
}

/// How many runs of the task, right before this one, ended at a limit.
async fn parked_before(rt: &Runtime, key: RunKey) -> u32 {
    let runs = rt.store.reader().runs(key.task).await.unwrap_or_default();
    let parked = |it: &&RunRow| it.outcome.as_ref().is_some_and(|it| it.starts_with("parked"));
    let count = runs.iter().rev().skip_while(|it| it.key.run >= key.run).take_while(parked).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn with_reason(failure: &Failure) -> With {
    With { text: failure.text.clone(), details: json!({ "reason": failure.reason.as_str() }), ..With::default() }
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
        if stops_within(rt, PAUSE).await {
            return false;
        }
    }
}

async fn stops_within(rt: &Runtime, pause: Duration) -> bool {
    let mut stopping = rt.stopping.subscribe();
    tokio::select! {
        _ = stopping.wait_for(Option::is_some) => true,
        () = tokio::time::sleep(pause) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000_000;

    #[track_caller]
    fn check(said: Option<Millis>, before: u32, expected: Millis) {
        assert_eq!(limit_ends(NOW, said.map(|it| NOW + it), before) - NOW, expected);
    }

    #[test]
    fn a_limit_lasts_as_long_as_was_said() {
        check(Some(60_000), 0, 61_000);
        check(Some(-60_000), 0, 1_000);
        check(Some(400 * LIMIT_LONGEST_MS), 0, LIMIT_LONGEST_MS + 1_000);
        check(None, 0, LIMIT_PAUSE_MS);
    }

    #[test]
    fn a_limit_that_is_never_over_is_asked_about_ever_seldomer() {
        check(Some(0), 1, 2_000);
        check(Some(0), 5, 32_000);
        check(Some(0), 1_000_000, LIMIT_PATIENCE_MS);
        check(None, 3, LIMIT_PAUSE_MS);
        check(None, 12, LIMIT_PATIENCE_MS);
        check(Some(60_000), 3, 61_000);
    }
}
