//! `weighted`: labels, priority, age, what waits for a task, what is under way and what it costs make its place in the
//! queue, each with a weight that the operator sets.
//!
//! ```toml
//! [prioritizer]
//! plugin = "weighted"
//! settings = { age = 60, blocks = 80, labels = { payments = 50 }, sources = { inbox = 20 } }
//! ```
//!
//! [`score`] adds the parts up, [`settings`] says what they weigh. What made a score stands in its reason:
//! `label bug +30, waits 7 of 14 days +20, blocks 3 others +20, expected $1.20 -3.9`. Each part is a tenth or a whole
//! number of tenths, so that the parts that people read add up to the score that counts.
//!
//! - Never looks at other candidates or at a clock: the same candidate at the same moment always gets the same score.
//! - Never gives more for less: a task that waits longer, or that more tasks wait for, is never scored lower for it, and
//!   one that costs more or failed more often never higher.
//! - Never gives a part more than its weight, so that no age and no cost can outweigh everything.

mod score;
mod settings;

use agentd_sdk::prioritizer::{Batch, Prioritizer, Score};
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem};
use settings::{SCHEMA, Settings};

struct Weighted;
agentd_sdk::plugin!(Weighted: prioritizer);

impl Plugin for Weighted {
    fn describe(_settings: &str) -> Description {
        Description {
            name: "weighted".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Ranks tasks by labels, priority, age, what waits for them, and what they cost".into(),
            settings_schema: SCHEMA.into(),
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => settings.problems(),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Prioritizer for Weighted {
    fn rank(batch: Batch) -> Result<Vec<Score>, Error> {
        let settings: Settings = agentd_sdk::settings()?;
        Ok(batch.candidates.iter().map(|it| score::score(&settings, it, batch.now)).collect())
    }
}
