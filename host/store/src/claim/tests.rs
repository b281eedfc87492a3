//! The order of claims and their limits, against a model of the queue too.

use crate::{
    Change, Error, Intake, RunKey, Score, Staged, With,
    tests::{Home, LIMITS, WIDE, draft, failed, intake},
};
use agentd_task::{Draft, Event, Limits, Mode, Reason, TaskId};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn of(repository: &str, key: &str) -> Draft {
    Draft { repository: repository.into(), ..draft(key) }
}

#[tokio::test]
async fn higher_scores_go_first_then_who_waited_longer() {
    let home = Home::new();
    let ids = home.take(vec![draft("a"), draft("b"), draft("c")]).await;
    let late = home.store.intake(intake(vec![draft("d")]), 25).await.unwrap().new[0];
    home.score(ids[2], 7.5).await;
    home.score(ids[1], -1.0).await;
    home.score(late, 7.5).await;
    let queue = home.store.reader().queue(10).await.unwrap();
    let order = [ids[2], late, ids[0], ids[1]];
    assert_eq!(queue.iter().map(|it| it.task.id).collect::<Vec<_>>(), order);
    for id in order {
        assert_eq!(home.claim(&WIDE).await, Some(id));
    }
    assert_eq!(home.claim(&WIDE).await, None);
    assert_eq!(home.store.reader().running().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_task_that_is_not_ranked_yet_is_not_claimed_before_it_is() {
    let home = Home::new();
    let id = home.queued("a").await;
    assert!(home.store.claim(WIDE, Some(1), 30).await.unwrap().is_none());
    home.score(id, 1.0).await;
    assert!(home.store.claim(WIDE, Some(2), 30).await.unwrap().is_none(), "ranked by an older prioritizer");
    assert!(home.store.claim(WIDE, Some(1), 30).await.unwrap().is_some());
}

#[tokio::test]
async fn the_order_holds_across_repositories() {
    let home = Home::new();
    let ids = home.take(vec![of("z", "a"), of("m", "b"), of("a", "c")]).await;
    home.score(ids[1], 3.0).await;
    home.score(ids[0], 2.0).await;
    for id in [ids[1], ids[0], ids[2]] {
        assert_eq!(home.claim(&LIMITS).await, Some(id));
    }
}

#[tokio::test]
async fn limits_hold_in_the_instance_and_in_each_repository() {
    let home = Home::new();
    home.take(vec![of("a", "a1"), of("a", "a2"), of("b", "b1"), of("c", "c1"), of("d", "d1")]).await;
    let mut claimed = Vec::new();
    while let Some(id) = home.claim(&LIMITS).await {
        claimed.push(home.task(id).await.key);
    }
    assert_eq!(claimed, ["a1", "b1", "c1"]);
    home.apply(TaskId(1), Event::Answered { run: 1, in_review: false }).await;
    assert_eq!(home.claim(&LIMITS).await, Some(TaskId(2)));
    let none = Limits { concurrent: 0, ..LIMITS };
    assert_eq!(home.claim(&none).await, None);
}

#[tokio::test]
async fn where_enough_changes_are_in_review_only_those_are_worked_on() {
    let home = Home::new();
    let one = Limits { open_changes: 1, ..WIDE };
    let review = home.in_review("a").await;
    let change = Change {
        repository: "shop".into(),
        branch: "agentd/t-1".into(),
        base: "main".into(),
        commit: "c0ffee".into(),
        number: None,
        url: None,
        state: "open".into(),
    };
    let fresh = home.queued("b").await;
    assert_eq!(home.claim(&one).await, None);
    let with = With { change: Some(change), ..With::default() };
    home.store.apply(review, Event::Remarked { now: 20 }, with, 20).await.unwrap();
    assert_eq!(home.claim(&one).await, Some(review), "it has its change already");
    assert_eq!(home.claim(&one).await, None, "the change is still in review");
    home.apply(review, Event::Verified { run: 2, ask: false }).await;
    home.apply(review, Event::Published).await;
    home.apply(review, Event::Merged).await;
    assert_eq!(home.claim(&one).await, Some(fresh));
}

#[tokio::test]
async fn a_task_is_ready_when_its_time_has_come_and_it_was_staged() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    home.apply(task, failed(run, Reason::Engine)).await;
    assert_eq!(home.claim(&WIDE).await, None);
    let stage = async |now| home.store.stage(now).await.unwrap();
    assert_eq!(stage(5_019).await, Staged { ready: 0, next_due: Some(5_020) });
    assert_eq!(home.claim(&WIDE).await, None);
    assert_eq!(stage(5_020).await, Staged { ready: 1, next_due: None });
    assert_eq!(stage(5_021).await, Staged { ready: 0, next_due: None });
    assert_eq!(home.claim(&WIDE).await, Some(task));
}

#[tokio::test]
async fn only_what_can_start_is_ranked() {
    let home = Home::new();
    let running = home.running("a").await.task;
    let queued = home.queued("b").await;
    let asked = home.store.intake(Intake { mode: Mode::Ask, ..intake(vec![draft("c")]) }, 10).await.unwrap().new[0];
    let unranked = async |generation| {
        let rows = home.store.reader().unranked(generation, 10).await.unwrap();
        rows.into_iter().map(|it| it.task.id).collect::<Vec<_>>()
    };
    assert_eq!(unranked(1).await, [queued, asked]);
    for id in [running, queued, asked] {
        home.score(id, 2.0).await;
    }
    assert_eq!(home.task(running).await.score, 0.0);
    assert_eq!((home.task(queued).await.score, &*home.task(queued).await.score_reason), (2.0, "because"));
    assert_eq!(unranked(1).await, []);
    assert_eq!(unranked(2).await, [queued, asked], "another generation");
    assert_eq!(unranked(0).await, [queued, asked]);
    let scores = [(queued, 9.0), (asked, f64::NAN)];
    let scores = scores.map(|(task, value)| Score { task, value, reason: String::new() }).into();
    let error = home.store.rank(2, scores).await.unwrap_err();
    assert!(matches!(error, Error::Score(id) if id == asked), "{error}");
    assert_eq!(home.task(queued).await.score, 2.0, "all or none");
}

#[track_caller]
fn check_plan(home: &Home, sql: &str, step: &str) {
    let conn = home.raw();
    let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
    let rows = explain.query_map(rusqlite::params_from_iter(nulls), |row| row.get::<_, String>(3)).unwrap();
    let plan: Vec<String> = rows.map(|it| it.unwrap().replace("COVERING ", "")).collect();
    assert!(plan.iter().any(|it| it.contains(step)) && !plan.iter().any(|it| it.contains("ORDER BY")), "{plan:#?}");
}

#[tokio::test]
async fn what_a_claim_asks_is_answered_by_seeking() {
    let home = Home::new();
    check_plan(&home, super::STAGE, "SEARCH task USING INDEX task_due (due<?)");
    check_plan(&home, super::NEXT_DUE, "SEARCH task USING INDEX task_due");
    check_plan(&home, super::FIRST_REPOSITORY, "SCAN task USING INDEX task_ready");
    check_plan(&home, super::NEXT_REPOSITORY, "SEARCH task USING INDEX task_ready (repository>?)");
    check_plan(&home, super::BEST, "SEARCH task USING INDEX task_ready (repository=? AND has_change=?)");
    check_plan(&home, super::IN_REVIEW, "SEARCH task USING INDEX task_reviewed (repository=?)");
    check_plan(&home, super::RUNNING, "SEARCH task USING INDEX task_state (state=?)");
}

/// One move of the world that uses the store.
#[derive(Clone, Debug)]
enum Move {
    Add {
        repository: u8,
        score: i8,
    },
    Wait(i64),
    Claim,
    Finish(prop::sample::Index),
    Fail(prop::sample::Index),
    Interrupt(prop::sample::Index),
    /// What an older run says.
    Stale(prop::sample::Index),
    Pause(bool),
    Restart,
    Kill,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let pick = any::<prop::sample::Index>;
    let one = prop_oneof![
        6 => (0..4u8, -2..3i8).prop_map(|(repository, score)| Move::Add { repository, score }),
        8 => Just(Move::Claim),
        3 => (0..8_000i64).prop_map(Move::Wait),
        3 => pick().prop_map(Move::Finish),
        2 => pick().prop_map(Move::Fail),
        2 => pick().prop_map(Move::Interrupt),
        2 => pick().prop_map(Move::Stale),
        1 => any::<bool>().prop_map(Move::Pause),
        1 => Just(Move::Restart),
        1 => Just(Move::Kill),
    ];
    prop::collection::vec(one, 1..60)
}

/// What a queue that is right would hold, in a few lines.
#[derive(Clone, Debug)]
struct Entry {
    repository: String,
    score: f64,
    waiting_since: i64,
    due: Option<i64>,
    failures: usize,
    run: u32,
}

struct World {
    home: Home,
    now: i64,
    tasks: BTreeMap<TaskId, Entry>,
    running: Vec<TaskId>,
    paused: bool,
}

const TIGHT: Limits = Limits { concurrent: 4, per_repository: 2, open_changes: 9 };

impl World {
    async fn make(&mut self, it: Move) -> Result<(), TestCaseError> {
        match it {
            Move::Add { repository, score } => self.add(&format!("r{repository}"), f64::from(score)).await,
            Move::Wait(time) => self.now += time,
            Move::Claim => self.claim().await?,
            Move::Pause(paused) => {
                self.home.store.pause(paused, self.now).await.unwrap();
                self.paused = paused;
            }
            Move::Restart => self.home = std::mem::replace(&mut self.home, Home::new()).reopen().await,
            Move::Kill => self.home = self.home.killed(),
            Move::Stale(_) | Move::Finish(_) | Move::Fail(_) | Move::Interrupt(_) if self.running.is_empty() => (),
            Move::Stale(pick) => {
                let id = *pick.get(&self.running);
                let run = self.tasks[&id].run - 1;
                let told = self
                    .home
                    .store
                    .apply(id, Event::Answered { run, in_review: false }, With::default(), self.now)
                    .await;
                prop_assert!(matches!(told, Err(Error::Refused(_))));
            }
            Move::Finish(pick) => {
                self.end(pick, |run, _| Event::Answered { run, in_review: false }, |entry, _| entry.due = None).await
            }
            Move::Interrupt(pick) => {
                let event = |run, now| Event::Interrupted { run, now };
                self.end(pick, event, |entry, now| entry.due = Some(now)).await;
            }
            Move::Fail(pick) => {
                let event = |run, now| match failed(run, Reason::Engine) {
                    Event::Failed { run, failure, .. } => Event::Failed { run, failure, now },
                    other => other,
                };
                self.end(pick, event, |entry, now| {
                    entry.due = agentd_task::RETRY_PAUSES_MS.get(entry.failures).map(|pause| now + pause);
                    entry.failures += 1;
                })
                .await;
            }
        }
        Ok(())
    }

    async fn add(&mut self, repository: &str, score: f64) {
        let key = format!("k{}", self.tasks.len());
        let id = self.home.store.intake(intake(vec![of(repository, &key)]), self.now).await.unwrap().new[0];
        self.home.score(id, score).await;
        let (repository, due) = (repository.into(), Some(self.now));
        let entry = Entry { repository, score, waiting_since: self.now, due, failures: 0, run: 0 };
        self.tasks.insert(id, entry);
    }

    async fn end(
        &mut self,
        pick: prop::sample::Index,
        event: impl Fn(u32, i64) -> Event,
        then: impl Fn(&mut Entry, i64),
    ) {
        let id = self.running.remove(pick.index(self.running.len()));
        let entry = self.tasks.get_mut(&id).unwrap();
        then(entry, self.now);
        let event = event(entry.run, self.now);
        self.home.store.apply(id, event, With::default(), self.now).await.unwrap();
    }

    async fn claim(&mut self) -> Result<(), TestCaseError> {
        self.home.store.stage(self.now).await.unwrap();
        let claimed = self.home.store.claim(TIGHT, None, self.now).await.unwrap().map(|it| (it.task.id, it.task.run));
        let expected = self.expected();
        prop_assert_eq!(claimed.map(|it| it.0), expected);
        if let Some((id, run)) = claimed {
            prop_assert!(!self.running.contains(&id), "claimed twice");
            let entry = self.tasks.get_mut(&id).unwrap();
            (entry.run, entry.due) = (entry.run + 1, None);
            prop_assert_eq!(run, entry.run);
            self.running.push(id);
        }
        Ok(())
    }

    fn expected(&self) -> Option<TaskId> {
        let running_in = |name: &str| self.running.iter().filter(|id| self.tasks[id].repository == name).count();
        if self.paused || self.running.len() >= TIGHT.concurrent as usize {
            return None;
        }
        let may = |entry: &Entry| {
            entry.due.is_some_and(|due| due <= self.now)
                && running_in(&entry.repository) < TIGHT.per_repository as usize
        };
        let rank = |(id, entry): &(&TaskId, &Entry)| (-(entry.score as i64), entry.waiting_since, **id);
        self.tasks.iter().filter(|(_, entry)| may(entry)).min_by_key(rank).map(|(id, _)| *id)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order, restarts and kills included: each claim takes the task that the model takes,
    /// none is claimed twice, and the database stays sound.
    #[test]
    fn the_queue_does_what_its_model_does(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world =
                World { home: Home::new(), now: 100, tasks: BTreeMap::new(), running: Vec::new(), paused: false };
            for it in moves {
                world.make(it).await?;
            }
            prop_assert_eq!(world.home.store.reader().integrity().await.unwrap(), [""; 0]);
            Ok(())
        })?;
    }
}
