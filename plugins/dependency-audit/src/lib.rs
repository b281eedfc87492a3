//! `dependency-audit`: packages with known flaws, by advisories that lie in a folder. Nothing is asked of the network.
//!
//! ```toml
//! [analyzers.audit]
//! plugin = "dependency-audit"
//! repositories = ["shop"]
//! settings = { advisories = "/srv/advisory-db", ignore = ["RUSTSEC-2020-0071"] }
//! ```
//!
//! The folder holds RustSec's advisories (a clone of its database) or OSV's JSON files (an unpacked `all.zip` of an
//! ecosystem), or both; keeping it fresh is the operator's. [`lock`] reads what the repository uses, [`advisory`] what is
//! known, [`version`] compares, and [`audit`] keeps the worst. Some thousand files are looked at in one call, and the
//! next one goes on behind them.
//!
//! A flaw that shall be left alone is named in `ignore`, by any of its names.
//!
//! - Never proposes more than three, the worst first.
//! - Never stumbles over a damaged file: it is named in the log, and the others count.
//! - Never says that nothing is wrong when there was nothing to hold the packages against.

mod advisory;
mod audit;
mod lock;
mod version;

use agentd_sdk::analyzer::proposals::{Proposed, Words, propose};
use agentd_sdk::analyzer::{Analyzer, Report, Request};
use agentd_sdk::host::repository::{File, FileQuery, list_files, read_file};
use agentd_sdk::manifest::{DirectoryWant, RepositoryWant};
use agentd_sdk::settings::parse;
use agentd_sdk::{Content, Description, Error, Plugin, Problem, Want, log, settings};
use audit::Audit;
use lock::{Ecosystem, Locked};

struct DependencyAudit;
agentd_sdk::plugin!(DependencyAudit: analyzer);

/// How many may be proposed at a time.
const MOST: u32 = 3;
/// How many files of advisories one call looks at.
const FILES: u32 = 4_000;
/// How large an advisory may be, in bytes: larger ones list versions by the thousand, and ranges say the same.
const ADVISORY: u32 = 1 << 20;
/// How many lock files of a repository count.
const LOCK_FILES: usize = 100;
/// The host's name for the directory that the setting `advisories` holds.
const TREE: &str = "dir:advisories";

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["advisories"], "properties": {
    "advisories": {"type": "string",
        "description": "The directory with advisories: a clone of RustSec's advisory-db, or OSV's JSON files"},
    "globs": {"type": "array", "items": {"type": "string"},
        "default": ["Cargo.lock", "package-lock.json", "npm-shrinkwrap.json", "!node_modules/**", "!vendor/**"],
        "description": "Which lock files count; one that begins with ! leaves files out"},
    "ignore": {"type": "array", "items": {"type": "string"}, "default": [],
        "description": "Flaws that are left alone, by any of their names: RUSTSEC-…, GHSA-…, CVE-…"},
    "min_severity": {"type": "string", "enum": ["low", "medium", "high", "critical"], "default": "low",
        "description": "How bad a flaw must be, by its CVSS score; what nobody has scored counts as medium"},
    "informational": {"type": "boolean", "default": false,
        "description": "Count what only informs, too: packages that are unmaintained or unsound"},
    "development": {"type": "boolean", "default": true,
        "description": "Count what is only needed for development, where the lock file says so"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 3, "default": 3,
        "description": "How many are proposed at a time"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    advisories: String,
    globs: Vec<String>,
    ignore: Vec<String>,
    min_severity: Least,
    informational: bool,
    development: bool,
    limit: u32,
}

/// The least severity that counts.
#[derive(serde::Deserialize, Clone, Copy, Debug, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Least {
    #[default]
    Low,
    Medium,
    High,
    Critical,
}

