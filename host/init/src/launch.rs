//! What init is told: `launch.json`, written by the host before anything starts.

use crate::Error;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Launch {
    /// The program, looked up in the `PATH` of `env`, and its arguments.
    pub(crate) argv: Vec<String>,
    /// All of the environment.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: PathBuf,
    /// `files` are written below it.
    pub(crate) home: PathBuf,
    /// The user to become; none: stay.
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    /// None: the command's input is empty.
    pub(crate) stdin: Option<String>,
    /// None: the command's input ends after `stdin`. Else the host made this folder, and gives the input in it.
    #[serde(default)]
    pub(crate) input: Option<PathBuf>,
    /// The host made this file.
    pub(crate) spool: PathBuf,
    /// Bytes.
    pub(crate) spool_max: u64,
    #[serde(default)]
    pub(crate) files: Vec<File>,
    /// None: the command has no way out.
    #[serde(default)]
    pub(crate) bridge: Option<Bridge>,
}

/// Where the command's way out begins, and where it leads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bridge {
    /// At 127.0.0.1.
    pub(crate) port: u16,
    pub(crate) socket: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Relative to `home`, without `..`.
    pub(crate) path: PathBuf,
    pub(crate) content: String,
    pub(crate) executable: bool,
}

impl Launch {
    pub(crate) fn read(path: &Path) -> Result<Launch, Error> {
        let text = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let launch: Launch = serde_json::from_slice(&text)
            // A message of the parser could quote a secret.
            .map_err(|error| format!("{} is wrong in line {}", path.display(), error.line()))?;
        match launch.argv.is_empty() {
            true => Err(format!("{} names no program", path.display())),
            false => Ok(launch),
        }
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}
