//! `agentd workspace check`: whether the checkouts on disk are what the store says.

use super::{context::Context, exit::Error, print::one_line};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Look after the checkouts of runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd workspace check")]
pub(crate) struct Workspace {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare the checkouts on disk with what should be there; changes nothing
    #[command(after_help = "Example:\n  agentd workspace check")]
    Check,
}

#[derive(Serialize, Deserialize)]
struct Checked {
    problems: Vec<String>,
}

impl Workspace {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let Command::Check = self.command;
        let client = context.client()?;
        let asked = json!({});
        let checking = client.post::<Checked>("/v1/workspaces/check", &asked);
        let checked = context.progress.during("checking the workspaces", checking).await?;
        context.out.either(&checked, |_| match checked.problems.len() {
            0 => "all workspaces are as they should be".to_owned(),
            _ => checked.problems.iter().map(|it| one_line(it, 400)).collect::<Vec<_>>().join("\n"),
        })?;
        match checked.problems.len() {
            0 => Ok(()),
            1 => Err(Error::work("a workspace is not as it should be")),
            many => Err(Error::work(format!("{many} workspaces are not as they should be"))),
        }
    }
}
