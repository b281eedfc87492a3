//! What the operator configures: which issues are work, and what is written on them.

use agentd_sdk::Problem;
use std::collections::BTreeMap;

pub(crate) const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "labels": {"type": "array", "items": {"type": "string"}, "default": ["agentd"],
        "description": "An issue is work if it has all of these labels; who set the newest of them asked for it"},
    "exclude": {"type": "array", "items": {"type": "string"}, "default": ["agentd:blocked"],
        "description": "An issue with one of these labels is no work"},
    "in_progress": {"type": "string", "default": "agentd:in-progress",
        "description": "The label that an issue has while agentd works on it; one that others set says: keep off"},
    "blocked": {"type": "string", "default": "agentd:blocked",
        "description": "The label that an issue gets when its task failed, until it is asked for anew"},
    "assignee": {"type": "string",
        "description": "Only issues assigned to this login; *: only those assigned to anybody"},
    "milestone": {"type": "string", "description": "Only issues in the milestone of this title"},
    "assign": {"type": "boolean", "default": true,
        "description": "Assign the issue to the account that agentd works as while it works; not if `assignee` is set"},
    "comment": {"type": "boolean", "default": true,
        "description": "Keep one comment on the issue that says how it goes"},
    "priorities": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 4},
        "default": {"priority: urgent": 1, "priority: high": 2, "priority: low": 4, "P0": 1, "P1": 2, "P2": 3, "P3": 4},
        "description": "What labels say of an issue's priority: 1 urgent, 2 high, 3 normal, 4 low"}}}"#;

/// What the operator configured for one source.
#[derive(serde::Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) labels: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) in_progress: String,
    pub(crate) blocked: String,
    pub(crate) assignee: Option<String>,
    pub(crate) milestone: Option<String>,
    pub(crate) assign: bool,
    pub(crate) comment: bool,
    pub(crate) priorities: BTreeMap<String, u32>,
}

impl Default for Settings {
    fn default() -> Settings {
        let priorities = [
            ("priority: urgent", 1),
            ("priority: high", 2),
            ("priority: low", 4),
            ("P0", 1),
            ("P1", 2),
            ("P2", 3),
            ("P3", 4),
        ];
        Settings {
            labels: vec!["agentd".into()],
            exclude: vec!["agentd:blocked".into()],
            in_progress: "agentd:in-progress".into(),
            blocked: "agentd:blocked".into(),
            assignee: None,
            milestone: None,
            assign: true,
            comment: true,
            priorities: priorities.into_iter().map(|(label, number)| (label.to_owned(), number)).collect(),
        }
    }
}

impl Settings {
    /// Whether agentd assigns itself. Where assignees say what is work, it leaves them to people: taking itself off at
    /// the end would make an issue no work that a person assigned to it.
    pub(crate) fn assigns(&self) -> bool {
        self.assign && self.assignee.is_none()
    }

