//! What is pushed at once, what a person has to see before, and where it is pushed to.

use crate::support::{
    Daemon, Home, Hub,
    github::{BOT, LABEL},
    wait_for,
};
use agentd_fake_github::{Match, When};
use std::{fs, time::Duration};

/// Runs on every push and uses nothing of the repository's.
const HARMLESS: &str = "on: push\npermissions:\n  contents: read\njobs:\n  test:\n    runs-on: ubuntu-latest\n    \
    steps:\n      - run: make test\n";
/// A pushed branch would get a token for the package registry.
const WITH_A_SECRET: &str = "on: [push]\npermissions: {}\njobs:\n  release:\n    runs-on: ubuntu-latest\n    steps:\n      \
    - run: npm publish\n        env:\n          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}\n";

/// A home that leaves it to the repository's workflows.
fn unsaid(hub: &Hub) -> Home {
    Home::on(hub).push("")
}

#[test]
fn where_ci_has_secrets_a_person_sees_it_before_it_is_pushed() {
    let hub = Hub::start();
    hub.api.push_files(&[(".github/workflows/release.yml", WITH_A_SECRET), (".github/workflows/test.yml", HARMLESS)]);
    let home = unsaid(&hub);
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["waiting"]);
    let shown = home.ok(&["task", "show", "t-1"]);
    let place = ".github/workflows/release.yml:9: runs on push, uses secrets.NPM_TOKEN";
    assert!(shown.contains(place) && !shown.contains("test.yml"), "{shown}");
    let comment = hub.wait_for_comment(issue, "agentd task approve t-1");
    assert!(comment.body.contains("agentd task diff t-1"), "{}", comment.body);
    assert!(home.ok(&["task", "diff", "t-1"]).contains("+hello"));
    assert_eq!((hub.branches(&home).len(), hub.api.pulls().len()), (0, 0));
    assert!(!hub.usage().requests.contains_key("git push"));

    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(hub.only_pull().head, home.branch("t-1"));
    hub.wait_for_comment(issue, "ready for review");
    hub.all_is_well(&home, &[1]);
}

#[test]
fn where_ci_has_nothing_it_is_pushed_at_once() {
    let hub = Hub::start();
    hub.api.push_files(&[(".github/workflows/test.yml", HARMLESS)]);
    let home = unsaid(&hub);
    hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(hub.branches(&home), ["t-1"]);
    hub.all_is_well(&home, &[1]);
}

#[test]
fn a_change_of_what_ci_does_waits_for_a_person() {
    let hub = Hub::start();
    let agent = "cat > /dev/null; echo hello > greeting.txt; mkdir -p .github/workflows; \
                 echo on: push > .github/workflows/new.yml; echo I mended it";
    let home = unsaid(&hub).agent(agent);
    hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["waiting"]);
    let shown = home.ok(&["task", "show", "t-1"]);
    assert!(shown.contains(".github/workflows/new.yml"), "{shown}");
    assert!(!hub.usage().requests.contains_key("git push"));
    hub.all_is_well(&home, &[1]);
}

#[test]
fn a_fork_keeps_the_repository_free_of_agentds_branches() {
    let hub = Hub::start();
    let home = Home::on(&hub).push("fork");
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(hub.branches(&home), Vec::<String>::new());
    let pull = hub.only_pull();
    assert_eq!((pull.head, pull.draft), (format!("agentd-bot:{}", home.branch("t-1")), true));
    let fork = hub.api.fork(BOT).unwrap();
    assert_eq!(fork.file(&home.branch("t-1"), "greeting.txt").as_deref(), Some("hello\n"));
    hub.all_is_well(&home, &[1]);
    hub.api.close("ann", pull.issue.number, None);
    assert_eq!(daemon.stop(&[]), Some(0));
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["cancelled"]);
    hub.wait_until_free(issue);
    wait_for("its branch is gone from the fork", || (!fork.branches().contains_key(&home.branch("t-1"))).then_some(()));
    assert_eq!(hub.api.issue(issue).labels, [LABEL]);
    hub.all_is_well(&home, &[1]);
}

/// What the machine's other users would see of running programs.
fn command_lines() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| fs::read(it.path().join("cmdline")).ok());
    lines.map(|it| String::from_utf8_lossy(&it).replace('\0', " ")).collect()
}

#[test]
fn git_is_not_given_the_token_where_others_see_it() {
    let hub = Hub::start();
    let held = hub.hold(Match::GitPush, 1, When::Before);
    let home = Home::on(&hub);
    hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    assert!(held.wait(Duration::from_secs(120)), "git pushes");
    let address = format!("{}/acme/api.git", hub.url());
    let lines: Vec<String> = command_lines().into_iter().filter(|it| it.contains(&address)).collect();
    assert!(!lines.is_empty(), "git was caught in the act");
    for line in &lines {
        let shown = [hub.token.as_str(), "x-access-token", "uthorization"].iter().any(|it| line.contains(it));
        assert!(!shown, "{line}");
    }
    held.release();
    daemon.wait_for_state("t-1", &["in-review"]);
    hub.all_is_well(&home, &[1]);
}

#[test]
fn where_drafts_are_refused_it_is_a_normal_pull_request() {
    let hub = Hub::start();
    hub.api.refuse_drafts();
    let home = Home::on(&hub);
    hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let pull = hub.only_pull();
    assert!(!pull.draft && pull.issue.open);
    hub.all_is_well(&home, &[1]);
}
