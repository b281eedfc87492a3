//! Several instances of agentd on one repository and one label: each issue is worked on by one of them.
//!
//! They use the same account, so that nothing tells them apart but what they write down themselves.

use super::way;
use crate::support::{
    Daemon, Home, Hub, Judge,
    github::{IN_PROGRESS, LABEL},
    wait_for,
};
use std::{collections::BTreeMap, process::Command};

const ISSUES: u32 = 6;

#[test]
fn each_issue_is_worked_on_by_one_of_two_instances() {
    let hub = Hub::start();
    hub.api.create_label("by-agentd");
    let homes = [(); 2].map(|()| Home::on(&hub).repository(way::SETTINGS).concurrent(2));
    let numbers: Vec<u32> =
        (0..ISSUES).map(|it| hub.ask_for(&format!("Mend the greeting {it}"), "Says helo.")).collect();
    let daemons = homes.each_ref().map(Daemon::start);
    wait_for("each issue has its change", || (hub.api.pulls().len() >= numbers.len()).then_some(()));
    wait_for("nobody works any more", || homes.iter().all(is_at_rest).then_some(()));

    let done_by = homes.each_ref().map(|it| keys(it, "in-review"));
    let mut all: Vec<String> = done_by.concat();
    all.sort();
    let mut expected: Vec<String> = numbers.iter().map(|it| format!("acme/api#{it}")).collect();
    expected.sort();
    assert_eq!(all, expected, "each by one: {done_by:?}");
    assert_eq!(hub.api.pulls().len(), numbers.len());
    let mut claimed = hub.claims();
    claimed.sort();
    assert_eq!(claimed, numbers.iter().map(u32::to_string).collect::<Vec<_>>());
    for number in &numbers {
        let issue = hub.api.issue(*number);
        assert_eq!(issue.labels, [LABEL, IN_PROGRESS]);
        assert!(hub.comment_on(*number).body.contains("ready for review"));
    }
    for (home, other) in [(&homes[0], &homes[1]), (&homes[1], &homes[0])] {
        the_others_are_left_alone(home, other);
        hub.all_is_well(home, &[]);
    }
    for daemon in daemons {
        assert_eq!(daemon.stop(&[]), Some(0));
    }
}

/// No run of it waits or works.
fn is_at_rest(home: &Home) -> bool {
    let open = ["queued", "running", "publishing"].iter().any(|it| !keys(home, it).is_empty());
    !open && Judge::new(home).outbox().keys().all(|it| it == "done" || it == "dropped")
}

/// The keys of the tasks in a state.
fn keys(home: &Home, state: &str) -> Vec<String> {
    let all = home.ok(&["--json", "task", "list", "--state", state]);
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    all["tasks"].as_array().unwrap().iter().map(|it| it["key"].as_str().unwrap().to_owned()).collect()
}

/// What one took up and the other had is cancelled, and says who has it.
#[track_caller]
fn the_others_are_left_alone(home: &Home, other: &Home) {
    let whose = Judge::new(other).instance().unwrap();
    let all = home.ok(&["--json", "task", "list"]);
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    let states: BTreeMap<&str, &str> = all["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["id"].as_str().unwrap(), it["state"].as_str().unwrap()))
        .collect();
    for (id, _) in states.into_iter().filter(|(_, state)| *state != "in-review") {
        let shown = home.ok(&["task", "show", id]);
        assert!(shown.contains("cancelled"), "{shown}");
        // It heard of the claim, or saw the label before it came so far.
        assert!(shown.contains(&whose) || shown.contains("somebody else"), "{shown}");
    }
}

#[test]
fn what_an_instance_that_is_gone_had_claimed_is_freed_as_the_text_says() {
    let hub = Hub::start();
    hub.api.create_label("by-agentd");
    let number = hub.ask_for("Mend the greeting", "It says helo.");
    let gone = Home::on(&hub).agent("cat > /dev/null; sleep 600");
    let daemon = Daemon::start(&gone);
    wait_for("its agent works", || {
        let came = |it: &crate::support::StoredEvent| it.kind == "step.started" && it.details["step"] == "execute";
        Judge::new(&gone).events_of(1).iter().any(came).then_some(())
    });
    let instance = Judge::new(&gone).instance().unwrap();
    daemon.kill();

    // The lock is on the issue, so the next one does not even begin.
    let home = Home::on(&hub).repository(way::SETTINGS);
    let daemon = Daemon::start(&home);
    super::wait_for_polls(&hub, 3);
    assert_eq!(home.ok(&["task", "list"]).trim(), "no tasks");
    // A person takes the lock off. What the first one claimed is still respected.
    hub.api.unlabel("ann", number, IN_PROGRESS);
    hub.api.unassign("ann", number, crate::support::github::BOT);
    daemon_cancels(&home);
    let shown = home.ok(&["task", "show", "t-1"]);
    let command = format!("gh api -X DELETE repos/acme/api/git/refs/agentd/claims/{number}");
    for words in [instance.as_str(), "t-1", &command] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(hub.said_on(number).len(), 1, "it says nothing where another one works");

    // Which is what a person does then.
    delete(&hub, &format!("refs/agentd/claims/{number}"));
    home.ok(&["task", "retry", "t-1"]);
    daemon.wait_for_state("t-1", &["in-review"]);
    way::is_quiet(&home);
    assert_eq!(hub.claims(), [number.to_string()]);
    assert_eq!(hub.only_pull().head, home.branch("t-1"));
    assert_eq!(hub.violations(), Vec::<String>::new());
}

#[track_caller]
fn daemon_cancels(home: &Home) {
    let judge = Judge::new(home);
    wait_for("it hears of the claim", || (judge.state("t-1").as_deref() == Some("cancelled")).then_some(()));
}

/// Removes a ref, as `gh api` does.
fn delete(hub: &Hub, name: &str) {
    let done = Command::new("git").args(["update-ref", "-d", name]).current_dir(hub.api.folder()).status().unwrap();
    assert!(done.success());
}
