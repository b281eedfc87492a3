//! Outside a container: init says who it is, so that the host finds it again.

use crate::Error;
use rustix::{
    fs::{CWD, Mode, OFlags, RenameFlags},
    io::Errno,
    process::{Pid, getpid, set_child_subreaper, setsid},
};
use std::{fs::File, io::Write as _, path::Path};

/// Leaves the host's session and writes `{"pid", "start", "boot"}`. `false`: another init has this sandbox.
pub(crate) fn claim(record: &Path) -> Result<bool, Error> {
    setsid().map_err(|error| format!("cannot leave the session: {error}"))?;
    // Orphans come here, as they do to the first process of a container: nothing the command starts gets away.
    set_child_subreaper(Some(Pid::INIT)).map_err(|error| format!("cannot adopt orphans: {error}"))?;
    let stat = read(Path::new("/proc/self/stat"))?;
    let boot = read(Path::new("/proc/sys/kernel/random/boot_id"))?;
    let start: u64 = stat
        .rsplit_once(") ")
        .and_then(|(_, fields)| fields.split(' ').nth(19)?.parse().ok())
        .ok_or("cannot read its own start time")?;
    let pid = getpid().as_raw_nonzero();
    let text = serde_json::json!({ "pid": pid, "start": start, "boot": boot.trim() }).to_string();

    let failed = |error: std::io::Error| format!("cannot write {}: {error}", record.display());
    let own = record.with_extension(format!("{pid}.new"));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(&own, flags, Mode::RUSR | Mode::WUSR).map_err(|error| failed(error.into()))?;
    let mut file = File::from(file);
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    match rustix::fs::renameat_with(CWD, &own, CWD, record, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => std::fs::remove_file(&own).map(|()| false).map_err(failed),
        Err(error) => Err(failed(error.into())),
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
