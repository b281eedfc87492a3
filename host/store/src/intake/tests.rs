//! What becomes of drafts: new, known, joined, withdrawn, opened again.

use crate::{
    Error, Intake, RunKey, Taken,
    tests::{Home, draft, failed, intake},
};
use agentd_task::{Draft, Event, Mode, Reason, Severity, TaskId, Thread};

impl Home {
    async fn intake(&self, intake: Intake) -> Taken {
        self.store.intake(intake, 50).await.unwrap()
    }

    async fn withdraw(&self, key: &str) -> Vec<TaskId> {
        let withdrawn = vec![(key.into(), "closed as not planned".into())];
        self.intake(Intake { withdrawn, ..intake(vec![]) }).await.withdrawn
    }
}

fn about(key: &str, subject: &str) -> Draft {
    Draft { subject: Some(subject.into()), requested_by: Some("ann".into()), ..draft(key) }
}

#[tokio::test]
async fn new_work_is_queued_or_waits_as_the_mode_says() {
    let home = Home::new();
    let expected = [
        (Mode::Auto, "queued", Severity::Info),
        (Mode::Ask, "waiting", Severity::Urgent),
        (Mode::Propose, "waiting", Severity::Info),
    ];
    for (mode, state, severity) in expected {
        let taken = home.intake(Intake { mode, ..intake(vec![draft(&mode.to_string())]) }).await;
        let id = taken.new[0];
        assert_eq!(home.state(id).await, state, "{mode}");
        let events = home.store.reader().events(0, 1, Some(id)).await.unwrap();
        assert_eq!(events[0].severity, severity, "{mode}");
    }
    let row = home.task(TaskId(1)).await;
    assert_eq!((&*row.branch, &*row.source, &*row.key, row.score), ("agentd/t-1", "folder", "auto", 0.0));
    assert_eq!(home.store.reader().unranked(1, 10).await.unwrap().len(), 3, "scored never");
}

#[tokio::test]
async fn the_same_draft_again_changes_nothing() {
    let home = Home::new();
    home.queued("a").await;
    let later = Draft { requested_at: Some(40), requested_by: Some("bob".into()), ..draft("a") };
    assert_eq!(home.intake(intake(vec![draft("a"), draft("a"), later])).await, Taken::default());
    assert_eq!(home.kinds(TaskId(1)).await, ["task.queued"]);
}

#[tokio::test]
async fn a_task_is_its_issue_and_its_branch_tells_instances_apart_where_they_share() {
    let home = Home::new();
    let thread = Thread { repository: "acme/api".into(), number: 7 };
    let issue = Draft { repository: "acme/api".into(), thread: Some(thread.clone()), ..draft("acme/api#7") };
    let shared = ["acme/api".to_owned()].into();
    home.intake(Intake { shared, ..intake(vec![issue.clone(), draft("b")]) }).await;
    let row = home.task(TaskId(1)).await;
    assert_eq!(row.thread, Some(thread));
    assert_eq!(row.branch, format!("agentd/{}-t-1", home.store.instance()));
    assert_eq!(home.task(TaskId(2)).await.branch, "agentd/t-2");
    assert_eq!(home.intake(intake(vec![issue])).await, Taken::default());
}

#[tokio::test]
async fn whoever_asked_last_answers_for_it() {
    let home = Home::new();
    let asked = |by: &str, at| Draft { requested_by: Some(by.into()), requested_at: Some(at), ..draft("a") };
    home.intake(intake(vec![asked("ann", 1)])).await;
    assert_eq!(home.intake(intake(vec![asked("bob", 2)])).await, Taken::default());
    let row = home.task(TaskId(1)).await;
    assert_eq!((row.requested_by.as_deref(), row.requested_at), (Some("bob"), Some(2)));
    assert_eq!(home.kinds(TaskId(1)).await, ["task.queued"]);
}

