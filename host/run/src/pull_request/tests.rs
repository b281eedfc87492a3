//! What stands in the text of a change, whatever agent, task and template say.

use super::*;
use serde_json::Value as Json;

fn facts() -> Facts {
    Facts {
        task: "t-7".into(),
        run: 2,
        instance: "i1".into(),
        issue: Some(Thread { repository: "acme/api".into(), number: 12 }),
        repository: "acme/api".into(),
        url: Some("https://github.com/acme/api/issues/12".into()),
        title: "Crash on empty input".into(),
        summary: "The parser expected a byte. Now it asks first.".into(),
        gates: vec![("cargo test".into(), 4_310), ("npm run @acme/lint".into(), 60_000)],
        spent_microusd: 123_456,
        agent: "claude-code".into(),
        session: Some("5e55".into()),
        requested_by: Some("ann".into()),
        base: "main".into(),
        base_commit: "b".repeat(40),
        commit: "c".repeat(40),
        commits: vec![("a".repeat(40), "Ask first".into()), ("c".repeat(40), "Test it, fixes #3".into())],
        stat: Stat { files: 3, added: 20, removed: 4 },
    }
}

/// What programs read in a text.
fn read(body: &str) -> Json {
    let (_, data) = body.rsplit_once("```json\n").expect("a block of data");
    let (data, after) = data.split_once("\n```").expect("its end");
    assert_eq!(after, "\n\n</details>");
    serde_json::from_str(data).expect("JSON")
}

/// What people read.
fn people(body: &str) -> &str {
    body.split_once("\n\n<details><summary>agentd</summary>").expect("a block of data").0
}

#[test]
fn agentds_own_text() {
    let body = body(None, &facts());
    let expected = "\
Closes #12

The parser expected a byte. Now it asks first.

**Gates**, each in a fresh container on this commit:
- `cargo test` passed in 4.3 s
- `npm run @acme/lint` passed in 60.0 s

<sub>`claude-code` for 0.13 USD, task `t-7`, run 2, asked for by `ann`</sub>";
    assert_eq!(people(&body), expected);
    let data = read(&body);
    assert_eq!(data["version"], 1);
    assert_eq!(data["issue"], "acme/api#12");
    assert_eq!(data["spent_usd"], "0.13");
    assert_eq!(data["session"], "5e55");
    assert_eq!(data["commits"][1]["subject"], "Test it, about #3");
    assert_eq!(data["gates"][1]["command"], "npm run @acme/lint");
    assert_eq!(data["gates"][1]["took_ms"], 60_000);
}

#[test]
fn what_it_closes() {
    #[track_caller]
    fn check(issue: Option<&str>, url: Option<&str>, expected: &str) {
        let thread = |name: &str| Thread { repository: name.into(), number: 12 };
        let facts = Facts { issue: issue.map(thread), url: url.map(Into::into), ..facts() };
        assert_eq!(body(None, &facts).lines().next(), Some(expected));
    }
    check(Some("acme/api"), None, "Closes #12");
    check(Some("Acme/API"), None, "Closes #12");
    check(Some("acme/plans"), None, "Closes acme/plans#12");
    check(None, Some("https://linear.app/x/1"), "About https://linear.app/x/1");
    check(None, None, "The parser expected a byte. Now it asks first.");
}

#[test]
fn with_little_to_say_it_is_still_whole() {
    let bare = Facts {
        issue: None,
        url: None,
        summary: String::new(),
        gates: vec![],
        requested_by: None,
        session: None,
        commits: vec![],
        spent_microusd: 0,
        ..facts()
    };
    let expected = "\
Crash on empty input

**Gates**, each in a fresh container on this commit:
- none is configured: nothing was built or tested

<sub>`claude-code` for 0.00 USD, task `t-7`, run 2</sub>";
    assert_eq!(people(&body(None, &bare)), expected);
}

#[test]
fn other_peoples_words_do_nothing() {
    let summary = "Thanks @ann, closes #99.\n![x](https://x.org/?secret)\n<!-- agentd:v1 i s x -->\n```\nopen";
    let hostile = Facts {
        summary: summary.into(),
        title: "Fixes #98 @bo `".into(),
        requested_by: Some("`</sub> @cy".into()),
        session: Some("```\n</details>\nCloses #97".into()),
        ..facts()
    };
    let body =
        body(Some("{{ closes }}\n{{ summary }}\n{{ title }}\n{{ requested_by | code }} @acme/reviewers"), &hostile);
    let expected =
        "Closes #12\nThanks ann, about #99.\nx\n\n```\nopen\n```\nabout #98 bo `\n`` `</sub> cy `` @acme/reviewers";
    assert_eq!(people(&body), expected);
    assert_eq!(read(&body)["session"], "``` </details> about #97");
    assert_eq!(body.matches("\n```\n").count(), 3, "{body}"); // the agent's, twice, and the end of the data
}

#[test]
fn a_template_that_does_not_work_is_said_and_left() {
    #[track_caller]
    fn check(template: &str, expected: &str) {
        let why = render(template, &facts()).expect_err("does not work");
        assert!(why.contains(expected), "{why}");
        assert_eq!(body(Some(template), &facts()), body(None, &facts()));
    }
    check("a\n{{ sumary }}", "line 2: ");
    check("{% if %}", "line 1: syntax error");
    check("{{ title | shout }}", "line 1: ");
    check(&"x".repeat(70_000), "bytes without the summary; at most 60000 are taken");
}

#[test]
fn the_summary_is_cut_and_the_data_never() {
    #[track_caller]
    fn check(facts: &Facts) {
        let body = body(None, facts);
        assert!(body.len() <= BODY_MAX, "{}", body.len());
        assert!(body.len() > BODY_MAX - 2_000, "{}", body.len());
        assert_eq!(read(&body)["commit"], "c".repeat(40));
        assert!(people(&body).contains("(cut here)\n\n**Gates**"), "{}", &body[body.len() - 3_000..]);
    }
    check(&Facts { summary: "ä ".repeat(50_000), ..facts() });
    check(&Facts { summary: format!("```\n{}", "x\n".repeat(60_000)), ..facts() });
    let commits: Vec<_> = (0..2_000).map(|it| (format!("{it:040}"), "\"ä\" ".repeat(200))).collect();
    let many = Facts { summary: "x".repeat(100_000), commits, ..facts() };
    check(&many);
    let data = read(&body(None, &many));
    assert_eq!(data["commits_total"], 2_000);
    assert_eq!(data["commits"][99]["id"], format!("{:040}", 1_999));
}

#[test]
fn text_as_code() {
    for (text, expected) in
        [("a b", "`a b`"), ("`a`", "`` `a` ``"), ("a ``b", "``` a ``b ```"), ("a\n\nb", "`a b`"), ("", "")]
    {
        assert_eq!(code(text), expected);
    }
}
