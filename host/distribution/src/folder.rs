//! The plugin folder and its lock file: what was installed, from where, and whether it is still that.
//!
//! A change holds the folder's lock (a file of its own, so that the lock file can be replaced), puts the plugin's file in
//! place by a rename, and then the lock file by another. Whoever is killed between the two leaves a file that
//! [`Folder::verify`] calls changed, and the same command again mends it.
//!
//! - Never touches a file that it did not put there, unless somebody says so.
//! - A lock file that cannot be read is an error, and is never written over.

mod lock;

pub use lock::Installed;

use crate::{Error, Fetched, Key, Source, fetch::blocking};
use lock::Lock;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::NamedTempFile;

/// Held while something changes.
const HOLD: &str = ".agentd-plugins.hold";
/// What comes, before it has a name.
const PARTIAL: &str = ".fetched-";
/// So old is what nobody is at any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The plugin folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// What [`Folder::put`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    New,
    /// The very same was there.
    There,
    /// In place of this one; none: a file that nobody had installed.
    Replaced(Option<Installed>),
}

/// One thing that [`Folder::verify`] looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The plugin's name, or the file's.
    pub name: String,
    pub state: State,
}

/// How it is with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As it was installed; with the key that it is signed by.
    Good { key_id: Option<String> },
    /// The file is gone.
    Missing,
    /// The file has this digest now.
    Changed { found: String },
    /// The file cannot be looked at.
    Unreadable { why: String },
    /// The file was not installed: somebody copied it there.
    Unknown { digest: String },
    /// It has to be signed, and is not, or not by the key of today.
    Unsigned { why: String },
    /// Others than its owner may change it.
    Writable { mode: u32 },
}

impl State {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, State::Good { .. })
    }
}

impl Folder {
    #[must_use]
    pub fn of(path: &Path) -> Folder {
        Folder(path.to_owned())
    }

    /// Where the plugin of that name lies.
    ///
    /// # Errors
    /// [`Error::Name`] if that is no name that a file could have.
    pub fn file(&self, name: &str) -> Result<PathBuf, Error> {
        let good = !name.is_empty()
            && name.len() <= 64
            && name.starts_with(|it: char| it.is_ascii_lowercase())
            && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        if good {
            Ok(self.0.join(format!("{name}.wasm")))
        } else {
            Err(Error::Name(name.chars().filter(|it| !it.is_control()).take(80).collect()))
        }
    }

    /// All that was installed, by name.
    ///
    /// # Errors
    /// [`Error::Lock`] and [`Error::Io`].
    pub fn installed(&self) -> Result<Vec<Installed>, Error> {
        Ok(Lock::read(&self.0)?.all())
    }

    /// Gives a file that came its name. `replace`: also in place of one from elsewhere. `now`: milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::Taken`] if there is a file of that name that came from elsewhere; those of the folder.
    pub async fn put(
        &self,
        fetched: Fetched,
        name: &str,
        version: &str,
        grants: Vec<String>,
        replace: bool,
        now: i64,
    ) -> Result<Put, Error> {
        let (folder, path) = (self.clone(), self.file(name)?);
        let Fetched { file, digest, source, manifest, signed, .. } = fetched;
        let installed = Installed {
            name: name.to_owned(),
            version: version.to_owned(),
            digest,
            source: source.to_string(),
            manifest,
            key_id: signed.as_ref().map(|it| it.key_id.clone()),
            signature: signed.map(|it| it.text),
            grants,
            installed_at: now,
        };
        blocking(move || {
            let _hold = folder.hold(now)?;
            let mut lock = Lock::read(&folder.0)?;
            let before = lock.get(&installed.name).cloned();
            let there = digest_of(&path)?;
            if let Some(taken) = taken(&path, before.as_ref(), there.as_deref(), &installed, &source)
                && !replace
            {
                return Err(taken);
            }
            let same_file = there.as_deref() == Some(installed.digest.as_str()) && others_may_write(&path)?.is_none();
            if same_file && before.as_ref().is_some_and(|it| it.is_same(&installed)) {
                return Ok(Put::There);
            }
            if !same_file {
                let io = Error::io("writing", &path);
                file.as_file().set_permissions(Permissions::from_mode(0o600)).map_err(io)?;
                file.persist(&path).map_err(|error| Error::io("writing", &path)(error.error))?;
            }
            lock.set(installed);
            lock.write(&folder.0)?;
            Ok(match (there, before) {
                (None, None) => Put::New,
                // Somebody had copied the very same there.
                (Some(_), None) if same_file => Put::New,
                (_, before) => Put::Replaced(before),
            })
        })
        .await
    }

