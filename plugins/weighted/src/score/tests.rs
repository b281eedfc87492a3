//! What each part of a score is worth, and the words that people read of it.

use super::*;
use agentd_sdk::prioritizer::Task;

const NOW: Timestamp = 1_790_000_000_000;

fn candidate() -> Candidate {
    let task = Task { id: "t-1".into(), source: "inbox".into(), ..Task::default() };
    Candidate { task, purpose: "execute".into(), waiting_since: NOW, ..Candidate::default() }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Settings, &mut Candidate), value: f64, reason: &str) {
    let (mut settings, mut candidate) = (Settings::default(), candidate());
    change(&mut settings, &mut candidate);
    let score = score(&settings, &candidate, NOW);
    assert_eq!((score.task.as_str(), score.value, score.reason.as_str()), ("t-1", value, reason));
}

#[test]
fn each_part_counts_and_says_so() {
    check(|_, _| (), 0.0, "nothing that counts");
    check(|_, it| it.task.labels = vec!["Bug".into(), "bug".into(), "x".into()], 30.0, "label bug +30");
    check(|_, it| it.task.priority = Some(1), 75.0, "priority 1 +75");
    check(|_, it| it.task.priority = Some(2), 50.0, "priority 2 +50");
    check(|_, it| it.task.priority = Some(7), 25.0, "priority 7 +25");
    check(|_, it| it.task.priority = Some(4), 0.0, "nothing that counts");
    check(|_, it| it.waiting_since = NOW - 7 * DAY_MS, 20.0, "waits 7 of 14 days +20");
    check(|_, it| it.waiting_since = NOW - 99 * DAY_MS, 40.0, "waits 14 of 14 days +40");
    check(|_, it| it.waiting_since = NOW + DAY_MS, 0.0, "nothing that counts");
    check(|_, it| it.blocks = 1, 10.0, "blocks 1 other +10");
    check(|_, it| it.blocks = 3, 20.0, "blocks 3 others +20");
    check(|_, it| it.purpose = "ci-fix".into(), 20.0, "under way (ci-fix) +20");
    check(|_, it| it.purpose = "whatever".into(), 0.0, "nothing that counts");
    check(|_, it| it.typical_microusd = Some(5_000_000), -10.0, "expected $5.00 -10");
    check(|_, it| it.task.spent_microusd = 1_250_000, -4.0, "spent $1.25 -4");
    check(|_, it| it.failures = 1, -10.0, "failed once -10");
    check(|_, it| it.failures = 3, -15.0, "failed 3 times -15");
}

#[test]
fn sources_count_by_name_and_an_analyzer_for_all_its_repositories() {
    let sources = |it: &mut Settings| it.sources = [("inbox".into(), 12.0), ("todo".into(), -7.5)].into();
    check(|settings, _| sources(settings), 12.0, "source inbox +12");
    check(
        |settings, it| {
            sources(settings);
            it.task.source = "todo@acme/shop".into();
        },
        -7.5,
        "source todo@acme/shop -7.5",
    );
    check(
        |settings, it| {
            sources(settings);
            it.task.source = "cli".into();
        },
        0.0,
        "nothing that counts",
    );
}

#[test]
fn what_people_read_adds_up_to_what_counts() {
    check(
        |settings, it| {
            settings.labels = [("payments".into(), 33.33)].into();
            it.task.labels = vec!["payments".into()];
            it.waiting_since = NOW - 5 * DAY_MS;
            it.blocks = 2;
            it.typical_microusd = Some(1_200_000);
            it.failures = 2;
        },
        46.4,
        "label payments +33.3, waits 5 of 14 days +14.3, blocks 2 others +16, expected $1.20 -3.9, failed 2 times -13.3",
    );
}

#[test]
fn all_labels_together_have_a_bound() {
    check(
        |settings, it| {
            settings.labels = [("a".into(), 900.0), ("b".into(), 900.0)].into();
            it.task.labels = vec!["a".into(), "b".into()];
        },
        1000.0,
        "label a +900, label b +900, more labels than count -800",
    );
}

#[test]
fn age_goes_in_steps_and_says_when_the_next_one_is() {
    let settings = Settings::default();
    let step = 14 * DAY_MS / STEPS;
    let at = |now| score(&settings, &candidate(), now);
    assert_eq!((at(NOW).value, at(NOW).valid_until), (0.0, Some(NOW + step)));
    assert_eq!((at(NOW + step - 1).value, at(NOW + step - 1).valid_until), (0.0, Some(NOW + step)));
    assert_eq!((at(NOW + step).value, at(NOW + step).valid_until), (1.4, Some(NOW + 2 * step)));
    assert_eq!((at(NOW + STEPS * step).value, at(NOW + STEPS * step).valid_until), (40.0, None));
    let never = Settings { age: 0.0, ..Settings::default() };
    assert_eq!(score(&never, &candidate(), NOW).valid_until, None);
}

/// Each figure by itself, from nothing to absurd: the score goes one way only, and stays within the weight.
#[test]
fn scores_are_monotone_and_bounded() {
    let settings = Settings::default();
    let amounts: Vec<u64> =
        (0..100).chain((7..53).map(|it| 1 << it)).chain([u64::from(u32::MAX), u64::MAX >> 11]).collect();
    type Set = fn(&mut Candidate, u64);
    let figures: [(&str, Set, f64); 5] = [
        ("age", |it, amount| it.waiting_since = NOW.saturating_sub(amount), 40.0),
        ("blocks", |it, amount| it.blocks = u32::try_from(amount).unwrap_or(u32::MAX), 40.0),
        ("expected", |it, amount| it.typical_microusd = Some(amount), -20.0),
        ("spent", |it, amount| it.task.spent_microusd = amount, -20.0),
        ("failures", |it, amount| it.failures = u32::try_from(amount).unwrap_or(u32::MAX), -20.0),
    ];
    for (name, set, most) in figures {
        let mut amounts = amounts.clone();
        amounts.sort_unstable();
        let mut before = 0.0;
        for amount in amounts {
            let mut candidate = candidate();
            set(&mut candidate, amount);
            let value = score(&settings, &candidate, NOW).value;
            assert!(value.is_finite() && value.abs() <= f64::abs(most), "{name} {amount}: {value}");
            assert!(if most > 0.0 { value >= before } else { value <= before }, "{name} {amount}: {value}, {before}");
            before = value;
        }
        assert_eq!(before, most, "{name} comes to its weight in the end");
    }
}
