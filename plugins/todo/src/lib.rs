//! `todo`: the TODO, FIXME and HACK comments of a repository are work.
//!
//! ```toml
//! [analyzers.todo]
//! plugin = "todo"
//! repositories = ["shop"]
//! settings = { words = ["FIXME", "TODO"], globs = ["!vendor/**"], limit = 20 }
//! ```
//!
//! The host searches, at native speed and in one commit; [`comment`] decides which hits are comments, in the language
//! that the file's name tells; [`finding`] makes tasks of them. A comment stays the same task while its words and its
//! file do, wherever in the file it moves. When it is gone, so is the task.
//!
//! - Never looks at a working copy: what counts is the commit that the request names.
//! - Never says that its findings are all, when a limit cut them: nothing is withdrawn by accident.

mod comment;
mod finding;

use agentd_sdk::analyzer::{Analyzer, Report, Request};
use agentd_sdk::host::repository::{Hit, SearchQuery, search};
use agentd_sdk::manifest::RepositoryWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, log, settings};

struct Todo;
agentd_sdk::plugin!(Todo: analyzer);

/// How many hits are looked at. Far more than anybody works through, and little enough for the call's limits.
const HITS: usize = 10_000;

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "words": {"type": "array", "items": {"type": "string"}, "default": ["FIXME", "HACK", "TODO"],
        "description": "The words that mark such a comment, the most important first"},
    "globs": {"type": "array", "items": {"type": "string"},
        "default": ["!vendor/**", "!node_modules/**", "!third_party/**", "!*.min.js"],
        "description": "Which files to search; one that begins with ! leaves files out"},
    "limit": {"type": "integer", "minimum": 1, "default": 50,
        "description": "How many comments become tasks at most"},
    "context": {"type": "integer", "minimum": 0, "maximum": 20, "default": 4,
        "description": "How many lines before and after the comment the task shows"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    words: Vec<String>,
    globs: Vec<String>,
    limit: u32,
    context: u32,
}

impl Plugin for Todo {
    fn describe(_settings: &str) -> Description {
        let why = "to search it for comments that ask for work".into();
        Description {
            name: "todo".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Makes tasks of the TODO, FIXME and HACK comments in a repository".into(),
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

impl Analyzer for Todo {
    fn analyze(request: Request) -> Result<Report, Error> {
        let settings: Settings = settings()?;
        let limit = settings.limit.min(request.limit) as usize;
        let (hits, all) = hits(&request, &settings)?;
        let report = finding::report(&hits, all, &settings.words, limit);
        log::info(&report.summary, &[("repository", request.repository.as_str())]);
        Ok(report)
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if settings.words.is_empty() {
        problems.push(Problem::new("/words", "is empty: name at least one word, as in [\"TODO\"]"));
    }
    for (index, word) in settings.words.iter().enumerate() {
        let single = !word.is_empty() && word.chars().all(|it| it.is_alphanumeric() || it == '_');
        if !single {
            let message = format!("{word:?} is not a single word: use letters, digits and _ only");
            problems.push(Problem::new(format!("/words/{index}"), message));
        }
    }
    if settings.limit == 0 {
        problems.push(Problem::new("/limit", "is 0: no comment could become a task; name at least 1"));
    }
    if settings.context > 20 {
        let message = format!("is {}: the host gives at most 20 lines", settings.context);
        problems.push(Problem::new("/context", message));
    }
    problems
}

/// All lines with one of the words, and whether these are really all.
fn hits(request: &Request, settings: &Settings) -> Result<(Vec<Hit>, bool), Error> {
    let mut hits = vec![];
    let mut query = SearchQuery {
        tree: request.repository.clone(),
        revision: Some(request.revision.clone()),
        pattern: settings.words.join("|"), // words hold nothing that a pattern could take for its own: see `problems`
        whole_words: true,
        globs: settings.globs.clone(),
        context: settings.context.min(20),
        limit: 1_000,
        ..SearchQuery::default()
    };
    loop {
        let page = search(&query)?;
        hits.extend(page.hits);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok((hits, true));
        }
        if hits.len() >= HITS {
            return Ok((hits, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = Todo::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected);
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check(r#"{"words": ["TODO"], "globs": [], "limit": 5, "context": 2}"#, &[]);
        check(
            r#"{"words": ["TODO", "fix me", ".*"], "globs": [], "limit": 0, "context": 21}"#,
            &[
                ("/words/1", "\"fix me\" is not a single word: use letters, digits and _ only"),
                ("/words/2", "\".*\" is not a single word: use letters, digits and _ only"),
                ("/limit", "is 0: no comment could become a task; name at least 1"),
                ("/context", "is 21: the host gives at most 20 lines"),
            ],
        );
        check(
            r#"{"words": [], "globs": [], "limit": 1, "context": 0}"#,
            &[("/words", "is empty: name at least one word, as in [\"TODO\"]")],
        );
    }

    #[test]
    fn the_schemas_defaults_are_settings_without_problems() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        let defaults: serde_json::Map<_, _> =
            properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();
        check(&serde_json::Value::from(defaults).to_string(), &[]);
    }
}
