//! From an issue to a merged pull request.

use super::client::Client;
use crate::{Fake, Right};
use serde_json::json;

/// Everything that a program may read there.
const ROUTES: [&str; 49] = [
    "/user",
    "/users/bob",
    "/user/repos",
    "/orgs/acme/repos",
    "/users/acme/repos",
    "/rate_limit",
    "/repos/acme/api",
    "/repos/acme/api/branches",
    "/repos/acme/api/branches/main",
    "/repos/acme/api/forks",
    "/repos/acme/api/contents/README.md",
    "/repos/acme/api/contents/src",
    "/repos/acme/api/milestones",
    "/repos/acme/api/contents/.github/workflows/ci.yml?ref=main",
    "/repos/acme/api/actions/permissions/workflow",
    "/repos/acme/api/git/ref/heads/main",
    "/repos/acme/api/git/matching-refs/heads/",
    "/repos/acme/api/git/trees/main?recursive=1",
    "/repos/acme/api/commits",
    "/repos/acme/api/commits/main",
    "/repos/acme/api/commits/main/check-runs",
    "/repos/acme/api/commits/main/status",
    "/repos/acme/api/commits/main/statuses",
    "/repos/acme/api/compare/main...agentd/1",
    "/repos/acme/api/issues?state=all",
    "/repos/acme/api/issues/1",
    "/repos/acme/api/issues/2",
    "/repos/acme/api/issues/1/events",
    "/repos/acme/api/issues/1/timeline",
    "/repos/acme/api/issues/2/events",
    "/repos/acme/api/issues/1/reactions",
    "/repos/acme/api/issues/1/labels",
    "/repos/acme/api/issues/1/comments",
    "/repos/acme/api/issues/comments?sort=updated&direction=asc",
    "/repos/acme/api/labels",
    "/repos/acme/api/labels/agentd",
    "/repos/acme/api/pulls?state=all",
    "/repos/acme/api/pulls?head=acme:agentd/1&base=main",
    "/repos/acme/api/pulls/2",
    "/repos/acme/api/pulls/2/commits",
    "/repos/acme/api/pulls/2/files",
    "/repos/acme/api/pulls/2/reviews",
    "/repos/acme/api/pulls/2/requested_reviewers",
    "/repos/acme/api/pulls/2/comments",
    "/repos/acme/api/pulls/comments",
    "/repos/acme/api/assignees",
    "/repos/acme/api/collaborators",
    "/repos/acme/api/collaborators/bot/permission",
    "/search/issues?q=repo:acme/api+is:issue+label:agentd",
];

#[test]
fn everything_that_can_be_read_is_as_github_describes_it() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("ann", Right::Admin).give("bot", Right::Write);
    let tip = repo.push_files(&[("src/a.txt", "a\n"), (".github/workflows/ci.yml", "on: push\n")]);
    let issue = repo.open_issue("ann", "A bug", "words");
    repo.label("ann", issue, "agentd");
    repo.assign("ann", issue, "ann");
    repo.set_milestone("ann", issue, Some("1.0"));
    repo.comment("bob", issue, "me too");
    repo.edit_title("bob", issue, "A big bug");
    repo.close("ann", issue, Some("not_planned"));
    repo.push_to("agentd/1", "bot", &[("src/b.txt", "b\n")]);
    let pull = repo.open_pull("bot", "agentd/1", "A fix", "Closes #1");
    repo.request_review("bot", pull, "ann");
    repo.review("ann", pull, "REQUEST_CHANGES", "no");
    let on_line = repo.comment_on_line("ann", pull, "src/b.txt", 1, "why?");
    repo.check(&tip, "build", Some("failure"), "it broke");
    repo.check(&tip, "lint", None, "");
    repo.status(&tip, "ci/old", "success");
    let client = Client::new(fake.url(), &fake.token_of("ann"));
    for route in ROUTES {
        let response = client.get(route);
        assert_eq!(response.status, 200, "{route}: {}", response.text);
    }
    client.get(&format!("/repos/acme/api/pulls/comments/{on_line}")).is(200);
    client.get(&format!("/repos/acme/api/git/commits/{tip}")).is(200);
    client.get("/repos/acme/api/assignees/ann").is(204);
    client.get("/repos/acme/api/pulls/2/merge").is(404);
    assert_eq!(fake.violations(), [""; 0]);
}

#[test]
fn an_issue_becomes_a_merged_pull_request_that_closes_it() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("bot", Right::Write);
    let issue = repo.open_issue("ann", "A bug", "words");
    repo.push_to("agentd/1", "bot", &[("b.txt", "b\n")]);
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    let pulls = "/repos/acme/api/pulls";
    let new = json!({ "title": "Fix", "body": format!("Closes #{issue}"), "head": "agentd/1", "base": "main", "draft": true });
    let opened = client.post(pulls, &new).is(201).json();
    assert_eq!((opened["number"].as_u64(), &opened["draft"]), (Some(2), &json!(true)));
    let twice = client.post(pulls, &new).is(422);
    assert!(twice.text.contains("A pull request already exists for acme:agentd/1."), "{}", twice.text);
    client.send("PUT", "/repos/acme/api/pulls/2/merge", Some(&json!({}))).is(405);
    repo.ready_for_review("ann", 2);
    let merge = json!({ "sha": "0".repeat(40), "merge_method": "merge" });
    client.send("PUT", "/repos/acme/api/pulls/2/merge", Some(&merge)).is(409);
    client.send("PUT", "/repos/acme/api/pulls/2/merge", Some(&json!({}))).is(200);
    assert!(repo.pull(2).merged);
    assert!(!repo.issue(issue).open);
    assert_eq!(repo.file("main", "b.txt").as_deref(), Some("b\n"));
}
