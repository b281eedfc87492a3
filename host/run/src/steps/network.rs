//! The networks of a run: the way out of its sandboxes, and the services beside them.
//!
//! A run has two, one for the work (setup and the agent) and one to verify it (setup and gates), so that nothing the
//! agent did to a service, and no way to a model, is there when its work is judged. Where a repository has no services
//! each sandbox is a network of its own; otherwise a sandbox that does nothing holds it, and all others join.

use super::{Run, Stop, sandbox};
use crate::options::{ServiceContainer, Tool};
use agentd_executor::{Command, Gateway, Kind, Network, Sandbox, Service as Container, holder_argv};
use agentd_gateway::{Door, PORT, SOCKET, Scope, registry};
use agentd_task::Reason;
use std::{collections::BTreeSet, os::unix::fs::DirBuilderExt};
use tokio::sync::OnceCell;

/// The label that says which of its run's networks a sandbox holds or, as a service, is part of. The agent's own sandbox
/// and short commands do not bear it.
pub(crate) const NETWORK: &str = "agentd.network";

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Setup and the agent.
    Work,
    /// Setup and gates.
    Verify,
    /// The commands of a Dockerfile.
    Build,
}

/// The networks of a run, made when the first sandbox needs them.
#[derive(Default)]
pub(crate) struct Networks {
    work: OnceCell<RunNetwork>,
    verify: OnceCell<RunNetwork>,
    build: OnceCell<RunNetwork>,
}

/// A way out that is open, with its services ready.
pub(crate) struct RunNetwork {
    door: Option<Door>,
    /// The sandbox that holds it; none: each sandbox is one of its own.
    holder: Option<String>,
    gateway: Option<Gateway>,
    registries: BTreeSet<registry::Registry>,
}

impl Phase {
    /// Names its sandboxes within the run; also the value of [`NETWORK`].
    pub(crate) fn word(self) -> &'static str {
        match self {
            Phase::Work => "work",
            Phase::Verify => "verify",
            Phase::Build => "build",
        }
    }
}

impl Run {
    /// The network, open and with its services ready. After a restart of the daemon those that still run are found.
    pub(crate) async fn network(&self, phase: Phase) -> Result<&RunNetwork, Stop> {
        let cell = match phase {
            Phase::Work => &self.networks.work,
            Phase::Verify => &self.networks.verify,
            Phase::Build => &self.networks.build,
        };
        cell.get_or_try_init(|| make(self, phase)).await
    }

    /// Ends the services of a network, and what holds it.
    pub(crate) async fn close_network(&self, phase: Phase) -> Result<(), Stop> {
        if self.repository.executor.kind() != Kind::Docker {
            return Ok(());
        }
        let services = (0..services_of(self, phase).len()).map(|number| service_name(phase, number));
        for name in services.chain([holder_name(phase)]) {
            self.repository
                .executor
                .remove(&self.rt.sandbox_name(self.key, &name), &self.layout.control(&name))
                .await?;
        }
        Ok(())
    }
}

impl RunNetwork {
    /// Gives a sandbox this network, and tells its command of it. What the command sets itself stays.
    pub(super) fn attach_to(&self, sandbox: &mut Sandbox) {
        match &self.holder {
            Some(holder) => sandbox.network = Network::Of(holder.clone()),
            None => sandbox.gateway = self.gateway.clone(),
        }
        if self.gateway.is_none() {
            return; // a plain process has the machine's own network
        }
        let settings = registry::settings(&self.registries, &sandbox.command.home, PORT);
        for (name, value) in settings.env {
            if sandbox.command.env.iter().all(|(known, _)| *known != name) {
                sandbox.command.env.push((name, value));
            }
        }
        for (path, content) in settings.files {
            if sandbox.command.files.iter().all(|known| known.path != path) {
                sandbox.command.files.push(agentd_executor::File { path, content, executable: false });
            }
        }
    }

    pub(crate) fn door(&self) -> Option<&Door> {
        self.door.as_ref()
    }

    /// The sandbox that holds it.
    pub(crate) fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }

    /// What is in the environment of a build's commands. Cargo is told of its mirror by a file, which a build cannot be
    /// given: its variable alone would only move what it installs.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let registries = self.registries.iter().copied().filter(|it| *it != registry::Registry::Crates).collect();
        registry::settings(&registries, "/tmp", PORT).env
    }
}

fn holder_name(phase: Phase) -> String {
    format!("{}-net", phase.word())
}

fn service_name(phase: Phase, number: usize) -> String {
    format!("{}-service-{number}", phase.word())
}

/// What is in the network beside the sandboxes that come and go.
fn services_of(run: &Run, phase: Phase) -> &[ServiceContainer] {
    match phase {
        Phase::Work | Phase::Verify => &run.repository.services,
        Phase::Build => &[],
    }
}

