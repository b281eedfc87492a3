//! The room as a whole: what its parts share, and the service that runs them.

mod look;

use crate::{
    Analyzer, Arrangement, Clock, Handle, Layout, Options, Repository, Sandboxes, Source, Timeouts, dispatcher,
    feeding, maintenance, notices,
    options::{Agent, Notifier, Toolbox},
    outbox,
    ranking::Vain,
    review,
    rights::{Allow, Judged},
};
use agentd_egress::secret::SecretScan;
use agentd_gateway::Gateway;
use agentd_plugin::Entry;
use agentd_store::{RunKey, Store};
use agentd_task::{Limits, TaskId};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How the daemon is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Sandboxes are paused and left; the next start goes on with them.
    Pause,
    /// Nothing new is started; runs and the outbox finish first.
    Drain,
    /// Sandboxes are killed, their tasks go back into the queue, and nothing more is sent.
    Now,
}

/// What all parts of the room share: what stays, and one arrangement. A run holds the one that it began with; whoever
/// works for longer asks [`Current`] for the present one.
pub(crate) struct Runtime {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) layout: Layout,
    pub(crate) toolbox: Arc<dyn Toolbox>,
    pub(crate) runs: Arc<Runs>,
    /// Tells runs that the daemon stops; set once.
    pub(crate) stopping: Arc<watch::Sender<Option<StopMode>>>,
    pub(crate) fetching: Arc<Fetching>,
    pub(crate) vain: Arc<Vain>,

    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) prioritizer: Entry,
    pub(crate) prompts: Entry,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) default_agent: Option<String>,
    pub(crate) notifiers: Vec<Notifier>,
    pub(crate) sources: Vec<Arc<Source>>,
    pub(crate) analyzers: Vec<Arc<Analyzer>>,
    /// For reports: the entry of each source, by its name.
    pub(crate) reporters: BTreeMap<String, Entry>,
    /// Who may start work of a source, by its name; not in here: the source vouches for it.
    pub(crate) allowed: BTreeMap<String, Allow>,
    /// Of this arrangement: who may start work is among what can change.
    pub(crate) judged: Judged,
    pub(crate) repositories: BTreeMap<String, Repository>,
    pub(crate) sandboxes: Sandboxes,
    pub(crate) gateway: Gateway,
    pub(crate) secrets: Arc<SecretScan>,
    pub(crate) author: crate::Author,
    pub(crate) review_interval: Duration,
}

impl Runtime {
    fn new(options: Options) -> Runtime {
        let Options { store, clock, layout, toolbox, arrangement: it } = options;
        Runtime {
            store,
            clock,
            layout,
            toolbox,
            runs: Arc::default(),
            stopping: Arc::new(watch::Sender::new(None)),
            fetching: Arc::default(),
            vain: Arc::default(),
            reporters: it.sources.iter().map(|it| (it.name.clone(), it.entry.clone())).collect(),
            allowed: it.sources.iter().filter_map(|it| Some((it.name.clone(), it.allow.clone()?))).collect(),
            judged: Judged::default(),
            limits: it.limits,
            timeouts: it.timeouts,
            prioritizer: it.prioritizer,
            prompts: it.prompts,
            agents: it.agents,
            default_agent: it.default_agent,
            notifiers: it.notifiers,
            sources: it.sources,
            analyzers: it.analyzers,
            repositories: it.repositories,
            sandboxes: it.sandboxes,
            gateway: it.gateway,
            secrets: it.secrets,
            author: it.author,
            review_interval: it.review_interval,
        }
    }

    /// The same with another arrangement.
    pub(crate) fn with(&self, arrangement: Arrangement) -> Runtime {
        let (store, clock, layout) = (self.store.clone(), self.clock, self.layout.clone());
        let options = Options { store, clock, layout, toolbox: self.toolbox.clone(), arrangement };
        Runtime {
            runs: self.runs.clone(),
            stopping: self.stopping.clone(),
            fetching: self.fetching.clone(),
            vain: self.vain.clone(),
            ..Runtime::new(options)
        }
    }

    pub(crate) fn branch_prefix(&self) -> String {
        "agentd/".into()
    }

    /// Repositories that other instances may work on too.
    pub(crate) fn shared(&self) -> BTreeSet<String> {
        let shared = self.repositories.values().filter(|it| it.forge.kind() != "local");
        shared.map(|it| it.id.clone()).collect()
    }

    /// Stores what a plugin's call wrote. What its space has no room for is dropped, and told.
    pub(crate) async fn keep_kv(
        &self,
        entry: &Entry,
        writes: Vec<(String, Option<String>)>,
    ) -> Result<(), agentd_store::Error> {
        match self.store.kv_commit(entry.name().into(), writes).await {
            Err(error @ agentd_store::Error::KvFull { .. }) => {
                tracing::warn!(plugin.name = entry.plugin(), entry = entry.name(), %error, "A plugin's words are not kept");
                Ok(())
            }
            stored => stored,
        }
    }

