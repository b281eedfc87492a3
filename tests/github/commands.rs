//! The commands by which a person comes to GitHub: `init`, `auth github`, `doctor`, `start --dry-run`, `run --issue`.

use super::{KEEPS_ITS_PROMPT, polls};
use crate::support::{
    Daemon, Home, Hub, Judge,
    github::{LABEL, write_secret},
    wait_for,
};
use agentd_fake_github::Right;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const AGENT: &str = "cat > /dev/null; echo hello > greeting.txt; echo I mended it";

/// A file with the bot's token, as a person would have it.
fn token_file(hub: &Hub, home: &Home) -> String {
    write_secret(home.root(), "token", &format!("{}\n", hub.token)).display().to_string()
}

/// What a team lead types who wants to try it on one repository.
fn init<'a>(hub: &'a Hub, token: &'a str, output: &'a str) -> Vec<&'a str> {
    vec![
        "init",
        "--repository",
        "acme/api",
        "--url",
        hub.url(),
        "--token-file",
        token,
        "--agent",
        "command",
        "--command",
        AGENT,
        "--gate",
        "sh check.sh",
        "--mode",
        "auto",
        "--create-labels",
        "--yes",
        "--output",
        output,
    ]
}

/// A GitHub of the company's own stands in its network, which has to be named before agentd calls it.
fn allow_network(folder: &Path) {
    let more = folder.join("conf.d");
    fs::create_dir_all(&more).unwrap();
    fs::write(more.join("network.toml"), "[network]\nprivate = [\"127.0.0.1/32\"]\n").unwrap();
}

#[test]
fn a_few_answers_make_a_configuration_that_works() {
    let hub = Hub::start();
    let home = Home::on(&hub);
    let (token, output) = (token_file(&hub, &home), home.path("agentd.toml").display().to_string());
    fs::remove_file(&output).unwrap();
    allow_network(home.root());
    let said = home.agentd(&init(&hub, &token, &output));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("nothing was started") && said.stdout.contains("agentd doctor"), "{said:?}");
    let text = fs::read_to_string(&output).unwrap();
    assert!(!text.contains(&hub.token) && text.lines().any(|it| it.starts_with('#')), "{text}");
    hub.is_untouched(); // the labels were there

    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let doctor = home.agentd(&["doctor"]);
    assert_eq!(doctor.code, Some(0), "{}\n{}", doctor.stdout, doctor.stderr);
    for words in ["knows agentd as agentd-bot", "acme/api: a pushed branch gets no secrets", "sandbox: one starts"] {
        assert!(doctor.stdout.contains(words), "{words}: {}", doctor.stdout);
    }
    let dry = home.ok(&["start", "--dry-run"]);
    for words in [&format!("acme/api#{issue}"), "Mend the greeting", "Nothing was started or changed."] {
        assert!(dry.contains(words), "{words}: {dry}");
    }
    hub.is_untouched();
    assert!(!home.home().join("agentd.db").exists(), "a dry run keeps nothing");

    // And then in earnest.
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    hub.only_pull();
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn missing_labels_are_made_by_init() {
    let hub = Hub::start();
    let bare = hub.repository("acme/bare");
    bare.give("agentd-bot", Right::Write);
    let home = Home::on(&hub);
    let (token, output) = (token_file(&hub, &home), home.path("new/agentd.toml").display().to_string());
    allow_network(&home.path("new"));
    let mut args = init(&hub, &token, &output);
    args[2] = "acme/bare";
    let said = home.agentd(&args);
    assert_eq!(said.code, Some(0), "{said:?}");
    let made = bare.labels();
    assert!(
        ["agentd", "agentd:blocked", "agentd:in-progress"].iter().all(|it| made.contains(&(*it).to_owned())),
        "{made:?}"
    );
    assert_eq!(hub.violations(), Vec::<String>::new());
}

/// A mistake of a new user's: the arguments, the exit code, and what the answer has to say.
#[track_caller]
fn check(hub: &Hub, home: &Home, args: &[&str], code: i32, words: &[&str]) {
    let config = fs::read_to_string(home.path("agentd.toml")).ok();
    let said = home.agentd(args);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, Some(code), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{word}: {args:?}: {text}");
    }
    assert!(!text.contains(&hub.token), "{text}");
    assert_eq!(fs::read_to_string(home.path("agentd.toml")).ok(), config, "{args:?} changed the configuration");
    hub.is_untouched();
}

#[test]
fn a_new_users_mistakes_are_told_with_what_to_do() {
    let hub = Hub::start();
    let home = Home::on(&hub);
    let token = token_file(&hub, &home);
    let output = home.path("new/agentd.toml").display().to_string();
    allow_network(&home.path("new"));
    let change = |at: usize, to: &'static str| {
        let mut args = init(&hub, &token, &output);
        args[at] = to;
        args
    };
    check(&hub, &home, &change(8, "cursor"), 2, &["cursor", "claude-code"]);
    check(&hub, &home, &change(2, "/etc"), 2, &["/etc", "git"]);
    check(&hub, &home, &change(2, "acme/nothing"), 1, &["acme/nothing"]);
    check(&hub, &home, &["init", "--repository", "acme/api", "--output", &output], 2, &["--agent", "--token-file"]);
    let there = home.path("agentd.toml").display().to_string();
    check(&hub, &home, &init(&hub, &token, &there), 2, &["is there already", "--force"]);
    check(&hub, &home, &["run", "--repo", "acme/other", "--issue", "1"], 2, &["acme/other", "auth github"]);
    check(&hub, &home, &["run", "--repo", "acme/api", "--issue", "404"], 1, &["acme/api has no issue #404"]);

    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    check(&hub, &home, &init(&hub, &token, &output), 2, &["chmod"]);
    let bad = write_secret(home.root(), "bad", "ghp_nobody").display().to_string();
    check(&hub, &home, &init(&hub, &bad, &output), 1, &["does not take"]);
    assert!(!Path::new(&output).exists(), "nothing was written");
    assert_eq!(hub.violations(), Vec::<String>::new());
}

