//! An entry: an operator's named use of a plugin, with settings, grants and a store of its own.
//!
//! Settings are checked before there is an entry, so whoever holds one can call it. The calls of each kind are in the
//! file of that kind. An entry keeps the version of the plugin that it was made with.

use crate::call::{Call, Caller, Shared};
use crate::error::{CallError, Error};
use crate::grants::{self, Grants, Rights};
use crate::kind::Kind;
use crate::limits::Function;
use crate::registry::{Loaded, Origin};
use crate::state::Surface;
use crate::wit::manifest::Want;
use crate::{manifest, settings};
use serde_json::Value;
use std::sync::Arc;

/// Cheap to clone; clones share the health of the entry.
#[derive(Clone)]
pub struct Entry(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) caller: Caller,
    pub(crate) loaded: Arc<Loaded>,
}

impl Entry {
    pub(crate) async fn new(
        shared: Arc<Shared>,
        loaded: Arc<Loaded>,
        name: &str,
        settings: Value,
        grants: &Grants,
    ) -> Result<Entry, Error> {
        let plugin = loaded.info.name.as_str();
        let refused = |problems| Error::Settings { entry: name.into(), plugin: plugin.into(), problems };
        let settings = settings::complete(&loaded.schema, settings).map_err(refused)?;
        let wants = wants(&shared, &loaded, &settings).await?;
        if matches!(loaded.info.origin, Origin::Dropped(_)) {
            refuse_more_than_reading(plugin, &wants)?;
        }
        let judge = Caller::new(shared.clone(), plugin, "", &Value::Null, Rights::default());
        let problems = manifest::check(&judge, &loaded.pre, &loaded.exports, &settings.to_string()).await?;
        if !problems.is_empty() {
            return Err(refused(problems));
        }
        let rights = Rights::new(plugin, name, &wants, grants, &settings);
        let caller = Caller::new(shared, plugin, name, &settings, rights);
        Ok(Entry(Arc::new(Inner { caller, loaded })))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.caller.entry
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.0.caller.plugin
    }

    /// `sha256:…` of the component that answers the calls.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.0.loaded.info.digest
    }

    /// The settings with their defaults: JSON text.
    #[must_use]
    pub fn settings(&self) -> &str {
        &self.0.caller.settings
    }

    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.0.loaded.info.kinds
    }

    pub(crate) async fn begin(&self, function: Function) -> Result<Call, CallError> {
        self.0.caller.begin(&self.0.loaded.pre, function, Surface::Whole).await
    }

    pub(crate) fn wrong_kind(&self, wanted: Kind) -> CallError {
        CallError::WrongKind {
            plugin: self.plugin().into(),
            entry: self.name().into(),
            wanted: wanted.with_article(),
            kinds: self.kinds().iter().map(|it| it.with_article()).collect(),
        }
    }
}

/// What the plugin wants with these settings, which have their defaults.
pub(crate) async fn wants(shared: &Arc<Shared>, loaded: &Loaded, settings: &Value) -> Result<Vec<Want>, Error> {
    let plugin = &loaded.info.name;
    let caller = Caller::new(shared.clone(), plugin, "", &Value::Null, Rights::default());
    let about = manifest::describe(&caller, &loaded.pre, &loaded.exports, &settings.to_string()).await?;
    Ok(about.wants)
}

/// What this version does not grant to a plugin that somebody dropped into the folder.
pub(crate) fn more_than_reading(wants: &[Want]) -> Vec<String> {
    wants.iter().filter(|it| !matches!(it, Want::Repository(_))).map(grants::line).collect()
}

fn refuse_more_than_reading(plugin: &str, wants: &[Want]) -> Result<(), Error> {
    let more = more_than_reading(wants);
    if more.is_empty() {
        return Ok(());
    }
    let why = crate::Problem::Wants { name: plugin.into(), wants: more }.to_string();
    Err(Error::Held { plugin: plugin.into(), why })
}
