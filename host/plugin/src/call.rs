//! One call of a plugin: a fresh instance, its limits, and what is made of its failure.
//!
//! A call waits for its turn (one at a time for each function of an entry, unless the contract says otherwise) and
//! for a slot among all calls, and only then its time begins. Its instance is dropped after it, whatever happened;
//! what it wrote to `kv` is handed to the caller and nowhere else, so a failed call has written nothing. What it was
//! asked and answered is kept until then, and a failure makes a [`Trace`](crate::Trace) of it. The host's clock is only
//! asked through [`Host::now`].

mod failure;

use crate::breaker::{Breaker, Ticket};
use crate::compile::Compiler;
use crate::engine::Engine;
use crate::error::CallError;
use crate::grants::Rights;
use crate::limits::{Budget, Function, HANDOVER_BYTES, PluginLimits};
use crate::metrics::{Metrics, Tallies, micros};
use crate::state::{State, Surface};
use crate::trace::{Recorder, Seed};
use crate::wit::common;
use crate::{Host, cache::Cache};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, UpdateDeadline};

/// What all plugins share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) cache: Cache,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) metrics: Metrics,
    pub(crate) max_memory: usize,
    /// What the operator set for some plugins.
    pub(crate) limits: RwLock<BTreeMap<String, PluginLimits>>,
    /// How many instances work at the same time.
    pub(crate) slots: Arc<Semaphore>,
    /// How many of one plugin do: one that is slow must not keep the others waiting.
    pub(crate) shares: std::sync::Mutex<BTreeMap<String, Arc<Semaphore>>>,
    /// How many plugins are asked about themselves at the same time. Changes wait for that, so it waits for no call.
    pub(crate) asking: Arc<Semaphore>,
    pub(crate) compiler: Compiler,
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
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) turns: Turns,
    /// Of the component, for traces; empty while it is not known yet.
    pub(crate) digest: Arc<str>,
    pub(crate) generation: u32,
    /// Who answers what the plugin asks: the daemon, or a rehearsal.
    pub(crate) host: Arc<dyn Host>,
    /// The chance of all its calls; none: each has its own.
    pub(crate) seed: Option<Seed>,
    /// The limits of all its calls; none: the plugin's.
    pub(crate) budget: Option<Budget>,
    /// Who wants to know what its calls use.
    pub(crate) meter: Option<Arc<Meter>>,
    tallies: Arc<Tallies>,
}

/// Whose turn it is: a lock for each function of an entry.
#[derive(Clone, Default)]
pub(crate) struct Turns([Arc<Mutex<()>>; Function::COUNT]);

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
    _slot: Slot,
    _turn: Option<OwnedMutexGuard<()>>,
}

/// Leave to work, beside so many others and no more.
pub(crate) struct Slot {
    _own: OwnedSemaphorePermit,
    /// Of all plugins together; none: the plugin is asked about itself.
    _common: Option<OwnedSemaphorePermit>,
}

/// Who called what, and the leave to do it: what is needed to judge the outcome.
pub(crate) struct Attempt {
    pub(crate) plugin: String,
    pub(crate) entry: String,
    pub(crate) function: Function,
    pub(crate) budget: Budget,
    settings: Arc<str>,
    digest: Arc<str>,
    generation: u32,
    host: Arc<dyn Host>,
    tallies: Arc<Tallies>,
    meter: Option<Arc<Meter>>,
    began: Instant,
    ticket: Ticket,
}

/// What calls have used.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) cpu_us: AtomicU64,
    /// The most that one of them had, in bytes.
    pub(crate) memory: AtomicUsize,
}

/// Bounds a piece of work in time, and measures it.
pub(crate) struct Watch {
    wall: Duration,
    recorder: Arc<Recorder>,
    span: Span,
}

/// How a call ended: in time or not, with a trap or not, with the plugin's own error or not.
pub(crate) type Outcome<T> = Result<wasmtime::Result<Result<T, common::Error>>, Elapsed>;

impl Shared {
    fn share(&self, plugin: &str) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.entry(plugin.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(crate::SHARE))).clone()
    }
}

async fn acquired(semaphore: Arc<Semaphore>) -> OwnedSemaphorePermit {
    semaphore.acquire_owned().await.expect("the semaphore is never closed")
}

impl Caller {
    pub(crate) fn new(shared: Arc<Shared>, plugin: &str, entry: &str, settings: &Value, rights: Rights) -> Caller {
        Caller {
            plugin: plugin.into(),
            entry: entry.into(),
            settings: settings.to_string().into(),
            rights: Arc::new(rights),
            breaker: Arc::default(),
            turns: Turns::default(),
            digest: "".into(),
            generation: 0,
            host: shared.host.clone(),
            seed: None,
            budget: None,
            meter: None,
            tallies: shared.metrics.tallies(plugin, entry),
            shared,
        }
    }

    /// Whose state the health of the entry shows from now on.
    pub(crate) fn show_health(&self) {
        self.tallies.watch(&self.breaker);
    }

    /// Waits for the turn and a slot, and prepares a call. Fails at once while the entry is switched off.
    pub(crate) async fn begin(
        &self,
        pre: &InstancePre<State>,
        function: Function,
        surface: Surface,
    ) -> Result<Call, CallError> {
        let turn = match function.overlaps() {
            true => None,
            false => Some(self.turns.0[function as usize].clone().lock_owned().await),
        };
        let slot = self.slot().await;
        let attempt = self.attempt(function)?;
        let store = self.store(surface, attempt.budget);
        Ok(Call { store, attempt, pre: pre.clone(), _slot: slot, _turn: turn })
    }

