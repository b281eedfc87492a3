//! Each write to GitHub failing in each way.
//!
//! What passes is got over without anybody. What lasts ends in a state that says what to do, and goes on when that is
//! done. Nothing is ever done twice. Every case has a repository of its own, and the cases of one failure a daemon.

use super::way::{self, Station, Way};
use crate::support::{Daemon, Home, Hub, Judge, wait_for};
use agentd_fake_github::{Fault, How, Match, Repository, When};
use serde_json::Value;
use std::{fmt, thread, time::Duration};

/// So many daemons at the same time, and tasks of each.
const AT_ONCE: usize = 3;
const CONCURRENT: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(120);

const PUSH: &str = "PUSH git";
const ASSIGN: &str = "POST /repos/{owner}/{repo}/issues/{issue_number}/assignees";
const UNASSIGN: &str = "DELETE /repos/{owner}/{repo}/issues/{issue_number}/assignees";
const REVIEWERS: &str = "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers";
const PULLS: &str = "POST /repos/{owner}/{repo}/pulls";

/// A failure of a write, and writes that do not fail so.
struct Failure {
    how: How,
    when: When,
    but: &'static [&'static str],
    /// What a person is told to do or to know, if it does not pass by itself.
    words: &'static str,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} the effect", self.how, self.when)
    }
}

fn status(status: u16) -> How {
    How::Status(status, "as planned".into())
}

/// What passes by itself.
fn passing() -> Vec<Failure> {
    let row = |how, when, but| Failure { how, when, but, words: "" };
    // For git a 403 is a missing right.
    let limit = How::SecondaryLimit { retry_after: Some(1) };
    vec![
        row(status(500), When::Before, &[]),
        row(status(500), When::After, &[]),
        row(status(502), When::Before, &[]),
        row(status(502), When::After, &[]),
        row(How::Cut, When::Before, &[]),
        row(How::Cut, When::After, &[]),
        row(How::Hang, When::After, &[]),
        row(limit, When::Before, &[PUSH]),
    ]
}

/// What lasts until somebody does something about it.
fn lasting() -> Vec<Failure> {
    // An account that cannot be assigned or asked is no reason to stop, and git takes a 422 for a failure that passes.
    let without = &[ASSIGN, UNASSIGN, REVIEWERS, PUSH];
    vec![
        Failure { how: status(401), when: When::Before, but: &[], words: "agentd auth github" },
        Failure { how: status(422), when: When::Before, but: without, words: "422" },
    ]
}

/// One write that fails, in a repository of its own.
struct Case {
    name: String,
    at: Repository,
    issue: u32,
    station: Station,
}

impl Case {
    fn fails(&self, failure: &Failure, times: usize) -> Fault {
        let of = self.station.requests().of(&self.name);
        Fault { of, nth: self.station.nth, times, when: failure.when, how: failure.how.clone() }
    }

    /// What became of its issue: the task's number.
    #[track_caller]
    fn task(&self, home: &Home) -> i64 {
        wait_for(&format!("{} has a task", self.name), || {
            let all: Value = serde_json::from_str(&home.ok(&["--json", "task", "list", "--repo", &self.name])).unwrap();
            let id = all["tasks"][0]["id"].as_str()?.to_owned();
            Some(id.trim_start_matches("t-").parse().unwrap())
        })
    }
}

/// A case for each of the stations.
fn cases(hub: &Hub, stations: &[Station], but: &[&str], prefix: &str) -> Vec<Case> {
    let wanted = stations.iter().filter(|it| !but.contains(&format!("{} {}", it.method, it.route).as_str()));
    let case = |(number, station): (usize, &Station)| {
        let name = format!("acme/{prefix}{number}");
        let at = hub.another(&name);
        Case { issue: way::ask_in(&at), name, at, station: station.clone() }
    };
    wanted.enumerate().map(case).collect()
}

