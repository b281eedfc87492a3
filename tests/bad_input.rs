//! Bad input, wherever it comes from: a message that says what, where and what to do; nothing lost; the daemon goes on.

mod agent;
mod change;
mod disk;
mod machine;
mod output;
mod plugin;
mod repository;

use crate::support::{Daemon, Home, Judge};

/// What every daemon has to be able to do, whatever happened before: a good task gets through.
///
/// It takes the agent `good`, and is the newest task.
#[track_caller]
fn a_good_task_gets_through(home: &Home, daemon: &Daemon<'_>) {
    home.task("good.md", "---\nagent: good\n---\n# Mend the greeting\n");
    let judge = Judge::new(home);
    let find = || {
        let shown: serde_json::Value = serde_json::from_str(&home.ok(&["--json", "task", "list"])).unwrap();
        let tasks = shown["tasks"].as_array().unwrap();
        tasks.iter().find(|it| it["key"] == "good.md").map(|it| it["id"].as_str().unwrap().to_owned())
    };
    let task = crate::support::wait_for("the good task is found", find);
    daemon.wait_for_state(&task, &["in-review"]);
    assert_eq!(home.git(&["show", &format!("agentd/{task}:greeting.txt")]), "hello");
    judge.is_sound();
}

/// A home whose agent `good` mends the greeting, and whose default agent is this one.
fn home_of(executor: &'static str, agent: &str) -> Home {
    Home::new(executor).agent(agent).and_agent("good", "cat > /dev/null; echo hello > greeting.txt; echo I mended it")
}

/// Every piece has to be in the text.
#[track_caller]
fn says(text: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is missing in: {text}");
    }
}