#[tokio::test]
async fn news_reach_a_task_that_nobody_works_on() {
    let home = Home::new();
    let (a, b) = (home.queued("a").await, home.running("b").await.task);
    home.score(a, 5.0).await;
    let news = |key| Draft { body: "Do more.".into(), labels: vec!["bug".into()], ..draft(key) };
    assert_eq!(home.intake(intake(vec![news("a"), news("b")])).await, Taken { changed: vec![a], ..Taken::default() });
    let row = home.task(a).await;
    assert_eq!((&*row.body, row.labels.join(" ")), ("Do more.", "bug".into()));
    assert_eq!(home.task(b).await.body, "Do it.", "what a run was told stays what it was told");
    let events = home.store.reader().events(0, 10, Some(a)).await.unwrap();
    assert_eq!((&*events[1].kind, &*events[1].text), ("task.changed", "t-1 was changed at its source: body, labels"));
    let unranked = home.store.reader().unranked(1, 10).await.unwrap();
    assert_eq!(unranked.iter().map(|it| it.task.id).collect::<Vec<_>>(), [a], "its score is to be made anew");
}

#[tokio::test]
async fn a_second_trigger_about_the_same_thing_becomes_a_message_once() {
    let home = Home::new();
    let first = home.take(vec![about("a", "issue-1")]).await[0];
    let again = Draft { instructions: Some("and test it".into()), ..about("b", "issue-1") };
    let taken = home.intake(intake(vec![again.clone()])).await;
    assert_eq!(taken, Taken { joined: vec![first], ..Taken::default() });
    assert_eq!(home.intake(intake(vec![again.clone()])).await, Taken::default(), "it was told");
    let remarks = home.store.reader().remarks(first).await.unwrap();
    assert_eq!(remarks.len(), 1);
    assert_eq!((&*remarks[0].author, &*remarks[0].body), ("ann", "Title of b\n\nDo it.\n\nand test it"));
    assert_eq!(home.kinds(first).await, ["task.queued", "task.remarked"]);
    let edited = Draft { body: "Do it soon.".into(), ..again };
    assert_eq!(home.intake(intake(vec![edited])).await.joined, [first]);
}

#[tokio::test]
async fn what_is_over_comes_back_only_if_it_was_asked_for_after_its_end() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    home.apply(task, failed(run, Reason::Gate)).await;
    let asked = |at| intake(vec![Draft { requested_at: at, body: "Again.".into(), ..draft("a") }]);
    for before in [None, Some(19), Some(20)] {
        assert_eq!(home.intake(asked(before)).await, Taken::default());
    }
    let taken = home.intake(asked(Some(21))).await;
    assert_eq!(taken, Taken { reopened: vec![task], ..Taken::default() });
    let row = home.task(task).await;
    assert_eq!((row.task.status.as_str(), &*row.body, row.task.failures), ("queued", "Again.", 0));
    assert_eq!(home.intake(asked(Some(21))).await, Taken::default());
    // The forge's clock is ahead: that request has been taken up, and is over again before its own time.
    home.apply(task, Event::Cancelled).await;
    assert_eq!(home.intake(asked(Some(21))).await, Taken::default());
}

#[tokio::test]
async fn a_proposal_that_comes_back_calls_nobody_either() {
    for (mode, severity) in [(Mode::Ask, Severity::Urgent), (Mode::Propose, Severity::Info)] {
        let home = Home::new();
        let RunKey { task, run } = home.running("a").await;
        home.apply(task, failed(run, Reason::Gate)).await;
        let asked = Draft { requested_at: Some(21), ..draft("a") };
        let taken = home.intake(Intake { mode, ..intake(vec![asked]) }).await;
        assert_eq!((taken.reopened, home.state(task).await), (vec![task], "waiting"));
        let events = home.store.reader().events(0, 100, Some(task)).await.unwrap();
        assert_eq!(events.last().unwrap().severity, severity, "{mode}");
    }
}

