//! The way to the engine: where it is, what its answers mean, and whether it is fit.

use super::{body, context};
use crate::{Error, Listed, Probe, Sandbox};
use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error as Said,
    models::{ContainerSummary, ContainerSummaryStateEnum as Summary},
    query_parameters as query,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::{
    io,
    path::{Component, Path},
};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// For an answer to begin; waiting for a container's end is answered at once and then takes its time.
const TIMEOUT_SECONDS: u64 = 120;
pub(super) const MAKING: &str = "making a container";
pub(super) const STARTING: &str = "starting a container";

/// What the engine's "no" means.
pub(super) enum Answer {
    /// There is no such container or image.
    Missing,
    /// It is not in a state for that, or exists already.
    Conflict(String),
    /// The request itself is wrong, or the engine cannot do it.
    Refused(String),
    Error(Error),
}

/// The path of the engine's socket: as configured, else `DOCKER_HOST`, else the docker context in use, else the default.
pub(super) fn socket(given: Option<&str>) -> Result<String, Error> {
    let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let (address, from) = match (given, variable("DOCKER_HOST"), context::folder()) {
        (Some(given), _, _) => (given.to_owned(), "the configuration"),
        (None, Some(host), _) => (host, "DOCKER_HOST"),
        (None, None, Some(folder)) => match context::address(&folder, variable("DOCKER_CONTEXT").as_deref())? {
            Some(address) => (address, "the docker context in use"),
            None => (DEFAULT_SOCKET.to_owned(), ""),
        },
        (None, None, None) => (DEFAULT_SOCKET.to_owned(), ""),
    };
    let path = address.strip_prefix("unix://").unwrap_or(&address);
    if !path.starts_with('/') {
        let what = format!(
            "{from} names `{address}`, and folders of this machine can only be mounted by an engine of this machine: \
             give the path of its socket"
        );
        return Err(Error::Unfit { what });
    }
    Ok(path.into())
}

/// Agrees on a version with the engine, and looks whether it confines what it runs.
pub(super) async fn connect(socket: &str) -> Result<Docker, Error> {
    let doing = "answering";
    let said = |error| answer(doing, socket, error).into_error(doing, "");
    let engine = Docker::connect_with_unix(socket, TIMEOUT_SECONDS, API_DEFAULT_VERSION).map_err(said)?;
    let engine = engine.negotiate_version().await.map_err(said)?;
    let security = engine.info().await.map_err(said)?.security_options.unwrap_or_default();
    let seccomp = security.iter().find(|it| it.starts_with("name=seccomp"));
    if seccomp.is_none_or(|it| it.contains("unconfined")) {
        let what = "it runs containers without a seccomp profile; start it with its default profile".into();
        return Err(Error::Unfit { what });
    }
    Ok(engine)
}

pub(super) async fn probe(engine: &Docker, socket: &str) -> Result<Probe, Error> {
    let doing = "answering";
    let said = |error| answer(doing, socket, error).into_error(doing, "");
    let version = engine.version().await.map_err(said)?;
    let info = engine.info().await.map_err(said)?;
    let security = info.security_options.unwrap_or_default();
    let has = |name: &str| security.iter().any(|it| it.starts_with(name));
    let mut problems = Vec::new();
    let mut check = |wrong: bool, words: &str| {
        if wrong {
            problems.push(words.to_owned())
        }
    };
    check(info.os_type.as_deref() != Some("linux"), "The engine does not run Linux containers.");
    check(
        has("name=userns"),
        "The engine remaps users: root in a container cannot open the spool. Turn `userns-remap` off.",
    );
    check(
        has("name=rootless"),
        "The engine runs rootless: commands could not write their folders. Use a rootful engine.",
    );
    check(info.memory_limit == Some(false), "The kernel cannot limit memory: switch its memory cgroup on.");
    check(info.pids_limit == Some(false), "The kernel cannot limit processes: switch its pids cgroup on.");
    check(info.cpu_cfs_quota == Some(false), "The kernel cannot limit processors: switch CFS quotas on.");
    let root = rustix::process::geteuid().is_root();
    check(!root, "agentd does not run as root: root in a container cannot open the spool. Run agentd as root.");
    let client = engine.client_version();
    Ok(Probe {
        engine: format!("Docker Engine {}", version.version.unwrap_or_else(|| "of unknown version".into())),
        api: format!("{}.{}", client.major_version, client.minor_version),
        problems,
    })
}

