//! Messages, and the comments that they become.

use super::*;
use agentd_sdk::work::Change;

fn task() -> Task {
    Task {
        id: "t-3".into(),
        thread: Some(Thread::new("acme/shop", 7)),
        change: Some(Change { repository: "acme/shop".into(), number: Some(12), ..Change::default() }),
        ..Task::default()
    }
}

fn event(title: &str, text: &str, task: Option<Task>) -> Event {
    Event {
        id: "9".into(),
        kind: "task.failed".into(),
        severity: Severity::Urgent,
        at: 1,
        title: title.into(),
        text: text.into(),
        task,
        url: None,
        details: "{}".into(),
        extra: vec![],
    }
}

fn message(events: Vec<Event>) -> Message {
    Message { id: "u".into(), digest: events.len() > 1, events, extra: vec![] }
}

/// Each comment as `repository#number [slot] first line`.
#[track_caller]
fn check(settings: &str, events: Vec<Event>, expected: &[&str]) {
    let edits = edits(&parse(settings).expect("settings"), &message(events));
    let shown: Vec<String> = edits
        .iter()
        .map(|edit| {
            let (thread, slot) = (&edit.thread, edit.slot.as_deref().unwrap_or("-"));
            let first = edit.comment.as_deref().and_then(|it| it.lines().next()).unwrap_or_default();
            format!("{}#{} {slot} {first}", thread.repository, thread.number)
        })
        .collect();
    assert_eq!(shown, expected, "{settings}");
}

#[test]
fn the_setting_says_where() {
    let events = || vec![event("t-3 failed", "", Some(task()))];
    let (change, issue) =
        ("acme/shop#12 - **Somebody is needed:** `t-3 failed`", "acme/shop#7 - **Somebody is needed:** `t-3 failed`");
    check("{}", events(), &[change]);
    check(r#"{"on": "issue"}"#, events(), &[issue]);
    check(r#"{"on": "both"}"#, events(), &[issue, change]);
    check(r#"{"living": true}"#, events(), &["acme/shop#12 notice **Somebody is needed:** `t-3 failed`"]);
}

#[test]
fn what_has_no_place_is_not_told() {
    let without = |change: Option<Change>| Task { thread: None, change, ..task() };
    check(r#"{"on": "both"}"#, vec![event("the daemon stopped", "", None)], &[]);
    check(r#"{"on": "both"}"#, vec![event("t-3 failed", "", Some(without(None)))], &[]);
    let branch = Change { repository: "acme/shop".into(), ..Change::default() };
    check("{}", vec![event("t-3 failed", "", Some(without(Some(branch))))], &[]);
}

#[test]
fn a_digest_is_one_comment_on_each_thread() {
    let other = Task { thread: Some(Thread::new("acme/shop", 8)), ..task() };
    let events = vec![event("one", "", Some(task())), event("two", "", Some(other)), event("three", "", Some(task()))];
    let edits_of = |settings: &str| edits(&parse(settings).expect("settings"), &message(events.clone()));
    let [seven, eight] = &edits_of(r#"{"on": "issue"}"#)[..] else { panic!("two edits") };
    assert_eq!((seven.thread.number, eight.thread.number), (7, 8));
    let text = seven.comment.as_deref().expect("a comment");
    assert!(text.contains("`one`") && text.contains("`three`") && !text.contains("`two`"), "{text}");

    let [living, _] = &edits_of(r#"{"on": "issue", "living": true}"#)[..] else { panic!("two edits") };
    let text = living.comment.as_deref().expect("a comment");
    assert!(text.contains("`three`") && !text.contains("`one`"), "the newest: {text}");
}

#[test]
fn a_comment_says_what_happened_and_quotes_what_others_said() {
    let mut told = event("t-3 asks: `rm`?\n**Hi**", "Which of\n\n```sh\na or b?\n", Some(task()));
    told.severity = Severity::Info;
    told.url = Some("https://agentd.acme.com/t-3".into());
    let edits = edits(&Settings::default(), &message(vec![told]));
    insta::assert_snapshot!(edits[0].comment.as_deref().expect("a comment"), @r"
    ``t-3 asks: `rm`? **Hi**``

    > Which of
    >
    > ```sh
    > a or b?

    Task `t-3` · [more](https://agentd.acme.com/t-3)
    ");
}

#[test]
fn what_is_too_long_is_cut() {
    let events: Vec<Event> = (0..100).map(|_| event("t", &"é".repeat(10_000), Some(task()))).collect();
    let edits = edits(&Settings::default(), &message(events));
    let text = edits[0].comment.as_deref().expect("a comment");
    assert!(text.len() <= COMMENT && text.contains("(and more)"), "{} bytes", text.len());
}

#[test]
fn settings_and_wants() {
    let check = |settings: &str, problems: usize| assert_eq!(GithubComment::check(settings).len(), problems);
    check(r#"{"on": "both", "living": true}"#, 0);
    check(r#"{"on": "wall"}"#, 1);
    let wants = GithubComment::describe("{}").wants;
    assert!(matches!(&wants[..], [Want::Forge(want)] if want.writes == ["comment"]));
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
    let properties = schema["properties"].as_object().expect("an object");
    assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
}
