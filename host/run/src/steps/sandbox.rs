//! What all sandboxes of a run have in common: names, mounts, owners, and short commands that are waited for.

use super::{Run, Stop, network::Phase};
use crate::{contract, disk, git::Mirror};
use agentd_executor::{Command, Exit, Kind, Mount, Network, Sandbox, spool};
use agentd_task::{Failure, Reason};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) const WORKSPACE: &str = "/workspace";
pub(super) const HOME: &str = "/home/agent";
const MIRROR: &str = "/agentd/mirror";
/// So long an engine may be away in the middle of a run.
const ENGINE_PATIENCE: Duration = Duration::from_secs(5 * 60);
const ENGINE_PAUSE: Duration = Duration::from_secs(1);
/// Output of setup, collect and gates that is kept.
const SHORT_OUTPUT: u64 = 4 << 20;
/// What of it people and prompts get to see.
pub(super) const OUTPUT_TAIL: usize = 32 << 10;

/// A command that is waited for.
pub(super) struct Short {
    /// Names the sandbox within the run.
    pub(super) name: String,
    pub(super) argv: Vec<String>,
    pub(super) workspace: PathBuf,
    pub(super) home: PathBuf,
    /// None: it has no way out at all.
    pub(super) network: Option<Phase>,
    /// Mounted at this path inside, writable.
    pub(super) handout: Option<(PathBuf, String)>,
    pub(super) timeout: Duration,
}

/// What came of it.
pub(super) struct Said {
    pub(super) exit: Exit,
    /// The end of both outputs, as they came.
    pub(super) tail: String,
}

pub(crate) fn mount(host: PathBuf, inside: &str, writable: bool) -> Mount {
    Mount { host, inside: inside.into(), writable }
}

fn mirror_mount(run: &Run) -> Mount {
    mount(run.rt.layout.mirror(&run.repository.id), MIRROR, false)
}

/// Where a workspace's git finds the mirror's objects, as the sandbox sees them.
pub(crate) fn mirror_objects(run: &Run, mirror: &Mirror) -> String {
    let mount = mount(mirror.dir().into(), MIRROR, false);
    format!("{}/objects", run.repository.executor.place(&mount))
}

/// A sandbox of this run in the run's image, without a network yet.
pub(super) fn sandbox(run: &Run, name: &str, mut mounts: Vec<Mount>, command: Command) -> Sandbox {
    mounts.push(mirror_mount(run));
    bare(run, name, mounts, command, run.image())
}

/// A sandbox of this run in an image of its own.
pub(super) fn bare(run: &Run, name: &str, mounts: Vec<Mount>, command: Command, image: String) -> Sandbox {
    Sandbox {
        name: run.rt.sandbox_name(run.key, name),
        labels: labels(run, name),
        image,
        init: run.rt.sandboxes.init.clone(),
        control: run.layout.control(name),
        mounts,
        command,
        limits: run.rt.sandboxes.limits.clone(),
        gateway: None,
        network: Network::Own,
    }
}

pub(super) fn labels(run: &Run, name: &str) -> Vec<(String, String)> {
    vec![
        ("agentd.task".into(), run.key.task.to_string()),
        ("agentd.run".into(), run.key.run.to_string()),
        ("agentd.sandbox".into(), name.into()),
    ]
}

/// Runs a command in a sandbox of its own and waits for its end. One that is left from before is removed first.
pub(super) async fn run_short(run: &Run, short: Short) -> Result<Said, Stop> {
    let executor = &run.repository.executor;
    let mut mounts = vec![mount(short.workspace, WORKSPACE, true), mount(short.home, HOME, true)];
    let [workspace, home] = [&mounts[0], &mounts[1]].map(|it| executor.place(it));
    mounts.extend(short.handout.map(|(host, inside)| mount(host, &inside, true)));
    let command = Command {
        argv: short.argv,
        env: vec![],
        path: vec![],
        cwd: workspace,
        stdin: None,
        keep_stdin: false,
        files: vec![],
        home,
    };
    let mut sandbox = sandbox(run, &short.name, mounts, command);
    if let Some(wanted) = short.network {
        run.network(wanted).await?.attach_to(&mut sandbox);
    }
    sandbox.limits.spool = SHORT_OUTPUT;
    executor.remove(&sandbox.name, &sandbox.control).await?;
    empty_dir(&sandbox.control).await?;
    executor.start(&sandbox).await?;
    let wait = patiently(|| executor.wait(&sandbox.name, &sandbox.control));
    let exit = match tokio::time::timeout(short.timeout, wait).await {
        Ok(exit) => exit?,
        Err(_) => {
            executor.kill(&sandbox.name, &sandbox.control).await?;
            let said = said(&sandbox.control, Exit { code: None, oom: false }).await?;
            executor.remove(&sandbox.name, &sandbox.control).await?;
            let text =
                format!("{} took longer than {:?}; its last words: {}", short.name, short.timeout, last(&said.tail));
            return Err(Stop::failed(Reason::Timeout, text));
        }
    };
    let said = said(&sandbox.control, exit).await?;
    executor.remove(&sandbox.name, &sandbox.control).await?;
    Ok(said)
}

