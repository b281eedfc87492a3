//! What people do to the issue and to the pull request, and that agentd follows.
//!
//! A daemon looks at changes in review when it starts and every half minute; stories that do not wait for that start it
//! anew.

use super::{KEEPS_ITS_PROMPT, prompt, wait_for_polls};
use crate::support::{
    Daemon, Home, Hub, Judge, git,
    github::{BLOCKED, IN_PROGRESS, LABEL, data_of},
    wait_for,
};

/// With a task of ann's that is in review, and its issue.
#[track_caller]
fn in_review<'a>(hub: &Hub, home: &'a Home) -> (Daemon<'a>, u32) {
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(home);
    daemon.wait_for_state("t-1", &["in-review"]);
    hub.wait_for_comment(issue, "ready for review");
    (daemon, issue)
}

/// Looks at GitHub now and not in half a minute.
#[track_caller]
fn anew<'a>(home: &'a Home, daemon: Daemon<'a>) -> Daemon<'a> {
    assert_eq!(daemon.stop(&[]), Some(0));
    Daemon::start(home)
}

#[test]
fn a_closed_pull_request_cancels_its_task() {
    let hub = Hub::start();
    let home = Home::on(&hub);
    let (daemon, issue) = in_review(&hub, &home);
    hub.api.close("ann", hub.only_pull().issue.number, None);
    let daemon = anew(&home, daemon);
    daemon.wait_for_state("t-1", &["cancelled"]);
    hub.wait_until_free(issue);
    hub.wait_for_comment(issue, "Cancelled");
    wait_for("the branch is gone", || hub.branches(&home).is_empty().then_some(()));
    assert!(hub.api.issue(issue).open, "whether the issue is done with is for people to say");
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_person_merges_by_the_command_line() {
    let hub = Hub::start();
    let home = Home::on(&hub);
    let (daemon, issue) = in_review(&hub, &home);
    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["done"]);
    let pull = hub.only_pull();
    assert!(pull.merged && !pull.draft && !hub.api.issue(issue).open, "{pull:?}");
    assert_eq!(hub.api.file("main", "greeting.txt").as_deref(), Some("hello\n"));
    hub.wait_until_free(issue);
    hub.wait_for_comment(issue, "Done: the pull request was merged.");
    wait_for("the branch is gone", || hub.branches(&home).is_empty().then_some(()));
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_person_turns_it_down_by_the_command_line() {
    let hub = Hub::start();
    let home = Home::on(&hub);
    let (daemon, issue) = in_review(&hub, &home);
    home.ok(&["task", "reject", "t-1"]);
    daemon.wait_for_state("t-1", &["cancelled"]);
    let pull = hub.only_pull();
    assert!(!pull.merged && !pull.issue.open && hub.api.issue(issue).open, "{pull:?}");
    hub.wait_until_free(issue);
    hub.wait_for_comment(issue, "Cancelled");
    wait_for("the branch is gone", || hub.branches(&home).is_empty().then_some(()));
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_branch_that_somebody_else_pushed_to_stays() {
    let hub = Hub::start();
    let home = Home::on(&hub);
    let (daemon, issue) = in_review(&hub, &home);
    let commit = hub.api.push_to(&home.branch("t-1"), "ann", &[("notes.txt", "By ann.\n")]);
    hub.api.close("ann", hub.only_pull().issue.number, None);
    let daemon = anew(&home, daemon);
    daemon.wait_for_state("t-1", &["cancelled"]);
    hub.wait_until_free(issue);
    hub.all_is_well(&home, &[1]);
    assert_eq!(hub.api.branches()[&home.branch("t-1")], commit);
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// Mends the greeting, and says it louder when it is asked to.
const LOUDER: &str = "p=$(cat); echo hello > greeting.txt; \
    case \"$p\" in *LOUDER*) echo HELLO > louder.txt; echo I say it louder;; *) echo I mended it;; esac";

#[test]
fn what_a_person_pushed_is_kept_through_the_next_run() {
    let hub = Hub::start();
    let home = Home::on(&hub).agent(LOUDER);
    let (daemon, issue) = in_review(&hub, &home);
    let before = hub.only_pull();
    assert_eq!(data_of(&before.issue.body)["run"], 1);
    let by_ann = hub.api.push_to(&home.branch("t-1"), "ann", &[("notes.txt", "By ann.\n")]);
    home.ok(&["task", "reject", "t-1", "--comment", "Say it LOUDER"]);
    wait_for("the second run is published", || (data_of(&hub.only_pull().issue.body)["run"] == 2).then_some(()));
    daemon.wait_for_state("t-1", &["in-review"]);

    let pull = hub.only_pull();
    assert_eq!(pull.issue.number, before.issue.number);
    let body = &pull.issue.body;
    assert!(body.contains("I say it louder") && body.contains(&format!("Closes #{issue}")), "{body}");
    assert_eq!(data_of(body)["commit"], pull.head_commit);
    assert_eq!(
        git(&hub.api.folder(), &["rev-parse", &format!("{}~1", home.branch("t-1"))]),
        by_ann,
        "one more commit upon ann's"
    );
    for (file, text) in [("greeting.txt", "hello\n"), ("louder.txt", "HELLO\n"), ("notes.txt", "By ann.\n")] {
        assert_eq!(hub.file(&home, "t-1", file).as_deref(), Some(text), "{file}");
    }
    wait_for("the comment tells of the second run", || {
        let body = hub.comment_on(issue).body;
        (body.contains("ready for review") && body.contains("run 2")).then_some(())
    });
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_label_that_is_taken_off_stops_what_is_queued() {
    let hub = Hub::start();
    let home = Home::on(&hub);
    let daemon = Daemon::start(&home);
    home.ok(&["pause"]);
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    daemon.wait_for_state("t-1", &["queued"]);
    hub.api.unlabel("ann", issue, LABEL);
    daemon.wait_for_state("t-1", &["cancelled"]);
    let shown = home.ok(&["task", "show", "t-1"]);
    assert!(shown.contains("no longer labelled agentd"), "{shown}");
    home.ok(&["resume"]);
    wait_for_polls(&hub, 2);
    assert_eq!(hub.said_on(issue), vec![], "nothing was said of it, so nothing is said now");
    hub.is_untouched();
    hub.all_is_well(&home, &[1]);
}

#[test]
fn what_the_requester_writes_while_it_is_queued_is_worked_on() {
    let hub = Hub::start();
    let home = Home::on(&hub).agent(KEEPS_ITS_PROMPT);
    let daemon = Daemon::start(&home);
    home.ok(&["pause"]);
    let issue = hub.ask_for("Mend the greeting", "It says helo. OLD-1");
    daemon.wait_for_state("t-1", &["queued"]);
    hub.api.edit_body("ann", issue, "It says helo. NEW-2");
    let judge = Judge::new(&home);
    wait_for("the news came in", || judge.events_of(1).iter().any(|it| it.kind == "task.changed").then_some(()));
    home.ok(&["resume"]);
    daemon.wait_for_state("t-1", &["in-review"]);
    let prompt = prompt(&hub, &home, "t-1");
    assert!(prompt.contains("NEW-2") && !prompt.contains("OLD-1"), "{prompt}");
    hub.all_is_well(&home, &[1]);
}

#[test]
fn an_issue_that_is_closed_stops_what_runs() {
    let hub = Hub::start();
    let home = Home::on(&hub).agent("cat > /dev/null; echo I begin; sleep 600");
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["running"]);
    let judge = Judge::new(&home);
    wait_for("the agent speaks", || judge.events_of(1).iter().any(|it| it.kind == "agent.message").then_some(()));
    assert!(!judge.containers().is_empty());
    hub.api.close("ann", issue, Some("not_planned"));
    daemon.wait_for_state("t-1", &["cancelled"]);
    hub.wait_until_free(issue);
    let comment = hub.wait_for_comment(issue, "Cancelled");
    assert!(comment.body.contains("closed as not planned by ann"), "{}", comment.body);
    assert_eq!(hub.api.issue(issue).labels, [LABEL]);
    assert_eq!((hub.branches(&home).len(), hub.api.pulls().len()), (0, 0));
    hub.all_is_well(&home, &[1]); // its container among them
}

#[test]
fn a_draft_that_people_are_asked_to_look_at_is_told() {
    let hub = Hub::start();
    let home = Home::on(&hub);
    let (daemon, issue) = in_review(&hub, &home);
    hub.wait_for_comment(issue, "a draft");
    hub.api.ready_for_review("ann", hub.only_pull().issue.number);
    let daemon = anew(&home, daemon);
    let judge = Judge::new(&home);
    wait_for("it is an event", || {
        let told = |it: &crate::support::StoredEvent| it.text.contains("A review of its change was asked for");
        judge.events_of(1).iter().any(told).then_some(())
    });
    daemon.wait_for_state("t-1", &["in-review"]);
    wait_for("the comment says so", || (!hub.comment_on(issue).body.contains("a draft")).then_some(()));
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_failure_says_why_and_the_label_set_anew_tries_again() {
    let hub = Hub::start();
    let home = Home::on(&hub).agent("cat > /dev/null; echo hallo > greeting.txt; echo I mended it");
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    let (_, why) = daemon.wait_for_failure("t-1");
    assert!(why.contains("check.sh"), "{why}");
    hub.wait_until_free(issue);
    let comment = hub.wait_for_comment(issue, "**This failed, and needs a person.**");
    for words in ["the greeting is wrong", "take the label `agentd` off and set it anew", "agentd task retry t-1"] {
        assert!(comment.body.contains(words), "{words}: {}", comment.body);
    }
    wait_for("it is blocked", || (hub.api.issue(issue).labels == [LABEL, BLOCKED]).then_some(()));
    assert_eq!((hub.branches(&home).len(), hub.api.pulls().len()), (0, 0));
    wait_for_polls(&hub, 2);
    assert_eq!(Judge::new(&home).state("t-1").as_deref(), Some("failed"), "it rests until it is asked for anew");
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));

    let home = home.agent(KEEPS_ITS_PROMPT);
    let daemon = Daemon::start(&home);
    hub.advance(std::time::Duration::from_secs(2));
    hub.api.unlabel("ann", issue, LABEL);
    wait_for_polls(&hub, 2);
    hub.api.label("ann", issue, LABEL);
    let judge = Judge::new(&home);
    wait_for("it is in review", || (judge.state("t-1").as_deref() == Some("in-review")).then_some(()));
    hub.wait_for_comment(issue, "ready for review");
    assert_eq!(hub.api.issue(issue).labels, [LABEL, IN_PROGRESS]);
    assert_eq!(hub.file(&home, "t-1", "greeting.txt").as_deref(), Some("hello\n"));
    hub.only_pull();
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}
