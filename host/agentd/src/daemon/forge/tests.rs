//! The client's words and the contract's, side by side.

use super::*;
use agentd_forge::{Applied, Text, TextEdit};

fn somebody(login: &str) -> forge::Person {
    forge::Person { login: login.into(), name: None, bot: login.ends_with("[bot]") }
}

fn named(login: &str) -> Person {
    Person { login: login.into(), name: None, bot: login.ends_with("[bot]"), extra: vec![] }
}

fn written() -> forge::Issue {
    forge::Issue {
        repository: "acme/api".into(),
        number: 42,
        title: "It breaks".into(),
        body: "Always.".into(),
        url: "https://github.com/acme/api/issues/42".into(),
        open: true,
        state_reason: String::new(),
        closed_by: None,
        author: somebody("ann"),
        labels: vec![
            Applied { name: "agentd".into(), by: Some(somebody("bob")), at: Some(2_000) },
            Applied { name: "bug".into(), by: None, at: None },
        ],
        assignees: vec!["ann".into()],
        milestone: Some("1.0".into()),
        comments: 3,
        created_at: 1_000,
        changed_at: 3_000,
        edits: vec![],
    }
}

fn read() -> wit::Issue {
    let label = |name: &str, by: Option<&str>, at| wit::AppliedLabel {
        name: name.into(),
        by: by.map(named),
        at,
        extra: vec![],
    };
    wit::Issue {
        repository: "acme/api".into(),
        number: 42,
        title: "It breaks".into(),
        body: "Always.".into(),
        url: "https://github.com/acme/api/issues/42".into(),
        state: "open".into(),
        state_reason: String::new(),
        author: named("ann"),
        editor: None,
        labels: vec![label("agentd", Some("bob"), Some(2_000)), label("bug", None, None)],
        assignees: vec!["ann".into()],
        milestone: Some("1.0".into()),
        comments: 3,
        created_at: 1_000,
        changed_at: 3_000,
        extra: vec![],
    }
}

#[test]
fn an_issue_is_told_as_it_is() {
    assert_eq!(issue(written()), read());
    let closed =
        forge::Issue { open: false, state_reason: "not-planned".into(), closed_by: Some(somebody("eve")), ..written() };
    let expected = wit::Issue {
        state: "closed".into(),
        state_reason: "not-planned".into(),
        extra: vec![("closed-by".into(), "eve".into())],
        ..read()
    };
    assert_eq!(issue(closed), expected);
}

/// `edits`: who changed the text, oldest first; none: it is not known who.
#[track_caller]
fn check_editor(edits: &[Option<&str>], expected: Option<&str>) {
    let change = |(at, by): (usize, &Option<&str>)| TextEdit {
        by: by.map(somebody),
        at: 1_000 + i64::try_from(at).unwrap(),
        what: if at % 2 == 0 { Text::Body } else { Text::Title },
    };
    let it = forge::Issue { edits: edits.iter().enumerate().map(change).collect(), ..written() };
    assert_eq!(issue(it).editor.map(|it| it.login).as_deref(), expected, "{edits:?}");
}

#[test]
fn the_editor_is_who_changed_it_last() {
    check_editor(&[], None);
    check_editor(&[Some("ann")], None);
    check_editor(&[Some("Ann")], None);
    check_editor(&[Some("eve")], Some("eve"));
    check_editor(&[Some("eve"), Some("ann")], None);
    check_editor(&[Some("ann"), Some("renovate[bot]")], Some("renovate[bot]"));
    check_editor(&[Some("ann"), None], Some("ghost"));
}

#[test]
fn times_stay_within_what_every_language_holds() {
    for (ms, expected) in [(-1, 0), (0, 0), (1_790_000_000_000, 1_790_000_000_000), (i64::MAX, LATEST)] {
        assert_eq!(timestamp(ms), expected, "{ms}");
    }
    assert_eq!((ms(5), ms(u64::MAX)), (5, i64::MAX));
}

