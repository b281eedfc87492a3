//! Models that fail, money that runs out, a daemon that is killed in the middle of a call, and agents that look for keys.
//!
//! The real agents' programs, in containers, against a scripted model on this machine.

mod endings;
mod kill;
mod money;
mod probe;

use crate::support::{Daemon, Home, Judge, Provider, StoredEvent, Turn, wait_for};
use serde_json::Value;

const AGENTS: [Provider; 2] = [Provider::Anthropic, Provider::OpenAi];

/// Mends the greeting.
fn mending() -> [Turn; 2] {
    [Turn::bash("echo hello > greeting.txt"), Turn::text("I mended the greeting.")]
}

/// A task for the agent of this name, which is also the file's.
fn task(home: &Home, agent: &str) {
    home.task_for(agent, "# Mend the greeting");
}

/// The id of the task that came from this agent's file.
#[track_caller]
fn id_of(home: &Home, agent: &str) -> String {
    let file = format!("{agent}.md");
    wait_for("the task is found", || {
        let list: Value = serde_json::from_str(&home.ok(&["--json", "task", "list"])).unwrap();
        let tasks = list["tasks"].as_array().unwrap();
        tasks.iter().find(|it| it["key"] == *file).map(|it| it["id"].as_str().unwrap().to_owned())
    })
}

fn number(task: &str) -> i64 {
    task.trim_start_matches("t-").parse().unwrap()
}

/// The judge's word on all tasks, in whatever order they came in.
#[track_caller]
fn all_is_well(home: &Home, tasks: &[String]) {
    let mut numbers: Vec<i64> = tasks.iter().map(|it| number(it)).collect();
    numbers.sort_unstable();
    Judge::new(home).all_is_well(&numbers);
}

/// Waits until a run of the task is over: the event that says so.
#[track_caller]
fn end_of(daemon: &Daemon<'_>, home: &Home, task: &str, run: u32) -> StoredEvent {
    let judge = Judge::new(home);
    let is_end = |it: &StoredEvent| it.run == Some(run) && it.details["former"] == "running";
    let found = || judge.events_of(number(task)).into_iter().find(is_end);
    wait_for(&format!("run {run} of {task} is over (daemon {})", daemon.pid()), found)
}

/// The refusals that were told of, each with the line of the configuration that would help.
fn refusals(home: &Home, task: &str) -> Vec<(String, String, String)> {
    let refused = Judge::new(home).events_of(number(task)).into_iter().filter(|it| it.kind == "gateway.refused");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    refused.map(|it| (text(&it.details["what"]), text(&it.details["why"]), text(&it.details["allow"]))).collect()
}
