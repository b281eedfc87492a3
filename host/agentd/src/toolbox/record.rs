//! What is in the toolbox: `tools.json`, `lock.json`, and the folders of the store.
//!
//! Both files are replaced whole. Whoever changes them holds the lock of the folder; who reads them needs none.

use super::{Error, release::is_version};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

const TOOLS: &str = "tools.json";
const LOCK: &str = "lock.json";
const STORE: &str = "store";

/// A program that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    /// As it was asked for: `npm:PACKAGE@VERSION`.
    pub(crate) release: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    /// `sha256:…` of the archive.
    pub(crate) digest: String,
    /// The folder with `bin`, from the toolbox's own folder.
    pub(crate) path: PathBuf,
    /// Milliseconds since 1970.
    pub(crate) installed_at: i64,
}

/// The program of that name, if it is installed and its folder is there.
///
/// # Errors
/// [`Error::Record`] and [`Error::Io`] where `tools.json` cannot be read.
pub(crate) fn installed(home: &Path, tool: &str) -> Result<Option<Program>, Error> {
    let found = all(home)?.remove(tool);
    let there = |it: &Program| Folder::of(home).path(it).join("bin").join(tool).is_file();
    Ok(found.filter(there))
}

/// All programs by name, also those whose folders somebody removed.
///
/// # Errors
/// As [`installed`].
pub(crate) fn all(home: &Path) -> Result<BTreeMap<String, Program>, Error> {
    let folder = Folder::of(home);
    let tools: BTreeMap<String, Program> = read(&folder.0.join(TOOLS))?;
    for (name, tool) in &tools {
        // A path of this file is mounted: it must not lead anywhere else.
        let digest = tool.digest.strip_prefix("sha256:").unwrap_or_default();
        if !is_digest(digest) || tool.path != Folder::relative(digest) || !is_version(&tool.version) {
            return Err(Error::Record { path: folder.0.join(TOOLS), what: format!("{name} leads out of the store") });
        }
    }
    Ok(tools)
}

/// Removes a program; false: it was not there. Its archive stays pinned.
///
/// # Errors
/// Those of reading and writing the folder.
pub(crate) fn remove(home: &Path, tool: &str) -> Result<bool, Error> {
    let mut hold = Folder::of(home).hold()?;
    if hold.tools.remove(tool).is_none() {
        return Ok(false);
    }
    hold.write()?;
    hold.remove_unused()?;
    Ok(true)
}

/// Removes what no program that serves needs; gives how many archives that were.
///
/// # Errors
/// Those of reading and writing the folder.
pub(crate) fn remove_unused(home: &Path) -> Result<usize, Error> {
    Folder::of(home).hold()?.remove_unused()
}

/// The toolbox's folder in the home.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn of(home: &Path) -> Folder {
        Folder(home.join("toolbox"))
    }

    /// Where an archive's programs are, from the toolbox's folder; `digest` is hexadecimal.
    pub(super) fn relative(digest: &str) -> PathBuf {
        Path::new(STORE).join(digest)
    }

    pub(super) fn path(&self, tool: &Program) -> PathBuf {
        self.0.join(&tool.path)
    }

    pub(super) fn program(&self, digest: &str, name: &str) -> PathBuf {
        self.0.join(Folder::relative(digest)).join("bin").join(name)
    }

    /// A file of its own for an archive under way, removed when it is dropped.
    pub(super) fn partial(&self) -> Result<tempfile::NamedTempFile, Error> {
        let made = tempfile::Builder::new().prefix(".archive-").tempfile_in(&self.0);
        made.map_err(Error::io("making a file in", &self.0))
    }

    /// Waits for whoever else changes the toolbox.
    pub(super) fn hold(&self) -> Result<Hold, Error> {
        make_folder(&self.0)?;
        let path = self.0.join("lock");
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(Error::io("opening", &path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| Error::io("locking", &path)(error.into()))?;
        self.sweep()?;
        let (tools, pins) = (read(&self.0.join(TOOLS))?, read(&self.0.join(LOCK))?);
        Ok(Hold { folder: self.clone(), tools, pins, _lock: lock })
    }

    /// Removes what a command that was killed left half done. The lock is held: nobody else is at it.
    fn sweep(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.0).map_err(Error::io("reading", &self.0))? {
            let path = entry.map_err(Error::io("reading", &self.0))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(".archive-") || name.starts_with(".record-") {
                fs::remove_file(&path).map_err(Error::io("removing", &path))?;
            }
        }
        Ok(())
    }
}

/// The right to change the toolbox.
pub(super) struct Hold {
    folder: Folder,
    tools: BTreeMap<String, Program>,
    /// The SHA-256 that each release had when it first came.
    pins: BTreeMap<String, String>,
    _lock: File,
}

impl Hold {
    pub(super) fn pinned(&self, release: &str) -> Option<String> {
        self.pins.get(release).cloned()
    }

    pub(super) fn pin(&mut self, release: &str, digest: &str) {
        self.pins.insert(release.to_owned(), digest.to_owned());
    }

    pub(super) fn add(&mut self, tools: &BTreeMap<String, Program>) -> Result<(), Error> {
        self.tools.extend(tools.clone());
        self.write()
    }

    fn write(&self) -> Result<(), Error> {
        write(&self.folder.0.join(LOCK), &self.pins)?;
        write(&self.folder.0.join(TOOLS), &self.tools)
    }

    fn remove_unused(&self) -> Result<usize, Error> {
        let store = self.folder.0.join(STORE);
        let used: BTreeSet<PathBuf> = self.tools.values().map(|it| self.folder.path(it)).collect();
        let entries = match fs::read_dir(&store) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(Error::io("reading", &store)(error)),
        };
        let mut removed = 0;
        for entry in entries {
            let path = entry.map_err(Error::io("reading", &store))?.path();
            if !used.contains(&path) {
                fs::remove_dir_all(&path).map_err(Error::io("removing", &path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Makes a folder that everybody may look into: the sandbox's user does, through a mount. Nobody else reaches it, since
/// the home folder above it is closed.
pub(super) fn make_folder(path: &Path) -> Result<(), Error> {
    let failed = || Error::io("making", path);
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed())?;
    fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(failed())
}

pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
}

fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T, Error> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| Error::Record { path: path.to_owned(), what: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(Error::io("reading", path)(error)),
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let folder = path.parent().expect("a file of the toolbox lies in a folder");
    let failed = || Error::io("writing", path);
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| failed()(error.into()))?;
    bytes.push(b'\n');
    let mut file = tempfile::Builder::new().prefix(".record-").tempfile_in(folder).map_err(failed())?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed())?;
    file.persist(path).map_err(|error| failed()(error.error))?;
    File::open(folder).and_then(|it| it.sync_all()).map_err(failed())
}
