//! Calls of a plugin for its author: any file, any function, with answers of the outside that are given or recorded.
//!
//! A rehearsal goes the way of a live call, checks and limits included; only the host behind it is another one
//! ([`stage`]). It writes nothing anywhere: what the call would have stored is a part of what was [`Played`].
//!
//! - Nothing that is opened here serves.

mod play;
mod stage;

use crate::call::{Caller, Meter};
use crate::entry::{Entry, Face};
use crate::error::{CallError, Error};
use crate::generation::{self, Loaded};
use crate::grants::{Grants, Rights};
use crate::limits::Budget;
use crate::registry::Info;
use crate::trace::{HostAnswer, Recorder, Seed};
use crate::wit::log::Level;
use crate::{Host, Plugins, json, settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stage::Stage;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is to be called, and how the outside answers.
#[derive(Clone)]
pub struct Rehearsal {
    pub entry: String,
    /// The plugin's defaults are filled in.
    pub settings: Value,
    pub repositories: Vec<String>,
    /// As the contract names it (`poll`, `describe`). `run` is an agent's life: launch, read, control, conclude.
    pub function: String,
    /// A list, in the contract's words. Of `run`: one object with `run`, `lines` (records or mere text), `orders` (each
    /// `{"after": LINES, "order": …}`), `exit` (none: it is not concluded), and `cut`, the lines of one `read`.
    pub arguments: Value,
    /// What is stored already.
    pub kv: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    pub now: u64,
    pub seed: u64,
    pub answers: Answers,
    pub approved: Approved,
}

/// Who answers what the plugin asks of the outside. Clock, chance and store are the rehearsal's own.
#[derive(Clone)]
pub enum Answers {
    Live(Arc<dyn Host>),
    /// In their order, found by import and arguments. Arguments that are null fit every question.
    Recorded(Vec<HostAnswer>),
}

/// What the operator would allow.
#[derive(Clone, Debug, PartialEq)]
pub enum Approved {
    /// All that it wants.
    All,
    Grants(Grants),
}

/// How it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// In the contract's words. Of `run`: `plan`, `events`, `send`, `finished`, `answers` (of the orders) and
    /// `conclusion`.
    pub outcome: Result<Value, CallError>,
    /// What the call wrote, by key; none for removed.
    pub kv: Vec<(String, Option<String>)>,
    pub lines: Vec<LogLine>,
    /// What it asked of the outside, in its order, with the answers. Clock and store are left out.
    pub asked: Vec<HostAnswer>,
    /// Questions that no recorded answer was found for.
    pub missing: Vec<String>,
    pub cpu_us: u64,
    /// The most that it had, in bytes.
    pub memory: usize,
}

/// A line that a plugin logged, or wrote to its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `debug`, `info`, `warn`, `error`.
    pub level: String,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// A plugin's file, open for rehearsals.
#[derive(Clone)]
pub struct Opened {
    plugins: Plugins,
    loaded: Arc<Loaded>,
    bytes: Arc<[u8]>,
}

impl Plugins {
    /// Opens any file, without letting it serve. Fails with [`Error::File`] if it is no plugin.
    pub async fn open(&self, file: &Path) -> Result<Opened, Error> {
        let refused = |problem| Error::File { path: file.into(), problem };
        let path = file.to_owned();
        let bytes = generation::blocking(move || generation::read(&path)).await.map_err(refused)?;
        let loaded = generation::open_bytes(&self.shared, file, bytes.clone()).await;
        let loaded = loaded.map_err(|(problem, _)| refused(problem))?;
        Ok(Opened { plugins: self.clone(), loaded: Arc::new(loaded), bytes: bytes.into() })
    }
}

