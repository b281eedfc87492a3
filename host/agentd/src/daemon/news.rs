//! What plugins' lives and failures leave behind: events in the log, and traces in files.
//!
//! The plugin room tells it in passing and waits for nobody: what comes is queued here, and stored as it can be. What
//! comes faster than that for long is dropped, and that is said.

use super::repro;
use agentd_plugin::{News, Trace, What};
use agentd_run::Clock;
use agentd_store::{NewEvent, Store};
use agentd_task::Severity;
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio::sync::{
    broadcast,
    mpsc::{self, error::TrySendError},
};
use tokio_util::sync::CancellationToken;

/// So much may wait to be stored.
const WAITING_MAX: usize = 1_000;
const TRACES_MAX: usize = 16;

/// Where it is told.
pub(super) struct Told {
    news: mpsc::Sender<News>,
    traces: mpsc::Sender<Box<Trace>>,
}

/// Where it is stored from.
pub(super) struct Keeper {
    store: Store,
    clock: Clock,
    home: PathBuf,
    news: mpsc::Receiver<News>,
    traces: mpsc::Receiver<Box<Trace>>,
    /// Plugins that are other ones than before.
    other: broadcast::Sender<String>,
}

pub(super) fn channel(store: &Store, clock: Clock, home: PathBuf) -> (Told, Keeper) {
    let (news, to_store) = mpsc::channel(WAITING_MAX);
    let (traces, to_keep) = mpsc::channel(TRACES_MAX);
    let other = broadcast::Sender::new(64);
    (Told { news, traces }, Keeper { store: store.clone(), clock, home, news: to_store, traces: to_keep, other })
}

impl Told {
    pub(super) fn news(&self, news: News) {
        // Where nobody stores any, as in a look before a start, there is nothing to tell.
        if let Err(TrySendError::Full(news)) = self.news.try_send(news) {
            tracing::warn!(plugin.name = news.plugin, text = news.text, "News of a plugin are not stored");
        }
    }

    pub(super) fn trace(&self, trace: Trace) {
        if let Err(TrySendError::Full(trace)) = self.traces.try_send(Box::new(trace)) {
            tracing::warn!(trace.id, "A failed call of a plugin is not kept: too many fail at once");
        }
    }
}

impl Keeper {
    /// Hears of each plugin that another version, or none, serves for from now on.
    pub(super) fn others(&self) -> broadcast::Receiver<String> {
        self.other.subscribe()
    }

    /// Stores what comes until `stop`, and then what is still there.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                Some(news) = self.news.recv() => self.store(news).await,
                Some(trace) = self.traces.recv() => self.keep(trace).await,
                () = stop.cancelled() => return,
            }
        }
    }

    async fn store(&self, news: News) {
        let News { plugin, what, text, data } = news;
        let event = event(&plugin, what, text, data);
        if let Err(error) = self.store.log(event, self.clock.now()).await {
            tracing::error!(plugin.name = plugin, %error, "An event could not be stored");
        }
        if is_another(what) {
            drop(self.other.send(plugin)); // nobody may listen
        }
    }

    async fn keep(&self, trace: Box<Trace>) {
        let (home, id) = (self.home.clone(), trace.id.clone());
        let kept = tokio::task::spawn_blocking(move || repro::keep(&home, &trace)).await;
        match kept {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(trace.id = id, %error, "A failed call of a plugin could not be kept"),
            Err(error) => tracing::error!(%error, "A thread died"),
        }
    }
}

fn is_another(what: What) -> bool {
    matches!(what, What::Loaded | What::Swapped | What::Restored | What::RolledBack)
}

fn event(plugin: &str, what: What, text: String, data: Value) -> NewEvent {
    let severity = match what {
        What::Held | What::Refused | What::RolledBack | What::Opened => Severity::Warning,
        _ => Severity::Info,
    };
    let mut details = json!({ "plugin": plugin });
    if let (Value::Object(details), Value::Object(data)) = (&mut details, data) {
        details.extend(data);
    }
    NewEvent { task: None, run: None, kind: format!("plugin.{}", what.word()), severity, text, details }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_to_look_at_is_a_warning() {
        for (what, kind, severity) in [
            (What::Loaded, "plugin.loaded", Severity::Info),
            (What::Swapped, "plugin.swapped", Severity::Info),
            (What::Held, "plugin.held", Severity::Warning),
            (What::Refused, "plugin.refused", Severity::Warning),
            (What::RolledBack, "plugin.rolled-back", Severity::Warning),
            (What::Opened, "plugin.opened", Severity::Warning),
            (What::Closed, "plugin.closed", Severity::Info),
        ] {
            let event = event("linear", what, "text".into(), json!({ "digest": "sha256:1" }));
            assert_eq!((event.kind.as_str(), event.severity), (kind, severity));
            assert_eq!(event.details, json!({ "plugin": "linear", "digest": "sha256:1" }));
        }
    }
}