fn last(tail: &str) -> &str {
    contract::tail(tail, 500)
}

/// Asks the engine again while it does not answer: it may be restarting, and what runs in it may go on meanwhile.
pub(super) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, agentd_executor::Error>
where
    F: Future<Output = Result<T, agentd_executor::Error>>,
{
    let began = tokio::time::Instant::now();
    loop {
        match ask().await {
            Err(error @ agentd_executor::Error::Engine { .. }) if began.elapsed() < ENGINE_PATIENCE => {
                tracing::warn!(%error, "The engine does not answer, asking again");
                tokio::time::sleep(ENGINE_PAUSE).await;
            }
            answer => return answer,
        }
    }
}

async fn said(control: &Path, exit: Exit) -> Result<Said, Stop> {
    let control = control.to_owned();
    let read = move || -> Result<Said, agentd_executor::Error> {
        let mut reader = spool::Reader::open(&control, 0)?;
        let (mut both, mut exit) = (vec![], exit);
        while let Some(frame) = reader.next()? {
            match frame.stream {
                spool::Stream::Stdout | spool::Stream::Stderr => both.extend_from_slice(&frame.payload),
                spool::Stream::Note => {}
                spool::Stream::Exit => exit.code = exit.code.or(frame.ending().and_then(spool::Ending::exit_code)),
            }
        }
        let both = String::from_utf8_lossy(&both);
        Ok(Said { exit, tail: contract::tail(&both, OUTPUT_TAIL).to_owned() })
    };
    Ok(blocking(read).await??)
}

/// Runs the repository's setup command, if it has one.
pub(super) async fn setup(run: &Run, network: Phase, workspace: &Path, home: &Path, name: &str) -> Result<(), Stop> {
    let Some(setup) = &run.repository.setup else { return Ok(()) };
    let short = Short {
        name: name.into(),
        argv: shell(setup),
        workspace: workspace.into(),
        home: home.into(),
        network: Some(network),
        handout: None,
        timeout: run.rt.timeouts.gate,
    };
    let said = run_short(run, short).await?;
    match said.exit.code {
        Some(0) => Ok(()),
        code => {
            let text = format!("`{setup}` ended with {}: {}", ended_with(code), last(&said.tail));
            Err(Stop::failed(Reason::Setup, text))
        }
    }
}

pub(super) fn shell(command: &str) -> Vec<String> {
    ["sh", "-c", command].map(Into::into).into()
}

/// Where a sandbox's programs come from, for people.
pub(super) fn place(run: &Run) -> String {
    match run.repository.executor.kind() {
        Kind::Docker => format!("in the image {}", run.image()),
        Kind::Local => "on this machine".into(),
    }
}

/// `exit code 3`, or what there is to say without one.
pub(super) fn ended_with(code: Option<i32>) -> String {
    code.map_or_else(|| "no exit code".into(), |code| format!("exit code {code}"))
}

/// Makes a folder, empty, for the daemon's user alone.
pub(crate) async fn empty_dir(dir: &Path) -> Result<(), Stop> {
    let dir = dir.to_owned();
    let make = move || {
        use std::os::unix::fs::DirBuilderExt;
        disk::remove_folder(&dir).map_err(|error| io_failure("emptying", &dir, &error))?;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|error| io_failure("making", &dir, &error))
    };
    Ok(blocking(make).await??)
}

/// Makes the sandbox's user the owner of what is below these folders, where the executor changes users.
pub(crate) async fn give_to_agent(run: &Run, dirs: &[PathBuf]) -> Result<(), Stop> {
    if run.repository.executor.kind() != Kind::Docker {
        return Ok(());
    }
    let (uid, gid) = (run.rt.sandboxes.uid, run.rt.sandboxes.gid);
    for dir in dirs {
        let dir = dir.clone();
        let give = move || give(&dir, uid, gid).map_err(|error| io_failure("changing the owner of", &dir, &error));
        blocking(give).await??;
    }
    Ok(())
}

/// Links themselves change their owner, never what they point to. The host made this tree and no agent has seen it.
fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))?;
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}

pub(crate) fn io_failure(doing: &str, path: &Path, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Reason::DiskFull,
        _ => Reason::Internal,
    };
    Failure::new(reason, format!("{doing} {} failed: {error}", path.display()))
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Failure::new(Reason::Internal, format!("a thread died: {e}")))
}