/// A home that works in all of their repositories.
fn home_for<'a>(hub: &Hub, cases: impl IntoIterator<Item = &'a Case>) -> Home {
    let section = |it: &Case| {
        let (name, settings) = (&it.name, way::SETTINGS);
        format!("[repositories.\"{name}\"]\ngates = [\"sh check.sh\"]\npush = \"branch\"\n{settings}\n")
    };
    let sections: String = cases.into_iter().map(section).collect();
    Home::on(hub).concurrent(CONCURRENT).more(&sections)
}

#[test]
fn a_write_that_fails_once_is_got_over() {
    way::each(passing(), AT_ONCE, |failure| {
        let hub = Hub::start();
        let (there, back) = (&Way::get().there, &Way::get().back);
        let (there, back) = (cases(&hub, there, failure.but, "there-"), cases(&hub, back, failure.but, "back-"));
        let home = home_for(&hub, there.iter().chain(&back));
        there.iter().for_each(|it| hub.fail(it.fails(failure, 1)));
        let daemon = Daemon::start(&home);
        let all: Vec<(&Case, i64)> = there.iter().chain(&back).map(|it| (it, it.task(&home))).collect();
        for (case, task) in &all {
            way::in_review(&hub, &home, &daemon, &case.at, case.issue, *task);
        }
        assert_eq!(hub.still_planned(), 0, "every failure has happened");
        assert_eq!(daemon.stop(&[]), Some(0));
        all.iter().for_each(|(it, _)| way::merge(&it.at));
        back.iter().for_each(|it| hub.fail(it.fails(failure, 1)));
        let daemon = Daemon::start(&home);
        for (case, task) in &all {
            way::ended(&hub, &home, &daemon, &case.at, case.issue, *task);
            way::made_once(&hub, &case.at);
            let shown = home.shown(&format!("t-{task}"));
            assert_eq!(shown["failures"], 0, "no try was charged: {shown:#}");
        }
        assert_eq!(hub.still_planned(), 0, "every failure has happened");
        hub.all_is_well(&home, &all.iter().map(|(_, task)| *task).collect::<Vec<_>>());
    });
}

#[test]
fn a_write_that_fails_for_good_says_what_to_do_and_goes_on_when_it_is_done() {
    way::each(lasting(), AT_ONCE, |failure| {
        let hub = Hub::start();
        let (there, back) = (&Way::get().there, &Way::get().back);
        let (there, back) = (cases(&hub, there, failure.but, "there-"), cases(&hub, back, failure.but, "back-"));
        let home = home_for(&hub, there.iter().chain(&back));
        there.iter().for_each(|it| hub.fail(it.fails(failure, usize::MAX / 2)));
        let daemon = Daemon::start(&home);
        let all: Vec<(&Case, i64)> = there.iter().chain(&back).map(|it| (it, it.task(&home))).collect();
        let (on_the_way, to_come) = all.split_at(there.len());
        is_mended(&hub, &home, on_the_way, failure);
        for (case, task) in &all {
            way::in_review(&hub, &home, &daemon, &case.at, case.issue, *task);
        }
        assert_eq!(daemon.stop(&[]), Some(0));
        all.iter().for_each(|(it, _)| way::merge(&it.at));
        back.iter().for_each(|it| hub.fail(it.fails(failure, usize::MAX / 2)));
        let daemon = Daemon::start(&home);
        is_mended(&hub, &home, to_come, failure);
        for (case, task) in &all {
            way::ended(&hub, &home, &daemon, &case.at, case.issue, *task);
            way::made_once(&hub, &case.at);
        }
        Judge::new(&home).all_is_tidy(&all.iter().map(|(_, task)| *task).collect::<Vec<_>>());
    });
}

/// Waits until each of the tasks says what is the matter, mends it, and does what a person does then.
#[track_caller]
fn is_mended(hub: &Hub, home: &Home, tasks: &[(&Case, i64)], failure: &Failure) {
    for (case, task) in tasks {
        wait_for(&format!("t-{task} says what is wrong with {}", case.station), || {
            trouble(home, *task).is_some_and(|it| it.contains(failure.words)).then_some(())
        });
    }
    hub.heal();
    for (_, task) in tasks {
        let id = format!("t-{task}");
        if matches!(home.shown(&id)["state"].as_str(), Some("waiting" | "failed")) {
            home.ok(&["task", "retry", &id]);
        }
        for row in rows(home, *task).into_iter().filter(|it| it["state"] == "failed") {
            if !matches!(row["kind"].as_str(), Some("push" | "change")) {
                home.ok(&["outbox", "release", &row["id"].to_string()]);
            }
        }
    }
}

