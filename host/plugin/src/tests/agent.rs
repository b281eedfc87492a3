//! An agent's instance: it lives through a run, ends with its first trap, and says the same again when replayed.

use super::*;
use crate::wit::activity::{Happening, Run};
use crate::wit::agent::{Exit, Line, Order};

fn run() -> Run {
    Run {
        id: "r-1".into(),
        task: task("t-1"),
        purpose: "execute".into(),
        prompt: "Mend it".into(),
        system: None,
        resume: None,
        new_session: "00000000-0000-4000-8000-000000000001".into(),
        model: None,
        workspace: "/workspace".into(),
        branch: "agentd/t-1".into(),
        base: "main".into(),
        base_commit: "0".repeat(40),
        home: "/home/agent".into(),
        endpoints: vec![],
        mcp_servers: vec![],
        max_turns: None,
        max_microusd: None,
        max_duration_ms: None,
        sandboxed: true,
        extra: vec![],
    }
}

fn lines(texts: &[&str]) -> Vec<Line> {
    let line = |text: &&str| Line { text: (*text).into(), stderr: false, cut: false, extra: vec![] };
    texts.iter().map(line).collect()
}

fn exit() -> Exit {
    Exit { code: Some(0), cause: "exited".into(), stderr: String::new(), extra: vec![] }
}

#[tokio::test]
async fn one_instance_goes_through_a_run_and_a_replay_says_the_same() {
    let house = House::new().await;
    let entry = house.does("nothing").await;
    assert_eq!(entry.needs().await.unwrap().check, ["true"]);
    let mut conclusions = vec![];
    for _ in 0..2 {
        let mut agent = entry.agent_run().await.unwrap();
        assert_eq!(agent.launch(run()).await.unwrap().argv, ["agent"]);
        let progress = agent.read(lines(&["one", "two"])).await.unwrap();
        let said: Vec<_> = progress.events.iter().map(|it| &it.happening).collect();
        assert!(matches!(said.as_slice(), [Happening::Message(one), Happening::Message(_)] if one.text == "one"));
        let order = Order { verb: "say".into(), text: "stop".into(), extra: vec![] };
        assert_eq!(agent.control(order).await.unwrap().send, "stop");
        conclusions.push(agent.conclude(exit()).await.unwrap());
        house.daemon.pass(1_000);
    }
    assert_eq!(conclusions[0], conclusions[1]);
    let answer = &conclusions[0].answer;
    assert!(answer.contains("name e, settings 3, now 0, kv denied, http denied, forge denied"), "{answer}");
    house.plugins.closed().await;
}

#[tokio::test]
async fn the_first_trap_ends_the_instance_and_a_new_one_goes_on() {
    let house = House::new().await;
    let entry = house.does("nothing").await;
    let mut agent = entry.agent_run().await.unwrap();
    agent.launch(run()).await.unwrap();
    let failure = agent.read(lines(&["fine", "panic"])).await.unwrap_err().to_string();
    assert!(failure.starts_with("plugin `hostile`, entry `e`: read failed: it trapped: it panicked"), "{failure}");
    assert!(failure.contains("a bad line"), "{failure}");
    assert_eq!(
        agent.read(lines(&["more"])).await.unwrap_err().to_string(),
        "the instance of plugin `hostile`, entry `e`, is gone: make a new one and replay the run"
    );
    let mut agent = entry.agent_run().await.unwrap();
    agent.launch(run()).await.unwrap();
    assert_eq!(agent.read(lines(&["fine"])).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn a_call_that_needs_long_has_the_next_calls_time_for_itself() {
    let house = House::new().await;
    let entry = house.does("nothing").await;
    let mut agent = entry.agent_run().await.unwrap();
    agent.launch(run()).await.unwrap();
    for _ in 0..100 {
        agent.read(lines(&["x"; 1_000])).await.unwrap();
    }
    let failure = agent.read(lines(&["loop"])).await.unwrap_err().to_string();
    assert!(failure.contains("it used more than its 5 s of CPU time"), "{failure}");
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_the_instance_whole() {
    let house = House::new().await;
    let mut agent = house.does("nothing").await.agent_run().await.unwrap();
    tokio::select! {
        biased;
        _ = agent.launch(run()) => panic!("it cannot be that quick"),
        () = std::future::ready(()) => (),
    }
    assert_eq!(agent.launch(run()).await.unwrap().argv, ["agent"]);
    let progress = agent.read(lines(&["long"])).await.unwrap();
    assert!(matches!(&progress.events[0].happening, Happening::Message(it) if it.text.len() == 256 << 10));
}

async fn check_plan(house: &House, does: &str, expected: &str) {
    let mut agent = house.does(does).await.agent_run().await.unwrap();
    let failure = agent.launch(run()).await.unwrap_err().to_string();
    assert!(failure.contains("launch failed: its answer makes no sense: ") && failure.contains(expected), "{failure}");
}

#[tokio::test]
async fn a_plan_that_reaches_out_of_the_run_is_refused() {
    let house = House::new().await;
    check_plan(&house, "no-argv", "the plan names no program").await;
    check_plan(&house, "file-outside", "the file `/etc/profile` does not lie below the run's home").await;
    check_plan(&house, "file-dots", "the file `/home/agent/../x` does not lie below").await;
    check_plan(&house, "bad-variable", "`A=B` is no name of a variable").await;
}
