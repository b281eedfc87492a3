//! A daemon in the foreground, as a child of the test.

use super::{Home, Judge, wait_for};
use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt,
    process::{Child, Stdio},
};

pub(crate) struct Daemon<'a> {
    home: &'a Home,
    child: Child,
}

impl<'a> Daemon<'a> {
    /// Starts it and waits until it answers.
    #[track_caller]
    pub(crate) fn start(home: &'a Home) -> Daemon<'a> {
        let mut daemon = Daemon::spawn(home);
        wait_for("the daemon answers", || {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}");
            }
            std::os::unix::net::UnixStream::connect(home.home().join("agentd.sock")).ok()
        });
        daemon
    }

    /// Starts it and waits for nothing.
    pub(crate) fn spawn(home: &'a Home) -> Daemon<'a> {
        let log = OpenOptions::new().create(true).append(true).open(home.path("daemon.log")).unwrap();
        let child = home
            .command()
            .args(["start", "--foreground"])
            .env("AGENTD_LOG", "info")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Daemon { home, child }
    }

    /// SIGKILL, and nothing else.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it by the command line; its exit code.
    #[track_caller]
    pub(crate) fn stop(mut self, flags: &[&str]) -> Option<i32> {
        self.home.ok(&[&["stop"], flags].concat());
        self.child.wait().unwrap().code()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a task has failed for good: the word for why, and the text for people.
    #[track_caller]
    pub(crate) fn wait_for_failure(&self, task: &str) -> (String, String) {
        self.wait_for_state(task, &["failed"]);
        let id = task.trim_start_matches("t-").parse().unwrap();
        let events = Judge::new(self.home).events_of(id);
        let failed = events.into_iter().rfind(|it| it.kind == "task.failed").unwrap();
        (failed.details["reason"].as_str().unwrap_or_default().into(), failed.text)
    }

    /// Waits until a task failed and is queued to be tried again: the word for why, and the text for people.
    #[track_caller]
    pub(crate) fn wait_for_retry(&self, task: &str) -> (String, String) {
        let (judge, id) = (Judge::new(self.home), task.trim_start_matches("t-").parse().unwrap());
        wait_for("it is queued again", || {
            let again = |it: &super::StoredEvent| it.kind == "task.queued" && it.details["former"] == "running";
            let event = judge.events_of(id).into_iter().rfind(again)?;
            Some((event.details["reason"].as_str().unwrap_or_default().into(), event.text))
        })
    }

    /// Waits until a task is in one of these states.
    #[track_caller]
    pub(crate) fn wait_for_state(&self, task: &str, states: &[&str]) -> String {
        let judge = Judge::new(self.home);
        let began = std::time::Instant::now();
        loop {
            // Read once: it may change between two looks.
            let state = judge.state(task);
            if let Some(state) = state.as_ref().filter(|it| states.contains(&it.as_str())) {
                return state.clone();
            }
            let over = matches!(state.as_deref(), Some("failed" | "cancelled" | "done"));
            if over || began.elapsed() > super::PATIENCE {
                let shown = self.home.agentd(&["task", "show", task]);
                panic!("{task} is {state:?}, expected {states:?}: {}", shown.stdout);
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
