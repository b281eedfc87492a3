//! The main job on GitHub: a label becomes a draft pull request, a person merges it, and nothing is left over.

use crate::support::{
    Daemon, Home, Hub, Judge, Model, Provider, Turn, Usage,
    bill::the_ledger_is_the_bill,
    github::{BLOCKED, BOT, IN_PROGRESS, LABEL, data_of, is_nowhere, write_secret},
    wait_for,
};
use agentd_fake_github::KeyPair;

/// What each turn uses; amounts that do not come out even.
const USAGE: Usage = Usage { input: 2_001, output: 137, cache_read: 333, cache_write: 0 };
/// The shipped prices of a thousand tokens, in millionths of a dollar.
const PRICE: Usage = Usage { input: 3_000, output: 15_000, cache_read: 300, cache_write: 3_750 };

/// A home in which the real Claude Code works with what the model says.
fn with_claude_code(hub: &Hub, model: &Model) -> Home {
    let agent = format!("{}default = true\n", model.config_sections(Provider::Anthropic));
    Home::for_agents_on(hub).agent("").more(&agent)
}

#[test]
fn a_label_becomes_a_pull_request_of_claude_code_and_a_merge_ends_it() {
    let turns =
        [Turn::bash("echo hello > greeting.txt").held(), Turn::text("I mended the greeting: an l was missing.")];
    let model = Model::start(turns.map(|it| it.usage(USAGE)));
    let hub = Hub::start();
    hub.api.create_label("by-agentd");
    let home = with_claude_code(&hub, &model).repository("labels = [\"by-agentd\"]\nreviewers = [\"ann\"]");
    let number = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);

    model.in_call();
    shows_that_it_works(&hub, &home, number);
    is_nowhere(&home, &hub.token);
    model.release();

    daemon.wait_for_state("t-1", &["in-review"]);
    shows_the_change(&hub, &home, number);
    the_ledger_is_the_bill(&home, &model, PRICE);
    let prompt = model.answered()[0].history();
    assert!(prompt.contains("It says helo."), "{prompt}");

    let pull = hub.only_pull();
    hub.api.ready_for_review("ann", pull.issue.number);
    hub.api.merge("ann", pull.issue.number);
    daemon.wait_for_state("t-1", &["done"]);
    shows_the_end(&hub, &home, number);
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// While the agent works: claimed, locked, assigned, and one comment that says so.
#[track_caller]
fn shows_that_it_works(hub: &Hub, home: &Home, number: u32) {
    let issue = hub.api.issue(number);
    assert_eq!(issue.labels, [LABEL, IN_PROGRESS]);
    assert_eq!(issue.assignees, [BOT]);
    assert_eq!(hub.claims(), [number.to_string()]);
    let comment = hub.comment_on(number);
    assert_eq!((comment.author.as_str(), comment.edited), (BOT, false), "{:#?}", hub.writes());
    assert!(comment.body.contains("**agentd works on this.**\n\nTask `t-1` · run 1"), "{}", comment.body);
    assert_eq!((hub.branches(home).len(), hub.api.pulls().len()), (0, 0), "nothing of it is published yet");
}

/// After the run: a draft with all that a reviewer needs, and the same comment points at it.
#[track_caller]
fn shows_the_change(hub: &Hub, home: &Home, number: u32) {
    let pull = hub.only_pull();
    let head = (pull.head.clone(), pull.base.as_str(), pull.draft, pull.issue.author.as_str());
    assert_eq!(head, (home.branch("t-1"), "main", true, BOT));
    assert_eq!(pull.issue.title, "Mend the greeting");
    assert_eq!(hub.file(home, "t-1", "greeting.txt").as_deref(), Some("hello\n"));
    let body = &pull.issue.body;
    for words in
        [&format!("Closes #{number}"), "I mended the greeting", "`sh check.sh` passed in", "`claude-code` for 0."]
    {
        assert!(body.contains(words), "{words}: {body}");
    }
    fits_the_ledger(home, number, &pull.head_commit, body);
    // Labels and reviewers come after the pull request.
    wait_for("it has its labels and reviewers", || {
        let pull = hub.only_pull();
        (pull.issue.labels == ["by-agentd"] && pull.requested_reviewers == ["ann"]).then_some(())
    });

    let link = format!("{}/acme/api/pull/{}", hub.url(), pull.issue.number);
    let comment = hub.wait_for_comment(number, "ready for review");
    assert!(comment.edited && comment.body.contains(&link), "{comment:?}");
    let shown = home.ok(&["task", "show", "t-1"]);
    assert!(shown.contains(&link), "{shown}");
    assert_eq!(hub.api.issue(number).labels, [LABEL, IN_PROGRESS], "it is agentd's until it is merged or closed");
}

