//! Whether an agent could work: its plugin, its program in the toolbox, somebody's key for its models.
//!
//! Looks only, and asks nobody outside. `agentd run` needs the answer before it starts, `agentd doctor` tells it.

use super::{exit::Error, rehearsal::Rehearsal};
use crate::{
    config::{Agent, Config, NoAccount},
    toolbox::{self, Missing, Tool},
};
use serde_json::json;
use std::path::Path;

/// What was found.
pub(super) struct Look {
    pub(super) tools: Result<Vec<Tool>, Missing>,
    pub(super) models: Vec<Served>,
    /// It brings its own program, so that nothing but a key is needed besides.
    pub(super) brings_program: bool,
}

/// A model that an agent calls.
pub(super) struct Served {
    /// As the plugin calls it.
    pub(super) name: String,
    /// Without it the agent cannot work.
    pub(super) required: bool,
    /// Whose key serves it.
    pub(super) account: Result<String, NoAccount>,
}

impl Look {
    /// What keeps it from working, and what to do.
    pub(super) fn problem(&self, agent: &str) -> Option<(String, String)> {
        if let Err(missing) = &self.tools {
            return Some((missing.to_string(), missing.hint.clone()));
        }
        let failed = self.models.iter().filter(|it| it.required).find_map(|it| it.account.as_ref().err());
        failed.map(|it| (it.to_string(), it.hint(agent)))
    }
}

/// Looks at one agent.
///
/// # Errors
/// If its plugin is not there, or does not take its settings.
pub(super) async fn look(rehearsal: &Rehearsal, config: &Config, name: &str, agent: &Agent) -> Result<Look, Error> {
    let needs = rehearsal.needs(name, &agent.plugin, &agent.settings).await?;
    let tools = toolbox::mounts(&config.home, &needs).map_err(|it| it.of_agent(name));
    let wanted = rehearsal.models(&agent.plugin, &agent.settings).await?;
    let account = |apis: &[String]| config.account_of(agent, apis).map(|(account, _)| account.to_owned());
    let models =
        wanted.into_iter().map(|it| Served { account: account(&it.apis), name: it.name, required: it.required });
    Ok(Look { tools, models: models.collect(), brings_program: !needs.tools.is_empty() })
}

/// An agent that nobody configured: the plugin of that name, as it is.
pub(super) fn implied(plugin: &str) -> Agent {
    Agent { plugin: plugin.to_owned(), settings: json!({}), default: false, account: None, model: None }
}

/// Sees to it that the agent that is to do a task is in the configuration, and could work.
///
/// Where it names none that is configured, a plugin of that name does; where nobody names or configures any, the only
/// one whose program and key are there.
///
/// # Errors
/// What a person has to do first.
pub(super) async fn choose(rehearsal: &Rehearsal, config: &mut Config, named: Option<&str>) -> Result<(), Error> {
    let plugins = rehearsal.agents();
    let name = match named {
        Some(name) if config.agents.contains_key(name) => name.to_owned(),
        Some(name) if plugins.iter().any(|it| it == name) => {
            let agent = Agent { default: config.agents.is_empty(), ..implied(name) };
            config.agents.insert(name.to_owned(), agent);
            name.to_owned()
        }
        Some(name) => {
            let known: Vec<_> = config.agents.keys().chain(&plugins).map(String::as_str).collect();
            return Err(Error::usage(format!("there is no agent {name:?}: there are {}", known.join(", "))));
        }
        None => match config.default_agent() {
            Some((name, _)) => name.to_owned(),
            None => {
                let name = only_one(rehearsal, config, &plugins).await?;
                config.agents.insert(name.clone(), Agent { default: true, ..implied(&name) });
                name
            }
        },
    };
    let Some(agent) = config.agents.get(&name) else { return Ok(()) };
    match look(rehearsal, config, &name, agent).await?.problem(&name) {
        None => Ok(()),
        Some((problem, hint)) => Err(Error::usage(format!("the agent {name} cannot work: {problem}")).hint(hint)),
    }
}

/// The only agent that could work without being configured.
async fn only_one(rehearsal: &Rehearsal, config: &Config, plugins: &[String]) -> Result<String, Error> {
    let mut looks = Vec::new();
    for plugin in plugins {
        // One that has to have settings cannot be looked at without them, nor used.
        if let Ok(look) = look(rehearsal, config, plugin, &implied(plugin)).await {
            looks.push((plugin.clone(), look));
        }
    }
    let file = config.file.clone().unwrap_or_else(|| config.home.join("agentd.toml"));
    ready(looks, &file)
}

/// The one agent that could work, or why there is not one.
fn ready(looks: Vec<(String, Look)>, file: &Path) -> Result<String, Error> {
    let (mut ready, mut others) = (Vec::new(), String::new());
    for (plugin, look) in looks.into_iter().filter(|(_, look)| look.brings_program) {
        match look.problem(&plugin) {
            None => ready.push(plugin),
            Some((problem, hint)) => others.push_str(&format!("\n  {plugin}: {problem}: {hint}")),
        }
    }
    match &ready[..] {
        [one] => Ok(one.clone()),
        [] => {
            let text = format!("no agent is configured, and none works without being so{others}");
            let hint =
                format!("see to one of them, or add [agents.NAME] with plugin and settings to {}", file.display());
            Err(Error::usage(text).hint(hint))
        }
        several => {
            let text = format!("several agents could do it: {}", several.join(", "));
            Err(Error::usage(text).hint(format!("say which: --agent {}", several[0])))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(installed: bool, account: Option<&str>) -> Look {
        let missing = Missing {
            tool: "cli".into(),
            what: "the program cli is not installed".into(),
            hint: "agentd toolbox install cli".into(),
        };
        let apis = vec!["anthropic-messages".to_owned()];
        let account = account.map(str::to_owned).ok_or(NoAccount::Missing { apis });
        Look {
            tools: if installed { Ok(Vec::new()) } else { Err(missing.of_agent("some-cli")) },
            models: vec![Served { name: "main".into(), required: true, account }],
            brings_program: true,
        }
    }

    #[track_caller]
    fn check(looks: [Look; 2], chosen: &str) {
        let looks = ["a", "b"].map(str::to_owned).into_iter().zip(looks).collect();
        let found = ready(looks, Path::new("/srv/agentd.toml"));
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), chosen);
    }

    #[test]
    fn the_only_agent_that_could_work_is_taken() {
        check([look(true, Some("x")), look(false, Some("x"))], "a");
        check([look(true, None), look(true, Some("x"))], "b");
        let image = Look { brings_program: false, ..look(true, Some("x")) };
        check([image, look(true, Some("x"))], "b");
    }

    #[test]
    fn without_one_or_with_two_people_hear_what_to_do() {
        check(
            [look(true, Some("x")), look(true, Some("x"))],
            "error: several agents could do it: a, b\nhint: say which: --agent a",
        );
        check(
            [look(false, Some("x")), look(true, None)],
            "error: no agent is configured, and none works without being so\n  \
             a: the program cli is not installed: agentd toolbox install some-cli\n  \
             b: there is no account that speaks anthropic-messages: export ANTHROPIC_API_KEY=…, or add [accounts.NAME] \
             with provider = \"anthropic\" and key, and say [agents.b] account = \"NAME\"\n\
             hint: see to one of them, or add [agents.NAME] with plugin and settings to /srv/agentd.toml",
        );
    }

    #[test]
    fn an_optional_model_may_lack_its_account() {
        let mut found = look(true, None);
        assert!(found.problem("a").is_some());
        found.models[0].required = false;
        assert_eq!(found.problem("a"), None);
    }
}
