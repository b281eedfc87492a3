//! Keeps order: what belongs to no task that needs it goes.
//!
//! A sandbox belongs to the running task and run that its labels name; a run's folder to a running task's newest run, or
//! to one whose change is yet to be pushed; a conversation to a task that may go on with it. Everything else of this
//! instance is removed, at the start and from time to time. Only this instance's own things are ever touched.

use crate::{
    Repository, disk,
    git::Mirror,
    layout::RunLayout,
    notices,
    service::{Current, Runtime},
    steps::{NETWORK, Phase, io_failure},
    workspace,
};
use agentd_executor::{Error as ExecutorError, Executor, Kind, Listed, spool};
use agentd_store::{Error, RunKey, TaskRow};
use agentd_task::{On, Status, TaskId};
use std::{collections::BTreeSet, io, os::unix::fs::DirBuilderExt, path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Before anything is begun: rows that were being sent are pending again, and what is left over goes.
pub(crate) async fn recover(rt: &Runtime) -> Result<(), Error> {
    for folder in rt.layout.private() {
        if let Err(error) = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
            tracing::warn!(%error, folder = %folder.display(), "A folder cannot be made");
        }
    }
    for repository in rt.repositories.keys() {
        let mirror = Mirror::new(rt.layout.mirror(repository));
        if mirror.dir().exists()
            && let Err(error) = mirror.unlock()
        {
            tracing::warn!(%error, repository, "Locks of an earlier git could not be removed");
        }
    }
    notices::begin(rt).await?;
    let again = rt.store.recover_effects().await?;
    if again > 0 {
        tracing::info!(effects = again, "Effects of the daemon before are looked at again");
    }
    for problem in sweep(rt).await? {
        tracing::warn!(problem, "Something left over could not be removed");
    }
    Ok(())
}

/// Removes what belongs to nobody from time to time, until `stop`.
pub(crate) async fn sweep_regularly(current: Current, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        match sweep(&current.get()).await {
            Ok(problems) => {
                problems.iter().for_each(|it| tracing::warn!(problem = it, "Something left over could not be removed"))
            }
            Err(error) => tracing::error!(%error, "What is left over cannot be looked for"),
        }
    }
}

