//! The program as the host meets it: what it writes for whom, and with which code it ends. In containers it is tried by
//! the executor's own tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};
use tempfile::TempDir;

const INIT: &str = env!("CARGO_BIN_EXE_agentd-init");

struct Trial {
    dir: TempDir,
    launch: Value,
}

impl Trial {
    fn new(argv: &[&str]) -> Trial {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("frames");
        std::fs::write(&spool, "").unwrap();
        let launch = json!({
            "argv": argv, "env": [["PATH", "/usr/local/bin:/usr/bin:/bin"]], "cwd": dir.path(), "home": dir.path(),
            "uid": null, "gid": null, "stdin": null, "spool": spool, "spool_max": 1 << 20,
            "files": [],
        });
        Trial { dir, launch }
    }

    fn with(mut self, key: &str, value: Value) -> Trial {
        self.launch[key] = value;
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn spawn(&self, way: &[&Path]) -> Child {
        let launch = self.path("launch.json");
        std::fs::write(&launch, self.launch.to_string()).unwrap();
        let (before, after) = way.split_at(way.len().min(1));
        let mut command = Command::new(INIT);
        command.args(before).arg(launch).args(after).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Its exit code, and what it said itself.
    fn run(&self, way: &[&Path]) -> (Option<i32>, String) {
        let output = self.spawn(way).wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    /// The payloads of a stream, one after the other.
    fn said(&self, stream: u8) -> String {
        let bytes = std::fs::read(self.path("frames")).unwrap();
        let (mut rest, mut said) = (bytes.as_slice(), Vec::new());
        while rest.len() >= 13 {
            let end = 13 + u32::from_le_bytes(rest[1..5].try_into().unwrap()) as usize;
            if rest[0] == stream {
                said.extend(&rest[13..end]);
            }
            rest = &rest[end..];
        }
        String::from_utf8(said).unwrap()
    }
}

#[track_caller]
fn check_ends(argv: &[&str], code: i32, exit: &str) {
    let trial = Trial::new(argv);
    assert_eq!(trial.run(&[]), (Some(code), String::new()));
    assert_eq!(trial.said(4), exit);
}

#[test]
fn it_ends_as_the_command_ended() {
    check_ends(&["true"], 0, r#"{"code":0,"signal":null}"#);
    check_ends(&["sh", "-c", "exit 200"], 200, r#"{"code":200,"signal":null}"#);
    check_ends(&["sh", "-c", "kill -15 $$"], 143, r#"{"code":null,"signal":15}"#);
    check_ends(&["no-such-program"], 127, r#"{"code":127,"signal":null}"#);
    check_ends(&["/dev/null"], 126, r#"{"code":126,"signal":null}"#);
}

#[test]
fn what_it_cannot_use_it_refuses_with_a_sentence() {
    let check = |trial: &Trial, words: &str| {
        let (code, said) = trial.run(&[]);
        assert_eq!(code, Some(125), "{said}");
        assert!(said.starts_with("agentd-init: ") && said.contains(words) && !said.contains("secret"), "{said}");
    };
    check(&Trial::new(&["true"]).with("spool", json!("/dev/null")), "not a plain file");
    check(&Trial::new(&["true"]).with("spool", json!("/no/frames")), "cannot open the spool /no/frames");
    check(&Trial::new(&[]), "names no program");
    check(&Trial::new(&["true"]).with("env", json!("secret")), "launch.json is wrong");
    check(&Trial::new(&["true"]).with("surprise", json!("secret")), "launch.json is wrong");
    let link = Trial::new(&["true"]);
    std::os::unix::fs::symlink(link.path("frames"), link.path("link")).unwrap();
    let spool = json!(link.path("link"));
    check(&link.with("spool", spool), "cannot open the spool");
    let usage = Command::new(INIT).output().unwrap();
    assert_eq!(usage.status.code(), Some(125));
    assert_eq!(String::from_utf8(usage.stdout).unwrap(), "agentd-init: usage: agentd-init LAUNCH.json\n");
}

#[test]
fn the_command_gives_up_every_right() {
    let script = "id -u; id -G; grep -E '^(CapPrm|CapBnd|NoNewPrivs)' /proc/self/status | tr -d '\\t'; ulimit -c";
    let trial = Trial::new(&["sh", "-c", script]).with("uid", json!(10001)).with("gid", json!(10002));
    let trial = trial.with("cwd", json!("/"));
    assert_eq!(trial.run(&[]).0, Some(0), "{}", trial.said(2));
    let none = "0000000000000000";
    assert_eq!(trial.said(1), format!("10001\n10002\nCapPrm:{none}\nCapBnd:{none}\nNoNewPrivs:1\n0\n"));
    let root = Trial::new(&["true"]).with("uid", json!(0)).with("gid", json!(0));
    assert_eq!(root.run(&[]).0, Some(126));
    assert_eq!(root.said(2), "agentd-init: the command must not run as root\n");
}

#[test]
fn files_stay_below_the_home() {
    for path in ["../out", "/tmp/out", "a/../../out"] {
        let files = json!([{ "path": path, "content": "x", "executable": false }]);
        let trial = Trial::new(&["true"]).with("files", files);
        assert_eq!(trial.run(&[]).0, Some(126), "{path}");
        assert_eq!(trial.said(2), format!("agentd-init: cannot write {path}: it is not below the home\n"));
    }
    let files = json!([{ "path": "link", "content": "x", "executable": false }]);
    let trial = Trial::new(&["true"]).with("files", files);
    std::os::unix::fs::symlink("/tmp/agentd-init-out", trial.path("link")).unwrap();
    assert_eq!(trial.run(&[]).0, Some(126));
    assert!(trial.said(2).contains("cannot write link"), "{}", trial.said(2));
}

#[test]
fn the_input_ends_where_it_ends() {
    let script = "read line; echo got $line; read -r more; echo over";
    let closed = Trial::new(&["sh", "-c", script]).with("stdin", json!("one\n"));
    assert_eq!(closed.run(&[]).0, Some(0));
    assert_eq!(closed.said(1), "got one\nover\n");
}

#[test]
fn a_signal_reaches_the_whole_command() {
    let script = "trap 'echo parent; wait; exit 5' TERM; (trap 'echo child; exit' TERM; echo ready; \
                  while :; do sleep 0.01; done) & while :; do wait; done";
    let trial = Trial::new(&["sh", "-c", script]);
    let init = trial.spawn(&[]);
    wait_for(&trial, "ready");
    assert_eq!(terminate(init).code(), Some(5));
    assert!(trial.said(1).contains("child") && trial.said(1).contains("parent"), "{}", trial.said(1));
}

#[test]
fn what_the_command_calls_reaches_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let outside = UnixListener::bind(&socket).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo question >&3 && cat <&3");
    let trial = Trial::new(&["bash", "-c", &script]).with("bridge", json!({ "port": port, "socket": socket }));
    let init = trial.spawn(&[]);
    let (mut far, _) = outside.accept().unwrap();
    let mut question = [0; 9];
    far.read_exact(&mut question).unwrap();
    far.write_all(b"answer\n").unwrap();
    drop(far);
    assert_eq!(init.wait_with_output().unwrap().status.code(), Some(0), "{}", trial.said(2));
    assert_eq!((&question, trial.said(1).as_str()), (b"question\n", "answer\n"));
}

#[test]
fn without_its_way_out_the_command_does_not_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let trial = Trial::new(&["echo", "ran"]).with("bridge", json!({ "port": port, "socket": "/no/s" }));
    assert_eq!(trial.run(&[]).0, Some(126));
    let why = format!("cannot listen on 127.0.0.1:{port}: ");
    assert!(trial.said(3).contains(&why) && trial.said(3).contains("cannot_start"), "{}", trial.said(3));
    assert_eq!(trial.said(1), "");
}

#[test]
fn holding_ends_well_when_it_is_asked_to() {
    let trial = Trial::new(&["sh", "-c", "echo ready; exec \"$@\"", "sh", INIT, "hold"]);
    let init = trial.spawn(&[]);
    wait_for(&trial, "ready");
    // It takes signals from some moment on, which shows in what the kernel says of it.
    let holds = || {
        let of = std::process::Command::new("pgrep").args(["-P", &init.id().to_string()]).output().unwrap();
        let pid = String::from_utf8(of.stdout).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap_or("0");
        u64::from_str_radix(caught, 16).unwrap_or(0) & (1 << (15 - 1)) != 0 && status.contains("agentd-init")
    };
    while !holds() {
        std::thread::yield_now();
    }
    assert_eq!(terminate(init).code(), Some(0));
    assert_eq!(trial.said(4), r#"{"code":0,"signal":null}"#);
}

#[test]
fn outside_a_container_only_one_init_has_a_sandbox() {
    let trial = Trial::new(&["sh", "-c", "echo ran; ps -o sid= -p $PPID"]);
    let record = trial.path("local.json");
    let mut first = trial.spawn(&[Path::new("local"), &record]);
    let mut said = String::new();
    // It closes its output when the record is written, long before it ends or not.
    first.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    assert_eq!((written["pid"].as_u64(), said.as_str()), (Some(first.id().into()), ""));
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(trial.run(&[Path::new("local"), &record]), (Some(0), String::new()));
    assert_eq!(trial.said(1).replace(' ', ""), format!("ran\n{}\n", written["pid"]));
    assert_eq!(std::fs::read_dir(trial.dir.path()).unwrap().count(), 3, "launch, frames and record");
}

fn terminate(mut init: Child) -> ExitStatus {
    let pid = Pid::from_raw(i32::try_from(init.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    init.wait().unwrap()
}

/// Looks at what it says until `words` are in it.
fn wait_for(trial: &Trial, words: &str) {
    while !trial.said(1).contains(words) {
        std::thread::yield_now();
    }
}

#[test]
fn input_that_is_given_while_it_runs_is_handed_on_in_order_until_its_end() {
    let trial = Trial::new(&["sh", "-c", "while read line; do echo got $line; done; echo over"]);
    let folder = trial.path("input");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("bytes"), "one\n").unwrap();
    let trial = trial.with("input", json!(folder));
    let child = trial.spawn(&[]);
    let until = |words: &str| {
        while !trial.said(1).contains(words) {
            std::thread::yield_now();
        }
    };
    until("got one\n");
    let mut bytes = std::fs::OpenOptions::new().append(true).open(folder.join("bytes")).unwrap();
    bytes.write_all(b"tw").unwrap();
    bytes.write_all(b"o\nthree").unwrap();
    until("got two\n");
    bytes.write_all(b"\n").unwrap();
    std::fs::write(folder.join("end"), "").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(trial.said(1), "got one\ngot two\ngot three\nover\n");
}

#[test]
fn a_command_that_does_not_read_its_input_is_not_held_up_by_it() {
    let trial = Trial::new(&["true"]);
    let folder = trial.path("input");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("bytes"), "x".repeat(1 << 20)).unwrap();
    let trial = trial.with("input", json!(folder));
    assert_eq!(trial.run(&[]), (Some(0), String::new()));
    let missing = Trial::new(&["true"]).with("input", json!("/no/folder"));
    assert_eq!(missing.run(&[]).0, Some(126));
    assert!(missing.said(3).contains("cannot open the input /no/folder/bytes"), "{}", missing.said(3));
}
