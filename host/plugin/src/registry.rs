//! Who serves under which name: the shipped set, what people dropped, and what waits.
//!
//! A shipped plugin that does not load is a broken installation and an error. A file in the plugin folder may be
//! anything: it is listed with its problem, and the others serve. A name belongs to the shipped plugin of that name until
//! a person says otherwise, then to the file that serves under it already, then to the first file by name.
//!
//! What serves changes in one place only ([`change`]), one change at a time; `folder` finds out what there is to change.
//!
//! - Never changes anything that is seen outside unless everything that it needs is there.
//! - Never holds its lock while a guest runs.

mod change;
mod folder;
mod kept;

use crate::approval::{Allowance, Approval, Case, OnDrop};
use crate::call::Shared;
use crate::entry::{self, Entry, Face, Handle};
use crate::error::Error;
use crate::generation::{self, Bytes, Generation, Loaded};
use crate::kind::Kind;
use crate::news::{News, What};
use crate::wit::manifest::Want;
use crate::{Options, Shipped, grants, settings};
use folder::Seen;
use kept::Kept;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio_util::task::TaskTracker;

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
    /// Why it does not serve; none: it does, or was only looked at.
    pub problem: Option<String>,
    /// How often what serves under this name was replaced, counted from 1; 0: nothing has served yet.
    pub generation: u32,
    pub serving: bool,
    /// The digest that `rollback` goes to.
    pub previous: Option<String>,
    /// A version that waits.
    pub held: Option<Held>,
    /// A person has approved exactly this digest.
    pub approved: bool,
    /// How many calls and runs still end on earlier generations.
    pub draining: usize,
}

/// A version that does not serve (yet).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held {
    pub digest: String,
    pub version: String,
    /// With what to do about it.
    pub why: String,
    /// One line for each widening against what serves or is approved.
    pub wider: Vec<String>,
    /// All that it wants without any settings.
    #[serde(serialize_with = "lines")]
    pub wants: Vec<Want>,
    pub kinds: Vec<Kind>,
    /// The file that it waits in.
    pub origin: Origin,
}

fn lines<S: Serializer>(wants: &[Want], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(wants.iter().map(grants::line))
}

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Shipped,
    /// The file in the plugin folder (or anywhere, for one that is only inspected).
    Dropped(PathBuf),
}

pub(crate) struct Registry {
    shared: Arc<Shared>,
    folder: Option<PathBuf>,
    /// One change at a time: a swap, a new entry, an approval.
    turn: tokio::sync::Mutex<()>,
    /// One look at the folder at a time.
    looking: tokio::sync::Mutex<()>,
    table: Mutex<Table>,
    kept: Kept,
    /// What breakers set off.
    chores: TaskTracker,
    myself: Weak<Registry>,
}

struct Table {
    plugins: BTreeMap<String, Plugin>,
    /// What was found in the plugin folder, by path.
    seen: BTreeMap<PathBuf, Seen>,
    approvals: BTreeMap<String, Approval>,
    on_drop: OnDrop,
    /// Why the folder is not read, if it is not.
    closed: Option<String>,
}

/// All that is known under one name.
#[derive(Default)]
struct Plugin {
    shipped: Option<Arc<Loaded>>,
    serving: Option<Serving>,
    previous: Option<(Arc<Loaded>, Origin)>,
    waiting: Option<Waiting>,
    /// Digests that somebody, or a breaker, went back from; and why.
    rejected: BTreeMap<String, String>,
    /// The number of the last generation.
    number: u32,
    entries: Vec<Weak<Handle>>,
    /// What calls of earlier generations still hold.
    draining: Vec<Weak<Face>>,
}

struct Serving {
    generation: Arc<Generation>,
    origin: Origin,
    /// It took the place of another version.
    replaced: bool,
}

struct Waiting {
    loaded: Arc<Loaded>,
    path: PathBuf,
    why: String,
    wider: Vec<String>,
    /// It waits for entries that fit, and not for a person.
    misfit: bool,
}

