//! {{name}}: ranks tasks by what others wait for, by labels, and by how long they wait; what failed before goes back.
//!
//! A score is kept and compared with scores of other days. So it depends on its task alone, and waiting is counted from
//! a fixed day: one day is worth one point, whenever it is asked.

use agentd_sdk::prioritizer::{Batch, Candidate, Prioritizer, Score};
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, settings};
use std::collections::BTreeMap;

struct {{NamePascal}};
agentd_sdk::plugin!({{NamePascal}}: prioritizer);

const DAY_MS: f64 = 86_400_000.0;
/// 2025-01-01.
const EPOCH_MS: f64 = 1_735_689_600_000.0;

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "labels": {"type": "object", "additionalProperties": {"type": "number"},
        "default": {"bug": 10, "security": 40}, "description": "Points by label"},
    "blocks": {"type": "number", "default": 8, "description": "Points for each task that waits for this one"},
    "failure": {"type": "number", "default": 4, "description": "Points that each failed run takes off"}}}"#;

#[derive(serde::Deserialize)]
#[serde(default)]
struct Settings {
    labels: BTreeMap<String, f64>,
    blocks: f64,
    failure: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { labels: BTreeMap::new(), blocks: 8.0, failure: 4.0 }
    }
}

impl Plugin for {{NamePascal}} {
    fn describe(_settings: &str) -> Description {
        Description {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Ranks tasks by what they block, their labels, and how long they wait".into(),
            settings_schema: SCHEMA.into(),
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        parse::<Settings>(settings).err().map(|error| Problem::new("", error.to_string())).into_iter().collect()
    }
}

impl Prioritizer for {{NamePascal}} {
    fn rank(batch: Batch) -> Result<Vec<Score>, Error> {
        let settings: Settings = settings()?;
        Ok(batch.candidates.iter().map(|candidate| score(candidate, &settings)).collect())
    }
}

fn score(candidate: &Candidate, settings: &Settings) -> Score {
    let Candidate { task, waiting_since, failures, blocks, .. } = candidate;
    let mut parts: Vec<(String, f64)> = vec![];
    for label in &task.labels {
        parts.push((format!("label {label}"), settings.labels.get(label).copied().unwrap_or_default()));
    }
    if let Some(priority) = task.priority {
        let points = match priority {
            1 => 30.0,
            2 => 15.0,
            4 => 0.0,
            _ => 5.0,
        };
        parts.push((format!("priority {priority}"), points));
    }
    parts.push((format!("blocks {blocks}"), f64::from(*blocks) * settings.blocks));
    parts.push((format!("failed {failures} times"), -f64::from(*failures) * settings.failure));
    parts.retain(|(_, points)| *points != 0.0);

    let sum: f64 = parts.iter().map(|(_, points)| points).sum();
    let said: Vec<String> = parts.iter().map(|(name, points)| format!("{name} {points:+}")).collect();
    let reason = if said.is_empty() { "by waiting time".into() } else { said.join(", ") };
    let value = sum - (*waiting_since as f64 - EPOCH_MS) / DAY_MS;
    Score { task: task.id.clone(), value, reason, ..Score::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_waiting_is_worth_a_point() {
        let score = |waiting_since| score(&Candidate { waiting_since, ..Candidate::default() }, &Settings::default());
        assert_eq!(score(86_400_000).value - score(2 * 86_400_000).value, 1.0);
    }
}
