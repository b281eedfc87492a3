//! One run of a task: prepare, execute, collect, verify, and what becomes of the task then.
//!
//! A step is a function of values to values. Its output is a row, keyed by a hash of its input; a step that was begun
//! and not finished when the daemon died is done again from its start, except that `execute` finds its sandbox again.
//! So a run may be dropped at any await, which is how a stop, a cancel and a crash become the same thing.
//!
//! - Never changes a status but through the store's `apply`, with its own run number.
//! - Sandboxes go after the outcome is stored, and before it only where a full disk would keep it from being stored.

pub(crate) mod collect;
pub(crate) mod execute;
mod lock;
mod network;
pub(crate) mod prepare;
mod publish;
mod sandbox;
mod settle;
mod spoken;
mod verdict;
pub(crate) mod verify;

pub(crate) use network::{NETWORK, Networks, Phase};
use publish::Finished;
pub(crate) use publish::{Left, Publication, cleaning, effects, lane, publication};
pub(crate) use sandbox::{blocking, empty_dir, give_to_agent, io_failure, mirror_objects};
pub(crate) use settle::after_a_fault;

use crate::{
    Repository, contract, dispatcher,
    layout::RunLayout,
    maintenance,
    service::{Runtime, StopMode},
};
use agentd_store::{Begun, NewEvent, RunKey, SessionNote, TaskRow};
use agentd_task::{Failure, Millis, Reason, Severity, Status, Step};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// Why a run does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error(transparent)]
    Failed(#[from] Failure),
    /// An operator has to mend something first.
    #[error("{0}")]
    Stuck(String),
    /// A limit on use is reached, until then if that is known.
    #[error("{0}")]
    Limited(Failure, Option<Millis>),
    /// It is no work for this run.
    #[error("{0}")]
    Withdrawn(String),
    #[error("cancelled")]
    Cancelled,
    #[error("the daemon stops")]
    Halted(StopMode),
    #[error(transparent)]
    Store(#[from] agentd_store::Error),
}

impl Stop {
    pub(crate) fn failed(reason: Reason, text: impl Into<String>) -> Stop {
        Stop::Failed(Failure::new(reason, text))
    }
}

impl From<agentd_executor::Error> for Stop {
    fn from(error: agentd_executor::Error) -> Stop {
        Stop::Failed(error.failure())
    }
}

/// How a run ended well.
#[derive(Debug)]
pub(crate) enum Ended {
    Changed {
        publication: Box<Publication>,
        ask: Option<String>,
        session: SessionNote,
    },
    Answered {
        answer: String,
        session: SessionNote,
    },
    /// The agent says that there is nothing to do.
    NothingToDo {
        answer: String,
        session: SessionNote,
    },
}

/// One run, and what it works with.
pub(crate) struct Run {
    pub(crate) rt: Arc<Runtime>,
    pub(crate) row: TaskRow,
    pub(crate) key: RunKey,
    pub(crate) repository: Repository,
    pub(crate) layout: RunLayout,
    pub(crate) networks: Networks,
    /// The image of its sandboxes, once that is known.
    pub(crate) image: OnceLock<String>,
}

/// Runs a claimed or adopted task to the end of its run, and stores what came of it.
pub(crate) async fn drive(rt: Arc<Runtime>, row: TaskRow, cancel: CancellationToken) {
    let key = RunKey { task: row.task.id, run: row.task.run };
    if matches!(row.task.status, Status::Running { cancel: true, .. }) {
        cancel.cancel(); // the daemon died between the mark and the end
    }
    let Some(repository) = rt.repositories.get(&row.repository).cloned() else {
        let why = format!("the repository `{}` is not configured (any more)", row.repository);
        settle::without_repository(&rt, key, why).await;
        return;
    };
    let layout = rt.layout.run(key);
    let (networks, image) = (Networks::default(), OnceLock::new());
    let run = Run { rt, row, key, repository, layout, networks, image };
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Stop::Cancelled),
        mode = dispatcher::halted(&run.rt) => Err(Stop::Halted(mode)),
        ended = run.steps() => ended,
    };
    settle::settle(&run, ended).await;
}