impl Registry {
    pub(crate) async fn load(shared: Arc<Shared>, options: Options) -> Result<Arc<Registry>, Error> {
        let table = Table {
            plugins: BTreeMap::new(),
            seen: BTreeMap::new(),
            approvals: options.approvals,
            on_drop: options.on_drop,
            closed: None,
        };
        let registry = Arc::new_cyclic(|myself| Registry {
            shared,
            folder: options.plugins,
            turn: tokio::sync::Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            table: Mutex::new(table),
            kept: Kept::new(options.keeping),
            chores: TaskTracker::new(),
            myself: myself.clone(),
        });
        for (name, bytes) in shipped(&options.shipped)? {
            let loaded = generation::prepare(&registry.shared, &name, bytes, Origin::Shipped).await;
            registry.ship(Arc::new(loaded.map_err(|problem| Error::Shipped { name, problem })?));
        }
        registry.recall().await;
        registry.look().await?;
        Ok(registry)
    }

    /// All that were found, by name: what serves first, then what waits, then files that are no plugins.
    pub(crate) fn list(&self) -> Vec<Info> {
        let table = self.table();
        let named = table.plugins.iter().flat_map(|(name, it)| it.info(table.approvals.get(name)));
        let broken = table.seen.values().filter_map(|it| it.refused.clone());
        let mut all: Vec<Info> = named.chain(broken).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name)); // stable
        all
    }

    pub(crate) fn info(&self, plugin: &str) -> Result<Info, Error> {
        let table = self.table();
        let known = table.plugins.get(plugin).and_then(|it| it.info(table.approvals.get(plugin)));
        known.ok_or_else(|| table.absent(plugin))
    }

    pub(crate) async fn entry(
        &self,
        name: &str,
        plugin: &str,
        settings: Value,
        repositories: Vec<String>,
    ) -> Result<Entry, Error> {
        let _turn = self.turn.lock().await;
        let (generation, allowance) = self.table().serving(plugin)?;
        let handle = Arc::new(Handle::new(name, plugin, settings, repositories));
        let breaker = self.breaker(plugin, name, generation.number);
        let face = handle.face_of(&self.shared, &generation, &allowance, breaker).await?;
        handle.point(Ok(face));
        let mut table = self.table();
        let entries = &mut table.plugins.entry(plugin.into()).or_default().entries;
        entries.retain(|it| it.strong_count() > 0);
        entries.push(Arc::downgrade(&handle));
        Ok(Entry(handle))
    }

    pub(crate) async fn wants(&self, plugin: &str, settings: Value) -> Result<Vec<Want>, Error> {
        let (generation, allowance) = self.table().serving(plugin)?;
        let loaded = &generation.loaded;
        let settings = settings::complete(&loaded.schema, settings).map_err(|problems| Error::Settings {
            entry: String::new(),
            plugin: plugin.into(),
            problems,
        })?;
        allowance.models(plugin, entry::wants(&self.shared, loaded, &settings).await?)
    }

    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// A look that cannot fail: what is wrong with the folder is logged once.
    pub(crate) async fn look_again(&self) {
        let closed = self.look().await.err().map(|error| error.to_string());
        let before = std::mem::replace(&mut self.table().closed, closed.clone());
        if let Some(closed) = closed.filter(|it| before.as_ref() != Some(it)) {
            tracing::warn!("The plugin folder is not looked at, and all plugins stay as they are: {closed}");
        }
    }

    /// Waits for what breakers have set off so far.
    pub(crate) async fn settled(&self) {
        self.chores.close();
        self.chores.wait().await;
        self.chores.reopen();
    }

    fn ship(&self, loaded: Arc<Loaded>) {
        let mut table = self.table();
        let plugin = table.plugins.entry(loaded.info.name.clone()).or_default();
        plugin.shipped = Some(loaded.clone());
        plugin.number = 1;
        let generation = Arc::new(Generation { loaded, number: 1, since: self.shared.host.now() });
        plugin.serving = Some(Serving { generation, origin: Origin::Shipped, replaced: false });
    }

    fn tell(&self, plugin: &str, what: What, text: String, data: Value) {
        match what {
            What::Held | What::Refused | What::RolledBack | What::Opened => {
                tracing::warn!(plugin.name = plugin, "{text}");
            }
            _ => tracing::info!(plugin.name = plugin, "{text}"),
        }
        self.shared.host.news(News { plugin: plugin.into(), what, text, data });
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// What serves, and what its entries may have.
    fn serving(&self, plugin: &str) -> Result<(Arc<Generation>, Allowance), Error> {
        let known = self.plugins.get(plugin).and_then(|it| it.serving.as_ref());
        let serving = known.ok_or_else(|| self.absent(plugin))?;
        Ok((serving.generation.clone(), self.allowance(plugin, &serving.origin)))
    }

    fn allowance(&self, plugin: &str, origin: &Origin) -> Allowance {
        match origin {
            Origin::Shipped => Allowance::Wanted,
            Origin::Dropped(_) => self.case(plugin).allowance(),
        }
    }

    /// What a version of this plugin is judged by.
    fn case<'a>(&'a self, plugin: &str) -> Case<'a> {
        let known = self.plugins.get(plugin);
        let dropped = |it: &&'a Serving| matches!(it.origin, Origin::Dropped(_));
        Case {
            approval: self.approvals.get(plugin),
            on_drop: self.on_drop,
            shipped: known.is_some_and(|it| it.shipped.is_some()),
            serving: known.and_then(|it| it.serving.as_ref()).filter(dropped).map(|it| &*it.generation.loaded),
        }
    }

    /// Why nothing serves under this name.
    fn absent(&self, plugin: &str) -> Error {
        if let Some(waiting) = self.plugins.get(plugin).and_then(|it| it.waiting.as_ref()) {
            return Error::Held { plugin: plugin.into(), why: waiting.why.clone() };
        }
        let refused = self.seen.values().filter_map(|it| it.refused.as_ref());
        if let Some(refused) = refused.into_iter().find(|it| it.name == plugin) {
            return Error::Held { plugin: plugin.into(), why: refused.problem.clone().unwrap_or_default() };
        }
        let known = self.plugins.iter().filter(|it| it.1.serving.is_some()).map(|it| it.0.as_str());
        Error::Unknown { plugin: plugin.into(), known: known.collect::<Vec<_>>().join(", ") }
    }
}

