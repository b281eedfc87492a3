//! agentd on GitHub: from a label to a merged pull request, seen as people see it there.
//!
//! GitHub is `agentd-fake-github`, which holds every request and each of its own answers against GitHub's description.

mod budget;
mod commands;
mod faults;
mod kills;
mod notify;
mod outsiders;
mod push;
mod review;
mod several;
mod thread;
mod way;

use crate::support::{Home, Hub, wait_for};

/// Mends the greeting, and keeps what it was told in the change.
const KEEPS_ITS_PROMPT: &str = "cat > prompt.txt; echo hello > greeting.txt; echo I mended it";

/// What the agent was told, if it keeps its prompt.
#[track_caller]
fn prompt(hub: &Hub, home: &Home, task: &str) -> String {
    hub.file(home, task, "prompt.txt").expect("the agent kept its prompt")
}

/// How often agentd has looked for issues.
fn polls(hub: &Hub) -> u64 {
    let requests = hub.usage().requests;
    ["GET /repos/{owner}/{repo}/issues", "GET /search/issues"].iter().filter_map(|it| requests.get(*it)).sum()
}

/// Waits until agentd has looked for issues so many times more.
#[track_caller]
fn wait_for_polls(hub: &Hub, times: u64) {
    let before = polls(hub);
    wait_for("agentd looks for issues", || (polls(hub) >= before + times).then_some(()));
}
