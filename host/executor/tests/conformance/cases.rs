//! What every executor does.

use crate::rig::{Rig, docker_executor, file};
use agentd_executor::{Error, Executor, Exit, Input, Kind, LocalExecutor, Mount, State, spool::Ending};
use agentd_task::Reason;
use std::{sync::Arc, time::Duration};

const GRACE: Duration = Duration::from_secs(30);

fn exit(code: i32) -> Exit {
    Exit { code: Some(code), oom: false }
}

pub(crate) async fn output_is_kept_as_it_was_said(rig: &Rig) {
    let sandbox = rig.shell("out", "for i in 1 2 3; do echo out $i; echo err $i >&2; done");
    let (ended, said) = rig.finish(&sandbox).await;
    assert_eq!(ended, exit(0));
    assert_eq!(said.stdout, "out 1\nout 2\nout 3\n");
    assert_eq!(said.stderr, "err 1\nerr 2\nerr 3\n");
    assert_eq!((said.notes, said.ending), (vec![], Some(Ending { code: Some(0), signal: None })));
}

pub(crate) async fn exit_codes_and_signals_are_told_apart(rig: &Rig) {
    let (ended, said) = rig.finish(&rig.shell("code", "exit 7")).await;
    assert_eq!((ended, said.ending), (exit(7), Some(Ending { code: Some(7), signal: None })));
    let (ended, said) = rig.finish(&rig.shell("signal", "kill -9 $$")).await;
    assert_eq!((ended, said.ending), (exit(137), Some(Ending { code: None, signal: Some(9) })));
}

pub(crate) async fn input_is_what_was_given(rig: &Rig) {
    let mut sandbox = rig.run("given", &["cat"]);
    let text = "a prompt, äöü\n".repeat(20_000);
    sandbox.command.stdin = Some(text.clone());
    assert_eq!(rig.finish(&sandbox).await.1.stdout, text);
    let (ended, said) = rig.finish(&rig.run("none", &["cat"])).await;
    assert_eq!((ended, said.stdout.as_str()), (exit(0), ""));
    // A command that does not read its input is not held up by it.
    let mut deaf = rig.run("deaf", &["true"]);
    deaf.command.stdin = Some(text);
    assert_eq!(rig.finish(&deaf).await.0, exit(0));
}

pub(crate) async fn input_that_stays_open_takes_more_and_ends_when_told(rig: &Rig) {
    let mut sandbox = rig.shell("open", "while read line; do echo got $line; done; echo over");
    (sandbox.command.stdin, sandbox.command.keep_stdin) = (Some("one\n".into()), true);
    rig.start(&sandbox).await;
    rig.until(&sandbox, "got one\n").await;
    let mut input = Input::open(&sandbox.control).unwrap();
    assert_eq!(input.length(), 4);
    input.give(4, b"two\nthr").unwrap();
    rig.until(&sandbox, "got two\n").await;
    // What is given again, or overlaps, is there once.
    input.give(0, b"one\ntwo\nthree\n").unwrap();
    rig.until(&sandbox, "got three\n").await;
    assert!(input.give(99, b"x").is_err(), "a gap");
    input.end().unwrap();
    assert_eq!(rig.wait(&sandbox).await, exit(0));
    assert_eq!(rig.said(&sandbox).stdout, "got one\ngot two\ngot three\nover\n");
    // Started anew under the same name, nothing is left of it.
    rig.executor.remove(&sandbox.name, &sandbox.control).await.unwrap();
    sandbox.command.stdin = None;
    rig.start(&sandbox).await;
    let input = Input::open(&sandbox.control).unwrap();
    assert_eq!(input.length(), 0);
    input.end().unwrap();
    assert_eq!(rig.wait(&sandbox).await, exit(0));
    assert_eq!(rig.said(&sandbox).stdout, "over\n");
}

