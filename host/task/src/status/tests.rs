//! Every rule of the state machine, and that none of them can be got around.

use super::*;
use crate::{Event as E, Reason, Status as S};
use proptest::prelude::*;

fn task(status: Status) -> Task {
    Task { id: TaskId(1), run: 3, failures: 0, purpose: Purpose::Execute, status }
}

fn running() -> Status {
    S::Running { step: Step::Execute, cancel: false }
}

fn failure(reason: Reason) -> Failure {
    Failure::new(reason, "it broke")
}

#[track_caller]
fn check(from: Status, event: Event, to: Option<Status>) {
    assert_eq!(task(from.clone()).on(&event).map(|it| it.status).ok(), to, "{from:?} on {event:?}");
}

#[test]
fn a_run_may_speak_only_for_itself() {
    check(running(), E::Verified { run: 3, ask: false }, Some(S::Publishing));
    check(running(), E::Verified { run: 2, ask: false }, None);
    check(running(), E::Stepped { run: 2, step: Step::Collect }, None);
    check(running(), E::Interrupted { run: 4, now: 1 }, None);
}

#[test]
fn a_step_is_not_left_backwards() {
    check(running(), E::Stepped { run: 3, step: Step::Prepare }, None);
    check(running(), E::Stepped { run: 3, step: Step::Execute }, Some(running()));
    let collect = S::Running { step: Step::Collect, cancel: false };
    check(running(), E::Stepped { run: 3, step: Step::Collect }, Some(collect));
}

#[test]
fn cancelling_marks_a_running_task_and_its_owner_ends_it() {
    let marked = S::Running { step: Step::Execute, cancel: true };
    check(running(), E::Cancelled, Some(marked.clone()));
    check(running(), E::Ended { run: 3 }, None);
    check(running(), E::Withdrawn { run: 3 }, Some(S::Cancelled));
    check(running(), E::Withdrawn { run: 2 }, None);
    check(marked.clone(), E::Ended { run: 3 }, Some(S::Cancelled));
    check(marked.clone(), E::Verified { run: 3, ask: false }, None);
    check(marked.clone(), E::Interrupted { run: 3, now: 1 }, Some(S::Cancelled));
    check(marked, E::Failed { run: 3, failure: failure(Reason::Engine), now: 1 }, Some(S::Cancelled));
}

#[test]
fn a_transient_failure_comes_back_and_a_permanent_one_does_not() {
    let due = S::Queued { due: 5_001, reason: Queued::Retry };
    check(running(), E::Failed { run: 3, failure: failure(Reason::Engine), now: 1 }, Some(due));
    let failed = S::Failed { failure: failure(Reason::Gate) };
    check(running(), E::Failed { run: 3, failure: failure(Reason::Gate), now: 1 }, Some(failed));
    let mut tired = task(running());
    tired.failures = 3;
    let end = tired.on(&E::Failed { run: 3, failure: failure(Reason::Engine), now: 1 }).unwrap();
    assert_eq!(end.status, S::Failed { failure: failure(Reason::Engine) });
}

#[test]
fn a_run_without_a_change_leaves_an_open_one_in_review() {
    check(running(), E::Answered { run: 3, in_review: false }, Some(S::Done { outcome: Outcome::Answer }));
    check(running(), E::Answered { run: 3, in_review: true }, Some(S::InReview));
    let failed = S::Failed { failure: failure(Reason::Gate) };
    check(failed.clone(), E::Merged, Some(S::Done { outcome: Outcome::Change }));
    check(failed, E::Closed, Some(S::Cancelled));
}

#[test]
fn a_stop_costs_no_try() {
    let stopped = task(running()).on(&E::Interrupted { run: 3, now: 7 }).unwrap();
    assert_eq!((stopped.failures, stopped.run), (0, 3));
    assert_eq!(stopped.status, S::Queued { due: 7, reason: Queued::Interrupted });
}

#[test]
fn a_limit_costs_no_try_and_says_when_it_is_over() {
    let parked = task(running()).on(&E::Parked { run: 3, until: 99 }).unwrap();
    assert_eq!((parked.failures, parked.status), (0, S::Queued { due: 99, reason: Queued::Limited }));
    let marked = S::Running { step: Step::Execute, cancel: true };
    check(marked, E::Parked { run: 3, until: 99 }, Some(S::Cancelled));
    check(running(), E::Parked { run: 2, until: 99 }, None);
}

