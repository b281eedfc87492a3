//! Faults that were found once, and what would have caught them.

use crate::support::{Daemon, Home, Judge, Listener, wait_for};
use std::fs;

const AGENT: &str = "cat > /dev/null; echo I look; echo hello > greeting.txt; echo I mended it";

/// A change that was closed is not the one that a later run of the task opens, and its left-over branch is no obstacle.
#[test]
fn a_cancelled_change_can_be_tried_again() {
    let home = Home::new("local").agent(AGENT);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    home.git(&["branch", "mine", "agentd/t-1"]);
    home.ok(&["task", "cancel", "t-1"]);
    let judge = Judge::new(&home);
    wait_for("it is cancelled", || (judge.state("t-1").as_deref() == Some("cancelled")).then_some(()));
    // Somebody puts the branch back: it is still agentd's own to move.
    home.git(&["branch", "-f", "agentd/t-1", "mine"]);
    home.ok(&["task", "retry", "t-1"]);
    daemon.wait_for_state("t-1", &["in-review"]);
    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["done"]);
    assert_eq!(home.git(&["show", "main:greeting.txt"]), "hello");
}

/// What history shows is published too: a secret that a later commit takes away, or a message that holds one.
#[test]
fn a_secret_in_the_history_of_a_change_is_not_pushed() {
    let token = format!("ghp_{}", "a1B2".repeat(9));
    let commit = "git -c user.name=a -c user.email=a@example.org commit -qa";
    for agent in [
        format!(
            "cat > /dev/null; echo {token} > greeting.txt; {commit} -m one; echo hello > greeting.txt; {commit} -m two; echo done"
        ),
        format!("cat > /dev/null; echo hello > greeting.txt; {commit} -m {token}; echo done"),
    ] {
        let home = Home::new("docker").agent(&agent);
        let daemon = Daemon::start(&home);
        home.task("a.md", "# Mend the greeting\n");
        daemon.wait_for_state("t-1", &["failed"]);
        let shown = home.ok(&["task", "show", "t-1"]);
        assert!(shown.contains("looks like") && !shown.contains(&token), "{shown}");
        assert_eq!(home.git(&["for-each-ref", "refs/heads/agentd"]), "");
    }
}

/// A run that only answers remarks leaves the change where it is: in review.
#[test]
fn an_answer_to_remarks_keeps_the_change_in_review() {
    let agent = "if grep -q 'why so'; then echo Because it was wrong; else echo hello > greeting.txt; echo done; fi";
    let home = Home::new("local").agent(agent);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    home.ok(&["task", "reject", "t-1", "--comment", "why so?"]);
    let judge = Judge::new(&home);
    wait_for("the second run has answered", || {
        let times = judge.events_of(1).into_iter().filter(|it| it.kind == "task.in-review").count();
        (times == 2).then_some(())
    });
    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["done"]);
}

/// A notifier that comes later hears what happens from then on, and not the past.
#[test]
fn a_new_notifier_is_not_told_the_past() {
    let home = Home::new("local").agent(AGENT);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(daemon.stop(&[]), Some(0));
    let listener = Listener::start();
    let home = home.more(&listener.sections());
    let daemon = Daemon::start(&home);
    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["done"]);
    let told = wait_for("the end is told", || Some(listener.events()).filter(|it| !it.is_empty()));
    let kinds: Vec<&str> = told.iter().filter_map(|(_, it)| it["kind"].as_str()).collect();
    assert_eq!(kinds, ["task.done"]);
}

/// A git that was killed leaves locks behind; the next daemon takes them away.
#[test]
fn a_lock_of_a_dead_git_does_not_stop_a_repository() {
    let home = Home::new("local").agent(AGENT);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(daemon.stop(&[]), Some(0));
    let mirrors = std::fs::read_dir(home.home().join("mirrors")).unwrap();
    for mirror in mirrors {
        let mirror = mirror.unwrap().path();
        std::fs::write(mirror.join("packed-refs.lock"), "").unwrap();
        std::fs::write(mirror.join("refs/heads/main.lock"), "").unwrap();
    }
    let daemon = Daemon::start(&home);
    home.task("b.md", "# Once more\n");
    daemon.wait_for_state("t-2", &["in-review"]);
}

/// A drain does not wait for somebody who does not answer.
#[test]
fn a_drain_ends_although_a_notifier_is_away() {
    let nobody = "[network]\nprivate = [\"127.0.0.1/32\"]\n[notifiers.hook]\nplugin = \"webhook\"\nevents = [\"task.*\"]\n\
                  settings = { url = \"http://127.0.0.1:9/hook\" }\n";
    let home = Home::new("local").agent(AGENT).more(nobody);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(daemon.stop(&["--drain"]), Some(0));
}

/// A tree can be small to keep and endless to list.
#[test]
fn a_change_that_is_endless_to_list_is_refused() {
    // Ten names in each of nine levels: a thousand million files of one blob.
    let bomb = "cat > /dev/null; blob=$(echo x | git hash-object -w --stdin); \
        tree=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '100644 blob %s\\tf%s\\n' $blob $i; done | git mktree); \
        for level in 1 2 3 4 5 6 7 8; do \
            tree=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\\td%s\\n' $tree $i; done | git mktree); done; \
        commit=$(echo bomb | git -c user.name=a -c user.email=a@example.org commit-tree $tree -p HEAD); \
        git replace $commit HEAD; git update-ref HEAD $commit; echo done";
    let home = Home::new("docker").agent(bomb);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["failed"]);
    assert_eq!(home.git(&["for-each-ref", "refs/heads/agentd"]), "");
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// An agent that writes and writes is ended by its own limit, long before the disk is full.
#[test]
fn an_agent_that_fills_the_disk_is_ended_by_its_limit() {
    let agent = "cat > /dev/null; while :; do head -c 4000000 /dev/zero >> big; sleep 0.02; done";
    let home = Home::new("docker").agent(agent).sandbox("disk = \"16 MiB\"");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Fill it\n");
    daemon.wait_for_state("t-1", &["failed"]);
    let shown = home.ok(&["task", "show", "t-1"]);
    assert!(shown.contains("disk-limit") && shown.contains("raise `sandbox.disk`"), "{shown}");
}

/// What was said is kept for as long as somebody may go on with it, and no longer.
#[test]
fn a_conversation_goes_when_its_task_is_done() {
    let script = "cat > /dev/null; echo hello > greeting.txt; echo word >> $HOME/talk.txt; echo done";
    let agent = format!(
        "[agents.talker]\nplugin = \"command\"\n\
         settings = {{ argv = [\"sh\", \"-c\", \"{script}\"], session-files = [\"talk.txt\"] }}\n"
    );
    let home = Home::new("local").more(&agent);
    let daemon = Daemon::start(&home);
    home.task("a.md", "---\nagent: talker\n---\n# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    let kept = home.home().join("sessions/t-1");
    assert_eq!(fs::read_to_string(kept.join("talk.txt")).unwrap(), "word\n");
    assert_eq!(daemon.stop(&[]), Some(0));
    let daemon = Daemon::start(&home);
    assert!(kept.exists(), "remarks may still come");
    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["done"]);
    assert_eq!(daemon.stop(&[]), Some(0));
    let _daemon = Daemon::start(&home);
    wait_for("the conversation is gone", || (!kept.exists()).then_some(()));
}
