//! What is to be run, and within which walls: values only.
//!
//! A command's environment, its input and its files may hold secrets or other people's text; `Debug` shows none of it.

use std::{fmt, path::PathBuf};

/// One command in its walls.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// `agentd-<instance>-<task>-<run>[-<purpose>]`: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// `agentd.task`, `agentd.run` and so on; `agentd.instance` is added.
    pub labels: Vec<(String, String)>,
    /// The image's name; unused by `local`.
    pub image: String,
    /// The `agentd-init` program on this machine.
    pub init: PathBuf,
    /// A folder on this machine for this sandbox alone: `launch.json` and `spool/frames` are made in it. It has to be
    /// closed to everybody else (0700, the daemon's own).
    pub control: PathBuf,
    pub mounts: Vec<Mount>,
    /// None: there is no way out. `local` ignores it: a plain process has its own way out.
    pub gateway: Option<Gateway>,
    /// `local` ignores it: all plain processes share the machine's network.
    pub network: Network,
    pub command: Command,
    pub limits: Limits,
}

/// The sandbox's only way out: `agentd-init` listens on 127.0.0.1 and hands each connection to a socket in a folder of
/// this machine, which may come and go with the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The *folder* is mounted, read-only, at `/agentd/gateway`: what is bound in it anew is found. Init opens the
    /// socket as root, so a folder of root's that is closed to others (0700) is closed to the command too.
    pub folder: PathBuf,
    /// The name of the socket in the folder.
    pub socket: String,
    /// The port at 127.0.0.1 inside; never 0.
    pub port: u16,
}

/// Whose network a sandbox has. Neither leads anywhere but to 127.0.0.1 and, by way of a [`Gateway`], out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    #[default]
    Own,
    /// That of the sandbox of this name, which has to run. The way out is then that one's.
    Of(String),
}

/// A container that belongs to a run and is reached at 127.0.0.1 by the sandboxes that share its network: a database, a
/// cache. It runs its image's own programs, so it has a writable root, the image's user, and the few rights that
/// programs need which begin as root.
#[derive(Clone)]
pub struct Service {
    /// As a sandbox's: it is listed, paused and removed under this name.
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub image: String,
    pub env: Vec<(String, String)>,
    /// Empty: the image's.
    pub command: Vec<String>,
    /// The running sandbox whose network it joins.
    pub network_of: String,
    /// A shell command in it that succeeds when it is ready. None: its image's exposed TCP ports listen; if there are
    /// none, it runs.
    pub ready: Option<String>,
    /// `spool` and `tmp` do not matter here.
    pub limits: Limits,
}

/// Where a sandbox finds its init program.
pub const INIT: &str = "/agentd/init";

/// The command of a sandbox that only holds a network, and the gateway in it, for others: it waits to be ended.
#[must_use]
pub fn holder_argv() -> Vec<String> {
    vec![INIT.into(), "hold".into()]
}

/// A folder or file of this machine that the command sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub host: PathBuf,
    /// Absolute path inside.
    pub inside: String,
    pub writable: bool,
}

/// What is run. Paths are as the command sees them: see [`Executor::place`](crate::Executor::place).
#[derive(Clone)]
pub struct Command {
    /// The program, by path or looked up in `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// All of the environment but `PATH`, `HOME`, `LANG` and `TERM`, which have defaults, and what the image sets.
    pub env: Vec<(String, String)>,
    /// Folders that come first in `PATH`.
    pub path: Vec<String>,
    pub cwd: String,
    /// Written to the command's input, which is then closed. None: the input is empty.
    pub stdin: Option<String>,
    /// The input stays open after that, for what [`Input`](crate::Input) gives.
    pub keep_stdin: bool,
    /// Written below `home` before the command starts, as the command's user.
    pub files: Vec<File>,
    /// The value of `HOME`.
    pub home: String,
}

/// A file to be there when the command starts.
#[derive(Clone)]
pub struct File {
    /// Relative to the command's home, without `..`.
    pub path: String,
    pub content: String,
    pub executable: bool,
}

/// What the sandbox may use. `local` keeps `spool` only.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes; there is no swap beyond them.
    pub memory: u64,
    /// Processors, in parts if need be.
    pub cpus: f64,
    /// Processes and threads at once: the command's own. Init's few do not count.
    pub pids: u32,
    /// Bytes of output that are kept; what comes after is read and dropped.
    pub spool: u64,
    /// Bytes in `/tmp`, which count as memory too.
    pub tmp: u64,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Command")
            .field("program", &self.argv.first())
            .field("arguments", &self.argv.len().saturating_sub(1))
            .field("env", &names)
            .field("cwd", &self.cwd)
            .field("stdin_bytes", &self.stdin.as_ref().map(String::len))
            .field("keep_stdin", &self.keep_stdin)
            .field("files", &self.files)
            .field("home", &self.home)
            .finish()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("env", &names)
            .field("arguments", &self.command.len())
            .field("network_of", &self.network_of)
            .field("ready", &self.ready.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("bytes", &self.content.len())
            .field("executable", &self.executable)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_values() {
        let command = Command {
            argv: vec!["agent".into(), "--token=hunter2".into()],
            env: vec![("API_KEY".into(), "hunter2".into())],
            path: vec![],
            cwd: "/workspace".into(),
            stdin: Some("hunter2".into()),
            keep_stdin: true,
            files: vec![File { path: ".netrc".into(), content: "hunter2".into(), executable: false }],
            home: "/home".into(),
        };
        let shown = format!("{command:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("API_KEY") && shown.contains(".netrc"), "{shown}");
        let service = Service {
            name: "db".into(),
            labels: vec![],
            image: "postgres".into(),
            env: vec![("POSTGRES_PASSWORD".into(), "hunter2".into())],
            command: vec!["--password=hunter2".into()],
            network_of: "holder".into(),
            ready: Some("PGPASSWORD=hunter2 psql".into()),
            limits: Limits { memory: 0, cpus: 1.0, pids: 1, spool: 0, tmp: 0 },
        };
        let shown = format!("{service:?}");
        assert!(shown.contains("POSTGRES_PASSWORD") && !shown.contains("hunter2"), "{shown}");
    }
}