/// The block for machines says what the ledger and git say.
#[track_caller]
fn fits_the_ledger(home: &Home, number: u32, commit: &str, body: &str) {
    let (data, shown) = (data_of(body), home.shown("t-1"));
    let run = &shown["runs"][0];
    let cents = run["spent_microusd"].as_u64().unwrap().div_ceil(10_000);
    assert_eq!(data["spent_usd"], format!("{}.{:02}", cents / 100, cents % 100));
    assert_eq!(data["issue"], format!("acme/api#{number}"));
    assert_eq!((data["task"].as_str(), data["run"].as_u64()), (Some("t-1"), Some(1)));
    assert_eq!(data["requested_by"], "ann");
    assert_eq!(data["commit"], commit);
    assert_eq!(data["commits"][0]["id"], commit);
    assert_eq!(data["gates"][0]["command"], "sh check.sh");
    assert_eq!(data["gates"][0]["result"], "passed");
    let session = data["session"].as_str().unwrap();
    assert!(shown.to_string().contains(session), "{session} is the task's conversation: {shown:#}");
}

/// After the merge: closed by GitHub itself, given back, and nothing of agentd's is left but what people read.
#[track_caller]
fn shows_the_end(hub: &Hub, home: &Home, number: u32) {
    hub.wait_until_free(number);
    let issue = hub.api.issue(number);
    assert_eq!((issue.open, issue.reason.as_str()), (false, "completed"));
    assert_eq!((issue.labels, issue.assignees), (vec![LABEL.to_owned()], vec![]));
    wait_for("the branch is gone", || hub.branches(home).is_empty().then_some(()));
    assert_eq!(hub.api.file("main", "greeting.txt").as_deref(), Some("hello\n"));
    let comment = hub.wait_for_comment(number, "Done: the pull request was merged.");
    assert!(comment.edited);
}

/// The least that an App may be given for all that agentd does.
const PERMISSIONS: [(&str, &str); 7] = [
    ("contents", "write"),
    ("issues", "write"),
    ("pull_requests", "write"),
    ("metadata", "read"),
    ("checks", "read"),
    ("statuses", "read"),
    ("actions", "read"),
];

#[test]
fn an_app_does_the_same_with_tokens_of_the_least_rights() {
    let hub = Hub::start();
    let key = KeyPair::generate();
    let app = hub.app("agentd", &key.public, &PERMISSIONS);
    hub.install(app, "acme", None);
    let home = Home::on(&hub);
    let file = write_secret(home.root(), "app.pem", &key.private);
    let access = format!("url = \"{}\"\napp = {{ id = {app}, key = \"file:{}\" }}", hub.url(), file.display());
    let home = home.github(&access);
    let number = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let pull = hub.only_pull();
    assert_eq!((pull.issue.author.as_str(), pull.draft), ("agentd[bot]", true));
    let comment = hub.wait_for_comment(number, "ready for review");
    assert_eq!(comment.author, "agentd[bot]");
    let issue = hub.api.issue(number);
    assert_eq!((issue.labels, issue.assignees.len()), (vec![LABEL.to_owned(), IN_PROGRESS.to_owned()], 0));

    hub.api.close("ann", pull.issue.number, None);
    assert_eq!(daemon.stop(&[]), Some(0));
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["cancelled"]);
    hub.wait_until_free(number);
    hub.all_is_well(&home, &[1]);
    let line = key.private.lines().nth(3).unwrap();
    is_nowhere(&home, line);
    Judge::new(&home).nobody_wrote("ghs_");
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn what_may_not_be_said_keeps_no_issue_locked() {
    let hub = Hub::start();
    // The gate shows a secret, and its words are the reason of the failure.
    hub.api.push_files(&[("check.sh", &format!("echo {}; exit 1\n", hub.token))]);
    let home = Home::on(&hub);
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["failed"]);
    wait_for("the issue is blocked and free", || {
        let seen = hub.api.issue(issue);
        let is = |label: &str| seen.labels.iter().any(|it| it == label);
        (is(BLOCKED) && !is(IN_PROGRESS) && seen.assignees.is_empty()).then_some(())
    });
    assert!(!hub.comment_on(issue).body.contains(&hub.token));
}
