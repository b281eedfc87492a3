//! Cases: one call of a plugin with all that it depends on, and what is expected of it, in `cases/NAME.json`.
//!
//! A case is replayed from its record: no clock, no network, no chance. Recording calls the plugin with answers from
//! outside once, takes out what is nobody's business ([`scrub`]), and replays what is left: what that gives is expected
//! from then on, so a case that was just recorded passes.

use crate::{Error, put, scrub, words};
use agentd_plugin::{Answers, Approved, CallError, Host, HostAnswer, Opened, Played, Rehearsal};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many differences are shown.
const SHOWN: usize = 20;

/// The time of cases that say none: some moment in 2026.
const NOW: u64 = 1_790_000_000_000;

/// What a case's file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub function: String,
    #[serde(default = "nothing")]
    pub settings: Value,
    /// One for each parameter.
    #[serde(default)]
    pub arguments: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kv: BTreeMap<String, String>,
    #[serde(default = "some_moment")]
    pub now: u64,
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    pub answers: Vec<HostAnswer>,
    /// `{"ok": …}`, or `{"error": {"invalid": "…"}}`; `{"error": "invalid"}` takes any text. None: whatever comes, but
    /// no trap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Value>,
    /// What is written: key by key; null: removed. None: whatever comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_kv: Option<BTreeMap<String, Option<String>>>,
}

fn nothing() -> Value {
    json!({})
}

fn some_moment() -> u64 {
    NOW
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The file's name without `.json`.
    pub name: String,
    /// Empty: as expected.
    pub differences: Vec<String>,
    pub played: Option<Played>,
}

impl Case {
    /// Reads one file.
    ///
    /// # Errors
    /// [`Error::Case`] with the place.
    pub fn read(file: &Path) -> Result<Case, Error> {
        let text = fs::read_to_string(file).map_err(Error::file("cannot read", file))?;
        serde_json::from_str(&text).map_err(|error| Error::Case { path: file.into(), what: error.to_string() })
    }

    fn rehearsal(&self, answers: Answers) -> Rehearsal {
        Rehearsal {
            entry: "case".into(),
            settings: self.settings.clone(),
            repositories: self.repositories.clone(),
            function: self.function.clone(),
            arguments: Value::Array(self.arguments.clone()),
            kv: self.kv.clone(),
            now: self.now,
            seed: self.seed,
            answers,
            approved: Approved::All,
        }
    }

    /// Calls the plugin with the recorded answers, and compares.
    pub async fn play(&self, name: &str, plugin: &Opened) -> Verdict {
        let played = plugin.call(self.rehearsal(Answers::Recorded(self.answers.clone()))).await;
        Verdict { name: name.into(), differences: self.compare(&played), played: Some(played) }
    }

    /// Calls the plugin with answers from outside, and makes what came of it the case. Gives what it asks for and no
    /// longer finds when that is replayed: what was taken out would then have been needed.
    pub async fn record(&mut self, plugin: &Opened, host: Arc<dyn Host>) -> Vec<String> {
        let played = plugin.call(self.rehearsal(Answers::Live(host))).await;
        self.answers = played.asked;
        scrub::case(self);
        let replayed = plugin.call(self.rehearsal(Answers::Recorded(self.answers.clone()))).await;
        self.expect = Some(outcome(&replayed.outcome));
        self.expect_kv = (!replayed.kv.is_empty()).then(|| replayed.kv.into_iter().collect());
        replayed.missing
    }

    /// Writes the file anew.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, file: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self).expect("a case is JSON");
        text.push('\n');
        put(file, text.as_bytes())
    }

    fn compare(&self, played: &Played) -> Vec<String> {
        let got = outcome(&played.outcome);
        let mut lines = vec![];
        match &self.expect {
            None => {
                if let Err(error @ CallError::Failed { .. }) = &played.outcome {
                    lines.push(format!("an answer expected, got {error}"));
                }
            }
            Some(expected) if of_that_case(expected, &got) => (),
            Some(expected) => differences("", expected, &got, &mut lines),
        }
        if let (false, Err(error)) = (lines.is_empty(), &played.outcome) {
            lines.push(format!("it said: {error}"));
        }
        if !lines.is_empty() {
            lines.extend(played.missing.iter().map(|it| format!("no recorded answer: {it}")));
        }
        if let Some(expected) = &self.expect_kv {
            let got: BTreeMap<_, _> = played.kv.iter().cloned().collect();
            differences("kv", &json!(expected), &json!(got), &mut lines);
        }
        let more = lines.len().saturating_sub(SHOWN);
        lines.truncate(SHOWN);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines
    }
}

/// The files of `cases/`, by name. No folder is no case.
///
/// # Errors
/// [`Error::File`].
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let cases = folder.join("cases");
    let entries = match fs::read_dir(&cases) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(Error::file("cannot read", &cases)(error)),
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    files.retain(|it| it.extension().is_some_and(|it| it == "json"));
    files.sort();
    Ok(files)
}