async fn make(run: &Run, phase: Phase) -> Result<RunNetwork, Stop> {
    let mut network = open(run, phase).await?;
    let services = services_of(run, phase);
    if network.gateway.is_none() || services.is_empty() && phase != Phase::Build {
        return Ok(network);
    }
    let holder = hold(run, phase, &network).await?;
    // One after the other: a machine that is busy starting all of them at once makes none of them ready in time.
    for (number, service) in services.iter().enumerate() {
        serve(run, service, phase, number, &holder).await?;
    }
    network.holder = Some(holder);
    Ok(network)
}

/// Opens the way out alone.
pub(super) async fn open(run: &Run, phase: Phase) -> Result<RunNetwork, Stop> {
    let models = match phase {
        Phase::Work => super::prepare::agent(run)?.1.endpoints.clone(),
        Phase::Verify | Phase::Build => vec![],
    };
    let registries = run.repository.registries.clone();
    let scope = Scope {
        task: run.key.task,
        run: run.key.run,
        models,
        registries: registries.clone(),
        tunnels: run.repository.tunnels.clone(),
        repository: run.repository.id.clone(),
    };
    if run.repository.executor.kind() == Kind::Local {
        let door = match phase {
            Phase::Work if !scope.models.is_empty() => Some(run.rt.gateway.open_loopback(scope).map_err(refused)?),
            _ => None,
        };
        return Ok(RunNetwork { door, holder: None, gateway: None, registries });
    }
    let folder = run.layout.gateway(phase.word());
    // Nobody but agentd and the first process of its sandboxes enters it: the agent's only way is the bridge.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|e| sandbox::io_failure("making", &folder, &e))?;
    let door = run.rt.gateway.open(scope, &folder).await.map_err(refused)?;
    let gateway = Gateway { folder, socket: SOCKET.into(), port: PORT };
    Ok(RunNetwork { door: Some(door), holder: None, gateway: Some(gateway), registries })
}

/// What an agent may use is an operator's to put right; that nobody can listen is this machine's trouble.
fn refused(error: agentd_gateway::Error) -> Stop {
    match error {
        error @ (agentd_gateway::Error::Listen { .. } | agentd_gateway::Error::Loopback(_)) => {
            Stop::failed(Reason::Internal, error.to_string())
        }
        error => Stop::Stuck(error.to_string()),
    }
}

/// Starts the sandbox that holds a network, and the way out of all that join it.
async fn hold(run: &Run, phase: Phase, network: &RunNetwork) -> Result<String, Stop> {
    let executor = &run.repository.executor;
    let command = Command {
        argv: holder_argv(),
        env: vec![],
        path: vec![],
        cwd: "/".into(),
        stdin: None,
        keep_stdin: false,
        files: vec![],
        home: "/tmp".into(),
    };
    let name = holder_name(phase);
    let mut holder = sandbox::bare(run, &name, vec![], command, run.rt.sandboxes.empty_image.clone());
    holder.labels.push((NETWORK.into(), phase.word().into()));
    holder.gateway = network.gateway.clone();
    match executor.state(&holder.name, &holder.control).await? {
        agentd_executor::State::Running => return Ok(holder.name),
        agentd_executor::State::Paused => executor.unpause(&holder.name, &holder.control).await?,
        _ => {
            executor.remove(&holder.name, &holder.control).await?;
            sandbox::empty_dir(&holder.control).await?;
            executor.start(&holder).await?;
        }
    }
    Ok(holder.name)
}

async fn serve(run: &Run, service: &ServiceContainer, phase: Phase, number: usize, holder: &str) -> Result<(), Stop> {
    let executor = &run.repository.executor;
    executor.fetch_image(&service.image).await?;
    let name = service_name(phase, number);
    let mut labels = sandbox::labels(run, &name);
    labels.push((NETWORK.into(), phase.word().into()));
    let container = Container {
        name: run.rt.sandbox_name(run.key, &name),
        labels,
        image: service.image.clone(),
        env: service.env.clone(),
        command: service.command.clone(),
        network_of: holder.into(),
        ready: service.ready.clone(),
        limits: run.rt.sandboxes.limits.clone(),
    };
    Ok(executor.serve(&container, run.rt.timeouts.service).await?)
}

/// The agent's programs, for its sandbox: mounts, and folders for its `PATH`.
pub(super) fn tools(run: &Run, tools: &[Tool]) -> (Vec<agentd_executor::Mount>, Vec<String>) {
    let mount = |tool: &Tool| sandbox::mount(tool.folder.clone(), &format!("/agentd/toolbox/{}", tool.name), false);
    let mut mounts: Vec<agentd_executor::Mount> = vec![];
    for tool in tools {
        // Programs of one package lie together.
        if mounts.iter().all(|it| it.host != tool.folder) {
            mounts.push(mount(tool));
        }
    }
    let path = mounts.iter().map(|it| format!("{}/bin", run.repository.executor.place(it))).collect();
    (mounts, path)
}
