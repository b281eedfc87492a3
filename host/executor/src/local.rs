//! Sandboxes as plain processes of this machine: for trying things out.
//!
//! **There are no walls.** The command runs as the daemon's own user, sees all its files and its network, and is held to
//! no limit of memory, processors or processes: never for other people's text. What it shares with the real thing is
//! everything else: the same `agentd-init`, the same spool, the same ways to stop, pause and find it again.
//!
//! The init process leads a session of its own and outlives the daemon. It writes who it is (process id, start time,
//! boot) to `local.json` in the control folder before it starts the command; exactly one init can write it, so a
//! sandbox is started once however often it is asked for. How it ended is in the spool's exit frame.

mod process;

use crate::{
    Build, Error, Executor, Exit, Kind, LABEL_INSTANCE, Listed, Mount, Probe, Sandbox, Service, State,
    error::io_at,
    input,
    launch::{self, Place},
    spool,
};
use async_trait::async_trait;
use process::{Life, Process};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{io::AsyncReadExt as _, time::timeout};

/// After everything else was killed, init has this long to write down how it ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Writing its record takes init milliseconds.
const FIRST_WORDS: Duration = Duration::from_secs(10);

/// Runs sandboxes as child processes, without walls.
#[derive(Debug)]
pub struct LocalExecutor {
    instance: String,
    /// One small file for each sandbox: what a container engine would know by itself.
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    labels: Vec<(String, String)>,
    control: PathBuf,
}

impl LocalExecutor {
    /// `dir` is a folder for this executor alone; it is made when first needed.
    pub fn new(instance: impl Into<String>, dir: impl Into<PathBuf>) -> LocalExecutor {
        LocalExecutor { instance: instance.into(), dir: dir.into() }
    }

    fn entry(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    fn enter(&self, sandbox: &Sandbox) -> Result<(), Error> {
        std::fs::create_dir_all(&self.dir).map_err(io_at("making", &self.dir))?;
        let mut labels = sandbox.labels.clone();
        labels.retain(|(label, _)| label != LABEL_INSTANCE);
        labels.push((LABEL_INSTANCE.into(), self.instance.clone()));
        labels.sort();
        let path = self.entry(&sandbox.name);
        let entry = Entry { name: sandbox.name.clone(), labels, control: sandbox.control.clone() };
        let text = serde_json::to_vec(&entry).map_err(io_at("writing", &path))?;
        launch::replace(&path, &text)
    }

    /// Starts init and waits until it has written its record, or said why it cannot.
    async fn spawn(&self, sandbox: &Sandbox) -> Result<(), Error> {
        let fail = |why: String| Error::StartFailed { name: sandbox.name.clone(), why };
        let record = process::record_path(&sandbox.control);
        let mut child = tokio::process::Command::new(&sandbox.init)
            .arg("local")
            .arg(launch::path(&sandbox.control))
            .arg(&record)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| fail(format!("the init program {} does not run: {error}", sandbox.init.display())))?;
        let mut said = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            match timeout(FIRST_WORDS, stdout.read_to_string(&mut said)).await {
                Ok(read) => drop(read.map_err(io_at("starting", &sandbox.init))?),
                Err(_) => said = format!("no record after {} seconds", FIRST_WORDS.as_secs()),
            }
        }
        // It closes its output once its record is there. The child itself is let go: tokio buries it when it ends.
        match record.exists() {
            true => Ok(()),
            false => Err(fail(format!("its init gave up: {}", said.trim()))),
        }
    }

    /// The live init process of a sandbox.
    fn alive(control: &Path) -> Result<Option<Process>, Error> {
        Ok(process::recorded(control)?.filter(|it| it.life() != Life::Over))
    }

    fn known(name: &str, control: &Path) -> Result<(), Error> {
        match process::record_path(control).exists() {
            true => Ok(()),
            false => Err(Error::NotFound { name: name.into() }),
        }
    }
}

#[async_trait]
impl Executor for LocalExecutor {
    fn kind(&self) -> Kind {
        Kind::Local
    }

    async fn probe(&self) -> Result<Probe, Error> {
        std::fs::create_dir_all(&self.dir).map_err(io_at("making", &self.dir))?;
        Ok(Probe { engine: "local processes, without walls".into(), api: String::new(), problems: Vec::new() })
    }

    fn place(&self, mount: &Mount) -> String {
        mount.host.to_string_lossy().into_owned()
    }