/// Why it does not go on: what the task waits for, or what could not be sent.
fn trouble(home: &Home, task: i64) -> Option<String> {
    let shown = home.shown(&format!("t-{task}"));
    let stopped = matches!(shown["state"].as_str(), Some("waiting" | "failed"));
    let reason = shown["reason"].as_str().filter(|_| stopped).map(str::to_owned);
    reason.or_else(|| rows(home, task).into_iter().find_map(|it| it["error"].as_str().map(str::to_owned)))
}

fn rows(home: &Home, task: i64) -> Vec<Value> {
    let all = home.ok(&["--json", "outbox", "list", "--all", "--task", &format!("t-{task}")]);
    let all: Value = serde_json::from_str(&all).unwrap();
    all["effects"].as_array().unwrap().clone()
}

/// As often as the client asks by itself: so it comes to those who wanted to know.
const READS: usize = 4;

#[test]
fn a_read_that_fails_is_asked_again() {
    let failures = [status(500), How::Cut, How::SecondaryLimit { retry_after: Some(1) }];
    let failures = failures.map(|how| Failure { how, when: When::Before, but: &[], words: "" });
    way::each(failures.into(), AT_ONCE, |failure| {
        let hub = Hub::start();
        let reads: Vec<Station> = Way::get().reads.clone();
        let all = cases(&hub, &reads, failure.but, "read-");
        let home = home_for(&hub, &all);
        all.iter().for_each(|it| hub.fail(it.fails(failure, READS)));
        hub.fail(Fault { of: Match::Graphql, nth: 3, times: READS, when: failure.when, how: failure.how.clone() });
        let daemon = Daemon::start(&home);
        let all: Vec<(&Case, i64)> = all.iter().map(|it| (it, it.task(&home))).collect();
        for (case, task) in &all {
            way::in_review(&hub, &home, &daemon, &case.at, case.issue, *task);
        }
        assert_eq!(daemon.stop(&[]), Some(0));
        all.iter().for_each(|(it, _)| way::merge(&it.at));
        let daemon = Daemon::start(&home);
        for (case, task) in &all {
            way::ended(&hub, &home, &daemon, &case.at, case.issue, *task);
            way::made_once(&hub, &case.at);
        }
        assert_eq!(hub.still_planned(), 0, "every failure has happened");
        hub.all_is_well(&home, &all.iter().map(|(_, task)| *task).collect::<Vec<_>>());
    });
}

#[test]
fn a_fetch_that_fails_is_made_again() {
    let hub = Hub::start();
    let issue = way::ask_in(&hub.api);
    hub.fail(Fault { of: Match::GitFetch, nth: 1, times: 1, when: When::Before, how: How::Cut });
    hub.fail(Fault { of: Match::GitFetch, nth: 2, times: 1, when: When::Before, how: status(503) });
    let home = Home::on(&hub).repository(way::SETTINGS);
    let daemon = Daemon::start(&home);
    way::in_review(&hub, &home, &daemon, &hub.api, issue, 1);
    assert_eq!(hub.still_planned(), 0, "both have happened");
}

#[test]
fn a_repository_that_is_renamed_on_the_way_stays_the_same_one() {
    let hub = Hub::start();
    let all = cases(&hub, &Way::get().there, &[], "old-");
    let home = home_for(&hub, &all);
    let held: Vec<_> =
        all.iter().map(|it| (it, hub.hold(it.station.requests().of(&it.name), it.station.nth, When::Before))).collect();
    let daemon = Daemon::start(&home);
    thread::scope(|scope| {
        for (case, held) in &held {
            scope.spawn(|| {
                assert!(held.wait(PATIENCE), "{} never came: {}", case.station, home.log());
                case.at.rename(&case.name.replace("old-", "new-"));
                held.release();
            });
        }
    });
    for case in &all {
        let task = case.task(&home);
        way::in_review(&hub, &home, &daemon, &case.at, case.issue, task);
        assert!(case.at.full_name().starts_with("acme/new-"));
    }
    assert_eq!(daemon.stop(&[]), Some(0));
    all.iter().for_each(|it| way::merge(&it.at));
    let daemon = Daemon::start(&home);
    for case in &all {
        way::ended(&hub, &home, &daemon, &case.at, case.issue, case.task(&home));
    }
}

