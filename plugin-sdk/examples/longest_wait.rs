//! Ranks tasks by how long they have waited, and bugs before everything else.

use agentd_sdk::prioritizer::{Batch, Candidate, Prioritizer, Score};
use agentd_sdk::{Description, Error, Plugin, settings};

struct LongestWait;
agentd_sdk::plugin!(LongestWait: prioritizer);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "first": {"type": "string", "default": "bug", "description": "The label that goes before all others"}}}"#;

#[derive(serde::Deserialize)]
struct Settings {
    first: String,
}

impl Plugin for LongestWait {
    fn describe(_settings: &str) -> Description {
        let (name, version) = ("longest-wait".into(), "1.0.0".into());
        Description { name, version, settings_schema: SCHEMA.into(), ..Description::default() }
    }
}

impl Prioritizer for LongestWait {
    fn rank(batch: Batch) -> Result<Vec<Score>, Error> {
        let Settings { first } = settings()?;
        Ok(batch.candidates.into_iter().map(|candidate| score(candidate, &first)).collect())
    }
}

/// Age is counted from a fixed day, so that a score holds at any time.
fn score(Candidate { task, waiting_since, .. }: Candidate, first: &str) -> Score {
    let ahead = if task.labels.iter().any(|label| label == first) { 1e15 } else { 0.0 };
    let reason = if ahead > 0.0 { format!("label {first} goes first") } else { "by waiting time".into() };
    Score { task: task.id, value: ahead - waiting_since as f64, reason, ..Score::default() }
}