    /// Writes down what a plugin is allowed by now, if it was installed.
    ///
    /// # Errors
    /// Those of the folder.
    pub async fn note_grants(&self, name: &str, grants: Vec<String>, now: i64) -> Result<(), Error> {
        let (folder, name) = (self.clone(), name.to_owned());
        blocking(move || {
            if Lock::read(&folder.0)?.get(&name).is_none() {
                return Ok(());
            }
            let _hold = folder.hold(now)?;
            let mut lock = Lock::read(&folder.0)?;
            let Some(installed) = lock.get(&name).cloned().filter(|it| it.grants != grants) else { return Ok(()) };
            lock.set(Installed { grants, ..installed });
            lock.write(&folder.0)
        })
        .await
    }

    /// Removes a plugin that was installed: its file, unless it was changed since and not `anyway`, and its line.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], [`Error::Taken`] for a changed file, and those of the folder.
    pub async fn remove(&self, name: &str, anyway: bool, now: i64) -> Result<Installed, Error> {
        let (folder, path, name) = (self.clone(), self.file(name)?, name.to_owned());
        blocking(move || {
            if !folder.0.is_dir() {
                return Err(Error::NotInstalled(name));
            }
            let _hold = folder.hold(now)?;
            let mut lock = Lock::read(&folder.0)?;
            let installed = lock.take(&name).ok_or(Error::NotInstalled(name))?;
            match digest_of(&path)? {
                Some(found) if found != installed.digest && !anyway => {
                    let what = "it is not what was installed: somebody has changed it".into();
                    let hint = "--force removes it all the same".into();
                    return Err(Error::Taken { path, what, hint });
                }
                Some(_) => fs::remove_file(&path).map_err(Error::io("removing", &path))?,
                None => {}
            }
            lock.write(&folder.0)?;
            Ok(installed)
        })
        .await
    }

    /// Looks at every file of the folder, and at every line of the lock file. `key`: the policy's for a source.
    ///
    /// # Errors
    /// [`Error::Lock`] and [`Error::Io`]; what is wrong with a plugin is a finding.
    pub async fn verify(&self, key: impl Fn(&Source) -> Option<Key> + Send + 'static) -> Result<Vec<Finding>, Error> {
        let folder = self.clone();
        blocking(move || {
            let lock = Lock::read(&folder.0)?;
            let mut findings: Vec<Finding> =
                lock.all().into_iter().map(|it| Finding { state: folder.look(&it, &key), name: it.name }).collect();
            for path in folder.files()? {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                if lock.get(&stem).is_none() {
                    let state = match digest_of(&path) {
                        Ok(digest) => State::Unknown { digest: digest.unwrap_or_default() },
                        Err(error) => State::Unreadable { why: error.to_string() },
                    };
                    findings.push(Finding { name: stem, state });
                }
            }
            Ok(findings)
        })
        .await
    }

