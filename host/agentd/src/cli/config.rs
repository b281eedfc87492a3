//! `agentd config`: whether the configuration is right, what is in force, and what of it waits for a restart.

use super::{client, context::Context, exit::Error, print::one_line};
use crate::config::{self, Environment};
use clap::Subcommand;
use serde_json::{Value, json};

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
    #[command(after_help = "Example:\n  agentd config check\n  agentd --config new.toml config check")]
    Check,
    /// Show each value that is in force and where it comes from; secrets only as their reference
    #[command(
        after_help = "Example:\n  agentd config show\n  agentd config show --json | jq '.values[] | select(.origin != \"default\")'"
    )]
    Show,
}

impl Config {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let (file, home) = (context.global.config.clone(), context.global.home.clone());
        let loaded = config::Config::load_in(file.as_deref(), home.as_deref(), Environment::of_process());
        match (self.command, loaded) {
            (Command::Check, Ok(config)) => {
                let file = shown_file(&config);
                let checked = json!({ "file": config.file, "problems": [], "shadowed": config.shadowed });
                context
                    .out
                    .either(&checked, |_| [vec![format!("{file}: no mistakes")], over(&config)].concat().join("\n"))
            }
            (Command::Check, Err(problems)) => {
                if context.out.json {
                    context.out.object(&json!({ "problems": problems.as_slice() }))?;
                }
                Err(problems.into())
            }
            (Command::Show, loaded) => show(context, &loaded?).await,
        }
    }
}

async fn show(context: &mut Context, config: &config::Config) -> Result<(), Error> {
    let daemon = daemon(context).await?;
    let values = json!({
        "file": config.file,
        "values": config.shown,
        "shadowed": config.shadowed,
        "waits_for_restart": daemon["waits_for_restart"],
        "refused": daemon["problems"],
    });
    context.out.either(&values, |out| {
        let rows: Vec<_> = config
            .shown
            .iter()
            .filter(|it| !it.value.is_null())
            .map(|it| vec![it.key.clone(), one_line(&it.value.to_string(), 60), it.origin.to_string()])
            .collect();
        let mut lines = vec![shown_file(config), out.table(&["key", "value", "from"], &rows, "")];
        lines.extend(over(config));
        lines.extend(waiting(&daemon));
        lines.join("\n")
    })
}

/// What the daemon that runs says of its configuration; null: none runs.
async fn daemon(context: &Context) -> Result<Value, Error> {
    match context.client()?.get("/v1/config").await {
        Err(client::Error::NotRunning { .. }) => Ok(Value::Null),
        said => Ok(said?),
    }
}

/// What the files set and something else is over, a line each.
fn over(config: &config::Config) -> Vec<String> {
    config.shadowed.iter().map(|it| format!("{} does not count: {} is over it", it.key, it.by)).collect()
}

/// What the daemon that runs does not have yet, a line each.
fn waiting(daemon: &Value) -> Vec<String> {
    let texts = |key: &str| daemon[key].as_array().cloned().unwrap_or_default();
    let waits = texts("waits_for_restart");
    let mut lines: Vec<_> = waits
        .iter()
        .filter_map(Value::as_str)
        .map(|key| format!("{} waits for `agentd restart`", one_line(key, 200)))
        .collect();
    if !texts("problems").is_empty() {
        lines.push("agentd goes on with an earlier configuration: `agentd config check` says why".into());
    }
    lines
}

fn shown_file(config: &config::Config) -> String {
    config.file.as_ref().map_or("no configuration file: all is default".to_owned(), |it| it.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_does_not_have_yet_is_said() {
        let check = |daemon: Value, expected: &[&str]| assert_eq!(waiting(&daemon), expected, "{daemon}");
        check(Value::Null, &[]);
        check(json!({ "waits_for_restart": [], "problems": [] }), &[]);
        check(json!({ "waits_for_restart": ["home"], "problems": [] }), &["home waits for `agentd restart`"]);
        check(
            json!({ "waits_for_restart": [], "problems": [{ "what": "x" }] }),
            &["agentd goes on with an earlier configuration: `agentd config check` says why"],
        );
    }
}
