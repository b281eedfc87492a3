//! Failures before and after the effect, and requests that are held.

use super::client::Client;
use crate::{Fake, Fault, How, Match, Right, When};
use serde_json::json;
use std::thread;
use std::time::Duration;

const COMMENTS: &str = "/repos/{owner}/{repo}/issues/{issue_number}/comments";

fn with_issue() -> (Fake, crate::Repository, Client) {
    let fake = Fake::start();
    let repo = fake.repository("acme/api");
    repo.give("bot", Right::Write);
    repo.open_issue("ann", "A bug", "");
    let client = Client::new(fake.url(), &fake.token_of("bot"));
    (fake, repo, client)
}

#[test]
fn a_fault_is_before_or_after_the_effect() {
    let (fake, repo, client) = with_issue();
    let say = || client.raw("POST", "/api/v3/repos/acme/api/issues/1/comments", &[], Some(&json!({ "body": "x" })));
    let fault = |when: When, how: How| {
        fake.fail(Fault { of: Match::api("POST", COMMENTS), nth: 1, times: 1, when, how });
    };
    fault(When::Before, How::Status(502, "Bad gateway".to_owned()));
    assert_eq!((say().unwrap().status, repo.comments(1).len()), (502, 0));
    fault(When::After, How::Status(500, "Oops".to_owned()));
    assert_eq!((say().unwrap().status, repo.comments(1).len()), (500, 1));
    fault(When::Before, How::Cut);
    assert!(say().is_none());
    assert_eq!(repo.comments(1).len(), 1);
    fault(When::After, How::Cut);
    assert!(say().is_none());
    assert_eq!(repo.comments(1).len(), 2);
    fault(When::Before, How::SecondaryLimit { retry_after: Some(7) });
    let limited = say().unwrap().is(403);
    assert_eq!(limited.header("retry-after"), "7");
    assert!(limited.text.contains("secondary rate limit"));
    say().unwrap().is(201);
    let statuses: Vec<u16> = fake.writes().iter().map(|it| it.status).collect();
    assert_eq!(statuses, [0, 201, 0, 201, 0, 201]);
    assert_eq!((fake.usage().refused, fake.writes()[1].actor.as_str()), (1, "bot"));
}

#[test]
fn a_held_request_waits_where_it_is() {
    let (fake, repo, client) = with_issue();
    for (when, there) in [(When::Before, 0), (When::After, 2)] {
        let held = fake.hold(Match::AnyWrite, 1, when);
        thread::scope(|scope| {
            let asked = scope.spawn(|| client.post("/repos/acme/api/issues/1/comments", &json!({ "body": "x" })));
            assert!(held.wait(Duration::from_secs(10)));
            assert_eq!(repo.comments(1).len(), there, "{when:?}");
            held.release();
            asked.join().unwrap().is(201);
        });
    }
    let nothing = fake.hold(Match::AnyWrite, 1, When::Before);
    assert!(!nothing.wait(Duration::from_millis(1)));
    fake.heal();
    client.post("/repos/acme/api/issues/1/comments", &json!({ "body": "x" })).is(201);
}

#[test]
fn a_hanging_answer_ends_with_the_fake() {
    let (fake, repo, client) = with_issue();
    fake.fail(Fault { of: Match::AnyRead, nth: 2, times: 1, when: When::Before, how: How::Hang });
    client.get("/user").is(200);
    let hanging = thread::spawn(move || client.raw("GET", "/api/v3/user", &[], None).is_none());
    while fake.usage().requests["GET /user"] < 2 {
        thread::yield_now();
    }
    drop((fake, repo));
    assert!(hanging.join().unwrap());
}
