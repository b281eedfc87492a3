//! What makes a client cheap: pages, tags, limits.

use super::client::Client;
use crate::{Fake, Right};
use serde_json::json;
use std::time::Duration;

#[test]
fn what_has_not_changed_costs_nothing() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("ann", Right::Read);
    let client = Client::new(fake.url(), &fake.token_of("ann"));
    repo.open_issue("ann", "A bug", "");
    let first = client.get("/repos/acme/api/issues").is(200);
    let tag = first.header("etag").to_owned();
    assert_eq!(first.header("x-ratelimit-remaining"), "4999");
    assert_eq!(first.header("x-oauth-scopes"), "repo");
    let again = client.ask("GET", "/repos/acme/api/issues", &[("if-none-match", &tag)], None).is(304);
    assert_eq!((again.text.as_str(), again.header("etag")), ("", tag.as_str()));
    assert_eq!(again.header("x-ratelimit-remaining"), "4999");
    // What one token knows is new to another.
    let other = Client::new(fake.url(), &fake.token_with_scopes("ann", &["repo"]));
    other.ask("GET", "/repos/acme/api/issues", &[("if-none-match", &tag)], None).is(200);
    repo.open_issue("ann", "Another bug", "");
    client.ask("GET", "/repos/acme/api/issues", &[("if-none-match", &tag)], None).is(200);
    let usage = fake.usage();
    assert_eq!((usage.points["core"], usage.not_modified, usage.refused), (3, 1, 0));
    assert_eq!(usage.requests["GET /repos/{owner}/{repo}/issues"], 4);
}

#[test]
fn lists_come_in_pages_that_lead_to_each_other() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("ann", Right::Read);
    let client = Client::new(fake.url(), &fake.token_of("ann"));
    for number in 1..=5 {
        repo.open_issue("ann", &format!("Issue {number}"), "");
    }
    let issues = "/repos/acme/api/issues?per_page=2&direction=asc";
    let page = client.get(issues).is(200);
    assert_eq!(page.json().as_array().unwrap().len(), 2);
    let link = page.header("link");
    let url = fake.url();
    let next = format!("<{url}/api/v3/repos/acme/api/issues?per_page=2&direction=asc&page=2>; rel=\"next\"");
    assert!(link.starts_with(&next) && link.contains("page=3>; rel=\"last\""), "{link}");
    let last = client.get(&format!("{issues}&page=3")).is(200);
    assert_eq!(last.json()[0]["title"], "Issue 5");
    assert!(last.header("link").contains("page=2>; rel=\"prev\"") && !last.header("link").contains("next"));
    let search = client.get("/search/issues?q=repo:acme/api&per_page=2").is(200);
    assert_eq!(search.json()["total_count"], 5);
    assert!(search.header("link").contains("rel=\"next\""));
}

#[test]
fn limits_are_spent_and_come_back_with_time() {
    let fake = Fake::start();
    fake.repository("acme/api").give("ann", Right::Read);
    let client = Client::new(fake.url(), &fake.token_of("ann"));
    fake.leave_points("ann", "core", 1);
    client.get("/user").is(200);
    let refused = client.get("/user").is(403);
    assert!(refused.text.contains("API rate limit exceeded"), "{}", refused.text);
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
    assert!(reset * 1000 > fake.now());
    assert_eq!(client.get("/rate_limit").is(200).json()["resources"]["core"]["remaining"], 0);
    client.get("/search/issues?q=repo:acme/api").is(200);
    for _ in 0..29 {
        client.get("/search/issues?q=repo:acme/api").is(200);
    }
    let refused = client.get("/search/issues?q=repo:acme/api").is(403);
    assert_eq!(refused.header("x-ratelimit-resource"), "search");
    fake.advance(Duration::from_secs(61));
    client.get("/search/issues?q=repo:acme/api").is(200);
    client.get("/user").is(403);
    fake.advance(Duration::from_secs(3600));
    client.get("/user").is(200);
    assert_eq!(fake.usage().refused, 3);
}

#[test]
fn searches_find_what_their_qualifiers_say() {
    let fake = Fake::start();
    let (api, web) = (fake.repository("acme/api"), fake.repository("acme/web"));
    let secret = fake.repository("other/secret");
    for repo in [&api, &web] {
        repo.give("bot", Right::Write);
        repo.open_issue("ann", "One", "");
    }
    secret.open_issue("ann", "Hidden", "");
    api.label("ann", 1, "needs work");
    web.label("ann", 1, "wontfix");
    web.assign("ann", 1, "ann");
    api.set_milestone("ann", 1, Some("1.0"));
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    let check = |query: &str, expected: u64| {
        let query = query.replace(' ', "+").replace('"', "%22").replace('>', "%3E");
        let found = client.get(&format!("/search/issues?q={query}&sort=updated&order=asc")).is(200).json();
        assert_eq!(found["total_count"].as_u64(), Some(expected), "{query}");
    };
    check("org:acme is:issue is:open", 2);
    check("user:acme state:closed", 0);
    check("repo:acme/api repo:acme/web", 2);
    check("org:acme -repo:acme/web", 1);
    check("org:acme label:\"needs work\"", 1);
    check("org:acme -label:wontfix", 1);
    check("org:acme label:\"needs work\",wontfix", 2);
    check("org:acme assignee:ann", 1);
    check("org:acme milestone:1.0", 1);
    check("org:acme updated:>=2020-01-01T00:00:00Z", 2);
    check("org:acme updated:>=2100-01-01", 0);
    check("is:issue", 2);
    client.get("/search/issues?q=repo:acme/none").is(422);
    client.get("/search/issues?q=org:acme+milstone:1.0").is(422);
    let violations = fake.violations();
    assert!(violations.len() == 1 && violations[0].contains("`milstone`"), "{violations:?}");
}

#[test]
fn a_repository_that_moved_is_found_by_its_id() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("bot", Right::Write);
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    repo.open_issue("ann", "A bug", "");
    repo.rename("acme/service");
    let moved = client.get("/repos/acme/api/issues/1?x=1").is(400);
    assert!(moved.text.contains("no query parameter `x`"));
    let moved = client.get("/repos/acme/api/issues?state=all").is(301);
    let target = moved.header("location").trim_start_matches(fake.url()).to_owned();
    assert!(target.starts_with("/api/v3/repositories/") && target.ends_with("/issues?state=all"), "{target}");
    let found = client.get(&target).is(200).json();
    assert!(found[0]["url"].as_str().unwrap().ends_with("/repos/acme/service/issues/1"));
    let comment = json!({ "body": "hello" });
    let moved = client.post("/repos/acme/api/issues/1/comments", &comment).is(307);
    client.post(moved.header("location").trim_start_matches(fake.url()), &comment).is(201);
    assert_eq!(repo.comments(1).len(), 1);
    assert_eq!(fake.violations().len(), 1);
}
