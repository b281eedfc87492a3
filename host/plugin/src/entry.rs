//! An entry: an operator's named use of a plugin, with settings, rights and a store of its own.
//!
//! An entry is a handle that stays while versions of its plugin come and go: it points at a [`Face`], what one
//! generation makes of it. A call takes the face of its moment and ends on it; a swap gives the handle another one.
//! Settings are checked before there is a face, so whoever holds an entry can call it. The calls of each kind are in the
//! file of that kind.
//!
//! - Never points at nothing in silence: when its plugin is gone, a call says so ([`CallError::Gone`]).

use crate::approval::Allowance;
use crate::breaker::Breaker;
use crate::call::{Call, Caller, Shared, Turns};
use crate::error::{CallError, Error};
use crate::generation::{Generation, Loaded};
use crate::grants::Rights;
use crate::kind::Kind;
use crate::limits::Function;
use crate::state::Surface;
use crate::wit::manifest::Want;
use crate::{manifest, settings};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cheap to clone; clones share the health of the entry.
#[derive(Clone)]
pub struct Entry(pub(crate) Arc<Handle>);

/// What stays of an entry through all generations of its plugin.
pub(crate) struct Handle {
    name: String,
    plugin: String,
    /// As the operator wrote them: each generation fills in its own defaults.
    settings: Value,
    repositories: Vec<String>,
    turns: Turns,
    place: Mutex<Place>,
}

struct Place {
    /// The text says why there is none.
    face: Result<Arc<Face>, String>,
    /// What it was called as: a version that is none of these does not fit.
    used: BTreeSet<Kind>,
}

/// An entry, as one generation of its plugin answers for it.
pub(crate) struct Face {
    pub(crate) caller: Caller,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) generation: u32,
    wants: Vec<Want>,
    settings: Value,
}

impl Entry {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.0.plugin
    }

    /// `sha256:…` of the component that answers the calls of now; empty if there is none.
    #[must_use]
    pub fn digest(&self) -> String {
        self.0.face().map_or_else(|_| String::new(), |it| it.loaded.info.digest.clone())
    }

    /// How often the plugin was replaced, counted from 1; 0 if there is none.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.0.face().map_or(0, |it| it.generation)
    }

    /// The settings with their defaults: JSON text. Without the defaults if there is no plugin.
    #[must_use]
    pub fn settings(&self) -> Arc<str> {
        self.0.face().map_or_else(|_| self.0.settings.to_string().into(), |it| it.caller.settings.clone())
    }

    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.0.face().map_or_else(|_| vec![], |it| it.loaded.info.kinds.clone())
    }

    /// This entry, held to the generation of now: a run that began on it ends on it.
    pub fn pinned(&self) -> Result<Entry, CallError> {
        Ok(Entry::of(self.face()?))
    }

    /// An entry that no swap reaches.
    pub(crate) fn of(face: Arc<Face>) -> Entry {
        Entry(Arc::new(Handle {
            name: face.caller.entry.clone(),
            plugin: face.caller.plugin.clone(),
            settings: face.settings.clone(),
            repositories: vec![],
            turns: face.caller.turns.clone(),
            place: Mutex::new(Place { face: Ok(face), used: BTreeSet::new() }),
        }))
    }

    /// What answers now, to be called as `kind`; keep it until the call has ended.
    pub(crate) fn face_as(&self, kind: Kind) -> Result<Arc<Face>, CallError> {
        let face = self.face()?;
        self.0.place().used.insert(kind);
        Ok(face)
    }

    pub(crate) fn face(&self) -> Result<Arc<Face>, CallError> {
        let gone = |why| CallError::Gone { plugin: self.0.plugin.clone(), entry: self.0.name.clone(), why };
        self.0.face().map_err(gone)
    }
}

