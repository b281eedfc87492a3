//! Finds plugins: the shipped set, and the plugin folder.
//!
//! A shipped plugin that does not load is a broken installation and an error. A file in the plugin folder may be
//! anything: it is listed with its problem, and the others serve. A name belongs to the shipped plugin of that name,
//! then to the first file by name that brings it. Nothing here is trusted before it was read from end to end.

use crate::call::{Caller, Shared};
use crate::error::{Error, Problem};
use crate::exports::Exports;
use crate::grants::{self, Rights};
use crate::kind::Kind;
use crate::{Options, Shipped, cache, component, entry, manifest};
use rustix::process::geteuid;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wasmtime::component::InstancePre;

/// A component's bytes.
type Component = Cow<'static, [u8]>;

const FILE_BYTES: u64 = 128 << 20;
const COMPILE_TIME: Duration = Duration::from_secs(120);

/// A plugin, as people see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Info {
    /// As it calls itself; the file's name if it could not be asked.
    pub name: String,
    pub version: String,
    pub summary: String,
    pub kinds: Vec<Kind>,
    /// `sha256:…` of the file; empty if it could not be read.
    pub digest: String,
    pub origin: Origin,
    /// What it wants without any settings, one line each.
    pub wants: Vec<String>,
    /// JSON Schema as text; empty: there are no settings.
    pub settings_schema: String,
    /// Why it does not serve; none: it does.
    pub problem: Option<String>,
}

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Shipped,
    /// The file in the plugin folder (or anywhere, for one that is only inspected).
    Dropped(PathBuf),
}

/// A plugin that can serve.
pub(crate) struct Loaded {
    pub(crate) info: Info,
    /// What it wants, without any settings, beyond what a dropped plugin may have.
    pub(crate) more: Vec<String>,
    /// Null: there are no settings.
    pub(crate) schema: Value,
    pub(crate) pre: InstancePre<crate::state::State>,
    pub(crate) exports: Exports,
}

pub(crate) struct Registry {
    serving: BTreeMap<String, Arc<Loaded>>,
    /// Those that do not serve.
    held: Vec<Info>,
}

impl Registry {
    pub(crate) async fn load(shared: &Arc<Shared>, options: &Options) -> Result<Registry, Error> {
        let mut registry = Registry { serving: BTreeMap::new(), held: vec![] };
        for (name, bytes) in shipped(&options.shipped)? {
            let loaded = prepare(shared, &name, bytes, Origin::Shipped).await;
            let loaded = loaded.map_err(|problem| Error::Shipped { name, problem })?;
            registry.serving.insert(loaded.info.name.clone(), Arc::new(loaded));
        }
        if let Some(folder) = &options.plugins {
            for path in dropped(folder)? {
                registry.drop_in(shared, path).await;
            }
        }
        shared.cache.prune(shared.host.now());
        Ok(registry)
    }

    pub(crate) fn get(&self, plugin: &str) -> Result<&Arc<Loaded>, Error> {
        if let Some(loaded) = self.serving.get(plugin) {
            return Ok(loaded);
        }
        if let Some(held) = self.held.iter().find(|it| it.name == plugin) {
            let why = held.problem.clone().unwrap_or_default();
            return Err(Error::Held { plugin: plugin.into(), why });
        }
        let known: Vec<&str> = self.serving.keys().map(String::as_str).collect();
        Err(Error::Unknown { plugin: plugin.into(), known: known.join(", ") })
    }

    pub(crate) fn list(&self) -> Vec<Info> {
        let mut all: Vec<Info> = self.serving.values().map(|it| it.info.clone()).chain(self.held.clone()).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    async fn drop_in(&mut self, shared: &Arc<Shared>, path: PathBuf) {
        let opened = match check_owner(&path) {
            Ok(()) => open(shared, &path).await,
            Err(problem) => Err((problem, String::new())),
        };
        let loaded = match opened {
            Ok(loaded) => loaded,
            Err((problem, digest)) => {
                tracing::warn!("The plugin file {} is not used: {problem}", path.display());
                return self.held.push(broken(path, digest, &problem));
            }
        };
        let name = loaded.info.name.clone();
        let problem = match self.serving.get(&name).map(|it| &it.info.origin) {
            Some(Origin::Shipped) => Some(Problem::Replaces(name.clone())),
            Some(Origin::Dropped(other)) => Some(Problem::Twice { name: name.clone(), other: other.clone() }),
            None if loaded.more.is_empty() => None,
            None => Some(Problem::Wants { name: name.clone(), wants: loaded.more.clone() }),
        };
        let Some(problem) = problem else {
            self.serving.insert(name, Arc::new(loaded));
            return;
        };
        tracing::warn!("The plugin file {} does not serve: {problem}", path.display());
        self.held.push(Info { problem: Some(problem.to_string()), ..loaded.info });
    }
}

/// Reads and prepares a file that somebody put there; a failure comes with the digest, where there is one.
pub(crate) async fn open(shared: &Arc<Shared>, path: &Path) -> Result<Loaded, (Problem, String)> {
    let file = path.to_owned();
    let bytes = blocking(move || read(&file)).await.map_err(|problem| (problem, String::new()))?;
    let digest = digest(&bytes);
    let name = stem(path);
    prepare(shared, &name, bytes.into(), Origin::Dropped(path.to_owned())).await.map_err(|problem| (problem, digest))
}

fn shipped(shipped: &Shipped) -> Result<Vec<(String, Component)>, Error> {
    let folder = match shipped {
        Shipped::Embedded(files) => {
            return Ok(files.iter().map(|(name, bytes)| ((*name).to_owned(), Cow::Borrowed(*bytes))).collect());
        }
        Shipped::Folder(folder) => folder,
    };
    let hint = "build them with `cargo xtask plugins`, or use a program that has them inside";
    let failed = |source| Error::Folder { path: folder.clone(), source, hint };
    let mut plugins = vec![];
    for path in wasm_files(folder).map_err(failed)? {
        plugins.push((stem(&path), fs::read(&path).map_err(failed)?.into()));
    }
    if plugins.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "it holds no .wasm file")));
    }
    Ok(plugins)
}

