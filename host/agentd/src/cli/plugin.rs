//! `agentd plugin`: which plugins there are, and what they want.

use super::{
    client,
    context::Context,
    exit::Error,
    print::{Out, one_line},
    rehearsal::Rehearsal,
};
use clap::Subcommand;
use serde_json::{Value, json};

/// See the plugins, shipped and dropped into the plugin folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin list")]
pub(crate) struct Plugin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the plugins, and what is wrong with those that do not serve
    #[command(after_help = "Example:\n  agentd plugin list")]
    List,
    /// Show one plugin: its kinds, digest, settings, and what it wants to be allowed
    #[command(after_help = "Example:\n  agentd plugin inspect folder")]
    Inspect {
        /// The plugin's name, as the list shows it
        name: String,
    },
}

impl Plugin {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let plugins = plugins(context).await?;
        match self.command {
            Command::List => context.out.either(&json!({ "plugins": plugins }), |out| table(out, &plugins)),
            Command::Inspect { name } => {
                let Some(plugin) = plugins.iter().find(|it| it["name"] == name.as_str()) else {
                    let known: Vec<_> = plugins.iter().map(|it| words(&it["name"])).collect();
                    return Err(Error::usage(format!("there is no plugin {name:?}; there are {}", known.join(", "))));
                };
                context.out.either(plugin, |out| record(out, plugin))
            }
        }
    }
}

/// Those of the daemon; with the daemon down, those that it would load.
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

fn table(out: &Out, plugins: &[Value]) -> String {
    let rows: Vec<_> = plugins
        .iter()
        .map(|plugin| {
            let last = if plugin["problem"].is_null() { &plugin["summary"] } else { &plugin["problem"] };
            let cells = [&plugin["name"], &plugin["version"], &plugin["kinds"], &plugin["origin"]];
            cells.into_iter().map(|it| one_line(&words(it), 40)).chain([one_line(&words(last), 100)]).collect()
        })
        .collect();
    out.table(&["plugin", "version", "kinds", "from", ""], &rows, "no plugins: agentd doctor says why")
}

fn record(out: &Out, plugin: &Value) -> String {
    let value = |key: &str| Some(one_line(&words(&plugin[key]), 2000)).filter(|it| !it.is_empty());
    let names = [
        ("plugin", "name"),
        ("version", "version"),
        ("summary", "summary"),
        ("kinds", "kinds"),
        ("from", "origin"),
        ("digest", "digest"),
        ("problem", "problem"),
    ];
    let mut pairs: Vec<_> = names.iter().map(|(shown, key)| (*shown, value(key))).collect();
    for want in plugin["wants"].as_array().into_iter().flatten() {
        pairs.push(("wants", Some(one_line(&words(want), 400))));
    }
    pairs.push(("settings", value("settings_schema")));
    out.record(&pairs)
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
