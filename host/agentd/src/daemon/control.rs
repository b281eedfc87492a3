//! What the server asks for, done by the rooms that can.

use crate::server::{Control, EffectOrder, Refusal, StopMode};
use agentd_plugin::Plugins;
use agentd_run::Handle;
use agentd_store::Store;
use agentd_task::{Draft, Mode, TaskId};
use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;

pub(super) struct Wired {
    pub(super) handle: Handle,
    pub(super) store: Store,
    pub(super) plugins: Plugins,
    pub(super) stop: watch::Sender<Option<agentd_run::StopMode>>,
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
        self.plugins.list().iter().filter_map(|it| serde_json::to_value(it).ok()).collect()
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
