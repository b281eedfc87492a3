//! What only a local sandbox can meet: processes of the same machine, and ids that are given twice.

use crate::rig::{Rig, local};
use agentd_executor::{Exit, State};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const UNKNOWN: State = State::Exited(Exit { code: None, oom: false });

fn record(control: &Path) -> (PathBuf, Value) {
    let path = control.join("local.json");
    let read = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    (path, read)
}

#[tokio::test]
async fn the_command_does_not_outlive_its_init() {
    local(async |rig: &Rig| {
        let sandbox = rig.shell("init", "echo $$; exec sleep 1000");
        rig.start(&sandbox).await;
        rig.until(&sandbox, "\n").await;
        let command = rig.said(&sandbox).stdout.trim().to_owned();
        let init = record(&sandbox.control).1["pid"].as_i64().unwrap();
        kill_process(Pid::from_raw(i32::try_from(init).unwrap()).unwrap(), Signal::KILL).unwrap();
        assert_eq!(State::Exited(rig.wait(&sandbox).await), UNKNOWN);
        // Dead, and buried by whoever buries orphans here: at most its name is left.
        let alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{command}/stat")).unwrap_or_default();
            stat.contains("(sleep)") && !stat.contains(") Z ")
        };
        while alive() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_process_id_of_somebody_else_is_left_alone() {
    local(async |rig: &Rig| {
        let sandbox = rig.shell("reused", "true");
        rig.finish(&sandbox).await;
        let (path, ours) = record(&sandbox.control);
        let me = std::process::id();
        let stranger = |pid: u32, start: &Value, boot: &str| json!({ "pid": pid, "start": start, "boot": boot });
        let boot = ours["boot"].as_str().unwrap();
        for other in [stranger(me, &ours["start"], boot), stranger(me, &json!(1), boot), stranger(me, &json!(1), "x")] {
            std::fs::write(&path, other.to_string()).unwrap();
            rig.executor.kill(&sandbox.name, &sandbox.control).await.unwrap();
            let state = rig.executor.state(&sandbox.name, &sandbox.control).await.unwrap();
            assert_eq!(state, State::Exited(Exit { code: Some(0), oom: false }), "{other}");
        }
    })
    .await;
}
