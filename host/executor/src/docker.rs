//! Sandboxes as Docker containers, through the engine's own interface.
//!
//! A container is made from values ([`body`]), and everything about it that has to outlive this process is in its name
//! and its labels. Its first process is `agentd-init` as user 0 with four capabilities; the command runs as another user
//! with none. It has no network, a read-only root, and limits on memory, processors, processes and `/tmp`.
//!
//! - Never a privileged container, never the engine's socket, never without the default seccomp profile.
//! - Never touches a container without this instance's label.
//! - The engine's version is asked once, at the first call; an engine that is away then is asked again by the next.

mod body;
mod build;
mod context;
mod engine;
mod foreign;
mod pull;
mod service;

pub use build::Build;

use crate::{
    Error, Executor, Exit, Kind, LABEL_INSTANCE, Listed, Mount, Network, Probe, Sandbox, Service, State,
    launch::{self, Bridge, Place},
    login::Logins,
};
use async_trait::async_trait;
use bollard::{
    Docker,
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum as Status},
    query_parameters as query,
};
use engine::{Answer, MAKING, STARTING, answer};
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::{Mutex, OnceCell};

/// How to reach the engine, and for whom.
#[derive(Clone, Debug)]
pub struct DockerOptions {
    /// The id of this instance: it labels every container.
    pub instance: String,
    /// The engine's socket, as a path or `unix://` URL. None: `DOCKER_HOST`, else the
    /// docker context in use, else `/var/run/docker.sock`.
    pub socket: Option<String>,
    /// The user commands run as; never 0.
    pub uid: u32,
    pub gid: u32,
}

/// Runs sandboxes as containers of the Docker engine of this machine.
#[derive(Debug)]
pub struct DockerExecutor {
    options: DockerOptions,
    socket: String,
    logins: Logins,
    building: Mutex<()>,
    engine: OnceCell<Docker>,
}

/// The logins for registries that the user's docker has.
#[must_use]
pub fn user_logins() -> Logins {
    Logins::new(context::folder())
}

impl DockerExecutor {
    /// Prepares to talk to the engine. It need not be there yet: each call looks again.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the address is none of this machine's, or commands would run as root.
    pub fn connect(options: DockerOptions) -> Result<DockerExecutor, Error> {
        if options.uid == 0 || options.gid == 0 {
            return Err(Error::Unfit { what: "commands would run as root: give them a user and group above 0".into() });
        }
        let socket = engine::socket(options.socket.as_deref())?;
        Ok(DockerExecutor { options, socket, logins: user_logins(), building: Mutex::new(()), engine: OnceCell::new() })
    }

    /// Takes the logins for registries from the `config.json` of this folder, and not from the user's own.
    #[must_use]
    pub fn with_logins(mut self, folder: PathBuf) -> DockerExecutor {
        self.logins.folder = Some(folder);
        self
    }

    /// Makes an image of a root file system ([`crate::image::from_machine`]) under `tag`, unless the engine has one of
    /// that name already.
    ///
    /// # Errors
    /// If the engine does not answer or does not take it.
    pub async fn import(&self, tag: &str, tar: Vec<u8>) -> Result<(), Error> {
        let engine = self.engine().await?;
        if self.image(tag).await?.is_some() {
            return Ok(());
        }
        let (repo, version) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
        let path = format!("ENV PATH={}", launch::DEFAULT_PATH);
        let options = query::CreateImageOptionsBuilder::default().from_src("-").repo(repo).tag(version);
        let options = options.changes(vec![path]).build();
        let mut said = engine.create_image(Some(options), Some(bollard::body_full(tar.into())), None).boxed();
        while let Some(progress) = said.next().await {
            progress.map_err(|error| match answer("importing an image", &self.socket, error) {
                Answer::Error(error) => error,
                Answer::Missing | Answer::Conflict(_) | Answer::Refused(_) => {
                    Error::Image { what: format!("{tag} was not taken by the engine") }
                }
            })?;
        }
        Ok(())
    }

    /// The engine, with the version of its interface agreed on and its safety checked.
    async fn engine(&self) -> Result<&Docker, Error> {
        self.engine.get_or_try_init(|| engine::connect(&self.socket)).await
    }