#[tokio::test]
async fn what_is_over_joins_the_task_that_took_its_place() {
    let home = Home::new();
    let first = home.take(vec![about("a", "issue-1")]).await[0];
    home.apply(first, Event::Cancelled).await;
    let second = home.take(vec![about("b", "issue-1")]).await[0];
    let again = Draft { requested_at: Some(40), ..about("a", "issue-1") };
    assert_eq!(home.intake(intake(vec![again.clone()])).await.joined, [second]);
    assert_eq!(home.intake(intake(vec![again])).await, Taken::default());
    assert_eq!(home.state(first).await, "cancelled");
}

#[tokio::test]
async fn withdrawn_work_ends_unless_its_change_is_under_way() {
    let home = Home::new();
    let queued = home.queued("queued").await;
    let asked = home.intake(Intake { mode: Mode::Ask, ..intake(vec![draft("asked")]) }).await.new[0];
    let running = home.running("running").await.task;
    let review = home.in_review("review").await;
    for (key, id, state) in [
        ("queued", Some(queued), "cancelled"),
        ("asked", Some(asked), "cancelled"),
        ("running", Some(running), "running"),
        ("review", None, "in-review"),
        ("unknown", None, ""),
    ] {
        assert_eq!(home.withdraw(key).await, id.into_iter().collect::<Vec<_>>(), "{key}");
        assert_eq!(home.withdraw(key).await, [], "{key} again");
        if let Some(id) = id {
            assert_eq!(home.state(id).await, state, "{key}");
        }
    }
    assert_eq!(home.state(review).await, "in-review");
    assert_eq!(home.task(queued).await.reason, "was cancelled: t-1 was withdrawn: closed as not planned");
    assert_eq!(home.task(running).await.reason, "run 1 was told to end, at its step prepare");
}

#[tokio::test]
async fn a_complete_list_withdraws_what_is_missing_in_it() {
    let home = Home::new();
    let ids = home.take(vec![draft("a"), draft("b"), draft("c")]).await;
    let running = home.running("d").await.task;
    let elsewhere = Intake { source: "other".into(), ..intake(vec![draft("b")]) };
    home.intake(elsewhere).await;
    let taken = home.intake(Intake { complete: Some(vec!["a".into()]), ..intake(vec![draft("c")]) }).await;
    assert_eq!(taken.withdrawn, [ids[1]]);
    assert_eq!(home.state(running).await, "running");
    assert_eq!(home.state(TaskId(5)).await, "queued", "another source's");
}

#[tokio::test]
async fn cursor_and_notes_are_stored_with_the_work_or_not_at_all() {
    let home = Home::new();
    let good = || Intake {
        cursor: Some("page-2".into()),
        kv: vec![("etag".into(), Some("x".into()))],
        ..intake(vec![draft("a")])
    };
    home.intake(good()).await;
    let reader = home.store.reader();
    assert_eq!(reader.cursor("folder").await.unwrap().as_deref(), Some("page-2"));
    assert_eq!(reader.kv_get("folder", "etag").await.unwrap().as_deref(), Some("x"));
    let bad = Intake { cursor: Some("page-3".into()), ..intake(vec![draft("b"), draft("")]) };
    let error = home.store.intake(bad, 50).await.unwrap_err();
    assert_eq!(error.to_string(), "source `folder` gave a task that cannot be taken, ``: key: must be 1 to 256 bytes");
    assert_eq!(reader.cursor("folder").await.unwrap().as_deref(), Some("page-2"));
    assert!(reader.task_by_key("folder", "b").await.unwrap().is_none());
    let full = Intake { kv: vec![(String::new(), None)], ..intake(vec![draft("b")]) };
    assert!(matches!(home.store.intake(full, 50).await, Err(Error::KvFull { .. })));
    assert!(reader.task_by_key("folder", "b").await.unwrap().is_none());
}
