//! A full disk: the home is a small file system of its own, filled while a task runs.

use super::says;
use crate::support::{Daemon, Home, Judge, wait_for};
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system of so many MiB at a folder; it goes with this value.
struct Mounted(PathBuf);

impl Mounted {
    #[track_caller]
    fn at(folder: &Path, size: &str) -> Mounted {
        fs::create_dir(folder).unwrap();
        let options = format!("size={size},mode=0700");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "agentd-test"]).arg(folder).status();
        assert!(done.unwrap().success(), "mounting needs root");
        Mounted(folder.into())
    }

    /// Takes all the room that there is.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filling");
        let mut file = fs::File::create(&path).unwrap();
        let mut piece = vec![0_u8; 1 << 20];
        while !piece.is_empty() {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_disk_delays_a_task_and_loses_nothing() {
    // It waits for the disk to be full, and for as long as it is it cannot do its work.
    let agent = "cat > /dev/null; echo I begin; while [ ! -e ../../../../go ]; do sleep 0.05; done; \
                 head -c 300000 /dev/zero > zero.bin && rm zero.bin && echo hello > greeting.txt; echo done";
    let home = Home::new("local").agent(agent);
    let disk = Mounted::at(&home.home(), "64m");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    let judge = Judge::new(&home);
    wait_for("the agent speaks", || judge.events_of(1).iter().any(|it| it.kind == "agent.message").then_some(()));
    let filling = disk.fill();
    fs::write(home.path("go"), "").unwrap();
    wait_for("the log says why", || home.log().contains("make room").then_some(()));
    says(&home.ok(&["status"]), &["running"]);
    fs::remove_file(filling).unwrap();
    daemon.wait_for_state("t-1", &["in-review"]);
    let reasons: Vec<String> = judge.events_of(1).iter().map(|it| format!("{} {}", it.kind, it.text)).collect();
    assert!(reasons.iter().any(|it| it.starts_with("task.queued") && it.contains("room")), "{reasons:#?}");
    judge.all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_daemon_does_not_start_on_a_full_disk_and_says_why() {
    let home = Home::new("local");
    let disk = Mounted::at(&home.home(), "64m");
    fs::set_permissions(home.home(), fs::Permissions::from_mode(0o700)).unwrap();
    let filling = disk.fill();
    let started = home.agentd(&["start", "--foreground"]);
    assert_ne!(started.code, Some(0), "{started:?}");
    says(&started.stderr, &["No space left on device"]);
    fs::remove_file(filling).unwrap();
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
}
