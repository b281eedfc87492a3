//! The control folder of a sandbox: what `agentd-init` is told, and where it writes.
//!
//! `launch.json` is written whole before anything starts and never changes afterwards. It may hold secrets: the folder
//! is closed to other users, and inside the sandbox only `agentd-init` can read it.

use crate::{Error, Network, Sandbox, error::io_at, input, spool};
use rustix::fs::{self, Mode, OFlags};
use serde::Serialize;
use std::{
    fs::File as StdFile,
    io::Write as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// How much of `PATH` a command gets if neither it nor its image says.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What an executor adds to the command as described.
pub(crate) struct Place<'a> {
    /// The spool file as init sees it.
    pub(crate) spool: String,
    /// The folder of the input that stays open, as init sees it.
    pub(crate) input: String,
    /// The user to become; none: stay.
    pub(crate) user: Option<(u32, u32)>,
    /// Set unless the command sets it.
    pub(crate) env: &'a [(String, String)],
    /// Where init listens at 127.0.0.1 and where it leads, as init sees it; none: nowhere.
    pub(crate) bridge: Option<Bridge>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Bridge {
    pub(crate) port: u16,
    pub(crate) socket: String,
}

#[derive(Serialize)]
struct Launch<'a> {
    argv: &'a [String],
    env: Vec<(&'a str, String)>,
    cwd: &'a str,
    home: &'a str,
    uid: Option<u32>,
    gid: Option<u32>,
    stdin: Option<&'a str>,
    input: Option<&'a str>,
    spool: &'a str,
    spool_max: u64,
    files: Vec<LaunchFile<'a>>,
    bridge: Option<&'a Bridge>,
}

#[derive(Serialize)]
struct LaunchFile<'a> {
    path: &'a str,
    content: &'a str,
    executable: bool,
}

/// Makes the control folder anew: an empty spool, and `launch.json`.
///
/// # Errors
/// [`Error::StartFailed`] if the description itself is wrong, [`Error::Io`] if the disk is.
pub(crate) fn write(sandbox: &Sandbox, place: &Place<'_>) -> Result<(), Error> {
    check(sandbox)?;
    let control = &sandbox.control;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(control).map_err(io_at("making the control folder", control))?;
    spool::create(control)?;
    let command = &sandbox.command;
    if command.keep_stdin {
        input::create(control, command.stdin.as_deref().unwrap_or_default())?;
    }
    let text = serde_json::to_vec(&launch(sandbox, place)).map_err(|error| Error::Io {
        doing: "writing",
        path: control.join("launch.json"),
        source: error.into(),
    })?;
    replace(&control.join("launch.json"), &text)
}

/// The `launch.json` of a sandbox.
pub(crate) fn path(control: &Path) -> PathBuf {
    control.join("launch.json")
}

/// Writes a file of the daemon's own in one go: it is there whole, or not at all.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = fs::open(&new, flags, mode).map_err(io_at("writing", &new))?;
    let mut file = StdFile::from(file);
    file.write_all(content).and_then(|()| file.sync_all()).map_err(io_at("writing", &new))?;
    std::fs::rename(&new, path).map_err(io_at("writing", path))
}

fn check(sandbox: &Sandbox) -> Result<(), Error> {
    let fail = |why: String| Err(Error::StartFailed { name: sandbox.name.clone(), why });
    let command = &sandbox.command;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !sandbox.name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !sandbox.name.chars().all(plain) {
        return fail(
            "its name may hold letters, digits, `-`, `_` and `.` only, and begins with a letter or digit".into(),
        );
    }
    if command.argv.first().is_none_or(String::is_empty) {
        return fail("its command is empty: name a program".into());
    }
    if command.argv.iter().any(|it| it.contains('\0')) {
        return fail("an argument of its command holds a zero byte".into());
    }
    let bad_name = |name: &str| name.is_empty() || name.contains(['=', '\0']);
    if let Some((name, _)) = command.env.iter().find(|(name, value)| bad_name(name) || value.contains('\0')) {
        return fail(format!("the environment variable `{}` cannot be set", name.escape_debug()));
    }
    for (what, path) in [("working folder", &command.cwd), ("home", &command.home)] {
        if !path.starts_with('/') || path.contains('\0') {
            return fail(format!("its {what} `{}` is not an absolute path", path.escape_debug()));
        }
    }
    for (what, path) in [("control folder", &sandbox.control), ("init", &sandbox.init)] {
        if !path.is_absolute() {
            return fail(format!("its {what} {} is not an absolute path", path.display()));
        }
    }
    let beneath = |path: &str| path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\0');
    if let Some(gateway) = &sandbox.gateway {
        if sandbox.network != Network::Own {
            return fail("it shares the network of another sandbox, whose gateway is its way out: it has none".into());
        }
        if gateway.port == 0 || !gateway.folder.is_absolute() || !beneath(&gateway.socket) {
            let why = "its gateway needs a port above 0, the absolute path of a folder, and a socket in it";
            return fail(why.into());
        }
    }
    if let Some(file) = command.files.iter().find(|file| !beneath(&file.path)) {
        return fail(format!("the file `{}` is not a plain path below its home", file.path.escape_debug()));
    }
    Ok(())
}

