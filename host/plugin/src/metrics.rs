//! What is counted: the numbers that plugins count themselves, and the health of each function of each entry.
//!
//! Nothing here is ever reset, so that whoever draws curves of it can: a swap of the plugin goes on with the same
//! numbers. An entry has so many counters, and no more.

use crate::breaker::{Breaker, Condition};
use crate::limits::Function;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How many different counters an entry may have.
const COUNTERS: usize = 100;

/// A number that a plugin counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counter {
    pub plugin: String,
    pub entry: String,
    pub name: String,
    /// Name and value, by name.
    pub labels: Vec<(String, String)>,
    pub value: u64,
}

/// How a function of an entry has fared since agentd started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    pub plugin: String,
    /// Empty: the plugin about itself.
    pub entry: String,
    pub function: &'static str,
    pub calls: u64,
    pub failures: u64,
    /// `closed`, `half-open`, or `open`.
    pub breaker: &'static str,
    /// While it is open: when the next call is let through, milliseconds since 1970.
    pub open_until: Option<u64>,
    pub cpu_us: u64,
    pub wall_us: u64,
    pub last_error: Option<String>,
}

/// A name and labels.
type Label = (String, Vec<(String, String)>);

/// Plugin and entry.
type Place = (String, String);

#[derive(Default)]
pub(crate) struct Metrics {
    counters: Mutex<BTreeMap<Place, BTreeMap<Label, u64>>>,
    tallies: Mutex<BTreeMap<Place, Arc<Tallies>>>,
}

/// Of one entry, by function.
#[derive(Default)]
pub(crate) struct Tallies {
    functions: [Tally; Function::COUNT],
    breaker: Mutex<Weak<Breaker>>,
}

#[derive(Default)]
pub(crate) struct Tally(Mutex<Sums>);

#[derive(Clone, Default)]
struct Sums {
    calls: u64,
    failures: u64,
    cpu: Duration,
    wall: Duration,
    last_error: Option<String>,
}

impl Metrics {
    /// Counts on. False: the entry has as many counters as it may have, and this would be another one.
    pub(crate) fn add(&self, plugin: &str, entry: &str, name: String, labels: Vec<(String, String)>, by: u32) -> bool {
        let mut all = lock(&self.counters);
        let counters = all.entry((plugin.into(), entry.into())).or_default();
        let label = (name, labels);
        if counters.len() >= COUNTERS && !counters.contains_key(&label) {
            return false;
        }
        let value = counters.entry(label).or_default();
        *value = value.saturating_add(by.into());
        true
    }

    pub(crate) fn tallies(&self, plugin: &str, entry: &str) -> Arc<Tallies> {
        lock(&self.tallies).entry((plugin.into(), entry.into())).or_default().clone()
    }

    pub(crate) fn counters(&self) -> Vec<Counter> {
        let all = lock(&self.counters);
        let each = all.iter().flat_map(|((plugin, entry), counters)| {
            counters.iter().map(move |((name, labels), value)| Counter {
                plugin: plugin.clone(),
                entry: entry.clone(),
                name: name.clone(),
                labels: labels.clone(),
                value: *value,
            })
        });
        each.collect()
    }

    /// Of the functions that were called.
    pub(crate) fn health(&self, now: u64) -> Vec<Health> {
        let all = lock(&self.tallies).clone();
        let mut health = vec![];
        for ((plugin, entry), tallies) in all {
            let breaker = lock(&tallies.breaker).upgrade();
            let (breaker, open_until) = match breaker.map_or(Condition::Closed, |it| it.condition(now)) {
                Condition::Closed => ("closed", None),
                Condition::HalfOpen => ("half-open", None),
                Condition::Open { until } => ("open", Some(until)),
            };
            for function in Function::ALL {
                let sums = lock(&tallies.of(function).0).clone();
                if sums.calls == 0 {
                    continue;
                }
                health.push(Health {
                    plugin: plugin.clone(),
                    entry: entry.clone(),
                    function: function.name(),
                    calls: sums.calls,
                    failures: sums.failures,
                    breaker,
                    open_until,
                    cpu_us: micros(sums.cpu),
                    wall_us: micros(sums.wall),
                    last_error: sums.last_error,
                });
            }
        }
        health
    }
}

impl Tallies {
    pub(crate) fn of(&self, function: Function) -> &Tally {
        &self.functions[function as usize]
    }

    /// Whose condition the health of this entry shows.
    pub(crate) fn watch(&self, breaker: &Arc<Breaker>) {
        *lock(&self.breaker) = Arc::downgrade(breaker);
    }
}

impl Tally {
    pub(crate) fn succeeded(&self, cpu: Duration, wall: Duration) {
        lock(&self.0).count(cpu, wall);
    }

    pub(crate) fn failed(&self, cpu: Duration, wall: Duration, error: &str) {
        let mut sums = lock(&self.0);
        sums.count(cpu, wall);
        sums.failures += 1;
        sums.last_error = Some(crate::error::readable(error, 512));
    }
}

impl Sums {
    fn count(&mut self, cpu: Duration, wall: Duration) {
        self.calls += 1;
        self.cpu += cpu;
        self.wall += wall;
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn lock<T: ?Sized>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
