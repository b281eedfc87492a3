//! From a task's claim to the first word of its agent, in a repository of 13,000 files, beside what most runners do.
//!
//! In each round, one after the other: `git worktree add` with `docker create` and `docker start` on the bridge, and one
//! task through agentd, from the commit of its claim (the event `task.running`) to the time in its spool's first frame.
//! Both run the same image. The first task makes the template and is told apart; the ratio is the median of the rounds'.
//! Disks have moods: each round also times `write` and `fdatasync` of 4 KiB, and a slow one says so.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is a program for people")]

use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const DIRS: usize = 260;
const FILES_EACH: usize = 50;
const ROUNDS: usize = 7;

fn main() {
    let rounds = if std::env::args().any(|it| it == "--test") { 1 } else { ROUNDS };
    let folder = tempfile::Builder::new().prefix("agentd-bench-").tempdir().unwrap();
    let root = folder.path();
    make_repository(root);
    let image = agentd(root, &["image", "base"]).trim().to_owned();
    agentd(root, &["start"]);
    let _stopped = Stopped(root);
    let cold = ours(root, 0);
    println!("first task, template made: {cold:?}");
    let mut ratios = vec![];
    for round in 1..=rounds {
        let sync = fdatasync(root);
        let theirs = theirs(root, &image, round);
        let ours = ours(root, round);
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        println!(
            "round {round}: fdatasync {sync:?}, worktree and bridge {theirs:?}, agentd {ours:?}, ratio {ratio:.3}"
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.3} of {rounds} rounds (target 0.5, then 0.25)", ratios[ratios.len() / 2]);
}

/// Stops the daemon, also when the benchmark fails half-way.
struct Stopped<'a>(&'a Path);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let ended = program(self.0).args(["stop", "--now"]).stdin(Stdio::null()).output();
        if !ended.is_ok_and(|it| it.status.success()) {
            println!("the daemon of {} could not be stopped", self.0.display());
        }
    }
}

/// Files of 20 to 400 short lines, different in each, and a bare clone of them.
fn make_repository(root: &Path) {
    let seed = root.join("seed");
    for dir in 0..DIRS {
        let dir_path = seed.join(format!("src/m{}/d{dir}", dir % 20));
        fs::create_dir_all(&dir_path).unwrap();
        for file in 0..FILES_EACH {
            let lines = 20 + (dir * 31 + file * 17) % 380;
            let text: String = (0..lines).map(|line| format!("line {line} of {dir} {file}\n")).collect();
            fs::write(dir_path.join(format!("f{file}.rs")), text).unwrap();
        }
    }
    run(Command::new("git").args(["init", "-q", "-b", "main", "."]).current_dir(&seed));
    run(Command::new("git").args(["add", "."]).current_dir(&seed));
    let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
    run(Command::new("git").args(identity).args(["commit", "-qm", "Begin"]).current_dir(&seed));
    run(Command::new("git").args(["clone", "-q", "--bare", "seed", "forge.git"]).current_dir(root));
    let config = format!(
        "mode = \"auto\"\n[sandbox]\nexecutor = \"docker\"\n[limits]\nopen_changes = 1000\n\
         [agents.script]\nplugin = \"command\"\ndefault = true\nsettings = {{ argv = [\"sh\", \"-c\", \"echo I begin; touch new\"] }}\n\
         [repositories.\"acme/big\"]\npath = \"{}\"\npush = \"branch\"\n",
        root.join("forge.git").display()
    );
    fs::write(root.join("agentd.toml"), config).unwrap();
}

/// A work tree, and a container that has begun.
fn theirs(root: &Path, image: &str, round: usize) -> Duration {
    let (tree, name) = (root.join(format!("tree-{round}")), format!("agentd-bench-{}-{round}", std::process::id()));
    let began = Instant::now();
    let tree_text = tree.display().to_string();
    let add = ["worktree", "add", "-q", "-b", &format!("b{round}"), &tree_text, "main"];
    run(Command::new("git").args(add).current_dir(root.join("forge.git")));
    let mount = format!("{tree_text}:/workspace");
    run(Command::new("docker").args(["create", "--name", &name, "-v", &mount, image, "true"]));
    run(Command::new("docker").args(["start", &name]));
    let took = began.elapsed();
    run(Command::new("docker").args(["rm", "-f", &name]));
    took
}

/// One task, from its claim to its agent's first frame.
fn ours(root: &Path, round: usize) -> Duration {
    let said = agentd(root, &["task", "submit", "--repo", "acme/big", &format!("Round {round}")]);
    let task = said.lines().next().unwrap().trim().to_owned();
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let shown: Value = serde_json::from_str(&agentd(root, &["--json", "task", "show", &task])).unwrap();
        match shown["state"].as_str() {
            Some("in-review") => break,
            Some("failed") => panic!("{shown}"),
            _ => assert!(Instant::now() < deadline, "{shown}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let events = agentd(root, &["--json", "events", "--task", &task]);
    let events = events.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
    let claimed = events.into_iter().find(|it| it["kind"] == "task.running").unwrap()["at"].as_u64().unwrap();
    let spool = fs::read(root.join(format!("home/transcripts/{task}.1.spool"))).unwrap();
    let first = u64::from_le_bytes(spool[5..13].try_into().unwrap());
    // Both are the machine's clock, which may have been set meanwhile.
    Duration::from_millis(first.saturating_sub(claimed))
}

fn fdatasync(root: &Path) -> Duration {
    let mut file = fs::File::create(root.join("probe")).unwrap();
    let began = Instant::now();
    file.write_all(&[0; 4096]).unwrap();
    file.sync_data().unwrap();
    began.elapsed()
}

fn agentd(root: &Path, args: &[&str]) -> String {
    run(program(root).args(args))
}

fn program(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentd"));
    command.arg("--home").arg(root.join("home")).arg("--config").arg(root.join("agentd.toml"));
    command
}

/// What a command wrote; it has to work.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