impl Handle {
    pub(crate) fn new(name: &str, plugin: &str, settings: Value, repositories: Vec<String>) -> Handle {
        let place = Place { face: Err("it is not there yet".into()), used: BTreeSet::new() };
        Handle {
            name: name.into(),
            plugin: plugin.into(),
            settings,
            repositories,
            turns: Turns::default(),
            place: Mutex::new(place),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn face(&self) -> Result<Arc<Face>, String> {
        self.place().face.clone()
    }

    /// Lets this answer from now on, and gives back what did before.
    pub(crate) fn point(&self, face: Result<Arc<Face>, String>) -> Option<Arc<Face>> {
        std::mem::replace(&mut self.place().face, face).ok()
    }

    /// What it is called as and these kinds are not. An entry that nobody has called yet may be called as anything.
    pub(crate) fn misses(&self, had: &[Kind], has: &[Kind]) -> Vec<Kind> {
        let place = self.place();
        let needed = had.iter().filter(|it| place.used.is_empty() || place.used.contains(it));
        needed.filter(|it| !has.contains(it)).copied().collect()
    }

    /// What this generation makes of the entry, once it has agreed to the settings.
    pub(crate) async fn face_of(
        &self,
        shared: &Arc<Shared>,
        generation: &Generation,
        allowance: &Allowance,
        breaker: Breaker,
    ) -> Result<Arc<Face>, Error> {
        let loaded = generation.loaded.clone();
        let (name, plugin) = (self.name.as_str(), self.plugin.as_str());
        let refused = |problems| Error::Settings { entry: name.into(), plugin: plugin.into(), problems };
        let settings = settings::complete(&loaded.schema, self.settings.clone()).map_err(refused)?;
        let wants = wants(shared, &loaded, &settings).await?;
        let grants = allowance.grants(plugin, &wants, self.repositories.clone())?;
        let judge = judge(shared, plugin);
        let problems = manifest::check(&judge, &loaded.pre, &loaded.exports, &settings.to_string()).await?;
        if !problems.is_empty() {
            return Err(refused(problems));
        }
        // As the operator wrote them: a default is the plugin's own word, and names no directory that it may read.
        let rights = Rights::new(plugin, name, &wants, &grants, &self.settings);
        let mut caller = Caller::new(shared.clone(), plugin, name, &settings, rights);
        caller.turns = self.turns.clone();
        caller.breaker = Arc::new(breaker);
        caller.generation = generation.number;
        caller.digest = loaded.info.digest.as_str().into();
        caller.show_health();
        Ok(Arc::new(Face { caller, loaded, generation: generation.number, wants, settings }))
    }

    /// The same face with other rights; the plugin is not asked again.
    pub(crate) fn face_with(&self, face: &Face, allowance: &Allowance) -> Result<Arc<Face>, Error> {
        let grants = allowance.grants(&self.plugin, &face.wants, self.repositories.clone())?;
        let rights = Rights::new(&self.plugin, &self.name, &face.wants, &grants, &self.settings);
        let mut caller = Caller::new(face.caller.shared.clone(), &self.plugin, &self.name, &face.settings, rights);
        caller.turns = self.turns.clone();
        caller.breaker = face.caller.breaker.clone();
        caller.generation = face.generation;
        caller.digest = face.caller.digest.clone();
        caller.show_health();
        let (wants, settings) = (face.wants.clone(), face.settings.clone());
        Ok(Arc::new(Face { caller, loaded: face.loaded.clone(), generation: face.generation, wants, settings }))
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Face {
    /// One that no entry of the configuration stands behind.
    pub(crate) fn rehearsed(caller: Caller, loaded: Arc<Loaded>) -> Face {
        Face { caller, loaded, generation: 0, wants: vec![], settings: Value::Null }
    }

    pub(crate) async fn begin(&self, function: Function) -> Result<Call, CallError> {
        self.caller.begin(&self.loaded.pre, function, Surface::Whole).await
    }

    pub(crate) fn wrong_kind(&self, wanted: Kind) -> CallError {
        CallError::WrongKind {
            plugin: self.caller.plugin.clone(),
            entry: self.caller.entry.clone(),
            wanted: wanted.with_article(),
            kinds: self.loaded.info.kinds.iter().map(|it| it.with_article()).collect(),
        }
    }
}

/// What the plugin wants with these settings, which have their defaults.
pub(crate) async fn wants(shared: &Arc<Shared>, loaded: &Loaded, settings: &Value) -> Result<Vec<Want>, Error> {
    let judge = judge(shared, &loaded.info.name);
    let about = manifest::describe(&judge, &loaded.pre, &loaded.exports, &settings.to_string()).await?;
    Ok(about.wants)
}

/// Who asks a plugin about itself: without an entry, and without any right.
pub(crate) fn judge(shared: &Arc<Shared>, plugin: &str) -> Caller {
    Caller::new(shared.clone(), plugin, "", &Value::Null, Rights::default())
}