fn launch<'a>(sandbox: &'a Sandbox, place: &'a Place<'_>) -> Launch<'a> {
    let command = &sandbox.command;
    let defaults = [("PATH", DEFAULT_PATH), ("HOME", command.home.as_str()), ("LANG", "C.UTF-8"), ("TERM", "dumb")];
    let pair = |(name, value): &'a (String, String)| (name.as_str(), value.as_str());
    let mut env: Vec<(&str, &str)> = Vec::new();
    // The first to name a variable wins: the command, then the home it was given, then the image, then the defaults.
    let home = [("HOME", command.home.as_str())];
    for (name, value) in command.env.iter().map(pair).chain(home).chain(place.env.iter().map(pair)).chain(defaults) {
        if !env.iter().any(|(have, _)| *have == name) {
            env.push((name, value));
        }
    }
    let file = |it: &'a crate::File| LaunchFile { path: &it.path, content: &it.content, executable: it.executable };
    let path = command.path.iter().map(String::as_str);
    let env = env.into_iter().map(|(name, value)| match name {
        "PATH" => (name, path.clone().chain([value]).collect::<Vec<_>>().join(":")),
        _ => (name, value.to_owned()),
    });
    Launch {
        argv: &command.argv,
        env: env.collect(),
        cwd: &command.cwd,
        home: &command.home,
        uid: place.user.map(|(uid, _)| uid),
        gid: place.user.map(|(_, gid)| gid),
        // What stays open has its beginning in the same place as the rest.
        stdin: command.stdin.as_deref().filter(|_| !command.keep_stdin),
        input: command.keep_stdin.then_some(&place.input),
        spool: &place.spool,
        spool_max: sandbox.limits.spool,
        files: command.files.iter().map(file).collect(),
        bridge: place.bridge.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Limits};
    use std::os::unix::fs::PermissionsExt as _;

    fn sandbox(control: PathBuf, env: &[(&str, &str)]) -> Sandbox {
        let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let argv = vec!["agent".into()];
        Sandbox {
            name: "agentd-x-t-1-1".into(),
            labels: vec![],
            image: String::new(),
            init: "/init".into(),
            control,
            mounts: vec![],
            gateway: None,
            network: Network::Own,
            command: Command {
                argv,
                env,
                path: vec![],
                cwd: "/workspace".into(),
                stdin: None,
                keep_stdin: false,
                files: vec![],
                home: "/home/a".into(),
            },
            limits: Limits { memory: 0, cpus: 1.0, pids: 1, spool: 1 << 20, tmp: 0 },
        }
    }

    #[track_caller]
    fn check(env: &[(&str, &str)], image: &[(&str, &str)], expected: &[(&str, &str)]) {
        let image: Vec<_> = image.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let sandbox = sandbox("/control".into(), env);
        let place = Place {
            spool: "/agentd/spool/frames".into(),
            input: "/agentd/input".into(),
            user: None,
            env: &image,
            bridge: None,
        };
        let found = launch(&sandbox, &place).env;
        assert_eq!(found.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn folders_of_the_command_come_first_in_path() {
        let mut sandbox = sandbox("/control".into(), &[]);
        sandbox.command.path = vec!["/agentd/tools/bin".into(), "/workspace/bin".into()];
        let image = [("PATH".to_owned(), "/opt/bin".to_owned())];
        let place = Place {
            spool: "/agentd/spool/frames".into(),
            input: "/agentd/input".into(),
            user: None,
            env: &image,
            bridge: None,
        };
        let expected = ("PATH", "/agentd/tools/bin:/workspace/bin:/opt/bin".to_owned());
        assert!(launch(&sandbox, &place).env.contains(&expected));
    }

    #[test]
    fn the_command_goes_before_the_image_and_the_image_before_the_defaults() {
        let rest = [("LANG", "C.UTF-8"), ("TERM", "dumb")];
        check(&[], &[], &[&[("HOME", "/home/a"), ("PATH", DEFAULT_PATH)], &rest[..]].concat());
        let image = [("PATH", "/opt/bin"), ("HOME", "/root"), ("A", "image")];
        let expected = [("A", "command"), ("HOME", "/home/a"), ("PATH", "/opt/bin"), rest[0], rest[1]];
        check(&[("A", "command")], &image, &expected);
        check(&[("TERM", "xterm")], &[], &[("TERM", "xterm"), ("HOME", "/home/a"), ("PATH", DEFAULT_PATH), rest[0]]);
    }

    #[test]
    fn what_is_written_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let control = dir.path().join("control");
        let place = Place {
            spool: "/agentd/spool/frames".into(),
            input: "/agentd/input".into(),
            user: Some((1, 1)),
            env: &[],
            bridge: None,
        };
        write(&sandbox(control.clone(), &[("KEY", "secret")]), &place).unwrap();
        for (path, mode) in [("", 0o700), ("launch.json", 0o600), ("spool", 0o700), ("spool/frames", 0o600)] {
            let found = control.join(path).metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{path}");
        }
        let text = std::fs::read_to_string(control.join("launch.json")).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["argv"], serde_json::json!(["agent"]));
        assert_eq!((&read["uid"], &read["stdin"]), (&serde_json::json!(1), &serde_json::Value::Null));
    }
}
