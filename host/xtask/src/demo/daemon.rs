//! The daemon as a child, and the log of events as its users follow it.

use super::scene::Scene;
use anyhow::{Context, Result, bail, ensure};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// `agentd start --foreground`. Dropping it kills the daemon: nothing of a demo that failed stays behind.
pub(super) struct Daemon<'a> {
    scene: &'a Scene,
    child: Child,
}

impl Daemon<'_> {
    /// Starts it and waits until it answers on its socket.
    pub(super) fn start(scene: &Scene) -> Result<Daemon<'_>> {
        let log = OpenOptions::new().create(true).append(true).open(scene.log()).context("opening the daemon's log")?;
        let also = log.try_clone().context("opening the daemon's log")?;
        let mut command = scene.command(&["start", "--foreground"]);
        let child = command.stdin(Stdio::null()).stdout(log).stderr(also).spawn().context("starting agentd")?;
        let mut daemon = Daemon { scene, child };
        let end = Instant::now() + START_LIMIT;
        while UnixStream::connect(scene.home().join("agentd.sock")).is_err() {
            if let Some(status) = daemon.ended()? {
                bail!("`agentd start --foreground` ended with {status}");
            }
            ensure!(Instant::now() < end, "the daemon does not answer after {} s", START_LIMIT.as_secs());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }

    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("watching the daemon")
    }

    /// SIGKILL: no handler runs, nothing is written any more.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill().and_then(|()| self.child.wait()).context("killing the daemon").map(|_| ())
    }

    /// Asks it to stop, and sees that it does.
    pub(super) fn stop(mut self) -> Result<()> {
        self.scene.agentd(&["stop"])?;
        let end = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.ended()? {
                ensure!(status.success(), "the daemon ended with {status}");
                return Ok(());
            }
            ensure!(Instant::now() < end, "the daemon has not stopped after {} s", STOP_LIMIT.as_secs());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // So that no container of a failed demo stays; a daemon that does not listen any more is killed.
            self.scene.agentd(&["stop", "--now"]).ok();
            self.child.kill().and_then(|()| self.child.wait()).ok();
        }
    }
}

/// `agentd events -f --json`, line by line.
pub(super) struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    /// Follows from the event after `after`.
    pub(super) fn start(scene: &Scene, after: i64) -> Result<Follower> {
        let mut command = scene.command(&["events", "-f", "--json", "--after", &after.to_string()]);
        // That its stream breaks off when the daemon is killed is no news for the one who reads the demo.
        let log = OpenOptions::new().append(true).open(scene.log()).context("opening the daemon's log")?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().context("following the events")?;
        let stdout = child.stdout.take().context("`agentd events` has no stdout")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // An empty line only says that the daemon is still there.
                if !line.is_empty() && sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Follower { child, lines })
    }

    /// The next line; `None` when none came in time.
    pub(super) fn next(&mut self, patience: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().context("waiting for `agentd events`")?;
                bail!("`agentd events -f` ended with {status}")
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}
