//! The home folder of an instance: what lies where in it, and the lock that makes one daemon its owner.
//!
//! - The folder belongs to one user and nobody else can enter it: who reaches the control socket commands the daemon.
//! - Holding the lock is owning all runs. The kernel frees it when the process ends, however it ends.
//! - The socket is replaced only by the holder of the lock.

use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Somebody who only asks whether the lock is free holds it for a moment.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
pub(crate) struct Home {
    path: PathBuf,
}

/// Why the home folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("agentd is already running on {}{}", home.display(), pid.map(|it| format!(" (pid {it})")).unwrap_or_default())]
    Held { home: PathBuf, pid: Option<u32> },
    #[error("{} belongs to user {owner}, and agentd runs as user {me}", home.display())]
    Foreign { home: PathBuf, owner: u32, me: u32 },
    #[error("other users can write to {} (mode {mode:03o})", home.display())]
    Open { home: PathBuf, mode: u32 },
    #[error("{doing} {} failed", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What to do.
    #[must_use]
    pub(crate) fn hint(&self) -> String {
        match self {
            Error::Held { .. } => "agentd status shows it, agentd stop ends it; --home takes another folder".into(),
            Error::Foreign { home, me, .. } => {
                format!("chown -R {me} {}, or choose another folder with --home", home.display())
            }
            Error::Open { home, .. } => format!("chmod 700 {}", home.display()),
            Error::Io { .. } => {
                "check the folder's owner, its mode and the free space, or choose another with --home".into()
            }
        }
    }
}

impl Home {
    #[must_use]
    pub(crate) fn new(path: impl Into<PathBuf>) -> Home {
        Home { path: path.into() }
    }

    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join("agentd.sock")
    }

    #[must_use]
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("agentd.db")
    }

    /// The daemon's own log, when it runs in the background.
    #[must_use]
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("agentd.log")
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("agentd.lock")
    }

    /// Makes the folder if need be and checks who owns it and who may write to it.
    ///
    /// # Errors
    /// [`Error::Foreign`], [`Error::Open`], [`Error::Io`].
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(failed("making", &self.path))?;
        let data = fs::metadata(&self.path).map_err(failed("reading", &self.path))?;
        let (owner, me) = (data.uid(), rustix::process::geteuid().as_raw());
        if owner != me {
            return Err(Error::Foreign { home: self.path.clone(), owner, me });
        }
        let mode = data.mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(Error::Open { home: self.path.clone(), mode });
        }
        Ok(())
    }

    /// Becomes the owner of the home, for as long as the [`Lock`] lives.
    ///
    /// # Errors
    /// [`Error::Held`] with the owner's process id; [`Error::Io`].
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let path = self.lock_file();
        let mut file = open_lock(&path)?;
        for left in (0..TRIES).rev() {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if left > 0 => thread::sleep(BETWEEN_TRIES),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(Error::Held { home: self.path.clone(), pid: read_pid(&mut file) });
                }
                Err(error) => return Err(failed("locking", &path)(error.into())),
            }
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(failed("writing", &path))?;
        Ok(Lock { _file: file })
    }

    /// The process that owns the home now; none: nobody does. `Some(None)`: somebody, who has not said who.
    ///
    /// # Errors
    /// [`Error::Io`], except where there is no lock file yet.
    pub(crate) fn owner(&self) -> Result<Option<Option<u32>>, Error> {
        let path = self.lock_file();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("opening", &path)(error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(read_pid(&mut file))),
            Err(error) => Err(failed("locking", &path)(error.into())),
        }
    }
}

/// The ownership of a home. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

fn open_lock(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(failed("opening", path))
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_owner_at_a_time_and_the_second_hears_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!(home.owner().unwrap(), None);
        let lock = home.lock().unwrap();
        assert_eq!(home.owner().unwrap(), Some(Some(std::process::id())));
        let refused = home.lock().unwrap_err();
        let text = format!("agentd is already running on {} (pid {})", folder.path().display(), std::process::id());
        assert_eq!(refused.to_string(), text);
        drop(lock);
        assert_eq!(home.owner().unwrap(), None);
        home.lock().unwrap();
    }

    #[test]
    fn a_home_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("a/b"));
        home.prepare().unwrap();
        assert_eq!(fs::metadata(home.path()).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let refused = home.prepare().unwrap_err();
        assert!(matches!(refused, Error::Open { mode: 0o770, .. }), "{refused}");
        assert!(refused.hint().starts_with("chmod 700 "));
    }
}
