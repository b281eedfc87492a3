//! Letters as people get them, and what the words of others cannot do in them.

use super::*;
use agentd_sdk::work::Change;

fn settings() -> Settings {
    let (to, cc) = (vec!["ann@acme.com".into()], vec!["bob@acme.com".into()]);
    Settings { to, cc, prefix: "[agentd]".into(), html: true }
}

fn event(title: &str) -> Event {
    Event {
        id: "7".into(),
        kind: "task.failed".into(),
        severity: Severity::Info,
        at: 0,
        title: title.into(),
        text: String::new(),
        task: None,
        url: None,
        details: "{}".into(),
        extra: vec![],
    }
}

fn task(id: &str) -> Task {
    Task { id: id.into(), title: "Log in".into(), repository: "acme/shop".into(), ..Task::default() }
}

fn mail(events: Vec<Event>) -> Mail {
    letter(&settings(), &Message { id: "5c8e".into(), events, digest: false, extra: vec![] })
}

#[track_caller]
fn check_subject(change: impl FnOnce(&mut Settings, &mut Vec<Event>), expected: &str) {
    let (mut settings, mut events) = (settings(), vec![event("t-3 failed")]);
    change(&mut settings, &mut events);
    assert_eq!(subject(&settings.prefix, &events), expected);
}

#[test]
fn a_subject_is_one_line_that_says_what_matters() {
    check_subject(|_, _| (), "[agentd] t-3 failed");
    check_subject(|it, _| it.prefix = String::new(), "t-3 failed");
    check_subject(|_, it| it[0].severity = Severity::Urgent, "[agentd] Somebody is needed: t-3 failed");
    check_subject(|_, it| it.extend([event("x"), event("y")]), "[agentd] t-3 failed (and 2 more)");
    check_subject(
        |_, it| it[0].title = "a\r\nBcc: eve@evil.example\u{202e}".into(),
        "[agentd] a Bcc: eve@evil.example",
    );
    let long = |_: &mut Settings, it: &mut Vec<Event>| {
        it[0].title = "ж".repeat(500);
        it.push(event("x"));
    };
    let (mut settings, mut events) = (settings(), vec![event("")]);
    long(&mut settings, &mut events);
    let subject = subject(&settings.prefix, &events);
    assert!(subject.chars().count() <= SUBJECT && subject.ends_with("ж… (and 1 more)"), "{subject}");
}

#[test]
fn the_mail_says_what_happened_in_both_forms() {
    let change = Change { url: Some("https://forge.example/acme/shop/pull/9".into()), ..Change::default() };
    let task = Task { change: Some(change), spent_microusd: 1_230_001, ..task("t-3") };
    let event = Event {
        severity: Severity::Warning,
        text: "Tests failed:\n\n- login & out\n".into(),
        task: Some(task),
        url: Some("https://agentd.example/t-3".into()),
        ..event("t-3 failed")
    };
    let mail = mail(vec![event]);
    assert_eq!(
        mail.text,
        "Worth a look: t-3 failed\n\n    Tests failed:\n\n    - login & out\n\nTask: t-3 (Log in)\nRepository: acme/shop\n\
         Change: https://forge.example/acme/shop/pull/9\nSpent: $1.24\nMore: https://agentd.example/t-3\n"
    );
    let html = mail.html.expect("HTML");
    assert!(html.contains("<h3>Worth a look: t-3 failed</h3>"), "{html}");
    assert!(html.contains("Tests failed:\n\n- login &amp; out</pre>"), "{html}");
    assert!(html.contains("<a href=\"https://agentd.example/t-3\">https://agentd.example/t-3</a>"), "{html}");
    assert_eq!((mail.id.as_str(), mail.conversation.as_deref()), ("5c8e", Some("t-3")));
    assert_eq!((mail.to, mail.cc), (vec!["ann@acme.com".into()], vec!["bob@acme.com".into()]));
}

#[test]
fn words_of_others_are_no_markup_and_no_link() {
    let evil = "<script>alert('x')</script> <a href=\"https://evil.example\">click</a>\u{7}";
    let mut event = Event { text: evil.into(), ..event(evil) };
    event.task =
        Some(Task { title: evil.into(), url: Some("https://x/\"><b>".into()), repository: evil.into(), ..task("t-1") });
    event.url = Some("javascript:alert(1)".into());
    let html = mail(vec![event]).html.expect("HTML");
    for raw in ["<script", "<a ", "<b>", "\u{7}"] {
        assert!(!html.contains(raw), "{raw} in {html}");
    }
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{html}");
}

#[track_caller]
fn check_conversation(tasks: &[Option<&str>], expected: Option<&str>) {
    let events = tasks.iter().map(|id| Event { task: id.map(task), ..event("x") }).collect();
    assert_eq!(mail(events).conversation.as_deref(), expected);
}

#[test]
fn mails_of_one_task_are_one_conversation() {
    check_conversation(&[Some("t-1")], Some("t-1"));
    check_conversation(&[Some("t-1"), Some("t-1")], Some("t-1"));
    check_conversation(&[Some("t-1"), Some("t-2")], None);
    check_conversation(&[Some("t-1"), None], None);
    check_conversation(&[None], None);
}

#[test]
fn a_digest_shows_what_fits_and_counts_the_rest() {
    let mail = mail(
        (0..60)
            .map(|it| Event { text: "\"".repeat(20_000), ..event(&format!("event {it} {}", "😀".repeat(900))) })
            .collect(),
    );
    assert!(mail.text.contains("event 49") && !mail.text.contains("event 50"));
    assert!(mail.text.ends_with("and 10 more: agentd events\n"));
    assert!(mail.text.len() + mail.html.map_or(0, |it| it.len()) < 1 << 20, "the host takes a mail of 1 MiB");
}

#[test]
fn html_is_left_out_where_nobody_wants_it() {
    let settings = Settings { html: false, ..settings() };
    let message = Message { id: "1".into(), events: vec![event("x")], digest: false, extra: vec![] };
    assert_eq!(letter(&settings, &message).html, None);
}
