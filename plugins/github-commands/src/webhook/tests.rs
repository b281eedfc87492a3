//! Deliveries as GitHub sends them, and what a poll would have said of the same.

use super::*;
use crate::world::toy::Toy;
use agentd_sdk::task_source::{Item, Target};
use serde_json::{Value, json};

fn user(login: &str) -> Value {
    json!({"login": login, "id": 1, "type": "User", "site_admin": false})
}

fn issue() -> Value {
    json!({"number": 3, "title": "Login fails", "body": "It does.", "state": "open", "user": user("mal"),
        "html_url": "https://forge.example/acme/shop/issues/3", "labels": [{"id": 1, "name": "bug"}],
        "created_at": "2026-09-20T10:00:00Z", "updated_at": "2026-09-21T10:00:00Z"})
}

fn said(body: &str) -> Value {
    json!({"id": 99, "body": body, "user": user("ann"), "html_url": "https://forge.example/c/99",
        "created_at": "2026-09-21T10:00:00Z", "updated_at": "2026-09-21T10:00:00Z"})
}

fn delivery(event: &str, body: &str) -> Delivery {
    Delivery { id: "d-1".into(), event: event.into(), body: body.into(), ..Delivery::default() }
}

/// What comes of a delivery, shortly.
#[track_caller]
fn check(event: &str, mut payload: Value, expected: &[&str]) {
    if payload["repository"].is_null() {
        payload["repository"] = json!({"full_name": "Acme/Shop", "private": true});
    }
    let toy = Toy::with(vec![], vec![]);
    let receipt = receive(&toy, &Settings::default(), &delivery(event, &payload.to_string())).expect("a receipt");
    let mut found: Vec<String> = vec![];
    for item in &receipt.items {
        let Item::Work(draft) = item else { panic!("no work") };
        let by = draft.requester.as_ref().map_or("nobody", |it| it.login.as_str());
        found.push(format!("{} by {by} at {}: {:?}", draft.key, draft.requested_at.unwrap_or(0), draft.instructions));
    }
    for remark in &receipt.remarks {
        let Target::Thread(thread) = &remark.target else { panic!("no thread") };
        let command = remark.command.as_ref().expect("a command");
        let by = &remark.comment.author.login;
        found.push(format!("#{} {} {by}: {} {:?}", thread.number, remark.comment.id, command.name, command.argument));
    }
    if receipt.poll {
        found.push("poll".into());
    }
    assert_eq!(found, expected, "{event} {payload}");
}

#[test]
fn a_comment_on_an_issue_is_work_or_an_order() {
    let comment = |body: &str| json!({"action": "created", "issue": issue(), "comment": said(body)});
    check("issue_comment", comment("/code"), &["acme/shop#3 by ann at 1789984800000: None"]);
    check("issue_comment", comment("/code use X"), &["acme/shop#3 by ann at 1789984800000: Some(\"use X\")"]);
    check("issue_comment", comment("/code stop now"), &["#3 99 ann: stop \"now\""]);
    check("issue_comment", comment("nothing"), &[]);
    check("issue_comment", comment("> /code"), &[]);
    check("issue_comment", comment("/code\n\n<!-- agentd:v1 i n s -->"), &[]);
}

#[test]
fn a_comment_on_a_pull_request_goes_on_with_its_task() {
    let mut pull_request = issue();
    pull_request["pull_request"] = json!({"url": "https://forge.example/pulls/3"});
    let payload = json!({"action": "created", "issue": pull_request, "comment": said("/code also the docs")});
    check("issue_comment", payload, &["#3 99 ann: continue \"also the docs\""]);
}

