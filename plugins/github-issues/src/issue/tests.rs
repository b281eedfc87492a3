//! Issues as the forge has them, what they are to agentd, and the drafts they become.

use super::*;
use agentd_sdk::task_source::Person;

/// An open issue with the label that makes it work, set by ann at 1,000.
pub(crate) fn sample(number: u32) -> Issue {
    Issue {
        repository: "acme/shop".into(),
        number,
        title: "Mend the login".into(),
        body: "People cannot log in.".into(),
        url: format!("https://github.com/acme/shop/issues/{number}"),
        state: "open".into(),
        author: person("bob"),
        labels: vec![applied("agentd", "ann", 1_000)],
        created_at: 500,
        changed_at: 1_000,
        ..Issue::default()
    }
}

pub(crate) fn person(login: &str) -> Person {
    Person { login: login.into(), ..Person::default() }
}

pub(crate) fn applied(name: &str, by: &str, at: u64) -> AppliedLabel {
    AppliedLabel { name: name.into(), by: Some(person(by)), at: Some(at), extra: vec![] }
}

#[track_caller]
fn check(settings: &str, change: impl FnOnce(&mut Issue), expected: &str) {
    let mut issue = sample(7);
    change(&mut issue);
    let settings: Settings = serde_json::from_str(settings).expect("settings");
    let verdict = match judge(&settings, &issue, false, &Mark::default()) {
        Verdict::Not(reason) => reason,
        other => format!("{other:?}"),
    };
    assert_eq!(verdict, expected);
}