    /// Every mistake that the schema cannot see.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = vec![];
        if self.labels.is_empty() {
            let message = "is empty: every issue would be work that nobody asked for; name a label, as in [\"agentd\"]";
            problems.push(Problem::new("/labels", message));
        }
        for (pointer, labels) in [("/labels", &self.labels), ("/exclude", &self.exclude)] {
            for (index, label) in labels.iter().enumerate().filter(|(_, label)| label.trim().is_empty()) {
                problems
                    .push(Problem::new(format!("{pointer}/{index}"), format!("{label:?} is no label: leave it out")));
            }
        }
        for (index, label) in self.exclude.iter().enumerate() {
            if has(&self.labels, label) {
                let message = format!("{label:?} stands in `labels` too: no issue could be work");
                problems.push(Problem::new(format!("/exclude/{index}"), message));
            }
        }
        self.check_own(&mut problems);
        for (pointer, value) in [("/assignee", &self.assignee), ("/milestone", &self.milestone)] {
            if value.as_ref().is_some_and(|it| it.trim().is_empty()) {
                problems.push(Problem::new(pointer, "is empty: leave it out, if it shall not matter"));
            }
        }
        for (label, number) in self.priorities.iter().filter(|(_, number)| !(1..=4).contains(*number)) {
            let message = format!("{label:?} is {number}: give 1 (urgent), 2 (high), 3 (normal) or 4 (low)");
            problems.push(Problem::new("/priorities", message));
        }
        problems
    }

    /// The labels that agentd sets itself.
    fn check_own(&self, problems: &mut Vec<Problem>) {
        for (pointer, label) in [("/in_progress", &self.in_progress), ("/blocked", &self.blocked)] {
            if label.trim().is_empty() {
                problems.push(Problem::new(pointer, "is empty: name a label, or leave it out for the usual one"));
            } else if has(&self.labels, label) {
                let message = format!("{label:?} stands in `labels` too: agentd would ask itself for work");
                problems.push(Problem::new(pointer, message));
            }
        }
        if same(&self.in_progress, &self.blocked) {
            problems.push(Problem::new("/blocked", "is the same as `in_progress`: name two labels"));
        }
        if has(&self.exclude, &self.in_progress) {
            let message = "stands in `exclude` too: agentd's own work would be withdrawn as soon as it begins";
            problems.push(Problem::new("/in_progress", message));
        }
    }
}

/// Whether two names are one to the forge, which takes labels and logins in any case.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

pub(crate) fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|it| same(it, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GithubIssues;
    use agentd_sdk::Plugin;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = GithubIssues::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check("{}", &[]);
        check(r#"{"labels": ["ai", "ready"], "assignee": "*", "milestone": "v2", "priorities": {"hot": 1}}"#, &[]);
        check(
            r#"{"labels": ["ai", " "], "exclude": ["AI", "Busy"], "in_progress": "busy", "blocked": "",
                "assignee": "", "milestone": " ", "priorities": {"hot": 9}}"#,
            &[
                ("/labels/1", "\" \" is no label: leave it out"),
                ("/exclude/0", "\"AI\" stands in `labels` too: no issue could be work"),
                ("/blocked", "is empty: name a label, or leave it out for the usual one"),
                ("/in_progress", "stands in `exclude` too: agentd's own work would be withdrawn as soon as it begins"),
                ("/assignee", "is empty: leave it out, if it shall not matter"),
                ("/milestone", "is empty: leave it out, if it shall not matter"),
                ("/priorities", "\"hot\" is 9: give 1 (urgent), 2 (high), 3 (normal) or 4 (low)"),
            ],
        );
        check(
            r#"{"labels": [], "in_progress": "x", "blocked": "X"}"#,
            &[
                (
                    "/labels",
                    "is empty: every issue would be work that nobody asked for; name a label, as in [\"agentd\"]",
                ),
                ("/blocked", "is the same as `in_progress`: name two labels"),
            ],
        );
        check(
            r#"{"labels": ["agentd:blocked"], "exclude": []}"#,
            &[("/blocked", "\"agentd:blocked\" stands in `labels` too: agentd would ask itself for work")],
        );
        let unknown = "the settings do not fit: unknown field `label`, expected one of `labels`, `exclude`, \
                       `in_progress`, `blocked`, `assignee`, `milestone`, `assign`, `comment`, `priorities` at line 1 \
                       column 8";
        check(r#"{"label": "agentd"}"#, &[("", unknown)]);
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
        let defaults: Settings = serde_json::from_value(defaults.into()).expect("settings");
        assert_eq!(defaults, Settings::default());
    }

    #[test]
    fn it_assigns_itself_only_where_assignees_do_not_say_what_is_work() {
        assert!(Settings::default().assigns());
        assert!(!Settings { assignee: Some("agentd-bot".into()), ..Settings::default() }.assigns());
        assert!(!Settings { assign: false, ..Settings::default() }.assigns());
    }
}
