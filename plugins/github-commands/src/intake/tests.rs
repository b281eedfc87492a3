//! Polls of a toy forge: which comments become work, which become orders, and which nothing.

use super::*;
use crate::world::toy::{NOW, Toy, comment, issue, person};
use agentd_sdk::task_source::Target;

/// What a poll from two minutes ago finds, shortly.
#[track_caller]
fn check_poll(toy: &Toy, expected: &[&str]) {
    let intake = poll(toy, &Settings::default(), Some(&(NOW - 120_000).to_string())).expect("a poll");
    assert_eq!(
        (intake.cursor.as_deref(), intake.more, intake.complete),
        (Some(NOW.to_string().as_str()), false, false)
    );
    let shown: Vec<String> = intake.items.iter().map(shown).collect();
    assert_eq!(shown, expected);
}

fn shown(item: &Item) -> String {
    match item {
        Item::Work(draft) => {
            let by = draft.requester.as_ref().map_or("nobody", |it| it.login.as_str());
            format!("{} by {by}: {}", draft.key, draft.instructions.as_deref().unwrap_or("-"))
        }
        Item::Withdrawn(withdrawal) => format!("{} withdrawn: {}", withdrawal.key, withdrawal.reason),
    }
}

#[track_caller]
fn check_feedback(comments: Vec<Comment>, expected: &[&str]) {
    let toy = Toy::with(vec![issue(3)], comments);
    let page = feedback(&toy, &Settings::default(), Some(&(NOW - 120_000).to_string())).expect("feedback");
    let shown: Vec<String> = page
        .remarks
        .iter()
        .map(|it| {
            let Target::Thread(thread) = &it.target else { panic!("{:?}", it.comment) };
            let command = it.command.as_ref().expect("a command");
            format!("#{} {}: {} {:?}", thread.number, it.comment.author.login, command.name, command.argument)
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn the_first_call_only_notes_the_time() {
    let toy = Toy::with(vec![issue(3)], vec![comment("1", 3, 1_000, "/code")]);
    let intake = poll(&toy, &Settings::default(), None).expect("a poll");
    assert_eq!((intake.items.len(), intake.cursor), (0, Some(NOW.to_string())));
    let page = feedback(&toy, &Settings::default(), None).expect("feedback");
    assert_eq!((page.remarks.len(), page.cursor), (0, Some(NOW.to_string())));
}

#[test]
fn a_command_on_an_issue_is_work() {
    check_poll(&Toy::with(vec![issue(3)], vec![comment("1", 3, 1_000, "/code")]), &["acme/shop#3 by ann: -"]);
    check_poll(
        &Toy::with(vec![issue(3)], vec![comment("1", 3, 1_000, "Please.\n/code use X")]),
        &["acme/shop#3 by ann: use X"],
    );
}

#[test]
fn the_draft_is_the_issue_asked_for_by_who_commented() {
    let mut it = issue(3);
    let label = |name: &str| agentd_sdk::host::forge::AppliedLabel { name: name.into(), ..Default::default() };
    it.labels = vec![label("bug"), label("agentd:in-progress"), label("api")];
    let asked = Asked { by: person("ann"), at: NOW - 1_000, comment: Some("1".into()), instruction: "use X".into() };
    let draft = order::draft(&it, &asked);
    assert_eq!((draft.title.as_str(), draft.body.as_str()), ("Login fails", "It does."));
    assert_eq!(draft.subject.as_deref(), Some("https://forge.example/acme/shop/issues/3"));
    assert_eq!((draft.author.map(|it| it.login).as_deref(), draft.requested_at), (Some("mal"), Some(NOW - 1_000)));
    assert_eq!(draft.thread.map(|it| it.number), Some(3));
    assert_eq!(draft.labels, ["api", "bug"]);
}

#[test]
fn what_is_no_order_of_a_persons_is_not_heard() {
    let plain = |body: &str| comment("1", 3, 1_000, body);
    let bot = |login: &str, bot: bool| {
        let mut it = plain("/code");
        (it.author.login, it.author.bot) = (login.into(), bot);
        it
    };
    let edited = Comment { updated_at: NOW, ..plain("/code") };
    let own = plain("/code\n\n<!-- agentd:v1 i n s -->");
    let all = [plain("> /code"), plain("no"), bot("x[bot]", false), bot("ci", true), edited, own];
    for it in all {
        check_poll(&Toy::with(vec![issue(3)], vec![it.clone()]), &[]);
        check_feedback(vec![Comment { body: it.body.replace("/code", "/code stop"), ..it }], &[]);
    }
}

#[test]
fn only_the_newest_of_an_issue_counts_and_once() {
    let toy = Toy::with(
        vec![issue(3), issue(4)],
        vec![comment("1", 3, 9_000, "/code a"), comment("2", 3, 5_000, "/code b"), comment("3", 4, 7_000, "/code c")],
    );
    check_poll(&toy, &["acme/shop#3 by ann: b", "acme/shop#4 by ann: c"]);
    check_poll(&toy, &[]);
    let mut toy = toy;
    toy.comments.push(comment("4", 3, 1_000, "/code d"));
    check_poll(&toy, &["acme/shop#3 by ann: d"]);
}

#[test]
fn old_closed_and_lost_things_are_no_work() {
    check_poll(&Toy::with(vec![issue(3)], vec![comment("1", 3, 300_000, "/code")]), &[]);
    let closed = Issue { state: "closed".into(), ..issue(3) };
    check_poll(&Toy::with(vec![closed], vec![comment("1", 3, 1_000, "/code")]), &[]);
    check_poll(&Toy::with(vec![], vec![comment("1", 3, 1_000, "/code")]), &[]);
    check_poll(&Toy::with(vec![], vec![comment("1", 77, 1_000, "/code")]), &[]);
    check_poll(&Toy::with(vec![issue(3)], vec![comment("1", 3, 1_000, "/code stop")]), &[]);
}

#[test]
fn an_issue_may_ask_by_itself() {
    let opened = |body: &str| Issue { body: body.into(), created_at: NOW - 5_000, ..issue(3) };
    check_poll(&Toy::with(vec![opened("It fails.\n\n/code look at X")], vec![]), &["acme/shop#3 by mal: look at X"]);
    check_poll(&Toy::with(vec![opened("/code stop")], vec![]), &[]);
    check_poll(&Toy::with(vec![Issue { editor: Some(person("eve")), ..opened("/code") }], vec![]), &[]);
    check_poll(&Toy::with(vec![Issue { body: "/code".into(), ..issue(3) }], vec![]), &[]); // opened long ago
}

#[test]
fn what_was_asked_for_is_withdrawn_when_its_issue_closes() {
    let mut toy = Toy::with(vec![issue(3)], vec![comment("1", 3, 1_000, "/code")]);
    check_poll(&toy, &["acme/shop#3 by ann: -"]);
    toy.comments.clear();
    (toy.issues[0].state, toy.issues[0].state_reason) = ("closed".into(), "not-planned".into());
    check_poll(&toy, &["acme/shop#3 withdrawn: closed as not planned"]);
    check_poll(&toy, &[]);
}

#[test]
fn orders_are_remarks_about_their_thread() {
    check_feedback(vec![comment("1", 3, 1_000, "/code stop")], &["#3 ann: stop \"\""]);
    check_feedback(vec![comment("1", 77, 1_000, "/code retry with care")], &["#77 ann: retry \"with care\""]);
    check_feedback(vec![comment("1", 77, 1_000, "/code also the docs")], &["#77 ann: continue \"also the docs\""]);
    check_feedback(vec![comment("1", 3, 1_000, "/code also the docs")], &[]);
    let lost = Comment { url: None, ..comment("1", 77, 1_000, "/code also the docs") };
    check_feedback(vec![lost], &["#77 ann: continue \"also the docs\""]);
    check_feedback(vec![Comment { url: None, ..comment("1", 3, 1_000, "/code also the docs") }], &[]);
}

#[test]
fn orders_that_waited_for_a_day_are_not_carried_out() {
    let toy = Toy::with(vec![issue(3)], vec![comment("1", 3, OLD_MS + OVERLAP_MS + 1, "/code stop")]);
    let page = feedback(&toy, &Settings::default(), Some("1000")).expect("feedback");
    assert_eq!(page.remarks.len(), 0);
}

#[test]
fn more_comments_than_one_call_reads_come_in_parts() {
    let comments = (0..25).map(|it| comment(&it.to_string(), 77, 50_000 - it, "/code stop")).collect();
    let mut toy = Toy::with(vec![], comments);
    toy.page = 2;
    let mut cursor = (NOW - 120_000).to_string();
    let mut found = vec![];
    for calls in 1.. {
        let page = feedback(&toy, &Settings::default(), Some(&cursor)).expect("feedback");
        found.extend(page.remarks.into_iter().map(|it| it.comment.id));
        cursor = page.cursor.expect("a cursor");
        toy.now.set(NOW + calls);
        if !page.more {
            assert_eq!(calls, 2);
            break;
        }
    }
    assert_eq!(found, (0..25).map(|it| it.to_string()).collect::<Vec<_>>());
    assert_eq!(cursor, NOW.to_string(), "what came while it was reading comes next");
}

#[test]
fn a_forge_that_is_down_changes_nothing() {
    let mut toy = Toy::with(vec![], vec![]);
    toy.down = true;
    assert!(poll(&toy, &Settings::default(), Some("5")).is_err());
    assert!(toy.kv.borrow().is_empty());
}
