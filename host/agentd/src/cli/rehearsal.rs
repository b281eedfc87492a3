//! The plugins without a daemon: loaded and asked as the daemon would do it, to see whether they work with what the
//! configuration says.
//!
//! What an agent needs and wants is asked here too: neither answer depends on anything outside of it.
//!
//! They get nothing: no files, no network, no stored values. What they are asked here needs none of it.

use super::exit::Error;
use crate::{
    config::Config,
    daemon::{self, Shipped},
};
use agentd_authoring::Offline;
use agentd_plugin::{Kind, Plugins, wit};
use serde_json::Value;
use std::{path::PathBuf, sync::Arc};
use wit::{
    agent::Requirements,
    manifest::{ModelWant, Want},
};

/// The plugins, and the folder of compiled code that goes with them if it was made for this alone.
pub(super) struct Rehearsal {
    pub(super) plugins: Plugins,
    scratch: Option<PathBuf>,
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        if let Some(folder) = &self.scratch {
            // It lies among temporary files: who cleans those up finds what is left.
            std::fs::remove_dir_all(folder).ok();
        }
    }
}

impl Rehearsal {
    /// Loads the shipped plugins and those of the plugin folder.
    pub(super) async fn load(config: &Config) -> Result<Rehearsal, Error> {
        let scratch = (!config.home.exists())
            .then(|| std::env::temp_dir().join(format!("agentd-rehearsal-{}", std::process::id())));
        let folder = scratch.clone().unwrap_or_else(|| config.home.clone());
        let shipped = Shipped::find(&folder)?;
        let options = daemon::plugin_options(config, &folder, &shipped);
        let host = Offline { now: u64::try_from(super::print::now()).unwrap_or(0) };
        let loaded = Plugins::load(options, Arc::new(host)).await;
        let plugins = loaded.map_err(|error| Error::usage(error.to_string()))?;
        Ok(Rehearsal { plugins, scratch })
    }

    /// What is wrong with the sections that use plugins: section and text.
    pub(super) async fn problems(&self, config: &Config) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for (section, name, plugin, settings) in uses(config) {
            let entry = self.plugins.entry(name, plugin, settings.clone(), vec![]).await;
            if let Err(error) = entry {
                problems.push((section, error.to_string()));
            }
        }
        problems
    }

    /// The names of all plugins that are agents and serve.
    pub(super) fn agents(&self) -> Vec<String> {
        let agents = self.plugins.list().into_iter().filter(|it| it.problem.is_none());
        agents.filter(|it| it.kinds.contains(&Kind::Agent)).map(|it| it.name).collect()
    }

    /// What has to be in an agent's sandbox.
    pub(super) async fn needs(&self, agent: &str, plugin: &str, settings: &Value) -> Result<Requirements, Error> {
        let entry = self.plugins.entry(agent, plugin, settings.clone(), vec![]).await;
        let entry = entry.map_err(|error| Error::usage(format!("the agent {agent}: {error}")))?;
        entry.needs().await.map_err(|error| Error::work(format!("the agent {agent}: {error}")))
    }

    /// The models that an agent calls.
    pub(super) async fn models(&self, plugin: &str, settings: &Value) -> Result<Vec<ModelWant>, Error> {
        let wants = self.plugins.wants(plugin, settings.clone()).await;
        let wants = wants.map_err(|error| Error::usage(error.to_string()))?;
        let model = |want| if let Want::Model(model) = want { Some(model) } else { None };
        Ok(wants.into_iter().filter_map(model).collect())
    }
}

/// Section, name, plugin and settings of every use of a plugin.
fn uses(config: &Config) -> Vec<(String, &str, &str, &Value)> {
    let sources = config.sources.iter().map(|(name, it)| ("sources", name, &it.plugin, &it.settings));
    let analyzers = config.analyzers.iter().map(|(name, it)| ("analyzers", name, &it.plugin, &it.settings));
    let agents = config.agents.iter().map(|(name, it)| ("agents", name, &it.plugin, &it.settings));
    let notifiers = config.notifiers.iter().map(|(name, it)| ("notifiers", name, &it.plugin, &it.settings));
    let named = sources.chain(analyzers).chain(agents).chain(notifiers);
    let named = named
        .map(|(kind, name, plugin, settings)| (format!("{kind}.{name}"), name.as_str(), plugin.as_str(), settings));
    let single = [("prioritizer", &config.prioritizer), ("prompts", &config.prompts)];
    let single = single.map(|(name, it)| (name.to_owned(), name, it.plugin.as_str(), &it.settings));
    named.chain(single).collect()
}
