//! Who counts as having changed what, whatever GitHub leaves out.

use super::*;
use serde_json::Value;

const CREATED: &str = "2026-03-01T10:00:00Z";
const CHANGED: &str = "2026-03-09T10:00:00Z";

/// Day of March, at ten.
fn day(day: u32) -> i64 {
    time(&date(day)).unwrap()
}

fn date(day: u32) -> String {
    format!("2026-03-{day:02}T10:00:00Z")
}

fn rest() -> Value {
    json!({
        "number": 7, "node_id": "I_7", "title": "Old title", "body": "Old body",
        "html_url": "https://github.com/acme/api/issues/7", "state": "open", "user": { "login": "ann", "type": "User" },
        "labels": [{ "name": "agentd" }, "bug", { "name": null }],
        "assignees": [{ "login": "bob", "type": "User" }], "milestone": { "title": "v2" }, "comments": 3,
        "created_at": CREATED, "updated_at": CHANGED,
    })
}

fn actor(login: &str) -> Value {
    json!({ "__typename": "User", "login": login })
}

fn edit(of: u32, by: &Value) -> Value {
    json!({ "editedAt": date(of), "editor": by })
}

fn event(kind: &str, of: u32, by: &Value, label: Option<&str>) -> Value {
    json!({ "__typename": kind, "createdAt": date(of), "actor": by, "label": label.map(|name| json!({ "name": name })) })
}

/// What GraphQL says: edits with their total, and timeline items.
fn node(edits: &[Value], total: usize, items: &[Value], more: bool) -> Value {
    let last = edits.iter().filter_map(|it| it["editedAt"].as_str()).max();
    json!({
        "id": "I_7", "title": "Title", "body": "Body", "lastEditedAt": last,
        "userContentEdits": { "totalCount": total, "nodes": edits },
        "timelineItems": { "pageInfo": { "hasPreviousPage": more }, "nodes": items },
    })
}

fn issue(node: Value) -> Issue {
    let known = serde_json::from_value::<Node>(node).unwrap().provenance;
    serde_json::from_value::<RestIssue>(rest()).unwrap().issue("acme/api", Some(&known))
}

