//! Polls of a toy forge, one after the other.

use super::*;
use crate::issue::tests::{applied, sample};
use crate::world::toy::Toy;
use agentd_sdk::RateLimit;

fn poll_of(world: &Toy) -> Intake {
    poll(world, &Settings::default(), None).expect("a poll")
}

/// What a poll says, in short: `+ KEY` for work, `- KEY: REASON` for work no longer.
#[track_caller]
fn check(world: &Toy, expected: &[&str]) {
    assert_eq!(shown(&poll_of(world)), expected);
}

fn shown(intake: &Intake) -> Vec<String> {
    let line = |item: &Item| match item {
        Item::Work(draft) => format!("+ {}", draft.key),
        Item::Withdrawn(it) => format!("- {}: {}", it.key, it.reason),
    };
    intake.items.iter().map(line).collect()
}

#[test]
fn labelled_issues_are_work_and_the_same_at_each_poll() {
    let mut foreign = sample(3);
    foreign.labels.push(applied("agentd:in-progress", "other-bot", 1));
    let world = Toy::with(vec![sample(1), sample(2), foreign]);
    check(&world, &["+ acme/shop#1", "+ acme/shop#2"]);
    let (written, first) = (world.writes.get(), poll_of(&world));
    check(&world, &["+ acme/shop#1", "+ acme/shop#2"]);
    assert_eq!(world.writes.get(), written, "an unchanged forge writes nothing");
    let drafts = |intake: &Intake| {
        let draft = |item: &Item| if let Item::Work(draft) = item { Some(draft.clone()) } else { None };
        intake.items.iter().filter_map(draft).collect::<Vec<_>>()
    };
    assert_eq!(drafts(&first), drafts(&poll_of(&world)));
    assert!(world.lookups.borrow().is_empty(), "nothing was missing");
}

#[test]
fn what_qualifies_no_longer_is_withdrawn_once() {
    let mut world = Toy::with((1..=5).map(sample).collect());
    poll_of(&world);
    (world.issues[0].state, world.issues[0].state_reason) = ("closed".into(), "not-planned".into());
    world.issues[1].labels.clear();
    world.issues[2].labels.push(applied("agentd:blocked", "ann", 9_000));
    world.issues.remove(3);
    let expected = [
        "- acme/shop#2: no longer labelled agentd",
        "- acme/shop#3: labelled agentd:blocked",
        "+ acme/shop#5",
        "- acme/shop#1: closed as not planned",
        "- acme/shop#4: deleted, moved, or not to be seen any more",
    ];
    check(&world, &expected);
    check(&world, &["+ acme/shop#5"]);
    assert_eq!(world.seen(), ["acme/shop#5"]);

    world.issues[0].state = "open".into();
    world.issues[0].labels = vec![applied("agentd", "ann", 20_000)];
    check(&world, &["+ acme/shop#1", "+ acme/shop#5"]);
}

#[test]
fn a_list_that_lags_withdraws_nothing() {
    let mut world = Toy::with(vec![sample(1), sample(2)]);
    poll_of(&world);
    world.lagging = vec![2];
    check(&world, &["+ acme/shop#1", "+ acme/shop#2"]);
    assert_eq!(*world.lookups.borrow(), ["acme/shop#2"]);
}

#[test]
fn what_moved_away_is_withdrawn() {
    let mut world = Toy::with(vec![sample(1), sample(2)]);
    poll_of(&world);
    world.issues[1].repository = "acme/attic".into();
    world.lagging = vec![2];
    check(&world, &["+ acme/shop#1", "- acme/shop#2: moved to acme/attic#2"]);

    world.repositories = vec!["acme/web".into()];
    world.issues.clear();
    check(&world, &["- acme/shop#1: acme/shop is no longer among the repositories of this source"]);
}

#[test]
fn many_are_looked_up_in_turn() {
    let mut world = Toy::with((1..=120).map(sample).collect());
    poll_of(&world);
    world.lagging = (1..=120).collect();
    for _ in 0..3 {
        let before = world.lookups.borrow().len();
        poll_of(&world);
        assert_eq!(world.lookups.borrow().len() - before, LOOKUPS);
    }
    let looked: BTreeSet<String> = world.lookups.borrow().iter().cloned().collect();
    assert_eq!(looked.len(), 120, "in three polls everything had its turn");
}

#[test]
fn a_limit_leaves_the_rest_for_later() {
    let mut world = Toy::with((1..=3).map(sample).collect());
    poll_of(&world);
    world.issues.clear();
    world.limit = Some(1);
    let gone = |number: u32| format!("- acme/shop#{number}: deleted, moved, or not to be seen any more");
    check(&world, &[&gone(1)]);
    world.limit = None;
    check(&world, &[&gone(2), &gone(3)]);
}

