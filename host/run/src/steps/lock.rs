//! Lock: before a run begins, its issue is asked about once more and taken, so that nobody else works on it too.
//!
//! The requester's right is asked again, the issue has to be open still, and the claim is made on the forge, where one
//! instance wins. Then the source is told that the run starts; what it wants written for that (a label, an assignee, a
//! comment) goes through the outbox like everything else, and the run begins when it is done.
//!
//! All of it may be done again after a crash.

use super::{Run, Stop};
use crate::{
    edits, notices,
    rights::{self, Denied},
};
use agentd_forge::{Error, Tracker};
use agentd_plugin::{CallError, wit::common};
use agentd_store::{Effect, EffectFilter};
use agentd_task::{Failure, Millis, Purpose, Reason, Thread};
use std::time::Duration;

/// What is not answered is often answered a little later.
const FIRST_PAUSE_MS: Millis = 5_000;
/// How often rows are looked at that nobody tells of.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a run waits for its rows: a few tries of the outbox.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn lock(run: &Run) -> Result<(), Stop> {
    // A run that takes up remarks was asked for by whoever made them, and its change is in review whatever the issue says.
    let asked = run.row.task.purpose == Purpose::Execute;
    if asked {
        rights::may_start(&run.rt, &run.row).await.map_err(|denied| match denied {
            Denied::Known(why) => Stop::Withdrawn(why),
            Denied::Unknown(error) => unavailable(run, &error),
        })?;
    }
    if let (Some(thread), Some(tracker)) = (&run.row.thread, run.repository.forge.tracker()) {
        if asked {
            is_open(run, thread, tracker).await?;
        }
        claim(run, thread, tracker).await?;
    }
    tell_source(run).await
}

/// Whether there is still something to do.
async fn is_open(run: &Run, thread: &Thread, tracker: &dyn Tracker) -> Result<(), Stop> {
    match tracker.issue(thread.number).await.map_err(|error| unavailable(run, &error))? {
        Some(issue) if issue.open => Ok(()),
        Some(_) => Err(Stop::Withdrawn(format!("{thread} is closed"))),
        None => Err(Stop::Withdrawn(format!("{thread} is gone"))),
    }
}

async fn claim(run: &Run, thread: &Thread, tracker: &dyn Tracker) -> Result<(), Stop> {
    // What an earlier end of this task gives back at this moment would be taken from this run.
    while releases(run, thread).await?.iter().any(|it| it.task == Some(run.key.task) && it.state == "sending") {
        tokio::time::sleep(PAUSE).await;
    }
    match tracker.claim(thread.number, &run.key.task.to_string()).await {
        Ok(()) => Ok(()),
        Err(error @ Error::Claimed { .. }) => match releases(run, thread).await?.is_empty() {
            true => Err(Stop::Withdrawn(error.to_string())),
            false => {
                let failure = Failure::new(Reason::Forge, format!("an earlier task is about to give it back: {error}"));
                Err(Stop::Limited(failure, Some(soon(run))))
            }
        },
        Err(error) => Err(unavailable(run, &error)),
    }
}

/// What is still to be given back of the thread, or is just now.
async fn releases(run: &Run, thread: &Thread) -> Result<Vec<Effect>, Stop> {
    let filter = EffectFilter { task: None, open_only: true, limit: 10_000 };
    let mut rows = run.rt.store.reader().effects(filter).await?;
    rows.retain(|it| it.kind == notices::RELEASE && it.lane == edits::lane(thread));
    Ok(rows)
}

/// Tells the source before the run begins: this is where it takes its own lock.
async fn tell_source(run: &Run) -> Result<(), Stop> {
    let Some(entry) = run.rt.reporters.get(&run.row.source) else { return Ok(()) };
    let update = notices::start_of(&run.rt, &run.row).await?;
    let id = update.id.clone();
    let answer = match entry.report(update).await {
        Ok(answer) => answer,
        Err(CallError::Plugin(common::Error::Unsupported(_))) => return Ok(()),
        Err(CallError::Plugin(error @ (common::Error::Conflict(_) | common::Error::NotFound(_)))) => {
            return Err(Stop::Withdrawn(CallError::Plugin(error).to_string()));
        }
        Err(error) if error.worth_repeating() => {
            let failure = Failure::new(Reason::Forge, format!("its source did not let it start: {error}"));
            return Err(Stop::Limited(failure, Some(soon(run))));
        }
        Err(error) => return Err(Stop::Stuck(format!("its source did not let it start: {error}"))),
    };
    run.rt.keep_kv(entry, answer.kv).await?;
    let rows = edits::rows(entry, answer.value, Some(run.key.task), &id);
    if rows.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = rows.iter().map(|it| it.key.clone()).collect();
    run.rt.store.enqueue(notices::consumer_of(&run.row.source), 0, rows, run.rt.clock.now()).await?;
    until_done(run, &keys).await
}

/// Waits for rows of the outbox, but not for as long as they are tried: others may want the run's place. What cannot be
/// written at all is for an operator to look at.
async fn until_done(run: &Run, keys: &[String]) -> Result<(), Stop> {
    let mut changes = run.rt.store.latest();
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let filter = EffectFilter { task: Some(run.key.task), open_only: false, limit: 10_000 };
        let rows: Vec<Effect> = run.rt.store.reader().effects(filter).await?;
        let mut mine = rows.iter().filter(|it| keys.contains(&it.key));
        if let Some(row) = mine.clone().find(|it| it.state == "failed") {
            let why = row.error.as_deref().unwrap_or("it is not known why");
            return Err(Stop::Stuck(format!("it could not be marked as being worked on: {why}")));
        }
        if mine.all(|it| matches!(it.state.as_str(), "done" | "dropped")) {
            return Ok(());
        }
        if tokio::time::Instant::now() >= patience {
            let why = rows.iter().rev().find_map(|it| it.error.as_deref().filter(|_| it.state == "pending"));
            let why = why.unwrap_or("something else is to be written first");
            let failure = Failure::new(Reason::Forge, format!("it is not marked as being worked on yet: {why}"));
            return Err(Stop::Limited(failure, Some(soon(run))));
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(PAUSE) => {} // the end of a row is no event
        }
    }
}

/// The next try, if nobody says when: each one in a row then waits longer than the one before.
fn soon(run: &Run) -> Millis {
    run.rt.clock.now() + FIRST_PAUSE_MS
}

/// The forge does not say: nothing is started, and nothing is charged.
fn unavailable(run: &Run, error: &Error) -> Stop {
    let failure = Failure::new(Reason::Forge, error.to_string());
    match error.is_transient() {
        true => Stop::Limited(failure, Some(error.retry_at().unwrap_or_else(|| soon(run)))),
        false => Stop::Stuck(error.to_string()),
    }
}
