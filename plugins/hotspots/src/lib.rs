//! `hotspots`: files that are changed often and hard to read are worth a refactoring. The worst few, and no others.
//!
//! ```toml
//! [analyzers.hotspots]
//! plugin = "hotspots"
//! repositories = ["shop"]
//! settings = { days = 180, globs = ["!tests/**"] }
//! ```
//!
//! The host counts who changed what in the history; [`complexity`] measures a file by its indentation and its branches,
//! which works for any language that people indent; [`ranking`] multiplies the two and makes drafts. A finding keeps
//! its key as long as its file keeps its name, and its words as long as it is proposed: the figures in them are those of
//! the day when it was first made.
//!
//! A file that shall stay as it is, is left out by a glob that begins with `!`.
//!
//! - Never looks at a working copy: what counts is the commit that the request names.
//! - Never proposes more than three, and no file that is small, simple or seldom changed.
//! - Never says that a file is bad: it says the figures, and what they were held against.

mod complexity;
mod ranking;

use agentd_sdk::analyzer::proposals::{Words, propose};
use agentd_sdk::analyzer::{Analyzer, Report, Request};
use agentd_sdk::host::repository::{ChurnQuery, ChurnedFile, churn, read_file};
use agentd_sdk::manifest::RepositoryWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Content, Description, Error, Plugin, Problem, Want, log, settings};

struct Hotspots;
agentd_sdk::plugin!(Hotspots: analyzer);

/// How many may be proposed at a time.
const MOST: u32 = 3;
/// How many of the most often changed files are read, and how large one may be, in bytes.
const FILES: u32 = 300;
const FILE: usize = 1 << 20;
const DAY_MS: u64 = 86_400_000;

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "days": {"type": "integer", "minimum": 7, "maximum": 3650, "default": 180,
        "description": "How many days of history count"},
    "globs": {"type": "array", "items": {"type": "string"},
        "default": ["!vendor/**", "!node_modules/**", "!third_party/**", "!*.min.js", "!**/generated/**", "!**/migrations/**"],
        "description": "Which files to look at; one that begins with ! leaves files out. Files that hold no program are left out anyway"},
    "min_commits": {"type": "integer", "minimum": 2, "default": 8,
        "description": "How many commits in that time must have changed a file"},
    "min_complexity": {"type": "integer", "minimum": 1, "default": 150,
        "description": "How complex a file must be: one point for each branch, and for each line one for each level that it is indented beyond the second"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 3, "default": 3,
        "description": "How many are proposed at a time"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    days: u32,
    globs: Vec<String>,
    min_commits: u32,
    min_complexity: u32,
    limit: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        let globs =
            ["!vendor/**", "!node_modules/**", "!third_party/**", "!*.min.js", "!**/generated/**", "!**/migrations/**"];
        Settings { days: 180, globs: globs.map(Into::into).into(), min_commits: 8, min_complexity: 150, limit: MOST }
    }
}

impl Plugin for Hotspots {
    fn describe(_settings: &str) -> Description {
        let why = "to find files that are changed often and hard to read".into();
        Description {
            name: "hotspots".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Proposes to refactor files that are changed often and hard to read, at most 3 at a time".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Repository(RepositoryWant { why, extra: vec![] })],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => problems(&settings),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Analyzer for Hotspots {
    fn analyze(request: Request) -> Result<Report, Error> {
        let settings: Settings = settings()?;
        let churned = churned(&request, &settings)?;
        let looked_at = churned.len();
        let read = |path: &str| read(&request, path);
        let found = ranking::rank(&settings, churned, read)?;
        let summary = summary(&settings, looked_at, found.len());
        let drafts = found.iter().map(|it| it.draft(&settings)).collect();
        let most = settings.limit.min(MOST).min(request.limit) as usize;
        let findings = propose(&request.repository, drafts, most, Words::Kept)?;
        log::info(&summary, &[("repository", request.repository.as_str())]);
        Ok(Report { findings, complete: true, cursor: None, summary, extra: vec![] })
    }
}

fn churned(request: &Request, settings: &Settings) -> Result<Vec<ChurnedFile>, Error> {
    let found = churn(&ChurnQuery {
        tree: request.repository.clone(),
        revision: Some(request.revision.clone()),
        globs: settings.globs.clone(),
        since: Some(request.now.saturating_sub(u64::from(settings.days) * DAY_MS)),
        limit: FILES,
        ..ChurnQuery::default()
    })?;
    Ok(found.into_iter().filter(|it| it.commits >= settings.min_commits && complexity::is_program(&it.path)).collect())
}

/// A file's text; none: there is none that anybody could read.
fn read(request: &Request, path: &str) -> Result<Option<String>, Error> {
    match read_file(&request.repository, Some(&request.revision), path) {
        Ok(Content::Text(text)) if text.len() <= FILE => Ok(Some(text)),
        Ok(Content::Text(_) | Content::Bytes(_)) => Ok(None),
        // A link, a submodule, or more than the host gives.
        Err(Error::NotFound(why) | Error::TooLarge(why) | Error::Invalid(why)) => {
            log::debug(format!("{path} is left out: {why}"), &[("file", path)]);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn summary(settings: &Settings, looked_at: usize, found: usize) -> String {
    let files = if looked_at == 1 { "1 file".into() } else { format!("{looked_at} files") };
    format!(
        "{files} with {} commits or more in {} days, {found} of them hard to read",
        settings.min_commits, settings.days
    )
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if settings.days < 7 {
        problems.push(Problem::new("/days", format!("is {}: give at least 7", settings.days)));
    }
    if settings.min_commits < 2 {
        let message = format!("is {}: give at least 2, since every file was made by one", settings.min_commits);
        problems.push(Problem::new("/min_commits", message));
    }
    if settings.min_complexity == 0 {
        problems.push(Problem::new("/min_complexity", "is 0: give at least 1"));
    }
    if !(1..=MOST).contains(&settings.limit) {
        problems.push(Problem::new("/limit", format!("is {}: give 1 to {MOST}", settings.limit)));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = Hotspots::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check("{}", &[]);
        check(
            r#"{"days": 6, "min_commits": 1, "min_complexity": 0, "limit": 0}"#,
            &[
                ("/days", "is 6: give at least 7"),
                ("/min_commits", "is 1: give at least 2, since every file was made by one"),
                ("/min_complexity", "is 0: give at least 1"),
                ("/limit", "is 0: give 1 to 3"),
            ],
        );
    }

    #[test]
    fn the_schema_describes_every_setting_and_its_defaults_are_the_usual_settings() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
        let defaults: serde_json::Map<_, _> =
            properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();
        assert_eq!(serde_json::from_value::<Settings>(defaults.into()).expect("settings"), Settings::default());
    }

    #[test]
    fn it_wants_to_read_repositories_and_nothing_else() {
        assert!(matches!(&Hotspots::describe("{}").wants[..], [Want::Repository(_)]));
    }

    #[test]
    fn the_summary_says_what_was_looked_for() {
        let settings = Settings::default();
        assert_eq!(summary(&settings, 1, 0), "1 file with 8 commits or more in 180 days, 0 of them hard to read");
        assert_eq!(summary(&settings, 9, 2), "9 files with 8 commits or more in 180 days, 2 of them hard to read");
    }
}