#[test]
fn a_question_is_handed_on_whole() {
    let question = wit::IssueQuery {
        repository: None,
        state: "open".into(),
        labels: vec!["agentd".into()],
        changed_since: Some(1_000),
        order: wit::IssueOrder::Stalest,
        cursor: Some("1~2".into()),
        limit: 50,
        extra: vec![("milestone".into(), "1.0".into()), ("x".into(), "y".into()), ("assignee".into(), "*".into())],
    };
    let asked = github::IssueQuery {
        repositories: vec!["acme/api".into()],
        state: "open".into(),
        labels: vec!["agentd".into()],
        changed_since: Some(1_000),
        order: github::IssueOrder::Stalest,
        assignee: Some("*".into()),
        milestone: Some("1.0".into()),
        cursor: Some("1~2".into()),
        limit: 50,
    };
    assert_eq!(issue_query(vec!["acme/api".into()], question), asked);
}

#[test]
fn a_comment_keeps_its_place() {
    let said = github::ThreadComment {
        id: "review-7".into(),
        repository: "acme/api".into(),
        number: 42,
        author: somebody("ann"),
        body: "No.".into(),
        url: String::new(),
        location: Some(github::Location { path: "src/main.rs".into(), line: 3, end_line: 5 }),
        created_at: 1_000,
        changed_at: 2_000,
        own: false,
    };
    let comment = comment(said);
    assert_eq!((comment.id.as_str(), comment.url, comment.author), ("review-7", None, named("ann")));
    assert_eq!((comment.created_at, comment.updated_at), (1_000, 2_000));
    let (thread, location) = (comment.thread.unwrap(), comment.location.unwrap());
    assert_eq!((thread.repository.as_str(), thread.number), ("acme/api", 42));
    assert_eq!((location.path.as_str(), location.line, location.end_line), ("src/main.rs", 3, 5));
}

#[test]
fn an_errors_case_says_when_to_come_back() {
    use agentd_forge::Error as E;
    let host = || "github.com".to_owned();
    let (what, why, message) = (|| "list issues".to_owned(), || "cut".to_owned(), || "Bad credentials".to_owned());
    let hint = String::new;
    for (error, expected) in [
        (E::Limited { host: host(), until: 5_000 }, "rate-limited 5000"),
        (E::Resting { host: host(), until: 5_000 }, "unavailable"),
        (E::NotReachable { host: host(), why: why() }, "unavailable"),
        (E::Unauthorized { host: host(), message: message() }, "denied"),
        (E::Forbidden { host: host(), what: what(), message: message(), hint: hint() }, "denied"),
        (E::NotInstalled { host: host(), repository: "acme/api".into() }, "denied"),
        (E::Invalid { what: "the cursor", why: why() }, "invalid"),
        (E::NoThread { repository: "acme/api".into(), number: 1 }, "not-found"),
        (E::Unreadable { what: what(), why: why() }, "other"),
    ] {
        let text = error.to_string();
        let (case, told) = match refusal(error) {
            Error::RateLimited(limit) => (format!("rate-limited {}", limit.retry_at.unwrap()), limit.message),
            Error::Unavailable(text) => ("unavailable".into(), text),
            Error::Denied(text) => ("denied".into(), text),
            Error::Invalid(text) => ("invalid".into(), text),
            Error::NotFound(text) => ("not-found".into(), text),
            Error::Other(text) => ("other".into(), text),
            other => panic!("{other:?}"),
        };
        assert_eq!((case.as_str(), told), (expected, text));
    }
}

#[tokio::test]
async fn a_repository_of_this_machine_has_no_issues() {
    let local = Reading::new(None, []);
    let ids = ["shop".to_owned()];
    let query = wit::IssueQuery {
        repository: None,
        state: "open".into(),
        labels: vec![],
        changed_since: None,
        order: wit::IssueOrder::Newest,
        cursor: None,
        limit: 100,
        extra: vec![],
    };
    assert!(local.list_issues(&ids, query).await.unwrap().issues.is_empty());
    assert!(local.list_labels("shop").await.unwrap().is_empty());
    assert!(local.list_checks("shop", "main").await.unwrap().is_empty());
    let not_there = "the repository shop is not on GitHub: it has no issues or pull requests";
    assert_eq!(local.get_issue("shop", 1).await, Err(Error::NotFound(not_there.into())));
    assert_eq!(local.get_pull_request("shop", 1).await, Err(Error::NotFound(not_there.into())));
}
