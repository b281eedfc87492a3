//! A sandbox: whether one really starts here, with all its walls, and ends again.

use super::{Check, machine::uses};
use crate::{
    config::{Config, ExecutorKind},
    daemon::{self, EMPTY_IMAGE, Shipped},
};
use agentd_executor::{Command, DockerExecutor, Executor as _, Limits, Network, Sandbox, holder_argv, image};
use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};
use tokio::time::{Instant, timeout};

const LIMIT: Duration = Duration::from_secs(60);

/// None: nobody needs one, or what it needs was told to be missing by another check.
pub(super) async fn check(config: &Config) -> Option<Check> {
    if !uses(config, ExecutorKind::Docker) || !rustix::process::geteuid().is_root() {
        return None;
    }
    let docker = daemon::docker(config, "doctor").ok()?;
    if !matches!(timeout(LIMIT, docker.probe()).await, Ok(Ok(_))) {
        return None;
    }
    let began = Instant::now();
    let hint = "see the engine's own log; agentd doctor -vv says what was asked of it";
    let text = |began: Instant| format!("one starts, and ended again after {} ms", began.elapsed().as_millis());
    match timeout(LIMIT, start(config, &docker)).await {
        Ok(Ok(true)) => Some(Check::ok("sandbox", text(began))),
        Ok(Ok(false)) => None,
        Ok(Err(error)) => Some(Check::fail("sandbox", format!("{error:#}"), hint)),
        Err(_) => Some(Check::fail("sandbox", "none started within 60 s", hint)),
    }
}

/// Starts one with nothing in it but its first process, and removes it. `false`: this agentd has no first process to
/// start, which is told with its plugins.
async fn start(config: &Config, docker: &DockerExecutor) -> anyhow::Result<bool> {
    // Where there is no home yet, none is made for this.
    let parent = if config.home.is_dir() { config.home.clone() } else { std::env::temp_dir() };
    let folder = tempfile::Builder::new().prefix("doctor-").tempdir_in(parent)?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
    let Ok(shipped) = Shipped::find(if config.home.is_dir() { &config.home } else { folder.path() }) else {
        return Ok(false);
    };
    if !docker.has(EMPTY_IMAGE).await? {
        docker.import(EMPTY_IMAGE, image::empty()?).await?;
    }
    let sandbox = sandbox(config, &shipped.init, folder.path());
    let started = docker.start(&sandbox).await;
    let removed = docker.remove(&sandbox.name, &sandbox.control).await;
    started?;
    removed?;
    Ok(true)
}

fn sandbox(config: &Config, init: &Path, control: &Path) -> Sandbox {
    Sandbox {
        name: format!("agentd-doctor-{}", std::process::id()),
        labels: Vec::new(),
        image: EMPTY_IMAGE.into(),
        init: init.to_owned(),
        control: control.to_owned(),
        mounts: Vec::new(),
        gateway: None,
        network: Network::Own,
        command: Command {
            argv: holder_argv(),
            env: Vec::new(),
            path: Vec::new(),
            cwd: "/".into(),
            stdin: None,
            keep_stdin: false,
            files: Vec::new(),
            home: "/".into(),
        },
        limits: Limits {
            memory: config.sandbox.memory,
            cpus: config.sandbox.cpus,
            pids: config.sandbox.pids,
            spool: config.sandbox.output,
            tmp: config.sandbox.tmp,
        },
    }
}
