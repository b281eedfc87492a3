//! The container engine, where one is needed.

use super::{Check, machine::uses};
use crate::config::{Config, ExecutorKind};
use agentd_executor::{DockerExecutor, DockerOptions, Executor as _};
use std::time::Duration;
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
    checks
}

async fn docker(config: &Config) -> Vec<Check> {
    let hint = "start the engine, and see that you may use its socket; to try agentd without one: --executor local";
    // Asking how the engine is needs neither an instance nor a user of the sandbox.
    let options = DockerOptions { instance: "doctor".into(), socket: config.sandbox.socket.clone(), uid: 1, gid: 1 };
    let probe = match DockerExecutor::connect(options) {
        Ok(executor) => timeout(PROBE_LIMIT, async move { executor.probe().await }).await,
        Err(error) => return vec![Check::fail("engine", error.to_string(), hint)],
    };
    match probe {
        Err(_) => vec![Check::fail("engine", "does not answer within 20 s", hint)],
        Ok(Err(error)) => vec![Check::fail("engine", error.to_string(), hint)],
        Ok(Ok(probe)) => {
            let found = Check::ok("engine", format!("{} (API {})", probe.engine, probe.api));
            let problems = probe.problems.into_iter();
            std::iter::once(found)
                .chain(problems.map(|it| Check::warn("engine", it, "see the engine's documentation")))
                .collect()
        }
    }
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
