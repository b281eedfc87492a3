//! The init process of a local sandbox, found again by what it wrote down of itself.
//!
//! A process id alone may be somebody else's by now: the start time and the boot have to fit too. Signals go through a
//! pidfd that was checked after it was opened, so that they hit that very process or none.

use crate::{Error, error::io_at};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Rounds of looking for descendants that were born while the last ones were signalled.
const ROUNDS: u32 = 16;
/// How long one look at a process may block its thread.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// Where init writes who it is.
pub(super) fn record_path(control: &Path) -> PathBuf {
    control.join("local.json")
}

/// What init wrote: `{"pid": 17, "start": 4711, "boot": "…"}`.
#[derive(Deserialize)]
struct Record {
    pid: i32,
    /// Clock ticks since boot.
    start: u64,
    boot: String,
}

/// The init process of a sandbox, dead or alive.
pub(super) struct Process {
    pid: i32,
    start: u64,
    /// None: it is over.
    handle: Option<Arc<OwnedFd>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Runs,
    Stopped,
    Over,
}

/// The process of a control folder; none: none was ever started.
pub(super) fn recorded(control: &Path) -> Result<Option<Process>, Error> {
    let path = record_path(control);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_at("reading", path)(error)),
    };
    let Record { pid, start, boot } = serde_json::from_slice(&text).map_err(io_at("reading", &path))?;
    let here = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(io_at("reading", "/proc"))?;
    let raw = Pid::from_raw(pid).filter(|_| pid > 1 && here.trim() == boot);
    let handle = match raw.map(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK)) {
        Some(Ok(handle)) => Some(handle),
        Some(Err(Errno::SRCH)) | None => None,
        Some(Err(error)) => return Err(io_at("looking at the process of", path)(error)),
    };
    // Between the record and the handle the id may have passed on to another process: its start time tells.
    let handle = handle.filter(|_| stat(pid).is_some_and(|it| it.start == start));
    Ok(Some(Process { pid, start, handle: handle.map(Arc::new) }))
}

impl Process {
    pub(super) fn life(&self) -> Life {
        match stat(self.pid).filter(|it| self.handle.is_some() && it.start == self.start) {
            Some(Stat { state: 'Z' | 'X', .. }) | None => Life::Over,
            Some(Stat { state: 'T', .. }) => Life::Stopped,
            Some(_) => Life::Runs,
        }
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&self) -> Result<(), Error> {
        let Some(handle) = &self.handle else { return Ok(()) };
        loop {
            let handle = Arc::clone(handle);
            // The kernel wakes the thread at the end; the deadline only bounds how long it outlives a dropped future.
            let look = move || poll(&mut [PollFd::new(&*handle, PollFlags::IN)], Some(&LOOK));
            match tokio::task::spawn_blocking(look).await {
                Ok(Ok(0) | Err(Errno::INTR)) => (),
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(io_at("waiting for process", self.pid.to_string())(error)),
                Err(error) => return Err(io_at("waiting for process", self.pid.to_string())(error)),
            }
        }
    }

    /// Sends it a signal. A process that is gone does not mind.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(handle) = &self.handle
            && let Err(error) = pidfd_send_signal(&**handle, signal)
        {
            tracing::debug!(%error, pid = self.pid, ?signal, "Process is gone");
        }
    }

    /// Sends a signal to everything it started, and to what they started. Nothing gets out of that tree: init is
    /// where orphans go.
    pub(super) fn signal_descendants(&self, signal: Signal) {
        if self.life() == Life::Over {
            return;
        }
        let mut reached = BTreeSet::new();
        for _ in 0..ROUNDS {
            let new: Vec<_> = descendants(self.pid).into_iter().filter(|it| !reached.contains(it)).collect();
            if new.is_empty() {
                return;
            }
            for &pid in &new {
                reached.insert(pid);
                if let Some(Err(error)) = Pid::from_raw(pid).map(|it| rustix::process::kill_process(it, signal)) {
                    tracing::debug!(%error, pid, ?signal, "Process is gone");
                }
            }
        }
    }

    /// Lets everything go on: the command first, so that init never waits for a frozen one.
    pub(super) fn go_on(&self) {
        self.signal_descendants(Signal::CONT);
        self.signal(Signal::CONT);
    }

    /// Waits until the stop signal has arrived, which the kernel delivers in its own time.
    pub(super) async fn stopped(&self) {
        while self.life() == Life::Runs {
            tokio::task::yield_now().await;
        }
    }
}

struct Stat {
    state: char,
    parent: i32,
    start: u64,
}

/// `/proc/PID/stat`, of which the second field is a name in parentheses that may hold anything.
fn stat(pid: i32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<_> = fields.split(' ').collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// The processes below one, parents before children.
fn descendants(root: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok())
            && let Some(stat) = stat(pid)
        {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        let born = children.remove(&parent).unwrap_or_default();
        found.extend(&born);
        next.extend(born);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_hides_nothing() {
        let rest = "S 41 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1000 10";
        let stat = parse(&format!("42 (a) R 1 (b) {rest}")).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start), ('S', 41, 4711));
    }

    #[test]
    fn this_process_is_below_its_parent() {
        let me = i32::try_from(std::process::id()).unwrap();
        let parent = stat(me).unwrap().parent;
        assert!(descendants(parent).contains(&me));
    }
}
