//! Changes that must not go out as they are: what agentd sees when it looks for itself.

use super::{a_good_task_gets_through, home_of, says};
use crate::support::{Daemon, Home, Judge, git};
use std::fs;

#[test]
fn a_failed_gate_keeps_the_change_inside_and_shows_why() {
    let agent = "cat > /dev/null; echo hallo > greeting.txt; echo I mended it, all tests pass";
    let home = home_of("local", agent);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    let (reason, text) = daemon.wait_for_failure("t-1");
    assert_eq!(reason, "gate-failed");
    says(&text, &["the gate `sh check.sh` ended with exit code 1", "the greeting is wrong"]);
    says(&home.ok(&["task", "show", "t-1"]), &["gate-failed", "the greeting is wrong"]);
    assert_eq!(home.git(&["for-each-ref", "refs/heads/agentd", "refs/agentd"]), "", "nothing was pushed");
    a_good_task_gets_through(&home, &daemon);
}

#[test]
fn what_the_agent_committed_and_what_it_left_are_both_in_the_change() {
    let agent = "cat > /dev/null; echo hello > greeting.txt; git add -A; \
        git -c user.name=Bot -c user.email=bot@example.org commit -qm 'Mend it'; echo more > more.txt; echo done";
    let home = home_of("docker", agent);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    let log = home.git(&["log", "--format=%an/%cn: %s", "main..agentd/t-1"]);
    assert_eq!(log, "agentd/agentd: Mend the greeting\nagentd/agentd: Mend it");
    assert_eq!(home.git(&["show", "agentd/t-1:more.txt"]), "more");
    Judge::new(&home).all_is_well(&[1]);
}

/// Each agent in turn: its change is refused with these words, and nothing of it is pushed.
#[track_caller]
fn check_refused(home: &Home, cases: &[(&str, &[&str])]) {
    let daemon = Daemon::start(home);
    for (number, (agent, pieces)) in cases.iter().enumerate() {
        home.task(&format!("{agent}.md"), &format!("---\nagent: {agent}\n---\n# Mend the greeting\n"));
        let (reason, text) = daemon.wait_for_failure(&format!("t-{}", number + 1));
        assert_eq!((*agent, reason.as_str()), (*agent, "verify-refused"), "{text}");
        says(&text, pieces);
    }
    assert_eq!(home.git(&["for-each-ref", "refs/heads/agentd"]), "", "nothing was pushed");
    a_good_task_gets_through(home, &daemon);
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// `echo hello > greeting.txt` lets the gate pass: what is refused is the rest.
const MENDED: &str = "cat > /dev/null; echo hello > greeting.txt; echo done;";
/// The token is put together by the agent, so that the configuration does not hold it.
const TOKEN: &str = "t=ghp_; for i in 1 2 3 4 5 6 7 8 9; do t=${t}a1B2; done;";

fn with_hostile_agents(home: Home) -> Home {
    home.and_agent("token", &format!("{MENDED} {TOKEN} mkdir conf; echo \"token = $t\" > conf/x.toml"))
        .and_agent("link", &format!("{MENDED} mkdir a; ln -s ../../etc/passwd a/b"))
        .and_agent("absolute", &format!("{MENDED} ln -s /etc/passwd passwd"))
        .and_agent(
            "nested",
            &format!(
                "{MENDED} git init -q lib; cd lib; echo x > x; git add x; \
            git -c user.name=a -c user.email=a@b.c commit -qm x"
            ),
        )
        .and_agent("large", &format!("{MENDED} head -c 11000000 /dev/zero > zero.bin"))
}

const REFUSED: [(&str, &[&str]); 5] = [
    ("token", &["the change shows what looks like", "in conf/x.toml", "it was not pushed"]),
    ("link", &["a/b links to ../../etc/passwd, outside of the repository"]),
    ("absolute", &["passwd links to /etc/passwd, outside of the repository"]),
    ("nested", &["lib is a repository in the repository"]),
    ("large", &["zero.bin has 10 MiB; at most 10 are taken"]),
];

#[test]
fn what_a_reviewer_would_not_see_is_refused_from_containers() {
    let home = with_hostile_agents(home_of("docker", "true"));
    check_refused(&home, &REFUSED);
    Judge::new(&home).nobody_wrote(&format!("ghp_{}", "a1B2".repeat(9)));
}

#[test]
fn what_a_reviewer_would_not_see_is_refused_from_plain_processes() {
    let home = with_hostile_agents(home_of("local", "true"));
    check_refused(&home, &REFUSED);
    Judge::new(&home).nobody_wrote(&format!("ghp_{}", "a1B2".repeat(9)));
}

#[test]
fn a_protected_path_waits_for_a_person() {
    let agent = format!("{MENDED} mkdir -p .github/workflows; echo 'on: push' > .github/workflows/x.yml");
    let home = home_of("local", &agent).more("[repositories.default]\nprotected = [\".github/**\"]");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["waiting"]);
    says(&home.ok(&["task", "show", "t-1"]), &["waiting (approval)", ".github/workflows/x.yml, which is protected"]);
    assert_eq!(home.git(&["for-each-ref", "refs/heads/agentd"]), "", "nothing is pushed before a person has seen it");
    a_good_task_gets_through(&home, &daemon);
    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["in-review"]);
}

#[test]
fn a_branch_that_somebody_else_pushed_is_not_overwritten() {
    let home = home_of("local", &format!("{MENDED} while [ ! -e ../../../../go ]; do sleep 0.05; done"));
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["running"]);
    let seed = home.path("seed");
    fs::write(seed.join("theirs.txt"), "theirs\n").unwrap();
    git(&seed, &["add", "."]);
    git(&seed, &["commit", "-qm", "Theirs"]);
    let theirs = git(&seed, &["rev-parse", "HEAD"]);
    git(&seed, &["push", "-q", home.forge().to_str().unwrap(), "HEAD:refs/heads/agentd/t-1"]);
    fs::write(home.path("go"), "").unwrap();
    daemon.wait_for_state("t-1", &["failed"]);
    says(&home.ok(&["task", "show", "t-1"]), &["publish-failed", "should not exist, and is at"]);
    assert_eq!(home.git(&["rev-parse", "agentd/t-1"]), theirs);
    a_good_task_gets_through(&home, &daemon);
}