/// Looks for what the engine would only complain about in riddles.
pub(super) fn check_paths(sandbox: &Sandbox, socket: &str) -> Result<(), Error> {
    let fail = |why: String| Err(Error::StartFailed { name: sandbox.name.clone(), why });
    if !rustix::process::geteuid().is_root() {
        return fail(
            "agentd does not run as root, and root in a container could not open the spool: run it as root".into(),
        );
    }
    if !sandbox.init.is_file() {
        return fail(format!("there is no init program at {}: install agentd whole", sandbox.init.display()));
    }
    if let Some(missing) = sandbox.mounts.iter().find(|mount| !mount.host.exists()) {
        return fail(format!("{}, which it would see as {}, does not exist", missing.host.display(), missing.inside));
    }
    if let Some(bad) = sandbox.mounts.iter().find(|mount| !is_free(&mount.inside)) {
        return fail(format!("nothing can be mounted at `{}`", bad.inside));
    }
    let gateway = sandbox.gateway.iter().map(|it| &it.folder);
    if let Some(missing) = gateway.clone().find(|it| !it.is_dir()) {
        return fail(format!("its gateway's folder {} does not exist", missing.display()));
    }
    let mut hosts = sandbox.mounts.iter().map(|it| &it.host).chain(gateway);
    if let Some(bad) = hosts.find(|host| holds(host, Path::new(socket))) {
        return fail(format!("{} leads to the engine's socket, and so to the whole machine", bad.display()));
    }
    Ok(())
}

/// A path inside at which a mount hides nothing of the sandbox's own.
fn is_free(inside: &str) -> bool {
    let path = Path::new(inside);
    let own = [crate::INIT, body::LAUNCH, body::SPOOL, body::GATEWAY, "/proc", "/sys", "/dev"];
    path.is_absolute()
        && path.components().all(|it| matches!(it, Component::RootDir | Component::Normal(_)))
        && !own.iter().any(|it| path.starts_with(it) || Path::new(it).starts_with(path))
}

/// Whether a path is the engine's socket or a folder above it, whatever links lead there.
fn holds(host: &Path, socket: &Path) -> bool {
    let named = host.file_name().is_some_and(|it| it == "docker.sock" || it == "containerd.sock");
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
    named || real(socket).starts_with(real(host))
}

pub(super) fn listed(found: ContainerSummary) -> Option<Listed> {
    let name = found.names?.first()?.trim_start_matches('/').to_owned();
    let mut labels: Vec<_> = found.labels.unwrap_or_default().into_iter().collect();
    labels.sort();
    let running = matches!(found.state, Some(Summary::RUNNING | Summary::PAUSED | Summary::RESTARTING));
    Some(Listed { name, labels, running })
}

/// Waits for a removal that somebody else began. A failure only means that there is nothing left to wait for.
pub(super) async fn wait_until_removed(engine: &Docker, name: &str) {
    let options = query::WaitContainerOptionsBuilder::default().condition("removed").build();
    if let Err(error) = engine.wait_container(name, Some(options)).boxed().try_next().await {
        tracing::debug!(%error, container = name, "Container is gone");
    }
}

/// Sorts what bollard says into the branches this room takes.
pub(super) fn answer(doing: &'static str, socket: &str, error: Said) -> Answer {
    let engine = |what: String| Answer::Error(Error::Engine { doing, what });
    match error {
        Said::DockerResponseServerError { status_code: 404, .. } => Answer::Missing,
        Said::DockerResponseServerError { status_code: 409, message } => Answer::Conflict(message),
        Said::DockerResponseServerError { status_code, message } if status_code == 400 || is_lasting(&message) => {
            Answer::Refused(message)
        }
        Said::DockerResponseServerError { status_code, message } => engine(format!("{message} ({status_code})")),
        Said::SocketNotFoundError(path) if !is_denied(&path) => engine(format!("there is no socket at {path}")),
        Said::RequestTimeoutError => engine(format!("no answer for {TIMEOUT_SECONDS} seconds")),
        other if is_denied(socket) => {
            tracing::debug!(error = %other, "The engine's socket is closed to this user");
            Answer::Error(Error::Permission { socket: socket.into() })
        }
        other => engine(chain(&other)),
    }
}

