//! What people find on the issue at each turn of a task.

use super::*;
use crate::world::toy::Toy;
use agentd_sdk::task_source::Thread;
use agentd_sdk::work::Change;
use std::fmt::Write as _;

/// `state` may say more after a colon: for whom it waits, or how it ended.
fn task(state: &str, reason: &str) -> Task {
    let (state, word) = state.split_once(':').unwrap_or((state, ""));
    let key = if state == "waiting" { "waits-for" } else { "outcome" };
    Task {
        id: "t-3".into(),
        key: "acme/shop#7".into(),
        thread: Some(Thread::new("acme/shop", 7)),
        state: state.into(),
        reason: Some(reason.into()).filter(|it: &String| !it.is_empty()),
        run: 1,
        extra: if word.is_empty() { vec![] } else { vec![(key.into(), word.into())] },
        ..Task::default()
    }
}

fn update(former: &str, task: Task, text: &str, at: u64) -> Update {
    Update {
        id: format!("u-{at}"),
        task,
        former_state: former.into(),
        text: Some(text.into()),
        at,
        ..Update::default()
    }
}

/// An edit as people see it: what becomes of labels and assignees, and below the comment.
fn shown(edits: &[Edit]) -> String {
    let [edit] = edits else { return format!("({} edits)", edits.len()) };
    let mut text = format!("{}#{}", edit.thread.repository, edit.thread.number);
    edit.add_labels.iter().for_each(|it| write!(text, " +{it}").expect("a string"));
    edit.remove_labels.iter().for_each(|it| write!(text, " -{it}").expect("a string"));
    edit.extra.iter().for_each(|(key, value)| write!(text, " {key} {value}").expect("a string"));
    match (&edit.slot, &edit.comment) {
        (Some(slot), Some(comment)) => format!("{text} [{slot}]\n\n{comment}"),
        (slot, comment) => format!("{text} {slot:?} {comment:?}"),
    }
}

/// Tells a world, and checks that a repetition says the same.
#[track_caller]
fn tell(world: &Toy, update: &Update) -> String {
    let first = report(world, &Settings::default(), update).expect("edits");
    let again = report(world, &Settings::default(), update).expect("edits");
    assert_eq!(first, again, "a repetition says the same");
    shown(&first)
}

/// A world in which a run of the task began at 100.
fn working() -> Toy {
    let world = Toy::default();
    tell(&world, &update("queued", task("running", ""), "Run 1 begins", 100));
    world
}

