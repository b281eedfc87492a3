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
    pub command: Command,
    pub limits: Limits,
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
    pub cwd: String,
    /// Written to the command's input, which is then closed. None: the input is empty.
    pub stdin: Option<String>,
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
    /// Processes and threads at once.
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
            .field("files", &self.files)
            .field("home", &self.home)
            .finish()
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
            cwd: "/work".into(),
            stdin: Some("hunter2".into()),
            files: vec![File { path: ".netrc".into(), content: "hunter2".into(), executable: false }],
            home: "/home".into(),
        };
        let shown = format!("{command:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("API_KEY") && shown.contains(".netrc"), "{shown}");
    }
}
