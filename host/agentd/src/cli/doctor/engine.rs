//! The container engine, where one is needed, and the images that it is to run. None is pulled for this.

use super::{Check, machine::uses};
use crate::config::{Config, ExecutorKind};
use agentd_executor::{DockerExecutor, DockerOptions, Executor as _};
use agentd_run::is_built;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::timeout;

const PROBE_LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn check(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if uses(config, ExecutorKind::Local) {
        let text = "agents run without walls, as you";
        let hint = "fine for your own text; never let it work on other people's: executor = \"docker\"";
        checks.push(Check::warn("executor local", text, hint));
    }
    if uses(config, ExecutorKind::Docker) {
        checks.extend(docker(config).await);
        checks.extend(image(config));
    }
    checks.extend(without_effect(config));
    checks
}

async fn docker(config: &Config) -> Vec<Check> {
    let hint = "start the engine, and see that you may use its socket; to try agentd without one: --executor local";
    // Asking how the engine is needs neither an instance nor a user of the sandbox.
    let options = DockerOptions { instance: "doctor".into(), socket: config.sandbox.socket.clone(), uid: 1, gid: 1 };
    let executor = match DockerExecutor::connect(options) {
        Ok(executor) => executor,
        Err(error) => return vec![Check::fail("engine", error.to_string(), hint)],
    };
    match timeout(PROBE_LIMIT, executor.probe()).await {
        Err(_) => vec![Check::fail("engine", "does not answer within 20 s", hint)],
        Ok(Err(error)) => vec![Check::fail("engine", error.to_string(), hint)],
        Ok(Ok(probe)) => {
            let mut checks = vec![Check::ok("engine", format!("{} (API {})", probe.engine, probe.api))];
            let problems = probe.problems.into_iter();
            checks.extend(problems.map(|it| Check::warn("engine", it, "see the engine's documentation")));
            checks.extend(images(config, &executor).await);
            checks
        }
    }
}

/// Whether the engine has the images of sandboxes and services.
async fn images(config: &Config, executor: &DockerExecutor) -> Vec<Check> {
    let mut wanted: BTreeMap<&str, String> = BTreeMap::new();
    if let Some(image) = config.sandbox.image.as_ref().filter(|it| !is_built(it)) {
        wanted.insert(image, "[sandbox]".into());
    }
    for it in config.repositories.values().filter(|it| config.executor_of(it) == ExecutorKind::Docker) {
        let own = it.image.iter().filter(|it| !is_built(it));
        for image in own.chain(it.services.iter().map(|it| &it.image)) {
            wanted.entry(image).or_insert_with(|| it.id.clone());
        }
    }
    let mut checks = Vec::new();
    for (image, of) in wanted {
        let name = format!("image {image}");
        checks.push(match timeout(PROBE_LIMIT, executor.has(image)).await {
            Ok(Ok(true)) => Check::ok(name, format!("the engine has it, for {of}")),
            Ok(Ok(false)) => {
                let hint = format!("docker pull {image} tells now whether that works");
                Check::warn(name, format!("the engine lacks it: {of} pulls it, with your docker login"), hint)
            }
            Ok(Err(error)) => Check::warn(name, error.to_string(), "see the engine"),
            Err(_) => Check::warn(name, "the engine does not answer within 20 s", "see the engine"),
        });
    }
    checks
}

/// What the configuration says of sandboxes that are none.
fn without_effect(config: &Config) -> Vec<Check> {
    let local = config.repositories.values().filter(|it| config.executor_of(it) == ExecutorKind::Local);
    let mut checks = Vec::new();
    for it in local {
        let closed = !it.egress.is_empty() || !it.tunnel.is_empty();
        for (key, there) in [("image", it.image.is_some()), ("egress and tunnel", closed)] {
            if there {
                let text = format!("{key} has no effect: with the executor local there is no sandbox");
                checks.push(Check::warn(format!("repository {}", it.id), text, "take executor = \"docker\""));
            }
        }
    }
    checks
}

fn image(config: &Config) -> Option<Check> {
    let without = config.repositories.values().filter(|it| it.image.is_none()).map(|it| it.id.as_str());
    let without: Vec<_> = without.collect();
    if config.sandbox.image.is_some() || without.is_empty() {
        return None;
    }
    let text = format!(
        "none is named for {}: one is made of this machine's own shell, git and small programs",
        without.join(", ")
    );
    Some(Check::warn(
        "image",
        text,
        "say image = \"…\" in [sandbox] or in the repository's section once gates need more",
    ))
}
