//! `agentd plugin check`: whether a file could serve, and if not, why.

use super::{
    build::{shown, verdict},
    workbench::Bench,
};
use crate::cli::{context::Context, exit::Error};
use std::path::PathBuf;

/// Check a plugin file: kinds, differences from the contract, imports, wants, settings, size
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin check build/triage.wasm")]
pub(crate) struct Check {
    /// A .wasm file
    file: PathBuf,
}

impl Check {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let bench = Bench::new(context).await?;
        let looking = agentd_authoring::check(&bench.plugins, &self.file);
        let checked = context.progress.during("compiling the plugin", looking).await?;
        context.out.either(&checked, |out| shown(out, &checked))?;
        verdict(&checked)
    }
}
