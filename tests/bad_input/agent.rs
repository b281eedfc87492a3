//! Agents that end badly, or say nothing: each its own reason, for people to read.

use super::{a_good_task_gets_through, home_of, says};
use crate::support::{Daemon, Home, Judge};

/// Each agent in turn on one daemon: how its task fails, and what people read.
#[track_caller]
fn check_all(home: &Home, cases: &[(&str, &str, &[&str])]) {
    let daemon = Daemon::start(home);
    for (number, (agent, reason, pieces)) in cases.iter().enumerate() {
        home.task(&format!("{agent}.md"), &format!("---\nagent: {agent}\n---\n# Mend the greeting\n"));
        let task = format!("t-{}", number + 1);
        let (seen, text) = daemon.wait_for_failure(&task);
        assert_eq!((*agent, seen.as_str()), (*agent, *reason), "{text}");
        says(&text, pieces);
        says(&home.ok(&["task", "show", &task]), &[reason]);
    }
    a_good_task_gets_through(home, &daemon);
    let refs = home.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/agentd"]);
    assert_eq!(refs.lines().count(), 1, "only the good task's branch was pushed: {refs}");
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn an_agent_that_ends_badly_fails_with_its_reason() {
    let home = home_of("local", "true")
        .and_agent("three", "cat > /dev/null; echo I try; echo no luck today >&2; exit 3")
        .and_agent("signal", "cat > /dev/null; echo I try; kill -9 $$")
        .and_agent("silent", "cat > /dev/null")
        .and_agent("blank", "cat > /dev/null; echo; echo '  '")
        .more("[agents.nobody]\nplugin = \"command\"\nsettings = { argv = [\"no-such-agent\", \"--fast\"] }")
        .more("[agents.folder]\nplugin = \"command\"\nsettings = { argv = [\"/etc\"] }");
    check_all(
        &home,
        &[
            ("three", "exit-code", &["exit code 3", "no luck today"]),
            ("signal", "exit-code", &["exit code 137"]),
            ("silent", "empty-output", &["said nothing and changed nothing", "agentd task logs"]),
            ("blank", "empty-output", &["said nothing and changed nothing"]),
            ("nobody", "misconfigured", &["`no-such-agent`", "see the agent's settings"]),
            ("folder", "misconfigured", &["`/etc`", "see the agent's settings"]),
        ],
    );
}

#[test]
fn in_a_container_too_a_program_that_is_not_there_is_named() {
    let home = home_of("docker", "true")
        .more("[agents.nobody]\nplugin = \"command\"\nsettings = { argv = [\"no-such-agent\"] }")
        .and_agent("three", "cat > /dev/null; exit 3");
    check_all(
        &home,
        &[("nobody", "misconfigured", &["`no-such-agent`", "in the image"]), ("three", "exit-code", &["exit code 3"])],
    );
}

#[test]
fn an_agent_that_only_answers_is_done_with_an_answer() {
    let home = home_of("local", "cat > /dev/null; echo The greeting is fine as it is");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Is the greeting fine?\n");
    daemon.wait_for_state("t-1", &["done"]);
    says(&home.ok(&["task", "show", "t-1"]), &["The greeting is fine as it is"]);
    a_good_task_gets_through(&home, &daemon);
}

#[test]
fn an_agent_that_takes_too_long_is_ended_even_if_it_never_stops_talking() {
    let home = home_of("local", "true")
        .timeouts("wall = \"2s\"")
        .and_agent("slow", "cat > /dev/null; while :; do echo I think; sleep 0.1; done")
        .and_agent("chatty", "cat > /dev/null; while :; do echo I think; done")
        .and_agent("deaf", "trap '' TERM INT; while :; do sleep 0.1; echo I stay; done");
    let ended = ["ran longer than 2s", "`timeouts.wall`"];
    check_all(&home, &[("slow", "timeout", &ended), ("chatty", "timeout", &ended), ("deaf", "timeout", &ended)]);
}

#[test]
fn an_agent_that_falls_silent_is_ended() {
    let home = home_of("local", "true")
        .timeouts("idle = \"1s\"")
        .and_agent("asleep", "cat > /dev/null; echo I begin; sleep 600; echo I end");
    check_all(&home, &[("asleep", "idle", &["said nothing for 1s", "`timeouts.idle`", "agentd task logs"])]);
}

#[test]
fn an_agent_that_needs_more_memory_than_it_may_is_told_so() {
    let home = home_of("docker", "true")
        .sandbox("memory = \"64 MiB\"")
        .and_agent("hungry", "cat > /dev/null; echo I eat; head -c 500000000 /dev/zero | tail -c 400000000 > /dev/null")
        .and_agent("hoarder", "cat > /dev/null; echo I hoard; head -c 500000000 /dev/zero > /tmp/hoard");
    let text = ["used more than 64 MiB", "`sandbox.memory`"];
    check_all(&home, &[("hungry", "out-of-memory", &text), ("hoarder", "out-of-memory", &text)]);
}

#[test]
fn a_failed_task_is_tried_again_when_a_person_says_so() {
    let agent = "cat > /dev/null; if [ -e ../../../../seen ]; then echo hello > greeting.txt; echo done; \
                 else touch ../../../../seen; exit 3; fi";
    let home = home_of("local", agent);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    assert_eq!(daemon.wait_for_failure("t-1").0, "exit-code");
    home.ok(&["task", "retry", "t-1"]);
    crate::support::wait_for("it is tried again", || {
        (Judge::new(&home).state("t-1").as_deref() == Some("in-review")).then_some(())
    });
    Judge::new(&home).all_is_well(&[1]);
}
