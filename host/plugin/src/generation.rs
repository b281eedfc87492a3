//! From a component's bytes to a plugin that can serve, and the generations of one.
//!
//! The bytes are read from end to end before anything is compiled, compiled somewhere else ([`crate::compile`]), linked,
//! and asked who they are. What comes out never changes; a [`Generation`] is one such plugin in the place of its name.

use crate::call::Shared;
use crate::error::{Problem, readable};
use crate::exports::Exports;
use crate::registry::{Info, Origin};
use crate::state::State;
use crate::wit::manifest::Want;
use crate::{cache, compile, component, entry, grants, manifest};
use serde_json::Value;
use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::spawn_blocking;
use wasmtime::component::{Component, InstancePre};

/// A component's bytes.
pub(crate) type Bytes = Cow<'static, [u8]>;

const FILE_BYTES: u64 = 128 << 20;

/// A page of WebAssembly's.
const PAGE_BYTES: u64 = 64 << 10;

/// A plugin that can serve.
pub(crate) struct Loaded {
    /// As it is by itself, in whatever place.
    pub(crate) info: Info,
    /// What it wants without any settings.
    pub(crate) wants: Vec<Want>,
    /// Null: there are no settings.
    pub(crate) schema: Value,
    pub(crate) pre: InstancePre<State>,
    pub(crate) exports: Exports,
    /// How long it took to compile; none: the code was in the cache.
    pub(crate) compiled_in: Option<Duration>,
}

/// A plugin in the place of its name.
pub(crate) struct Generation {
    pub(crate) loaded: Arc<Loaded>,
    /// Counted from 1, and only upwards.
    pub(crate) number: u32,
    /// When it came, milliseconds since 1970.
    pub(crate) since: u64,
}

/// Reads and prepares a file that somebody put there; a failure comes with the digest, where there is one.
pub(crate) async fn open(shared: &Arc<Shared>, path: &Path) -> Result<Loaded, (Problem, String)> {
    let file = path.to_owned();
    let bytes = blocking(move || read(&file)).await.map_err(|problem| (problem, String::new()))?;
    open_bytes(shared, path, bytes).await
}

/// As [`open`], with what the file was when it was read.
pub(crate) async fn open_bytes(shared: &Arc<Shared>, path: &Path, bytes: Vec<u8>) -> Result<Loaded, (Problem, String)> {
    let digest = digest(&bytes);
    let name = stem(path);
    let prepared = prepare(shared, &name, bytes.into(), Origin::Dropped(path.to_owned())).await;
    prepared.map_err(|problem| (problem, digest))
}

/// Checks, compiles, links and asks it who it is.
pub(crate) async fn prepare(shared: &Arc<Shared>, file: &str, bytes: Bytes, origin: Origin) -> Result<Loaded, Problem> {
    let digest = digest(&bytes);
    let bytes = Arc::new(bytes);
    let whole = bytes.clone();
    let shape = blocking(move || component::read(&whole)).await?;
    let code = compile::component(shared, bytes, &digest).await?;
    check_size(&code.component, most_memory(shared))?;
    let misfit = |error: wasmtime::Error| Problem::Misfit(readable(&format!("{error:#}"), 1_024));
    let pre = shared.engine.link(&code.component);
    let pre = pre.map_err(|error| shape.missing().unwrap_or_else(|| misfit(error)))?;
    let exports = Exports::find(&pre, &shape.kinds).map_err(misfit)?;
    let about = manifest::describe(&entry::judge(shared, file), &pre, &exports, "{}").await;
    let about = about.map_err(|error| Problem::Describe(Box::new(error)))?;
    let schema = manifest::read(&about)?;
    let info = Info {
        name: about.name,
        version: about.version,
        summary: readable(&about.summary, 512),
        kinds: shape.kinds,
        digest,
        origin,
        wants: about.wants.iter().map(grants::line).collect(),
        settings_schema: about.settings_schema,
        problem: None,
        generation: 0,
        serving: false,
        previous: None,
        held: None,
        approved: false,
        draining: 0,
    };
    Ok(Loaded { info, wants: about.wants, schema, pre, exports, compiled_in: code.took })
}

/// Refuses what could never be instantiated, with the numbers; what it asks for while it runs is held back then.
fn check_size(component: &Component, limit: usize) -> Result<(), Problem> {
    let Some(needs) = component.resources_required() else { return Ok(()) };
    let initial = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE_BYTES);
    let elements = needs.max_initial_table_size.unwrap_or(0);
    let wanted = [
        ("MiB of memory at the start", initial >> 20, (limit >> 20) as u64),
        ("memories", needs.num_memories.into(), 16),
        ("tables", needs.num_tables.into(), 64),
        ("elements in a table", elements, 100_000),
    ];
    match wanted.into_iter().find(|(_, wanted, limit)| wanted > limit) {
        Some((what, wanted, limit)) => Err(Problem::TooBig { what, wanted, limit }),
        None => Ok(()),
    }
}

/// The most that any call may have: whose this is, is not known yet.
fn most_memory(shared: &Shared) -> usize {
    let limits = shared.limits.read().unwrap_or_else(PoisonError::into_inner);
    let set = limits.values().filter_map(|it| it.memory).max().unwrap_or(0);
    shared.max_memory.saturating_mul(2).max(set) // twice: an analyzer's
}

/// The whole file. Not more than a plugin may be long.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    if !fs::metadata(path)?.is_file() {
        return Err(Problem::Unreadable(std::io::Error::other("it is no regular file")));
    }
    let mut file = fs::File::open(path)?;
    let mut bytes = vec![];
    let size = file.by_ref().take(FILE_BYTES + 1).read_to_end(&mut bytes)? as u64;
    if size > FILE_BYTES {
        return Err(Problem::TooLarge { size: file.metadata()?.len(), limit: FILE_BYTES });
    }
    Ok(bytes)
}

/// The record of a file that is no plugin.
pub(crate) fn broken(path: PathBuf, digest: String, problem: String) -> Info {
    Info {
        name: stem(&path),
        version: String::new(),
        summary: String::new(),
        kinds: vec![],
        digest,
        origin: Origin::Dropped(path),
        wants: vec![],
        settings_schema: String::new(),
        problem: Some(problem),
        generation: 0,
        serving: false,
        previous: None,
        held: None,
        approved: false,
        draining: 0,
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let broken = |error| Problem::Compile(format!("the work on it broke off: {error}"));
    spawn_blocking(work).await.unwrap_or_else(|error| Err(broken(error)))
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", cache::sha256(bytes))
}

pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
