//! What every plugin of a kind has to do, tried on one file: a list of checks, each passed, failed, or not tried.
//!
//! The plugin is called as the daemon calls it, on a stage: a small repository, a few issues, a server that says `{}` to
//! everything. Whether its policy is any good is not asked; what is asked is what the contract demands of everybody: no
//! traps, the same answer to the same question, nothing twice, unknown words and keys taken in good part.

mod agent;
mod analyzer;
mod manifest;
mod notifier;
mod prioritizer;
mod prompt_template;
mod remote;
mod sample;
mod stage;
mod task_source;

use crate::{Error, case, schema};
use agentd_plugin::{Answers, Approved, CallError, Kind, Opened, Played, Plugins, Rehearsal};
use serde::Serialize;
use serde_json::{Value, json};
use stage::Stage;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// How a plugin did.
#[derive(Clone, Debug, Serialize)]
pub struct Conformance {
    pub plugin: String,
    pub checks: Vec<Tried>,
}

impl Conformance {
    #[must_use]
    pub fn failed(&self) -> usize {
        self.checks.iter().filter(|it| matches!(it.outcome, Outcome::Failed(_))).count()
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// `plugin`, or the kind.
    pub of: &'static str,
    pub name: &'static str,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Passed,
    Failed(String),
    /// It could not be tried, because of what the plugin answered.
    NotTried(String),
}

/// Tries everything that holds for the plugin's kinds. Without settings, those are taken that its schema asks for.
///
/// # Errors
/// [`Error::Plugin`] if the file could not serve at all.
pub async fn conform(plugins: &Plugins, file: &Path, settings: Option<Value>) -> Result<Conformance, Error> {
    let plugin = plugins.open(file).await?;
    let info = plugin.info().clone();
    let settings = settings.unwrap_or_else(|| schema::sample(&info.settings_schema));
    let mut suite = Suite { plugin: &plugin, settings, of: "plugin", checks: vec![] };
    manifest::tried(&mut suite).await;
    for kind in &info.kinds {
        suite.of = kind.name();
        match kind {
            Kind::TaskSource => task_source::tried(&mut suite).await,
            Kind::Analyzer => analyzer::tried(&mut suite).await,
            Kind::Prioritizer => prioritizer::tried(&mut suite).await,
            Kind::PromptTemplate => prompt_template::tried(&mut suite).await,
            Kind::Notifier => notifier::tried(&mut suite).await,
            Kind::Agent => agent::tried(&mut suite).await,
            Kind::Remote => remote::tried(&mut suite).await,
            other => suite.not_tried("the kind", &format!("this agentd has no suite for {other}")),
        }
    }
    Ok(Conformance { plugin: info.name, checks: suite.checks })
}

/// The plugin on its stage, and what was found.
struct Suite<'a> {
    plugin: &'a Opened,
    settings: Value,
    of: &'static str,
    checks: Vec<Tried>,
}

/// What came of a call that did not trap.
enum Said {
    /// `ok`, or the answer of a function that cannot fail.
    Answer(Value),
    /// A typed error, in words.
    Refusal(String),
}

impl Suite<'_> {
    async fn call(&self, function: &str, arguments: Value) -> Played {
        self.call_with(function, arguments, BTreeMap::new()).await
    }

    async fn call_with(&self, function: &str, arguments: Value, kv: BTreeMap<String, String>) -> Played {
        self.plugin.call(self.rehearsal(function, arguments, kv, Answers::Live(Arc::new(Stage)))).await
    }

    fn rehearsal(&self, function: &str, arguments: Value, kv: BTreeMap<String, String>, answers: Answers) -> Rehearsal {
        Rehearsal {
            entry: "conform".into(),
            settings: self.settings.clone(),
            repositories: vec![stage::REPOSITORY.into()],
            function: function.into(),
            arguments,
            kv,
            now: sample::NOW,
            seed: 7,
            answers,
            approved: Approved::All,
        }
    }

    fn note(&mut self, name: &'static str, found: Result<(), String>) {
        let outcome = found.map_or_else(Outcome::Failed, |()| Outcome::Passed);
        self.checks.push(Tried { of: self.of, name, outcome });
    }

    fn not_tried(&mut self, name: &'static str, why: &str) {
        let outcome = Outcome::NotTried(crate::words::short(why, 300));
        self.checks.push(Tried { of: self.of, name, outcome });
    }

    /// Each of the calls answers or refuses in the contract's words.
    async fn no_traps(&mut self, name: &'static str, function: &str, all: Vec<(&str, Value)>) {
        let mut found = Ok(());
        for (what, arguments) in all {
            if let Err(trap) = said(&self.call(function, arguments).await) {
                found = Err(format!("{what}: {trap}"));
                break;
            }
        }
        self.note(name, found);
    }

    /// The same call, twice live and once from the record, gives the same.
    async fn the_same_again(&mut self, name: &'static str, function: &str, arguments: &Value) {
        let first = self.call(function, arguments.clone()).await;
        let second = self.call(function, arguments.clone()).await;
        let recorded = Answers::Recorded(first.asked.clone());
        let replayed = self.plugin.call(self.rehearsal(function, arguments.clone(), BTreeMap::new(), recorded)).await;
        let found = equal(&first, &second, "the second call").and_then(|()| equal(&first, &replayed, "a replay"));
        self.note(name, found);
    }

    /// Keys of a later version change nothing.
    async fn extra_is_taken(&mut self, function: &str, arguments: &Value) {
        let plain = self.call(function, arguments.clone()).await;
        let mut later = arguments.clone();
        put_extra(&mut later);
        let other = self.call(function, later).await;
        // Whoever hands a person or a task on hands on what came with it.
        let (plain, other) = (without_extra(plain), without_extra(other));
        self.note("unknown keys in extra change nothing", equal(&plain, &other, "with an unknown key"));
    }
}

/// What a call came to; a trap or a limit is the error.
fn said(played: &Played) -> Result<Said, String> {
    match &played.outcome {
        Ok(value) => Ok(Said::Answer(value.clone())),
        Err(CallError::Plugin(error)) => Ok(Said::Refusal(agentd_plugin::text(error))),
        Err(error @ CallError::Input(_)) => Err(format!("{error}\nhint: --settings gives it others")),
        Err(error) => Err(error.to_string()),
    }
}

/// Two traps are no two answers that are the same.
fn equal(one: &Played, other: &Played, what: &str) -> Result<(), String> {
    said(one)?;
    let (first, second) = (case::outcome(&one.outcome), case::outcome(&other.outcome));
    if let Some(line) = case::first_difference(&first, &second) {
        return Err(format!("{what} differs: {line}"));
    }
    if one.kv != other.kv {
        return Err(format!("{what} writes other values into its store"));
    }
    Ok(())
}

fn without_extra(mut played: Played) -> Played {
    fn empty(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(empty),
            Value::Object(fields) => {
                fields.values_mut().for_each(empty);
                fields.remove("extra");
            }
            _ => (),
        }
    }
    if let Ok(value) = &mut played.outcome {
        empty(value);
    }
    played
}

/// Adds a key that nobody knows to the `extra` of each record that has one, and of each argument.
fn put_extra(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(put_extra),
        Value::Object(fields) => {
            fields.values_mut().for_each(put_extra);
            if let Some(extra) = fields.get_mut("extra") {
                *extra = json!([["a-later-key", "a value"], ["somebody.else", "{}"]]);
            }
        }
        _ => (),
    }
}

#[cfg(test)]
mod tests;
