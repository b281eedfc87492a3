//! Asks task sources for work and stores what they say.
//!
//! Drafts, cursor and what the plugin wrote to its key-value store go into one transaction. A draft that cannot be
//! taken is skipped and told once; where that could not be found out just now, the source stays where it is and brings it
//! again. A source that fails is asked again after growing pauses, and tasks that are known go on meanwhile. Starts
//! nothing.

use crate::{
    contract,
    options::Source,
    rights::{self, NotTaken},
    service::{Current, Runtime},
};
use agentd_plugin::{Answer, wit::task_source as wit};
use agentd_store::{Intake, NewEvent, Taken};
use agentd_task::{Draft, Severity};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The first pauses after a failed poll; afterwards they double, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// So often a source may say in one go that there is more.
const MORE_MAX: usize = 100;

/// Polls one source until `stop`.
pub(crate) async fn poll_source(current: Current, source: Arc<Source>, stop: CancellationToken) {
    let mut told = HashSet::new();
    let mut failed = 0u32;
    while !stop.is_cancelled() {
        let rt = current.get();
        let pause = match poll(&rt, &source, &mut told).await {
            Ok(()) => {
                failed = 0;
                source.interval
            }
            Err(error) => {
                failed += 1;
                tell(&rt, &source.name, &error, &mut told).await;
                FIRST_PAUSE.saturating_mul(1 << (failed - 1).min(8)).min(LONGEST_PAUSE)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Asks a source once, or as often as it says that there is more, and stores what it says.
pub(crate) async fn poll(rt: &Runtime, source: &Source, told: &mut HashSet<String>) -> Result<(), String> {
    for _ in 0..MORE_MAX {
        let cursor = rt.store.reader().cursor(source.name.clone()).await.map_err(|e| e.to_string())?;
        let answer = source.entry.poll(wit::PollRequest { cursor, extra: vec![] }).await.map_err(|e| e.to_string())?;
        let more = answer.value.more && !answer.value.complete;
        store(rt, source, answer, told).await?;
        if !more {
            return Ok(());
        }
    }
    Err(format!("source {} said {MORE_MAX} times that there is more; it goes on at its next time", source.name))
}

async fn store(
    rt: &Runtime,
    source: &Source,
    answer: Answer<wit::Intake>,
    told: &mut HashSet<String>,
) -> Result<(), String> {
    let Answer { value: found, kv } = answer;
    let (mut drafts, mut withdrawn, mut keys) = (vec![], vec![], vec![]);
    let mut not_now = None;
    for item in found.items {
        match item {
            wit::Item::Withdrawn(it) => withdrawn.push((it.key, it.reason)),
            wit::Item::Work(it) => {
                keys.push(it.key.clone());
                match taken(rt, source, it).await {
                    Ok(draft) => drafts.push(draft),
                    Err(NotTaken { why, for_now: true }) => not_now = Some(why),
                    Err(NotTaken { why, .. }) => tell(rt, &source.name, &why, told).await,
                }
            }
        }
    }
    let complete = found.complete.then_some(keys);
    // A source that has gone on, or has noted what it brought, would never bring it again.
    let (cursor, kv) = if not_now.is_none() { (found.cursor, kv) } else { (None, vec![]) };
    let intake = Intake {
        source: source.name.clone(),
        drafts,
        withdrawn,
        complete,
        cursor,
        entry: None,
        kv,
        mode: source.mode,
        branch_prefix: rt.branch_prefix(),
        shared: rt.shared(),
    };
    let taken = rt.store.intake(intake, rt.clock.now()).await.map_err(|e| e.to_string())?;
    note(&source.name, &taken);
    cancel_runs(rt, &taken);
    not_now.map_or(Ok(()), Err)
}

/// The draft as it is taken over: known, and asked for by somebody who may.
async fn taken(rt: &Runtime, source: &Source, found: agentd_plugin::wit::work::Draft) -> Result<Draft, NotTaken> {
    let draft = known(rt, contract::draft(found, source.repository.as_deref())?)?;
    rights::screen(rt, source, draft).await
}

/// Refuses a draft for a repository, or with an agent, that nobody configured.
pub(crate) fn known(rt: &Runtime, draft: Draft) -> Result<Draft, String> {
    if !rt.repositories.contains_key(&draft.repository) {
        let (key, id) = (&draft.key, &draft.repository);
        return Err(format!(
            "{key} is for the repository `{id}`, which is not configured: add [repositories.\"{id}\"]"
        ));
    }
    if let Some(thread) = draft.thread.as_ref().filter(|it| it.repository != draft.repository) {
        return Err(format!("{} is the issue {thread}, and for {}: that is not done yet", draft.key, draft.repository));
    }
    match &draft.agent {
        Some(agent) if !rt.agents.contains_key(agent) => {
            Err(format!("{} asks for the agent `{agent}`, which is not configured: add [agents.{agent}]", draft.key))
        }
        _ => Ok(draft),
    }
}

fn note(source: &str, taken: &Taken) {
    let Taken { new, changed, joined, withdrawn, reopened } = taken;
    let counts = [new.len(), changed.len(), joined.len(), withdrawn.len(), reopened.len()];
    if counts.iter().any(|it| *it > 0) {
        let [new, changed, joined, withdrawn, reopened] = counts;
        tracing::info!(source.name = source, new, changed, joined, withdrawn, reopened, "Took in work");
    }
}

/// Withdrawn tasks that run are marked in the store; their runs are told here.
pub(crate) fn cancel_runs(rt: &Runtime, taken: &Taken) {
    for task in &taken.withdrawn {
        rt.runs.cancel(*task);
    }
}

/// Says a problem once for as long as the daemon runs, not at each poll.
pub(crate) async fn tell(rt: &Runtime, source: &str, problem: &str, told: &mut HashSet<String>) {
    if told.len() > 10_000 {
        told.clear();
    }
    if !told.insert(problem.into()) {
        return;
    }
    tracing::warn!(source.name = source, problem, "A source has a problem");
    let event = NewEvent {
        task: None,
        run: None,
        kind: "source.problem".into(),
        severity: Severity::Warning,
        text: format!("{source}: {problem}"),
        details: serde_json::json!({ "source": source, "problem": problem }),
    };
    if let Err(error) = rt.store.log(event, rt.clock.now()).await {
        tracing::error!(%error, "An event could not be stored");
    }
}
