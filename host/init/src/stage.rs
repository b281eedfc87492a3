//! The step between init and the command: gives up every right, writes the command's files, and becomes the command.
//!
//! It is a process of its own, so that nothing has to be done between fork and exec. What goes wrong here is told on
//! the command's error output, with the exit codes a shell uses: 127 there is no such program, 126 it cannot be run.

use crate::{Error, launch::Launch};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{self, Resource, Rlimit, Signal},
    thread::{self, CapabilitySet, CapabilitySets, Gid, Uid},
};
use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::{fs::DirBuilderExt as _, process::CommandExt as _},
    path::{Component, Path},
    process::Command,
};

const NOT_FOUND: u8 = 127;
const CANNOT_RUN: u8 = 126;
/// Enough for builds, and few enough for programs that go through all of them.
const OPEN_FILES: u64 = 65_536;
/// How much rather the kernel ends the command than init, when memory runs out.
const OOM_SCORE: &str = "500";

/// Becomes the command; returns only if that fails, after telling why.
pub(crate) fn exec(path: &Path) -> Result<u8, Error> {
    let (code, error) = match prepare(path) {
        Err(error) => (CANNOT_RUN, error),
        Ok(launch) => {
            let error = become_command(&launch);
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
            (code, format!("cannot run `{}`: {error}", launch.argv[0]))
        }
    };
    // If nobody reads it, the code still tells.
    match io::stderr().write_all(format!("agentd-init: {error}\n").as_bytes()) {
        Ok(()) | Err(_) => Ok(code),
    }
}

fn prepare(path: &Path) -> Result<Launch, Error> {
    let launch = Launch::read(path)?;
    process::setsid().map_err(failed("cannot begin a session"))?;
    // A kernel or a container that does not let it be changed leaves init a little less safe, and that is all.
    match std::fs::write("/proc/self/oom_score_adj", OOM_SCORE) {
        Ok(()) | Err(_) => (),
    }
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, OPEN_FILES)?;
    process::umask(Mode::WGRP | Mode::WOTH);
    give_up_rights(&launch)?;
    // After the change of user, which would undo it: the command does not outlive init.
    process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("cannot be tied to init"))?;
    for file in &launch.files {
        write(&launch.home, file).map_err(|error| format!("cannot write {}: {error}", file.path.display()))?;
    }
    process::chdir(&launch.cwd)
        .map_err(|error| format!("cannot enter the working folder {}: {error}", launch.cwd.display()))?;
    Ok(launch)
}

/// Lowers a limit for good; one that is lower already stays.
fn limit(resource: Resource, most: u64) -> Result<(), Error> {
    let most = process::getrlimit(resource).maximum.map_or(most, |have| have.min(most));
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    process::setrlimit(resource, limit).map_err(|error| format!("cannot limit {resource:?} to {most}: {error}"))
}

/// No capability now or ever again, no groups, another user.
fn give_up_rights(launch: &Launch) -> Result<(), Error> {
    thread::set_no_new_privs(true).map_err(failed("cannot forbid new privileges"))?;
    let (Some(uid), Some(gid)) = (launch.uid, launch.gid) else { return Ok(()) };
    if uid == 0 || gid == 0 {
        return Err("the command must not run as root".into());
    }
    for bit in 0..u64::BITS {
        match thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            Ok(()) => (),
            // The kernel knows no more capabilities.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(format!("cannot drop capability {bit}: {error}")),
        }
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    thread::clear_ambient_capability_set().map_err(failed("cannot drop ambient capabilities"))?;
    thread::set_thread_groups(&[]).map_err(failed("cannot leave its groups"))?;
    thread::set_thread_res_gid(gid, gid, gid).map_err(failed("cannot change group"))?;
    thread::set_thread_res_uid(uid, uid, uid).map_err(failed("cannot change user"))?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    thread::set_capabilities(None, sets).map_err(failed("cannot drop capabilities"))
}

/// Writes a file below the home, through no link, as the user the command will be.
fn write(home: &Path, file: &crate::launch::File) -> io::Result<()> {
    if file.path.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not below the home"));
    }
    let path = home.join(&file.path);
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    let mode = if file.executable { Mode::from_raw_mode(0o700) } else { Mode::RUSR | Mode::WUSR };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = File::from(rustix::fs::open(&path, flags, mode)?);
    rustix::fs::fchmod(&opened, mode)?;
    (&opened).write_all(file.content.as_bytes())
}

fn become_command(launch: &Launch) -> io::Error {
    let mut command = Command::new(&launch.argv[0]);
    command.args(&launch.argv[1..]).env_clear().envs(launch.env.iter().map(|(name, value)| (name, value)));
    command.exec()
}

fn failed(what: &'static str) -> impl FnOnce(Errno) -> Error {
    move |error| format!("{what}: {error}")
}
