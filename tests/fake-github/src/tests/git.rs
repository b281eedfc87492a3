//! Git over HTTP, with the program itself.

use crate::{Fake, Fault, How, Match, Repository, Right, When};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

struct Checkout {
    folder: TempDir,
    url: String,
    token: String,
}

impl Checkout {
    fn new(fake: &Fake, repo: &Repository, token: &str) -> Checkout {
        let url = format!("{}/{}.git", fake.url(), repo.full_name());
        Checkout { folder: tempfile::tempdir().unwrap(), url, token: token.to_owned() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What git says, and whether it worked.
    fn git(&self, arguments: &[&str]) -> (bool, String) {
        let login = BASE64_STANDARD.encode(format!("x-access-token:{}", self.token));
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
        git.env("GIT_CONFIG_COUNT", "4").env("GIT_CONFIG_KEY_0", "http.extraHeader");
        git.env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {login}"));
        for (index, (key, value)) in
            [("user.name", "bot"), ("user.email", "bot@example.com"), ("http.followRedirects", "false")]
                .into_iter()
                .enumerate()
        {
            git.env(format!("GIT_CONFIG_KEY_{}", index + 1), key).env(format!("GIT_CONFIG_VALUE_{}", index + 1), value);
        }
        let output = git.current_dir(self.path()).args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    #[track_caller]
    fn works(&self, arguments: &[&str]) -> String {
        let (worked, text) = self.git(arguments);
        assert!(worked, "{text}");
        text
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], expected: &str) {
        let (worked, text) = self.git(arguments);
        assert!(!worked && text.contains(expected), "{text}");
    }

    fn commit(&self, file: &str, text: &str, message: &str) {
        std::fs::write(self.path().join(file), text).unwrap();
        self.works(&["add", "."]);
        self.works(&["commit", "--quiet", "-m", message]);
    }
}

fn cloned(right: Right) -> (Fake, Repository, Checkout) {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("bot", right);
    let checkout = Checkout::new(&fake, &repo, &fake.token_of("bot"));
    checkout.works(&["clone", "--quiet", &checkout.url, "."]);
    (fake, repo, checkout)
}

#[test]
fn branches_are_pushed_and_pull_requests_follow() {
    let (fake, repo, checkout) = cloned(Right::Write);
    let url = checkout.url.clone();
    checkout.commit("a.txt", "a\n", "Add a");
    checkout.works(&["push", &url, "HEAD:refs/heads/agentd/1"]);
    let number = repo.open_pull("bot", "agentd/1", "A", "");
    let before = repo.pull(number).head_commit;
    checkout.commit("b.txt", "b\n", "Add b");
    checkout
        .fails(&["push", "--force-with-lease=refs/heads/agentd/1:", &url, "HEAD:refs/heads/agentd/1"], "stale info");
    checkout.works(&[
        "push",
        &format!("--force-with-lease=refs/heads/agentd/1:{before}"),
        &url,
        "HEAD:refs/heads/agentd/1",
    ]);
    assert_ne!(repo.pull(number).head_commit, before);
    checkout.works(&["push", &url, ":refs/heads/agentd/1"]);
    assert!(!repo.pull(number).issue.open);
    let pushes: Vec<String> = fake.writes().into_iter().filter(|it| it.method == "PUSH").map(|it| it.path).collect();
    assert_eq!(pushes, ["refs/heads/agentd/1"; 3]);
}

#[test]
fn commits_on_the_default_branch_close_issues_and_pull_requests() {
    let (_fake, repo, checkout) = cloned(Right::Write);
    let issue = repo.open_issue("ann", "A bug", "");
    checkout.commit("a.txt", "a\n", "Add a");
    checkout.works(&["push", "--quiet", &checkout.url.clone(), "HEAD:refs/heads/x"]);
    let number = repo.open_pull("bot", "x", "A", "");
    checkout.commit("b.txt", "b\n", &format!("Add b\n\nFixes #{issue}"));
    checkout.works(&["push", "--quiet", &checkout.url.clone(), "HEAD:refs/heads/main"]);
    assert!(!repo.issue(issue).open);
    assert!(repo.pull(number).merged);
}

#[test]
fn pushes_are_refused_as_github_refuses_them() {
    let (fake, repo, checkout) = cloned(Right::Write);
    let url = checkout.url.clone();
    checkout.commit("a.txt", "a\n", "Add a");
    repo.protect("refs/heads/release/*", "GH006: Protected branch update failed for refs/heads/release/1.");
    let refused = "GH006: Protected branch update failed";
    checkout.fails(&["push", &url, "HEAD:refs/heads/release/1"], refused);
    checkout.fails(&["push", &url, "HEAD:refs/pull/9/head"], "deny updating a hidden ref");
    let reader = Checkout::new(&fake, &repo, &fake.token_of("reader"));
    reader.fails(&["clone", &url, "."], "not found");
    repo.give("reader", Right::Read);
    reader.works(&["clone", "--quiet", &url, "."]);
    reader.commit("b.txt", "b\n", "Add b");
    reader.fails(&["push", &url, "HEAD:refs/heads/y"], "403");
    let nobody = Checkout::new(&fake, &repo, "nonsense");
    nobody.fails(&["clone", &url, "."], "could not read Username");
    repo.rename("acme/service");
    checkout.fails(&["fetch", &url], "301");
    let moved = format!("{}/acme/service.git", fake.url());
    checkout.works(&["fetch", "--quiet", &moved]);
    assert_eq!(repo.branches().len(), 1);
}

#[test]
fn a_push_fails_before_or_after_its_effect() {
    let (fake, repo, checkout) = cloned(Right::Write);
    let url = checkout.url.clone();
    checkout.commit("a.txt", "a\n", "Add a");
    let push = |expected: &str| checkout.fails(&["push", &url, "HEAD:refs/heads/x"], expected);
    let fault = |when, how| fake.fail(Fault { of: Match::GitPush, nth: 1, times: 1, when, how });
    fault(When::Before, How::Status(502, "Bad gateway".to_owned()));
    push("502");
    assert!(!repo.branches().contains_key("x"));
    fault(When::After, How::Cut);
    push("");
    assert!(repo.branches().contains_key("x"));
    checkout.works(&["push", &url, "HEAD:refs/heads/x"]);
}

#[test]
fn a_fork_is_its_own_repository_whose_branches_can_be_asked_for() {
    let (fake, repo, checkout) = cloned(Right::Read);
    let client = super::client::Client::new(fake.url(), &checkout.token);
    client.post("/repos/acme/api/forks", &serde_json::json!({})).is(202);
    let fork = repo.fork("bot").unwrap();
    checkout.commit("a.txt", "a\n", "Add a");
    checkout.works(&["push", "--quiet", &format!("{}/bot/api.git", fake.url()), "HEAD:refs/heads/agentd/1"]);
    let new = serde_json::json!({ "title": "A", "head": "bot:agentd/1", "base": "main" });
    let opened = client.post("/repos/acme/api/pulls", &new).is(201).json();
    assert_eq!((&opened["head"]["repo"]["full_name"], &opened["commits"]), (&"bot/api".into(), &1.into()));
    assert_eq!(repo.pull(1).head, "bot:agentd/1");
    checkout.commit("b.txt", "b\n", "Add b");
    checkout.works(&["push", "--quiet", &format!("{}/bot/api.git", fake.url()), "HEAD:refs/heads/agentd/1"]);
    assert_eq!(client.get("/repos/acme/api/pulls/1").is(200).json()["commits"], 2);
    assert_eq!(fork.branches()["agentd/1"], repo.pull(1).head_commit);
    repo.merge("ann", 1);
    assert_eq!(repo.file("main", "b.txt").as_deref(), Some("b\n"));
    assert_eq!(fake.violations(), [""; 0]);
}
