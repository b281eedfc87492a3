//! The main job: a task in a folder becomes a tested change in review, and a person merges it.

use crate::support::{Daemon, Home, Judge, Listener, git, wait_for};

fn one_task_all_the_way(executor: &'static str) {
    let home = Home::new(executor);
    home.task("greeting.md", "# Mend the greeting\n\nIt says helo.\n");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);

    let judge = Judge::new(&home);
    let stages = [
        "task.queued",
        "task.running",
        "run.prepared",
        "agent.message",
        "run.executed",
        "run.collected",
        "gate.passed",
        "run.verified",
        "task.publishing",
        "task.in-review",
    ];
    let kinds: Vec<String> = judge.events_of(1).into_iter().map(|it| it.kind).collect();
    let mut rest = kinds.iter();
    for stage in stages {
        assert!(rest.any(|it| it == stage), "{stage} in its place: {kinds:?}");
    }
    judge.events_are_one_pass(1, 1);
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "hello");
    assert_eq!(home.git(&["log", "-1", "--format=%an %s", "agentd/t-1"]), "agentd Mend the greeting");
    assert!(home.ok(&["task", "diff", "t-1"]).contains("+hello"));
    judge.all_is_well(&[1]);

    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["done"]);
    assert_eq!(home.git(&["show", "main:greeting.txt"]), "hello");
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_task_becomes_a_change_in_containers() {
    one_task_all_the_way("docker");
}

#[test]
fn a_task_becomes_a_change_in_plain_processes() {
    one_task_all_the_way("local");
}

#[test]
fn people_are_told_of_each_state_once_and_in_order() {
    let listener = Listener::start();
    let home = Home::new("local").more(&listener.sections());
    home.task("greeting.md", "# Mend the greeting\n");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let told = wait_for("the last state is told", || {
        let told = listener.events();
        told.iter().any(|(_, it)| it["kind"] == "task.in-review").then_some(told)
    });
    let states: Vec<&str> = told.iter().filter_map(|(_, it)| it["task"]["state"].as_str()).collect();
    assert_eq!(states, ["queued", "running", "publishing", "in-review"]);
    let (_, last) = told.last().unwrap();
    assert_eq!((&last["task"]["id"], &last["task"]["title"]), (&"t-1".into(), &"Mend the greeting".into()));
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn an_analyzer_finds_work_in_the_code() {
    let home = Home::new("local")
        .mode("propose")
        .more("[analyzers.todo]\nplugin = \"todo\"\nmode = \"propose\"\nrepositories = [\"acme/notes\"]\n");
    let work = home.path("seed");
    std::fs::write(work.join("main.c"), "int main() {\n    // TODO: say hello\n}\n").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "Leave something to do"]);
    git(&work, &["push", "-q", "../forge.git", "main"]);
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["waiting"]);
    let shown = home.ok(&["task", "show", "t-1"]);
    assert!(shown.contains("say hello") && shown.contains("todo@acme/notes"), "{shown}");

    // Somebody deals with it: the proposal goes.
    std::fs::write(work.join("main.c"), "int main() { hello(); }\n").unwrap();
    git(&work, &["commit", "-qam", "Say hello"]);
    git(&work, &["push", "-q", "../forge.git", "main"]);
    assert_eq!(daemon.stop(&[]), Some(0));
    let _daemon = Daemon::start(&home);
    let judge = Judge::new(&home);
    wait_for("it is withdrawn", || (judge.state("t-1").as_deref() == Some("cancelled")).then_some(()));
}
