//! What is watched where the task was there before.

use super::*;
use crate::{
    cli::{Cli, print::Out},
    server::tests::Daemon,
};
use agentd_store::With;
use agentd_task::{Event, Thread};
use clap::Parser;

/// An issue, as `run --issue` hands it in.
fn issue() -> Submission {
    let thread = Thread { repository: "acme/api".into(), number: 1 };
    Submission {
        key: thread.to_string(),
        thread: Some(thread),
        title: "Mend the greeting".into(),
        repository: "acme/api".into(),
        requested_at: Some(now()),
        mode: Mode::Auto,
        ..Submission::default()
    }
}

/// How it ends for the person who watches.
async fn seen(daemon: &Daemon) -> String {
    let home = daemon.home.path().display().to_string();
    let cli = Cli::try_parse_from(["agentd", "--quiet", "--home", &home, "status"]).unwrap();
    let mut context = Context::for_test(cli.global, Out::to(Box::new(std::io::sink()), false));
    let result = watched(&mut context, &Client::new(&daemon.home), issue(), true).await;
    result.map_or_else(|error| error.text, |()| "fine".into())
}

#[tokio::test]
async fn an_issue_that_was_done_before_is_watched_from_its_new_run_on() {
    let daemon = Daemon::start();
    daemon.post("/v1/tasks", serde_json::to_value(issue()).unwrap()).await;
    daemon.store.apply(TaskId(1), Event::Cancelled, With::default(), 1_700_000_000_001).await.unwrap();
    let again = async {
        let mut latest = daemon.store.latest();
        while daemon.store.reader().task(TaskId(1)).await.unwrap().unwrap().task.status.is_over() {
            latest.changed().await.unwrap();
        }
        // More than somebody needs who takes the end of the run before for the end.
        for _ in 0..50 {
            Client::new(&daemon.home).health().await.unwrap();
        }
    };
    let mut watching = pin!(seen(&daemon));
    tokio::select! {
        said = &mut watching => panic!("it ended before the new run did: {said}"),
        () = again => daemon.store.apply(TaskId(1), Event::Cancelled, With::default(), now()).await.unwrap(),
    };
    let said = watching.await;
    assert!(said.starts_with("t-1 is cancelled: "), "{said}");
}

#[tokio::test]
async fn a_task_that_rests_is_shown_as_it_is() {
    let daemon = Daemon::start();
    let waiting = Submission { mode: Mode::Ask, ..issue() };
    daemon.post("/v1/tasks", serde_json::to_value(waiting).unwrap()).await;
    let said = seen(&daemon).await;
    assert_eq!(said, "t-1 is waiting: waits for a person to start it: agentd task start t-1");
}