/// The files of the plugin folder, by name. A folder that does not exist is an empty one.
fn dropped(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed =
        |source| Error::Folder { path: folder.to_owned(), source, hint: "the daemon's user has to be able to read it" };
    match fs::metadata(folder) {
        Ok(metadata) => {
            if let Some(why) = others_may_write(&metadata) {
                return Err(Error::Open { path: folder.to_owned(), why });
            }
            wasm_files(folder).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(failed(error)),
    }
}

fn wasm_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| entry.map(|it| it.path()))
        .filter(|path| path.as_ref().map_or(true, |it| it.extension().is_some_and(|it| it == "wasm")))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// A plugin of the folder is one that only the daemon's user can change. (Nobody else can put another file into its
/// place: the folder itself has been looked at.)
fn check_owner(path: &Path) -> Result<(), Problem> {
    others_may_write(&fs::metadata(path)?).map_or(Ok(()), |why| Err(Problem::Writable(why)))
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    if !fs::metadata(path)?.is_file() {
        return Err(Problem::Unreadable(io::Error::other("it is no regular file")));
    }
    let mut file = fs::File::open(path)?;
    let mut bytes = vec![];
    let size = file.by_ref().take(FILE_BYTES + 1).read_to_end(&mut bytes)? as u64;
    if size > FILE_BYTES {
        return Err(Problem::TooLarge { size: file.metadata()?.len(), limit: FILE_BYTES });
    }
    Ok(bytes)
}

fn others_may_write(metadata: &Metadata) -> Option<String> {
    let (owner, own) = (metadata.uid(), geteuid().as_raw());
    if owner != own {
        return Some(format!("it belongs to user {owner}, and the daemon runs as user {own}"));
    }
    let mode = metadata.mode() & 0o7777;
    (mode & 0o022 != 0).then(|| format!("its mode is {mode:o}, which lets others write"))
}

/// Checks, compiles, links and asks it who it is.
async fn prepare(shared: &Arc<Shared>, file: &str, bytes: Component, origin: Origin) -> Result<Loaded, Problem> {
    let digest = digest(&bytes);
    let (pre, kinds, exports) = compile(shared, bytes, &digest).await?;
    let caller = Caller::new(shared.clone(), file, "", &Value::Null, Rights::default());
    let about = manifest::describe(&caller, &pre, &exports, "{}").await;
    let about = about.map_err(|error| Problem::Describe(Box::new(error)))?;
    let schema = manifest::read(&about)?;
    let info = Info {
        name: about.name,
        version: about.version,
        summary: crate::error::readable(&about.summary, 512),
        kinds,
        digest,
        origin,
        wants: about.wants.iter().map(grants::line).collect(),
        settings_schema: about.settings_schema,
        problem: None,
    };
    Ok(Loaded { info, more: entry::more_than_reading(&about.wants), schema, pre, exports })
}

async fn compile(
    shared: &Arc<Shared>,
    bytes: Component,
    digest: &str,
) -> Result<(InstancePre<crate::state::State>, Vec<Kind>, Exports), Problem> {
    let one_at_a_time = shared.compiling.clone().acquire_owned().await.expect("the semaphore is never closed");
    let (shared, digest) = (shared.clone(), digest.trim_start_matches("sha256:").to_owned());
    let work = blocking(move || {
        let _until_it_is_over = one_at_a_time;
        let shape = component::read(&bytes)?;
        let component = shared.cache.load(shared.engine.wasmtime(), &digest, &bytes);
        let component = component.map_err(|error| Problem::Compile(format!("{error:#}")))?;
        let misfit = |error: wasmtime::Error| Problem::Misfit(crate::error::readable(&format!("{error:#}"), 1_024));
        let pre = shared.engine.link(&component);
        let pre = pre.map_err(|error| shape.missing().unwrap_or_else(|| misfit(error)))?;
        let exports = Exports::find(&pre, &shape.kinds).map_err(misfit)?;
        Ok((pre, shape.kinds, exports))
    });
    timeout(COMPILE_TIME, work).await.unwrap_or(Err(Problem::Slow { seconds: COMPILE_TIME.as_secs() }))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let broken = |error| Problem::Compile(format!("the work on it broke off: {error}"));
    spawn_blocking(work).await.unwrap_or_else(|error| Err(broken(error)))
}

pub(crate) fn broken(path: PathBuf, digest: String, problem: &Problem) -> Info {
    Info {
        name: stem(&path),
        version: String::new(),
        summary: String::new(),
        kinds: vec![],
        digest,
        origin: Origin::Dropped(path),
        wants: vec![],
        settings_schema: String::new(),
        problem: Some(problem.to_string()),
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", cache::sha256(bytes))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