impl Least {
    /// In tenths of CVSS's points.
    fn tenths(self) -> u16 {
        match self {
            Least::Low => 0,
            Least::Medium => 40,
            Least::High => 70,
            Least::Critical => 90,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        let globs = ["Cargo.lock", "package-lock.json", "npm-shrinkwrap.json", "!node_modules/**", "!vendor/**"];
        Settings {
            advisories: String::new(),
            globs: globs.map(Into::into).into(),
            ignore: vec![],
            min_severity: Least::Low,
            informational: false,
            development: true,
            limit: MOST,
        }
    }
}

impl Plugin for DependencyAudit {
    fn describe(_settings: &str) -> Description {
        let repository = RepositoryWant { why: "to read its lock files".into(), extra: vec![] };
        let why = "to read the advisories in it".into();
        let directory = DirectoryWant { setting: "advisories".into(), why, extra: vec![] };
        Description {
            name: "dependency-audit".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Proposes to update packages with known flaws, by advisories in a folder, at most 3 at a time"
                .into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Repository(repository), Want::Directory(directory)],
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

/// What is carried from one call of an analysis to the next.
#[derive(serde::Serialize, serde::Deserialize, Default)]
struct Cursor {
    /// Where the host's list of advisories goes on.
    page: Option<String>,
    /// A lock file could not be read: what was proposed because of it must not be taken back.
    blind: bool,
    audit: Audit,
}

impl Analyzer for DependencyAudit {
    fn analyze(request: Request) -> Result<Report, Error> {
        let settings: Settings = settings()?;
        let mut cursor: Cursor = match &request.cursor {
            Some(text) => serde_json::from_str(text)
                .map_err(|error| Error::Invalid(format!("the cursor cannot be read: {error}")))?,
            None => Cursor::default(),
        };
        let locked = locked(&request, &settings, &mut cursor.blind)?;
        if locked.len() > 0 {
            let before = Proposed::read(&request.repository)?;
            cursor.page = next_page(&settings, &locked, &before, cursor.page, &mut cursor.audit)?;
            if cursor.page.is_some() {
                let text = serde_json::to_string(&cursor)
                    .map_err(|error| Error::Other(format!("noting how far the audit is: {error}")))?;
                let summary = format!("{} advisories so far", cursor.audit.advisories);
                return Ok(Report { cursor: Some(text), summary, ..Report::default() });
            }
            if cursor.audit.advisories == 0 {
                return Err(Error::NotFound(format!(
                    "the directory {:?} of the setting `advisories` holds none that concern Cargo or npm: clone RustSec's \
                     advisory-db there, or unpack OSV's files",
                    settings.advisories
                )));
            }
        }
        let summary = cursor.audit.summary(&locked);
        let most = settings.limit.min(MOST).min(request.limit) as usize;
        let findings = propose(&request.repository, cursor.audit.drafts(), most, Words::Fresh)?;
        log::info(&summary, &[("repository", request.repository.as_str())]);
        Ok(Report { findings, complete: !cursor.blind, cursor: None, summary, extra: vec![] })
    }
}

/// What the repository uses.
fn locked(request: &Request, settings: &Settings, blind: &mut bool) -> Result<Locked, Error> {
    let page = list_files(&FileQuery {
        tree: request.repository.clone(),
        revision: Some(request.revision.clone()),
        globs: settings.globs.clone(),
        limit: LOCK_FILES as u32,
        ..FileQuery::default()
    })?;
    let mut locked = Locked::default();
    for File { path, .. } in page.files {
        let taken = match read_file(&request.repository, Some(&request.revision), &path) {
            Ok(Content::Text(text)) => locked.take(&path, &text, settings.development),
            Ok(Content::Bytes(_)) => Err("is no text".into()),
            Err(Error::TooLarge(why) | Error::NotFound(why)) => Err(why),
            Err(error) => return Err(error),
        };
        if let Err(why) = taken {
            *blind = true;
            let fields = [("repository", request.repository.as_str()), ("file", &path)];
            log::error(format!("{path} is left out: it {why}"), &fields);
        }
    }
    Ok(locked)
}

/// Holds the next advisories against the packages; gives where the ones after them begin.
fn next_page(
    settings: &Settings,
    locked: &Locked,
    before: &Proposed,
    page: Option<String>,
    audit: &mut Audit,
) -> Result<Option<String>, Error> {
    let query = FileQuery {
        tree: TREE.into(),
        globs: vec!["*.md".into(), "*.json".into(), "!.git/**".into()],
        cursor: page,
        limit: FILES,
        ..FileQuery::default()
    };
    let page = list_files(&query).map_err(|error| explain(error, settings))?;
    for File { path, size, .. } in page.files {
        if advisory::package_of(&path).is_some_and(|it| !locked.has(Ecosystem::Cargo, it)) {
            audit.advisories += 1; // it concerns nothing here, and need not be read
            continue;
        }
        let taken = match read_file(TREE, None, &path) {
            _ if size > ADVISORY => Err(format!("it has {size} bytes, and {ADVISORY} are read")),
            Ok(Content::Text(text)) => audit.take(settings, locked, before, &path, &text),
            Ok(Content::Bytes(_)) => Err("it is no text".into()),
            // Gone since it was listed, or a link.
            Err(Error::NotFound(why) | Error::TooLarge(why) | Error::Invalid(why)) => Err(why),
            Err(error) => return Err(error),
        };
        if let Err(why) = taken {
            log::warn(format!("The advisory {path} is left out: {why}"), &[("file", path.as_str())]);
        }
    }
    Ok(page.next)
}

/// Puts the setting's name and a way out where the host can only say that something is not there.
fn explain(error: Error, settings: &Settings) -> Error {
    match error {
        Error::NotFound(_) => Error::NotFound(format!(
            "the directory {:?} of the setting `advisories` does not exist: make it, or correct the setting",
            settings.advisories
        )),
        other => other,
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if settings.advisories.trim().is_empty() {
        problems.push(Problem::new("/advisories", "is empty: name the directory with the advisories"));
    }
    for (index, name) in settings.ignore.iter().enumerate().filter(|(_, it)| it.trim() != *it || it.is_empty()) {
        let message = format!("{name:?} is no name of a flaw: write it as in RUSTSEC-2020-0071");
        problems.push(Problem::new(format!("/ignore/{index}"), message));
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
        let problems = DependencyAudit::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check(r#"{"advisories": "db", "ignore": ["CVE-1"], "min_severity": "high"}"#, &[]);
        check(
            r#"{"advisories": " ", "ignore": ["a", " b"], "limit": 4}"#,
            &[
                ("/advisories", "is empty: name the directory with the advisories"),
                ("/ignore/1", "\" b\" is no name of a flaw: write it as in RUSTSEC-2020-0071"),
                ("/limit", "is 4: give 1 to 3"),
            ],
        );
    }

    #[test]
    fn a_missing_directory_names_the_setting_and_a_way_out() {
        let settings = Settings { advisories: "db".into(), ..Settings::default() };
        let error = explain(Error::NotFound("ENOENT".into()), &settings);
        assert!(matches!(error, Error::NotFound(text)
            if text == "the directory \"db\" of the setting `advisories` does not exist: make it, or correct the setting"));
        assert!(matches!(explain(Error::Denied("no".into()), &settings), Error::Denied(_)));
    }

    #[test]
    fn it_wants_its_directory_and_the_repository() {
        let wants = DependencyAudit::describe("{}").wants;
        assert!(matches!(&wants[..], [Want::Repository(_), Want::Directory(want)] if want.setting == "advisories"));
    }

    #[test]
    fn the_schema_describes_every_setting_and_its_defaults_are_the_usual_settings() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
        let defaults: serde_json::Map<_, _> = properties
            .iter()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
            .collect();
        assert_eq!(serde_json::from_value::<Settings>(defaults.into()).expect("settings"), Settings::default());
    }
}
