//! `folder`: a directory of Markdown files is a list of tasks. One file, one task; its name is the task's key.
//!
//! ```toml
//! [sources.notes]
//! plugin = "folder"
//! settings = { path = "tasks", repository = "shop", labels = ["agentd"] }
//! ```
//!
//! A file needs nothing but text. What a person wants to say besides stands at its top, between two lines of `---`:
//!
//! ```text
//! ---
//! title: Log in with a passkey
//! repository: shop
//! labels: bug, security
//! priority: 2
//! depends-on: [sessions.md]
//! ---
//! People cannot log in when …
//! ```
//!
//! [`document`] says what is understood there. Files in subfolders count; `README.md` and names that begin with a dot
//! do not. A deleted file withdraws its task.
//!
//! A file that cannot be read (not UTF-8, empty, a mistake at its top) is named in the plugin's log with what to do,
//! and left out; the others go on, except those that depend on it. As long as there is such a file nothing is
//! withdrawn: saving a mistake must not cancel work.
//!
//! - Never writes, and never tells how tasks go: the folder belongs to people.
//! - Never says when something was asked for: the same files give the same tasks, however often they are read.

mod document;
mod intake;

use agentd_sdk::host::repository::{FileQuery, list_files, read_file};
use agentd_sdk::manifest::DirectoryWant;
use agentd_sdk::settings::parse;
use agentd_sdk::task_source::{Intake, PollRequest, TaskSource};
use agentd_sdk::{Description, Error, Plugin, Problem, Want, log, settings};

struct Folder;
agentd_sdk::plugin!(Folder: task_source);

/// The host's name for the directory that the setting `path` holds.
const TREE: &str = "dir:path";

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["path"], "properties": {
    "path": {"type": "string", "description": "The directory with the Markdown files"},
    "repository": {"type": "string",
        "description": "The repository of files that name none; without it the routes decide"},
    "labels": {"type": "array", "items": {"type": "string"}, "default": [],
        "description": "Labels that every task gets, beside its own"}}}"#;

/// What the operator configured for one folder.
#[derive(serde::Deserialize, Clone, Default)]
#[serde(deny_unknown_fields)]
struct Settings {
    path: String,
    repository: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
}

impl Plugin for Folder {
    fn describe(_settings: &str) -> Description {
        let why = "to find tasks in it".into();
        Description {
            name: "folder".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Makes a task of each Markdown file in a directory".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Directory(DirectoryWant { setting: "path".into(), why, extra: vec![] })],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        let settings: Settings = match parse(settings) {
            Ok(settings) => settings,
            Err(error) => return vec![Problem::new("", error.to_string())],
        };
        let mut problems = vec![];
        if settings.path.trim().is_empty() {
            problems.push(Problem::new("/path", "is empty: name the directory with the Markdown files"));
        }
        for (index, label) in settings.labels.iter().enumerate().filter(|(_, label)| label.trim().is_empty()) {
            problems.push(Problem::new(format!("/labels/{index}"), format!("{label:?} is no label: leave it out")));
        }
        problems
    }
}

impl TaskSource for Folder {
    fn poll(request: PollRequest) -> Result<Intake, Error> {
        let settings: Settings = settings()?;
        let paths = task_files(&settings)?;
        let poll = intake::gather(&settings, &paths, request.cursor.as_deref(), |path| read_file(TREE, None, path))?;
        for skipped in &poll.skipped {
            let path = &skipped.path;
            log::error(format!("{path} is left out: {}", skipped.reason), &[("file", path.as_str())]);
        }
        Ok(poll.intake)
    }
}

/// The paths of all files that are tasks, in the order of their names.
fn task_files(settings: &Settings) -> Result<Vec<String>, Error> {
    let mut paths = vec![];
    let mut query = FileQuery { tree: TREE.into(), globs: vec!["*.md".into()], limit: 10_000, ..FileQuery::default() };
    loop {
        let page = list_files(&query).map_err(|error| explain(error, &settings.path))?;
        paths.extend(page.files.into_iter().map(|file| file.path).filter(|path| intake::is_task(path)));
        query.cursor = page.next;
        if query.cursor.is_none() {
            paths.sort();
            return Ok(paths);
        }
    }
}

/// Puts the setting's name and a way out where the host can only say that something is not there.
fn explain(error: Error, path: &str) -> Error {
    match error {
        Error::NotFound(_) => Error::NotFound(format!(
            "the directory {path:?} of the setting `path` does not exist: make it, or correct `path`"
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = Folder::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected);
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check(r#"{"path": "tasks", "labels": ["agentd"]}"#, &[]);
        check(
            r#"{"path": " ", "labels": ["a", ""]}"#,
            &[
                ("/path", "is empty: name the directory with the Markdown files"),
                ("/labels/1", "\"\" is no label: leave it out"),
            ],
        );
        check("{}", &[("", "the settings do not fit: missing field `path` at line 1 column 2")]);
    }

    #[test]
    fn a_missing_directory_names_the_setting_and_a_way_out() {
        let error = explain(Error::NotFound("ENOENT".into()), "tasks");
        assert!(matches!(error, Error::NotFound(text)
            if text == "the directory \"tasks\" of the setting `path` does not exist: make it, or correct `path`"));
        assert!(matches!(explain(Error::Denied("no".into()), "tasks"), Error::Denied(text) if text == "no"));
    }

    #[test]
    fn it_wants_its_directory_and_nothing_else() {
        let wants = Folder::describe("{}").wants;
        assert!(matches!(&wants[..], [Want::Directory(want)] if want.setting == "path"));
    }

    #[test]
    fn the_schema_is_json_and_describes_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
    }
}
