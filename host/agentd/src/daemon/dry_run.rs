//! What a start would find, without being one: the parts are built on a home folder that is thrown away, and only
//! sources and prioritizer are asked.
//!
//! Never writes to the home folder, the store, an engine or a forge.

use super::{Shipped, parts};
use crate::{
    config::{Config, ExecutorKind},
    server::{
        query::{self, TaskQuery},
        view::TaskView,
    },
};
use agentd_run::{Clock, Service};
use agentd_store::Store;
use anyhow::Context;

/// More events of one look are not read.
const EVENTS_MAX: u32 = 1_000;

/// What was found.
pub(crate) struct Seen {
    /// Best first.
    pub(crate) tasks: Vec<TaskView>,
    /// Sources that could not be asked, by name, and why.
    pub(crate) failed: Vec<(String, String)>,
    /// What was found and not taken, one sentence each.
    pub(crate) refused: Vec<String>,
}

/// Asks each source once, and the prioritizer about what they said.
///
/// # Errors
/// What would keep the daemon from starting, as far as no engine is asked.
pub(crate) async fn dry_run(mut config: Config) -> anyhow::Result<Seen> {
    let folder = tempfile::Builder::new().prefix("agentd-dry-").tempdir().context("no temporary folder can be made")?;
    let clock = Clock::system();
    config.home = folder.path().to_owned();
    // No sandbox is started, so that no engine is needed.
    for repository in config.repositories.values_mut().chain([&mut config.repository_defaults]) {
        repository.executor = Some(ExecutorKind::Local);
        repository.services.clear();
    }
    let shipped = Shipped::find(&config.home)?;
    let store = Store::open(agentd_store::Options { path: config.home.join("agentd.db") }, clock.now())?;
    let built = parts::build(&config, &store, &shipped, clock).await?;
    let (service, _handle) = Service::new(built.options);
    let failed = service.look_once().await?;
    let reader = store.reader();
    let mut tasks = Vec::new();
    let mut query = TaskQuery { limit: Some(query::ROWS_MAX), ..TaskQuery::default() };
    loop {
        let batch = query::tasks(reader, query.clone()).await?;
        let Some(last) = batch.last() else { break };
        query.after = Some(last.id);
        tasks.extend(batch);
    }
    tasks.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    let events = query::events(reader, 0, EVENTS_MAX, None).await?;
    let refused = events.into_iter().filter(|it| it.kind == "source.problem").map(|it| it.text).collect();
    built.wiring.gateway.drain().await;
    store.close().await;
    Ok(Seen { tasks, failed, refused })
}
