//! One call of a plugin: a fresh instance, its limits, and what is made of its failure.
//!
//! A call waits for its turn (one at a time for each function of an entry, unless the contract says otherwise) and
//! for a slot among all calls, and only then its time begins. Its instance is dropped after it, whatever happened;
//! what it wrote to `kv` is handed to the caller and nowhere else, so a failed call has written nothing. The host's
//! clock is only asked through [`Host::now`].

use crate::breaker::{Breaker, Ticket};
use crate::engine::Engine;
use crate::error::CallError;
use crate::grants::Rights;
use crate::limits::{Budget, Function, HANDOVER_BYTES};
use crate::metrics::Metrics;
use crate::state::{State, Surface};
use crate::wit::common;
use crate::{Host, cache::Cache};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio_util::task::TaskTracker;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;

/// What all plugins share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) cache: Cache,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) metrics: Metrics,
    pub(crate) max_memory: usize,
    /// How many instances work at the same time.
    pub(crate) slots: Arc<Semaphore>,
    /// One compilation at a time: it takes all cores that it can get.
    pub(crate) compiling: Arc<Semaphore>,
    /// The instances that live as long as a run does.
    pub(crate) runs: TaskTracker,
}

/// For whom calls are made.
pub(crate) struct Caller {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plugin: String,
    /// Empty while a plugin describes itself.
    pub(crate) entry: String,
    /// JSON text.
    pub(crate) settings: Arc<str>,
    pub(crate) rights: Arc<Rights>,
    breaker: Arc<Breaker>,
    turns: [Arc<Mutex<()>>; Function::COUNT],
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    pub value: T,
    /// What the call wrote: key, and value or none for removed. To be stored in one transaction with the answer.
    pub kv: Vec<(String, Option<String>)>,
}

/// A call under way.
pub(crate) struct Call {
    pub(crate) store: Store<State>,
    pub(crate) attempt: Attempt,
    pre: InstancePre<State>,
    _slot: OwnedSemaphorePermit,
    _turn: Option<OwnedMutexGuard<()>>,
}

/// Who called what, and the leave to do it: what is needed to judge the outcome.
pub(crate) struct Attempt {
    pub(crate) plugin: String,
    pub(crate) entry: String,
    pub(crate) function: Function,
    pub(crate) budget: Budget,
    ticket: Ticket,
}

/// How a call ended: in time or not, with a trap or not, with the plugin's own error or not.
pub(crate) type Outcome<T> = Result<wasmtime::Result<Result<T, common::Error>>, Elapsed>;

impl Caller {
    pub(crate) fn new(
        shared: Arc<Shared>,
        plugin: &str,
        entry: &str,
        settings: &serde_json::Value,
        rights: Rights,
    ) -> Caller {
        Caller {
            shared,
            plugin: plugin.into(),
            entry: entry.into(),
            settings: settings.to_string().into(),
            rights: Arc::new(rights),
            breaker: Arc::default(),
            turns: Default::default(),
        }
    }

    /// Waits until the call may be made, and gives it an empty store; the caller instantiates within its time.
    pub(crate) async fn begin(
        &self,
        pre: &InstancePre<State>,
        function: Function,
        surface: Surface,
    ) -> Result<Call, CallError> {
        let turn = match function.overlaps() {
            true => None,
            false => Some(self.turns[function as usize].clone().lock_owned().await),
        };
        let slot = self.slot().await;
        let attempt = self.attempt(function)?;
        let store = self.store(surface, attempt.budget);
        Ok(Call { store, attempt, pre: pre.clone(), _slot: slot, _turn: turn })
    }