pub(crate) async fn input_of_one_that_was_adopted_goes_on_where_it_was(rig: &Rig) {
    let mut sandbox = rig.shell("adopted", "while read line; do echo got $line; done");
    (sandbox.command.stdin, sandbox.command.keep_stdin) = (Some("one\n".into()), true);
    rig.start(&sandbox).await;
    Input::open(&sandbox.control).unwrap().give(4, b"two\n").unwrap();
    rig.until(&sandbox, "got two\n").await;
    rig.executor.pause(&sandbox.name, &sandbox.control).await.unwrap();
    // Another daemon: it starts what runs already, says all of the input again, and goes on.
    rig.start(&sandbox).await;
    let mut again = Input::open(&sandbox.control).unwrap();
    again.give(4, b"two\nthree\n").unwrap();
    again.end().unwrap();
    rig.executor.unpause(&sandbox.name, &sandbox.control).await.unwrap();
    assert_eq!(rig.wait(&sandbox).await, exit(0));
    assert_eq!(rig.said(&sandbox).stdout, "got one\ngot two\ngot three\n");
}

pub(crate) async fn files_are_there_and_belong_to_the_command(rig: &Rig) {
    let script =
        "cat $HOME/.config/agent.toml; $HOME/bin/hello; find $HOME -type f -user $(id -u) -printf '%P %m\\n' | sort";
    let mut sandbox = rig.shell("files", script);
    sandbox.command.files =
        vec![file(".config/agent.toml", "model = 1\n", false), file("bin/hello", "#!/bin/sh\necho hello\n", true)];
    let (ended, said) = rig.finish(&sandbox).await;
    assert_eq!(ended, exit(0), "{said:?}");
    assert_eq!(said.stdout, "model = 1\nhello\n.config/agent.toml 600\nbin/hello 700\n");
}

pub(crate) async fn the_environment_is_exactly_what_was_given(rig: &Rig) {
    let mut sandbox = rig.run("env", &["env"]);
    sandbox.command.env = vec![("A".into(), "1".into()), ("B".into(), "two words\nand a line".into())];
    let said = rig.finish(&sandbox).await.1;
    let path = match rig.executor.kind() {
        Kind::Docker => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        Kind::Local => std::env::var("PATH").unwrap(),
    };
    let home = &sandbox.command.home;
    let expected = format!("A=1\nB=two words\nand a line\nHOME={home}\nPATH={path}\nLANG=C.UTF-8\nTERM=dumb\n");
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&said.stdout), sorted(&expected), "{}", said.stdout);
}

pub(crate) async fn the_working_folder_and_mounts_are_there(rig: &Rig) {
    let mut sandbox = rig.shell("mounts", "pwd; cat data/given; echo made > made");
    let data =
        Mount { host: rig.dir.path().join("mounts-work/data"), inside: "/workspace/data".into(), writable: false };
    std::fs::create_dir(&data.host).unwrap();
    std::fs::write(data.host.join("given"), "given\n").unwrap();
    sandbox.mounts.push(data);
    let (ended, said) = rig.finish(&sandbox).await;
    assert_eq!(ended, exit(0), "{said:?}");
    assert_eq!(said.stdout, format!("{}\ngiven\n", sandbox.command.cwd));
    assert_eq!(std::fs::read_to_string(rig.dir.path().join("mounts-work/made")).unwrap(), "made\n");
}

pub(crate) async fn a_missing_program_is_named(rig: &Rig) {
    let (ended, said) = rig.finish(&rig.run("missing", &["no-such-agent", "--go"])).await;
    assert_eq!(ended, exit(127));
    let why = said.notes[0].cannot_start.clone().unwrap();
    assert!(why.starts_with("there is no program `no-such-agent` in any folder of PATH"), "{why}");
    let (ended, said) = rig.finish(&rig.run("path", &["/opt/no-such-agent"])).await;
    assert_eq!(ended, exit(127));
    assert_eq!(said.notes[0].cannot_start.as_deref(), Some("there is no program /opt/no-such-agent"));
}

pub(crate) async fn a_program_that_cannot_run_is_named(rig: &Rig) {
    let mut sandbox = rig.run("script", &["./script"]);
    sandbox.command.cwd = sandbox.command.home.clone();
    sandbox.command.files = vec![file("script", "#!/bin/sh\n", false)];
    // The file is written by the last step before the command, so that init cannot know of it.
    let path = format!("{}/script", sandbox.command.home);
    sandbox.command.argv = vec!["sh".into(), "-c".into(), format!("exec {path}")];
    let (ended, said) = rig.finish(&sandbox).await;
    assert_eq!(ended, exit(126), "{said:?}");
    assert!(said.stderr.contains("Permission denied"), "{said:?}");
}