#[test]
fn a_token_without_rights_is_not_taken_and_lists_what_it_lacks() {
    let hub = Hub::start();
    hub.api.give("reader", Right::Read);
    let home = Home::on(&hub);
    for token in [hub.token_of("reader"), hub.token_with_scopes("agentd-bot", &[])] {
        let file = write_secret(home.root(), "token", &token).display().to_string();
        let args =
            ["auth", "github", "--url", hub.url(), "--token-file", &file, "--repository", "acme/api", "--no-labels"];
        check(&hub, &home, &args, 1, &["acme/api", "nothing was written"]);
    }
    let fine = hub.fine_token("agentd-bot", None, &[("contents", "write"), ("issues", "write"), ("metadata", "read")]);
    let file = write_secret(home.root(), "token", &fine).display().to_string();
    let args = ["auth", "github", "--url", hub.url(), "--token-file", &file, "--repository", "acme/api", "--no-labels"];
    check(&hub, &home, &args, 1, &["acme/api", "Pull requests: Read and write"]);
    assert_eq!(hub.violations(), Vec::<String>::new());
}

#[test]
fn access_is_added_to_a_configuration_that_is_there() {
    let hub = Hub::start();
    let home = Home::new("local").more("[network]\nprivate = [\"127.0.0.1/32\"]\n");
    let before = fs::read_to_string(home.path("agentd.toml")).unwrap();
    let token = token_file(&hub, &home);
    let args =
        ["auth", "github", "--url", hub.url(), "--token-file", &token, "--repository", "acme/api", "--no-labels"];
    let said = home.ok(&args);
    assert!(said.contains("agentd-bot") && said.contains("written to"), "{said}");
    let after = fs::read_to_string(home.path("agentd.toml")).unwrap();
    assert!(after.contains("[github]") && !after.contains(&hub.token), "{after}");
    for line in before.lines().filter(|it| !it.is_empty()) {
        assert!(after.contains(line), "{line} is kept");
    }
    home.ok(&["config", "check"]);
    hub.is_untouched();
}

#[test]
fn an_issue_can_be_tried_up_to_its_diff() {
    let hub = Hub::start();
    let home = Home::on(&hub).agent(KEEPS_ITS_PROMPT);
    let issue = hub.api.open_issue("mal", "Mend the greeting", "It says helo. MAL-1");
    let said = home.agentd(&["run", "--repo", "acme/api", "--issue", &issue.to_string()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("+hello") && said.stdout.contains("MAL-1"), "{said:?}");
    assert!(said.stderr.contains("mal, who may not write to acme/api"), "{said:?}");
    // All that others see is that somebody has it, until the diff is approved or the task is cancelled.
    let routes: Vec<String> = hub.writes().into_iter().map(|it| it.route).collect();
    assert_eq!(routes, ["/repos/{owner}/{repo}/git/commits", "/repos/{owner}/{repo}/git/refs"]);
    assert_eq!(hub.claims(), [issue.to_string()]);
    let daemon = Daemon::start(&home);
    home.ok(&["task", "cancel", "t-1"]);
    hub.wait_until_free(issue);
    assert_eq!((hub.said_on(issue).len(), hub.api.pulls().len(), hub.branches(&home).len()), (0, 0, 0));
    assert_eq!(daemon.stop(&[]), Some(0));
    let daemon = Daemon::start(&home); // takes what the run left
    hub.all_is_well(&home, &[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn all_repositories_of_an_owner_are_looked_through_with_one_search() {
    let hub = Hub::start();
    let (web, old) = (hub.another("acme/web"), hub.another("acme/old"));
    hub.another("other/api").label("ann", hub.another("other/api").open_issue("ann", "Not this", ""), LABEL);
    let home = Home::on(&hub);
    let access = format!("{}\nrepositories = [\"acme/*\"]", hub.access(&home));
    let defaults = "[repositories.default]\ngates = [\"sh check.sh\"]\npush = \"branch\"\n";
    let home = home.github(&access).more(defaults).concurrent(2);
    old.set_archived(true);
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let number = web.open_issue("ann", "Mend it here, too", "It says helo.");
    web.label("ann", number, LABEL);
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    daemon.wait_for_state("t-2", &["in-review"]);
    let mut keys = ["t-1", "t-2"].map(|it| home.shown(it)["key"].as_str().unwrap().to_owned());
    keys.sort();
    assert_eq!(keys, [format!("acme/api#{issue}"), format!("acme/web#{number}")]);
    assert_eq!((hub.api.pulls().len(), web.pulls().len()), (1, 1));

    let requests = hub.usage().requests;
    assert_eq!(requests.get("GET /repos/{owner}/{repo}/issues"), None, "{requests:#?}");
    let judge = Judge::new(&home);
    assert_eq!(judge.state("t-3"), None);
    let (before, searches) = (polls(&hub), hub.usage().requests["GET /search/issues"]);
    wait_for("agentd looks again", || (polls(&hub) > before).then_some(()));
    assert_eq!(hub.usage().requests["GET /search/issues"] - searches, polls(&hub) - before);
    hub.all_is_well(&home, &[1, 2]);
    assert_eq!(daemon.stop(&[]), Some(0));
}
