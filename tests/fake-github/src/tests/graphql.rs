//! Queries: checked against GitHub's schema, answered from the same state.

use super::client::Client;
use crate::{Fake, Right};
use serde_json::{Value, json};

const PROVENANCE: &str = "
    query($ids: [ID!]!) {
      nodes(ids: $ids) {
        __typename
        ... on Issue {
          id number title state stateReason lastEditedAt
          author { login ... on User { name } }
          editor { login }
          repository { nameWithOwner }
          userContentEdits(last: 100) { totalCount nodes { editedAt editor { login } } }
          timelineItems(last: 100, itemTypes: [LABELED_EVENT, RENAMED_TITLE_EVENT, CLOSED_EVENT]) {
            totalCount
            nodes {
              ... on LabeledEvent { createdAt actor { login } label { name } }
              ... on RenamedTitleEvent { actor { login } previousTitle currentTitle }
              ... on ClosedEvent { actor { login } stateReason }
            }
          }
        }
      }
    }";

fn ask(client: &Client, query: &str, variables: Value) -> Value {
    client.post("/api/graphql", &json!({ "query": query, "variables": variables })).is(200).json()
}

#[test]
fn who_changed_an_issue_is_told() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    repo.give("bot", Right::Write);
    let number = repo.open_issue("ann", "A bug", "words");
    repo.label("ann", number, "agentd");
    repo.label("dependabot[bot]", number, "bug");
    repo.unlabel("ann", number, "bug");
    repo.edit_title("eve", number, "A big bug");
    repo.edit_body("eve", number, "worse words");
    repo.close("ann", number, Some("not_planned"));
    let id = client.get("/repos/acme/api/issues/1").json()["node_id"].clone();
    let answer = ask(&client, PROVENANCE, json!({ "ids": [id, "I_1"] }));
    let issue = &answer["data"]["nodes"][0];
    assert_eq!(issue["title"], "A big bug");
    assert_eq!((&issue["state"], &issue["stateReason"]), (&json!("CLOSED"), &json!("NOT_PLANNED")));
    assert_eq!((&issue["author"]["login"], &issue["editor"]["login"]), (&json!("ann"), &json!("eve")));
    let editors: Vec<&str> = issue["userContentEdits"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["editor"]["login"].as_str().unwrap())
        .collect();
    assert_eq!(editors, ["eve", "ann"], "newest first, with the original");
    let items = issue["timelineItems"]["nodes"].as_array().unwrap();
    let actors: Vec<&str> = items.iter().map(|it| it["actor"]["login"].as_str().unwrap()).collect();
    assert_eq!(actors, ["ann", "dependabot", "eve", "ann"]);
    assert_eq!(items[2]["currentTitle"], "A big bug");
    assert_eq!(answer["data"]["nodes"][1], Value::Null);
    assert_eq!(answer["errors"][0]["type"], "NOT_FOUND");
    assert_eq!(answer["errors"][0]["path"], json!(["nodes", 1]));
}

#[test]
fn drafts_become_ready_by_a_mutation() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("bot", Right::Write);
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    repo.push_to("x", "bot", &[("x.txt", "x\n")]);
    let new = json!({ "title": "X", "head": "x", "base": "main", "draft": true });
    let pull = client.post("/repos/acme/api/pulls", &new).is(201).json();
    assert!(repo.pull(1).draft);
    let mutation = "mutation($id: ID!) { markPullRequestReadyForReview(input: { pullRequestId: $id }) {
        pullRequest { isDraft number } } }";
    let answer = ask(&client, mutation, json!({ "id": pull["node_id"] }));
    let expected = json!({ "isDraft": false, "number": 1 });
    assert_eq!(answer["data"]["markPullRequestReadyForReview"]["pullRequest"], expected);
    assert!(!repo.pull(1).draft);
    let last = fake.writes().pop().unwrap();
    assert_eq!((last.route.as_str(), last.actor.as_str(), last.status), ("graphql", "bot", 200));
}

#[test]
fn pages_and_searches_are_cut_as_asked() {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    let client = Client::new(fake.url(), &fake.token_of("ann"));
    repo.give("ann", Right::Read);
    for number in 0..5 {
        repo.open_issue("ann", &format!("Issue {number}"), "");
    }
    let query = "query($after: String) { repository(owner: \"acme\", name: \"api\") {
        issues(first: 2, after: $after) { totalCount nodes { title } pageInfo { hasNextPage endCursor } } } }";
    let first = ask(&client, query, json!({}));
    let issues = &first["data"]["repository"]["issues"];
    assert_eq!((&issues["totalCount"], &issues["nodes"][1]["title"]), (&json!(5), &json!("Issue 1")));
    let next = ask(&client, query, json!({ "after": issues["pageInfo"]["endCursor"] }));
    assert_eq!(next["data"]["repository"]["issues"]["nodes"][0]["title"], "Issue 2");
    let search = "{ search(query: \"repo:acme/api is:issue Issue 3\", type: ISSUE, first: 10) {
        issueCount nodes { ... on Issue { title } } } viewer { login } rateLimit { remaining cost } }";
    let found = ask(&client, search, json!({}));
    assert_eq!(found["data"]["search"]["issueCount"], 1);
    assert_eq!(found["data"]["viewer"]["login"], "ann");
    assert_eq!(fake.usage().points["graphql"], 3);
}

#[test]
fn what_the_schema_does_not_have_is_a_violation() {
    let fake = Fake::start();
    let client = Client::new(fake.url(), &fake.token_of("ann"));
    let check = |body: Value, expected: &str| {
        let response = client.post("/api/graphql", &body).is(400);
        assert!(response.text.contains(expected), "{}", response.text);
        assert!(fake.violations().pop().unwrap().contains(expected));
    };
    check(json!({ "query": "{ viewer { logn } }" }), "Cannot query field");
    check(json!({ "query": "{ viewer " }), "it is no query");
    check(json!({ "query": "query($x: Int!) { viewer { login } rateLimit(dryRun: true) { cost } }" }), "$x");
    check(json!({ "query": "query($id: ID!) { node(id: $id) { id } }", "variables": { "id": 7 } }), "must be ID!");
    check(json!({ "query": "{ viewer { login } }", "variables": { "x": 7 } }), "declares no variable");
    check(json!({ "query": "{ viewer { login } }", "vars": {} }), "no property `vars`");
    check(json!({ "query": "{ viewer { bioHTML } }" }), "does not play User.bioHTML");
    assert!(!fake.violations().is_empty());
}