    pub(crate) async fn slot(&self) -> OwnedSemaphorePermit {
        self.shared.slots.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    pub(crate) fn attempt(&self, function: Function) -> Result<Attempt, CallError> {
        let now = self.shared.host.now();
        let (plugin, entry) = (self.plugin.clone(), self.entry.clone());
        match self.breaker.admit(now) {
            Ok(ticket) => {
                Ok(Attempt { plugin, entry, function, budget: function.budget(self.shared.max_memory), ticket })
            }
            Err(refused) => Err(CallError::Open {
                plugin,
                entry,
                until: refused.until,
                wait_ms: refused.until.saturating_sub(now),
                failures: refused.failures,
                last: refused.last,
            }),
        }
    }

    /// A store with its limits set, armed for one call.
    pub(crate) fn store(&self, surface: Surface, budget: Budget) -> Store<State> {
        let mut store = Store::new(self.shared.engine.wasmtime(), State::new(self, surface, budget));
        store.limiter(State::limiter);
        store.set_hostcall_fuel(HANDOVER_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            if context.data_mut().tick() {
                return Ok(UpdateDeadline::Interrupt);
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

impl Call {
    pub(crate) fn wall(&self) -> std::time::Duration {
        self.attempt.budget.wall
    }

    pub(crate) async fn instantiate(&mut self) -> wasmtime::Result<Instance> {
        self.pre.instantiate_async(&mut self.store).await
    }

    /// Ends the call. `check` looks whether the answer makes sense; one that does not is a failure like a trap.
    pub(crate) fn end<T>(
        mut self,
        outcome: Outcome<T>,
        check: impl FnOnce(&mut T) -> Result<(), String>,
    ) -> Result<Answer<T>, CallError> {
        let value = self.attempt.end(self.store.data(), outcome, check)?;
        let kv = std::mem::take(&mut self.store.data_mut().kv);
        Ok(Answer { value, kv: kv.into_iter().collect() })
    }
}

impl Attempt {
    /// Judges the outcome, tells the breaker, and ends the plugin's output.
    pub(crate) fn end<T>(
        self,
        state: &State,
        outcome: Outcome<T>,
        check: impl FnOnce(&mut T) -> Result<(), String>,
    ) -> Result<T, CallError> {
        state.output.finish();
        let (what, hint) = match outcome {
            Ok(Ok(Ok(mut value))) => match check(&mut value) {
                Ok(()) => {
                    self.ticket.succeeded();
                    return Ok(value);
                }
                Err(what) => (format!("its answer makes no sense: {what}"), "this is a fault of the plugin"),
            },
            Ok(Ok(Err(error))) => {
                if !matches!(error, common::Error::Other(_)) {
                    self.ticket.succeeded();
                }
                return Err(CallError::Plugin(error));
            }
            Ok(Err(error)) => self.cause(state, &error),
            Err(_) => (
                format!("it gave no answer within {} s", self.budget.wall.as_secs()),
                "it waits for something that does not come; see what it logged, `agentd logs`",
            ),
        };
        self.ticket.failed(state.host.now(), &what);
        let said = state.output.tail().into();
        let (plugin, entry, function) = (self.plugin, self.entry, self.function.name());
        Err(CallError::Failed { plugin, entry, function, what, said, hint })
    }

    fn cause(&self, state: &State, error: &wasmtime::Error) -> (String, &'static str) {
        let Budget { cpu, memory, .. } = self.budget;
        if let Some(wanted) = state.refused_memory() {
            let what = format!("it asked for {} MiB of memory, and {} MiB are allowed", wanted >> 20, memory >> 20);
            return (what, "make it use less memory; the limit is the same for all plugins");
        }
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return (format!("it ended its program with code {}", exit.0), "a plugin returns, it does not exit");
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => (
                format!("it used more than its {} s of CPU time", cpu.as_secs()),
                "it is in an endless loop, or has too much to do at a time",
            ),
            Some(Trap::UnreachableCodeReached) => {
                ("it trapped: it panicked or aborted".into(), "this is a fault of the plugin; tell its author")
            }
            Some(Trap::StackOverflow) => {
                ("it trapped: its stack overflowed".into(), "this is a fault of the plugin; tell its author")
            }
            Some(Trap::MemoryOutOfBounds) => (
                "it trapped: it reached beyond its memory, as it does when its stack overflows".into(),
                "this is a fault of the plugin; tell its author",
            ),
            Some(trap) => (format!("it trapped: {trap}"), "this is a fault of the plugin; tell its author"),
            None => {
                let cause = crate::error::readable(&error.root_cause().to_string(), 512);
                (cause, "this is a fault of the plugin, or it was built for another contract")
            }
        }
    }
}
