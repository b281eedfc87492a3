//! The daemon: wires the rooms together, supervises them, and lets them end in order.
//!
//! Holding the home folder's lock is owning all its runs. What the parts need of each other is filled in here: the
//! plugins' host calls, the server's control, executors and forges from the configuration. When the store's writer or
//! the dispatcher dies, the process ends with code 70 and the service manager starts it again.

mod control;
mod dry_run;
mod entries;
mod forge;
mod gateway;
mod github;
mod host;
mod mail;
mod news;
mod parts;
mod plugin_log;
mod refresh_token;
mod reload;
mod repositories;
pub(crate) mod repro;
mod shipped;
mod trouble;

use crate::{
    config::Config,
    hint,
    home::Home,
    observe,
    server::{self, Identity, Parts},
};
use agentd_run::{Clock, Service, StopMode};
use anyhow::Context;
use parts::Built;
use reload::Reload;
use std::{os::unix::fs::DirBuilderExt as _, process::ExitCode, sync::Arc};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use dry_run::{Seen, dry_run};
pub(crate) use github::github;
pub(crate) use parts::plugin_options;
pub(crate) use repositories::{EMPTY_IMAGE, base_image, docker};
pub(crate) use shipped::Shipped;

/// An internal error: the service manager should start the daemon again.
const INTERNAL: u8 = 70;

/// Runs the daemon of a home folder until somebody ends it.
///
/// # Errors
/// What keeps it from starting. Once it runs, problems are events and log lines.
pub(crate) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    observe::follow(&config.log);
    let home = Home::new(&config.home);
    home.prepare()?;
    let _lock = home.lock()?;
    // Whoever has a plugin finds a place for it. A folder that cannot be made is told of when it is needed.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.plugins).ok();
    // SIGTERM must not kill it half-way through its start.
    let signals = Signals::new().context("signals cannot be received")?;
    let hangup = signal(SignalKind::hangup()).context("signals cannot be received")?;
    let shipped = Shipped::find(&config.home)?;
    let store = agentd_store::Store::open(agentd_store::Options { path: home.database() }, clock.now())?;
    let built = parts::build(&config, &store, &shipped, clock).await?;
    let (stop, stopped) = watch::channel(None);
    let Built { options, wiring, config: holding, plugin_log, keeper } = built;
    let (gateway, plugins) = (wiring.gateway.clone(), wiring.plugins.clone());
    let arrangement = options.arrangement.clone();
    let (service, handle) = Service::new(options);
    let reload = Reload::new(config.clone(), holding, wiring, arrangement, handle.clone());
    let control = control::Wired {
        handle,
        store: store.clone(),
        plugins: plugins.clone(),
        plugin_log,
        reload: reload.clone(),
        stop: stop.clone(),
        apart: TaskTracker::new(),
    };
    let listener = server::bind(&home.socket()).context("the control socket cannot be made")?;
    let parts = Parts {
        reader: store.reader().clone(),
        latest: store.latest(),
        control: Arc::new(control),
        identity: Identity { instance: store.instance().into(), pid: std::process::id(), started_at: clock.now() },
        home: config.home.display().to_string(),
    };
    let serving = CancellationToken::new();
    let (beside, keeping) = (TaskTracker::new(), CancellationToken::new());
    beside.spawn(reload.watch(hangup, keeper.others(), serving.clone()));
    beside.spawn({
        let (plugins, stop) = (plugins.clone(), serving.clone());
        async move { plugins.watch(stop).await }
    });
    let kept = beside.spawn(keeper.run(keeping.clone()));
    tracing::info!(home = %config.home.display(), instance = store.instance(), pid = std::process::id(), "agentd is ready");
    let ended = tokio::join!(
        supervise(service, &store, stopped, &stop, &serving),
        serve(listener, parts, &serving),
        pass_on(signals, &stop, &serving),
    );
    // What models were asked for last is on the books before those are closed, and what plugins did last in the log.
    gateway.drain().await;
    keeping.cancel();
    beside.close();
    beside.wait().await;
    drop(kept.await);
    store.close().await;
    tracing::info!("agentd has ended");
    Ok(ended.0)
}

/// The code that the process ends with.
async fn supervise(
    service: Service,
    store: &agentd_store::Store,
    stopped: watch::Receiver<Option<StopMode>>,
    stop: &watch::Sender<Option<StopMode>>,
    serving: &CancellationToken,
) -> ExitCode {
    let code = tokio::select! {
        ended = service.run(stopped) => match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(%error, "agentd cannot go on");
                ExitCode::from(INTERNAL)
            }
        },
        () = store.died() => {
            tracing::error!("The store's writer has died; agentd ends, and goes on where it was when it is started again");
            ExitCode::from(INTERNAL)
        }
    };
    stop.send_replace(Some(StopMode::Now));
    serving.cancel();
    code
}

/// Without the socket nobody can talk to the daemon, and work goes on.
async fn serve(listener: tokio::net::UnixListener, parts: Parts, serving: &CancellationToken) {
    if let Err(error) = server::serve(listener, parts, serving.clone()).await {
        tracing::error!(%error, "The control socket does not work any more: `kill -TERM` still ends agentd");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

/// The first signal stops the daemon and leaves the sandboxes for the next one; the second ends it at once.
async fn pass_on(mut signals: Signals, stop: &watch::Sender<Option<StopMode>>, serving: &CancellationToken) {
    for mode in [StopMode::Pause, StopMode::Now] {
        tokio::select! {
            () = serving.cancelled() => return,
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
        }
        tracing::info!(?mode, "A signal ends agentd");
        stop.send_replace(Some(mode));
    }
    serving.cancelled().await;
}

/// The configuration does not fit this machine: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Misconfigured {
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) hint: String,
}

/// `hint`: where the text has none of its own.
fn misconfigured(text: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    let (text, own) = hint::apart(&text.into());
    Misconfigured { text, hint: own.unwrap_or_else(|| hint.into()) }.into()
}
