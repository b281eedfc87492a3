//! `agentd plugin remove`: takes an installed plugin out of the folder again.

use super::install::distribution;
use crate::cli::{
    context::Context,
    exit::Error,
    print::{now, one_line},
};
use serde_json::json;

/// Remove a plugin that was installed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin remove triage")]
pub(crate) struct Remove {
    /// The plugin's name, as the list shows it
    name: String,
    /// Also where the file was changed since
    #[arg(long)]
    force: bool,
}

impl Remove {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let config = context.config()?;
        let removed = distribution(&config)?.folder().remove(&self.name, self.force, now()).await?;
        let approved = config.approvals.contains_key(&removed.name);
        let shown = json!({ "removed": removed.name, "version": removed.version, "digest": removed.digest });
        context.out.either(&shown, |_| {
            let (name, version) = (&removed.name, one_line(&removed.version, 40));
            let mut text = format!("removed {name} {version}");
            if approved {
                text.push_str(&format!(
                    "\n[approvals.{name}] still stands in the configuration: any file of that name that wants no more serves"
                ));
            }
            text
        })
    }
}
