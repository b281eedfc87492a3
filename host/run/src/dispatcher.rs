//! Claims due tasks and hands each to a run.
//!
//! The dispatcher decides which task and when; what a run does is `steps`' business. At the start it takes over every
//! task that the daemon before left running: its rows say how far it came, and its sandbox, if it has one, is found
//! again by name. A drain waits for the runs; other stops tell them.
//!
//! - Never starts containers or talks to a forge.
//! - Ranks before it claims, so that a task that has just come in stands where it belongs.

use crate::{
    disk::Room,
    ranking,
    service::{Current, Runtime, StopMode},
    steps,
};
use agentd_store::{RunKey, TaskRow};
use agentd_task::Millis;
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long to wait for room on the disk before looking again.
const DISK_PAUSE_MS: Millis = 5_000;
/// The pause after the store failed, and the longest sleep when nothing is known to come.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Runs until `stop`; then takes no new work and returns when all runs have ended, or were left as they are.
pub(crate) async fn dispatch(current: Current, stop: CancellationToken) {
    let runs = TaskTracker::new();
    let (mut changes, mut rearranged) = (current.get().store.latest(), current.changes());
    let mut adopted = false;
    while !stop.is_cancelled() {
        let rt = current.get();
        if !adopted {
            adopted = adopt(&rt, &runs).await;
        }
        let pause = match claim_due(&rt, &runs).await {
            Ok(next_due) => sleep_until(rt.clock.now(), next_due),
            Err(error) => {
                tracing::error!(%error, "Nothing can be claimed");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = changes.changed() => {}
            _ = rearranged.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    runs.close();
    runs.wait().await;
}

/// Goes on with the runs of the daemon before; false if the store failed.
async fn adopt(rt: &Arc<Runtime>, runs: &TaskTracker) -> bool {
    match rt.store.reader().running().await {
        Ok(rows) => {
            for row in rows {
                tracing::info!(task.id = %row.task.id, run = row.task.run, "Goes on with a run of the daemon before");
                begin(rt, runs, row);
            }
            true
        }
        Err(error) => {
            tracing::error!(%error, "The running tasks cannot be read");
            false
        }
    }
}

async fn claim_due(rt: &Arc<Runtime>, runs: &TaskTracker) -> Result<Option<Millis>, agentd_store::Error> {
    if let Ok(room) = Room::at(&rt.layout.runs())
        && room.is_low()
    {
        tracing::warn!(
            free = room.free,
            floor = room.floor,
            "The disk is nearly full: nothing is started until there is room"
        );
        return Ok(Some(rt.clock.now() + DISK_PAUSE_MS));
    }
    let generation = ranking::rank_waiting(rt).await?;
    let staged = rt.store.stage(rt.clock.now()).await?;
    // What comes in from here on is not ranked, so it is not claimed, and its event brings the dispatcher back.
    while let Some(row) = rt.store.claim(rt.limits.clone(), Some(generation), rt.clock.now()).await? {
        begin(rt, runs, row);
    }
    Ok(staged.next_due)
}

fn begin(rt: &Arc<Runtime>, runs: &TaskTracker, row: TaskRow) {
    let rt = rt.clone();
    let key = RunKey { task: row.task.id, run: row.task.run };
    let cancel = rt.runs.enter(key);
    runs.spawn(async move {
        let drive = steps::drive(rt.clone(), row, cancel);
        if AssertUnwindSafe(drive).catch_unwind().await.is_err() {
            tracing::error!(task.id = %key.task, run = key.run, "A run ended by a fault of agentd's own");
            steps::after_a_fault(&rt, key).await;
        }
        rt.runs.leave(key);
    });
}

fn sleep_until(now: Millis, due: Option<Millis>) -> Duration {
    let left = due.map_or(LONGEST_SLEEP, |due| Duration::from_millis(u64::try_from(due - now).unwrap_or(0)));
    left.clamp(Duration::from_millis(1), LONGEST_SLEEP)
}

/// Whether runs are to leave their sandboxes now, and how.
pub(crate) async fn halted(rt: &Runtime) -> StopMode {
    let mut stopping = rt.stopping.subscribe();
    let halting = |mode: &Option<StopMode>| matches!(mode, Some(StopMode::Pause | StopMode::Now));
    match stopping.wait_for(halting).await {
        Ok(mode) => mode.unwrap_or(StopMode::Pause),
        Err(_) => StopMode::Pause, // the service is gone
    }
}
