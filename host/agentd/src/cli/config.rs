//! `agentd config`: whether the configuration is right, and what is in force.

use super::{context::Context, exit::Error, print::one_line};
use crate::config::{self, Environment};
use clap::Subcommand;
use serde_json::json;

/// Check and show the configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd config check")]
pub(crate) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name every mistake with its file and line
    #[command(
        after_help = "Example:\n  agentd config check\n  agentd --config new.toml config check && agentd restart"
    )]
    Check,
    /// Show each value that is in force and where it comes from; secrets only as their reference
    #[command(
        after_help = "Example:\n  agentd config show\n  agentd config show --json | jq '.values[] | select(.origin != \"default\")'"
    )]
    Show,
}

impl Config {
    pub(crate) fn act(self, context: &mut Context) -> Result<(), Error> {
        let (file, home) = (context.global.config.clone(), context.global.home.clone());
        let loaded = config::Config::load_in(file.as_deref(), home.as_deref(), Environment::of_process());
        match (self.command, loaded) {
            (Command::Check, Ok(config)) => {
                let file = shown_file(&config);
                let checked = json!({ "file": config.file, "problems": [] });
                context.out.either(&checked, |_| format!("{file}: no mistakes"))
            }
            (Command::Check, Err(problems)) => {
                if context.out.json {
                    context.out.object(&json!({ "problems": problems.as_slice() }))?;
                }
                Err(problems.into())
            }
            (Command::Show, loaded) => {
                let config = loaded?;
                let values = json!({ "file": config.file, "values": config.shown });
                context.out.either(&values, |out| {
                    let rows: Vec<_> = config
                        .shown
                        .iter()
                        .filter(|it| !it.value.is_null())
                        .map(|it| vec![it.key.clone(), one_line(&it.value.to_string(), 60), it.origin.to_string()])
                        .collect();
                    format!("{}\n{}", shown_file(&config), out.table(&["key", "value", "from"], &rows, ""))
                })
            }
        }
    }
}

fn shown_file(config: &config::Config) -> String {
    config.file.as_ref().map_or("no configuration file: all is default".to_owned(), |it| it.display().to_string())
}
