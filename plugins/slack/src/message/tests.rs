//! What people see in the channel, and what others cannot make of it.

use super::*;
use agentd_sdk::work::Change;

fn event(severity: Severity, title: &str, text: &str) -> Event {
    Event {
        id: "9".into(),
        kind: "task.in-review".into(),
        severity,
        at: 1,
        title: title.into(),
        text: text.into(),
        task: None,
        url: None,
        details: "{}".into(),
        extra: vec![],
    }
}

fn message(events: Vec<Event>) -> Message {
    Message { id: "u".into(), digest: events.len() > 1, events, extra: vec![] }
}

fn sent(events: Vec<Event>, mention: Option<&str>) -> Value {
    serde_json::from_str(&json(&message(events), mention)).expect("JSON")
}

fn task() -> Task {
    Task {
        id: "t-3".into(),
        title: "Mend the login".into(),
        repository: "acme/shop".into(),
        url: Some("https://github.com/acme/shop/issues/7".into()),
        change: Some(Change {
            number: Some(12),
            url: Some("https://github.com/acme/shop/pull/12".into()),
            ..Change::default()
        }),
        spent_microusd: 421_000,
        ..Task::default()
    }
}

#[test]
fn a_message_has_what_a_person_needs() {
    let mut event = event(Severity::Info, "t-3 is in review (Mend the login)", "Two files changed.");
    (event.task, event.url) = (Some(task()), Some("https://agentd.acme.com/t-3".into()));
    let sent = sent(vec![event], None);
    insta::assert_snapshot!(serde_json::to_string_pretty(&sent).expect("JSON"), @r#"
    {
      "blocks": [
        {
          "text": {
            "text": ":information_source: t-3 is in review (Mend the login)\nTwo files changed.",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "text": "acme/shop · <https://github.com/acme/shop/issues/7|t-3> · <https://github.com/acme/shop/pull/12|change #12> · $0.43 · <https://agentd.acme.com/t-3|more>",
              "type": "mrkdwn",
              "verbatim": true
            }
          ],
          "type": "context"
        }
      ],
      "link_names": false,
      "parse": "none",
      "text": ":information_source: t-3 is in review (Mend the login)",
      "unfurl_links": false,
      "unfurl_media": false
    }
    "#);
}

#[track_caller]
fn check_text(title: &str, expected: &str) {
    let sent = sent(vec![event(Severity::Warning, title, "")], None);
    assert_eq!(sent["text"], expected);
    assert_eq!(sent["blocks"][0]["text"]["text"], expected);
}

#[test]
fn words_of_others_ring_no_bell_and_link_nowhere() {
    check_text("<!channel> & <@U0123ABCD>", ":warning: &lt;!channel&gt; &amp; &lt;@U0123ABCD&gt;");
    check_text("<https://evil.example|here>", ":warning: &lt;https://evil.example|here&gt;");
    check_text("two\nlines", ":warning: two lines");
    check_text(&"x".repeat(999), &format!(":warning: {}…", "x".repeat(159)));
}

#[track_caller]
fn check_headline(title: &str, task_title: &str, expected: &str) {
    let task = Task { title: task_title.into(), ..task() };
    let sent = sent(vec![Event { task: Some(task), ..event(Severity::Info, title, "") }], None);
    assert_eq!(sent["text"], format!(":information_source: {expected}"));
    assert_eq!(sent["blocks"][0]["text"]["text"], sent["text"]);
}

#[test]
fn which_task_it_is_stands_there_once() {
    check_headline("Change 2 is open", "Mend the login", "Change 2 is open (Mend the login)");
    check_headline("t-3 is queued (Mend  the\nlogin)", "Mend the login", "t-3 is queued (Mend the login)");
    check_headline("Mend the login", "Mend", "Mend the login (Mend)");
    check_headline("Change 2 is open", "<!channel> & co", "Change 2 is open (&lt;!channel&gt; &amp; co)");
    check_headline("Change 2 is open", "", "Change 2 is open");
    let long = "x".repeat(200);
    let (said, task) = (format!("{}…", "x".repeat(159)), format!("{}…", "x".repeat(79)));
    check_headline(&long, &long, &format!("{said} ({task})"));
    check_headline(&format!("{long} ({long})"), &long, &format!("{said} ({task})"));
}

#[track_caller]
fn check_link(url: &str, expected: &str) {
    assert_eq!(linked(Some(url), "t<3>"), expected);
}

#[test]
fn only_an_address_becomes_a_link() {
    check_link("https://example.org/a?b=c&d", "<https://example.org/a?b=c&amp;d|t&lt;3&gt;>");
    check_link("https://example.org/a|b", "t&lt;3&gt;");
    check_link("javascript:alert(1)", "t&lt;3&gt;");
    check_link("https://example.org/ <!channel>", "t&lt;3&gt;");
    check_link(&format!("https://example.org/{}", "x".repeat(999)), "t&lt;3&gt;");
}

#[track_caller]
fn check_mention(id: &str, expected: Option<&str>) {
    assert_eq!(mention(id).as_deref(), expected, "{id}");
}

#[test]
fn a_mention_is_somebodys_id() {
    check_mention("U0123ABCD", Some("<@U0123ABCD>"));
    check_mention("W0123ABCD", Some("<@W0123ABCD>"));
    check_mention("S0123ABCD", Some("<!subteam^S0123ABCD>"));
    check_mention("here", Some("<!here>"));
    check_mention("channel", Some("<!channel>"));
    for id in ["", "U", "ann", "@ann", "C0123ABCD", "U0123>x", "everyone"] {
        check_mention(id, None);
    }
}

#[track_caller]
fn check_called(severity: Severity, called: bool) {
    let sent = sent(vec![event(severity, "t-3", "")], Some("<!here>"));
    let text = sent["text"].as_str().expect("text");
    assert_eq!(text.starts_with("<!here> "), called, "{text}");
    assert_eq!(sent["blocks"][0]["text"]["text"] == "<!here>", called, "{sent}");
}

#[test]
fn only_what_cannot_wait_calls_somebody() {
    check_called(Severity::Info, false);
    check_called(Severity::Warning, false);
    check_called(Severity::Urgent, true);
}

#[test]
fn a_message_stays_within_slacks_limits() {
    let mut worst = event(Severity::Urgent, &"&".repeat(5_000), &"&".repeat(50_000));
    let address = || Some(format!("https://example.org/{}", "&".repeat(110)));
    let change = Change { number: Some(1), url: address(), ..Change::default() };
    worst.task = Some(Task { title: "&".repeat(5_000), url: address(), change: Some(change), ..task() });
    let sent = sent(vec![worst; 90], Some("<!here>"));
    let blocks = sent["blocks"].as_array().expect("blocks");
    assert!(blocks.len() <= 50, "{} blocks", blocks.len());
    for block in blocks {
        let text = block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).expect("text");
        assert!(text.chars().count() <= 3_000, "{} characters", text.chars().count());
    }
    assert_eq!(blocks.last().expect("a block")["elements"][0]["text"], "and 75 more: `agentd events`");
    assert!(sent["text"].as_str().expect("text").ends_with(" (and 89 more)"));
}