impl Plugin {
    fn info(&self, approval: Option<&Approval>) -> Option<Info> {
        let approved = |loaded: &Loaded| approval.is_some_and(|it| it.digest == loaded.info.digest);
        let held = self.waiting.as_ref().map(Waiting::held);
        if let Some(Serving { generation, origin, .. }) = &self.serving {
            return Some(Info {
                origin: origin.clone(),
                generation: generation.number,
                serving: true,
                previous: self.previous.as_ref().map(|it| it.0.info.digest.clone()),
                held,
                approved: approved(&generation.loaded),
                draining: self.draining.iter().map(Weak::strong_count).sum(),
                ..generation.loaded.info.clone()
            });
        }
        let waiting = self.waiting.as_ref()?;
        Some(Info {
            origin: Origin::Dropped(waiting.path.clone()),
            problem: Some(waiting.why.clone()),
            generation: self.number,
            held,
            approved: approved(&waiting.loaded),
            ..waiting.loaded.info.clone()
        })
    }
}

impl Waiting {
    fn held(&self) -> Held {
        let info = &self.loaded.info;
        Held {
            digest: info.digest.clone(),
            version: info.version.clone(),
            why: self.why.clone(),
            wider: self.wider.clone(),
            wants: self.loaded.wants.clone(),
            kinds: info.kinds.clone(),
            origin: Origin::Dropped(self.path.clone()),
        }
    }
}

fn shipped(shipped: &Shipped) -> Result<Vec<(String, Bytes)>, Error> {
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
        plugins.push((generation::stem(&path), fs::read(&path).map_err(failed)?.into()));
    }
    if plugins.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "it holds no .wasm file")));
    }
    Ok(plugins)
}

/// The files of a folder that are called like components, by name.
fn wasm_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| entry.map(|it| it.path()))
        .filter(|path| path.as_ref().map_or(true, |it| it.extension().is_some_and(|it| it == "wasm")))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
