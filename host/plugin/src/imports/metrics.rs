//! `agentd:host/metrics`: a hundred different counters an entry. Those of a plugin that describes itself do not count,
//! nor those in an agent's run, which may be replayed.

use crate::bindings::agentd::host::metrics::Host;
use crate::state::{State, Surface};
use crate::wit::log::Level;

impl Host for State {
    async fn add(&mut self, name: String, mut labels: Vec<(String, String)>, amount: u32) -> wasmtime::Result<()> {
        if self.surface != Surface::Whole {
            return Ok(());
        }
        labels.sort();
        let size = name.len() + labels.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
        let fits = (1..=1_024).contains(&size);
        if !fits || !self.shared.metrics.add(&self.plugin, &self.entry, name, labels, amount) {
            let why = "a counter was dropped: an entry has at most 100, with short names";
            self.output.log(Level::Warn, why, vec![]);
        }
        Ok(())
    }
}