impl Answer {
    pub(super) fn into_error(self, doing: &'static str, name: &str) -> Error {
        match self {
            Answer::Missing => Error::NotFound { name: name.into() },
            Answer::Conflict(what) => Error::Engine { doing, what },
            Answer::Refused(message) if matches!(doing, MAKING | STARTING) => {
                Error::StartFailed { name: name.into(), why: readable(&message) }
            }
            Answer::Refused(what) => Error::Engine { doing, what },
            Answer::Error(error) => error,
        }
    }
}

/// The sandbox is wrong and not the moment: a runtime that was asked and could not, unless the machine was too full.
fn is_lasting(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| message.contains(it));
    let runtime = ["oci runtime", "runc", "mount", "not a directory", "no such file", "permission denied"];
    let passing = ["no space left", "cannot allocate memory", "deadline exceeded", "resource temporarily unavailable"];
    has(&runtime) && !has(&passing)
}

/// Without what an engine says before it comes to the point.
fn readable(message: &str) -> String {
    let text = message.replace("OCI runtime create failed: ", "").replace("failed to create shim task: ", "");
    text.trim().to_owned()
}

fn is_denied(socket: &str) -> bool {
    let access = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    rustix::fs::access(socket, access)
        .is_err_and(|error| io::Error::from(error).kind() == io::ErrorKind::PermissionDenied)
}

/// An error with its causes: bollard's own text often says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentd_task::Reason;

    #[track_caller]
    fn check(status_code: u16, message: &str, doing: &'static str, reason: Reason) {
        let said = Said::DockerResponseServerError { status_code, message: message.into() };
        let failure = answer(doing, DEFAULT_SOCKET, said).into_error(doing, "agentd-x-t-1-1").failure();
        assert_eq!(failure.reason, reason, "{failure}");
        assert!(failure.text.contains(message) || reason == Reason::Lost, "{failure}");
    }

    #[test]
    fn the_engine_is_blamed_for_its_own_troubles_only() {
        check(400, "invalid mount config", MAKING, Reason::Misconfigured);
        check(500, "runc create failed: exec format error", STARTING, Reason::Misconfigured);
        check(500, "write /var/lib/docker/x: no space left on device", MAKING, Reason::DiskFull);
        check(500, "context deadline exceeded", STARTING, Reason::Engine);
        check(500, "runc create failed: fork: resource temporarily unavailable", STARTING, Reason::Engine);
        check(503, "shutting down", STARTING, Reason::Engine);
        check(400, "bad filter", "listing containers", Reason::Engine);
        check(404, "no such container", "waiting for a container", Reason::Lost);
    }

    #[test]
    fn mounts_hide_nothing_and_do_not_lead_out() {
        for free in ["/workspace", "/agentd/home", "/tmp/cache", "/home/agent/"] {
            assert!(is_free(free), "{free}");
        }
        for taken in [
            "",
            "work",
            "/",
            "/agentd",
            "/agentd/gateway",
            "/agentd/spool",
            "/agentd/spool/x",
            "/agentd/init",
            "/a/../b",
            "/proc",
        ] {
            assert!(!is_free(taken), "{taken}");
        }
        let socket = Path::new("/no/run/engine.sock");
        assert!(holds(Path::new("/no/run"), socket) && holds(Path::new("/"), socket));
        assert!(holds(Path::new("/elsewhere/docker.sock"), socket));
        assert!(!holds(Path::new("/no/running"), socket));
    }

    #[test]
    fn the_socket_is_a_path_of_this_machine() {
        assert_eq!(socket(Some("unix:///run/docker.sock")).unwrap(), "/run/docker.sock");
        assert_eq!(socket(Some("/run/docker.sock")).unwrap(), "/run/docker.sock");
        for remote in ["tcp://build:2375", "ssh://build", "docker.sock", ""] {
            let error = socket(Some(remote)).unwrap_err().to_string();
            assert!(error.contains(&format!("the configuration names `{remote}`")), "{error}");
        }
    }
}
