//! `agentd doctor`: whether agentd can work here, check by check, and what to do where it cannot.
//!
//! Looks only: it makes a file in the home folder and removes it again, starts a sandbox and ends it, and keeps what it
//! compiled for the next start. Nobody outside is asked but the container engine and GitHub.

mod agents;
mod engine;
mod github;
mod machine;
mod plugins;
mod repositories;
mod sandbox;
mod workflows;

use super::{
    check::{self, Check},
    context::Context,
    exit::Error,
    rehearsal::Rehearsal,
};
use crate::config;
use agentd_gateway::registry::Registry;
use std::collections::BTreeSet;

/// Check the machine, the configuration, the engine, a sandbox, the plugins, the agents, GitHub and the repositories
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd doctor\n  agentd doctor --json | jq '.checks[] | select(.level == \"fail\")'"
)]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let checks = context.progress.during("looking around", look(context)).await;
        context.out.either(&serde_json::json!({ "checks": checks }), |out| check::text(out, &checks))?;
        match check::failed(&checks) {
            0 => Ok(()),
            1 => Err(Error::work("one check failed")),
            many => Err(Error::work(format!("{many} checks failed"))),
        }
    }
}

async fn look(context: &Context) -> Vec<Check> {
    let mut checks = vec![machine::git().await];
    match context.home() {
        Ok(home) => checks.extend(machine::home(&home)),
        Err(error) => checks.push(Check::fail("home", error.text, "name one with --home")),
    }
    let loaded = config::Config::load(context.global.config.as_deref(), context.global.home.as_deref());
    let config = match loaded {
        Ok(config) => config,
        Err(problems) => {
            let hint = "the other checks need the configuration";
            checks.push(Check::fail("configuration", problems.to_string(), hint));
            return checks;
        }
    };
    checks.push(configuration(&config));
    checks.push(machine::user(&config));
    checks.extend(engine::check(&config).await);
    checks.extend(sandbox::check(&config).await);
    match Rehearsal::load(&config).await {
        Ok(rehearsal) => {
            checks.extend(plugins::check(&rehearsal, &config).await);
            checks.extend(agents::check(&rehearsal, &config).await);
        }
        Err(error) => checks.push(Check::fail("plugins", error.text, error.hint.unwrap_or_default())),
    }
    checks.extend(registries(&config));
    checks.extend(repositories::check(&config).await);
    checks.extend(github::check(&config).await);
    checks
}

fn configuration(config: &config::Config) -> Check {
    let hint = "agentd init asks a few questions and writes one";
    match &config.file {
        None => Check::warn("configuration", "there is no file: all is default", hint),
        Some(file) if config.agents.is_empty() => {
            Check::warn("configuration", format!("{}: no agent is configured", file.display()), "add [agents.NAME]")
        }
        Some(file) => Check::ok("configuration", format!("{}, mode {}", file.display(), config.mode)),
    }
}

/// Where packages come from, if some sandbox may read them.
fn registries(config: &config::Config) -> Option<Check> {
    let used: BTreeSet<Registry> = config.repositories.values().flat_map(|it| it.egress.iter().copied()).collect();
    let url = |it: Registry| match it {
        Registry::Npm => config.registries.npm.as_deref(),
        Registry::Crates => config.registries.crates.as_deref(),
        Registry::Pypi => config.registries.pypi.as_deref(),
    };
    let shown = used.into_iter().map(|it| format!("{it} ({})", url(it).unwrap_or("the public one")));
    let shown: Vec<_> = shown.collect();
    (!shown.is_empty()).then(|| Check::ok("registries", shown.join(", ")))
}
