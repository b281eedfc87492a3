//! Each event with its row, in one transaction or not at all.

use crate::{
    Change, Error, NewEvent, Remark, RunKey, Session, SessionNote, With,
    tests::{Home, draft, effect, event, failed},
};
use agentd_task::{Draft, Event, Mode, Reason, Severity, TaskId};
use serde_json::{Value, json};

#[tokio::test]
async fn a_whole_life_is_told_event_by_event() {
    let home = Home::new();
    let id = home.in_review("a").await;
    home.apply(id, Event::Merged).await;
    let events = home.store.reader().events(0, 100, Some(id)).await.unwrap();
    let lines: Vec<String> = events.iter().map(|it| format!("{} {:?} {}", it.kind, it.run, it.text)).collect();
    assert_eq!(
        lines,
        [
            "task.queued None t-1 is queued: it came from folder (Title of a)",
            "task.running Some(1) t-1 runs (Title of a)",
            "task.publishing Some(1) t-1 is verified and being published (Title of a)",
            "task.in-review Some(1) t-1 is in review (Title of a)",
            "task.done Some(1) t-1 is done, its change merged (Title of a)",
        ]
    );
    let details: Value = serde_json::from_str(&events[3].details).unwrap();
    assert_eq!(details, json!({ "former": "publishing", "state": "in-review" }));
    let runs = home.store.reader().runs(id).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].outcome.as_deref(), runs[0].ended_at), (Some("verified"), Some(20)));
}

#[tokio::test]
async fn what_comes_with_an_event_is_stored_with_it() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    let with = With {
        text: "Ready to be pushed".into(),
        details: json!({ "files": 3, "state": "a lie" }),
        effects: vec![effect("shop", "push/t-1/1"), effect("shop", "open/t-1/1")],
        change: Some(change("branch")),
        session: SessionNote::Kept(Session { agent: "claude".into(), id: "s-1".into() }),
        remark: Some(Remark { author: "ann".into(), body: "please".into(), at: 5 }),
        ..With::default()
    };
    let row = home.store.apply(task, Event::Verified { run, ask: false }, with, 20).await.unwrap();
    assert_eq!(row.session.map(|it| it.id).as_deref(), Some("s-1"));
    let reader = home.store.reader();
    assert_eq!(reader.change(task).await.unwrap(), Some(change("branch")));
    assert_eq!(reader.open_changes().await.unwrap(), [(task, change("branch"))]);
    assert_eq!(reader.remarks(task).await.unwrap()[0].author, "ann");
    assert_eq!(home.effect("open/t-1/1").await.unwrap().task, Some(task));
    let events = reader.events(2, 100, Some(task)).await.unwrap();
    assert_eq!(events[0].text, "Ready to be pushed");
    let details: Value = serde_json::from_str(&events[0].details).unwrap();
    assert_eq!(details, json!({ "files": 3, "former": "running", "state": "publishing" }));
}

#[tokio::test]
async fn a_refused_event_stores_nothing() {
    let home = Home::new();
    let RunKey { task, .. } = home.running("a").await;
    let with = With { effects: vec![effect("shop", "push/t-1/9")], session: SessionNote::Lost, ..With::default() };
    let stale = Event::Verified { run: 9, ask: false };
    let error = home.store.apply(task, stale, with, 20).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert_eq!(error.to_string(), "t-1 is running (run 1): that run is over, or was told to end");
    assert_eq!(home.effect("push/t-1/9").await, None);
    assert_eq!(home.task(task).await.session, None);
    let error = home.store.apply(TaskId(7), Event::Merged, With::default(), 20).await.unwrap_err();
    assert!(matches!(error, Error::NoTask(TaskId(7))), "{error}");
}

#[tokio::test]
async fn why_a_run_was_told_to_end_is_still_known_when_it_has() {
    let home = Home::new();
    let run = home.running("a").await;
    let with = With { text: "its issue was closed".into(), ..With::default() };
    home.store.apply(run.task, Event::Cancelled, with, 20).await.unwrap();
    home.store.apply(run.task, Event::Ended { run: run.run }, With::default(), 30).await.unwrap();
    assert_eq!(home.task(run.task).await.reason, "was cancelled: its issue was closed");
}

#[tokio::test]
async fn an_effect_is_not_decided_twice() {
    let home = Home::new();
    let (a, b) = (home.queued("a").await, home.queued("b").await);
    let with = || With { effects: vec![effect("x", "same")], ..With::default() };
    home.store.apply(a, Event::Cancelled, with(), 20).await.unwrap();
    let error = home.store.apply(b, Event::Cancelled, with(), 20).await.unwrap_err();
    assert!(matches!(error, Error::EffectExists(_)), "{error}");
    assert_eq!(home.state(b).await, "queued");
}

#[tokio::test]
async fn a_cancelled_run_is_told_once_and_ends_as_cancelled() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    home.apply(task, Event::Cancelled).await;
    assert_eq!(home.apply(task, Event::Cancelled).await.reason, "run 1 was told to end, at its step prepare");
    home.apply(task, Event::Ended { run }).await;
    assert_eq!(home.kinds(task).await, ["task.queued", "task.running", "task.cancelling", "task.cancelled"]);
    let runs = home.store.reader().runs(task).await.unwrap();
    assert_eq!(runs[0].outcome.as_deref(), Some("cancelled"));
}

