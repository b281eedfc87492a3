//! Calls are booked and added up.

use crate::{ModelCall, Spent, tests::Home};

fn call(home_run: crate::RunKey, model: &str, cost: u64, complete: bool) -> ModelCall {
    ModelCall {
        run: home_run,
        account: "claude".into(),
        model: model.into(),
        input_tokens: 10,
        output_tokens: 2,
        cache_read_tokens: 100,
        cache_write_tokens: 5,
        cost_microusd: cost,
        complete,
    }
}

#[tokio::test]
async fn what_was_spent_adds_up_by_run_task_and_day() {
    let home = Home::new();
    let (first, second) = (home.running("a").await, home.running("b").await);
    for (run, cost, at) in [(first, 7, 100), (first, 5, 200), (second, 1, 200)] {
        home.store.book(call(run, "m", cost, true), at).await.unwrap();
    }
    let spent = |run: crate::RunKey, since| home.store.reader().spent(run.task, run.run, since);
    assert_eq!(spent(first, 0).await.unwrap(), Spent { run: 12, task: 12, day: 13 });
    assert_eq!(spent(first, 150).await.unwrap(), Spent { run: 12, task: 12, day: 6 });
    assert_eq!(spent(second, 201).await.unwrap(), Spent { run: 1, task: 1, day: 0 });
    assert_eq!(home.store.reader().spent_since(150).await.unwrap(), 6);
}

#[tokio::test]
async fn usage_is_told_model_by_model_with_what_is_estimated() {
    let home = Home::new();
    let run = home.running("a").await;
    for (model, complete) in [("big", true), ("small", true), ("big", false)] {
        home.store.book(call(run, model, 3, complete), 100).await.unwrap();
    }
    let usage = home.store.reader().usage(run.task).await.unwrap();
    let seen: Vec<_> = usage.iter().map(|it| (it.model.as_str(), it.calls, it.estimated, it.input_tokens)).collect();
    assert_eq!(seen, [("big", 2, 1, 20), ("small", 1, 0, 10)]);
}

#[tokio::test]
async fn an_upstream_that_claims_anything_breaks_no_sum() {
    let home = Home::new();
    let run = home.running("a").await;
    for _ in 0..3 {
        home.store.book(ModelCall { cost_microusd: u64::MAX, ..call(run, "m", 0, true) }, 1).await.unwrap();
    }
    assert_eq!(home.store.reader().spent(run.task, run.run, 0).await.unwrap().run, 3 << 50);
}
