//! {{name}}: a test that is switched off is work. Finds the marks that skip tests, in the languages that people test in.
//!
//! The key is made of the file and of the line's text, never of its number: a finding stays the same while it moves.

use agentd_sdk::analyzer::{Analyzer, Draft, Location, Report, Request};
use agentd_sdk::host::repository::{Hit, SearchQuery, search};
use agentd_sdk::manifest::RepositoryWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use std::collections::BTreeSet;

struct {{NamePascal}};
agentd_sdk::plugin!({{NamePascal}}: analyzer);

const SCHEMA: &str = r##"{"type": "object", "additionalProperties": false, "properties": {
    "marks": {"type": "array", "items": {"type": "string"},
        "default": ["#[ignore", "@Disabled", "@Ignore", "@pytest.mark.skip", "@unittest.skip", "t.Skip(", "it.skip(",
            "test.skip(", "describe.skip("],
        "description": "What stands where a test is skipped"},
    "globs": {"type": "array", "items": {"type": "string"}, "default": ["!vendor/**", "!node_modules/**"],
        "description": "Which files to search"}}}"##;

#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default = "one_mark")]
    marks: Vec<String>,
    #[serde(default)]
    globs: Vec<String>,
}

fn one_mark() -> Vec<String> {
    vec!["#[ignore".into()]
}

impl Plugin for {{NamePascal}} {
    fn describe(_settings: &str) -> Description {
        let why = "to search it for tests that are skipped".into();
        Description {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Makes tasks of tests that are switched off".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Repository(RepositoryWant { why, extra: vec![] })],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Err(error) => vec![Problem::new("", error.to_string())],
            Ok(Settings { marks, .. }) if marks.is_empty() || marks.contains(&String::new()) => {
                vec![Problem::new("/marks", "names nothing to look for, or an empty text: [\"it.skip(\"]")]
            }
            Ok(_) => vec![],
        }
    }
}

impl Analyzer for {{NamePascal}} {
    fn analyze(request: Request) -> Result<Report, Error> {
        let settings: Settings = settings()?;
        let marks: Vec<String> = settings.marks.iter().map(|mark| escaped(mark)).collect();
        let mut query = SearchQuery {
            tree: request.repository,
            revision: Some(request.revision),
            pattern: marks.join("|"),
            globs: settings.globs,
            context: 3,
            limit: 1_000,
            ..SearchQuery::default()
        };
        let limit = request.limit as usize;
        let (mut findings, mut keys, mut hits) = (vec![], BTreeSet::new(), 0);
        loop {
            let page = search(&query)?;
            hits += page.hits.len();
            let found = page.hits.into_iter().map(finding);
            findings.extend(found.filter(|it| keys.insert(it.key.clone())));
            query.cursor = page.next;
            if query.cursor.is_none() || findings.len() > limit {
                break;
            }
        }
        let complete = query.cursor.is_none() && findings.len() <= limit;
        findings.truncate(limit);
        let summary = format!("{hits} skipped tests, {} findings", findings.len());
        Ok(Report { findings, complete, summary, ..Report::default() })
    }
}

fn finding(hit: Hit) -> Draft {
    let Hit { path, line, text, before, after, .. } = hit;
    let mark = text.trim();
    let lines: String = before.iter().chain([&text]).chain(&after).map(|it| format!("    {it}\n")).collect();
    Draft {
        key: format!("{path}: {mark}").chars().take(200).collect(),
        title: format!("Switch the skipped test in {path} on again"),
        body: format!(
            "Line {line} of `{path}` skips a test:\n\n{lines}\nFind out why, repair what is broken, and remove the \
             mark; or remove the test if it tests nothing any more."
        ),
        labels: vec!["tests".into()],
        locations: vec![Location { path, line, end_line: line, extra: vec![] }],
        ..Draft::default()
    }
}

/// Text as a pattern that means nothing but this text.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|it| r"\^$.|?*+()[]{}".contains(it).then_some('\\').into_iter().chain([it])).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_mark_is_no_pattern() {
        assert_eq!(super::escaped("#[ignore"), r"#\[ignore");
        assert_eq!(super::escaped("t.Skip("), r"t\.Skip\(");
    }
}
