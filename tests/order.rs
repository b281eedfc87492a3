//! Order: what has to come first comes first, a pause outlives the daemon, and history keeps all of it.

use crate::support::{Daemon, Home, Judge};

#[test]
fn b_waits_for_a_and_a_pause_survives_a_restart() {
    let home = Home::new("local");
    let daemon = Daemon::start(&home);
    home.ok(&["pause"]);
    home.task("a.md", "---\npriority: 4\n---\n# First\n");
    home.task("b.md", "---\npriority: 1\ndepends-on: a.md\n---\n# Second\n");
    home.task("c.md", "---\npriority: 2\n---\n# Between\n");
    let key = |task: &str| {
        let shown = home.shown(task);
        shown["key"].as_str().map(str::to_owned).unwrap_or_else(|| panic!("{shown}"))
    };
    for task in ["t-1", "t-2", "t-3"] {
        daemon.wait_for_state(task, &["queued"]);
    }
    let mut ids: Vec<(String, i64)> = (1..=3).map(|it| (key(&format!("t-{it}")), it)).collect();
    ids.sort();
    let [a, b, c] = [ids[0].1, ids[1].1, ids[2].1];

    assert_eq!(daemon.stop(&[]), Some(0));
    let daemon = Daemon::start(&home);
    assert!(home.ok(&["status"]).contains("paused"), "still paused after a restart");
    let judge = Judge::new(&home);
    assert!(!judge.events().iter().any(|it| it.kind == "task.running"), "nothing ran while it was paused");

    home.ok(&["resume"]);
    daemon.wait_for_state(&format!("t-{c}"), &["in-review"]);
    daemon.wait_for_state(&format!("t-{a}"), &["in-review"]);
    // B waits until A is merged, not only until it is in review.
    assert_eq!(judge.state(&format!("t-{b}")).as_deref(), Some("queued"));
    let shown = home.ok(&["task", "show", &format!("t-{b}")]);
    assert!(shown.contains(&format!("waits for t-{a}")), "{shown}");
    home.ok(&["task", "approve", &format!("t-{a}")]);
    daemon.wait_for_state(&format!("t-{a}"), &["done"]);
    daemon.wait_for_state(&format!("t-{b}"), &["done", "in-review"]);

    let started: Vec<i64> =
        judge.events().into_iter().filter(|it| it.kind == "task.running").filter_map(|it| it.task).collect();
    assert_eq!(started, [c, a, b], "by priority, and B after A");
    let history = home.ok(&["task", "list"]);
    assert!(history.contains("First") && history.contains("Second"), "{history}");
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn in_mode_ask_a_person_starts_each_task() {
    let home = Home::new("local").mode("ask");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["waiting"]);
    home.ok(&["task", "start", "t-1"]);
    daemon.wait_for_state("t-1", &["in-review"]);
    let said = home.agentd(&["task", "start", "t-1"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("only a task that waits for its start can be started"), "{said:?}");
}

fn a_change_is_sent_back(executor: &'static str) {
    // The second run is told what people said, and does that, where the first one stopped.
    let agent = "if grep -q 'capital letter'; then sed -i s/hello/Hello/ greeting.txt; else echo hello > greeting.txt; fi; echo done";
    let home = Home::new(executor).agent(agent).gates("[\"git log --oneline -1\"]").push("ask");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["waiting"]);
    assert!(home.ok(&["task", "diff", "t-1"]).contains("+hello"));
    assert_eq!(home.git(&["for-each-ref", "refs/heads/agentd"]), "", "nothing is pushed before a person has seen it");
    home.ok(&["task", "reject", "t-1", "--comment", "With a capital letter, please"]);
    let judge = Judge::new(&home);
    crate::support::wait_for("a second run waits for approval", || {
        let runs = judge.events_of(1).into_iter().filter(|it| it.kind == "task.waiting").count();
        (runs == 2).then_some(())
    });
    let prepared = judge.events_of(1).into_iter().rfind(|it| it.kind == "run.prepared").unwrap();
    let prompt = prepared.details["prompt"].as_str().unwrap();
    assert!(prompt.contains("capital letter") && prompt.contains("stands on the branch"), "{prompt}");
    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "Hello");
    assert_eq!(home.git(&["rev-list", "--count", "main..agentd/t-1"]), "2", "the work of both runs");
}