#[track_caller]
fn check_event(event: &agentd_task::Recorded, kind: &str, severity: Severity, text: &str) {
    assert_eq!((event.kind.as_str(), event.severity, event.text.as_str()), (kind, severity, text));
}

#[tokio::test]
async fn a_failure_says_what_failed_and_when_it_is_tried_again() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    let row = home.apply(task, failed(run, Reason::Engine)).await;
    assert_eq!(row.reason, "retries at 1970-01-01 00:00:05 UTC: engine-unavailable: it broke");
    home.apply(task, Event::Claimed).await;
    let row = home.apply(task, failed(2, Reason::Gate)).await;
    assert_eq!(row.reason, "gate-failed: it broke");
    let events = home.store.reader().events(0, 100, Some(task)).await.unwrap();
    let text = "t-1 failed and is tried again: engine-unavailable: it broke (Title of a)";
    check_event(&events[2], "task.queued", Severity::Info, text);
    check_event(&events[4], "task.failed", Severity::Warning, "t-1 failed: gate-failed: it broke (Title of a)");
    let runs = home.store.reader().runs(task).await.unwrap();
    let outcomes: Vec<_> = runs.iter().map(|it| it.outcome.as_deref().unwrap()).collect();
    assert_eq!(outcomes, ["failed: engine-unavailable: it broke", "failed: gate-failed: it broke"]);
}

#[tokio::test]
async fn a_try_that_failed_keeps_its_place_and_a_new_request_does_not() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    assert_eq!(home.apply(task, failed(run, Reason::Engine)).await.waiting_since, 10);
    home.apply(task, Event::Cancelled).await;
    assert_eq!(home.apply(task, Event::Retried { now: 20 }).await.waiting_since, 20);
}

#[tokio::test]
async fn who_waits_is_urgent_and_says_for_whom() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    let row = home.apply(task, Event::Verified { run, ask: true }).await;
    assert_eq!(row.reason, "waits for a person to see its change: agentd task approve t-1");
    let RunKey { task: b, .. } = home.running("b").await;
    let with = With { text: "The agent's program is missing".into(), ..With::default() };
    let row = home.store.apply(b, Event::Stuck { run: 1 }, with, 20).await.unwrap();
    assert_eq!(row.reason, "waits for an operator to put something right: The agent's program is missing");
    let events = home.store.reader().events(0, 100, Some(task)).await.unwrap();
    assert_eq!((&*events[2].kind, events[2].severity), ("task.waiting", Severity::Urgent));
}

#[tokio::test]
async fn a_task_does_not_come_back_beside_another_about_the_same_thing() {
    let home = Home::new();
    let about = |key: &str| Draft { subject: Some("https://x/issues/1".into()), ..draft(key) };
    let first = home.take(vec![about("a")]).await[0];
    home.apply(first, Event::Cancelled).await;
    let second = home.take(vec![about("b")]).await[0];
    let error = home.store.apply(first, Event::Retried { now: 20 }, With::default(), 20).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "t-1 cannot be opened again: t-2 is about the same subject (https://x/issues/1) and still open"
    );
    home.apply(second, Event::Cancelled).await;
    home.apply(first, Event::Retried { now: 20 }).await;
}

#[tokio::test]
async fn merging_and_closing_end_the_change() {
    let home = Home::new();
    for (key, event, state) in [("a", Event::Merged, "merged"), ("b", Event::Closed, "closed")] {
        let RunKey { task, run } = home.running(key).await;
        let with = With { change: Some(change("open")), ..With::default() };
        home.store.apply(task, Event::Verified { run, ask: false }, with, 20).await.unwrap();
        home.apply(task, Event::Published).await;
        home.apply(task, event).await;
        assert_eq!(home.store.reader().change(task).await.unwrap().unwrap().state, state);
    }
    assert_eq!(home.store.reader().open_changes().await.unwrap(), []);
}

#[tokio::test]
async fn details_that_are_no_object_are_kept_as_a_value() {
    let home = Home::new();
    home.store.log(NewEvent { details: json!([1, 2]), ..event("x.y") }, 5).await.unwrap();
    let id = home.queued("a").await;
    let with = With { details: json!("why"), ..With::default() };
    home.store.apply(id, Event::Cancelled, with, 20).await.unwrap();
    let events = home.store.reader().events(0, 100, None).await.unwrap();
    assert_eq!(events[0].details, r#"{"value":[1,2]}"#);
    assert_eq!(events[2].details, r#"{"former":"queued","state":"cancelled","value":"why"}"#);
}

#[tokio::test]
async fn an_answer_is_kept_until_the_task_is_asked_for_again() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    let with = With { answer: Some("42".into()), ..With::default() };
    let row = home.store.apply(task, Event::Answered { run, in_review: false }, with, 20).await.unwrap();
    assert_eq!((row.answer.as_deref(), &*row.reason), (Some("42"), "the agent answered and changed nothing"));
    let again = Event::Reopened { now: 20, mode: Mode::Ask };
    assert_eq!(home.apply(task, again).await.reason, "waits for a person to start it: agentd task start t-1");
}

fn change(state: &str) -> Change {
    Change {
        repository: "shop".into(),
        branch: "agentd/t-1".into(),
        base: "main".into(),
        commit: "c0ffee".into(),
        number: Some(4),
        url: None,
        state: state.into(),
    }
}