impl Opened {
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.loaded.info
    }

    /// The component.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it wants with these settings. Fails as [`Plugins::wants`] does.
    pub async fn wants(&self, settings: serde_json::Value) -> Result<Vec<crate::wit::manifest::Want>, Error> {
        let refused = |problems| Error::Settings { entry: String::new(), plugin: self.info().name.clone(), problems };
        let settings = crate::settings::complete(&self.loaded.schema, settings).map_err(refused)?;
        crate::entry::wants(&self.plugins.shared, &self.loaded, &settings).await
    }

    /// Calls a function once. Whatever goes wrong is a part of what was played.
    pub async fn call(&self, rehearsal: Rehearsal) -> Played {
        self.call_within(rehearsal, None).await
    }

    pub(crate) async fn call_within(&self, rehearsal: Rehearsal, budget: Option<Budget>) -> Played {
        let meter = Arc::new(Meter::default());
        let stage = Arc::new(Stage::new(&rehearsal));
        let mut played = match self.perform(&rehearsal, &stage, &meter, budget).await {
            Ok(played) => played,
            Err(error) => Played::nothing(Err(error)),
        };
        played.lines = stage.lines();
        played.missing = stage.missing();
        played.cpu_us = meter.cpu_us.load(Ordering::Relaxed);
        played.memory = meter.memory.load(Ordering::Relaxed);
        played
    }

    async fn perform(
        &self,
        rehearsal: &Rehearsal,
        stage: &Arc<Stage>,
        meter: &Arc<Meter>,
        budget: Option<Budget>,
    ) -> Result<Played, CallError> {
        let about_itself = matches!(rehearsal.function.as_str(), "describe" | "check");
        let (settings, rights) = match about_itself {
            true => (Value::Null, Rights::default()),
            false => self.rights(rehearsal, stage).await?,
        };
        let rights_of_stage = Arc::new(rights.clone());
        stage.set_rights(rights_of_stage.clone());
        let recorder = Arc::new(Recorder::new(stage.clone(), rights_of_stage));
        let entry = if about_itself { "" } else { rehearsal.entry.as_str() };
        let mut caller = self.caller(entry, &settings, rights, recorder.clone(), rehearsal.seed);
        caller.budget = budget;
        caller.meter = Some(meter.clone());
        let face = Arc::new(Face::rehearsed(caller, self.loaded.clone()));
        let outcome = play::play(&face, &Entry::of(face.clone()), rehearsal).await;
        let asked = recorder.answers().into_iter().filter(|it| !stage::is_its_own(&it.import)).collect();
        let mut played = Played { asked, ..Played::nothing(Ok(Value::Null)) };
        match outcome {
            Ok((value, kv)) => (played.outcome, played.kv) = (Ok(value), kv),
            Err(error) => played.outcome = Err(error),
        }
        Ok(played)
    }

    /// The settings with their defaults, and what the plugin may do with them.
    async fn rights(&self, rehearsal: &Rehearsal, stage: &Arc<Stage>) -> Result<(Value, Rights), CallError> {
        let plugin = self.info().name.as_str();
        let settings = settings::complete(&self.loaded.schema, rehearsal.settings.clone());
        let settings = settings.map_err(|problems| CallError::Input(problems.join("\n")))?;
        let asker = self.caller("", &Value::Null, Rights::default(), stage.clone(), rehearsal.seed);
        let about =
            crate::manifest::describe(&asker, &self.loaded.pre, &self.loaded.exports, &settings.to_string()).await?;
        let grants = match &rehearsal.approved {
            Approved::All => Grants::implied(&about.wants, rehearsal.repositories.clone()),
            Approved::Grants(grants) => Grants { repositories: rehearsal.repositories.clone(), ..grants.clone() },
        };
        let rights = Rights::new(plugin, &rehearsal.entry, &about.wants, &grants, &rehearsal.settings);
        Ok((settings, rights))
    }

    fn caller(&self, entry: &str, settings: &Value, rights: Rights, host: Arc<dyn Host>, seed: u64) -> Caller {
        let info = self.info();
        let mut caller = Caller::new(self.plugins.shared.clone(), &info.name, entry, settings, rights);
        caller.host = host;
        caller.seed = Some(Seed::of(seed));
        caller.digest = info.digest.as_str().into();
        caller
    }
}

impl Played {
    fn nothing(outcome: Result<Value, CallError>) -> Played {
        Played { outcome, kv: vec![], lines: vec![], asked: vec![], missing: vec![], cpu_us: 0, memory: 0 }
    }
}

impl LogLine {
    fn new(level: Level, message: &str, fields: &[(String, String)]) -> LogLine {
        let level = json::value(&level).as_str().unwrap_or_default().to_owned();
        LogLine { level, message: message.into(), fields: fields.to_vec() }
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("info", self.info()).finish_non_exhaustive()
    }
}