#[test]
fn a_branch_that_somebody_deletes_before_its_pull_request_is_pushed_again_when_a_person_says_so() {
    let hub = Hub::start();
    let issue = way::ask_in(&hub.api);
    let home = Home::on(&hub).repository(way::SETTINGS);
    let held = hub.hold(Match::api("POST", PULLS.split_once(' ').unwrap().1), 1, When::Before);
    let daemon = Daemon::start(&home);
    assert!(held.wait(PATIENCE));
    let branch = home.branch("t-1");
    hub.api.delete_branch(&branch, "ann");
    held.release();
    let (reason, text) = daemon.wait_for_failure("t-1");
    assert!(reason == "publish-failed" && text.contains(&branch), "{reason}: {text}");
    home.ok(&["task", "retry", "t-1"]);
    way::in_review(&hub, &home, &daemon, &hub.api, issue, 1);
}

#[test]
fn a_push_that_a_rule_forbids_says_which_and_is_made_when_the_rule_is_gone() {
    let hub = Hub::start();
    let issue = way::ask_in(&hub.api);
    hub.api.protect("refs/heads/agentd/*", "GH013: Repository rule violations found: branches want a ticket.");
    let home = Home::on(&hub).repository(way::SETTINGS);
    let daemon = Daemon::start(&home);
    let (_, text) = daemon.wait_for_failure("t-1");
    assert!(text.contains("branches want a ticket") && text.contains("hint: "), "{text}");
    hub.wait_for_comment(issue, "branches want a ticket");
    assert_eq!((hub.branches(&home).len(), hub.api.pulls().len()), (0, 0));
    hub.api.unprotect();
    home.ok(&["task", "retry", "t-1"]);
    way::in_review(&hub, &home, &daemon, &hub.api, issue, 1);
}

#[test]
fn a_branch_that_somebody_deletes_with_its_pull_request_ends_the_task() {
    let hub = Hub::start();
    let issue = way::ask_in(&hub.api);
    let home = Home::on(&hub).repository(way::SETTINGS);
    let daemon = Daemon::start(&home);
    way::in_review(&hub, &home, &daemon, &hub.api, issue, 1);
    assert_eq!(daemon.stop(&[]), Some(0));
    hub.api.delete_branch(&home.branch("t-1"), "ann");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["cancelled"]);
    hub.wait_until_free(issue);
    assert!(!hub.only_pull().issue.open && hub.branches(&home).is_empty());
    hub.all_is_well(&home, &[1]);
}

#[test]
fn a_token_that_ends_on_the_way_is_replaced_by_another_one() {
    let hub = Hub::start();
    let issue = way::ask_in(&hub.api);
    let home = Home::on(&hub).repository(way::SETTINGS);
    let held = hub.hold(Match::GitPush, 1, When::Before);
    let daemon = Daemon::start(&home);
    assert!(held.wait(PATIENCE));
    hub.revoke(&hub.token);
    held.release();
    wait_for("it says what to do", || {
        trouble(&home, 1).is_some_and(|it| it.contains("agentd auth github")).then_some(())
    });
    assert_eq!(daemon.stop(&[]), Some(0));
    let fresh = hub.token_of(crate::support::github::BOT);
    crate::support::github::write_secret(home.root(), "github-token", &fresh);
    let daemon = Daemon::start(&home);
    if home.shown("t-1")["state"] == "failed" {
        home.ok(&["task", "retry", "t-1"]);
    }
    way::in_review(&hub, &home, &daemon, &hub.api, issue, 1);
}
