//! Which numbers plugins count themselves: so many, and no more. Nothing shows them yet, so their values are not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// How many different counters an entry may have.
const COUNTERS: usize = 100;

/// A name and labels.
pub(crate) type Counter = (String, Vec<(String, String)>);

/// The counters of each plugin's entries.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<(String, String), BTreeSet<Counter>>>);

impl Metrics {
    /// False: the entry has as many counters as it may have, and this would be another one.
    pub(crate) fn admit(&self, plugin: &str, entry: &str, counter: Counter) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = all.entry((plugin.into(), entry.into())).or_default();
        counters.contains(&counter) || (counters.len() < COUNTERS && counters.insert(counter))
    }
}
