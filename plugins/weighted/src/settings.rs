//! What the operator configures: how much each part of a score may weigh.

use agentd_sdk::Problem;
use std::collections::BTreeMap;

/// The largest weight of a part.
pub(crate) const WEIGHT: f64 = 1_000.0;

pub(crate) const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "labels": {"type": "object", "additionalProperties": {"type": "number", "minimum": -1000, "maximum": 1000},
        "default": {"urgent": 100, "critical": 100, "security": 60, "regression": 50, "bug": 30, "performance": 20,
            "enhancement": 10, "feature": 10, "docs": 5, "documentation": 5},
        "description": "Points by label, upper and lower case alike; all of a task's labels together count at most 1000"},
    "sources": {"type": "object", "additionalProperties": {"type": "number", "minimum": -1000, "maximum": 1000},
        "default": {}, "description": "Points by the name of the source or analyzer that a task comes from"},
    "priority": {"type": "number", "minimum": 0, "maximum": 1000, "default": 75,
        "description": "Points of priority 1 (urgent); 2 gives two thirds of it, 3 one third, 4 and none nothing"},
    "age": {"type": "number", "minimum": 0, "maximum": 1000, "default": 40,
        "description": "Points of a task that has waited for `age_days` or longer; before, its part of them"},
    "age_days": {"type": "integer", "minimum": 1, "maximum": 3650, "default": 14,
        "description": "After how many days of waiting age counts in full"},
    "blocks": {"type": "number", "minimum": 0, "maximum": 1000, "default": 40,
        "description": "What a task comes near to that very many tasks wait for; one gives a quarter of it, three a half"},
    "under_way": {"type": "number", "minimum": 0, "maximum": 1000, "default": 20,
        "description": "Points for finishing what has begun: feedback, red checks, conflicts"},
    "expected_cost": {"type": "number", "minimum": 0, "maximum": 1000, "default": 20,
        "description": "What is taken off at most because tasks like this are dear"},
    "spent": {"type": "number", "minimum": 0, "maximum": 1000, "default": 20,
        "description": "What is taken off at most because this task has cost much already"},
    "cost_scale": {"type": "number", "exclusiveMinimum": 0, "maximum": 100000, "default": 5,
        "description": "At how many dollars half of that is taken off"},
    "failures": {"type": "number", "minimum": 0, "maximum": 1000, "default": 20,
        "description": "What is taken off at most for runs that failed; one takes off half of it"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) labels: BTreeMap<String, f64>,
    pub(crate) sources: BTreeMap<String, f64>,
    pub(crate) priority: f64,
    pub(crate) age: f64,
    pub(crate) age_days: u32,
    pub(crate) blocks: f64,
    pub(crate) under_way: f64,
    pub(crate) expected_cost: f64,
    pub(crate) spent: f64,
    /// In dollars.
    pub(crate) cost_scale: f64,
    pub(crate) failures: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        let labels = [
            ("urgent", 100.0),
            ("critical", 100.0),
            ("security", 60.0),
            ("regression", 50.0),
            ("bug", 30.0),
            ("performance", 20.0),
            ("enhancement", 10.0),
            ("feature", 10.0),
            ("docs", 5.0),
            ("documentation", 5.0),
        ];
        Settings {
            labels: labels.map(|(label, points)| (label.to_owned(), points)).into(),
            sources: BTreeMap::new(),
            priority: 75.0,
            age: 40.0,
            age_days: 14,
            blocks: 40.0,
            under_way: 20.0,
            expected_cost: 20.0,
            spent: 20.0,
            cost_scale: 5.0,
            failures: 20.0,
        }
    }
}

impl Settings {
    /// Everything that is wrong with them, at once.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = vec![];
        let weights = [
            ("priority", self.priority),
            ("age", self.age),
            ("blocks", self.blocks),
            ("under_way", self.under_way),
            ("expected_cost", self.expected_cost),
            ("spent", self.spent),
            ("failures", self.failures),
        ];
        for (name, weight) in weights {
            if !(0.0..=WEIGHT).contains(&weight) {
                let message = format!("is {weight}: give 0 (does not count) to {WEIGHT}");
                problems.push(Problem::new(format!("/{name}"), message));
            }
        }
        if self.age_days == 0 {
            problems.push(Problem::new("/age_days", "is 0: give at least 1, or set `age` to 0 if age shall not count"));
        }
        if !(self.cost_scale > 0.0 && self.cost_scale.is_finite()) {
            let message = format!("is {}: give an amount of dollars above 0", self.cost_scale);
            problems.push(Problem::new("/cost_scale", message));
        }
        named("labels", "label", &self.labels, &mut problems);
        named("sources", "source", &self.sources, &mut problems);
        problems
    }
}

/// Points out of bounds, and names that differ by case only: which of them counts, nobody could tell.
fn named(setting: &str, noun: &str, points: &BTreeMap<String, f64>, problems: &mut Vec<Problem>) {
    let mut seen = BTreeMap::new();
    for (name, points) in points {
        let pointer = format!("/{setting}/{}", name.replace('~', "~0").replace('/', "~1"));
        if !(-WEIGHT..=WEIGHT).contains(points) {
            problems.push(Problem::new(&pointer, format!("is {points}: give -{WEIGHT} to {WEIGHT}")));
        }
        if let Some(first) = seen.insert(name.to_lowercase(), name) {
            problems.push(Problem::new(pointer, format!("is the same {noun} as `{first}`: keep one of them")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weighted;
    use agentd_sdk::Plugin;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = Weighted::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check("{}", &[]);
        check(r#"{"age": 0, "age_days": 90, "labels": {"a/b": -1000}, "sources": {"inbox": 10.5}}"#, &[]);
        check(
            r#"{"age": -1, "blocks": 1001, "age_days": 0, "cost_scale": 0, "labels": {"a/b": 2000, "Bug": 1, "bug": 2}}"#,
            &[
                ("/age", "is -1: give 0 (does not count) to 1000"),
                ("/blocks", "is 1001: give 0 (does not count) to 1000"),
                ("/age_days", "is 0: give at least 1, or set `age` to 0 if age shall not count"),
                ("/cost_scale", "is 0: give an amount of dollars above 0"),
                ("/labels/a~1b", "is 2000: give -1000 to 1000"),
                ("/labels/bug", "is the same label as `Bug`: keep one of them"),
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
        let defaults: Settings = serde_json::from_value(defaults.into()).expect("settings");
        assert_eq!(defaults, Settings::default());
    }
}