    async fn start(&self, sandbox: &Sandbox) -> Result<(), Error> {
        if process::record_path(&sandbox.control).exists() {
            return Ok(());
        }
        if let Some(missing) = sandbox.mounts.iter().find(|mount| !mount.host.exists()) {
            let why = format!("{} does not exist", missing.host.display());
            return Err(Error::StartFailed { name: sandbox.name.clone(), why });
        }
        // What the daemon finds, its commands find; nothing else of its environment goes over.
        let path = std::env::var("PATH").unwrap_or_else(|_| launch::DEFAULT_PATH.into());
        let env = [("PATH".to_owned(), path)];
        let spool = sandbox.control.join("spool/frames").to_string_lossy().into_owned();
        let input = input::folder(&sandbox.control).to_string_lossy().into_owned();
        launch::write(sandbox, &Place { spool, input, user: None, env: &env, bridge: None })?;
        self.enter(sandbox)?;
        let started = self.spawn(sandbox).await;
        if started.is_err() {
            remove_file(&self.entry(&sandbox.name))?;
        }
        started
    }

    async fn serve(&self, service: &Service, _patience: Duration) -> Result<(), Error> {
        let why = "cannot run: services need containers; use the executor `docker`, or start it yourself and take it \
                   out of the configuration";
        Err(Error::ServiceFailed { name: service.name.clone(), image: service.image.clone(), why: why.into() })
    }

    async fn state(&self, _name: &str, control: &Path) -> Result<State, Error> {
        let Some(process) = process::recorded(control)? else { return Ok(State::Missing) };
        Ok(match process.life() {
            Life::Runs => State::Running,
            Life::Stopped => State::Paused,
            Life::Over => State::Exited(ended(control)?),
        })
    }

    async fn wait(&self, name: &str, control: &Path) -> Result<Exit, Error> {
        Self::known(name, control)?;
        if let Some(process) = Self::alive(control)? {
            process.ended().await?;
        }
        Self::known(name, control)?;
        ended(control)
    }

    async fn stop(&self, name: &str, control: &Path, grace: Duration) -> Result<(), Error> {
        let Some(process) = Self::alive(control)? else { return Ok(()) };
        process.go_on();
        process.signal(Signal::TERM);
        match timeout(grace, process.ended()).await {
            Ok(ended) => ended,
            Err(_) => self.kill(name, control).await,
        }
    }

    async fn kill(&self, _name: &str, control: &Path) -> Result<(), Error> {
        let Some(process) = Self::alive(control)? else { return Ok(()) };
        process.signal(Signal::CONT);
        process.signal_descendants(Signal::KILL);
        // With its command gone, init ends what is left, writes the exit frame and goes.
        if let Ok(ended) = timeout(LAST_WORDS, process.ended()).await {
            return ended;
        }
        process.signal_descendants(Signal::KILL);
        process.signal(Signal::KILL);
        process.ended().await
    }

    async fn pause(&self, name: &str, control: &Path) -> Result<(), Error> {
        Self::known(name, control)?;
        if let Some(process) = Self::alive(control)? {
            process.signal(Signal::STOP);
            process.signal_descendants(Signal::STOP);
            process.stopped().await;
        }
        Ok(())
    }

    async fn unpause(&self, name: &str, control: &Path) -> Result<(), Error> {
        Self::known(name, control)?;
        if let Some(process) = Self::alive(control)? {
            process.go_on();
        }
        Ok(())
    }

    async fn remove(&self, name: &str, control: &Path) -> Result<(), Error> {
        self.kill(name, control).await?;
        remove_file(&process::record_path(control))?;
        remove_file(&self.entry(name))
    }

    async fn fetch_image(&self, _image: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn build_image(&self, build: &Build) -> Result<(), Error> {
        let what = format!("it is no engine, so {} cannot be built: use the executor `docker`", build.tag);
        Err(Error::Unfit { what })
    }

    async fn list(&self) -> Result<Vec<Listed>, Error> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_at("reading", &self.dir)(error)),
        };
        let mut listed = Vec::new();
        for entry in entries {
            let path = entry.map_err(io_at("reading", &self.dir))?.path();
            if path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let text = std::fs::read(&path).map_err(io_at("reading", &path))?;
            let Entry { name, labels, control } = serde_json::from_slice(&text).map_err(io_at("reading", &path))?;
            let of_this_instance = labels.iter().any(|(label, it)| label == LABEL_INSTANCE && *it == self.instance);
            if of_this_instance {
                listed.push(Listed { name, labels, running: Self::alive(&control)?.is_some() });
            }
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }
}

fn ended(control: &Path) -> Result<Exit, Error> {
    let ending = spool::ending(control)?;
    Ok(Exit { code: ending.and_then(spool::Ending::exit_code), oom: false })
}

fn remove_file(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at("removing", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
