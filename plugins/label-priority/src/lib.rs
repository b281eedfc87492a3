//! `label-priority`: a task's labels and priority make its place in the queue. The prioritizer unless another is named.
//!
//! ```toml
//! [prioritizer]
//! plugin = "label-priority"
//! settings = { labels = { payments = 80, docs = 0, "good first issue" = -10 } }
//! ```
//!
//! Each label of a task adds its points, upper and lower case alike; priority 1 (urgent) adds 75, 2 adds 50, 3 adds 25.
//! The labels of the settings come on top of those that are built in (see [`BUILT_IN`]); 0 switches one off. What made
//! a score stands in its reason: `label bug +30, priority 2 +50`.
//!
//! - Never looks at the time, at other candidates or at the outside: the same task always gets the same score.
//! - Never orders tasks of equal score: the host does, by how long they wait.

use agentd_sdk::prioritizer::{Batch, Prioritizer, Score, Task};
use agentd_sdk::settings::{SettingsError, parse};
use agentd_sdk::{Description, Error, Plugin, Problem, settings};
use std::collections::BTreeMap;

struct LabelPriority;
agentd_sdk::plugin!(LabelPriority: prioritizer);

/// The points of labels that the settings say nothing about, in lower case.
pub const BUILT_IN: &[(&str, i32)] = &[
    ("urgent", 100),
    ("critical", 100),
    ("security", 60),
    ("regression", 50),
    ("bug", 30),
    ("performance", 20),
    ("enhancement", 10),
    ("feature", 10),
    ("docs", 5),
    ("documentation", 5),
];

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "labels": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {},
        "description": "Points by label, over the built-in ones; 0 switches one off"}}}"#;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    labels: BTreeMap<String, i32>,
}

/// Points by label in lower case.
struct Points(BTreeMap<String, i32>);

impl Plugin for LabelPriority {
    fn describe(_settings: &str) -> Description {
        Description {
            name: "label-priority".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Ranks tasks by the points of their labels and by their priority".into(),
            settings_schema: SCHEMA.into(),
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        let parsed: Result<Settings, SettingsError> = parse(settings);
        match parsed {
            Ok(settings) => twins(&settings),
            Err(error) => vec![Problem::new("/labels", format!("{error}; points are whole numbers, as in bug = 30"))],
        }
    }
}

impl Prioritizer for LabelPriority {
    fn rank(batch: Batch) -> Result<Vec<Score>, Error> {
        let points = Points::new(settings()?);
        Ok(batch.candidates.iter().map(|candidate| points.score(&candidate.task)).collect())
    }
}

/// Labels that differ by case only: which of them counts, nobody could tell.
fn twins(settings: &Settings) -> Vec<Problem> {
    let mut seen = BTreeMap::new();
    let mut problems = vec![];
    for label in settings.labels.keys() {
        if let Some(first) = seen.insert(label.to_lowercase(), label) {
            let pointer = format!("/labels/{}", label.replace('~', "~0").replace('/', "~1"));
            problems.push(Problem::new(pointer, format!("is the same label as `{first}`: keep one of them")));
        }
    }
    problems
}

impl Points {
    fn new(settings: Settings) -> Points {
        let mut points: BTreeMap<String, i32> =
            BUILT_IN.iter().map(|(label, points)| ((*label).to_owned(), *points)).collect();
        points.extend(settings.labels.into_iter().map(|(label, points)| (label.to_lowercase(), points)));
        Points(points)
    }

    fn score(&self, task: &Task) -> Score {
        let mut labels: Vec<String> = task.labels.iter().map(|label| label.to_lowercase()).collect();
        labels.sort();
        labels.dedup();
        let mut parts: Vec<(String, i32)> =
            labels.iter().filter_map(|label| Some((format!("label {label}"), *self.0.get(label)?))).collect();
        if let Some(priority) = task.priority {
            parts.push((format!("priority {priority}"), priority_points(priority)));
        }
        parts.retain(|(_, points)| *points != 0);
        let sum: i64 = parts.iter().map(|(_, points)| i64::from(*points)).sum();
        let reasons: Vec<String> = parts.iter().map(|(what, points)| format!("{what} {points:+}")).collect();
        let reason = if reasons.is_empty() { "no label or priority that counts".into() } else { reasons.join(", ") };
        Score { task: task.id.clone(), value: sum as f64, valid_until: None, reason, extra: vec![] }
    }
}

/// 1 urgent, 2 high, 3 normal, 4 low; numbers that nobody has defined count as 3.
fn priority_points(priority: u32) -> i32 {
    match priority {
        1 => 75,
        2 => 50,
        4 => 0,
        _ => 25,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, labels: &[&str], priority: Option<u32>, value: f64, reason: &str) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let task = Task { id: "t-1".into(), labels, priority, ..Task::default() };
        let score = Points::new(parse(settings).expect("settings")).score(&task);
        assert_eq!((score.task.as_str(), score.value, score.reason.as_str()), ("t-1", value, reason));
    }

    #[test]
    fn labels_and_priority_add_up_and_say_so() {
        check("{}", &[], None, 0.0, "no label or priority that counts");
        check("{}", &["bug"], Some(2), 80.0, "label bug +30, priority 2 +50");
        check("{}", &["urgent", "Bug"], None, 130.0, "label bug +30, label urgent +100");
        check("{}", &["bug", "BUG"], None, 30.0, "label bug +30");
        check("{}", &["whatever"], Some(1), 75.0, "priority 1 +75");
        check("{}", &[], Some(4), 0.0, "no label or priority that counts");
        check("{}", &[], Some(9), 25.0, "priority 9 +25");
    }

    #[test]
    fn settings_come_over_the_built_in_labels() {
        let settings = r#"{"labels": {"Payments": 80, "docs": 0, "later": -40}}"#;
        check(settings, &["payments", "bug"], None, 110.0, "label bug +30, label payments +80");
        check(settings, &["docs"], None, 0.0, "no label or priority that counts");
        check(settings, &["later"], Some(3), -15.0, "label later -40, priority 3 +25");
    }

    #[test]
    fn even_the_largest_points_make_a_finite_score() {
        let settings = format!(r#"{{"labels": {{"a": {0}, "b": {0}}}}}"#, i32::MAX);
        check(&settings, &["a", "b"], None, 4_294_967_294.0, "label a +2147483647, label b +2147483647");
    }

    #[track_caller]
    fn check_problems(settings: &str, expected: &[(&str, &str)]) {
        let problems = LabelPriority::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected);
    }

    #[test]
    fn settings_that_contradict_themselves_are_named() {
        check_problems(r#"{"labels": {"bug": 1, "docs": 2}}"#, &[]);
        check_problems(
            r#"{"labels": {"Bug": 1, "bug": 2}}"#,
            &[("/labels/bug", "is the same label as `Bug`: keep one of them")],
        );
        check_problems(
            r#"{"labels": {"bug": "high"}}"#,
            &[(
                "/labels",
                "the settings do not fit: invalid type: a string, expected i32 at line 1 column 25; \
                 points are whole numbers, as in bug = 30",
            )],
        );
    }

    #[test]
    fn the_schema_is_json_and_describes_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
    }
}