#[test]
fn a_run_takes_the_issue() {
    let update = update("queued", task("running", "run 1 is at its step prepare"), "Run 1 begins", 100);
    insta::assert_snapshot!(tell(&Toy::default(), &update), @r#"
    acme/shop#7 +agentd:in-progress -agentd:blocked add-assignees ["@me"] [progress]

    **agentd works on this.**

    Task `t-3` · run 1
    "#);
}

#[test]
fn a_change_is_shown_where_it_is_reviewed() {
    let mut task = task("in-review", "its change waits for the people who review it");
    task.change = Some(Change {
        branch: "agentd/t-3".into(),
        number: Some(12),
        url: Some("https://github.com/acme/shop/pull/12".into()),
        state: "draft".into(),
        ..Change::default()
    });
    task.spent_microusd = 421_000;
    insta::assert_snapshot!(tell(&working(), &update("publishing", task, "t-3 is in review (Mend it)", 200)), @r"
    acme/shop#7 [progress]

    **The pull request is ready for review.**

    Task `t-3` · run 1 · pull request [#12](https://github.com/acme/shop/pull/12), a draft · spent $0.43 so far
    ");
}

#[test]
fn who_waits_for_a_person_says_for_what_and_how_to_answer() {
    let mut told = String::new();
    for (former, run, on, reason, text) in [
        (
            "",
            0,
            "start",
            "waits for a person to start it: agentd task start t-3",
            "t-3 waits for a person to start it (Mend it)",
        ),
        (
            "running",
            1,
            "approval",
            "waits for a person to see its change: agentd task approve t-3",
            "t-3 waits for a person (Mend it)",
        ),
        (
            "running",
            1,
            "confirmation",
            "the agent found nothing to do; a person says whether that is so: agentd task approve t-3",
            "The test passes already.",
        ),
        (
            "running",
            2,
            "operator",
            "waits for an operator to put something right: the key was refused",
            "t-3 waits for an operator",
        ),
    ] {
        let task = Task { run, ..task(&format!("waiting:{on}"), reason) };
        told += &tell(&working(), &update(former, task, text, 200));
        told += "\n----\n";
    }
    insta::assert_snapshot!(told, @r#"
    acme/shop#7 [progress]

    **Waiting for a person to start it.**

    To start it: `agentd task start t-3`, where agentd runs.

    Task `t-3`
    ----
    acme/shop#7 [progress]

    **Waiting for a person to look at the change before it is pushed.**

    To see it: `agentd task diff t-3`; to have it pushed: `agentd task approve t-3`; to have it done otherwise: `agentd task reject t-3 --comment "…"`, where agentd runs.

    Task `t-3` · run 1
    ----
    acme/shop#7 [progress]

    **The agent found nothing to do, and waits for a person to say whether that is so.**

    > The test passes already.

    If it is so: `agentd task approve t-3`; if not: `agentd task reject t-3 --comment "…"`, where agentd runs.

    Task `t-3` · run 1
    ----
    acme/shop#7 [progress]

    **Waiting for an operator to put something right.**

    > the key was refused

    When that is done: `agentd task retry t-3`, where agentd runs.

    Task `t-3` · run 2
    ----
    "#);
}

#[test]
fn a_failure_says_why_and_what_to_do_next() {
    let reason = "gate-failed: `cargo test` failed:\n<!-- hidden -->\n3 of 120";
    insta::assert_snapshot!(tell(&working(), &update("running", task("failed", reason), "t-3 failed", 200)), @r#"
    acme/shop#7 +agentd:blocked -agentd:in-progress remove-assignees ["@me"] [progress]

    **This failed, and needs a person.**

    > gate-failed: `cargo test` failed:
    > <!-- hidden -->
    > 3 of 120

    To try again, take the label `agentd` off and set it anew, or run `agentd task retry t-3` where agentd runs.

    Task `t-3` · run 1
    "#);
}

#[test]
fn an_end_gives_the_issue_back() {
    let mut told = String::new();
    for (state, reason, text) in [
        ("done:change", "its change was merged", "The change was merged"),
        ("done:answer", "the agent answered and changed nothing", "It is a **feature**.\n\n- really"),
        ("done:nothing-to-do", "there was nothing to do", "A person agreed that there is nothing to do"),
        ("cancelled", "was cancelled", "t-3 was withdrawn: closed as not planned by ann"),
        ("cancelled", "was cancelled", "A person cancelled it"),
    ] {
        told += &tell(&working(), &update("running", task(state, reason), text, 200));
        told += "\n----\n";
    }
    insta::assert_snapshot!(told, @r#"
    acme/shop#7 -agentd:in-progress remove-assignees ["@me"] [progress]

    **Done: the pull request was merged.**

    Task `t-3` · run 1
    ----
    acme/shop#7 -agentd:in-progress remove-assignees ["@me"] [progress]

    **Done, without a change. This is the answer:**

    > It is a **feature**.
    >
    > - really

    Task `t-3` · run 1
    ----
    acme/shop#7 -agentd:in-progress remove-assignees ["@me"] [progress]

    **Done: there was nothing to do.**

    Task `t-3` · run 1
    ----
    acme/shop#7 -agentd:in-progress remove-assignees ["@me"] [progress]

    **Cancelled: agentd works on this no longer.**

    > closed as not planned by ann

    Task `t-3` · run 1
    ----
    acme/shop#7 -agentd:in-progress remove-assignees ["@me"] [progress]

    **Cancelled: agentd works on this no longer.**

    > A person cancelled it

    Task `t-3` · run 1
    ----
    "#);
}

#[test]
fn another_try_is_told_and_lifts_the_block() {
    let world = working();
    let mut told =
        tell(&world, &update("running", task("queued", "retries at 12:00: lost"), "t-3 failed", 200)) + "\n----\n";
    told += &tell(&world, &update("running", task("failed", "lost"), "t-3 failed", 300));
    told += "\n----\n";
    let again = Task { run: 2, ..task("running", "") };
    told += &tell(&world, &update("queued", again, "Run 2 begins", 400));
    insta::assert_snapshot!(told, @r#"
    acme/shop#7 [progress]

    **Queued again.**

    > retries at 12:00: lost

    Task `t-3` · run 1
    ----
    acme/shop#7 +agentd:blocked -agentd:in-progress remove-assignees ["@me"] [progress]

    **This failed, and needs a person.**

    > lost

    To try again, take the label `agentd` off and set it anew, or run `agentd task retry t-3` where agentd runs.

    Task `t-3` · run 1
    ----
    acme/shop#7 +agentd:in-progress -agentd:blocked add-assignees ["@me"] [progress]

    **agentd works on this.**

    Task `t-3` · run 2
    "#);
}

#[track_caller]
fn check_silent(world: &Toy, update: &Update) {
    assert_eq!(tell(world, update), "(0 edits)");
}

#[test]
fn what_nobody_has_to_know_is_not_written() {
    let new = |state: &str| Task { run: 0, ..task(state, "") };
    check_silent(&Toy::default(), &update("", new("queued"), "t-3 is queued", 50));
    check_silent(&Toy::default(), &update("queued", new("cancelled"), "t-3 was withdrawn: closed", 50));
    check_silent(&working(), &update("running", task("running", ""), "t-3 was told to end", 200));
    check_silent(&working(), &update("running", task("publishing", ""), "t-3 is verified", 200));
    check_silent(&working(), &update("running", Task { thread: None, ..task("failed", "") }, "t-3 failed", 200));
    let mut proposed = update("", new("waiting"), "t-3 waits", 50);
    proposed.extra = vec![("mode".into(), "propose".into())];
    check_silent(&Toy::default(), &proposed);
}

#[test]
fn another_instances_lock_is_left_alone() {
    let world = Toy::default();
    let lost = task("cancelled", "acme/shop#7 is claimed by another instance");
    check_silent(&world, &update("running", lost.clone(), "t-3 was withdrawn: claimed", 200));

    let world = working();
    tell(&world, &update("running", task("done:change", "its change was merged"), "merged", 200));
    let later = report(&world, &Settings::default(), &update("running", lost, "t-3 was withdrawn: claimed", 300));
    let later = later.expect("edits");
    assert!(later[0].remove_labels.is_empty() && later[0].extra.is_empty(), "{later:?}");
}

#[test]
fn news_of_an_earlier_run_come_too_late() {
    let world = working();
    let again = Task { run: 2, ..task("running", "") };
    tell(&world, &update("queued", again, "Run 2 begins", 400));
    check_silent(&world, &update("running", task("failed", "lost"), "t-3 failed", 300));
}

#[track_caller]
fn check_settings(settings: &str, expected: &str) {
    let settings: Settings = serde_json::from_str(settings).expect("settings");
    let world = Toy::default();
    let mut told = String::new();
    for (former, state, at) in [("queued", "running", 100), ("running", "failed", 200)] {
        let edits = report(&world, &settings, &update(former, task(state, "lost"), "", at)).expect("edits");
        told += shown(&edits).lines().next().unwrap_or_default();
        told += "\n";
    }
    assert_eq!(told, expected);
}

#[test]
fn the_settings_say_what_is_written() {
    check_settings(
        r#"{"comment": false, "assign": false}"#,
        "acme/shop#7 +agentd:in-progress -agentd:blocked None None\n\
         acme/shop#7 +agentd:blocked -agentd:in-progress None None\n",
    );
    check_settings(
        r#"{"in_progress": "ai:busy", "blocked": "ai:stuck", "assignee": "agentd-bot"}"#,
        "acme/shop#7 +ai:busy -ai:stuck [progress]\nacme/shop#7 +ai:stuck -ai:busy [progress]\n",
    );
}
