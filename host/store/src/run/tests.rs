//! Steps that are begun again, and output that is stored once.

use crate::{
    Begun, Error, RunKey,
    tests::{Home, event, failed},
};
use agentd_task::{Event, Reason, Status, Step, TaskId};

async fn begin(home: &Home, run: RunKey, step: Step, hash: &str) -> Result<Begun, Error> {
    home.store.begin_step(run, step, hash.into(), 21).await
}

async fn finish(home: &Home, run: RunKey, step: Step, output: &str) -> Result<(), Error> {
    home.store.finish_step(run, step, output.into(), vec![event("prepare.note")], 22).await
}

#[tokio::test]
async fn a_finished_step_is_not_done_again_unless_its_input_changed() {
    let home = Home::new();
    let run = home.running("a").await;
    assert_eq!(begin(&home, run, Step::Prepare, "h1").await.unwrap(), Begun::Fresh);
    assert_eq!(begin(&home, run, Step::Prepare, "h1").await.unwrap(), Begun::Again);
    finish(&home, run, Step::Prepare, r#"{"at":"x"}"#).await.unwrap();
    assert_eq!(begin(&home, run, Step::Prepare, "h1").await.unwrap(), Begun::Finished(r#"{"at":"x"}"#.into()));
    assert_eq!(begin(&home, run, Step::Prepare, "h2").await.unwrap(), Begun::Fresh);
    let steps = home.store.reader().steps(run).await.unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!((steps[0].input_hash.as_str(), &steps[0].output, steps[0].finished_at), ("h2", &None, None));
}

#[tokio::test]
async fn after_a_restart_the_finished_steps_are_found_and_the_rest_goes_on() {
    let home = Home::new();
    let run = home.running("a").await;
    for step in [Step::Prepare, Step::Execute] {
        begin(&home, run, step, "h").await.unwrap();
        finish(&home, run, step, "{}").await.unwrap();
    }
    begin(&home, run, Step::Collect, "h").await.unwrap();
    let home = home.reopen().await;
    assert!(matches!(home.task(run.task).await.task.status, Status::Running { step: Step::Collect, .. }));
    assert_eq!(begin(&home, run, Step::Prepare, "h").await.unwrap(), Begun::Finished("{}".into()));
    assert_eq!(begin(&home, run, Step::Execute, "h").await.unwrap(), Begun::Finished("{}".into()));
    assert_eq!(begin(&home, run, Step::Collect, "h").await.unwrap(), Begun::Again);
    assert_eq!(home.state(run.task).await, "running");
    assert!(matches!(begin(&home, run, Step::Prepare, "other").await, Err(Error::Refused(_))), "not backwards");
}

#[tokio::test]
async fn a_step_tells_that_it_began_and_finished() {
    let home = Home::new();
    let run = home.running("a").await;
    begin(&home, run, Step::Prepare, "h").await.unwrap();
    finish(&home, run, Step::Prepare, "{}").await.unwrap();
    let events = home.store.reader().events(2, 100, Some(run.task)).await.unwrap();
    let lines: Vec<_> = events.iter().map(|it| (it.kind.as_str(), it.text.as_str(), it.details.as_str())).collect();
    assert_eq!(
        lines,
        [
            ("step.started", "t-1 began step prepare of run 1", r#"{"step":"prepare"}"#),
            ("prepare.note", "It is prepare.note", "{}"),
            ("step.finished", "t-1 finished step prepare of run 1", r#"{"step":"prepare"}"#),
        ]
    );
}

#[tokio::test]
async fn what_an_ended_run_says_is_refused() {
    let home = Home::new();
    let run = home.running("a").await;
    begin(&home, run, Step::Prepare, "h").await.unwrap();
    home.apply(run.task, failed(1, Reason::Engine)).await;
    home.apply(run.task, Event::Claimed).await;
    assert!(matches!(begin(&home, run, Step::Execute, "h").await, Err(Error::Refused(_))));
    assert!(matches!(finish(&home, run, Step::Prepare, "{}").await, Err(Error::Refused(_))));
    let output = home.store.take_output(run, 0, 5, vec![], 22).await;
    assert!(matches!(output, Err(Error::Refused(_))));
    let second = RunKey { run: 2, ..run };
    assert_eq!(begin(&home, second, Step::Prepare, "h").await.unwrap(), Begun::Fresh, "each run has its own steps");
}

#[tokio::test]
async fn a_step_is_finished_once_and_only_if_it_was_begun() {
    let home = Home::new();
    let run = home.running("a").await;
    let error = finish(&home, run, Step::Prepare, "{}").await.unwrap_err();
    assert_eq!(error.to_string(), "step prepare of run 1 of t-1 was not started, or is finished already");
    begin(&home, run, Step::Prepare, "h").await.unwrap();
    finish(&home, run, Step::Prepare, "{}").await.unwrap();
    assert!(matches!(finish(&home, run, Step::Prepare, "{}").await, Err(Error::NoStep { .. })));
}

#[tokio::test]
async fn output_is_taken_once_in_order_with_its_events() {
    let home = Home::new();
    let run = home.running("a").await;
    let take = async |from, to, offsets: &[u64]| {
        let events = offsets.iter().map(|at| (*at, event("agent.message"))).collect();
        home.store.take_output(run, from, to, events, 22).await
    };
    take(0, 100, &[0, 40, 40]).await.unwrap();
    let again = take(0, 100, &[0, 40, 40]).await.unwrap_err();
    assert_eq!(
        again.to_string(),
        "the output of run 1 of t-1 is stored up to byte 100: a part from byte 0 does not follow it"
    );
    assert!(matches!(take(90, 120, &[]).await, Err(Error::Offset { stored: 100, .. })));
    assert!(matches!(take(100, 90, &[]).await, Err(Error::Offset { .. })));
    take(100, 120, &[100]).await.unwrap();
    assert_eq!(home.store.reader().run(run).await.unwrap().unwrap().spool_offset, 120);
    let messages = home.kinds(run.task).await.iter().filter(|it| *it == "agent.message").count();
    assert_eq!(messages, 4);
    let unknown = RunKey { task: TaskId(9), run: 1 };
    let error = home.store.take_output(unknown, 0, 1, vec![], 22).await.unwrap_err();
    assert_eq!(error.to_string(), "run 1 of t-9 does not exist");
}