#[test]
fn one_repositorys_trouble_hides_no_other() {
    let mut other = sample(9);
    other.repository = "acme/web".into();
    let mut world = Toy::with(vec![sample(1), other]);
    world.repositories.push("acme/web".into());
    poll_of(&world);
    world.broken.insert("acme/shop".into(), Error::NotFound("acme/shop is gone: look at `repositories`".into()));
    check(&world, &["+ acme/web#9"]);
    assert_eq!(world.seen(), ["acme/shop#1", "acme/web#9"], "what could not be asked about is kept");
    assert!(world.kv.borrow().contains_key("trouble/acme/shop"));

    world.broken.clear();
    check(&world, &["+ acme/shop#1", "+ acme/web#9"]);
}

#[test]
fn trouble_on_a_later_page_hides_no_other_either() {
    let mut issues: Vec<Issue> = (1..=150).map(sample).collect();
    issues[149].repository = "blue/web".into();
    let mut world = Toy::with(issues);
    world.repositories.push("blue/web".into());
    world.breaks_at = Some(100);
    world.broken.insert("blue/web".into(), Error::Other("blue/web is gone".into()));
    let intake = poll_of(&world);
    assert_eq!((intake.items.len(), intake.more), (149, false));
    assert!(world.kv.borrow().contains_key("trouble/blue/web"));
    assert_eq!(poll_of(&world).items.len(), 149);
}

#[track_caller]
fn check_error(error: Error) {
    let mut world = Toy::with(vec![sample(1)]);
    poll_of(&world);
    world.broken.insert("acme/shop".into(), error.clone());
    let said = poll(&world, &Settings::default(), None).expect_err("an error");
    assert_eq!(format!("{said:?}"), format!("{error:?}"));
}

#[test]
fn what_concerns_all_fails_the_poll() {
    check_error(Error::Unavailable("no answer".into()));
    check_error(Error::RateLimited(RateLimit { message: "slowly".into(), ..RateLimit::default() }));
    check_error(Error::Denied("the grant `forge` is missing".into())); // of all repositories
}

#[test]
fn more_issues_than_one_answer_holds_come_in_parts() {
    let mut world = Toy::with((1..=2_000).map(sample).collect());
    let (mut cursor, mut parts) = (None, vec![]);
    loop {
        let intake = poll(&world, &Settings::default(), cursor.as_deref()).expect("a poll");
        parts.push(intake.items.len());
        cursor = intake.cursor;
        if !intake.more {
            break;
        }
    }
    assert_eq!((parts.as_slice(), cursor.as_deref()), (&[900, 900, 200][..], Some("")));
    assert_eq!(world.seen().len(), 2_000);
    assert!(world.lookups.borrow().is_empty(), "parts know of each other");
    assert!(!world.kv.borrow().keys().any(|it| it.starts_with(PARTS)), "and are forgotten");

    // An issue of the first part goes: the last one notices.
    (world.issues[0].state, world.issues[1_999].labels) = ("closed".into(), vec![]);
    let mut said = vec![];
    loop {
        let intake = poll(&world, &Settings::default(), cursor.as_deref()).expect("a poll");
        said.extend(shown(&intake).into_iter().filter(|it| it.starts_with('-')));
        cursor = intake.cursor;
        if !intake.more {
            break;
        }
    }
    assert_eq!(said, ["- acme/shop#2000: no longer labelled agentd", "- acme/shop#1: closed"]);
}

#[test]
fn a_place_that_the_forge_forgot_begins_anew() {
    let world = Toy::with(vec![sample(1)]);
    let intake = poll(&world, &Settings::default(), Some("1 forgotten")).expect("a poll");
    assert_eq!((shown(&intake).as_slice(), intake.more), (&["+ acme/shop#1".to_owned()][..], false));
}

#[test]
fn large_issues_make_smaller_parts() {
    let mut world = Toy::with((1..=300).map(sample).collect());
    for issue in &mut world.issues {
        issue.body = "x".repeat(64 << 10);
    }
    let intake = poll_of(&world);
    assert_eq!((intake.items.len(), intake.more), (100, true));
}

#[test]
fn agentds_own_assignment_changes_no_draft() {
    let mut world = Toy::with(vec![sample(1)]);
    world.issues[0].assignees = vec!["ann".into()];
    let fields = |world: &Toy| match &poll_of(world).items[..] {
        [Item::Work(draft)] => draft.fields.clone(),
        other => panic!("one draft, not {other:?}"),
    };
    let before = fields(&world);
    world.issues[0].labels.push(applied("agentd:in-progress", "agentd-bot", 5));
    world.issues[0].assignees.push("agentd-bot".into());
    assert_eq!(fields(&world), before);
}