/// Plays all cases of a project. A file that cannot be read is a case that failed.
///
/// # Errors
/// [`Error::File`] if the folder cannot be read.
pub async fn play_all(folder: &Path, plugin: &Opened) -> Result<Vec<Verdict>, Error> {
    let mut verdicts = vec![];
    for file in files(folder)? {
        let name = name(&file);
        verdicts.push(match Case::read(&file) {
            Ok(case) => case.play(&name, plugin).await,
            Err(error) => Verdict { name, differences: vec![error.to_string()], played: None },
        });
    }
    Ok(verdicts)
}

/// A case's name.
#[must_use]
pub fn name(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// An outcome as case files have it.
#[must_use]
pub fn outcome(outcome: &Result<Value, CallError>) -> Value {
    match outcome {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": words::of_error(error) }),
    }
}

/// The first place where two outcomes differ.
pub(crate) fn first_difference(expected: &Value, got: &Value) -> Option<String> {
    let mut lines = vec![];
    differences("", expected, got, &mut lines);
    lines.into_iter().next()
}

/// `{"error": "invalid"}` takes every error of that case.
fn of_that_case(expected: &Value, got: &Value) -> bool {
    let (Some(expected), Some(got)) = (expected["error"].as_str(), got["error"].as_object()) else { return false };
    got.contains_key(expected)
}

/// Every place where two values differ, as `ok.items[0].title: "a" expected, got "b"`.
fn differences(place: &str, expected: &Value, got: &Value, lines: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|it| !one.contains_key(*it))) {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                match (one.get(key), other.get(key)) {
                    (Some(one), Some(other)) => differences(&place, one, other, lines),
                    (None, Some(other)) if is_nothing(other) => (),
                    (one, other) => lines.push(differ(&place, one, other)),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for at in 0..one.len().max(other.len()) {
                let place = format!("{place}[{at}]");
                match (one.get(at), other.get(at)) {
                    (Some(one), Some(other)) => differences(&place, one, other, lines),
                    (one, other) => lines.push(differ(&place, one, other)),
                }
            }
        }
        (one, other) if same(one, other) => (),
        (one, other) => lines.push(differ(place, Some(one), Some(other))),
    }
}

/// What may be left out in an expectation.
fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_array().is_some_and(Vec::is_empty)
}

/// `4` and `4.0` are one number.
fn same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|it| other.as_f64() == Some(it))
}

fn differ(place: &str, expected: Option<&Value>, got: Option<&Value>) -> String {
    let text = |it: Option<&Value>| it.map_or("nothing".to_owned(), |it| words::short(&it.to_string(), 200));
    format!("{place}: {} expected, got {}", text(expected), text(got))
}

/// A case to begin with: a call and nothing else.
#[must_use]
pub fn call(function: &str, settings: Value, arguments: Vec<Value>, now: u64) -> Case {
    let settings = if settings.is_null() { Value::Object(Map::new()) } else { settings };
    Case {
        function: function.into(),
        settings,
        arguments,
        repositories: vec![],
        kv: BTreeMap::new(),
        now,
        seed: 0,
        answers: vec![],
        expect: None,
        expect_kv: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: Value, got: Value, text: &[&str]) {
        let mut lines = vec![];
        differences("", &expected, &got, &mut lines);
        assert_eq!(lines, text);
    }

    #[test]
    fn differences_name_their_place() {
        check(json!({ "ok": [1, "a"] }), json!({ "ok": [1.0, "a"] }), &[]);
        check(
            json!({ "ok": { "items": [{ "title": "a" }], "more": false } }),
            json!({ "ok": { "items": [{ "title": "b", "labels": [] }, 2], "cursor": "c", "next": null } }),
            &[
                "ok.items[0].title: \"a\" expected, got \"b\"",
                "ok.items[1]: nothing expected, got 2",
                "ok.more: false expected, got nothing",
                "ok.cursor: nothing expected, got \"c\"",
            ],
        );
        check(
            json!({ "ok": 1 }),
            json!({ "error": 2 }),
            &["ok: 1 expected, got nothing", "error: nothing expected, got 2"],
        );
    }

    #[test]
    fn an_error_may_be_expected_by_its_word_alone() {
        assert!(of_that_case(&json!({ "error": "invalid" }), &json!({ "error": { "invalid": "no url" } })));
        assert!(!of_that_case(&json!({ "error": "denied" }), &json!({ "error": { "invalid": "no url" } })));
        assert!(!of_that_case(&json!({ "ok": 1 }), &json!({ "ok": 1 })));
    }

    #[test]
    fn a_file_with_a_mistake_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        fs::write(&file, "{\n \"function\": \"poll\",\n \"expects\": 1 }").unwrap();
        let said = Case::read(&file).unwrap_err().to_string();
        assert!(said.contains("unknown field `expects`") && said.contains("line 3"), "{said}");
    }
}