#[test]
fn reviews_and_their_lines_are_heard() {
    let mut line = said("/code rename this");
    (line["path"], line["line"], line["start_line"]) = (json!("src/a.rs"), json!(9), json!(7));
    let payload = json!({"action": "created", "pull_request": issue(), "comment": line});
    check("pull_request_review_comment", payload.clone(), &["#3 line-99 ann: continue \"rename this\""]);
    let toy = Toy::with(vec![], vec![]);
    let mut payload = payload;
    payload["repository"] = json!({"full_name": "acme/shop"});
    let delivery = delivery("pull_request_review_comment", &payload.to_string());
    let receipt = receive(&toy, &Settings::default(), &delivery).expect("a receipt");
    let location = receipt.remarks[0].comment.location.clone().expect("a place");
    assert_eq!((location.path.as_str(), location.line, location.end_line), ("src/a.rs", 7, 9));

    let review = json!({"id": 99, "body": "/code reject it breaks", "user": user("ann"), "state": "changes_requested",
        "submitted_at": "2026-09-21T10:00:00Z"});
    let payload = json!({"action": "submitted", "pull_request": issue(), "review": review});
    check("pull_request_review", payload, &["#3 review-99 ann: reject \"it breaks\""]);
    let silent = json!({"id": 99, "body": null, "user": user("ann"), "submitted_at": "2026-09-21T10:00:00Z"});
    check("pull_request_review", json!({"action": "submitted", "pull_request": issue(), "review": silent}), &[]);
}

#[test]
fn an_issue_may_ask_when_it_is_opened() {
    let mut asking = issue();
    asking["body"] = json!("It fails.\n\n/code look at X");
    let work = "acme/shop#3 by mal at 1789898400000: Some(\"look at X\")";
    check("issues", json!({"action": "opened", "issue": asking}), &[work]);
    check("issues", json!({"action": "edited", "issue": asking}), &[]);
    check("issues", json!({"action": "closed", "issue": asking}), &["poll"]);
    check("issues", json!({"action": "opened", "issue": issue()}), &[]);
}

#[test]
fn edits_programs_and_strangers_repositories_are_ignored() {
    let comment = |action: &str, comment: Value| json!({"action": action, "issue": issue(), "comment": comment});
    check("issue_comment", comment("edited", said("/code")), &[]);
    check("issue_comment", comment("deleted", said("/code")), &[]);
    let mut edited = said("/code");
    edited["updated_at"] = json!("2026-09-21T10:00:01Z");
    check("issue_comment", comment("created", edited), &[]);
    for author in [json!({"login": "ci", "type": "Bot"}), json!({"login": "x[bot]", "type": "User"})] {
        let mut it = said("/code");
        it["user"] = author;
        check("issue_comment", comment("created", it), &[]);
    }
    let mut elsewhere = comment("created", said("/code"));
    elsewhere["repository"] = json!({"full_name": "acme/other"});
    check("issue_comment", elsewhere, &[]);
    check("ping", json!({"zen": "Keep it simple."}), &[]);
    check("push", json!({"ref": "refs/heads/main"}), &[]);
    let mut closed = comment("created", said("/code"));
    closed["issue"]["state"] = json!("closed");
    check("issue_comment", closed, &[]);
}

#[test]
fn a_delivery_and_a_poll_say_the_same_once() {
    let toy = Toy::with(vec![], vec![]);
    let payload = json!({"action": "created", "repository": {"full_name": "acme/shop"}, "issue": issue(),
        "comment": said("/code")});
    let delivery = delivery("issue_comment", &payload.to_string());
    let items = |toy: &Toy| receive(toy, &Settings::default(), &delivery).expect("a receipt").items.len();
    assert_eq!((items(&toy), items(&toy)), (1, 0));
}

#[test]
fn what_cannot_be_read_is_refused_if_it_should_be_ours() {
    let toy = Toy::with(vec![], vec![]);
    let receive = |event: &str, body: &str| receive(&toy, &Settings::default(), &delivery(event, body));
    for body in ["", "[]", "{\"comment\": 3}", "{\"issue\": {\"number\": -1}}"] {
        assert!(matches!(receive("issue_comment", body), Err(Error::Invalid(_))), "{body}");
        assert_eq!(receive("star", body).map(|it| it.items.len() + it.remarks.len()).ok(), Some(0), "{body}");
    }
    assert_eq!(receive("issue_comment", "{}").map(|it| it.items.len()).ok(), Some(0));
}