pub(crate) async fn a_missing_working_folder_is_named(rig: &Rig) {
    let mut sandbox = rig.run("cwd", &["true"]);
    sandbox.command.cwd = "/no/such/folder".into();
    let (ended, said) = rig.finish(&sandbox).await;
    assert_eq!(ended, exit(126));
    assert!(said.stderr.contains("cannot enter the working folder /no/such/folder"), "{said:?}");
}

pub(crate) async fn a_missing_mount_is_named(rig: &Rig) {
    let mut sandbox = rig.run("mount", &["true"]);
    sandbox.mounts.push(Mount { host: rig.dir.path().join("gone"), inside: "/gone".into(), writable: false });
    let error = rig.executor.start(&sandbox).await.unwrap_err();
    assert!(error.to_string().contains("/gone") && error.to_string().contains("does not exist"), "{error}");
    assert_eq!(error.failure().reason, Reason::Misconfigured);
    assert_eq!(rig.executor.state(&sandbox.name, &sandbox.control).await.unwrap(), State::Missing);
}

pub(crate) async fn a_nonsensical_description_is_refused(rig: &Rig) {
    let refused = async |change: fn(&mut agentd_executor::Sandbox), words: &str| {
        let mut sandbox = rig.run("nonsense", &["true"]);
        change(&mut sandbox);
        let error = rig.executor.start(&sandbox).await.unwrap_err();
        assert!(matches!(error, Error::StartFailed { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(|it| it.command.argv.clear(), "its command is empty").await;
    refused(|it| it.command.argv.push("a\0b".into()), "a zero byte").await;
    refused(|it| it.command.env.push(("A=B".into(), "secret".into())), "the environment variable `A=B`").await;
    refused(|it| it.command.cwd = "work".into(), "not an absolute path").await;
    refused(|it| it.command.files.push(file("../up", "", false)), "the file `../up`").await;
    refused(|it| it.init = "/no/init".into(), "/no/init").await;
}

pub(crate) async fn starting_twice_runs_once(rig: &Rig) {
    let sandbox = rig.shell("twice", "echo ran >> runs");
    rig.start(&sandbox).await;
    rig.start(&sandbox).await;
    rig.wait(&sandbox).await;
    rig.start(&sandbox).await;
    assert_eq!(rig.wait(&sandbox).await, exit(0));
    assert_eq!(std::fs::read_to_string(rig.dir.path().join("twice-work/runs")).unwrap(), "ran\n");
}

pub(crate) async fn another_executor_adopts_it(rig: &Rig) {
    let sandbox = rig.shell("adopt", "echo ready; while [ ! -e go ]; do sleep 0.01; done; echo done; exit 5");
    rig.start(&sandbox).await;
    rig.until(&sandbox, "ready").await;
    let seen = rig.frames(&sandbox, 0).last().unwrap().end;
    let other: Arc<dyn Executor> = match rig.executor.kind() {
        Kind::Docker => Arc::new(docker_executor(&rig.instance)),
        Kind::Local => Arc::new(LocalExecutor::new(&rig.instance, rig.dir.path().join("registry"))),
    };
    assert_eq!(other.state(&sandbox.name, &sandbox.control).await.unwrap(), State::Running);
    other.start(&sandbox).await.unwrap();
    std::fs::write(rig.dir.path().join("adopt-work/go"), "").unwrap();
    assert_eq!(other.wait(&sandbox.name, &sandbox.control).await.unwrap(), exit(5));
    assert_eq!(other.state(&sandbox.name, &sandbox.control).await.unwrap(), State::Exited(exit(5)));
    assert_eq!(rig.frames(&sandbox, seen)[0].payload, b"done\n");
}

pub(crate) async fn kill_ends_everything_at_once(rig: &Rig) {
    let sandbox = rig.shell("kill", "trap '' TERM; setsid sleep 1000 & echo ready; wait");
    rig.start(&sandbox).await;
    rig.until(&sandbox, "ready").await;
    rig.executor.kill(&sandbox.name, &sandbox.control).await.unwrap();
    let state = rig.executor.state(&sandbox.name, &sandbox.control).await.unwrap();
    assert_eq!(state, State::Exited(exit(137)));
    rig.executor.kill(&sandbox.name, &sandbox.control).await.unwrap();
}

pub(crate) async fn pause_holds_it_and_unpause_lets_it_go(rig: &Rig) {
    let sandbox = rig.shell("pause", "echo ready; while [ ! -e go ]; do sleep 0.01; done; echo went");
    let (name, control) = (&sandbox.name, &sandbox.control);
    rig.start(&sandbox).await;
    rig.until(&sandbox, "ready").await;
    for _ in 0..2 {
        rig.executor.pause(name, control).await.unwrap();
        assert_eq!(rig.executor.state(name, control).await.unwrap(), State::Paused);
    }
    std::fs::write(rig.dir.path().join("pause-work/go"), "").unwrap();
    let waits = rig.executor.wait(name, control);
    assert!(tokio::time::timeout(Duration::from_millis(200), waits).await.is_err(), "it went on while paused");
    assert!(!rig.said(&sandbox).stdout.contains("went"));
    rig.executor.unpause(name, control).await.unwrap();
    rig.executor.unpause(name, control).await.unwrap();
    assert_eq!(rig.wait(&sandbox).await, exit(0));
    assert!(rig.said(&sandbox).stdout.contains("went"));
}

pub(crate) async fn a_paused_one_can_be_stopped_and_removed(rig: &Rig) {
    let [stopped, removed] = ["stopped", "removed"].map(|it| rig.shell(it, "echo ready; sleep 1000"));
    for sandbox in [&stopped, &removed] {
        rig.start(sandbox).await;
        rig.until(sandbox, "ready").await;
        rig.executor.pause(&sandbox.name, &sandbox.control).await.unwrap();
    }
    rig.executor.stop(&stopped.name, &stopped.control, GRACE).await.unwrap();
    assert_eq!(rig.wait(&stopped).await, exit(143));
    rig.executor.remove(&removed.name, &removed.control).await.unwrap();
    assert_eq!(rig.executor.state(&removed.name, &removed.control).await.unwrap(), State::Missing);
}

pub(crate) async fn stop_asks_first(rig: &Rig) {
    let sandbox = rig.shell("stop", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    rig.start(&sandbox).await;
    rig.until(&sandbox, "ready").await;
    rig.executor.stop(&sandbox.name, &sandbox.control, GRACE).await.unwrap();
    assert_eq!(rig.wait(&sandbox).await, exit(3));
    assert_eq!(rig.said(&sandbox).stdout, "ready\nbye\n");
    rig.executor.stop(&sandbox.name, &sandbox.control, GRACE).await.unwrap();
}

pub(crate) async fn stop_insists_after_the_grace(rig: &Rig) {
    let sandbox = rig.shell("insist", "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    rig.start(&sandbox).await;
    rig.until(&sandbox, "ready").await;
    rig.executor.stop(&sandbox.name, &sandbox.control, Duration::from_millis(100)).await.unwrap();
    assert_eq!(rig.wait(&sandbox).await, exit(137));
}

pub(crate) async fn removing_is_final_and_repeatable(rig: &Rig) {
    let sandbox = rig.shell("remove", "echo ready; sleep 1000");
    let (name, control) = (&sandbox.name, &sandbox.control);
    rig.start(&sandbox).await;
    rig.until(&sandbox, "ready").await;
    for _ in 0..2 {
        rig.executor.remove(name, control).await.unwrap();
        assert_eq!(rig.executor.state(name, control).await.unwrap(), State::Missing);
    }
    // What it said stays until the caller throws the folder away.
    assert_eq!(rig.said(&sandbox).stdout, "ready\n");
    let error = rig.executor.wait(name, control).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    rig.executor.kill(name, control).await.unwrap();
    rig.executor.stop(name, control, GRACE).await.unwrap();
    assert!(matches!(rig.executor.pause(name, control).await, Err(Error::NotFound { .. })));
    assert!(matches!(rig.executor.unpause(name, control).await, Err(Error::NotFound { .. })));
}

pub(crate) async fn a_removed_name_can_start_again(rig: &Rig) {
    let sandbox = rig.shell("again", "echo ran >> runs; cat runs");
    for _ in 0..2 {
        rig.finish(&sandbox).await;
        rig.executor.remove(&sandbox.name, &sandbox.control).await.unwrap();
    }
    assert_eq!(rig.said(&sandbox).stdout, "ran\nran\n");
}

pub(crate) async fn the_list_shows_this_instance_only(rig: &Rig) {
    let (runs, over) = (rig.shell("a", "echo ready; sleep 1000"), rig.shell("b", "true"));
    rig.start(&runs).await;
    rig.until(&runs, "ready").await;
    rig.finish(&over).await;
    let listed = rig.executor.list().await.unwrap();
    let seen: Vec<_> = listed.iter().map(|it| (it.name.as_str(), it.running)).collect();
    assert_eq!(seen, [(runs.name.as_str(), true), (over.name.as_str(), false)]);
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labels = [label("agentd.instance", &rig.instance), label("agentd.run", "1"), label("agentd.task", "t-1")];
    assert!(labels.iter().all(|it| listed[0].labels.contains(it)), "{:?}", listed[0].labels);
    let stranger: Arc<dyn Executor> = match rig.executor.kind() {
        Kind::Docker => Arc::new(docker_executor("somebody-else")),
        Kind::Local => Arc::new(LocalExecutor::new("somebody-else", rig.dir.path().join("registry"))),
    };
    assert_eq!(stranger.list().await.unwrap(), []);
}

pub(crate) async fn nothing_outlives_the_command(rig: &Rig) {
    // Each holds the outputs open; one has left the command's session, one its parent too.
    let script = "sleep 1000 & setsid sleep 1000 & (setsid sh -c 'echo $$ > pid; exec sleep 1000' &); \
                  while [ ! -s pid ]; do sleep 0.01; done; cat pid";
    let sandbox = rig.shell("rest", script);
    let (ended, said) = rig.finish(&sandbox).await;
    assert_eq!((ended, said.notes.len()), (exit(0), 0), "{said:?}");
    if rig.executor.kind() == Kind::Local {
        assert!(!std::path::Path::new(&format!("/proc/{}", said.stdout.trim())).exists());
    }
}

pub(crate) async fn orphans_are_buried(rig: &Rig) {
    let script = "for i in 1 2 3 4 5 6 7 8; do (sh -c 'sleep 0.01; exit 9' &) ; done; echo $PPID; \
                  while pgrep_zombies=$(ps -o pid=,ppid=,stat= -A | awk -v me=$PPID '$2 == me && /Z/'); \
                  [ -n \"$pgrep_zombies\" ] || ps -o args= -A | grep -q '^sleep 0.01'; do sleep 0.01; done; echo buried";
    let (ended, said) = rig.finish(&rig.shell("orphans", script)).await;
    assert_eq!(ended, exit(0));
    assert!(said.stdout.ends_with("buried\n"), "{said:?}");
}

pub(crate) async fn a_flood_is_cut_and_the_command_goes_on(rig: &Rig) {
    let mut sandbox = rig.shell("flood", "head -c 1000000000 /dev/zero; echo over >&2; exit 4");
    sandbox.limits.spool = 1 << 20;
    let (ended, said) = rig.finish(&sandbox).await;
    assert_eq!(ended, exit(4));
    assert_eq!(said.notes.iter().filter(|it| it.truncated).count(), 1);
    assert_eq!(said.ending.unwrap().code, Some(4));
    let size = std::fs::metadata(sandbox.control.join("spool/frames")).unwrap().len();
    assert!((900_000..=1 << 20).contains(&size), "{size}");
}

pub(crate) async fn a_long_line_stays_whole(rig: &Rig) {
    let (ended, said) = rig.finish(&rig.shell("line", "head -c 10000000 /dev/zero | tr '\\0' x; echo")).await;
    assert_eq!(ended, exit(0));
    assert_eq!(said.stdout.len(), 10_000_001);
    assert_eq!(said.stdout.trim_matches('x'), "\n");
}

pub(crate) async fn reading_on_gives_what_reading_once_gives(rig: &Rig) {
    let sandbox = rig.shell("offsets", "for i in 1 2 3 4 5; do echo $i; echo $i >&2; sleep 0.01; done");
    rig.finish(&sandbox).await;
    let all = rig.frames(&sandbox, 0);
    assert!(all.len() > 2, "{all:?}");
    for (index, frame) in all.iter().enumerate() {
        assert_eq!(rig.frames(&sandbox, frame.end), all[index + 1..]);
    }
}
