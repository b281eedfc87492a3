//! `[budget]` and `[prices."GLOB"]`: how much may be spent on models, and what their tokens cost.
//!
//! Amounts are written in US dollars and kept in millionths of one.

use super::section::Section;
use agentd_gateway::{Budget, Price, dollars};
use std::collections::BTreeMap;

const DOLLARS_MAX: f64 = 1_000_000.0;
const MICRO: f64 = 1_000_000.0;

/// `[budget]`: how much may be spent. What a run may is part of what its task may, and that of the day's.
pub(super) fn budget(section: &mut Section<'_, '_>) -> Budget {
    let default = Budget::default();
    let mut amount = |key, default: u64| {
        let dollars = section.decimal(key, default as f64 / MICRO, 0.000_001..=DOLLARS_MAX);
        (dollars * MICRO).round() as u64
    };
    let budget =
        Budget { run: amount("run", default.run), task: amount("task", default.task), day: amount("day", default.day) };
    for (key, amount, above, most) in
        [("run", budget.run, "task", budget.task), ("task", budget.task, "day", budget.day)]
    {
        if amount <= most {
            continue;
        }
        match section.has(key) {
            true => section.problem(key, format!("is more than a {above} may spend ({})", dollars(most))),
            false => section.problem(above, format!("is less than one {key} may spend ({})", dollars(amount))),
        }
    }
    budget
}

/// Prices that are other than the shipped ones, by a glob of the model's name.
pub(super) fn prices(root: &mut Section<'_, '_>) -> BTreeMap<String, Price> {
    let read = |section: &mut Section<'_, '_>, _: &str| {
        for key in ["input", "output"] {
            if !section.has(key) {
                section.missing(key, format!("is missing: say {key} = 5.00, in US dollars for a million tokens"));
            }
        }
        let mut price = |key, default| section.decimal(key, default, 0.0..=DOLLARS_MAX);
        let input = price("input", 0.0);
        Price {
            input,
            output: price("output", 0.0),
            cache_read: price("cache_read", input),
            cache_write: price("cache_write", input),
        }
    };
    root.named("prices", super::repository::glob, read).into_iter().collect()
}