    /// The name of a run's sandbox.
    pub(crate) fn sandbox_name(&self, key: RunKey, sandbox: &str) -> String {
        format!("agentd-{}-{}-{}-{sandbox}", self.store.instance(), key.task, key.run)
    }
}

/// The runs that this process works on, and how each is told to end.
#[derive(Default)]
pub(crate) struct Runs {
    cancel: Mutex<HashMap<RunKey, CancellationToken>>,
}

impl Runs {
    pub(crate) fn enter(&self, run: RunKey) -> CancellationToken {
        let token = CancellationToken::new();
        self.lock().insert(run, token.clone());
        token
    }

    pub(crate) fn leave(&self, run: RunKey) {
        self.lock().remove(&run);
    }

    /// Tells the task's run to end, if there is one here.
    pub(crate) fn cancel(&self, task: TaskId) {
        for (_, token) in self.lock().iter().filter(|(run, _)| run.task == task) {
            token.cancel();
        }
    }

    pub(crate) fn holds(&self, task: TaskId) -> bool {
        self.lock().keys().any(|it| it.task == task)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunKey, CancellationToken>> {
        self.cancel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arrangement that holds at present, and the news that there is another. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Current(Arc<watch::Sender<Arc<Runtime>>>);

impl Current {
    pub(crate) fn get(&self) -> Arc<Runtime> {
        self.0.borrow().clone()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Runtime>> {
        self.0.subscribe()
    }

    pub(crate) fn replace(&self, rt: Runtime) {
        self.0.send_replace(Arc::new(rt));
    }
}

/// One fetch at a time for each mirror.
#[derive(Default)]
pub(crate) struct Fetching(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Fetching {
    /// Waits until nobody else is at the repository's mirror.
    pub(crate) async fn alone(&self, repository: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(repository.into()).or_default().clone()
        };
        lock.lock_owned().await
    }
}

/// Runs all parts of the room.
pub struct Service {
    current: Current,
}

impl Service {
    #[must_use]
    pub fn new(options: Options) -> (Service, Handle) {
        let current = Current(Arc::new(watch::Sender::new(Arc::new(Runtime::new(options)))));
        (Service { current: current.clone() }, Handle::new(current))
    }

    /// Works until `stop` says how to end; returns when all has ended as it said.
    ///
    /// # Errors
    /// The store failed at the start, when nothing was begun yet, or the dispatcher died.
    pub async fn run(self, mut stop: watch::Receiver<Option<StopMode>>) -> Result<(), Error> {
        let Service { current } = self;
        let rt = current.get();
        maintenance::recover(&rt).await?;
        let (feeders, workers) = (CancellationToken::new(), CancellationToken::new());
        let tracker = TaskTracker::new();
        tracker.spawn(feeding::feed(current.clone(), feeders.clone()));
        tracker.spawn(notices::enqueue_notices(current.clone(), workers.clone()));
        tracker.spawn(outbox::send_effects(current.clone(), workers.clone()));
        tracker.spawn(review::watch_changes(current.clone(), feeders.clone()));
        tracker.spawn(maintenance::sweep_regularly(current.clone(), feeders.clone()));
        let mut dispatcher = tracker.spawn(dispatcher::dispatch(current.clone(), feeders.clone()));

        let mode = tokio::select! {
            mode = wait_for_stop(&mut stop) => mode,
            died = &mut dispatcher => return Err(Error::Dispatcher(died.err().map(|it| it.to_string()).unwrap_or_default())),
        };
        feeders.cancel();
        rt.stopping.send_replace(Some(mode));
        let harder = async {
            // Somebody may lose patience with a drain.
            let harder = stop.clone().wait_for(|it| it.is_some_and(|it| it != mode)).await.ok().and_then(|it| *it);
            rt.stopping.send_replace(harder.or(Some(StopMode::Now)));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = &mut dispatcher => ended.map_err(|it| Error::Dispatcher(it.to_string()))?,
            () = harder => {}
        }
        if mode == StopMode::Drain {
            outbox::wait_until_empty(&rt, &mut stop).await;
        }
        workers.cancel();
        tracker.close();
        tracker.wait().await;
        Ok(())
    }
}

/// Why the service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] agentd_store::Error),
    #[error("the dispatcher died: {0}")]
    Dispatcher(String),
}

async fn wait_for_stop(stop: &mut watch::Receiver<Option<StopMode>>) -> StopMode {
    match stop.wait_for(Option::is_some).await {
        Ok(mode) => mode.unwrap_or(StopMode::Pause),
        Err(_) => StopMode::Pause, // nobody is left who could say
    }
}
