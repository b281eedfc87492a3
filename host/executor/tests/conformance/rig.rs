//! An executor, a folder and a base image to try things with; everything is removed afterwards, also after a failure.

use agentd_executor::{
    Command, DockerExecutor, DockerOptions, Executor, Exit, File, Kind, Limits, LocalExecutor, Mount, Network, Sandbox,
    image,
    spool::{Ending, Frame, Note, Reader, Stream},
};
use futures_util::FutureExt as _;
use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    process::Command as Process,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The user commands run as in containers.
pub(crate) const UID: u32 = 10_001;
/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Rig {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) instance: String,
    pub(crate) dir: TempDir,
    image: String,
}

/// Everything a command said, by stream.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) notes: Vec<Note>,
    pub(crate) ending: Option<Ending>,
}

pub(crate) async fn docker(case: impl AsyncFnOnce(&Rig)) {
    let dir = folder();
    let instance = instance(&dir);
    let executor = docker_executor(&instance);
    let image = base(&executor).await;
    hold(Rig { executor: Arc::new(executor), instance, dir, image }, case).await;
}

pub(crate) async fn local(case: impl AsyncFnOnce(&Rig)) {
    let dir = folder();
    let instance = instance(&dir);
    let executor = Arc::new(LocalExecutor::new(&instance, dir.path().join("registry")));
    hold(Rig { executor, instance, dir, image: String::new() }, case).await;
}

async fn hold(rig: Rig, case: impl AsyncFnOnce(&Rig)) {
    let outcome = AssertUnwindSafe(tokio::time::timeout(PATIENCE, case(&rig))).catch_unwind().await;
    for listed in rig.executor.list().await.expect("list") {
        rig.executor.remove(&listed.name, &rig.control(&listed.name)).await.expect("remove");
    }
    match outcome {
        Ok(in_time) => in_time.expect("the case took more than a minute"),
        Err(panic) => resume_unwind(panic),
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("agentd-executor-").tempdir().expect("a temporary folder")
}

fn instance(dir: &TempDir) -> String {
    let name = dir.path().file_name().unwrap_or_default().to_string_lossy();
    name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "")
}

pub(crate) fn docker_executor(instance: &str) -> DockerExecutor {
    let options = DockerOptions { instance: instance.into(), socket: None, uid: UID, gid: UID };
    DockerExecutor::connect(options).expect("the engine's address")
}

async fn base(executor: &DockerExecutor) -> String {
    static BASE: OnceCell<String> = OnceCell::const_new();
    let make = || async {
        if let Err(error) = executor.probe().await {
            panic!("{error}\nhint: these tests run real containers; start the engine (`service docker start`)");
        }
        let tar = image::from_machine(image::PROGRAMS).expect("an image of this machine");
        let tag = image::tag(&tar);
        executor.import(&tag, tar).await.expect("import");
        tag
    };
    BASE.get_or_init(make).await.clone()
}

/// The init program: `AGENTD_INIT`, or built now.
fn init() -> PathBuf {
    static INIT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        if let Some(given) = std::env::var_os("AGENTD_INIT") {
            return given.into();
        }
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let built = Process::new(env!("CARGO"))
            .current_dir(&root)
            .args(["build", "--quiet", "-p", "agentd-init", "--profile", "guest", "--target", &target])
            .args(["--target-dir", "target/guests"])
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status();
        assert!(built.expect("cargo").success(), "agentd-init does not build");
        root.join("target/guests").join(target).join("guest/agentd-init")
    };
    INIT.get_or_init(build).clone()
}

/// A program of these tests for the inside, which speaks to networks: `peer.rs`, built now, needing nothing.
pub(crate) fn peer() -> PathBuf {
    static PEER: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/peer.rs");
        let built = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("peer-{}", std::process::id()));
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let flags =
            ["--edition", "2024", "-C", "opt-level=1", "-C", "strip=symbols", "-C", "target-feature=+crt-static"];
        let status = Process::new(rustc).args(flags).arg(source).arg("-o").arg(&built).status();
        assert!(status.expect("rustc").success(), "the tests' own program does not build");
        let place = built.with_file_name("peer");
        std::fs::rename(built, &place).expect("a name");
        place
    };
    PEER.get_or_init(build).clone()
}