impl Run {
    async fn steps(&self) -> Result<Ended, Stop> {
        maintenance::remove_older(&self.rt, self.key, &self.repository).await?;
        let asked = prepare::Asked::of(self);
        let prepared = match self.prepared().await? {
            Some(it) => it,
            None => {
                lock::lock(self).await?;
                self.step(Step::Prepare, &asked, || prepare::prepare(self, &asked)).await?
            }
        };
        self.image.get_or_init(|| prepared.image.clone());
        let executed = self.step(Step::Execute, &prepared.hash(), || execute::execute(self, &prepared)).await?;
        self.close_network(Phase::Work).await?;
        let work = (prepared.hash(), &executed);
        let collected = self.step(Step::Collect, &work, || collect::collect(self, &prepared, &executed)).await?;
        let session = executed.note(&prepared);
        let Some(collected) = collected else {
            return execute::without_change(executed, session);
        };
        let verified = self.step(Step::Verify, &collected, || verify::verify(self, &prepared, &collected)).await?;
        let publication = Publication::of(&Finished {
            row: &self.row,
            key: self.key,
            repository: &self.repository,
            instance: self.rt.store.instance(),
            prepared: &prepared,
            executed: &executed,
            collected: &collected,
            verified: &verified,
        });
        Ok(Ended::Changed { publication: Box::new(publication), ask: verified.ask, session })
    }

    /// What was prepared, once the run is beyond that. An agent works on it already: that its task or its repository
    /// says something else by now is for a later run.
    async fn prepared(&self) -> Result<Option<prepare::Prepared>, Stop> {
        let beyond = matches!(self.row.task.status, Status::Running { step, .. } if step > Step::Prepare);
        if !beyond {
            return Ok(None);
        }
        let rows = self.rt.store.reader().steps(self.key).await?;
        let output = rows.into_iter().find(|it| it.step == Step::Prepare).and_then(|it| it.output);
        Ok(output.and_then(|it| serde_json::from_str(&it).ok()))
    }

    /// The image of its sandboxes.
    pub(crate) fn image(&self) -> String {
        self.image.get().cloned().unwrap_or_else(|| self.repository.image.clone())
    }

    /// Does a step, or takes what it gave when it was done before the daemon died.
    async fn step<I, O, F>(&self, step: Step, input: &I, work: impl FnOnce() -> F) -> Result<O, Stop>
    where
        I: Serialize + ?Sized,
        O: Serialize + DeserializeOwned + Outline,
        F: Future<Output = Result<O, Stop>>,
    {
        let json = serde_json::to_string(input).map_err(|e| Stop::failed(Reason::Internal, e.to_string()))?;
        let hash = contract::short_hash(&json);
        let begun = self.rt.store.begin_step(self.key, step, hash, self.rt.clock.now()).await?;
        if matches!(begun, Begun::Again) {
            // What the daemon before had begun for this step may still work on the same files.
            maintenance::remove_helpers(&self.rt, self.key, &self.repository, step == Step::Execute).await?;
        }
        // What cannot be read was written by another version of agentd: the step is done again.
        if let Begun::Finished(output) = begun
            && let Ok(output) = serde_json::from_str(&output)
        {
            return Ok(output);
        }
        let output = work().await?;
        let json = serde_json::to_string(&output).map_err(|e| Stop::failed(Reason::Internal, e.to_string()))?;
        let (text, details) = output.outline();
        let event = self.event(&format!("run.{}", step_word(step)), Severity::Info, text, details);
        self.rt.store.finish_step(self.key, step, json, vec![event], self.rt.clock.now()).await?;
        Ok(output)
    }

    pub(crate) fn event(&self, kind: &str, severity: Severity, text: String, details: serde_json::Value) -> NewEvent {
        NewEvent { task: Some(self.key.task), run: Some(self.key.run), kind: kind.into(), severity, text, details }
    }

    /// An event of its own, where losing it would do no harm.
    pub(crate) async fn say(&self, kind: &str, severity: Severity, text: String, details: serde_json::Value) {
        let event = self.event(kind, severity, text, details);
        if let Err(error) = self.rt.store.log(event, self.rt.clock.now()).await {
            tracing::error!(task.id = %self.key.task, %error, "An event could not be stored");
        }
    }
}

/// What people read about a step's output.
pub(crate) trait Outline {
    /// One line, and the data behind it.
    fn outline(&self) -> (String, serde_json::Value);
}

/// The checkout as the agent sees it.
pub(crate) fn workspace_inside(run: &Run) -> String {
    run.repository.executor.place(&sandbox::mount(run.layout.workspace(), sandbox::WORKSPACE, true))
}

fn step_word(step: Step) -> &'static str {
    match step {
        Step::Prepare => "prepared",
        Step::Execute => "executed",
        Step::Collect => "collected",
        Step::Verify => "verified",
    }
}

impl<T: Outline> Outline for Option<T> {
    fn outline(&self) -> (String, serde_json::Value) {
        match self {
            Some(it) => it.outline(),
            None => ("The agent changed nothing".into(), json!({ "commits": 0 })),
        }
    }
}
