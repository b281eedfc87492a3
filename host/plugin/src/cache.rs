//! Compiled components on disk, so that a start compiles nothing that an earlier one did.
//!
//! A file is named by the component's SHA-256, by what the engine can load (version, settings, CPU), and by its own
//! SHA-256: it appears by one rename, is never rewritten, and is checked before it is mapped. Mapping it is running
//! it, so the folder must belong to the daemon's user alone; if it does not, or anything else goes wrong with the
//! cache, plugins are compiled at each start and the log says why.

use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// How long a file stays that nobody loads.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many files stay that nothing uses: earlier versions, to which somebody may return.
const SPARE: usize = 64;

static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// A file of the cache that is being written. It goes when this is dropped, unless it was taken.
pub(crate) struct Draft(PathBuf);

pub(crate) struct Cache {
    /// None: there is no usable folder.
    folder: Option<PathBuf>,
    used: Mutex<HashSet<PathBuf>>,
}

impl Cache {
    pub(crate) fn open(folder: &Path) -> Cache {
        let folder = match make_private(folder) {
            Ok(()) => Some(folder.to_owned()),
            Err(error) => {
                tracing::warn!(
                    "Plugins are compiled anew at each start, because their cache {} cannot be used: {error}",
                    folder.display()
                );
                None
            }
        };
        Cache { folder, used: Mutex::default() }
    }

    /// What an earlier compilation left. `digest` is the SHA-256 of the component in hex.
    pub(crate) fn find(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let folder = self.folder.as_ref()?;
        match find(folder, &key(engine, digest)).and_then(|found| found.map(|path| map(engine, path)).transpose()) {
            Ok(Some((path, component))) => {
                self.keep(path);
                Some(component)
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!("A compiled plugin in the cache is not used, and made anew: {error}");
                None
            }
        }
    }

    /// Keeps code that was compiled in this process.
    pub(crate) fn keep_code(&self, engine: &Engine, digest: &str, code: &[u8]) {
        let Some(folder) = &self.folder else { return };
        let draft = draft(folder, digest);
        match write(&draft.0, code).and_then(|()| settle(folder, &key(engine, digest), &draft.0, code)) {
            Ok(path) => self.keep(path),
            Err(error) => tracing::warn!("A compiled plugin is not cached in {}: {error}", folder.display()),
        }
    }

    /// Where another process may write the code of this component, for [`Cache::take`].
    pub(crate) fn draft(&self, digest: &str) -> Draft {
        draft(self.folder.as_deref().unwrap_or(&std::env::temp_dir()), digest)
    }

    /// Takes what another process compiled, and keeps it.
    pub(crate) fn take(&self, engine: &Engine, digest: &str, draft: &Draft) -> io::Result<Component> {
        let code = fs::read(&draft.0)?;
        let Some(folder) = &self.folder else {
            #[expect(
                unsafe_code,
                reason = "the code came from `Engine::precompile_component` of this program, in a file that it made \
                          itself and that nobody but this user can write to"
            )]
            let component = unsafe { Component::deserialize(engine, &code) };
            return component.map_err(|error| io::Error::other(format!("{error:#}")));
        };
        let (path, component) = map(engine, settle(folder, &key(engine, digest), &draft.0, &code)?)?;
        self.keep(path);
        Ok(component)
    }

    /// No generation uses this component any more; its code may go when it is old.
    pub(crate) fn release(&self, digest: &str) {
        let of_it = |path: &PathBuf| path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(digest));
        self.used.lock().unwrap_or_else(PoisonError::into_inner).retain(|it| !of_it(it));
    }

    /// Removes what nothing uses and nobody has made lately, and of the rest that nothing uses all but the newest
    /// ones. `now` in milliseconds since 1970.
    pub(crate) fn prune(&self, now: u64) {
        let Some(folder) = &self.folder else { return };
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(entries) = fs::read_dir(folder) else { return };
        let made = |it: &DirEntry| it.metadata().map_or(i64::MAX, |it| it.mtime());
        let unused = entries.filter_map(Result::ok).filter(|it| !used.contains(&it.path()));
        let mut unused: Vec<(i64, PathBuf)> = unused.map(|it| (made(&it), it.path())).collect();
        unused.sort_by(|one, other| other.cmp(one));
        for (place, (made, path)) in unused.into_iter().enumerate() {
            let old = u64::try_from(made).is_ok_and(|made| now / 1000 > made.saturating_add(KEPT.as_secs()));
            if (old || place >= SPARE) && fs::remove_file(&path).is_ok() {
                tracing::debug!("Removed {} from the cache of compiled plugins", path.display());
            }
        }
    }

    fn keep(&self, path: PathBuf) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
    }
}

/// Two engines with the same number can load each other's code. A collision or a change of the hash costs a refusal
/// by wasmtime, which looks into the file itself, and a compilation.
fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other(
            "it must be a folder of the daemon's user that nobody else can write to; remove it, and it is made anew",
        ));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn find(folder: &Path, key: &str) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        if name.starts_with(key) && name.ends_with(".cwasm") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Maps a compiled component, after a look whether it is what was written; removes it if it is not.
fn map(engine: &Engine, path: PathBuf) -> io::Result<(PathBuf, Component)> {
    let mapped = intact(&path).and_then(|()| {
        #[expect(
            unsafe_code,
            reason = "the file came from `Component::serialize` of this or a compatible engine: its name says so, its \
                      SHA-256 was just compared, and nobody but this user can write to its folder; it is never \
                      rewritten in place"
        )]
        let component = unsafe { Component::deserialize_file(engine, &path) };
        component.map_err(|error| io::Error::other(format!("{}: {error:#}", path.display())))
    });
    match mapped {
        Ok(component) => Ok((path, component)),
        Err(error) => {
            fs::remove_file(&path).ok();
            Err(error)
        }
    }
}

fn intact(path: &Path) -> io::Result<()> {
    let code = fs::read(path)?;
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    if name.split('.').nth(1) == Some(sha256(&code).as_str()) {
        Ok(())
    } else {
        Err(io::Error::other(format!("{} is not as it was written", path.display())))
    }
}

fn key(engine: &Engine, digest: &str) -> String {
    format!("{digest}-{:016x}", compatibility(engine))
}

fn draft(folder: &Path, digest: &str) -> Draft {
    let (process, number) = (std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed));
    let digest = digest.get(..16).unwrap_or(digest);
    Draft(folder.join(format!("agentd-{digest}.{process}.{number}.tmp")))
}

/// Writes a new file that nobody else can read, down to the disk.
pub(crate) fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(code)?;
    file.sync_all()
}

/// Gives a draft its name.
fn settle(folder: &Path, key: &str, draft: &Path, code: &[u8]) -> io::Result<PathBuf> {
    let path = folder.join(format!("{key}.{}.cwasm", sha256(code)));
    fs::rename(draft, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}

impl Draft {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// In hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