/// Removes what belongs to nobody; says what could not be.
async fn sweep(rt: &Runtime) -> Result<Vec<String>, Error> {
    let mut problems = vec![];
    for executor in executors(rt) {
        match executor.list().await {
            Ok(listed) => {
                for it in listed {
                    if !needed_sandbox(rt, &it).await?
                        && let Err(error) = executor.remove(&it.name, &control_of(rt, &it)).await
                    {
                        problems.push(error.to_string());
                    }
                }
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    for key in run_folders(rt) {
        problems.extend(tidy(rt, key).await?);
    }
    for task in kept_for_later(rt) {
        if !is_done(rt, task).await? {
            continue;
        }
        for folder in [rt.layout.session(task), rt.layout.kept_change(task)] {
            problems.extend(remove_folder(&folder).err().map(|error| error.to_string()));
        }
    }
    Ok(problems)
}

/// Nobody goes on with its conversation, or with what was sent back: found again, it begins anew.
async fn is_done(rt: &Runtime, task: TaskId) -> Result<bool, Error> {
    let row = rt.store.reader().task(task).await?;
    Ok(row.is_none_or(|it| matches!(it.task.status, Status::Done { .. })))
}

/// What is there and belongs to nobody, as sentences; removes nothing.
pub(crate) async fn check(rt: &Runtime) -> Result<Vec<String>, Error> {
    let mut problems = rt.store.reader().integrity().await?;
    for executor in executors(rt) {
        match executor.list().await {
            Ok(listed) => {
                for it in listed {
                    if !needed_sandbox(rt, &it).await? {
                        problems
                            .push(format!("the sandbox {} belongs to no running task; a restart removes it", it.name));
                    }
                }
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    for key in run_folders(rt) {
        if !needed_folder(rt, key).await? {
            let dir = rt.layout.run(key).dir().display().to_string();
            problems
                .push(format!("{dir} belongs to no task that needs it; `agentd task clean {}` removes it", key.task));
        }
    }
    for repository in rt.repositories.values() {
        let mirror = Mirror::new(rt.layout.mirror(&repository.id));
        if !mirror.dir().join("HEAD").exists() {
            continue; // not used yet
        }
        if let Err(error) = mirror.git().ok(&["fsck", "--connectivity-only", "--no-dangling", "--no-progress"]).await {
            problems
                .push(format!("the mirror of {} is damaged ({error}); remove it, it is fetched again", repository.id));
        }
    }
    Ok(problems)
}

/// One of each kind that is configured.
fn executors(rt: &Runtime) -> Vec<Arc<dyn Executor>> {
    let mut found: Vec<(Kind, Arc<dyn Executor>)> = vec![];
    for repository in rt.repositories.values() {
        let kind = repository.executor.kind();
        if found.iter().all(|(it, _)| *it != kind) {
            found.push((kind, repository.executor.clone()));
        }
    }
    found.into_iter().map(|(_, executor)| executor).collect()
}

fn key_of(listed: &Listed) -> Option<RunKey> {
    let label = |name: &str| listed.labels.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
    Some(RunKey { task: label("agentd.task")?.parse().ok()?, run: label("agentd.run")?.parse().ok()? })
}

fn control_of(rt: &Runtime, listed: &Listed) -> std::path::PathBuf {
    let sandbox = listed.labels.iter().find(|(it, _)| it == "agentd.sandbox").map_or("agent", |(_, value)| value);
    match key_of(listed) {
        Some(key) => rt.layout.run(key).control(sandbox),
        None => rt.layout.runs().join("unknown"),
    }
}

async fn needed_sandbox(rt: &Runtime, listed: &Listed) -> Result<bool, Error> {
    let Some(key) = key_of(listed) else { return Ok(false) };
    let row = rt.store.reader().task(key.task).await?;
    Ok(row.is_some_and(|it| it.task.run == key.run && matches!(it.task.status, Status::Running { .. })))
}

async fn needed_folder(rt: &Runtime, key: RunKey) -> Result<bool, Error> {
    let row = rt.store.reader().task(key.task).await?;
    Ok(row.is_some_and(|it: TaskRow| {
        let kept = matches!(
            it.task.status,
            Status::Running { .. } | Status::Publishing | Status::Waiting { on: On::Approval }
        );
        it.task.run == key.run && kept
    }))
}

/// The runs that have a folder. What is named otherwise is not agentd's.
fn run_folders(rt: &Runtime) -> Vec<RunKey> {
    let names = names_in(&rt.layout.runs()).into_iter();
    let key = |name: String| {
        let (task, run) = name.split_once('.')?;
        Some(RunKey { task: task.parse().ok()?, run: run.parse().ok()? })
    };
    names.filter_map(key).collect()
}

/// The tasks of which something is kept that a later run may go on with.
fn kept_for_later(rt: &Runtime) -> BTreeSet<TaskId> {
    let names = [rt.layout.sessions(), rt.layout.kept_changes()].map(|it| names_in(&it));
    names.iter().flatten().filter_map(|it| it.parse().ok()).collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let name = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    entries.filter_map(name).collect()
}

/// After a run's outcome is stored: sandboxes go, the transcript is kept, and of the folder what publishing needs.
pub(crate) async fn end_run(rt: &Runtime, key: RunKey, repository: &Repository) {
    remove_sandboxes(rt, key, repository).await;
    match tidy(rt, key).await {
        Ok(None) => {}
        Ok(Some(problem)) => tracing::warn!(task.id = %key.task, run = key.run, problem, "A run left something behind"),
        Err(error) => {
            tracing::warn!(task.id = %key.task, run = key.run, %error, "A run's folder is left for the next start")
        }
    }
}

/// Leaves of a run's folder what its task needs. Doing it again does no harm, for the daemon may die in the middle.
pub(crate) async fn tidy(rt: &Runtime, key: RunKey) -> Result<Option<String>, Error> {
    let (runs_now, needed) = match rt.store.reader().task(key.task).await? {
        Some(row) if row.task.run == key.run => match row.task.status {
            Status::Running { .. } => (true, true),
            Status::Publishing | Status::Waiting { on: On::Approval } => (false, true),
            _ => (false, false),
        },
        _ => (false, false),
    };
    if runs_now {
        return Ok(None);
    }
    let layout = rt.layout.run(key);
    let transcript = rt.layout.transcript(key);
    let work = move || -> io::Result<()> {
        keep_transcript(&layout, &transcript)?;
        workspace::release(&layout)?;
        if !needed {
            return remove_folder(layout.dir());
        }
        let parts = [
            layout.overlay(),
            layout.workspace(),
            layout.agent_home(),
            layout.handout(),
            layout.proof(),
            layout.proof_home(),
            layout.image(),
            layout.gateways(),
            layout.controls(),
        ];
        parts.iter().try_for_each(|it| remove_folder(it))
    };
    let done = tokio::task::spawn_blocking(work).await;
    Ok(match done {
        Ok(done) => done.err().map(|it| it.to_string()),
        Err(died) => Some(died.to_string()),
    })
}

fn keep_transcript(layout: &RunLayout, transcript: &Path) -> io::Result<()> {
    if let Some(folder) = transcript.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // What somebody put in the spool's place is not kept: it goes with the run's folder.
    spool::keep(&layout.control("agent"), transcript).map(drop).map_err(io::Error::other)
}

/// Everything of a task but its rows.
pub(crate) fn clean_task(rt: &Runtime, task: TaskId) -> io::Result<usize> {
    let mut removed = 0;
    for key in run_folders(rt).into_iter().filter(|it| it.task == task) {
        workspace::release(&rt.layout.run(key))?;
        remove_folder(rt.layout.run(key).dir())?;
        removed += 1;
    }
    for folder in [rt.layout.session(task), rt.layout.kept_change(task)] {
        if folder.exists() {
            remove_folder(&folder)?;
            removed += 1;
        }
    }
    for run in 1..=1_000 {
        let transcript = rt.layout.transcript(RunKey { task, run });
        match std::fs::remove_file(&transcript) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

fn remove_folder(dir: &Path) -> io::Result<()> {
    disk::remove_folder(dir).map_err(|e| io::Error::new(e.kind(), io_failure("removing", dir, &e).text))
}

/// Removes what a run worked in, and nothing that tells how it went.
pub(crate) async fn remove_work(layout: &RunLayout) {
    let layout = layout.clone();
    let work = move || -> io::Result<()> {
        workspace::release(&layout)?;
        let parts = [
            layout.overlay(),
            layout.workspace(),
            layout.agent_home(),
            layout.image(),
            layout.handout(),
            layout.proof(),
            layout.proof_home(),
        ];
        parts.iter().try_for_each(|it| remove_folder(it))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "What a run worked in could not be removed"),
        Err(error) => tracing::error!(%error, "A thread died"),
    }
}

/// Ends and removes all sandboxes of a run.
pub(crate) async fn remove_sandboxes(rt: &Runtime, key: RunKey, repository: &Repository) {
    for it in sandboxes(key, repository).await {
        if let Err(error) = repository.executor.remove(&it.name, &control_of(rt, &it)).await {
            tracing::warn!(task.id = %key.task, %error, "A sandbox could not be removed; a restart tries again");
        }
    }
}

/// Ends and removes the sandboxes of a run but the agent's own and, where that goes on, what belongs to its network.
pub(crate) async fn remove_helpers(
    rt: &Runtime,
    key: RunKey,
    repository: &Repository,
    agent_goes_on: bool,
) -> Result<(), ExecutorError> {
    let listed = repository.executor.list().await?;
    let kept = |it: &Listed| is_agent(it) || agent_goes_on && is_beside_agent(it);
    for it in listed.iter().filter(|it| key_of(it) == Some(key) && !kept(it)) {
        repository.executor.remove(&it.name, &control_of(rt, it)).await?;
    }
    Ok(())
}

/// Ends and removes what earlier runs of the task have left. Until that is known to be gone, no new run begins.
pub(crate) async fn remove_older(rt: &Runtime, key: RunKey, repository: &Repository) -> Result<(), ExecutorError> {
    let older = |it: &Listed| key_of(it).is_some_and(|it| it.task == key.task && it.run < key.run);
    let listed = repository.executor.list().await?;
    for it in listed.iter().filter(|it| older(it)) {
        repository.executor.remove(&it.name, &control_of(rt, it)).await?;
    }
    Ok(())
}

fn is_agent(listed: &Listed) -> bool {
    listed.labels.iter().any(|(name, value)| name == "agentd.sandbox" && value == "agent")
}

/// It holds the agent's network, or is a service in it.
fn is_beside_agent(listed: &Listed) -> bool {
    listed.labels.iter().any(|(name, value)| name == NETWORK && value == Phase::Work.word())
}

/// Freezes the agent's sandbox and those beside it, so that the next daemon goes on with them. Other sandboxes are done
/// again from their start, and go.
pub(crate) async fn pause_sandboxes(rt: &Runtime, key: RunKey, repository: &Repository) {
    let all = sandboxes(key, repository).await;
    let agent_goes_on = all.iter().any(|it| is_agent(it) && it.running);
    for it in all {
        let control = control_of(rt, &it);
        let done = match is_agent(&it) || agent_goes_on && is_beside_agent(&it) {
            true if it.running => repository.executor.pause(&it.name, &control).await,
            true => Ok(()),
            false => repository.executor.remove(&it.name, &control).await,
        };
        if let Err(error) = done {
            tracing::warn!(task.id = %key.task, %error, "A sandbox could not be paused");
        }
    }
}

async fn sandboxes(key: RunKey, repository: &Repository) -> Vec<Listed> {
    match repository.executor.list().await {
        Ok(listed) => listed.into_iter().filter(|it| key_of(it) == Some(key)).collect(),
        Err(error) => {
            tracing::warn!(task.id = %key.task, %error, "The sandboxes of a run cannot be listed");
            vec![]
        }
    }
}
