//! `agentd plugin`: what plugins there are and may do, how they are made, and where they come from.

mod approval;
mod approve;
mod build;
mod call;
mod check;
mod conform;
mod dev;
mod diff;
mod install;
mod list;
mod logs;
mod new;
mod publish;
mod remove;
mod repro;
mod rollback;
mod test;
mod update;
mod using;
mod verify;
mod workbench;

use super::{client, context::Context, exit::Error, rehearsal::Rehearsal};
use clap::Subcommand;
use serde_json::Value;

/// See, allow, make and install plugins
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin list\n  agentd plugin new triage --lang python --kind prioritizer")]
pub(crate) struct Plugin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Inspect(list::Inspect),
    Approve(approve::Approve),
    Diff(diff::Diff),
    Use(using::Use),
    Rollback(rollback::Rollback),
    Logs(logs::Logs),
    New(new::New),
    Build(build::Build),
    Check(check::Check),
    Test(test::Test),
    Call(call::Call),
    Dev(dev::Dev),
    Conform(conform::Conform),
    Repro(repro::Repro),
    Replay(repro::Replay),
    Install(install::Install),
    Update(update::Update),
    Remove(remove::Remove),
    Verify(verify::Verify),
    Publish(publish::Publish),
}

impl Plugin {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        match self.command {
            Command::List(it) => it.act(context).await,
            Command::Inspect(it) => it.act(context).await,
            Command::Approve(it) => it.act(context).await,
            Command::Diff(it) => it.act(context).await,
            Command::Use(it) => it.act(context).await,
            Command::Rollback(it) => it.act(context).await,
            Command::Logs(it) => it.act(context).await,
            Command::New(it) => it.act(context).await,
            Command::Build(it) => it.act(context).await,
            Command::Check(it) => it.act(context).await,
            Command::Test(it) => it.act(context).await,
            Command::Call(it) => it.act(context).await,
            Command::Dev(it) => it.act(context).await,
            Command::Conform(it) => it.act(context).await,
            Command::Repro(it) => it.act(context).await,
            Command::Replay(it) => it.act(context).await,
            Command::Install(it) => it.act(context).await,
            Command::Update(it) => it.act(context).await,
            Command::Remove(it) => it.act(context).await,
            Command::Verify(it) => it.act(context).await,
            Command::Publish(it) => it.act(context).await,
        }
    }
}

/// The plugins of the daemon; with the daemon down, those that it would load.
async fn plugins(context: &Context) -> Result<Vec<Value>, Error> {
    match context.client()?.get("/v1/plugins").await {
        Err(client::Error::NotRunning { .. }) => {
            let config = context.config()?;
            let rehearsal = context.progress.during("loading the plugins", Rehearsal::load(&config)).await?;
            rehearsal.plugins.list().iter().map(|it| Ok(serde_json::to_value(it)?)).collect()
        }
        answer => Ok(answer?),
    }
}

/// The one of that name.
async fn plugin(context: &Context, name: &str) -> Result<Value, Error> {
    let mut plugins = plugins(context).await?;
    match plugins.iter().position(|it| it["name"] == name) {
        Some(at) => Ok(plugins.swap_remove(at)),
        None => {
            let known: Vec<_> = plugins.iter().map(|it| words(&it["name"])).collect();
            Err(Error::usage(format!("there is no plugin {name:?}; there are {}", known.join(", "))))
        }
    }
}

/// A JSON value as people would write it.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(pairs) => {
            pairs.iter().map(|(key, value)| format!("{key} {}", words(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