impl Rig {
    /// A sandbox that runs a shell script, to which `peer` is a program.
    pub(crate) fn with_peer(&self, purpose: &str, script: &str) -> Sandbox {
        let mut sandbox = self.shell(purpose, script);
        sandbox.mounts.push(Mount { host: peer(), inside: "/usr/bin/peer".into(), writable: false });
        sandbox
    }

    pub(crate) fn control(&self, name: &str) -> PathBuf {
        self.dir.path().join("control").join(name)
    }

    /// A sandbox that runs a shell script, in a writable folder.
    pub(crate) fn shell(&self, purpose: &str, script: &str) -> Sandbox {
        self.run(purpose, &["sh", "-c", script])
    }

    pub(crate) fn run(&self, purpose: &str, argv: &[&str]) -> Sandbox {
        let name = format!("agentd-{}-t-1-1-{purpose}", self.instance);
        let work = self.mount(purpose, "work", "/workspace");
        let home = self.mount(purpose, "home", "/home/agent");
        let (cwd, home_inside) = (self.executor.place(&work), self.executor.place(&home));
        Sandbox {
            labels: vec![("agentd.task".into(), "t-1".into()), ("agentd.run".into(), "1".into())],
            image: self.image.clone(),
            init: init(),
            control: self.control(&name),
            mounts: vec![work, home],
            gateway: None,
            network: Network::Own,
            command: Command {
                argv: argv.iter().map(|&it| it.to_owned()).collect(),
                env: Vec::new(),
                path: Vec::new(),
                cwd,
                stdin: None,
                keep_stdin: false,
                files: Vec::new(),
                home: home_inside,
            },
            limits: Limits { memory: 256 << 20, cpus: 2.0, pids: 64, spool: 64 << 20, tmp: 16 << 20 },
            name,
        }
    }

    fn mount(&self, purpose: &str, name: &str, inside: &str) -> Mount {
        let host = self.dir.path().join(format!("{purpose}-{name}"));
        std::fs::create_dir_all(&host).expect("a folder");
        if self.executor.kind() == Kind::Docker {
            std::os::unix::fs::chown(&host, Some(UID), Some(UID)).expect("root");
        }
        Mount { host, inside: inside.into(), writable: true }
    }

    pub(crate) async fn start(&self, sandbox: &Sandbox) {
        self.executor.start(sandbox).await.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) async fn wait(&self, sandbox: &Sandbox) -> Exit {
        self.executor.wait(&sandbox.name, &sandbox.control).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs it to its end.
    pub(crate) async fn finish(&self, sandbox: &Sandbox) -> (Exit, Said) {
        self.start(sandbox).await;
        let exit = self.wait(sandbox).await;
        (exit, self.said(sandbox))
    }

    pub(crate) fn frames(&self, sandbox: &Sandbox, offset: u64) -> Vec<Frame> {
        let mut reader = Reader::open(&sandbox.control, offset).expect("the spool");
        std::iter::from_fn(|| reader.next().expect("a whole frame")).collect()
    }

    /// What it has said until now.
    pub(crate) fn said(&self, sandbox: &Sandbox) -> Said {
        let (mut stdout, mut stderr, mut said) = (Vec::new(), Vec::new(), Said::default());
        for frame in self.frames(sandbox, 0) {
            match frame.stream {
                Stream::Stdout => stdout.extend(frame.payload),
                Stream::Stderr => stderr.extend(frame.payload),
                Stream::Note => said.notes.extend(frame.note()),
                Stream::Exit => said.ending = frame.ending(),
            }
        }
        said.stdout = String::from_utf8_lossy(&stdout).into_owned();
        said.stderr = String::from_utf8_lossy(&stderr).into_owned();
        said
    }

    /// Looks at what it says until `words` are in it.
    pub(crate) async fn until(&self, sandbox: &Sandbox, words: &str) {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !self.said(sandbox).stdout.contains(words) {
            look.tick().await;
        }
    }
}

/// A file for the command's home.
pub(crate) fn file(path: &str, content: &str, executable: bool) -> File {
    File { path: path.into(), content: content.into(), executable }
}
