//! The first process of a sandbox: starts one command, keeps what it says, buries what it leaves, tells how it ended.
//!
//! Four ways to call it:
//!
//! - `agentd-init LAUNCH`: as the first process of a container.
//! - `agentd-init local LAUNCH RECORD`: the same without a container, in a session of its own; it writes who it is to
//!   RECORD first, and does nothing if somebody has.
//! - `agentd-init exec LAUNCH`: what it starts itself: gives up all rights and becomes the command ([`stage`]).
//! - `agentd-init hold`: a command that only waits to be ended, for a sandbox that holds a network for others.
//!
//! It keeps the right to end processes and to change user, and the command has neither; what the command says reaches
//! the spool through pipes only, and what it calls at 127.0.0.1 the host's gateway, where there is one ([`bridge`]). Its
//! own exit code is the command's, or 128 + n for signal n.
//!
//! - Never opens anything the command made, and listens to no network but the sandbox's own 127.0.0.1.
//! - Never fails silently: what goes wrong is in the spool, or on its output before there is one.

mod bridge;
mod input;
mod keeper;
mod launch;
mod local;
mod spool;
mod stage;

use launch::Launch;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Init itself cannot do its work.
const BROKEN: u8 = 125;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let done = match args.iter().map(|it| it.to_str().unwrap_or_default()).collect::<Vec<_>>()[..] {
        ["exec", launch] => stage::exec(Path::new(launch)),
        ["local", launch, record] => match local::claim(Path::new(record)) {
            Ok(true) => keep(Path::new(launch)),
            Ok(false) => return ExitCode::SUCCESS,
            Err(error) => Err(error),
        },
        ["hold"] => hold(),
        [launch] => keep(Path::new(launch)),
        _ => Err("usage: agentd-init LAUNCH.json".into()),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let text = format!("agentd-init: {error}\n");
            // There is nobody left to tell if this fails too.
            let told = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(if told.is_ok() { BROKEN } else { BROKEN - 1 })
        }
    }
}

/// A sentence for people: what failed, on what, and why.
type Error = String;

/// Waits for SIGTERM or SIGINT.
fn hold() -> Result<u8, Error> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|error| format!("cannot take signals: {error}"))?;
    signals.forever().next();
    Ok(0)
}

fn keep(path: &Path) -> Result<u8, Error> {
    // Found before the process is made undumpable, which closes its own links in /proc to it unless it is root.
    let me = std::env::current_exe().map_err(|error| format!("cannot find itself: {error}"))?;
    let path = path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    let launch = Launch::read(&path)?;
    keeper::run(&me, &path, launch)
}
