//! What GitHub refuses, and what its description does not allow.

use super::client::Client;
use crate::{Fake, Right};
use serde_json::{Value, json};

#[test]
fn what_the_description_does_not_allow_is_refused_and_noted() {
    let fake = Fake::start();
    fake.repository("acme/api").give("bot", Right::Write);
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    let check = |method: &str, path: &str, body: Option<Value>, expected: &str| {
        let response = client.send(method, path, body.as_ref()).is(400);
        assert!(response.text.contains(expected), "{}", response.text);
        assert!(fake.violations().pop().unwrap().contains(expected), "{expected}");
    };
    check("GET", "/repos/acme/api/isues", None, "there is no such route");
    check("POST", "/repos/acme/api/issues/comments/1", Some(json!({ "body": "x" })), "there is no POST");
    check("GET", "/repos/acme/api/issues?state=opened", None, "`state`");
    check("POST", "/repos/acme/api/issues", Some(json!({ "body": "x" })), "title");
    check("POST", "/repos/acme/api/pulls", Some(json!({ "head": "x", "base": "y", "pull_number": 1 })), "pull_number");
    check("GET", "/repos/acme/api/collaborators/app[bot]/permission", None, "must be percent-encoded");
    check("GET", "/gists", None, "the fake does not play GET /gists");
    client.get("/repos/acme/api/collaborators/app%5Bbot%5D/permission").is(404);
}

#[test]
fn who_may_not_is_told_so() {
    let fake = Fake::start();
    let (private, open) = (fake.repository("acme/private"), fake.repository("acme/open"));
    open.set_public();
    private.give("ann", Right::Triage).give_role("sam", "security", Right::Write);
    private.open_issue("ann", "A bug", "");
    open.open_issue("ann", "A bug", "");
    let client = |token: &str| Client::new(fake.url(), token);
    client("nonsense").get("/user").is(401);
    let token = fake.token_of("gone");
    fake.revoke(&token);
    client(&token).get("/user").is(401);
    let eve = client(&fake.token_of("eve"));
    eve.get("/repos/acme/private").is(404);
    eve.get("/repos/acme/private/issues/1").is(404);
    eve.get("/repos/acme/open/issues/1").is(200);
    eve.post("/repos/acme/open/issues/1/labels", &json!({ "labels": ["bug"] })).is(403);
    eve.post("/repos/acme/open/issues/1/comments", &json!({ "body": "hello" })).is(201);
    eve.get("/repos/acme/open/collaborators/eve/permission").is(403);
    let ann = client(&fake.token_of("ann"));
    ann.post("/repos/acme/private/issues/1/labels", &json!({ "labels": ["bug"] })).is(200);
    ann.post("/repos/acme/private/labels", &json!({ "name": "new" })).is(403);
    client(&fake.token_with_scopes("ann", &["read:user"])).get("/repos/acme/private").is(404);
    let sam = client(&fake.token_of("sam"));
    let check = |login: &str, expected: (&str, &str)| {
        let found = sam.get(&format!("/repos/acme/private/collaborators/{login}/permission")).is(200).json();
        let found = (found["permission"].as_str().unwrap(), found["role_name"].as_str().unwrap());
        assert_eq!(found, expected, "{login}");
    };
    check("ann", ("read", "triage"));
    check("sam", ("write", "security"));
    check("eve", ("none", "none"));
    sam.get("/repos/acme/private/collaborators/nobody/permission").is(404);
    sam.get("/repos/acme/private/actions/permissions/workflow").is(403);
    private.set_archived(true);
    sam.post("/repos/acme/private/issues/1/comments", &json!({ "body": "x" })).is(403);
    assert_eq!(fake.violations(), [""; 0]);
}

#[test]
fn fine_grained_tokens_reach_as_far_as_they_were_made_for() {
    let fake = Fake::start();
    let (api, web) = (fake.repository("acme/api"), fake.repository("acme/web"));
    for repo in [&api, &web] {
        repo.give("bot", Right::Write);
        repo.open_issue("ann", "A bug", "");
    }
    let token = fake.fine_token("bot", Some(&[&api]), &[("issues", "write"), ("pull_requests", "read")]);
    let client = Client::new(fake.url(), &token);
    assert_eq!(client.get("/user").is(200).header("x-oauth-scopes"), "");
    client.get("/repos/acme/web").is(404);
    client.post("/repos/acme/api/issues/1/comments", &json!({ "body": "hello" })).is(201);
    client.get("/repos/acme/api/pulls").is(200);
    let refused = client.get("/repos/acme/api/contents/README.md").is(403);
    assert_eq!(refused.header("x-accepted-github-permissions"), "contents=read");
    assert_eq!(fake.violations(), [""; 0]);
}