    fn look(&self, installed: &Installed, key: &impl Fn(&Source) -> Option<Key>) -> State {
        let unreadable = |error: &Error| State::Unreadable { why: error.to_string() };
        let path = match self.file(&installed.name) {
            Ok(path) => path,
            Err(error) => return unreadable(&error),
        };
        match digest_of(&path) {
            Err(error) => return unreadable(&error),
            Ok(None) => return State::Missing,
            Ok(Some(found)) if found != installed.digest => return State::Changed { found },
            Ok(Some(_)) => {}
        }
        match others_may_write(&path) {
            Err(error) => return unreadable(&error),
            Ok(Some(mode)) => return State::Writable { mode },
            Ok(None) => {}
        }
        let source = Source::parse(&installed.source, Path::new("/"));
        let Some(key) = source.ok().and_then(|it| key(&it)) else {
            // Nobody asks for a signature any more: then it is what was looked at when it came.
            return State::Good { key_id: installed.key_id.clone() };
        };
        let Some(signature) = &installed.signature else {
            return State::Unsigned { why: format!("it is not signed, and has to be by the key {}", key.id()) };
        };
        let verified = fs::read(&path).map_err(|error| error.to_string());
        match verified.and_then(|bytes| key.verify(&bytes, signature)) {
            Ok(signed) => State::Good { key_id: Some(signed.key_id) },
            Err(why) => State::Unsigned { why },
        }
    }

    /// Makes the folder if it is missing: it is nobody else's.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(Error::io("making", &self.0))
    }

    /// A file of its own for what comes, removed when it is dropped.
    pub(crate) fn partial(&self) -> Result<NamedTempFile, Error> {
        let made = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(&self.0);
        made.map_err(Error::io("making a file in", &self.0))
    }

    /// Waits for whoever else changes the folder.
    fn hold(&self, now: i64) -> Result<File, Error> {
        self.prepare()?;
        let path = self.0.join(HOLD);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(Error::io("opening", &path))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| Error::io("locking", &path)(error.into()))?;
        self.sweep(now)?;
        Ok(file)
    }

    /// Removes what commands that were killed left half done.
    fn sweep(&self, now: i64) -> Result<(), Error> {
        let before = now / 1000 - i64::try_from(ABANDONED.as_secs()).unwrap_or(0);
        for entry in fs::read_dir(&self.0).map_err(Error::io("reading", &self.0))? {
            let entry = entry.map_err(Error::io("reading", &self.0))?;
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with(PARTIAL) {
                continue;
            }
            let old = entry.metadata().is_ok_and(|it| it.mtime() < before);
            if old {
                fs::remove_file(entry.path()).map_err(Error::io("removing", entry.path()))?;
            }
        }
        Ok(())
    }

    /// The files that are taken for plugins, by name.
    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("reading", &self.0)(error)),
        };
        let paths: io::Result<Vec<_>> = entries.map(|it| it.map(|it| it.path())).collect();
        let mut paths = paths.map_err(Error::io("reading", &self.0))?;
        paths.retain(|it| it.extension().is_some_and(|it| it == "wasm"));
        paths.sort();
        Ok(paths)
    }
}

/// Why a name is not free for what came; none: it is.
fn taken(
    path: &Path,
    before: Option<&Installed>,
    there: Option<&str>,
    new: &Installed,
    source: &Source,
) -> Option<Error> {
    let what = match (before, there) {
        (Some(before), _) => {
            let known = Source::parse(&before.source, Path::new("/")).ok();
            if known.as_ref().is_some_and(|it| it.is_same_place(source)) {
                return None;
            }
            let from = known.map_or_else(|| before.source.clone(), |it| it.name());
            format!("a plugin of that name was installed from {from}, and this one is from {}", source.name())
        }
        (None, Some(there)) if there != new.digest => {
            "there is a file of that name that was not installed: somebody copied it there".to_owned()
        }
        (None, _) => return None,
    };
    Some(Error::Taken { path: path.to_owned(), what, hint: "--replace puts this one in its place".into() })
}

/// `sha256:…` of a file; none: there is none.
fn digest_of(path: &Path) -> Result<Option<String>, Error> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("reading", path)(error)),
    };
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece).map_err(Error::io("reading", path))? {
            0 => return Ok(Some(format!("sha256:{}", hex::encode(hash.finalize())))),
            length => hash.update(&piece[..length]),
        }
    }
}

/// The mode of a file that others may change; none: they may not.
fn others_may_write(path: &Path) -> Result<Option<u32>, Error> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("reading", path)(error)),
    };
    let mode = metadata.mode() & 0o7777;
    Ok((mode & 0o022 != 0).then_some(mode))
}
