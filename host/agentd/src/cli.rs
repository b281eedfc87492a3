//! The command line: one file per command, all of them short.
//!
//! - Commands talk to the daemon over its socket; while it is down, those that only read open the store read-only.
//! - Every command says in its help how it is used, and prints JSON when asked to.
//! - Only here is anything printed, and only [`exit`] decides with which code the program ends.

mod agent;
mod ask;
mod auth;
mod check;
pub(crate) mod client;
mod config;
mod config_file;
mod context;
mod doctor;
mod events;
mod exit;
mod github;
mod image;
mod init;
mod logs;
mod outbox;
mod plugin;
mod print;
mod queue;
mod rehearsal;
mod run;
mod start;
mod status;
mod stop;
mod task;
mod task_file;
mod toolbox;
mod workspace;

use clap::{Args, Parser, Subcommand};
use context::Context;
use exit::{Error, Kind};
use print::{Color, say};
use std::{path::PathBuf, process::ExitCode};

/// Runs coding agents on your own machine: finds the work, runs it in a locked container, checks the result itself.
#[derive(Debug, Parser)]
#[command(
    name = "agentd",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 120,
    after_help = "Example:\n  agentd init\n  agentd doctor\n  agentd run --repo . \"Fix the failing test\""
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The home folder [default: $AGENTD_HOME, else what the configuration says, else ~/.local/share/agentd]
    #[arg(long, global = true, value_name = "FOLDER")]
    home: Option<PathBuf>,
    /// The configuration [default: $AGENTD_CONFIG, else agentd.toml in the home folder, else in ~/.config/agentd]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    /// Say only what was asked for
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Log more: -v what is decided, -vv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Colours in the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Auth(auth::Auth),
    Run(run::Run),
    Start(start::Start),
    Stop(stop::Stop),
    Restart(stop::Restart),
    Status(status::Status),
    Queue(queue::Queue),
    Pause(queue::Pause),
    Resume(queue::Resume),
    Events(events::Events),
    Logs(logs::Logs),
    Task(task::Task),
    Outbox(outbox::Outbox),
    Workspace(workspace::Workspace),
    Plugin(plugin::Plugin),
    Toolbox(toolbox::Toolbox),
    Config(config::Config),
    Image(image::Image),
    Doctor(doctor::Doctor),
}

/// Reads the arguments, does what they say, and says how it went.
pub(crate) async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. Nobody may be there to read them.
            error.print().ok();
            return if error.use_stderr() { Kind::Usage.code() } else { ExitCode::SUCCESS };
        }
    };
    let json = cli.global.json;
    match act(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.kind {
                Kind::Closed => (),
                _ if json => say(&error.to_json().to_string()),
                _ => say(&error.to_string()),
            }
            error.kind.code()
        }
    }
}

async fn act(cli: Cli) -> Result<(), Error> {
    let daemon = matches!(&cli.command, Command::Start(start) if start.foreground);
    let level = match (cli.global.verbose, daemon) {
        (0, true) => "info",
        (0, false) => "error",
        (1, _) => "debug",
        _ => "trace",
    };
    crate::observe::start(level, cli.global.verbose > 0).map_err(Error::usage)?;
    let mut context = Context::new(cli.global);
    dispatch(cli.command, &mut context).await
}

async fn dispatch(command: Command, context: &mut Context) -> Result<(), Error> {
    match command {
        Command::Init(it) => it.act(context).await,
        Command::Auth(it) => it.act(context).await,
        Command::Run(it) => it.act(context).await,
        Command::Start(it) => it.act(context).await,
        Command::Stop(it) => it.act(context).await,
        Command::Restart(it) => it.act(context).await,
        Command::Status(it) => it.act(context).await,
        Command::Queue(it) => it.act(context).await,
        Command::Pause(it) => it.act(context).await,
        Command::Resume(it) => it.act(context).await,
        Command::Events(it) => it.act(context).await,
        Command::Logs(it) => it.act(context).await,
        Command::Task(it) => it.act(context).await,
        Command::Outbox(it) => it.act(context).await,
        Command::Workspace(it) => it.act(context).await,
        Command::Plugin(it) => it.act(context).await,
        Command::Toolbox(it) => it.act(context).await,
        Command::Config(it) => it.act(context).await,
        Command::Image(it) => it.act(context).await,
        Command::Doctor(it) => it.act(context).await,
    }
}

#[cfg(test)]
mod tests;
