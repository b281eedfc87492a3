//! Adds up what speaks for a candidate and what against it.
//!
//! Scores are kept and compared with scores given at other times. So what grows with time grows in steps, and a score is
//! good until its candidate's next step ([`Score::valid_until`]): then it is the same as if all were scored at once.

use crate::settings::{Settings, WEIGHT};
use agentd_sdk::Timestamp;
use agentd_sdk::prioritizer::{Candidate, Score};

/// In how many steps age comes to its full weight.
const STEPS: u64 = 28;
const DAY_MS: u64 = 86_400_000;

/// Scores one candidate at a moment.
pub(crate) fn score(settings: &Settings, candidate: &Candidate, now: Timestamp) -> Score {
    let mut parts: Vec<Part> = labels(settings, &candidate.task.labels);
    parts.extend(source(settings, &candidate.task.source));
    parts.extend(priority(settings, candidate.task.priority));
    let (age, valid_until) = age(settings, candidate.waiting_since, now);
    parts.extend([
        age,
        blocks(settings, candidate.blocks),
        under_way(settings, &candidate.purpose),
        cost(settings.expected_cost, settings.cost_scale, candidate.typical_microusd.unwrap_or(0), "expected"),
        cost(settings.spent, settings.cost_scale, candidate.task.spent_microusd, "spent"),
        failures(settings, candidate.failures),
    ]);
    parts.retain(|it| it.tenths != 0);
    let sum: i64 = parts.iter().map(|it| it.tenths).sum();
    let reasons: Vec<String> = parts.iter().map(|it| format!("{} {}", it.what, signed(it.tenths))).collect();
    let reason = if reasons.is_empty() { "nothing that counts".into() } else { reasons.join(", ") };
    Score { task: candidate.task.id.clone(), value: sum as f64 / 10.0, valid_until, reason, extra: vec![] }
}

/// One thing that counts, and how much: in tenths, so that what people read adds up.
struct Part {
    what: String,
    tenths: i64,
}

impl Part {
    fn new(what: impl Into<String>, points: f64) -> Part {
        Part { what: what.into(), tenths: (points * 10.0).round() as i64 }
    }
}

/// `+5`, `-3.9`
fn signed(tenths: i64) -> String {
    let sign = if tenths < 0 { '-' } else { '+' };
    match (tenths.abs() / 10, tenths.abs() % 10) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, rest) => format!("{sign}{whole}.{rest}"),
    }
}

/// Each label that counts; the last part takes off what is over the bound.
fn labels(settings: &Settings, labels: &[String]) -> Vec<Part> {
    let mut labels: Vec<String> = labels.iter().map(|it| it.to_lowercase()).collect();
    labels.sort();
    labels.dedup();
    let points = |label: &String| settings.labels.iter().find(|(name, _)| name.to_lowercase() == *label);
    let mut parts: Vec<Part> =
        labels.iter().filter_map(|label| Some(Part::new(format!("label {label}"), *points(label)?.1))).collect();
    let sum: i64 = parts.iter().map(|it| it.tenths).sum();
    let bound = (WEIGHT * 10.0) as i64;
    let over = sum - sum.clamp(-bound, bound);
    parts.push(Part { what: "more labels than count".into(), tenths: -over });
    parts
}

/// An analyzer's tasks come from `NAME@REPOSITORY`: the points of its name hold for all of its repositories.
fn source(settings: &Settings, source: &str) -> Option<Part> {
    let name = source.split_once('@').map_or(source, |(name, _)| name);
    let points = settings.sources.get(source).or_else(|| settings.sources.get(name))?;
    Some(Part::new(format!("source {source}"), *points))
}

/// 1 urgent, 2 high, 3 normal, 4 low; numbers that nobody has defined count as 3.
fn priority(settings: &Settings, priority: Option<u32>) -> Option<Part> {
    let priority = priority?;
    let thirds = match priority {
        1 => 3.0,
        2 => 2.0,
        4 => 0.0,
        _ => 1.0,
    };
    Some(Part::new(format!("priority {priority}"), settings.priority * thirds / 3.0))
}

/// Grows in steps until `age_days` are over; and when the next step is.
fn age(settings: &Settings, since: Timestamp, now: Timestamp) -> (Part, Option<Timestamp>) {
    let step = (u64::from(settings.age_days) * DAY_MS / STEPS).max(1);
    let waited = now.saturating_sub(since);
    let steps = (waited / step).min(STEPS);
    let days = (waited / DAY_MS).min(u64::from(settings.age_days));
    let what = match settings.age_days {
        1 => "waits a day".to_owned(),
        all => format!("waits {days} of {all} days"),
    };
    let part = Part::new(what, settings.age * steps as f64 / STEPS as f64);
    let next = (steps < STEPS && settings.age > 0.0).then(|| since.saturating_add((steps + 1) * step));
    (part, next)
}

/// The first tasks that wait for it count most: one is a quarter of the weight, three are a half.
fn blocks(settings: &Settings, blocks: u32) -> Part {
    let what = if blocks == 1 { "blocks 1 other".into() } else { format!("blocks {blocks} others") };
    Part::new(what, settings.blocks * saturating(f64::from(blocks), 3.0))
}

/// What is not the first run of a task is a change that somebody waits for.
fn under_way(settings: &Settings, purpose: &str) -> Part {
    let begun = matches!(purpose, "feedback" | "ci-fix" | "rebase");
    Part::new(format!("under way ({purpose})"), if begun { settings.under_way } else { 0.0 })
}

fn cost(weight: f64, scale: f64, microusd: u64, what: &str) -> Part {
    let cents = microusd.div_ceil(10_000);
    let what = format!("{what} ${}.{:02}", cents / 100, cents % 100);
    Part::new(what, -weight * saturating(microusd as f64 / 1e6, scale))
}

fn failures(settings: &Settings, failures: u32) -> Part {
    let what = if failures == 1 { "failed once".into() } else { format!("failed {failures} times") };
    Part::new(what, -settings.failures * saturating(f64::from(failures), 1.0))
}

/// From 0 towards 1, and a half at `half`.
fn saturating(amount: f64, half: f64) -> f64 {
    amount / (amount + half)
}

#[cfg(test)]
mod tests;
