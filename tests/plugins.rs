//! Plugins that come, change, go wrong and go, while the daemon runs.

mod approval;
mod authors;
mod generations;
mod hostile;

use crate::support::{Daemon, Home, Judge, StoredEvent, wait_for};
use serde_json::Value;

const AGENT: &str = "cat > /dev/null; echo hello > greeting.txt; echo I mended it";

/// A home whose prioritizer is the plugin that misbehaves on demand.
fn home_with_prioritizer(does: &str) -> Home {
    let section = format!("[prioritizer]\nplugin = \"hostile\"\nsettings = {{ does = \"{does}\" }}");
    Home::new("local").agent(AGENT).more(&section)
}

/// Waits until the plugin stands as expected, and gives what the list says then.
#[track_caller]
fn wait_until(home: &Home, plugin: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(home.listed(plugin)).filter(&is))
}

/// Waits for an event about the plugin.
#[track_caller]
fn wait_for_event(home: &Home, kind: &str, plugin: &str) -> StoredEvent {
    let judge = Judge::new(home);
    let is = |it: &StoredEvent| it.kind == kind && it.details["plugin"] == plugin;
    wait_for(kind, || judge.events().into_iter().rfind(is))
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// A task goes all its way.
#[track_caller]
fn a_task_gets_through(home: &Home, daemon: &Daemon<'_>, number: u32) {
    home.task(&format!("{number}.md"), "# Mend the greeting\n\nIt says helo.\n");
    daemon.wait_for_state(&format!("t-{number}"), &["in-review"]);
}
