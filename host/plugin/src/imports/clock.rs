//! `agentd:host/clock`: the daemon's time. It has no way to refuse, so where time must not matter it is always 0.

use crate::bindings::agentd::host::clock::Host;
use crate::state::{State, Surface};

impl Host for State {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        match self.surface {
            Surface::Whole => Ok(self.host.now()),
            Surface::Manifest | Surface::Agent => Ok(0),
        }
    }
}