    pub(crate) async fn slot(&self) -> Slot {
        if self.entry.is_empty() {
            return Slot { _own: acquired(self.shared.asking.clone()).await, _common: None };
        }
        let own = acquired(self.shared.share(&self.plugin)).await;
        Slot { _own: own, _common: Some(acquired(self.shared.slots.clone()).await) }
    }

    pub(crate) fn attempt(&self, function: Function) -> Result<Attempt, CallError> {
        let now = self.host.now();
        let (plugin, entry) = (self.plugin.clone(), self.entry.clone());
        match self.breaker.admit(now) {
            Ok(ticket) => {
                let (settings, digest) = (self.settings.clone(), self.digest.clone());
                let (host, tallies) = (self.host.clone(), self.tallies.clone());
                let (budget, generation, began) = (self.budget(function), self.generation, Instant::now());
                Ok(Attempt {
                    plugin,
                    entry,
                    function,
                    budget,
                    settings,
                    digest,
                    generation,
                    host,
                    tallies,
                    meter: self.meter.clone(),
                    began,
                    ticket,
                })
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

    /// What a call of this function may use.
    pub(crate) fn budget(&self, function: Function) -> Budget {
        self.budget.unwrap_or_else(|| {
            let limits = self.shared.limits.read().unwrap_or_else(PoisonError::into_inner);
            let set = limits.get(self.plugin.as_str()).copied().map(|it| match function.is_about_itself() {
                true => PluginLimits { wall: None, cpu: None, ..it },
                false => it,
            });
            function.budget(self.shared.max_memory).with(set.as_ref())
        })
    }

    /// A store with its limits set, armed for one call.
    pub(crate) fn store(&self, surface: Surface, budget: Budget) -> Store<State> {
        let state = State::new(self, surface, budget, self.seed.unwrap_or_else(Seed::fresh));
        let mut store = Store::new(self.shared.engine.wasmtime(), state);
        store.limiter(State::limiter);
        store.set_hostcall_fuel(HANDOVER_BYTES);
        store.set_max_component_handles(crate::limits::HANDLES);
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
    pub(crate) fn watch(&self) -> Watch {
        self.attempt.watch(self.store.data())
    }

    pub(crate) async fn instantiate(&mut self) -> wasmtime::Result<Instance> {
        self.pre.instantiate_async(&mut self.store).await
    }

    /// Ends the call. `arguments` says what it was given, and `check` looks whether the answer makes sense; one that
    /// does not is a failure like a trap.
    pub(crate) fn end<T>(
        mut self,
        outcome: Outcome<T>,
        arguments: impl FnOnce() -> Value,
        check: impl FnOnce(&mut T) -> Result<(), String>,
    ) -> Result<Answer<T>, CallError> {
        let value = self.attempt.end(self.store.data(), outcome, arguments, check)?;
        let kv = std::mem::take(&mut self.store.data_mut().kv);
        Ok(Answer { value, kv: kv.into_iter().collect() })
    }
}

impl Attempt {
    pub(crate) fn watch(&self, state: &State) -> Watch {
        let span = tracing::debug_span!(
            "plugin",
            plugin.name = self.plugin,
            plugin.entry = self.entry,
            plugin.function = self.function.name(),
            plugin.generation = self.generation
        );
        Watch { wall: self.budget.wall, recorder: state.recorder.clone(), span }
    }

    /// Judges the outcome, tells the breaker, and ends the plugin's output.
    pub(crate) fn end<T>(
        self,
        state: &State,
        outcome: Outcome<T>,
        arguments: impl FnOnce() -> Value,
        check: impl FnOnce(&mut T) -> Result<(), String>,
    ) -> Result<T, CallError> {
        state.output.finish();
        let cpu = state.recorder.take_cpu();
        if let Some(meter) = &self.meter {
            meter.cpu_us.fetch_add(micros(cpu), Ordering::Relaxed);
            meter.memory.fetch_max(state.memory(), Ordering::Relaxed);
        }
        let failure = match outcome {
            Ok(Ok(Ok(mut value))) => match check(&mut value) {
                Ok(()) => {
                    self.tallies.of(self.function).succeeded(cpu, self.began.elapsed());
                    self.ticket.succeeded();
                    return Ok(value);
                }
                Err(what) => failure::nonsense(&what),
            },
            Ok(Ok(Err(error))) => {
                if !matches!(error, common::Error::Other(_)) {
                    self.ticket.succeeded();
                }
                let error = CallError::Plugin(error);
                self.tallies.of(self.function).failed(cpu, self.began.elapsed(), &error.to_string());
                return Err(error);
            }
            Ok(Err(error)) => self.cause(state, &error),
            Err(_) => self.silence(),
        };
        Err(self.fail(state, failure, cpu, arguments()))
    }
}

impl Watch {
    /// The work's outcome, or that its time was up. What it used of the CPU is counted wherever it is resumed.
    pub(crate) async fn run<T>(
        self,
        work: impl Future<Output = wasmtime::Result<Result<T, common::Error>>>,
    ) -> Outcome<T> {
        let mut work = pin!(work);
        let measured = poll_fn(|context| {
            let before = cpu_time();
            let polled = work.as_mut().poll(context);
            self.recorder.used(cpu_time().saturating_sub(before));
            polled
        });
        timeout(self.wall, measured).instrument(self.span).await
    }
}

/// What this thread has used of the CPU.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let part = |it: i64| u64::try_from(it).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}
