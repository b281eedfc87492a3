//! Compiled components on disk, so that a start compiles nothing that an earlier one did.
//!
//! A file is named by the component's SHA-256, by what the engine can load (version, settings, CPU), and by its own
//! SHA-256: it appears by one rename, is never rewritten, and is checked before it is mapped. Mapping it is running
//! it, so the folder must belong to the daemon's user alone; if it does not, or anything else goes wrong with the
//! cache, plugins are compiled at each start and the log says why.
//!
//! Compiling happens in this process. (In a child with its own memory limit it would be bounded better; that is a
//! later step.)

use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// How long a file stays that nobody loads.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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

    /// The component, from the cache or compiled (which takes seconds, and is then cached). `digest` is the SHA-256
    /// of `wasm` in hex.
    pub(crate) fn load(&self, engine: &Engine, digest: &str, wasm: &[u8]) -> wasmtime::Result<Component> {
        let Some(folder) = &self.folder else { return Component::new(engine, wasm) };
        let key = format!("{digest}-{:016x}", compatibility(engine));
        match find(folder, &key).and_then(|found| found.map(|path| map(engine, path)).transpose()) {
            Ok(Some((path, component))) => {
                self.keep(path);
                return Ok(component);
            }
            Ok(None) => (),
            Err(error) => tracing::warn!("A compiled plugin in the cache is not used, and made anew: {error}"),
        }
        let component = Component::new(engine, wasm)?;
        match component.serialize().map_err(io::Error::other).and_then(|code| store(folder, &key, &code)) {
            Ok(path) => self.keep(path),
            Err(error) => tracing::warn!("A compiled plugin is not cached in {}: {error}", folder.display()),
        }
        Ok(component)
    }

    /// Removes what this process did not load and nobody has made lately. `now` in milliseconds since 1970.
    pub(crate) fn prune(&self, now: u64) {
        let Some(folder) = &self.folder else { return };
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.filter_map(Result::ok) {
            let made = entry.metadata().map_or(i64::MAX, |it| it.mtime());
            let age = now / 1000;
            let old = u64::try_from(made).is_ok_and(|made| age > made.saturating_add(KEPT.as_secs()));
            if old && !used.contains(&entry.path()) && fs::remove_file(entry.path()).is_ok() {
                tracing::debug!("Removed {} from the cache of compiled plugins", entry.path().display());
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

fn store(folder: &Path, key: &str, code: &[u8]) -> io::Result<PathBuf> {
    let name = format!("{key}.{}.cwasm", sha256(code));
    let (path, draft) = (folder.join(&name), folder.join(format!("{}.{}.tmp", &name[..16], std::process::id())));
    fs::remove_file(&draft).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(code).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&draft, &path));
    if let Err(error) = written {
        fs::remove_file(&draft).ok();
        return Err(error);
    }
    File::open(folder)?.sync_all()?;
    Ok(path)
}

/// In hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
