//! `agentd plugin rollback`: the generation before takes over again.

use crate::cli::{context::Context, exit::Error};
use serde_json::{Value, json};

/// Go back to the version of a plugin that served before; the newer file waits until it changes or is approved
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin rollback linear")]
pub(crate) struct Rollback {
    /// The plugin's name, as `agentd plugin list` shows it
    name: String,
}

impl Rollback {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let path = format!("/v1/plugins/{}/rollback", self.name);
        let answer: Value = context.client()?.post(&path, &json!({})).await?;
        context.out.either(&answer, |_| super::words(&answer["said"]))
    }
}
