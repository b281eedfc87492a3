//! The agents: whether each has its plugin, its program and somebody's key. No provider is asked.

use super::Check;
use crate::{
    cli::{
        agent::{self, Look},
        rehearsal::Rehearsal,
    },
    config::{Agent, Config},
    toolbox::Tool,
};

pub(super) async fn check(rehearsal: &Rehearsal, config: &Config) -> Vec<Check> {
    let mut checks: Vec<_> = config
        .accounts
        .iter()
        .map(|(name, account)| {
            let text = format!("{} at {}, key {}", account.provider_word(), account.url, account.key.reference);
            Check::ok(format!("account {name}"), text)
        })
        .collect();
    for (name, it) in &config.agents {
        // One whose settings are wrong has been named with the plugins.
        if let Ok(look) = agent::look(rehearsal, config, name, it).await {
            checks.extend(configured(name, it, look));
        }
    }
    if config.agents.is_empty() {
        for plugin in rehearsal.agents() {
            if let Ok(look) = agent::look(rehearsal, config, &plugin, &agent::implied(&plugin)).await {
                checks.extend(unconfigured(&plugin, &look));
            }
        }
    }
    checks
}

fn configured(name: &str, agent: &Agent, look: Look) -> Vec<Check> {
    let title = format!("agent {name}");
    if let Some((problem, hint)) = look.problem(name) {
        return vec![Check::fail(title, problem, hint)];
    }
    let tools = look.tools.unwrap_or_default();
    let mut parts: Vec<_> = tools.iter().map(program).collect();
    let keys = look.models.iter().filter_map(|it| Some((&it.name, it.account.as_ref().ok()?)));
    parts.extend(keys.map(|(model, account)| format!("account {account} for {model}")));
    parts.extend(agent.model.iter().map(|it| format!("model {it}")));
    if parts.is_empty() {
        parts.push(format!("plugin {}; its program is the image's", agent.plugin));
    }
    let other = tools.iter().filter_map(|tool| Some((tool, tool.made_for.as_ref()?))).map(|(tool, made_for)| {
        let text = format!("{} {} is installed, and the plugin was made for {made_for}", tool.name, tool.version);
        Check::warn(title.clone(), text, format!("agentd toolbox install {name} brings that one"))
    });
    let other: Vec<_> = other.collect();
    std::iter::once(Check::ok(title, parts.join(", "))).chain(other).collect()
}

/// What `agentd run` could work with.
fn unconfigured(plugin: &str, look: &Look) -> Option<Check> {
    if !look.brings_program {
        return None;
    }
    let title = format!("agent {plugin}");
    Some(match look.problem(plugin) {
        None => Check::ok(title, "not configured, and ready: agentd run takes it"),
        Some((problem, hint)) => Check::warn(title, format!("not configured: {problem}"), hint),
    })
}

/// `claude 2.1.328 (sha256:0123456789ab)`.
fn program(tool: &Tool) -> String {
    let digest: String = tool.digest.chars().take("sha256:".len() + 12).collect();
    format!("{} {} ({digest})", tool.name, tool.version)
}
