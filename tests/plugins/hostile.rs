//! All that a plugin can do wrong, at once, while honest ones serve.

use super::{AGENT, says, wait_for_event};
use crate::support::{Daemon, Home, Judge, hostile_plugin};
use std::fs;

/// Every way of a notifier, a source and a prompt template to misbehave that costs the host something.
const WAYS: [&str; 9] = ["loop", "memory", "stack", "panic", "exit", "shout", "many", "long", "hollow"];

/// Resident memory of a process, in MiB.
fn resident_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() >> 10
}

#[test]
fn hostile_plugins_all_at_once_hold_up_no_honest_one() {
    let mut sections = String::new();
    for does in WAYS {
        let uses = format!("plugin = \"hostile\"\nsettings = {{ does = \"{does}\" }}\n");
        sections.push_str(&format!("[sources.{does}]\n{uses}repository = \"acme/notes\"\ninterval = \"1s\"\n"));
        sections.push_str(&format!("[notifiers.{does}]\n{uses}events = [\"task.*\"]\n"));
    }
    let home = Home::new("local").agent(AGENT).plugin("hostile.wasm", hostile_plugin());
    let quiet = {
        let daemon = Daemon::start(&home);
        super::a_task_gets_through(&home, &daemon, 1);
        let resident = resident_mib(daemon.pid());
        assert_eq!(daemon.stop(&[]), Some(0));
        resident
    };
    let home = home.more(&sections);
    let daemon = Daemon::start(&home);
    // What sources brought in beside is theirs; the honest source's tasks are those of its own files.
    for number in 2..=6 {
        home.task(&format!("honest-{number}.md"), "# Mend the greeting\n\nIt says helo.\n");
    }
    for number in 2..=6 {
        let key = format!("honest-{number}.md");
        let id = crate::support::wait_for("the honest task is there", || {
            let list: serde_json::Value =
                serde_json::from_str(&home.ok(&["--json", "task", "list", "--source", "tasks"])).ok()?;
            let found = list["tasks"].as_array()?.iter().find(|it| it["key"] == key.as_str())?;
            Some(found["id"].as_str()?.to_owned())
        });
        daemon.wait_for_state(&id, &["in-review"]);
    }
    let grown = resident_mib(daemon.pid()).saturating_sub(quiet);
    assert!(grown < 128, "resident memory grew by {grown} MiB over {quiet} MiB");
    wait_for_event(&home, "plugin.opened", "hostile");
    says(&home.ok(&["plugin", "list"]), &["label-priority", "serving"]);
    Judge::new(&home).is_sound();
    assert_eq!(daemon.stop(&["--now"]), Some(0));
}