#[test]
fn pull_requests_are_refused_as_github_refuses_them() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("bot", Right::Write);
    repo.push_to("x", "bot", &[("README.md", "one\n")]);
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    let pulls = "/repos/acme/api/pulls";
    let new = |head: &str, base: &str, draft: bool| json!({ "title": "X", "head": head, "base": base, "draft": draft });
    let refused = |body: Value, expected: &str| {
        let response = client.post(pulls, &body).is(422);
        assert!(response.text.contains(expected), "{}", response.text);
    };
    refused(new("nowhere", "main", false), "\"field\":\"head\"");
    refused(new("x", "nowhere", false), "\"field\":\"base\"");
    refused(new("main", "main", false), "No commits between main and main");
    repo.refuse_drafts();
    refused(new("x", "main", true), "Draft pull requests are not supported in this repository.");
    let long = json!({ "title": "x".repeat(257), "head": "x", "base": "main" });
    refused(long, "title is too long (maximum is 256 characters)");
    client.post(pulls, &new("x", "main", false)).is(201);
    refused(new("acme:x", "main", false), "A pull request already exists for acme:x.");
    assert_eq!(client.get(&format!("{pulls}?head=acme:x")).json().as_array().unwrap().len(), 1);
    // Both sides change the same line.
    repo.push_files(&[("README.md", "two\n")]);
    assert_eq!(client.get("/repos/acme/api/pulls/1").json()["mergeable_state"], "dirty");
    client.send("PUT", "/repos/acme/api/pulls/1/merge", Some(&json!({}))).is(405);
    repo.allow_merges(false, true, false);
    repo.push_to("x", "bot", &[("README.md", "two\n"), ("y.txt", "y\n")]);
    client.send("PUT", "/repos/acme/api/pulls/1/merge", Some(&json!({}))).is(405);
    let ask = json!({ "reviewers": ["stranger"] });
    client.post("/repos/acme/api/pulls/1/requested_reviewers", &ask).is(422);
    repo.delete_branch("x", "bot");
    assert!(!repo.pull(1).issue.open);
    client.send("PATCH", "/repos/acme/api/pulls/1", Some(&json!({ "state": "open" }))).is(422);
    assert_eq!(fake.violations(), [""; 0]);
}

#[test]
fn a_commit_without_parents_brings_every_workflow_anew() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("bot", Right::Write).push_files(&[(".github/workflows/ci.yml", "on: push\n")]);
    let tip = repo.branches()["main"].clone();
    let check = |scopes: &[&str], parents: Value, number: u32, status: u16| {
        let client = Client::new(fake.url(), &fake.token_with_scopes("bot", scopes));
        let tree = client.get(&format!("/repos/acme/api/git/commits/{tip}")).is(200).json()["tree"]["sha"].clone();
        let new = json!({ "message": format!("{number}"), "tree": tree, "parents": parents });
        let commit = client.post("/repos/acme/api/git/commits", &new).is(201).json()["sha"].clone();
        let made = json!({ "ref": format!("refs/agentd/claims/{number}"), "sha": commit });
        client.post("/repos/acme/api/git/refs", &made).is(status);
    };
    check(&["repo"], json!([]), 1, 403);
    check(&["repo"], json!([tip]), 2, 201);
    check(&["repo", "workflow"], json!([]), 3, 201);
    assert_eq!(fake.violations(), [""; 0]);
}

#[test]
fn an_issue_that_was_moved_sends_to_where_it_is() {
    let fake = Fake::start();
    let (from, to) = (fake.repository("acme/api"), fake.repository("acme/web"));
    from.give("bot", Right::Write);
    let number = from.open_issue("ann", "A bug", "");
    to.open_issue("ann", "Another", "");
    assert_eq!(from.transfer(number, &to), 2);
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    let place = |response: &str| response.split("/repositories/").nth(1).unwrap().split_once('/').unwrap().1.to_owned();
    let sent = client.get("/repos/acme/api/issues/1").is(301);
    assert_eq!(place(sent.header("location")), "issues/2");
    let sent = client.post("/repos/acme/api/issues/1/labels", &json!({ "labels": ["x"] })).is(307);
    assert_eq!(place(sent.header("location")), "issues/2/labels");
    assert_eq!(fake.violations(), [""; 0]);
}

#[test]
fn refs_are_made_once_and_moved_forward() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("bot", Right::Write);
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    let tip = repo.branches()["main"].clone();
    let tree = client.get(&format!("/repos/acme/api/git/commits/{tip}")).is(200).json()["tree"]["sha"].clone();
    let new = json!({ "message": "agentd claim", "tree": tree, "parents": [] });
    let commit = client.post("/repos/acme/api/git/commits", &new).is(201).json()["sha"].clone();
    let claim = json!({ "ref": "refs/agentd/claims/7", "sha": commit });
    client.post("/repos/acme/api/git/refs", &claim).is(201);
    let taken = client.post("/repos/acme/api/git/refs", &claim).is(422);
    assert!(taken.text.contains("Reference already exists"));
    let found = client.get("/repos/acme/api/git/ref/agentd/claims/7").is(200).json();
    let message = client.get(&format!("/repos/acme/api/git/commits/{}", found["object"]["sha"].as_str().unwrap()));
    assert_eq!(message.json()["message"], "agentd claim");
    client.send("DELETE", "/repos/acme/api/git/refs/agentd/claims/7", None).is(204);
    client.send("DELETE", "/repos/acme/api/git/refs/agentd/claims/7", None).is(422);
    client.get("/repos/acme/api/git/ref/agentd/claims/7").is(404);
    let unknown = json!({ "ref": "refs/heads/x", "sha": "0".repeat(40) });
    client.post("/repos/acme/api/git/refs", &unknown).is(422);
    client.post("/repos/acme/api/git/refs", &json!({ "ref": "x", "sha": tip })).is(422);
    let moved = json!({ "sha": commit, "force": false });
    client.send("PATCH", "/repos/acme/api/git/refs/heads/main", Some(&moved)).is(422);
    client.send("DELETE", "/repos/acme/api/git/refs/heads/main", None).is(422);
    assert_eq!(fake.violations(), [""; 0]);
}
