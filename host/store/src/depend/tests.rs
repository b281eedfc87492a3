//! Tasks that wait for others.

use crate::{
    RunKey,
    tests::{Home, WIDE, draft, failed, intake},
};
use agentd_task::{Draft, Event, Reason, TaskId};

fn needs(key: &str, wanted: &[&str]) -> Draft {
    Draft { depends_on: wanted.iter().map(|it| (*it).into()).collect(), ..draft(key) }
}

impl Home {
    async fn reason(&self, id: TaskId) -> String {
        self.task(id).await.reason
    }

    async fn answer(&self, task: TaskId) {
        self.apply(task, Event::Claimed).await;
        self.apply(task, Event::Answered { run: 1, in_review: false }).await;
    }
}

#[tokio::test]
async fn a_task_waits_until_what_it_needs_is_done() {
    let home = Home::new();
    let ids = home.take(vec![needs("b", &["a"]), draft("a"), needs("c", &["t-1", "a"])]).await;
    let [b, a, c] = ids[..] else { panic!("{ids:?}") };
    assert_eq!(home.task(c).await.depends_on, [b.to_string(), a.to_string()]);
    assert_eq!(home.reason(b).await, "waits for t-2");
    assert_eq!(home.reason(c).await, "waits for t-1 and t-2");
    assert_eq!(home.store.reader().dependents(a).await.unwrap(), 2);
    assert_eq!(home.claim(&WIDE).await, Some(a));
    assert_eq!(home.claim(&WIDE).await, None, "b and c wait");
    home.apply(a, Event::Answered { run: 1, in_review: false }).await;
    assert_eq!(home.claim(&WIDE).await, Some(b), "in the same transaction");
    assert_eq!(home.reason(c).await, "waits for t-1");
    assert_eq!(home.task(c).await.depends_on, [b.to_string()]);
    let queue = home.store.reader().queue(10).await.unwrap();
    assert_eq!(queue.iter().map(|it| it.task.id).collect::<Vec<_>>(), [c]);
}

#[tokio::test]
async fn what_failed_or_was_cancelled_keeps_its_dependents_waiting() {
    let home = Home::new();
    let ids = home.take(vec![draft("a"), draft("b"), needs("c", &["a", "b"])]).await;
    home.apply(ids[0], Event::Claimed).await;
    home.apply(ids[0], failed(1, Reason::Gate)).await;
    home.apply(ids[1], Event::Cancelled).await;
    assert_eq!(home.reason(ids[2]).await, "waits for t-1, which failed and t-2, which was cancelled");
    assert_eq!(home.claim(&WIDE).await, None);
}

#[tokio::test]
async fn a_name_nobody_has_blocks_from_the_moment_somebody_has_it() {
    let home = Home::new();
    let b = home.take(vec![needs("b", &["a", "7", "t-99"])]).await[0];
    assert_eq!(home.task(b).await.depends_on, [""; 0]);
    assert_eq!(home.reason(b).await, "starts when the limits allow it");
    let elsewhere = crate::Intake { source: "other".into(), ..intake(vec![draft("a")]) };
    home.store.intake(elsewhere, 10).await.unwrap();
    assert_eq!(home.task(b).await.depends_on, [""; 0], "another source's key");
    let a = home.queued("a").await;
    assert_eq!(home.task(b).await.depends_on, [a.to_string()]);
    home.answer(a).await;
    assert_eq!(home.task(b).await.depends_on, [""; 0]);
}

#[tokio::test]
async fn what_runs_already_is_not_stopped_by_a_new_dependency() {
    let home = Home::new();
    let b = home.take(vec![needs("b", &["a"])]).await[0];
    home.apply(b, Event::Claimed).await;
    home.queued("a").await;
    let row = home.apply(b, Event::Interrupted { run: 1, now: 20 }).await;
    assert_eq!(row.reason, "waits for t-2", "but it does not start again before");
}

#[tokio::test]
async fn the_edge_that_would_close_a_cycle_is_left_out_and_told() {
    let home = Home::new();
    let ids = home.take(vec![needs("a", &["c", "a"]), needs("b", &["a"]), needs("c", &["b"])]).await;
    assert_eq!(home.task(ids[2]).await.depends_on, ["t-2"]);
    assert_eq!(home.task(ids[0]).await.depends_on, [""; 0], "a waits for nobody, since c waits for it");
    let cycle = "task.dependency-cycle";
    assert_eq!(home.kinds(ids[0]).await, ["task.queued", cycle, cycle], "a names itself as well");
    assert_eq!(home.claim(&WIDE).await, Some(ids[0]));
}

#[tokio::test]
async fn dependencies_follow_the_source() {
    let home = Home::new();
    let ids = home.take(vec![draft("a"), needs("b", &["a"])]).await;
    home.take(vec![needs("b", &[])]).await;
    assert_eq!(home.task(ids[1]).await.depends_on, [""; 0]);
    assert_eq!(home.store.reader().dependents(ids[0]).await.unwrap(), 0);
    home.take(vec![needs("b", &["t-1"])]).await;
    assert_eq!(home.reason(ids[1]).await, "waits for t-1");
}

#[tokio::test]
async fn what_was_done_and_is_asked_for_anew_blocks_again() {
    let home = Home::new();
    let ids = home.take(vec![draft("a"), needs("b", &["a"])]).await;
    home.answer(ids[0]).await;
    home.apply(ids[0], Event::Reopened { now: 20, mode: agentd_task::Mode::Auto }).await;
    assert_eq!(home.reason(ids[1]).await, "waits for t-1");
    let run = RunKey { task: ids[0], run: 2 };
    home.apply(run.task, Event::Claimed).await;
    home.apply(run.task, Event::Answered { run: 2, in_review: false }).await;
    assert_eq!(home.claim(&WIDE).await, Some(ids[1]));
    assert_eq!(home.store.reader().integrity().await.unwrap(), [""; 0]);
}
