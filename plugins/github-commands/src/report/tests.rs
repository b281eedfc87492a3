//! What people find at their comment at each turn of a task.

use super::*;
use crate::world::toy::{NOW, Toy, issue};
use agentd_sdk::work::Change;

fn update(former: &str, state: &str) -> Update {
    let task =
        Task { id: "t-3".into(), state: state.into(), thread: Some(Thread::new("acme/shop", 3)), ..Task::default() };
    Update { id: "u".into(), task, former_state: former.into(), at: NOW, ..Update::default() }
}

/// A forge on which comment 42 asked for work on issue 3.
fn toy() -> Toy {
    let toy = Toy::with(vec![issue(3)], vec![]);
    toy.set("asked/acme/shop#3", r#"{"at": 1, "comment": "42"}"#).expect("a store");
    toy
}

#[track_caller]
fn check(change: impl FnOnce(&mut Settings, &mut Update), expected: &[&str]) {
    let (mut settings, mut update) = (Settings::default(), update("queued", "running"));
    change(&mut settings, &mut update);
    let edits = report(&toy(), &settings, &update).expect("edits");
    let shown: Vec<String> = edits
        .iter()
        .map(|it| {
            let to = it.reply_to.as_deref().unwrap_or("-");
            let slot = it.slot.as_deref().unwrap_or("-");
            format!("{to} {slot} {}{}", it.reaction.as_deref().unwrap_or(""), it.comment.as_deref().unwrap_or(""))
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn the_comment_that_asked_sees_how_it_goes() {
    let state = |former: &'static str, state: &'static str| {
        move |_: &mut Settings, it: &mut Update| *it = update(former, state)
    };
    check(state("queued", "running"), &["42 - eyes", "- code **agentd works on this.**\n\nTask `t-3`"]);
    check(state("running", "running"), &[]);
    check(state("running", "publishing"), &[]);
    check(state("publishing", "in-review"), &["- code **The pull request is ready for review.**\n\nTask `t-3`"]);
    check(state("in-review", "done"), &["42 - rocket", "- code **Done, without a change.**\n\nTask `t-3`"]);
    check(
        state("running", "cancelled"),
        &["42 - confused", "- code **Cancelled: agentd works on this no longer.**\n\nTask `t-3`"],
    );
    check(state("", "queued"), &[]);
}

#[test]
fn what_others_said_is_quoted_and_the_change_is_linked() {
    check(
        |_, it| {
            *it = update("running", "failed");
            it.task.reason = Some("tests failed\n# 3 of 120".into());
            it.text = Some("t-3 failed: tests".into());
            it.task.change = Some(Change { number: Some(9), url: Some("https://x/9".into()), ..Change::default() });
        },
        &[
            "42 - confused",
            "- code **This failed, and needs a person. To try again, comment `/code` with what should be different.**\n\n\
             > tests failed\n> # 3 of 120\n\nTask `t-3` · pull request [#9](https://x/9)",
        ],
    );
    check(
        |_, it| {
            *it = update("running", "done");
            it.task.extra = vec![("outcome".into(), "nothing-to-do".into())];
            it.text = Some("It is so already.".into());
        },
        &["42 - rocket", "- code **Done: there was nothing to do.**\n\n> It is so already.\n\nTask `t-3`"],
    );
}

#[test]
fn an_order_is_answered_below_it() {
    let ordered = |it: &mut Update| {
        *it = update("running", "running");
        (it.text, it.reply_to) = (Some("Stopped.".into()), Some("77".into()));
    };
    check(|_, it| ordered(it), &["77 - > Stopped.\n\nTask `t-3`"]);
    check(
        |settings, it| {
            settings.comment = false;
            ordered(it);
        },
        &["77 - eyes"],
    );
}

#[test]
fn without_comments_there_are_reactions() {
    check(|settings, _| settings.comment = false, &["42 - eyes"]);
}

#[test]
fn an_issue_that_asked_by_itself_gets_the_reaction() {
    let toy = toy();
    toy.set("asked/acme/shop#3", r#"{"at": 1, "comment": null}"#).expect("a store");
    let edits = report(&toy, &Settings::default(), &update("queued", "running")).expect("edits");
    assert_eq!((edits[0].reply_to.as_deref(), edits[0].reaction.as_deref()), (None, Some("eyes")));
}

#[test]
fn no_run_begins_on_a_closed_issue() {
    let mut toy = toy();
    toy.issues[0].state = "closed".into();
    let error = report(&toy, &Settings::default(), &update("queued", "running")).expect_err("a conflict");
    assert!(matches!(error, Error::Conflict(text) if text == "acme/shop#3 is closed"));
    assert!(report(&toy, &Settings::default(), &update("in-review", "done")).is_ok());
    toy.issues.clear();
    assert!(matches!(report(&toy, &Settings::default(), &update("queued", "running")), Err(Error::NotFound(_))));
}

#[test]
fn the_same_update_asks_for_the_same_again() {
    let toy = toy();
    let once = report(&toy, &Settings::default(), &update("queued", "running")).expect("edits");
    assert_eq!(once, report(&toy, &Settings::default(), &update("queued", "running")).expect("edits"));
}

#[test]
fn a_task_without_a_thread_has_nowhere_to_tell() {
    let mut update = update("queued", "running");
    update.task.thread = None;
    assert_eq!(report(&toy(), &Settings::default(), &update).expect("edits"), []);
}
