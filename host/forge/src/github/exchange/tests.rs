//! What is asked of GitHub, when, how often, and what is said when it does not go well. Time is virtual.

use super::{Auth, Patience};
use crate::{
    Error,
    github::{
        Scope, Written,
        scripted::{Heard, Reply, START, Script, TOKEN, cut, patience, reply},
    },
};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

mod app;

fn acme() -> Scope {
    Scope::repository("acme/api")
}

async fn get(script: &Script) -> Result<Option<Value>, Error> {
    script.api.get(&acme(), "repos/acme/api", &[]).await
}

async fn post(script: &Script, path: &str) -> Result<Written<Value>, Error> {
    script.api.write(&acme(), Method::POST, path, &json!({ "body": "x" })).await
}

fn limits(reply: Reply, left: u32, resets_in_s: i64) -> Reply {
    reply
        .with("x-ratelimit-limit", 5000)
        .with("x-ratelimit-remaining", left)
        .with("x-ratelimit-reset", START / 1000 + resets_in_s)
}

#[tokio::test(start_paused = true)]
async fn what_did_not_change_costs_no_point() {
    let script = Script::new(|heard, _| match heard.etag.as_deref() {
        Some("\"1\"") => limits(reply(304, ""), 4999, 60),
        _ => limits(reply(200, "[7]"), 4999, 60)
            .with("etag", "\"1\"")
            .with("link", "<https://api.github.com/x?page=2>; rel=\"next\""),
    });
    for _ in 0..2 {
        let page = script.api.page::<u32>(&acme(), "repos/acme/api/issues", &[], None).await.unwrap();
        assert_eq!((page.items, page.next.as_deref()), (vec![7], Some("page=2")));
    }
    let usage = script.api.exchange.usage();
    assert_eq!((usage.requests, usage.unchanged, usage.left), (2, 1, Some(4999)));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_followed_to_its_end() {
    let script = Script::new(|heard, before| {
        let next = format!("<https://api.github.com/x?page={}>; rel=\"next\"", before + 2);
        let page = reply(200, &format!("[{before}]"));
        if heard.path.ends_with("page=3") { page } else { page.with("link", next) }
    });
    let all: Vec<u32> = script.api.all(&acme(), "repos/acme/api/labels", &[], 1000).await.unwrap();
    assert_eq!(all, [0, 1, 2]);
    assert_eq!(
        script.lines(),
        [
            "GET repos/acme/api/labels?per_page=100",
            "GET repos/acme/api/labels?per_page=100&page=2",
            "GET repos/acme/api/labels?per_page=100&page=3"
        ]
    );
    let one: Vec<u32> = script.api.all(&acme(), "repos/acme/api/tags", &[], 1).await.unwrap();
    assert_eq!(one.len(), 1, "no more pages than are wanted");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_from_outside_leads_nowhere_else() {
    let script = Script::new(|_, _| reply(200, "[]"));
    let cursor = "page=2&per_page=1000&q=user%3Aother&after=x";
    script.api.page::<u32>(&acme(), "repos/acme/api/issues", &[], Some(cursor)).await.unwrap();
    assert_eq!(script.lines(), ["GET repos/acme/api/issues?per_page=100&page=2&after=x"]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_the_same_at_once_shares_one_request() {
    let script = Script::new(|_, _| reply(200, "1").after(100));
    let found = tokio::join!(get(&script), get(&script), get(&script));
    assert_eq!(
        (found.0.unwrap(), found.1.unwrap(), found.2.unwrap()),
        (Some(json!(1)), Some(json!(1)), Some(json!(1)))
    );
    assert_eq!(script.lines().len(), 1);
    get(&script).await.unwrap();
    assert_eq!(script.lines().len(), 2, "who comes later asks anew");
}

#[tokio::test(start_paused = true)]
async fn the_one_who_asked_may_leave() {
    let script = Script::new(|_, _| reply(200, "1").after(100));
    let leaves = tokio::time::timeout(Duration::from_millis(50), get(&script));
    let (left, found) = tokio::join!(leaves, get(&script));
    assert!(left.is_err());
    assert_eq!(found.unwrap(), Some(json!(1)));
}

#[tokio::test(start_paused = true)]
async fn who_wrote_sees_what_was_written() {
    // The reads take long: the first one began before the write and ends after it.
    let script = Script::new(|heard, before| match heard.method.as_str() {
        "GET" => reply(200, &before.to_string()).after(1000),
        _ => reply(201, "null").after(10),
    });
    let write_then_look = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        post(&script, "repos/acme/api/issues").await.unwrap();
        get(&script).await.unwrap()
    };
    let (before, after) = tokio::join!(get(&script), write_then_look);
    assert_eq!((before.unwrap(), after), (Some(json!(0)), Some(json!(2))));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_while_no_point_is_left() {
    let script = Script::new(|_, before| limits(reply(200, "1"), if before == 0 { 0 } else { 9 }, 20));
    get(&script).await.unwrap();
    get(&script).await.unwrap();
    let at = script.heard()[1].at;
    assert!((Duration::from_secs(20)..Duration::from_secs(22)).contains(&at), "{at:?}");
    assert_eq!(script.api.exchange.usage().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_takes_long_is_an_error_that_says_until_when() {
    let script = Script::new(|_, _| limits(reply(200, "1"), 0, 1800));
    get(&script).await.unwrap();
    for error in [get(&script).await.unwrap_err(), post(&script, "repos/acme/api/issues").await.unwrap_err()] {
        assert_eq!(error.retry_at(), Some(START + 1_800_000));
        assert!(error.is_transient());
        assert_eq!(error.to_string(), "github.com's limit of requests is used up until 2023-11-14T22:43:20Z");
    }
    assert_eq!(script.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn searching_has_a_limit_of_its_own() {
    let script = Script::new(|heard, _| match heard.path.starts_with("search/") {
        true => limits(reply(200, "1"), 0, 1800).with("x-ratelimit-resource", "search"),
        false => limits(reply(200, "1"), 4000, 1800).with("x-ratelimit-resource", "core"),
    });
    let scope = acme();
    let search = || script.api.get::<Value>(&scope, "search/issues", &[]);
    search().await.unwrap();
    assert!(matches!(search().await, Err(Error::Limited { .. })));
    get(&script).await.unwrap();
    assert_eq!(script.api.exchange.usage().left, Some(4000));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_is_noticed() {
    let script = Script::new(|_, _| reply(200, "1").with("date", "Tue, 14 Nov 2023 22:11:20 GMT"));
    assert_eq!(script.api.exchange.usage().clock_ahead, None);
    get(&script).await.unwrap();
    assert_eq!(script.api.exchange.usage().clock_ahead, Some(120_000));
}

#[tokio::test(start_paused = true)]
async fn a_secondary_limit_closes_everything_for_as_long_as_it_says() {
    let script = Script::new(|_, before| match before {
        0 => reply(403, r#"{"message":"You have exceeded a secondary rate limit"}"#).with("retry-after", 8),
        _ => reply(200, "1"),
    });
    get(&script).await.unwrap();
    let at = script.heard()[1].at;
    assert!((Duration::from_secs(8)..Duration::from_secs(10)).contains(&at), "{at:?}");
    assert_eq!(script.api.exchange.usage().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_met_a_limit_is_not_made_again_by_itself() {
    let script = Script::new(|_, _| reply(429, "").with("retry-after", 8));
    let error = post(&script, "repos/acme/api/issues").await.unwrap_err();
    assert_eq!(error.retry_at(), Some(START + 8_000));
    assert_eq!(script.lines().len(), 1);
    // Without a word for how long: a minute.
    let script = Script::new(|_, _| reply(403, r#"{"message":"You have triggered an abuse detection mechanism"}"#));
    assert_eq!(post(&script, "repos/acme/api/issues").await.unwrap_err().retry_at(), Some(START + 60_000));
}

#[tokio::test(start_paused = true)]
async fn a_read_is_repeated_and_a_write_is_not() {
    for bad in [|| reply(500, "{}"), || reply(502, "<html>"), || reply(408, ""), || cut(true), || cut(false)] {
        let script = Script::new(move |_, before| if before < 3 { bad() } else { reply(200, "1") });
        assert_eq!(get(&script).await.unwrap(), Some(json!(1)));
        assert_eq!(script.lines().len(), 4);
        let script = Script::new(move |_, _| bad());
        let error = get(&script).await.unwrap_err();
        assert!(matches!(error, Error::NotReachable { .. }) && error.is_transient(), "{error}");
        assert_eq!(script.lines().len(), 4);
        let script = Script::new(move |_, _| bad());
        let error = post(&script, "repos/acme/api/issues").await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(script.lines().len(), 1);
    }
}

#[track_caller]
fn check_write(error: &Error, expected: &str) {
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_write_says_whether_it_may_have_been_done() {
    let error = |reply: fn() -> Reply| async move {
        let script = Script::new(move |_, _| reply());
        post(&script, "repos/acme/api/issues").await.unwrap_err()
    };
    let unknown = "nobody knows whether github.com did `POST repos/acme/api/issues`: ";
    check_write(&error(|| reply(502, "")).await, &format!("{unknown}502 Bad Gateway"));
    check_write(&error(|| cut(true)).await, &format!("{unknown}cut by the script"));
    check_write(
        &error(|| cut(false)).await,
        "github.com did not answer: cut by the script\nhint: `agentd doctor` looks at the way there",
    );
    check_write(
        &error(|| reply(401, r#"{"message":"Bad credentials"}"#)).await,
        "github.com does not take agentd's token or App: Bad credentials\nhint: `agentd auth github` sets another one; a \
         token may have ended or been revoked",
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_that_a_caller_understands_are_values() {
    let script = Script::new(|_, _| {
        reply(
            422,
            r#"{"message":"Validation Failed","errors":[{"resource":"Label","field":"name","code":"already_exists"}]}"#,
        )
    });
    let Written::Refused { status, message, errors, .. } = post(&script, "repos/acme/api/labels").await.unwrap() else {
        panic!("it should be refused");
    };
    assert_eq!((status, message.as_str(), errors[0].code.as_str()), (422, "Validation Failed", "already_exists"));
    let script = Script::new(|_, _| reply(204, ""));
    assert_eq!(post(&script, "repos/acme/api/labels").await.unwrap(), Written::Done(Value::Null));
    let script = Script::new(|_, _| reply(404, "{}"));
    assert_eq!(get(&script).await.unwrap(), None);
    let error = script.api.page::<u32>(&acme(), "repos/acme/api/issues", &[], None).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 404, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_proxys_page_is_no_answer() {
    let script = Script::new(|_, _| reply(200, "<html>Please log in</html>"));
    let error = get(&script).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }) && !error.is_transient(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_github_that_fails_is_left_alone_for_a_while() {
    let script =
        Script::new(|heard, _| if heard.at < Duration::from_secs(100) { reply(500, "") } else { reply(200, "1") });
    assert!(matches!(get(&script).await, Err(Error::NotReachable { .. })));
    let error = get(&script).await.unwrap_err();
    assert!(matches!(error, Error::Resting { .. }), "the fifth failure in a row: {error}");
    let asked = script.lines().len();
    assert_eq!(asked, 5);
    let until = get(&script).await.unwrap_err().retry_at().unwrap();
    assert_eq!(script.lines().len(), asked, "nothing is asked meanwhile");
    assert!(until > START + 9_000, "{until}");
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(get(&script).await.unwrap(), Some(json!(1)));
}

#[tokio::test(start_paused = true)]
async fn one_write_at_a_time_in_a_repository_with_a_pause_between() {
    let slow = |_: &Heard, _| reply(201, "1").after(300);
    let script = Script::new(slow);
    let all = tokio::join!(post(&script, "a"), post(&script, "b"), post(&script, "c"));
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    assert_eq!(script.most_at_once(), 1);
    let script = Script::new(slow);
    let other = Scope::repository("acme/web");
    let body = json!({});
    let elsewhere = script.api.write::<Value>(&other, Method::POST, "d", &body);
    let (here, elsewhere) = tokio::join!(post(&script, "a"), elsewhere);
    assert!(here.is_ok() && elsewhere.is_ok());
    assert_eq!(script.most_at_once(), 2);
    let pausing = Patience { write: Duration::from_secs(1), ..patience() };
    let script = Script::with(&Auth::Token(TOKEN.into()), pausing, slow);
    let elsewhere = script.api.write::<Value>(&other, Method::POST, "d", &body);
    let (here, elsewhere) = tokio::join!(post(&script, "a"), elsewhere);
    assert!(here.is_ok() && elsewhere.is_ok());
    let at: Vec<_> = script.heard().iter().map(|it| it.at.as_secs()).collect();
    assert_eq!(at, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_repository_is_followed_and_remembered() {
    let script = Script::new(|heard, _| match heard.path.strip_prefix("repos/acme/api") {
        Some(rest) => {
            let status = if heard.method == "GET" { 301 } else { 307 };
            let rest = rest.split('?').next().unwrap_or_default();
            reply(status, "{}").with("location", format!("https://api.github.com/repositories/7{rest}"))
        }
        None => reply(200, "[]"),
    });
    let query = [("state", "all".to_owned()), ("per_page", "1".to_owned())];
    post(&script, "repos/acme/api/issues").await.unwrap();
    script.api.page::<u32>(&acme(), "repos/acme/api/pulls", &query, None).await.unwrap();
    post(&script, "repos/acme/api/issues").await.unwrap();
    assert_eq!(
        script.lines(),
        [
            "POST repos/acme/api/issues",
            "POST repositories/7/issues",
            "GET repos/acme/api/pulls?state=all&per_page=1",
            "GET repositories/7/pulls?state=all&per_page=1",
            "POST repositories/7/issues",
        ]
    );
    assert_eq!(script.heard()[4].body, json!({ "body": "x" }));
}

#[tokio::test(start_paused = true)]
async fn a_renamed_repository_is_told_from_an_issue_that_was_moved() {
    let script = |renamed: bool| {
        Script::new(move |heard, _| match heard.path.strip_prefix("repos/acme/api") {
            Some("") if !renamed => reply(200, "{}"),
            Some(rest) => reply(301, "{}").with("location", format!("https://api.github.com/repositories/7{rest}")),
            None => reply(200, "{}"),
        })
    };
    let moved = script(false);
    let found: Option<Value> = moved.api.get(&acme(), "repos/acme/api/issues/5", &[]).await.unwrap();
    assert_eq!((found, moved.lines()), (None, vec!["GET repos/acme/api/issues/5".into(), "GET repos/acme/api".into()]));
    let refused = post(&moved, "repos/acme/api/issues/5/comments").await.unwrap();
    assert!(matches!(refused, Written::Refused { status: 404, .. }), "{refused:?}");
    assert!(moved.lines().iter().all(|it| !it.contains("repositories/7")), "{:?}", moved.lines());

    let renamed = script(true);
    let found: Option<Value> = renamed.api.get(&acme(), "repos/acme/api/issues/5", &[]).await.unwrap();
    assert!(found.is_some());
    post(&renamed, "repos/acme/api/issues/5/comments").await.unwrap();
    assert_eq!(
        renamed.lines(),
        [
            "GET repos/acme/api/issues/5",
            "GET repos/acme/api",
            "GET repositories/7/issues/5",
            "POST repositories/7/issues/5/comments",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_somebody_else_is_not_followed() {
    for target in ["https://evil.org/repos/acme/api", "http://api.github.com/repos/acme/api", "//evil.org/", ""] {
        let script = Script::new(move |_, _| reply(301, "").with("location", target));
        let error = get(&script).await.unwrap_err();
        assert!(matches!(error, Error::Refused { status: 301, .. }), "{error}");
        assert_eq!(script.lines().len(), 1);
    }
    let script = Script::new(|_, before| reply(301, "").with("location", format!("/x/{before}")));
    assert!(matches!(get(&script).await, Err(Error::Refused { .. })));
    assert_eq!(script.lines().len(), 5, "not for ever");
}

const QUERY: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";

#[track_caller]
fn check_graphql(result: Result<Value, Error>, expected: &str) {
    let text = match result {
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    };
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test(start_paused = true)]
async fn graphql_gives_what_it_could_see_and_says_what_went_wrong() {
    let ask = |body: &'static str| async move {
        let script = Script::new(move |_, _| reply(200, body));
        script.api.graphql::<Value>(&acme(), QUERY, json!({ "ids": ["a"] })).await
    };
    check_graphql(
        ask(r#"{"data":{"nodes":[null]},"errors":[{"type":"NOT_FOUND","message":"x"}]}"#).await,
        r#"{"nodes":[null]}"#,
    );
    check_graphql(
        ask(r#"{"data":null,"errors":[{"type":"OTHER","message":"so"}]}"#).await,
        "`POST graphql` was refused (200): so",
    );
    check_graphql(
        ask(r#"{"errors":[{"type":"RATE_LIMITED","message":"so"}]}"#).await,
        "github.com's limit of requests",
    );
    check_graphql(ask("{}").await, "the answer to `POST graphql` is not what it should be");
    let script = Script::new(|_, before| if before == 0 { reply(502, "") } else { reply(200, r#"{"data":{}}"#) });
    script.api.graphql::<Value>(&acme(), QUERY, json!({})).await.unwrap();
    assert_eq!(script.lines().len(), 2, "a query is repeated");
    let script = Script::new(|_, _| reply(502, ""));
    let error = script.api.graphql::<Value>(&acme(), "mutation { x }", json!({})).await.unwrap_err();
    assert!(matches!(error, Error::Unknown { .. }), "{error}");
    assert_eq!(script.lines().len(), 1, "a mutation is not");
}

#[tokio::test(start_paused = true)]
async fn no_error_shows_the_token() {
    for bad in [401, 403, 404, 422, 500, 301, 200] {
        let script =
            Script::new(move |_, _| reply(bad, &format!(r#"{{"message":"as you said: no"}}{}"#, "x".repeat(9))));
        let errors = [
            get(&script).await.err(),
            post(&script, "repos/acme/api/issues").await.err(),
            script.api.all::<u32>(&acme(), "repos/acme/api/labels", &[("q", "private".into())], 10).await.err(),
        ];
        for error in errors.into_iter().flatten() {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hunter2") && !text.contains("private"), "{text}");
            assert!(text.len() < 1000, "{text}");
        }
    }
    let auth = Auth::Token(TOKEN.into());
    assert_eq!(format!("{auth:?}"), "Token");
}
