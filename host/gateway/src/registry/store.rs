//! The cache's folder: files under keys, bounded in bytes, the least recently used go first.
//!
//! A file appears under its key by a rename, complete or not at all; nothing under a key is ever written to again. What
//! is still arriving counts too, so that the bound holds at every moment. What is removed stays readable for those who
//! have it open. The order of use survives a restart in the files' times.

use super::Error;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    max: u64,
    /// `None`: the folder has not been looked at yet.
    state: Mutex<Option<State>>,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    /// Keys by their last use, the oldest first.
    order: BTreeMap<u64, String>,
    /// Grows with every use.
    clock: u64,
    /// In bytes, with what is still arriving.
    total: u64,
}

struct Entry {
    size: u64,
    used: u64,
}

/// A file that is still arriving. It goes with this value, unless it is kept.
pub(super) struct Temporary {
    store: Store,
    path: PathBuf,
    size: u64,
}

/// The name of a file: what it is, and from where.
pub(super) fn key(kind: &str, url: &str) -> String {
    format!("{kind}-{}", hex::encode(Sha256::digest(url)))
}

impl Store {
    /// The folder is looked at when it is first needed.
    pub(super) fn new(folder: PathBuf, max: u64) -> Store {
        Store { inner: Arc::new(Inner { folder, max, state: Mutex::default() }) }
    }

    /// The file under `key`, and its size.
    pub(super) fn open(&self, key: &str) -> Result<Option<(fs::File, u64)>, Error> {
        let path = self.inner.folder.join(key);
        self.with(|state| {
            if !state.entries.contains_key(key) {
                return Ok(None);
            }
            match fs::File::open(&path) {
                Ok(file) => {
                    touch(&path);
                    Ok(state.used(key).map(|size| (file, size)))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Somebody cleaned up by hand.
                    state.forget(key);
                    Ok(None)
                }
                Err(error) => Err(failed("open", &path, &error)),
            }
        })?
    }

    /// A new file that is not to be found under any key yet.
    pub(super) fn temporary(&self) -> Result<(Temporary, fs::File), Error> {
        // The counter is the process', for another store may have the folder still, or already.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}{}", partial_of_this_process(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = self.with(|_| self.inner.folder.join(name))?;
        let file = fs::File::create_new(&path).map_err(|error| failed("make", &path, &error))?;
        Ok((Temporary { store: self.clone(), path, size: 0 }, file))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, Error> {
        let Inner { folder, max, state } = &*self.inner;
        // What a panic could leave half done are the counts of a cache.
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = &mut *state {
            return Ok(act(state));
        }
        let mut read = State::read(folder).map_err(|error| failed("read", folder, &error))?;
        read.shrink(folder, *max);
        Ok(act(state.insert(read)))
    }
}

impl Temporary {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes room for `more` bytes, which are written afterwards.
    pub(super) fn grow(&mut self, more: u64) -> Result<(), Error> {
        let Inner { folder, max, .. } = &*self.store.inner;
        self.size += more;
        let total = self.store.with(|state| {
            state.total += more;
            state.shrink(folder, *max);
            state.total
        })?;
        if total > *max {
            return Err(Error::Here(format!("it does not fit into the cache of packages, which may hold {max} bytes")));
        }
        Ok(())
    }

    /// Puts the file under `key`, in place of what is there.
    pub(super) fn keep(mut self, key: &str) -> Result<(), Error> {
        let store = self.store.clone();
        let to = store.inner.folder.join(key);
        store.with(|state| {
            fs::rename(&self.path, &to).map_err(|error| failed("write", &to, &error))?;
            state.forget(key);
            // From here on the bytes are the entry's.
            state.add(key.to_owned(), std::mem::take(&mut self.size));
            Ok(())
        })?
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            Ok(()) => (),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => {
                tracing::warn!(target: "gateway", %error, path = %self.path.display(), "Cache file left behind")
            }
        }
        let given_back = self.store.with(|state| state.total = state.total.saturating_sub(self.size));
        if let Err(error) = given_back {
            tracing::warn!(target: "gateway", %error, "Cache not counted");
        }
    }
}

/// What a temporary file's name begins with.
const PARTIAL: &str = "partial-";

fn partial_of_this_process() -> String {
    format!("{PARTIAL}{}-", std::process::id())
}

impl State {
    /// Looks at the folder, and removes what a daemon that died left half done.
    fn read(folder: &Path) -> io::Result<State> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let (mut found, own) = (Vec::new(), partial_of_this_process());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (Ok(name), meta) = (entry.file_name().into_string(), entry.metadata()?) else { continue };
            if name.starts_with(PARTIAL) {
                if !name.starts_with(&own) {
                    fs::remove_file(entry.path())?;
                }
            } else if meta.is_file() {
                found.push((meta.modified()?, name, meta.len()));
            }
        }
        found.sort();
        let mut state = State::default();
        for (_, name, size) in found {
            state.total += size;
            state.add(name, size);
        }
        Ok(state)
    }

    /// Notes a file whose bytes are counted already.
    fn add(&mut self, key: String, size: u64) {
        self.clock += 1;
        self.order.insert(self.clock, key.clone());
        self.entries.insert(key, Entry { size, used: self.clock });
    }

    /// Notes that the file was used, and gives its size.
    fn used(&mut self, key: &str) -> Option<u64> {
        let entry = self.entries.get_mut(key)?;
        self.clock += 1;
        self.order.remove(&entry.used);
        self.order.insert(self.clock, key.to_owned());
        entry.used = self.clock;
        Some(entry.size)
    }

    fn forget(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.total = self.total.saturating_sub(entry.size);
        }
    }

    fn shrink(&mut self, folder: &Path, max: u64) {
        while self.total > max {
            let Some((_, oldest)) = self.order.first_key_value() else { return };
            let oldest = oldest.clone();
            let path = folder.join(&oldest);
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(target: "gateway", %error, path = %path.display(), "Cache file could not be removed");
            }
            self.forget(&oldest);
        }
    }
}

/// Notes that the file was used, for the order after a restart. That it fails costs nothing but the order.
fn touch(path: &Path) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    if let Err(error) = utimensat(CWD, path, &Timestamps { last_access: now, last_modification: now }, AtFlags::empty())
    {
        tracing::debug!(target: "gateway", %error, path = %path.display(), "Use of a cache file not noted");
    }
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    Error::Here(format!("agentd could not {doing} {} in its cache of packages: {error}", path.display()))
}

#[cfg(test)]
mod tests;
