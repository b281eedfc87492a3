//! `stale-issues`: open issues that nobody has touched for long are looked at again. A few at a time, the oldest first.
//!
//! ```toml
//! [analyzers.stale]
//! plugin = "stale-issues"
//! repositories = ["acme/shop"]
//! settings = { days = 90, exempt_labels = ["pinned", "roadmap"] }
//! ```
//!
//! What is proposed is to find out how an issue stands: whether it is still so, has been done, or can be done now.
//! [`quiet`] says which issues are quiet and makes drafts of them. Whoever comments on an issue, labels or closes it,
//! takes it off the list.
//!
//! - Never writes to the forge: it closes nothing, labels nothing, and makes no comment.
//! - Never hands on what an issue says as if it were the operator's word: it is the author's, and named so.
//! - Never proposes more than three, whatever else is quiet.

mod quiet;

use agentd_sdk::analyzer::proposals::{Words, propose};
use agentd_sdk::analyzer::{Analyzer, Report, Request};
use agentd_sdk::host::forge::{Issue, IssueOrder, IssueQuery, list_issues};
use agentd_sdk::manifest::ForgeWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Timestamp, Want, log, settings};
use quiet::Quiet;

struct StaleIssues;
agentd_sdk::plugin!(StaleIssues: analyzer);

/// How many may be proposed at a time.
const MOST: u32 = 3;
/// How many issues one analysis looks at: enough to find three among many that are exempt.
const LOOKED_AT: usize = 1_000;

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "days": {"type": "integer", "minimum": 1, "maximum": 3650, "default": 60,
        "description": "After how many days without any activity an issue counts as quiet"},
    "exempt_labels": {"type": "array", "items": {"type": "string"},
        "default": ["pinned", "security", "agentd", "agentd:in-progress", "agentd:blocked"],
        "description": "Issues with one of these labels are left alone, upper and lower case alike"},
    "exempt_assigned": {"type": "boolean", "default": false,
        "description": "Leave issues alone that somebody is assigned to"},
    "exempt_milestones": {"type": "boolean", "default": true,
        "description": "Leave issues alone that are planned for a milestone"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 3, "default": 3,
        "description": "How many are proposed at a time"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    days: u32,
    exempt_labels: Vec<String>,
    exempt_assigned: bool,
    exempt_milestones: bool,
    limit: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        let labels = ["pinned", "security", "agentd", "agentd:in-progress", "agentd:blocked"];
        Settings {
            days: 60,
            exempt_labels: labels.map(Into::into).into(),
            exempt_assigned: false,
            exempt_milestones: true,
            limit: MOST,
        }
    }
}

impl Plugin for StaleIssues {
    fn describe(_settings: &str) -> Description {
        let why = "to find issues that nobody has touched for long; it writes nothing".into();
        Description {
            name: "stale-issues".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Proposes to look again at issues that have been quiet for long, at most 3 at a time".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Forge(ForgeWant { writes: vec![], why, extra: vec![] })],
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

impl Analyzer for StaleIssues {
    fn analyze(request: Request) -> Result<Report, Error> {
        let settings: Settings = settings()?;
        let since = request.now.saturating_sub(u64::from(settings.days) * quiet::DAY_MS);
        let issues = oldest(&request.repository, since)?;
        let all = issues.len() < LOOKED_AT;
        let quiet = Quiet { settings: &settings, until: since };
        let found: Vec<_> = issues.iter().filter(|it| quiet.is(it)).map(|it| quiet.draft(it)).collect();
        let mut summary = quiet.summary(found.len(), issues.len());
        let most = settings.limit.min(MOST).min(request.limit) as usize;
        let findings = propose(&request.repository, found, most, Words::Fresh)?;
        if !all {
            summary.push_str("; more quiet issues were not looked at");
        }
        log::info(&summary, &[("repository", request.repository.as_str())]);
        // Also where not all were looked at: what was proposed and is not among the quietest any more was touched.
        Ok(Report { findings, complete: true, cursor: None, summary, extra: vec![] })
    }
}

/// The open issues that were last touched before that moment, the longest untouched first.
fn oldest(repository: &str, until: Timestamp) -> Result<Vec<Issue>, Error> {
    let mut issues = vec![];
    let mut query = IssueQuery {
        repository: Some(repository.to_owned()),
        state: "open".into(),
        order: IssueOrder::Stalest,
        limit: 100,
        ..IssueQuery::default()
    };
    loop {
        let page = list_issues(&query)?;
        // In this order, one that is not quiet is followed by none that is.
        let last = page.issues.iter().any(|it| it.changed_at >= until);
        issues.extend(page.issues.into_iter().filter(|it| it.changed_at < until));
        query.cursor = page.next;
        if query.cursor.is_none() || last || issues.len() >= LOOKED_AT {
            return Ok(issues);
        }
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if settings.days == 0 {
        problems.push(Problem::new("/days", "is 0: every issue would be quiet; give at least 1"));
    }
    for (index, label) in settings.exempt_labels.iter().enumerate().filter(|(_, label)| label.trim().is_empty()) {
        let pointer = format!("/exempt_labels/{index}");
        problems.push(Problem::new(pointer, format!("{label:?} is no label: leave it out")));
    }
    if !(1..=MOST).contains(&settings.limit) {
        let message = format!("is {}: give 1 to {MOST}", settings.limit);
        problems.push(Problem::new("/limit", message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = StaleIssues::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check("{}", &[]);
        check(r#"{"days": 365, "exempt_labels": [], "limit": 1}"#, &[]);
        check(
            r#"{"days": 0, "exempt_labels": ["a", " "], "limit": 4}"#,
            &[
                ("/days", "is 0: every issue would be quiet; give at least 1"),
                ("/exempt_labels/1", "\" \" is no label: leave it out"),
                ("/limit", "is 4: give 1 to 3"),
            ],
        );
    }

    #[test]
    fn it_wants_to_read_the_forge_and_nothing_else() {
        let wants = StaleIssues::describe("{}").wants;
        assert!(matches!(&wants[..], [Want::Forge(want)] if want.writes.is_empty()), "{wants:?}");
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
}