#[test]
fn a_change_that_is_sent_back_before_it_is_pushed_is_gone_on_with() {
    a_change_is_sent_back("local");
}

#[test]
fn a_change_that_is_sent_back_is_gone_on_with_in_containers() {
    a_change_is_sent_back("docker");
}

#[test]
fn a_running_task_is_cancelled_and_its_sandbox_goes() {
    let home = Home::new("docker").agent("cat > /dev/null; echo I begin; sleep 600");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Sleep\n");
    let judge = Judge::new(&home);
    crate::support::wait_for("the agent speaks", || {
        judge.events_of(1).iter().any(|it| it.kind == "agent.message").then_some(())
    });
    home.ok(&["task", "cancel", "t-1"]);
    crate::support::wait_for("it is cancelled", || (judge.state("t-1").as_deref() == Some("cancelled")).then_some(()));
    crate::support::wait_for("its sandbox is gone", || judge.containers().is_empty().then_some(()));
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_stop_pauses_the_sandbox_and_a_start_goes_on_with_it() {
    let agent =
        "cat > /dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.1; done; echo hello > greeting.txt";
    let home = Home::new("docker").agent(agent);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    let judge = Judge::new(&home);
    crate::support::wait_for("the agent speaks", || {
        judge.events_of(1).iter().any(|it| it.kind == "agent.message").then_some(())
    });
    assert_eq!(daemon.stop(&[]), Some(0));
    assert_eq!(judge.containers().len(), 1, "the sandbox is left");
    assert_eq!(judge.state("t-1").as_deref(), Some("running"));
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    judge.events_are_one_pass(1, 1);
    judge.all_is_well(&[1]);
}

#[test]
fn a_run_goes_on_although_its_repository_says_something_else_by_now() {
    let agent =
        "cat > /dev/null; echo I begin; while [ ! -e ../../../../go ]; do sleep 0.05; done; echo hello > greeting.txt";
    let home = Home::new("local").agent(agent);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    crate::support::wait_for("the agent speaks", || {
        Judge::new(&home).events_of(1).iter().any(|it| it.kind == "agent.message").then_some(())
    });
    assert_eq!(daemon.stop(&[]), Some(0));

    let home = home.repository("base = \"main\"");
    let daemon = Daemon::start(&home);
    std::fs::write(home.path("go"), "").unwrap();
    daemon.wait_for_state("t-1", &["in-review"]);
    let judge = Judge::new(&home);
    judge.events_are_one_pass(1, 1);
    judge.all_is_well(&[1]);
}

#[test]
fn a_drain_waits_and_now_does_not() {
    let slow = "cat > /dev/null; echo I begin; sleep 1; echo hello > greeting.txt";
    let home = Home::new("local").agent(slow);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    let judge = Judge::new(&home);
    let speaks = |task: i64| {
        crate::support::wait_for("the agent speaks", || {
            judge.events_of(task).iter().any(|it| it.kind == "agent.message").then_some(())
        });
    };
    speaks(1);
    assert_eq!(daemon.stop(&["--drain"]), Some(0));
    assert_eq!(judge.state("t-1").as_deref(), Some("in-review"), "a drain waits for the run and its outbox");

    let daemon = Daemon::start(&home);
    home.task("b.md", "# Once more\n");
    speaks(2);
    assert_eq!(daemon.stop(&["--now"]), Some(0));
    assert_eq!(judge.state("t-2").as_deref(), Some("queued"), "an interrupted task goes back into the queue");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-2", &["in-review"]);
}
