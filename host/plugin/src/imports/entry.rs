//! `agentd:host/entry`: the configuration that the call is made for; nothing while a plugin describes itself.

use crate::bindings::agentd::host::entry::Host;
use crate::state::{State, Surface};

impl Host for State {
    async fn name(&mut self) -> wasmtime::Result<String> {
        match self.surface {
            Surface::Manifest => Ok(String::new()),
            Surface::Agent | Surface::Whole => Ok(self.entry.clone()),
        }
    }

    async fn settings(&mut self) -> wasmtime::Result<String> {
        match self.surface {
            Surface::Manifest => Ok("{}".into()),
            Surface::Agent | Surface::Whole => Ok(self.settings.to_string()),
        }
    }
}