#[test]
fn a_person_says_whether_there_is_nothing_to_do() {
    let asked = S::Waiting { on: On::Confirmation };
    check(running(), E::NothingToDo { run: 3, in_review: false }, Some(asked.clone()));
    check(running(), E::NothingToDo { run: 3, in_review: true }, Some(S::InReview));
    check(asked.clone(), E::Approved, Some(S::Done { outcome: Outcome::NothingToDo }));
    check(asked.clone(), E::Closed, Some(S::Cancelled));
    check(asked, E::Remarked { now: 4 }, Some(S::Queued { due: 4, reason: Queued::Feedback }));
}

#[test]
fn what_is_over_comes_back_only_when_somebody_asks() {
    let done = S::Done { outcome: Outcome::Change };
    for event in [E::Claimed, E::Cancelled, E::Published, E::Merged, E::Retried { now: 1 }] {
        check(done.clone(), event, None);
    }
    let again = S::Queued { due: 1, reason: Queued::New };
    check(done, E::Reopened { now: 1, mode: Mode::Auto }, Some(again.clone()));
    check(S::Cancelled, E::Retried { now: 1 }, Some(again));
    check(S::Publishing, E::Reopened { now: 1, mode: Mode::Auto }, None);
}

fn event() -> impl Strategy<Value = Event> {
    let run = 0..6u32;
    prop_oneof![
        Just(E::Started { now: 1 }),
        Just(E::Claimed),
        (run.clone(), prop::sample::select(&Step::ALL[..])).prop_map(|(run, step)| E::Stepped { run, step }),
        (run.clone(), any::<bool>()).prop_map(|(run, ask)| E::Verified { run, ask }),
        (run.clone(), any::<bool>()).prop_map(|(run, in_review)| E::Answered { run, in_review }),
        (run.clone(), prop::sample::select(Reason::ALL)).prop_map(|(run, reason)| E::Failed {
            run,
            failure: failure(reason),
            now: 1
        }),
        (run.clone(), any::<bool>()).prop_map(|(run, in_review)| E::NothingToDo { run, in_review }),
        run.clone().prop_map(|run| E::Parked { run, until: 9 }),
        run.clone().prop_map(|run| E::Stuck { run }),
        run.clone().prop_map(|run| E::Interrupted { run, now: 1 }),
        run.clone().prop_map(|run| E::Ended { run }),
        run.prop_map(|run| E::Withdrawn { run }),
        Just(E::ReviewRequested),
        Just(E::Approved),
        Just(E::Published),
        Just(E::PublishFailed { failure: failure(Reason::Publish) }),
        Just(E::Merged),
        Just(E::Closed),
        Just(E::Remarked { now: 1 }),
        Just(E::Cancelled),
        Just(E::Retried { now: 1 }),
        Just(E::Reopened { now: 1, mode: Mode::Auto }),
    ]
}

proptest! {
    /// Whatever happens in whatever order: the run number never falls and grows by claims alone, and the words of an
    /// older run change nothing.
    #[test]
    fn only_claims_make_runs_and_only_the_newest_run_counts(events in prop::collection::vec(event(), 1..80)) {
        let mut it = Task { id: TaskId(1), run: 0, failures: 0, purpose: Purpose::Execute,
            status: Status::at_intake(Mode::Auto, 0) };
        for event in events {
            let Ok(next) = it.on(&event) else { continue };
            prop_assert_eq!(next.run, it.run + u32::from(event == E::Claimed));
            if let E::Stepped { run, .. } | E::Verified { run, .. } | E::Answered { run, .. } | E::Failed { run, .. }
                | E::NothingToDo { run, .. } | E::Parked { run, .. } | E::Stuck { run } | E::Interrupted { run, .. } | E::Ended { run }
                | E::Withdrawn { run } = event {
                prop_assert_eq!(run, it.run);
                let runs = matches!(it.status, S::Running { .. });
                prop_assert!(runs);
            }
            it = next;
        }
    }
}
