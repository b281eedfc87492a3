//! The sections that put plugins to use: sources, analyzers, prioritizer, prompts, agents, notifiers.
//!
//! Whether a plugin exists and what it makes of its settings is not asked here: only the plugin host knows.

use super::{
    Config, allow, github,
    repository::glob,
    section::{Section, list, similar},
    value,
};
use agentd_run::Allow;
use agentd_task::Mode;
use std::{collections::BTreeMap, time::Duration};

/// What people want to hear of unless the configuration says otherwise.
const EVENTS: [&str; 4] = ["task.in-review", "task.waiting", "task.failed", "task.done"];

/// A plugin with its settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PluginUse {
    pub(crate) plugin: String,
    /// A JSON object; its relative paths start from [`Config::folder`].
    pub(crate) settings: serde_json::Value,
}

/// A named use of a task source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    pub(crate) plugin: String,
    pub(crate) settings: serde_json::Value,
    /// What becomes of its tasks.
    pub(crate) mode: Mode,
    /// From one poll to the next.
    pub(crate) interval: Duration,
    /// The repository of drafts that name none.
    pub(crate) repository: Option<String>,
    /// Globs of the ids of repositories that it may bring work for; none: all.
    pub(crate) repositories: Vec<String>,
    /// Who may start work; none: the source vouches for what it brings.
    pub(crate) allow: Option<Allow>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Analyzer {
    pub(crate) plugin: String,
    pub(crate) settings: serde_json::Value,
    /// What becomes of its findings.
    pub(crate) mode: Mode,
    /// Globs of the ids of repositories that it looks at; none: all.
    pub(crate) repositories: Vec<String>,
    pub(crate) interval: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Agent {
    pub(crate) plugin: String,
    pub(crate) settings: serde_json::Value,
    /// It takes the tasks that name no agent; exactly one does.
    pub(crate) default: bool,
    /// Whose key its model calls use; none: that of the only account that fits.
    pub(crate) account: Option<String>,
    /// The model that it is told to use; none: the agent's own choice.
    pub(crate) model: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notifier {
    pub(crate) plugin: String,
    pub(crate) settings: serde_json::Value,
    /// Globs of event kinds.
    pub(crate) events: Vec<String>,
    /// Globs of the ids of repositories whose threads it may write to; none: all.
    pub(crate) repositories: Vec<String>,
}

impl PluginUse {
    pub(super) fn read(section: &mut Section<'_, '_>, default: Option<&str>) -> PluginUse {
        let plugin = match default {
            Some(default) => section.text_or("plugin", default),
            None => section.required_text("plugin", "\"NAME\", as `agentd plugin list` shows it"),
        };
        PluginUse { plugin, settings: section.settings() }
    }
}

/// A source that says no mode has the `general` one.
pub(super) fn sources(root: &mut Section<'_, '_>, general: Mode) -> BTreeMap<String, Source> {
    let read = |section: &mut Section<'_, '_>, _: &str| {
        let PluginUse { plugin, settings } = PluginUse::read(section, None);
        Source {
            allow: allow::read(section, &plugin),
            plugin,
            settings,
            mode: section.word("mode", general, "propose, ask or auto"),
            interval: section.duration("interval", "30s", Duration::from_secs(1)),
            repository: section.text("repository"),
            repositories: section.texts("repositories", &[], glob),
        }
    };
    root.named("sources", value::name, read).into_iter().collect()
}

/// An analyzer that says no mode has the `general` one.
pub(super) fn analyzers(root: &mut Section<'_, '_>, general: Mode) -> BTreeMap<String, Analyzer> {
    let read = |section: &mut Section<'_, '_>, _: &str| {
        let PluginUse { plugin, settings } = PluginUse::read(section, None);
        Analyzer {
            plugin,
            settings,
            mode: section.word("mode", general, "propose, ask or auto"),
            repositories: section.texts("repositories", &[], glob),
            interval: section.duration("interval", "1h", Duration::from_secs(1)),
        }
    };
    root.named("analyzers", value::name, read).into_iter().collect()
}

pub(super) fn agents(root: &mut Section<'_, '_>) -> BTreeMap<String, Agent> {
    let mut chosen: Vec<String> = Vec::new();
    let read = |section: &mut Section<'_, '_>, name: &str| {
        let PluginUse { plugin, settings } = PluginUse::read(section, Some(name));
        let default = section.flag("default", false);
        if default {
            if let Some(first) = chosen.first() {
                section.problem("default", format!("is true for the agent {first} too: one agent is the default"));
            }
            chosen.push(name.to_owned());
        }
        Agent { plugin, settings, default, account: section.text("account"), model: section.text("model") }
    };
    let mut agents: BTreeMap<_, _> = root.named("agents", value::name, read).into_iter().collect();
    if chosen.is_empty() {
        match agents.len() {
            0 => (),
            // The only one there is needs no mark.
            1 => {
                for (name, agent) in &mut agents {
                    agent.default = true;
                    let key = format!("agents.{name}.default");
                    root.reading.shown.iter_mut().filter(|it| it.key == key).for_each(|it| it.value = true.into());
                }
            }
            _ => {
                let names = list(agents.keys().map(String::as_str));
                root.problem("agents", format!("one of them must say default = true: {names}"));
            }
        }
    }
    agents
}

pub(super) fn notifiers(root: &mut Section<'_, '_>) -> BTreeMap<String, Notifier> {
    let read = |section: &mut Section<'_, '_>, _: &str| {
        let PluginUse { plugin, settings } = PluginUse::read(section, None);
        let events = section.texts("events", &EVENTS, glob);
        Notifier { plugin, settings, events, repositories: section.texts("repositories", &[], glob) }
    };
    root.named("notifiers", value::name, read).into_iter().collect()
}

/// Looks up the repositories that sources, analyzers and notifiers name. A glob has to name one that is known, or meet a
/// glob of `[github]`, which finds repositories only at the start.
pub(super) fn resolve_repositories(root: &mut Section<'_, '_>, config: &Config) {
    let known: Vec<&str> = config.repositories.keys().map(String::as_str).collect();
    let on_github: Vec<_> = config.github.iter().flat_map(|it| &it.repositories).collect();
    let mut unknown = Vec::new();
    for (name, source) in &config.sources {
        let named = source.repository.iter().filter(|it| !known.contains(&it.as_str()) && !config.is_mine(it));
        unknown.extend(named.map(|id| ("sources", name, "repository", id)));
    }
    let globs = [
        ("sources", config.sources.iter().map(|(name, it)| (name, &it.repositories)).collect::<Vec<_>>()),
        ("analyzers", config.analyzers.iter().map(|(name, it)| (name, &it.repositories)).collect()),
        ("notifiers", config.notifiers.iter().map(|(name, it)| (name, &it.repositories)).collect()),
    ];
    for (section, of) in globs {
        for (name, globs) in of {
            let named = |glob: &&String| {
                !known.iter().any(|it| github::matches(glob, it)) && !on_github.iter().any(|it| github::meet(glob, it))
            };
            unknown.extend(globs.iter().filter(named).map(|glob| (section, name, "repositories", glob)));
        }
    }
    for (section, name, key, id) in unknown {
        let known = known.iter().copied();
        let missing = match config.github {
            _ if github::is_glob(id) => format!("no repository is named by {id:?}"),
            Some(_) => format!("there is no [repositories.{id:?}], and [github] repositories does not name it"),
            None => format!("there is no [repositories.{id:?}]"),
        };
        let what = match similar(id, known.clone()).filter(|_| !github::is_glob(id)) {
            Some(meant) => format!("{missing}; did you mean {meant:?}?"),
            None => format!("{missing}; known are {}", list(known)),
        };
        root.problem_at(&[section, name, key], what);
    }
}
