//! An App's tokens: for one repository each, with the least rights, renewed in time, and by one at once.

use super::{acme, get, post};
use crate::{
    Error,
    github::{
        Scope,
        scripted::{Heard, Reply, START, Script, app, app_public, cut, patience, reply},
    },
};
use http::Method;
use octocrab::jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const GRANTED: &str = r#"{"actions":"read","checks":"write","contents":"write","issues":"write","metadata":"read",
    "pull_requests":"read","administration":"write"}"#;

/// What an App's GitHub answers; tokens are numbered, and end an hour after they were made.
fn answer(heard: &Heard, before: usize) -> Option<Reply> {
    let path = heard.path.as_str();
    if path.ends_with("/installation") {
        return Some(reply(200, &format!(r#"{{"id":9,"permissions":{GRANTED},"html_url":"https://x/9"}}"#)));
    }
    if path != "app/installations/9/access_tokens" {
        return None;
    }
    let ends = START / 1000 + i64::try_from(heard.at.as_secs()).unwrap() + 3600;
    let ends = jiff::Timestamp::from_second(ends).unwrap();
    Some(reply(201, &json!({ "token": format!("ghs_hunter2_{before}"), "expires_at": ends.to_string() }).to_string()))
}

fn script(rest: impl Fn(&Heard, usize) -> Reply + Send + Sync + 'static) -> Script {
    Script::with(&app(), patience(), move |heard, before| answer(heard, before).unwrap_or_else(|| rest(heard, before)))
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    iat: i64,
    exp: i64,
}

#[tokio::test(start_paused = true)]
async fn a_token_is_for_one_repository_with_the_least_rights() {
    let script = script(|_, _| reply(200, "1"));
    get(&script).await.unwrap();
    get(&script).await.unwrap();
    assert_eq!(
        script.lines(),
        [
            "GET repos/acme/api/installation",
            "POST app/installations/9/access_tokens",
            "GET repos/acme/api",
            "GET repos/acme/api",
        ]
    );
    let heard = script.heard();
    let rights = json!({ "actions": "read", "checks": "read", "contents": "write", "issues": "write",
        "metadata": "read", "pull_requests": "read" });
    assert_eq!(heard[1].body, json!({ "repositories": ["api"], "permissions": rights }));
    assert_eq!((heard[2].token.as_str(), heard[3].token.as_str()), ("ghs_hunter2_1", "ghs_hunter2_1"));
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    let key = DecodingKey::from_rsa_pem(app_public().as_bytes()).unwrap();
    let Claims { iss, iat, exp } = decode(&heard[0].token, &key, &validation).unwrap().claims;
    assert_eq!((iss.as_str(), iat, exp), ("7", START / 1000 - 60, START / 1000 + 540));
}

#[tokio::test(start_paused = true)]
async fn all_of_an_owners_is_read_with_a_token_that_only_reads() {
    let script = script(|_, _| reply(200, "1"));
    script.api.get::<Value>(&Scope::owner("Acme"), "search/issues", &[]).await.unwrap();
    assert_eq!(script.lines()[0], "GET orgs/acme/installation");
    assert_eq!(script.heard()[1].body, json!({ "permissions": { "issues": "read", "metadata": "read" } }));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_its_end_and_once_for_all() {
    let script = script(|_, _| reply(200, "1"));
    get(&script).await.unwrap();
    tokio::time::sleep(Duration::from_secs(54 * 60)).await;
    get(&script).await.unwrap();
    assert_eq!(script.heard().last().unwrap().token, "ghs_hunter2_1");
    tokio::time::sleep(Duration::from_secs(2 * 60)).await;
    let scope = acme();
    let other = |path: &'static str| script.api.get::<Value>(&scope, path, &[]);
    let all = tokio::join!(get(&script), other("repos/acme/api/x"), other("repos/acme/api/y"));
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    let minted = script.lines().iter().filter(|it| it.starts_with("POST app/")).count();
    assert_eq!(minted, 2);
    assert_eq!(script.heard().last().unwrap().token, "ghs_hunter2_5");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_refused_is_replaced_once() {
    let refused = |heard: &Heard, _| match heard.token.as_str() {
        "ghs_hunter2_1" => reply(401, r#"{"message":"Bad credentials"}"#),
        _ => reply(200, "1"),
    };
    let script = script(refused);
    get(&script).await.unwrap();
    assert_eq!(script.heard().last().unwrap().token, "ghs_hunter2_4");
    let script = super::app::script(|_, _| reply(401, r#"{"message":"Bad credentials"}"#));
    let error = get(&script).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    assert_eq!(script.lines().iter().filter(|it| it.starts_with("POST app/")).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_not_installed_says_so() {
    let script = Script::with(&app(), patience(), |_, _| reply(404, r#"{"message":"Not Found"}"#));
    let error = get(&script).await.unwrap_err().to_string();
    assert!(error.starts_with("agentd's App is not installed for acme/api on github.com"), "{error}");
    let written = script.api.write::<Value>(&acme(), Method::POST, "x", &json!({})).await.unwrap_err();
    assert!(matches!(written, Error::NotInstalled { .. }), "{written}");
}

#[tokio::test(start_paused = true)]
async fn a_renamed_repository_gets_its_token_by_number() {
    let script = Script::with(&app(), patience(), |heard, before| {
        if heard.path == "repos/acme/api/installation" {
            return reply(301, "").with("location", "https://api.github.com/repositories/77/installation");
        }
        answer(heard, before).unwrap_or_else(|| reply(200, "1"))
    });
    get(&script).await.unwrap();
    let heard = script.heard();
    assert_eq!(heard[2].body["repository_ids"], json!([77]));
    assert_eq!(heard[2].body.get("repositories"), None);
    assert_eq!(heard[3].path, "repositories/77");
}

#[tokio::test(start_paused = true)]
async fn limits_are_an_installations_and_not_anothers() {
    let script = script(|heard, _| {
        let left = if heard.path.contains("acme") { 0 } else { 9 };
        let reset = START / 1000 + 1000;
        reply(200, "1").with("x-ratelimit-remaining", left).with("x-ratelimit-reset", reset)
    });
    get(&script).await.unwrap();
    assert!(matches!(get(&script).await, Err(Error::Limited { .. })));
    let blue = Scope::repository("blue/x");
    script.api.get::<Value>(&blue, "repos/blue/x", &[]).await.unwrap();
    let accounts: Vec<_> = script.api.exchange.usage().allowances.into_iter().map(|it| (it.account, it.left)).collect();
    assert_eq!(accounts, [("acme".to_owned(), 0), ("blue".to_owned(), 9)]);
}

#[tokio::test(start_paused = true)]
async fn no_error_shows_a_token_of_the_apps() {
    let script = script(|_, before| match before % 3 {
        0 => cut(true),
        1 => reply(403, "no"),
        _ => reply(200, "<html>"),
    });
    for _ in 0..4 {
        for error in
            [get(&script).await.err(), post(&script, "repos/acme/api/issues").await.err()].into_iter().flatten()
        {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hunter2") && !text.contains("eyJ"), "{text}");
        }
    }
    let shown = format!("{:?}", app());
    assert_eq!(shown, "App { id: 7, .. }");
}
