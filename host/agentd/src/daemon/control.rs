//! What the server asks for, done by the rooms that can.

use super::{parts::PLUGIN_MEMORY, plugin_log::PluginLog, reload::Reload};
use crate::config::{duration_text, size_text};
use crate::server::{Control, EffectOrder, Refusal, StopMode};
use agentd_plugin::Plugins;
use agentd_run::Handle;
use agentd_store::Store;
use agentd_task::{Draft, Mode, TaskId};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub(super) struct Wired {
    pub(super) handle: Handle,
    pub(super) store: Store,
    pub(super) plugins: Plugins,
    pub(super) plugin_log: Arc<PluginLog>,
    pub(super) reload: Reload,
    pub(super) stop: watch::Sender<Option<agentd_run::StopMode>>,
    /// What goes on to its end when whoever asked for it has gone.
    pub(super) apart: TaskTracker,
}

impl Wired {
    /// Does what must not be left half-done: a request is dropped in its middle when its caller hangs up.
    async fn whole<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Refusal> {
        self.apart.spawn(work).await.map_err(|died| Refusal::Failed(died.to_string()))
    }
}

fn refusal(refusal: agentd_run::Refusal) -> Refusal {
    match refusal {
        agentd_run::Refusal::NotFound(text) => Refusal::NotFound(text),
        agentd_run::Refusal::NotNow(text) => Refusal::NotNow(text),
        agentd_run::Refusal::Invalid(text) => Refusal::Invalid(text),
        agentd_run::Refusal::Failed(text) => Refusal::Failed(text),
    }
}

#[async_trait]
impl Control for Wired {
    async fn submit(&self, draft: Draft, mode: Mode) -> Result<TaskId, Refusal> {
        self.handle.submit(draft, mode).await.map_err(refusal)
    }

    async fn start(&self, task: TaskId) -> Result<String, Refusal> {
        self.handle.start(task).await.map_err(refusal)
    }

    async fn cancel(&self, task: TaskId) -> Result<String, Refusal> {
        self.handle.cancel(task).await.map_err(refusal)
    }

    async fn retry(&self, task: TaskId) -> Result<String, Refusal> {
        self.handle.retry(task).await.map_err(refusal)
    }

    async fn approve(&self, task: TaskId) -> Result<String, Refusal> {
        self.handle.approve(task).await.map_err(refusal)
    }

    async fn reject(&self, task: TaskId, comment: Option<String>) -> Result<String, Refusal> {
        self.handle.reject(task, comment).await.map_err(refusal)
    }

    async fn clean(&self, task: TaskId) -> Result<String, Refusal> {
        self.handle.clean(task).await.map_err(refusal)
    }

    async fn diff(&self, task: TaskId) -> Result<String, Refusal> {
        self.handle.diff(task).await.map_err(refusal)
    }

    async fn pause(&self, paused: bool) -> Result<(), Refusal> {
        self.handle.pause(paused).await.map_err(refusal)
    }

    async fn check_workspaces(&self) -> Result<Vec<String>, Refusal> {
        self.handle.check_workspaces().await.map_err(refusal)
    }

    async fn effect(&self, id: i64, order: EffectOrder) -> Result<String, Refusal> {
        let (done, word) = match order {
            EffectOrder::Hold => (self.store.hold_effect(id).await, "held"),
            EffectOrder::Release => (self.store.release_effect(id).await, "released"),
            EffectOrder::Drop => return self.handle.drop_effect(id).await.map_err(refusal),
        };
        done.map_err(|error| refusal(error.into()))?;
        Ok(format!("effect {id} is {word}"))
    }

    async fn plugins(&self) -> Vec<Value> {
        let (health, counters) = (of_plugins(self.plugins.health()), of_plugins(self.plugins.counters()));
        let with = |info: &agentd_plugin::Info| {
            let mut shown = serde_json::to_value(info).ok()?;
            let of = |all: &[(String, Value)]| -> Value {
                all.iter().filter(|(plugin, _)| *plugin == info.name).map(|(_, it)| it.clone()).collect()
            };
            shown["health"] = of(&health);
            shown["counters"] = of(&counters);
            shown["limits"] = limits(info).into();
            Some(shown)
        };
        self.plugins.list().iter().filter_map(with).collect()
    }

    async fn rollback(&self, plugin: &str) -> Result<String, Refusal> {
        let (plugins, name) = (self.plugins.clone(), plugin.to_owned());
        let done = self.whole(async move { plugins.rollback(&name).await }).await?;
        let info = done.map_err(|error| Refusal::NotNow(error.to_string()))?;
        Ok(format!("{plugin} {} serves again ({})", info.version, info.digest))
    }

    async fn readmit(&self, plugin: &str) -> Result<String, Refusal> {
        let (plugins, name) = (self.plugins.clone(), plugin.to_owned());
        let done = self.whole(async move { plugins.retry(&name).await }).await?;
        let info = done.map_err(|error| Refusal::NotNow(error.to_string()))?;
        Ok(format!("{plugin} {} serves ({})", info.version, info.digest))
    }

    async fn plugin_log(&self, after: u64, plugin: Option<&str>, wait: bool) -> Vec<Value> {
        let lines = self.plugin_log.after(after, plugin, wait).await;
        lines.iter().filter_map(|it| serde_json::to_value(it).ok()).collect()
    }

    async fn reload(&self) -> Result<Value, Refusal> {
        let reload = self.reload.clone();
        self.whole(async move { reload.reload_now().await.to_json() }).await
    }

    async fn configuration(&self) -> Value {
        self.reload.state()
    }

    async fn stop(&self, mode: StopMode) -> Result<(), Refusal> {
        self.stop.send_replace(Some(match mode {
            StopMode::Stop => agentd_run::StopMode::Pause,
            StopMode::Drain => agentd_run::StopMode::Drain,
            StopMode::Now => agentd_run::StopMode::Now,
        }));
        Ok(())
    }
}

/// What is known of plugins, by the plugin that each belongs to.
fn of_plugins<T: serde::Serialize>(all: Vec<T>) -> Vec<(String, Value)> {
    let value = |it: &T| serde_json::to_value(it).unwrap_or_else(|_| json!({}));
    let named = |it: Value| (it["plugin"].as_str().unwrap_or_default().to_owned(), it);
    all.iter().map(value).map(named).collect()
}

/// What one call of the plugin may use unless `[plugins.limits]` says otherwise, a line for each function.
fn limits(info: &agentd_plugin::Info) -> Vec<String> {
    let all = info.kinds.iter().flat_map(|it| agentd_plugin::limits_of(*it, PLUGIN_MEMORY));
    let line = |(function, it): (&str, agentd_plugin::Budget)| {
        let (wall, cpu) = (duration_text(it.wall), duration_text(it.cpu));
        format!("{function}: {wall}, of that {cpu} of computing, {} of memory", size_text(it.memory as u64))
    };
    all.map(line).collect()
}