    /// Whether the engine has an image of that name.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn has(&self, image: &str) -> Result<bool, Error> {
        Ok(self.image(image).await?.is_some())
    }

    /// The environment an image sets; none: there is no such image.
    async fn image(&self, image: &str) -> Result<Option<Vec<(String, String)>>, Error> {
        match self.engine().await?.inspect_image(image).await {
            Ok(found) => {
                let env = found.config.and_then(|config| config.env).unwrap_or_default();
                let pair = |it: String| it.split_once('=').map(|(name, value)| (name.into(), value.into()));
                Ok(Some(env.into_iter().filter_map(pair).collect()))
            }
            Err(error) => match answer("looking for an image", &self.socket, error) {
                Answer::Missing => Ok(None),
                other => Err(other.into_error("looking for an image", image)),
            },
        }
    }

    /// What the engine knows of one of our containers; none: there is none of that name.
    async fn inspect(&self, name: &str) -> Result<Option<ContainerInspectResponse>, Error> {
        let found = match self.engine().await?.inspect_container(name, None).await {
            Ok(found) => found,
            Err(error) => match answer("looking at a container", &self.socket, error) {
                Answer::Missing => return Ok(None),
                other => return Err(other.into_error("looking at a container", name)),
            },
        };
        let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
        if labels.and_then(|labels| labels.get(LABEL_INSTANCE)) != Some(&self.options.instance) {
            let why = "a container of that name belongs to somebody else; remove or rename it".into();
            return Err(Error::StartFailed { name: name.into(), why });
        }
        Ok(Some(found))
    }

    async fn create(&self, sandbox: &Sandbox) -> Result<(), Error> {
        let name = &sandbox.name;
        let Some(env) = self.image(&sandbox.image).await? else {
            return Err(no_image(name, &sandbox.image));
        };
        engine::check_paths(sandbox, &self.socket)?;
        let (spool, input) = (format!("{}/frames", body::SPOOL), body::INPUT.to_owned());
        let user = Some((self.options.uid, self.options.gid));
        let bridge = sandbox.gateway.as_ref();
        let bridge = bridge.map(|it| Bridge { port: it.port, socket: format!("{}/{}", body::GATEWAY, it.socket) });
        launch::write(sandbox, &Place { spool, input, user, env: &env, bridge })?;
        self.make(name, body::of(sandbox, &self.options.instance)).await
    }

    /// Makes a container.
    async fn make(&self, name: &str, body: ContainerCreateBody) -> Result<(), Error> {
        let image = body.image.clone().unwrap_or_default();
        let options = query::CreateContainerOptionsBuilder::default().name(name).build();
        match self.engine().await?.create_container(Some(options), body).await {
            Ok(_) => Ok(()),
            Err(error) => match answer(MAKING, &self.socket, error) {
                // Another caller was faster: theirs is as good, if it is of this instance.
                Answer::Conflict(_) => self.ours(name).await.map(drop),
                Answer::Missing => Err(no_image(name, &image)),
                other => Err(other.into_error(MAKING, name)),
            },
        }
    }

    /// Starts a container that was made. One that cannot start is removed.
    async fn begin(&self, name: &str) -> Result<(), Error> {
        match self.engine().await?.start_container(name, None).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = answer(STARTING, &self.socket, error).into_error(STARTING, name);
                if matches!(error, Error::StartFailed { .. } | Error::NotFound { .. }) {
                    self.discard(name).await?;
                }
                Err(error)
            }
        }
    }

    /// Whether a sandbox is there whose network others can share.
    async fn holds(&self, name: &str) -> Result<(), Error> {
        match self.ours(name).await? {
            State::Running | State::Paused => Ok(()),
            State::Missing | State::Created | State::Exited(_) => Err(Error::NotFound { name: name.into() }),
        }
    }

    async fn resume(&self, name: &str) -> Result<(), Error> {
        match self.ours(name).await? {
            State::Paused => {
                let result = self.engine().await?.unpause_container(name).await;
                self.act("unpausing a container", name, result).await.map(drop)
            }
            State::Missing => Err(Error::NotFound { name: name.into() }),
            State::Created | State::Running | State::Exited(_) => Ok(()),
        }
    }

    /// Removes a container with its volumes, whatever it does.
    async fn discard(&self, name: &str) -> Result<(), Error> {
        if self.ours(name).await? == State::Missing {
            return Ok(());
        }
        let options = query::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let result = self.engine().await?.remove_container(name, Some(options)).await;
        if !self.act("removing a container", name, result).await? {
            // Somebody else is removing it: gone is gone, but it has to be gone.
            engine::wait_until_removed(self.engine().await?, name).await;
        }
        Ok(())
    }

    /// Does one thing to a container; `Ok(false)`: there is none, or it is not in the state for it.
    async fn act(
        &self,
        doing: &'static str,
        name: &str,
        result: Result<(), bollard::errors::Error>,
    ) -> Result<bool, Error> {
        match result {
            Ok(()) => Ok(true),
            Err(error) => match answer(doing, &self.socket, error) {
                Answer::Missing | Answer::Conflict(_) => Ok(false),
                other => Err(other.into_error(doing, name)),
            },
        }
    }

    async fn signal(&self, name: &str, signal: &str) -> Result<bool, Error> {
        let options = query::KillContainerOptionsBuilder::default().signal(signal).build();
        let result = self.engine().await?.kill_container(name, Some(options)).await;
        self.act("signalling a container", name, result).await
    }

    /// Where a container stands, if it is ours.
    ///
    /// # Errors
    /// [`Error::StartFailed`] if there is one of that name that is not.
    async fn ours(&self, name: &str) -> Result<State, Error> {
        Ok(self.inspect(name).await?.map_or(State::Missing, |found| state(&found)))
    }
}

