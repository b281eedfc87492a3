//! `agentd image base`: the image of sandboxes that name none.

use super::{context::Context, exit::Error};
use crate::daemon;
use clap::Subcommand;
use serde::{Deserialize, Serialize};

/// Make the image that sandboxes use when the configuration names none
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd image base")]
pub(crate) struct Image {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make it of this machine's own shell, git and small programs, unless the engine has it; prints its name
    #[command(after_help = "Example:\n  agentd image base\n  agentd image base --json")]
    Base,
}

#[derive(Serialize, Deserialize)]
struct Made {
    image: String,
}

impl Image {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let Command::Base = self.command;
        // No sandbox is started, so no instance is needed.
        let docker = daemon::docker(&context.config()?, "image")?;
        let image = context.progress.during("making the base image", daemon::base_image(&docker, None)).await?;
        let made = Made { image };
        context.out.either(&made, |_| made.image.clone())
    }
}
