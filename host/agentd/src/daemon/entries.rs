//! The configuration's uses of plugins, as entries that can be called.

use super::{gateway, misconfigured};
use crate::config::Config;
use agentd_plugin::{Entry, Grants, Origin, Plugins};
use agentd_run::{Agent, Analyzer, Notifier, Source};
use globset::{Glob, GlobSetBuilder};
use serde_json::Value;
use std::collections::BTreeMap;

/// A use of a plugin: where it stands in the configuration, which plugin, and its settings.
struct Use<'a> {
    section: String,
    name: &'a str,
    plugin: &'a str,
    settings: &'a Value,
    repositories: Vec<String>,
}

/// Makes an entry, with what the section that uses the plugin implies as its grants.
async fn entry(plugins: &Plugins, it: Use<'_>) -> anyhow::Result<Entry> {
    let mistake = |error: agentd_plugin::Error| {
        misconfigured(
            format!("[{}]: {error}", it.section),
            format!("`agentd plugin inspect {}` shows what it takes", it.plugin),
        )
    };
    let shipped = plugins.list().iter().any(|info| info.name == it.plugin && matches!(info.origin, Origin::Shipped));
    let grants = match shipped {
        true => {
            let wants = plugins.wants(it.plugin, it.settings.clone()).await.map_err(mistake)?;
            Grants::implied(&wants, it.repositories)
        }
        // What somebody dropped into the folder reads repositories, and that is all.
        false => Grants { repositories: it.repositories, ..Grants::default() },
    };
    plugins.entry(it.name, it.plugin, it.settings.clone(), grants).await.map_err(mistake)
}

pub(super) async fn sources(config: &Config, plugins: &Plugins) -> anyhow::Result<Vec<Source>> {
    let mut sources = vec![];
    for (name, it) in &config.sources {
        let repositories = config.repositories_of(&it.repositories);
        let used =
            Use { section: format!("sources.{name}"), name, plugin: &it.plugin, settings: &it.settings, repositories };
        sources.push(Source {
            name: name.clone(),
            entry: entry(plugins, used).await?,
            mode: it.mode,
            interval: it.interval,
            repository: it.repository.clone(),
            allow: it.allow.clone(),
        });
    }
    Ok(sources)
}

pub(super) async fn analyzers(config: &Config, plugins: &Plugins) -> anyhow::Result<Vec<Analyzer>> {
    let mut analyzers = vec![];
    for (name, it) in &config.analyzers {
        let section = format!("analyzers.{name}");
        let repositories = config.repositories_of(&it.repositories);
        let used =
            Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories: repositories.clone() };
        analyzers.push(Analyzer {
            name: name.clone(),
            entry: entry(plugins, used).await?,
            mode: it.mode,
            interval: it.interval,
            repositories,
        });
    }
    Ok(analyzers)
}

pub(super) async fn agents(config: &Config, plugins: &Plugins) -> anyhow::Result<BTreeMap<String, Agent>> {
    let mut agents = BTreeMap::new();
    for (name, it) in &config.agents {
        let section = format!("agents.{name}");
        let used = Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories: vec![] };
        let entry = entry(plugins, used).await?;
        let broken = |what: &str, why: String| {
            let text = format!("[agents.{name}]: {}: {what}: {why}", it.plugin);
            misconfigured(text, format!("`agentd plugin inspect {}` shows what it takes", it.plugin))
        };
        let wants = plugins.wants(&it.plugin, it.settings.clone()).await;
        let wants = wants.map_err(|error| broken("it does not say what it wants", error.to_string()))?;
        let needs = entry.needs().await;
        let needs = needs.map_err(|error| broken("it does not say what it needs", error.to_string()))?;
        let (endpoints, no_model) = gateway::models(config, name, it, &wants);
        if let Some(why) = &no_model {
            tracing::warn!(agent.name = name, why, "An agent has no model to work with, and its tasks will wait");
        }
        agents.insert(name.clone(), Agent { entry, model: it.model.clone(), endpoints, no_model, needs });
    }
    Ok(agents)
}

pub(super) async fn notifiers(config: &Config, plugins: &Plugins) -> anyhow::Result<Vec<Notifier>> {
    let mut notifiers = vec![];
    for (name, it) in &config.notifiers {
        let section = format!("notifiers.{name}");
        let repositories = config.repositories_of(&it.repositories);
        let used = Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories };
        let mut events = GlobSetBuilder::new();
        for glob in &it.events {
            events.add(Glob::new(glob)?); // the configuration's reader has checked them
        }
        notifiers.push(Notifier { name: name.clone(), entry: entry(plugins, used).await?, events: events.build()? });
    }
    Ok(notifiers)
}

pub(super) async fn prioritizer(config: &Config, plugins: &Plugins) -> anyhow::Result<Entry> {
    let it = &config.prioritizer;
    let (section, repositories) = ("prioritizer".to_owned(), vec![]);
    entry(plugins, Use { section, name: "prioritizer", plugin: &it.plugin, settings: &it.settings, repositories }).await
}

pub(super) async fn prompts(config: &Config, plugins: &Plugins) -> anyhow::Result<Entry> {
    let it = &config.prompts;
    let repositories = config.repositories.keys().cloned().collect();
    let section = "prompts".to_owned();
    entry(plugins, Use { section, name: "prompts", plugin: &it.plugin, settings: &it.settings, repositories }).await
}