/// Who changed which text, when.
#[track_caller]
fn check(node: Value, expected: &[(Option<&str>, i64, Text)]) {
    let edits = issue(node).edits;
    let seen: Vec<_> = edits.iter().map(|it| (it.by.as_ref().map(|it| it.login.as_str()), it.at, it.what)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn an_issue_is_what_both_answers_say() {
    let labelled = |of, by: &str, label| event("LabeledEvent", of, &actor(by), Some(label));
    let items = [labelled(2, "eve", "agentd"), labelled(4, "ann", "Agentd"), labelled(5, "eve", "other")];
    let issue = issue(node(&[], 0, &items, false));
    assert_eq!((issue.title.as_str(), issue.body.as_str()), ("Title", "Body"), "of one moment with the edits");
    assert_eq!((issue.repository.as_str(), issue.number, issue.open), ("acme/api", 7, true));
    assert_eq!((issue.assignees.as_slice(), issue.milestone.as_deref()), (["bob".to_owned()].as_slice(), Some("v2")));
    assert_eq!((issue.comments, issue.created_at, issue.changed_at), (3, day(1), day(9)));
    let ann = Person { login: "ann".into(), name: None, bot: false };
    let labels = [
        Applied { name: "agentd".into(), by: Some(ann.clone()), at: Some(day(4)) },
        Applied { name: "bug".into(), by: None, at: None },
    ];
    assert_eq!((issue.labels.as_slice(), issue.author), (labels.as_slice(), ann));
    assert_eq!(issue.edits, []);
}

#[test]
fn each_change_of_a_text_has_its_author() {
    let items = [event("RenamedTitleEvent", 3, &actor("bob"), None), event("ClosedEvent", 5, &actor("eve"), None)];
    check(
        node(&[edit(4, &actor("eve")), edit(2, &actor("ann"))], 2, &items, false),
        &[(Some("ann"), day(2), Text::Body), (Some("bob"), day(3), Text::Title), (Some("eve"), day(4), Text::Body)],
    );
}

#[test]
fn what_is_not_shown_was_nobody() {
    // More edits than are given: one of them may be the newest.
    check(
        node(&[edit(4, &actor("ann"))], 2, &[], false),
        &[(Some("ann"), day(4), Text::Body), (None, day(4), Text::Body)],
    );
    // Older events are left out: a title may have been changed before them.
    let items = [event("LabeledEvent", 6, &actor("ann"), Some("agentd"))];
    check(node(&[], 0, &items, true), &[(None, day(6), Text::Title)]);
    check(node(&[], 0, &[], true), &[(None, day(9), Text::Title)]);
    // An edit that the list of edits does not have.
    let mut hidden = node(&[edit(2, &actor("ann"))], 1, &[], false);
    hidden["lastEditedAt"] = json!(date(5));
    check(hidden, &[(Some("ann"), day(2), Text::Body), (None, day(5), Text::Body)]);
    // No list at all.
    let mut bare = node(&[], 0, &[], false);
    (bare["lastEditedAt"], bare["userContentEdits"]) = (json!(date(5)), Value::Null);
    check(bare.clone(), &[(None, day(5), Text::Body)]);
    bare["timelineItems"] = Value::Null;
    check(bare, &[(None, day(5), Text::Body), (None, day(9), Text::Title)]);
}

#[test]
fn an_issue_from_another_repository_is_changed_by_nobody() {
    let label = event("LabeledEvent", 2, &actor("ann"), Some("agentd"));
    let items = [label, event("TransferredEvent", 3, &actor("ann"), None)];
    check(
        node(&[edit(4, &actor("ann"))], 1, &items, false),
        &[(None, day(3), Text::Title), (None, day(3), Text::Body), (Some("ann"), day(4), Text::Body)],
    );
}

#[test]
fn an_issue_that_graphql_does_not_know_is_changed_now_by_nobody() {
    let issue = serde_json::from_value::<RestIssue>(rest()).unwrap().issue("acme/api", None);
    let nobody = |what| TextEdit { by: None, at: day(9), what };
    assert_eq!(issue.edits, [nobody(Text::Title), nobody(Text::Body)]);
    assert!(issue.labels.iter().all(|it| it.by.is_none()));
    assert_eq!(issue.title, "Old title");
}

#[test]
fn nobody_is_taken_for_somebody_else() {
    let by = |kind: &str, login: &str| json!({ "__typename": kind, "login": login });
    for (actor, expected) in [
        (by("User", "ann"), Some(("ann", false))),
        // The App `ann` is not the person `ann`.
        (by("Bot", "ann"), Some(("ann[bot]", true))),
        (by("Bot", "ann[bot]"), Some(("ann[bot]", true))),
        (by("Mannequin", "ann"), None),
        (by("Something", "ann"), None),
        (Value::Null, None),
    ] {
        let edits = issue(node(&[edit(2, &actor)], 1, &[], false)).edits;
        let seen = edits[0].by.as_ref().map(|it| (it.login.as_str(), it.bot));
        assert_eq!(seen, expected, "{actor}");
    }
}

#[test]
fn a_time_that_cannot_be_read_is_no_reason_to_say_yes() {
    let odd = json!({ "editedAt": "soon", "editor": actor("ann") });
    check(node(&[odd], 1, &[], false), &[(Some("ann"), i64::MAX, Text::Body)]);
    let mut labelled = event("LabeledEvent", 2, &actor("ann"), Some("agentd"));
    labelled["createdAt"] = json!("once");
    assert_eq!(issue(node(&[], 0, &[labelled], false)).labels[0].at, None);
}

#[test]
fn how_it_was_closed_has_agentds_words() {
    for (state, reason, expected) in [
        ("closed", json!("not_planned"), (false, "not-planned")),
        ("closed", json!("completed"), (false, "completed")),
        ("closed", json!("duplicate"), (false, "duplicate")),
        ("closed", json!("something new"), (false, "")),
        ("open", json!("reopened"), (true, "")),
        ("open", Value::Null, (true, "")),
    ] {
        let mut raw = rest();
        (raw["state"], raw["state_reason"]) = (json!(state), reason);
        let issue = serde_json::from_value::<RestIssue>(raw).unwrap().issue("acme/api", None);
        assert_eq!((issue.open, issue.state_reason.as_str()), expected);
    }
}
