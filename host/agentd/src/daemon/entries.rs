//! The configuration's uses of plugins, as entries that can be called.
//!
//! What is configured as before is taken over as it is. Rights are no business of this: the plugin room works them out
//! of what a plugin wants and what is approved.

use super::{gateway, misconfigured, parts::Before, trouble::Trouble};
use crate::config::{self, Config};
use agentd_plugin::{Entry, Plugins};
use agentd_run::{Agent, Analyzer, Notifier, Source};
use globset::{Glob, GlobSetBuilder};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What entries are made of.
pub(super) struct Uses<'a> {
    pub(super) config: &'a Config,
    pub(super) plugins: &'a Plugins,
    pub(super) before: Option<&'a Before<'a>>,
}

/// A use of a plugin: where it stands in the configuration, which plugin, and its settings.
struct Use<'a> {
    section: String,
    name: &'a str,
    plugin: &'a str,
    settings: &'a Value,
    repositories: Vec<String>,
}

impl Uses<'_> {
    pub(super) async fn sources(&self, troubles: &mut Vec<Trouble>) -> Vec<Arc<Source>> {
        let mut sources = vec![];
        for (name, it) in &self.config.sources {
            let same = self.before.filter(|b| b.config.sources.get(name) == Some(it) && self.same(b, &it.repositories));
            if let Some(same) = same.and_then(|it| it.arrangement.sources.iter().find(|it| it.name == *name)) {
                sources.push(same.clone());
                continue;
            }
            let (section, repositories) = (format!("sources.{name}"), self.config.repositories_of(&it.repositories));
            let used = Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories };
            let Some(entry) = self.entry(used, troubles).await else { continue };
            sources.push(Arc::new(Source {
                name: name.clone(),
                entry,
                mode: it.mode,
                interval: it.interval,
                repository: it.repository.clone(),
                allow: it.allow.clone(),
            }));
        }
        sources
    }

    pub(super) async fn analyzers(&self, troubles: &mut Vec<Trouble>) -> Vec<Arc<Analyzer>> {
        let mut analyzers = vec![];
        for (name, it) in &self.config.analyzers {
            let same =
                self.before.filter(|b| b.config.analyzers.get(name) == Some(it) && self.same(b, &it.repositories));
            if let Some(same) = same.and_then(|it| it.arrangement.analyzers.iter().find(|it| it.name == *name)) {
                analyzers.push(same.clone());
                continue;
            }
            let (section, repositories) = (format!("analyzers.{name}"), self.config.repositories_of(&it.repositories));
            let given = repositories.clone();
            let used = Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories: given };
            let Some(entry) = self.entry(used, troubles).await else { continue };
            let (name, mode, interval) = (name.clone(), it.mode, it.interval);
            analyzers.push(Arc::new(Analyzer { name, entry, mode, interval, repositories }));
        }
        analyzers
    }

    pub(super) async fn agents(&self, troubles: &mut Vec<Trouble>) -> BTreeMap<String, Agent> {
        let mut agents = BTreeMap::new();
        for (name, it) in &self.config.agents {
            match self.agent(name, it, troubles).await {
                Ok(Some(agent)) => drop(agents.insert(name.clone(), agent)),
                Ok(None) => {}
                Err(error) => troubles.push(Trouble::of(&format!("agents.{name}"), error)),
            }
        }
        agents
    }

    /// None: it has no entry, which was noted.
    async fn agent(
        &self,
        name: &str,
        it: &config::Agent,
        troubles: &mut Vec<Trouble>,
    ) -> anyhow::Result<Option<Agent>> {
        let section = format!("agents.{name}");
        let broken = |what: &str, why: String| {
            let text = format!("[{section}]: {}: {what}: {why}", it.plugin);
            misconfigured(text, format!("`agentd plugin inspect {}` shows what it takes", it.plugin))
        };
        let used = |it: &config::Agent| (it.plugin.clone(), it.settings.clone());
        let same = self.before.filter(|b| !b.ask_agents && b.config.agents.get(name).map(used) == Some(used(it)));
        let same = same.and_then(|it| it.arrangement.agents.get(name));
        let (entry, needs) = match same {
            Some(same) => (same.entry.clone(), same.needs.clone()),
            None => {
                let repositories = vec![];
                let section = section.clone();
                let used = Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories };
                let Some(entry) = self.entry(used, troubles).await else { return Ok(None) };
                let needs = entry.needs().await;
                let needs = needs.map_err(|error| broken("it does not say what it needs", error.to_string()))?;
                (entry, needs)
            }
        };
        let wants = self.plugins.wants(&it.plugin, it.settings.clone()).await;
        let wants = wants.map_err(|error| broken("it does not say what it wants", error.to_string()))?;
        let (endpoints, no_model) = gateway::models(self.config, name, it, &wants);
        if let Some(why) = &no_model {
            tracing::warn!(agent.name = name, why, "An agent has no model to work with, and its tasks will wait");
        }
        Ok(Some(Agent { entry, model: it.model.clone(), endpoints, no_model, needs }))
    }

    pub(super) async fn notifiers(&self, troubles: &mut Vec<Trouble>) -> Vec<Notifier> {
        let mut notifiers = vec![];
        for (name, it) in &self.config.notifiers {
            let same =
                self.before.filter(|b| b.config.notifiers.get(name) == Some(it) && self.same(b, &it.repositories));
            if let Some(same) = same.and_then(|it| it.arrangement.notifiers.iter().find(|it| it.name == *name)) {
                notifiers.push(same.clone());
                continue;
            }
            let (section, repositories) = (format!("notifiers.{name}"), self.config.repositories_of(&it.repositories));
            let mut events = GlobSetBuilder::new();
            for glob in it.events.iter().filter_map(|it| Glob::new(it).ok()) {
                events.add(glob); // the configuration's reader has checked them
            }
            let events = match events.build() {
                Ok(events) => events,
                Err(error) => {
                    troubles.push(Trouble::of(&format!("{section}.events"), error.into()));
                    continue;
                }
            };
            let used = Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories };
            let Some(entry) = self.entry(used, troubles).await else { continue };
            notifiers.push(Notifier { name: name.clone(), entry, events });
        }
        notifiers
    }

    pub(super) async fn prioritizer(&self, troubles: &mut Vec<Trouble>) -> Option<Entry> {
        let it = &self.config.prioritizer;
        if let Some(same) = self.before.filter(|before| before.config.prioritizer == *it) {
            return Some(same.arrangement.prioritizer.clone());
        }
        let (section, name, repositories) = ("prioritizer".to_owned(), "prioritizer", vec![]);
        self.entry(Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories }, troubles).await
    }

    pub(super) async fn prompts(&self, troubles: &mut Vec<Trouble>) -> Option<Entry> {
        let it = &self.config.prompts;
        if let Some(same) = self.before.filter(|before| before.config.prompts == *it && self.same(before, &[])) {
            return Some(same.arrangement.prompts.clone());
        }
        let (section, name) = ("prompts".to_owned(), "prompts");
        let repositories = self.config.repositories.keys().cloned().collect();
        self.entry(Use { section, name, plugin: &it.plugin, settings: &it.settings, repositories }, troubles).await
    }

    /// Whether globs name the same repositories as before.
    fn same(&self, before: &Before<'_>, globs: &[String]) -> bool {
        before.config.repositories_of(globs) == self.config.repositories_of(globs)
    }

    /// None: it cannot be, which was noted.
    async fn entry(&self, it: Use<'_>, troubles: &mut Vec<Trouble>) -> Option<Entry> {
        let made = self.plugins.entry(it.name, it.plugin, it.settings.clone(), it.repositories).await;
        let error = match made {
            Ok(entry) => return Some(entry),
            Err(error) => error,
        };
        let text = format!("[{}]: {error}", it.section);
        let whole = misconfigured(text, format!("`agentd plugin inspect {}` shows what it takes", it.plugin));
        troubles.push(match &error {
            agentd_plugin::Error::Settings { problems, .. } => Trouble::settings(&it.section, problems, whole),
            _ => Trouble::of(&it.section, whole),
        });
        None
    }
}
