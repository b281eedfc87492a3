//! How long a daemon takes from its start to its first answer, and how much memory it holds when nothing happens.
//!
//! Both with all shipped plugins, compiled already, and with 10,000 tasks that are over. A start is timed from the call
//! that makes the process to the first answer on its control socket; each round beside a fork of `true`, which says how
//! busy the machine is. Memory is what the kernel calls resident, ten seconds after the last word.
//!
//! The plugins are those of `AGENTD_SHIPPED`, which `cargo xtask bench` names.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is a program for people")]

use agentd_store::{Intake, Options, Store, With};
use agentd_task::{Draft, Event, Mode};
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const TASKS: usize = 10_000;
const BATCH: usize = 500;
const ROUNDS: usize = 15;
/// 2026-01-01, in milliseconds since 1970.
const NOW: i64 = 1_767_225_600_000;

fn main() {
    let quick = std::env::args().any(|it| it == "--test");
    let (rounds, tasks) = if quick { (1, BATCH) } else { (ROUNDS, TASKS) };
    let folder = tempfile::Builder::new().prefix("agentd-bench-").tempdir().unwrap();
    let root = folder.path();
    prepare(root);
    let first = start(root);
    println!("first start, plugins compiled: {:?}", first.took);
    drop(first);
    fill(root, tasks);
    let (mut starts, mut forks) = (vec![], vec![]);
    for _ in 0..rounds {
        let began = Instant::now();
        assert!(Command::new("true").status().unwrap().success());
        forks.push(began.elapsed());
        starts.push(start(root).took);
    }
    starts.sort_unstable();
    forks.sort_unstable();
    println!(
        "start to first answer, {tasks} tasks in the past: p50 {:?}, worst {:?} of {rounds} (target 250 ms); fork of `true` {:?}",
        starts[rounds / 2],
        starts[rounds - 1],
        forks[rounds / 2],
    );
    let daemon = start(root);
    std::thread::sleep(Duration::from_secs(if quick { 1 } else { 10 }));
    let (all, own) = daemon.resident();
    println!("resident when idle: {all:.1} MiB (target 60 MB), {own:.1} MiB of it in no file");
}

/// A home with a repository and a configuration; nothing of it needs Docker.
fn prepare(root: &Path) {
    let repository = root.join("forge.git");
    let made = Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&repository).status().unwrap();
    assert!(made.success());
    let config = format!(
        "[sandbox]\nexecutor = \"local\"\n[agents.script]\nplugin = \"command\"\nsettings = {{ argv = [\"true\"] }}\n\
         [repositories.\"acme/shop\"]\npath = \"{}\"\n",
        repository.display()
    );
    fs::write(root.join("agentd.toml"), config).unwrap();
}

/// Tasks that came and were cancelled.
fn fill(root: &Path, tasks: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(Options { path: root.join("home/agentd.db") }, NOW).unwrap();
        for batch in 0..tasks / BATCH {
            let draft = |number: usize| Draft {
                key: format!("{batch}-{number}"),
                title: format!("Mend the login, for the {number}th time"),
                body: "It does not work. ".repeat(40),
                repository: "acme/shop".into(),
                ..Draft::default()
            };
            let intake = Intake {
                source: "cli".into(),
                drafts: (0..BATCH).map(draft).collect(),
                withdrawn: vec![],
                complete: None,
                cursor: None,
                entry: None,
                kv: vec![],
                mode: Mode::Ask,
                branch_prefix: "agentd/".into(),
                shared: std::collections::BTreeSet::new(),
            };
            for task in store.intake(intake, NOW).await.unwrap().new {
                store.apply(task, Event::Cancelled, With::default(), NOW).await.unwrap();
            }
        }
        store.close().await;
    });
}

struct Daemon {
    child: Child,
    took: Duration,
}

/// Starts it, and waits for its answer.
fn start(root: &Path) -> Daemon {
    let socket = root.join("home/agentd.sock");
    fs::remove_file(&socket).ok();
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentd"));
    command.arg("--home").arg(root.join("home")).arg("--config").arg(root.join("agentd.toml"));
    command.args(["--quiet", "start", "--foreground"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    loop {
        if answers(&socket) {
            return Daemon { child, took: began.elapsed() };
        }
        assert!(child.try_wait().unwrap().is_none(), "the daemon ended");
        assert!(began.elapsed() < Duration::from_secs(300), "the daemon does not answer");
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let asked = stream.write_all(b"GET /v1/health HTTP/1.1\r\nhost: agentd\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

impl Daemon {
    /// In MiB: all of it, and what belongs to no file.
    fn resident(&self) -> (f64, f64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|it| it.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
        };
        (field("VmRSS:"), field("RssAnon:"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let terminated = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !terminated.is_ok_and(|it| it.success()) || self.child.wait().is_err() {
            println!("the daemon {} could not be ended", self.child.id());
        }
    }
}
