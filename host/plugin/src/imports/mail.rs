//! `agentd:host/mail`: not yet in this version, and says so.

use crate::bindings::agentd::host::mail::{Host, Message};
use crate::state::State;
use crate::wit::common::Error;

impl Host for State {
    async fn send(&mut self, _: Message) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.open("mail").and_then(|()| {
            Err(Error::Unsupported(format!(
                "plugin `{}`, entry `{}`: this version of agentd sends no mail for plugins (agentd:host/mail); use a \
                 notifier over HTTP",
                self.plugin, self.entry
            )))
        }))
    }
}