#[async_trait]
impl Executor for DockerExecutor {
    fn kind(&self) -> Kind {
        Kind::Docker
    }

    async fn probe(&self) -> Result<Probe, Error> {
        engine::probe(self.engine().await?, &self.socket).await
    }

    fn place(&self, mount: &Mount) -> String {
        mount.inside.clone()
    }

    async fn start(&self, sandbox: &Sandbox) -> Result<(), Error> {
        let name = &sandbox.name;
        let standing = self.ours(name).await?;
        if matches!(standing, State::Running | State::Paused | State::Exited(_)) {
            return Ok(());
        }
        if let Network::Of(holder) = &sandbox.network {
            self.holds(holder).await?;
        }
        if standing == State::Missing {
            self.create(sandbox).await?;
        }
        self.begin(name).await
    }

    async fn serve(&self, service: &Service, patience: Duration) -> Result<(), Error> {
        self.serve_until_ready(service, patience).await
    }

    async fn state(&self, name: &str, _control: &Path) -> Result<State, Error> {
        self.ours(name).await
    }

    async fn wait(&self, name: &str, _control: &Path) -> Result<Exit, Error> {
        let missing = || Error::NotFound { name: name.into() };
        loop {
            match self.ours(name).await? {
                State::Exited(exit) => return Ok(exit),
                State::Missing | State::Created => return Err(missing()),
                State::Running | State::Paused => (),
            }
            let mut ends = self.engine().await?.wait_container(name, None).boxed();
            match ends.try_next().await {
                // An exit code above 0 comes as an error. Which code it was, `inspect` tells, and more.
                Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. }) => (),
                Err(error) => match answer("waiting for a container", &self.socket, error) {
                    Answer::Missing => return Err(missing()),
                    other => return Err(other.into_error("waiting for a container", name)),
                },
            }
        }
    }

    async fn stop(&self, name: &str, control: &Path, grace: Duration) -> Result<(), Error> {
        if self.ours(name).await? == State::Paused {
            self.unpause(name, control).await?;
        }
        if !self.signal(name, "SIGTERM").await? {
            return Ok(());
        }
        match tokio::time::timeout(grace, self.wait(name, control)).await {
            Ok(Ok(_) | Err(Error::NotFound { .. })) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => self.kill(name, control).await,
        }
    }

    async fn kill(&self, name: &str, control: &Path) -> Result<(), Error> {
        loop {
            match self.ours(name).await? {
                State::Missing | State::Created | State::Exited(_) => return Ok(()),
                // A frozen process does not die.
                State::Paused => self.unpause(name, control).await?,
                State::Running => {
                    self.signal(name, "SIGKILL").await?;
                    match self.wait(name, control).await {
                        Ok(_) | Err(Error::NotFound { .. }) => return Ok(()),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    async fn pause(&self, name: &str, _control: &Path) -> Result<(), Error> {
        match self.ours(name).await? {
            State::Running => {
                let result = self.engine().await?.pause_container(name).await;
                self.act("pausing a container", name, result).await.map(drop)
            }
            State::Missing => Err(Error::NotFound { name: name.into() }),
            State::Created | State::Paused | State::Exited(_) => Ok(()),
        }
    }

    async fn unpause(&self, name: &str, _control: &Path) -> Result<(), Error> {
        self.resume(name).await
    }

    async fn remove(&self, name: &str, _control: &Path) -> Result<(), Error> {
        self.discard(name).await
    }

    async fn fetch_image(&self, image: &str) -> Result<(), Error> {
        self.pull(image).await
    }

    async fn build_image(&self, build: &Build) -> Result<(), Error> {
        self.build(build).await
    }

    async fn list(&self) -> Result<Vec<Listed>, Error> {
        let label = format!("{LABEL_INSTANCE}={}", self.options.instance);
        let filters = HashMap::from([("label", vec![label])]);
        let options = query::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.engine().await?.list_containers(Some(options)).await;
        let doing = "listing containers";
        let found = found.map_err(|error| answer(doing, &self.socket, error).into_error(doing, ""))?;
        let mut listed: Vec<_> = found.into_iter().filter_map(engine::listed).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }
}

fn no_image(name: &str, image: &str) -> Error {
    let why = format!("the engine has no image `{image}`: build it, or `docker pull {image}`");
    Error::StartFailed { name: name.into(), why }
}

fn state(found: &ContainerInspectResponse) -> State {
    let Some(state) = &found.state else { return State::Missing };
    match state.status {
        Some(Status::CREATED) => State::Created,
        Some(Status::PAUSED) => State::Paused,
        Some(Status::EXITED | Status::DEAD) => State::Exited(Exit {
            code: state.exit_code.and_then(|code| i32::try_from(code).ok()),
            oom: state.oom_killed.unwrap_or(false),
        }),
        Some(Status::REMOVING) => State::Missing,
        Some(Status::RUNNING | Status::RESTARTING | Status::STOPPING | Status::EMPTY) | None => State::Running,
    }
}
