//! Lists as GitHub is asked for them, and as they are given.

use super::{CommentQuery, IssueOrder, IssueQuery, PullQuery};
use crate::{
    Error,
    github::{
        Auth, GitHub,
        marker::{Place, Signer},
        scripted::{Heard, Reply, START, Script, TOKEN, app, reply},
    },
};
use serde_json::{Value, json};

/// An hour before the script begins.
const EARLIER: &str = "2023-11-14T21:13:20Z";

fn github(answer: impl Fn(&Heard, usize) -> Option<Reply> + Send + Sync + 'static) -> (GitHub, Script) {
    Script::github(&Auth::Token(TOKEN.into()), move |heard, before| {
        answer(heard, before).unwrap_or_else(|| reply(404, r#"{"message":"Not Found"}"#))
    })
}

fn issue(repository: &str, number: u32, title: &str) -> Value {
    json!({
        "number": number, "node_id": format!("I_{repository}_{number}"), "title": title, "body": "x", "state": "open",
        "html_url": "https://x", "user": { "login": "ann", "type": "User" }, "labels": [{ "name": "agentd" }],
        "created_at": EARLIER, "updated_at": EARLIER,
        "repository_url": format!("https://api.github.com/repos/{repository}"),
    })
}

/// What GraphQL answers for the nodes that it is asked for.
fn nodes(heard: &Heard) -> Reply {
    let ids = heard.body["variables"]["ids"].as_array().unwrap();
    let node = |id: &Value| {
        let label = json!({ "__typename": "LabeledEvent", "createdAt": EARLIER, "label": { "name": "agentd" },
            "actor": { "__typename": "User", "login": "bob" } });
        json!({ "id": id, "title": "as GraphQL has it", "body": "x", "lastEditedAt": null,
            "userContentEdits": { "totalCount": 0, "nodes": [] },
            "timelineItems": { "pageInfo": { "hasPreviousPage": false }, "nodes": [label] } })
    };
    reply(200, &json!({ "data": { "nodes": ids.iter().map(node).collect::<Vec<_>>() } }).to_string())
}

fn query(repositories: &[&str]) -> IssueQuery {
    let repositories = repositories.iter().map(|it| (*it).to_owned()).collect();
    IssueQuery { repositories, state: "open".into(), limit: 50, ..IssueQuery::default() }
}

#[tokio::test(start_paused = true)]
async fn one_repositorys_issues_are_a_list_without_pull_requests() {
    let (github, script) = github(|heard, _| match heard.path.as_str() {
        "graphql" => Some(nodes(heard)),
        "repos/acme/api/milestones?state=all&per_page=100" => Some(reply(200, r#"[{"number":3,"title":"v1.2"}]"#)),
        _ => {
            let mut pull = issue("acme/api", 2, "a pull request");
            pull["pull_request"] = json!({});
            Some(reply(200, &json!([issue("acme/api", 1, "a"), pull]).to_string()))
        }
    });
    let query = IssueQuery {
        labels: vec!["agentd".into(), "good first issue".into()],
        changed_since: Some(START),
        order: IssueOrder::Stalest,
        milestone: Some("V1.2".into()),
        assignee: Some("ann".into()),
        ..query(&["acme/api"])
    };
    let page = github.issues(&query).await.unwrap();
    assert_eq!(page.next, None);
    let [found] = page.items.as_slice() else { panic!("{page:?}") };
    assert_eq!((found.number, found.title.as_str(), found.repository.as_str()), (1, "as GraphQL has it", "acme/api"));
    assert_eq!(found.labels[0].by.as_ref().map(|it| it.login.as_str()), Some("bob"));
    assert_eq!(
        script.lines()[1],
        "GET repos/acme/api/issues?state=open&sort=updated&direction=asc&labels=agentd%2Cgood+first+issue\
         &since=2023-11-14T22%3A13%3A20Z&assignee=ann&milestone=3&per_page=50"
    );
    let odd = IssueQuery { labels: vec!["agentd".into(), "a, b".into()], milestone: None, ..query.clone() };
    assert_eq!(github.issues(&odd).await.unwrap().items, [], "it has no label with a comma");
    assert!(script.lines().last().unwrap().contains("&labels=agentd&"), "{:?}", script.lines());
    let none = IssueQuery { milestone: Some("v9".into()), ..query };
    assert_eq!(github.issues(&none).await.unwrap().items, []);
}

#[tokio::test(start_paused = true)]
async fn several_are_one_search_for_each_owner_and_nothing_else_comes_back() {
    let (github, script) = github(|heard, _| match heard.path.as_str() {
        "graphql" => Some(nodes(heard)),
        path if path.starts_with("search/issues?q=is%3Aissue+user%3Aacme") => {
            let items = [issue("acme/web", 1, "a"), issue("acme/secret", 2, "b"), issue("Acme/API", 3, "c")];
            Some(reply(200, &json!({ "total_count": 3, "incomplete_results": false, "items": items }).to_string()))
        }
        path if path.starts_with("repos/blue/x/issues") => {
            Some(reply(200, &json!([issue("blue/renamed", 9, "d")]).to_string()))
        }
        _ => None,
    });
    let mut query = query(&["acme/api", "blue/x", "acme/web"]);
    let first = github.issues(&query).await.unwrap();
    query.cursor = first.next.clone();
    let second = github.issues(&query).await.unwrap();
    let all: Vec<_> = first.items.iter().chain(&second.items).map(|it| (it.repository.as_str(), it.number)).collect();
    assert_eq!(all, [("acme/web", 1), ("acme/api", 3), ("blue/x", 9)]);
    assert_eq!(second.next, None);
    assert_eq!(
        script.lines()[0],
        "GET search/issues?q=is%3Aissue+user%3Aacme+state%3Aopen&sort=created&order=desc&per_page=50"
    );
}

#[tokio::test(start_paused = true)]
async fn who_made_an_issue_what_it_is_is_asked_once_for_each_of_its_states() {
    let (github, script) = github(|heard, before| match heard.path.as_str() {
        "graphql" => Some(nodes(heard)),
        // The second one is renamed later on.
        _ => {
            let title = if before < 4 { "a" } else { "b" };
            Some(reply(200, &json!([issue("acme/api", 1, "same"), issue("acme/api", 2, title)]).to_string()))
        }
    });
    for _ in 0..4 {
        assert_eq!(github.issues(&query(&["acme/api"])).await.unwrap().items.len(), 2);
    }
    let asked: Vec<_> = script.heard().into_iter().filter(|it| it.path == "graphql").collect();
    let ids: Vec<_> = asked.iter().map(|it| it.body["variables"]["ids"].clone()).collect();
    assert_eq!(ids, [json!(["I_acme/api_1", "I_acme/api_2"]), json!(["I_acme/api_2"])]);
}

#[tokio::test(start_paused = true)]
async fn an_app_lists_with_the_repositorys_token_and_searches_with_the_owners() {
    let (github, script) = Script::github(&app(), |heard, _| match heard.path.as_str() {
        path if path.ends_with("/installation") => reply(200, r#"{"id":9,"permissions":{"issues":"write"}}"#),
        path if path.ends_with("/access_tokens") => {
            reply(201, r#"{"token":"ghs_1","expires_at":"2099-01-01T00:00:00Z"}"#)
        }
        path if path.starts_with("search/") => reply(200, r#"{"items":[]}"#),
        _ => reply(200, "[]"),
    });
    github.issues(&query(&["acme/api"])).await.unwrap();
    github.issues(&query(&["acme/api", "acme/web"])).await.unwrap();
    let asked: Vec<_> =
        script.heard().into_iter().filter(|it| it.path.ends_with("_tokens")).map(|it| it.body).collect();
    assert_eq!(
        asked,
        [
            json!({ "repositories": ["api"], "permissions": { "issues": "write" } }),
            json!({ "permissions": { "issues": "read" } }),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_none_is_refused() {
    let (github, script) = github(|_, _| None);
    let state = IssueQuery { state: "merged".into(), ..query(&["acme/api"]) };
    assert!(matches!(github.issues(&state).await, Err(Error::Invalid { .. })));
    let cursor = IssueQuery { cursor: Some("https://evil.org/".into()), ..query(&["acme/api"]) };
    assert!(matches!(github.issues(&cursor).await, Err(Error::Invalid { .. })));
    let past = IssueQuery { cursor: Some("7~".into()), ..query(&["acme/api"]) };
    assert_eq!(github.issues(&past).await.unwrap().items, []);
    assert_eq!(github.issues(&query(&[])).await.unwrap().items, []);
    assert!(script.lines().is_empty());
}

fn comment(id: u64, login: &str, body: &str, extra: &Value) -> Value {
    let mut comment = json!({ "id": id, "user": { "login": login, "type": "User" }, "body": body, "html_url": "https://x",
        "created_at": EARLIER, "updated_at": EARLIER });
    comment.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    comment
}

/// All pages of a query: kind and number of the thread, id, author, and whether it is agentd's own.
async fn comments(github: &GitHub, mut query: CommentQuery) -> Vec<(u32, String, String, bool)> {
    let mut all = Vec::new();
    loop {
        let page = github.comments(&query).await.unwrap();
        all.extend(page.items.into_iter().map(|it| (it.number, it.id, it.author.login, it.own)));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return all;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn everything_that_was_said_on_a_thread_is_found() {
    let (github, script) = github(|heard, _| {
        let line = json!({ "path": "src/a.rs", "line": 9, "start_line": 7,
            "pull_request_url": "https://api.github.com/repos/acme/api/pulls/5" });
        let list = match heard.path.split('?').next().unwrap() {
            "user" => json!({ "login": "mill-bot" }),
            "repos/acme/api/issues/5/comments" => json!([comment(1, "ann", "hello", &json!({}))]),
            "repos/acme/api/pulls/5/comments" => json!([comment(2, "bob", "here", &line)]),
            "repos/acme/api/pulls/5/reviews" => json!([
                { "id": 3, "user": null, "body": "not so", "html_url": "x", "submitted_at": EARLIER },
                { "id": 4, "user": { "login": "cy" }, "body": "", "html_url": "x", "submitted_at": EARLIER },
                { "id": 5, "user": { "login": "cy" }, "body": "a draft", "html_url": "x" },
            ]),
            _ => return None,
        };
        Some(reply(200, &list.to_string()))
    });
    let query = CommentQuery {
        repositories: vec!["acme/api".into()],
        number: Some(5),
        changed_since: Some(0),
        limit: 100,
        ..CommentQuery::default()
    };
    let said = |number, id: &str, login: &str| (number, id.to_owned(), login.to_owned(), false);
    assert_eq!(
        comments(&github, query.clone()).await,
        [said(5, "1", "ann"), said(5, "line-2", "bob"), said(5, "review-3", "ghost")]
    );
    let lines = script.lines();
    assert!(lines[0].starts_with("GET repos/acme/api/issues/5/comments?per_page=100&since="), "{lines:?}");
    let page = github.comments(&CommentQuery { cursor: Some("1~".into()), ..query }).await.unwrap();
    let location = page.items[0].location.clone().unwrap();
    assert_eq!((location.path.as_str(), location.line, location.end_line), ("src/a.rs", 7, 9));
}

#[tokio::test(start_paused = true)]
async fn an_issue_has_no_comments_beside_lines() {
    let (github, _script) = github(|heard, _| match heard.path.split('?').next().unwrap() {
        "user" => Some(reply(200, r#"{"login":"mill-bot"}"#)),
        "repos/acme/api/issues/5/comments" => Some(reply(200, "[]")),
        _ => None,
    });
    let query = CommentQuery { repositories: vec!["acme/api".into()], number: Some(5), ..CommentQuery::default() };
    assert_eq!(comments(&github, query).await, []);
    let query = CommentQuery { repositories: vec!["acme/gone".into()], ..CommentQuery::default() };
    assert!(matches!(github.comments(&query).await, Err(Error::Refused { status: 404, .. })));
}

#[tokio::test(start_paused = true)]
async fn what_agentd_wrote_is_known_by_mark_and_author() {
    let (github, _script) = github(|heard, _| {
        let signer = Signer::new("mill", [7; 32]);
        let mark = |number| signer.mark(Place::Thread(number), "progress", "Working.");
        let on = |number: u32| json!({ "issue_url": format!("https://api.github.com/repos/acme/api/issues/{number}") });
        let list = match heard.path.split('?').next().unwrap() {
            "user" => json!({ "login": "mill-bot" }),
            "repos/acme/api/issues/comments" => json!([
                comment(1, "Mill-Bot", &mark(5), &on(5)),
                comment(2, "mallory", &mark(5), &on(5)),
                comment(3, "mill-bot", &mark(5), &on(6)),
                comment(4, "mill-bot", "by hand", &on(5)),
            ]),
            _ => json!([]),
        };
        Some(reply(200, &list.to_string()))
    });
    let query = CommentQuery { repositories: vec!["acme/api".into()], ..CommentQuery::default() };
    let own: Vec<_> = comments(&github, query).await.into_iter().map(|it| (it.1, it.3)).collect();
    let expected = [("1", true), ("2", false), ("3", false), ("4", false)];
    assert_eq!(own, expected.map(|(id, own)| (id.to_owned(), own)));
}

#[tokio::test(start_paused = true)]
async fn pull_requests_are_in_one_of_four_states() {
    let pull = |number: u32, state: &str, draft: bool, merged: Option<&str>| {
        json!({ "number": number, "title": "t", "body": null, "html_url": "https://x", "state": state, "draft": draft,
            "merged_at": merged, "user": { "login": "dependabot[bot]", "type": "Bot" }, "labels": [{ "name": "a" }],
            "head": { "ref": "agentd/t-1", "sha": "11" }, "base": { "ref": "main", "sha": "22" },
            "created_at": EARLIER, "updated_at": EARLIER })
    };
    let list = json!([
        pull(1, "open", true, None),
        pull(2, "open", false, None),
        pull(3, "closed", false, Some(EARLIER)),
        pull(4, "closed", true, None)
    ]);
    let (github, script) = github(move |heard, _| match heard.path.as_str() {
        "repos/acme/api/pulls/1" => Some(reply(200, &list[0].to_string())),
        path if path.starts_with("repos/acme/api/pulls?") => Some(reply(200, &list.to_string())),
        _ => None,
    });
    let query = PullQuery {
        repository: "acme/api".into(),
        state: "all".into(),
        head: Some("agentd/t-1".into()),
        limit: 4,
        ..PullQuery::default()
    };
    let found = github.pull_requests(&query).await.unwrap().items;
    assert_eq!(found.iter().map(|it| it.state.as_str()).collect::<Vec<_>>(), ["draft", "open", "merged", "closed"]);
    assert!(found[0].author.bot && found[0].head == "agentd/t-1" && found[0].labels == ["a"]);
    assert_eq!(
        script.lines(),
        ["GET repos/acme/api/pulls?state=all&sort=updated&direction=desc&per_page=4&head=acme%3Aagentd%2Ft-1"]
    );
    assert_eq!(github.pull_request("acme/api", 1).await.unwrap().as_ref(), Some(&found[0]));
    assert_eq!(github.pull_request("acme/api", 9).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn checks_are_runs_and_statuses_in_one_list() {
    let (github, script) = github(|heard, _| match heard.path.as_str() {
        path if path.contains("/check-runs") => Some(reply(
            200,
            r#"{"total_count":1,"check_runs":[{"name":"test","status":"completed","conclusion":"failure","html_url":"https://x",
            "output":{"title":"3 of 120 failed","summary":null}}]}"#,
        )),
        path if path.contains("/status") => Some(reply(
            200,
            r#"{"state":"pending","statuses":[{"context":"ci/old","state":"pending","target_url":null,"description":null}]}"#,
        )),
        _ => None,
    });
    let found = github.checks("acme/api", "feature/x").await.unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.state.as_str(), it.summary.as_str())).collect();
    assert_eq!(found, [("ci/old", "waiting", ""), ("test", "failed", "3 of 120 failed")]);
    assert_eq!(script.lines()[0], "GET repos/acme/api/commits/feature%2Fx/check-runs?filter=latest&per_page=100");
}
