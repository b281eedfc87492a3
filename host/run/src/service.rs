//! The room as a whole: what its parts share, and the service that runs them.

mod look;

use crate::{
    Clock, Handle, Layout, Options, Repository, Sandboxes, Timeouts, analysis, dispatcher, intake, maintenance,
    notices,
    options::{Agent, Notifier, Toolbox},
    outbox, review,
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

/// What all parts of the room share.
pub(crate) struct Runtime {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) layout: Layout,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) prioritizer: Entry,
    pub(crate) prompts: Entry,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) default_agent: Option<String>,
    pub(crate) notifiers: Vec<Notifier>,
    /// For reports: the entry of each source, by its name.
    pub(crate) reporters: BTreeMap<String, Entry>,
    /// Who may start work of a source, by its name; not in here: the source vouches for it.
    pub(crate) allowed: BTreeMap<String, Allow>,
    pub(crate) judged: Judged,
    pub(crate) repositories: BTreeMap<String, Repository>,
    pub(crate) sandboxes: Sandboxes,
    pub(crate) gateway: Gateway,
    pub(crate) toolbox: Arc<dyn Toolbox>,
    pub(crate) secrets: Arc<SecretScan>,
    pub(crate) author: crate::Author,
    pub(crate) review_interval: Duration,
    pub(crate) runs: Runs,
    /// Tells runs that the daemon stops; set once.
    pub(crate) stopping: watch::Sender<Option<StopMode>>,
    /// One fetch at a time for each mirror.
    pub(crate) fetching: BTreeMap<String, tokio::sync::Mutex<()>>,
}

impl Runtime {
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

/// Runs all parts of the room.
pub struct Service {
    rt: Arc<Runtime>,
    sources: Vec<Arc<crate::Source>>,
    analyzers: Vec<Arc<crate::Analyzer>>,
}

impl Service {
    #[must_use]
    pub fn new(options: Options) -> (Service, Handle) {
        let reporters = options.sources.iter().map(|it| (it.name.clone(), it.entry.clone())).collect();
        let allowed = options.sources.iter().filter_map(|it| Some((it.name.clone(), it.allow.clone()?))).collect();
        let fetching = options.repositories.keys().map(|it| (it.clone(), tokio::sync::Mutex::default())).collect();
        let rt = Arc::new(Runtime {
            store: options.store,
            clock: options.clock,
            layout: options.layout,
            limits: options.limits,
            timeouts: options.timeouts,
            prioritizer: options.prioritizer,
            prompts: options.prompts,
            agents: options.agents,
            default_agent: options.default_agent,
            notifiers: options.notifiers,
            reporters,
            allowed,
            judged: Judged::default(),
            repositories: options.repositories,
            sandboxes: options.sandboxes,
            gateway: options.gateway,
            toolbox: options.toolbox,
            secrets: options.secrets,
            author: options.author,
            review_interval: options.review_interval,
            runs: Runs::default(),
            stopping: watch::Sender::new(None),
            fetching,
        });
        let service = Service {
            rt: rt.clone(),
            sources: options.sources.into_iter().map(Arc::new).collect(),
            analyzers: options.analyzers.into_iter().map(Arc::new).collect(),
        };
        (service, Handle::new(rt))
    }

    /// Works until `stop` says how to end; returns when all has ended as it said.
    ///
    /// # Errors
    /// The store failed at the start, when nothing was begun yet, or the dispatcher died.
    pub async fn run(self, mut stop: watch::Receiver<Option<StopMode>>) -> Result<(), Error> {
        let Service { rt, sources, analyzers } = self;
        maintenance::recover(&rt).await?;
        let (feeders, workers) = (CancellationToken::new(), CancellationToken::new());
        let tracker = TaskTracker::new();
        for source in sources {
            tracker.spawn(intake::poll_source(rt.clone(), source, feeders.clone()));
        }
        for analyzer in analyzers {
            tracker.spawn(analysis::analyze(rt.clone(), analyzer, feeders.clone()));
        }
        tracker.spawn(notices::enqueue_notices(rt.clone(), workers.clone()));
        tracker.spawn(outbox::send_effects(rt.clone(), workers.clone()));
        tracker.spawn(review::watch_changes(rt.clone(), feeders.clone()));
        tracker.spawn(maintenance::sweep_regularly(rt.clone(), feeders.clone()));
        let mut dispatcher = tracker.spawn(dispatcher::dispatch(rt.clone(), feeders.clone()));

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
