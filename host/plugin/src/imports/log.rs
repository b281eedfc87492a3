//! `agentd:host/log`: always open; cut and counted by [`crate::output`].

use crate::bindings::agentd::host::log::{Host, Level};
use crate::state::State;

impl Host for State {
    async fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.output.log(level, &message, fields);
        Ok(())
    }
}