#[test]
fn an_issue_is_work_if_nothing_speaks_against_it() {
    check("{}", |_| (), "Work");
    check("{}", |it| it.labels[0].name = "Agentd".into(), "Work");
    check("{}", |it| it.labels.clear(), "no longer labelled agentd");
    check(r#"{"labels": ["agentd", "ready"]}"#, |_| (), "no longer labelled ready");
    check(r#"{"exclude": ["wontfix"]}"#, |it| it.labels.push(applied("WontFix", "bob", 1)), "labelled wontfix");
    check("{}", |it| it.labels.push(applied("agentd:in-progress", "x", 1)), "Taken");
    check("{}", |it| it.labels.push(applied("agentd:blocked", "x", 2_000)), "labelled agentd:blocked");
    check(r#"{"exclude": []}"#, |it| it.labels.push(applied("agentd:blocked", "x", 2_000)), "labelled agentd:blocked");
}

#[test]
fn assignee_and_milestone_count_where_they_are_set() {
    let assigned = |it: &mut Issue| it.assignees = vec!["Ann".into()];
    check(r#"{"assignee": "ann"}"#, assigned, "Work");
    check(r#"{"assignee": "bob"}"#, assigned, "no longer assigned to bob");
    check(r#"{"assignee": "*"}"#, assigned, "Work");
    check(r#"{"assignee": "*"}"#, |_| (), "no longer assigned to anybody");
    check(r#"{"milestone": "v2"}"#, |it| it.milestone = Some("V2".into()), "Work");
    check(r#"{"milestone": "v2"}"#, |it| it.milestone = Some("v3".into()), "no longer in the milestone v2");
    check(r#"{"milestone": "v2"}"#, |_| (), "no longer in the milestone v2");
}

#[test]
fn a_closed_issue_says_how_it_was_closed() {
    let close = |reason: &'static str, by: Option<&'static str>| {
        move |it: &mut Issue| {
            (it.state, it.state_reason) = ("closed".into(), reason.into());
            it.extra.extend(by.map(|login| ("closed-by".to_owned(), login.to_owned())));
        }
    };
    check("{}", close("", None), "closed");
    check("{}", close("completed", None), "closed as completed");
    check("{}", close("not-planned", Some("ann")), "closed as not planned by ann");
    check("{}", close("duplicate", None), "closed as a duplicate");
}

/// A task of the issue failed at 2,000, and the label for that was set a moment later.
#[track_caller]
fn check_blocked(asked_at: u64, known: bool, mark: &Mark, expected: Verdict) {
    let mut issue = sample(7);
    issue.labels = vec![applied("agentd", "ann", asked_at), applied("agentd:blocked", "agentd-bot", 2_010)];
    assert_eq!(judge(&Settings::default(), &issue, known, mark), expected);
}

#[test]
fn a_failed_issue_rests_until_it_is_asked_for_anew() {
    let mut failed = Mark::default();
    failed.start(1_500);
    failed.block();
    check_blocked(1_000, true, &failed, Verdict::Held);
    check_blocked(3_000, true, &failed, Verdict::Work); // the first label was taken off and set again
    check_blocked(3_000, false, &failed, Verdict::Work);
    let not = Verdict::Not("labelled agentd:blocked".into());
    check_blocked(1_000, false, &failed, not);

    let mut again = failed.clone();
    again.start(2_500); // tried again, and the label is about to be taken off
    check_blocked(1_000, true, &again, Verdict::Held);
}

#[test]
fn a_person_who_blocks_an_issue_stops_it() {
    let by_hand = Verdict::Not("labelled agentd:blocked".into());
    check_blocked(1_000, true, &Mark::default(), by_hand);
    let mut long_ago = Mark::default();
    long_ago.block();
    long_ago.start(1);
    let mut issue = sample(7);
    issue.labels.push(applied("agentd:blocked", "ann", 900_000));
    let verdict = judge(&Settings::default(), &issue, true, &long_ago);
    assert_eq!(verdict, Verdict::Not("labelled agentd:blocked".into()));
}

#[test]
fn what_this_entry_works_on_is_not_somebody_elses() {
    let mut issue = sample(7);
    issue.labels.push(applied("agentd:in-progress", "agentd-bot", 2_000));
    let settings = Settings::default();
    assert_eq!(judge(&settings, &issue, true, &Mark::default()), Verdict::Work);
    let mut working = Mark::default();
    working.start(1_900);
    assert_eq!(judge(&settings, &issue, false, &working), Verdict::Work);
    assert!(working.end("u-1"));
    assert_eq!(judge(&settings, &issue, false, &working), Verdict::Taken);
}

#[test]
fn a_draft_says_what_the_issue_says() {
    let mut issue = sample(7);
    issue.editor = Some(person("eve"));
    issue.milestone = Some("v2".into());
    issue.labels.extend([
        applied("bug", "bob", 2_000),
        applied("P1", "bob", 2_000),
        applied("agentd:in-progress", "agentd-bot", 3_000),
        applied("agentd:blocked", "agentd-bot", 3_000),
    ]);
    let expected = Draft {
        key: "acme/shop#7".into(),
        title: "Mend the login".into(),
        body: "People cannot log in.".into(),
        url: Some("https://github.com/acme/shop/issues/7".into()),
        subject: Some("https://github.com/acme/shop/issues/7".into()),
        repository: Some("acme/shop".into()),
        thread: Some(Thread::new("acme/shop", 7)),
        author: Some(person("bob")),
        editor: Some(person("eve")),
        requester: Some(person("ann")),
        requested_at: Some(1_000),
        labels: vec!["P1".into(), "agentd".into(), "bug".into()],
        priority: Some(2),
        fields: vec![("assignee".into(), "carl".into()), ("milestone".into(), "v2".into())],
        created_at: Some(500),
        ..Draft::default()
    };
    assert_eq!(draft(&Settings::default(), &issue, &["carl".into()]), expected);
    issue.labels.reverse();
    assert_eq!(draft(&Settings::default(), &issue, &["carl".into()]), expected, "the order of labels is no news");
}

#[track_caller]
fn check_requester(labels: Vec<AppliedLabel>, login: Option<&str>, at: Option<u64>) {
    let settings = Settings { labels: vec!["agentd".into(), "ready".into()], ..Settings::default() };
    let draft = draft(&settings, &Issue { labels, ..sample(7) }, &[]);
    assert_eq!((draft.requester.map(|it| it.login).as_deref(), draft.requested_at), (login, at));
}

#[test]
fn who_set_the_newest_needed_label_asked_for_it() {
    let unknown = |name: &str| AppliedLabel { name: name.into(), ..AppliedLabel::default() };
    check_requester(vec![applied("agentd", "ann", 5), applied("ready", "bob", 9)], Some("bob"), Some(9));
    check_requester(vec![applied("ready", "bob", 5), applied("agentd", "ann", 9)], Some("ann"), Some(9));
    let other = applied("bug", "eve", 99);
    check_requester(vec![applied("ready", "bob", 5), applied("agentd", "ann", 9), other], Some("ann"), Some(9));
    check_requester(vec![applied("agentd", "ann", 9), unknown("ready")], None, None); // it may have been the newest
}

#[track_caller]
fn check_priority(labels: &[&str], expected: Option<u32>) {
    let labels: Vec<String> = labels.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(priority(&Settings::default(), &labels), expected, "{labels:?}");
}

#[test]
fn labels_say_the_priority() {
    check_priority(&["bug"], None);
    check_priority(&["p2"], Some(3));
    check_priority(&["priority: low", "P0"], Some(1));
}

#[track_caller]
fn check_assignees(settings: &Settings, working: bool, now: &[&str], before: Option<&str>, expected: &[&str]) {
    let mut issue = sample(7);
    issue.assignees = now.iter().map(|it| (*it).to_owned()).collect();
    if working {
        issue.labels.push(applied("agentd:in-progress", "agentd-bot", 1));
    }
    assert_eq!(assignees(settings, &issue, before), expected);
}

#[test]
fn agentds_own_assignment_is_no_news() {
    let assigning = Settings::default();
    check_assignees(&assigning, false, &["bob", "ann"], None, &["ann", "bob"]);
    check_assignees(&assigning, false, &["bob"], Some("ann"), &["bob"]);
    check_assignees(&assigning, true, &["ann", "agentd-bot"], Some("ann"), &["ann"]);
    check_assignees(&assigning, true, &["agentd-bot"], Some(""), &[]);
    let leaving = Settings { assignee: Some("*".into()), ..Settings::default() };
    check_assignees(&leaving, true, &["bob"], Some("ann"), &["bob"]);
}
