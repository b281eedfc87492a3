//! `agentd toolbox`: agents' programs, fetched when a person says so.

use super::{
    context::Context,
    exit::Error,
    print::{Out, age, now, one_line, say},
    rehearsal::Rehearsal,
};
use crate::{
    config::{Config, size_text},
    home::Home,
    toolbox::{self, Program, Progress, Release},
};
use agentd_egress::{Credentials, Egress};
use agentd_plugin::wit::agent::{Requirements, Tool as Wanted};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::{collections::BTreeMap, io::IsTerminal as _};

/// Install, list and remove the programs of agents
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd toolbox install claude-code\n  agentd toolbox list")]
pub(crate) struct Toolbox {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch what an agent runs from the npm registry, check it, and keep it; it never updates itself
    #[command(
        after_help = "Example:\n  agentd toolbox install claude-code\n  agentd toolbox install codex --version 0.169.0"
    )]
    Install {
        /// An agent of the configuration, or a plugin: claude-code, codex, gemini, opencode
        name: String,
        /// Another version than the plugin's own choice; it is pinned to what comes the first time
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
    },
    /// List what is installed
    #[command(after_help = "Example:\n  agentd toolbox list")]
    List,
    /// Remove an agent's program, or all that was replaced; what is still running loses it
    #[command(after_help = "Example:\n  agentd toolbox remove codex\n  agentd toolbox remove --unused")]
    Remove {
        /// An agent of the configuration, a plugin, or a program
        #[arg(required_unless_present = "unused")]
        name: Option<String>,
        /// Remove the versions that none of the programs needs any more
        #[arg(long, conflicts_with = "name")]
        unused: bool,
    },
}

impl Toolbox {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        match self.command {
            Command::Install { name, version } => install(context, &name, version.as_deref()).await,
            Command::List => {
                let tools = toolbox::all(context.home()?.path())?;
                context.out.either(&json!({ "tools": tools }), |out| table(out, &tools, now()))
            }
            Command::Remove { name: Some(name), .. } => remove(context, &name).await,
            Command::Remove { name: None, .. } => {
                let home = context.home()?;
                nobody_uses(&home)?;
                let removed = toolbox::remove_unused(home.path())?;
                context.out.either(&json!({ "removed": removed }), |_| match removed {
                    0 => "nothing to remove".to_owned(),
                    1 => "removed 1 old version".to_owned(),
                    many => format!("removed {many} old versions"),
                })
            }
        }
    }
}

async fn install(context: &mut Context, name: &str, version: Option<&str>) -> Result<(), Error> {
    let config = context.config()?;
    let rehearsal = context.progress.during("loading the plugins", Rehearsal::load(&config)).await?;
    let (agent, needs) = needs(&rehearsal, &config, name).await?;
    if needs.tools.is_empty() {
        let program = needs.check.first().map_or("its program", String::as_str);
        let text = format!("the agent {agent} brings nothing of its own: {program} has to be in the image");
        return Err(Error::usage(text).hint("name an image that has it: image = \"…\" in [sandbox]"));
    }
    let mut wanted: Vec<Wanted> = toolbox::of_this_machine(&needs)?.into_iter().cloned().collect();
    if let Some(version) = version {
        choose(&mut wanted, version)?;
    }
    Home::new(&config.home).prepare()?;
    let mut bar = Bar { quiet: context.global.quiet, bar: None };
    let done = toolbox::install(&options(&config)?, &wanted, |progress| bar.show(&progress)).await;
    bar.end();
    let done = done?;
    context.out.either(&json!({ "agent": agent, "tools": done }), |_| {
        let line = |(name, it): (&String, &Program)| format!("{name} {} is installed ({})", it.version, it.digest);
        done.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// What the agent of that name needs: one of the configuration, else a plugin, else whichever runs that program.
async fn needs(rehearsal: &Rehearsal, config: &Config, name: &str) -> Result<(String, Requirements), Error> {
    if let Some(agent) = config.agents.get(name) {
        return Ok((name.to_owned(), rehearsal.needs(name, &agent.plugin, &agent.settings).await?));
    }
    let plugins = rehearsal.agents();
    if plugins.iter().any(|it| it == name) {
        return Ok((name.to_owned(), rehearsal.needs(name, name, &json!({})).await?));
    }
    let configured = config.agents.iter().map(|(name, it)| (name, &it.plugin, it.settings.clone()));
    for (agent, plugin, settings) in configured.chain(plugins.iter().map(|it| (it, it, json!({})))) {
        // A plugin that has to have settings cannot be asked without them, and is not the one then.
        if let Ok(needs) = rehearsal.needs(agent, plugin, &settings).await
            && needs.tools.iter().any(|it| it.name == name)
        {
            return Ok((agent.clone(), needs));
        }
    }
    let known: Vec<_> = config.agents.keys().chain(&plugins).map(String::as_str).collect();
    Err(Error::usage(format!("there is no agent {name:?}: there are {}", known.join(", "))))
}

/// Puts a version of the operator's choice in place of the plugin's. Nothing is known of it before it has come.
fn choose(wanted: &mut [Wanted], version: &str) -> Result<(), Error> {
    if !toolbox::is_version(version) {
        let hint = "a version is exact, as in --version 1.2.3";
        return Err(Error::usage(format!("{version:?} is no version")).hint(hint));
    }
    let Some(first) = wanted.first().map(|it| it.release.clone()) else { return Ok(()) };
    for tool in wanted.iter_mut().filter(|it| it.release == first) {
        let release = tool.release.parse::<Release>()?.at(version).to_string();
        if release != tool.release {
            tool.release = release;
            tool.digest = None;
        }
    }
    Ok(())
}

async fn remove(context: &mut Context, name: &str) -> Result<(), Error> {
    let home = context.home()?;
    nobody_uses(&home)?;
    let there = toolbox::all(home.path())?;
    // What an agent needs can be several programs. With a configuration or plugins that do not work, a program's own
    // name still will do.
    let names: Vec<String> = match programs(context, name).await {
        Ok(names) => names.into_iter().filter(|it| there.contains_key(it)).collect(),
        Err(_) if there.contains_key(name) => vec![name.to_owned()],
        Err(error) => return Err(error),
    };
    if names.is_empty() {
        return Err(Error::work(format!("nothing of {name} is installed")).hint("agentd toolbox list shows what is"));
    }
    for name in &names {
        toolbox::remove(home.path(), name)?;
    }
    context.out.either(&json!({ "removed": names }), |_| format!("removed {}", names.join(", ")))
}

/// The programs of an agent.
async fn programs(context: &Context, name: &str) -> Result<Vec<String>, Error> {
    let config = context.config()?;
    let rehearsal = Rehearsal::load(&config).await?;
    let mut names: Vec<_> = needs(&rehearsal, &config, name).await?.1.tools.into_iter().map(|it| it.name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// A sandbox that loses its program fails its run.
fn nobody_uses(home: &Home) -> Result<(), Error> {
    match home.owner()? {
        None => Ok(()),
        Some(_) => {
            let text = format!("agentd is running on {}, and its runs may need what is removed", home.path().display());
            Err(Error::work(text).hint("agentd stop --drain waits for them"))
        }
    }
}

fn options(config: &Config) -> Result<toolbox::Options, Error> {
    let egress = Egress::new(config.network.egress(), Credentials::default());
    let egress = egress.map_err(|error| Error::usage(error.to_string()).hint("see [network] in the configuration"))?;
    let npm = config.registries_options().npm.trim_end_matches('/').to_owned();
    Ok(toolbox::Options { home: config.home.clone(), npm, egress, now: now() })
}

fn table(out: &Out, tools: &BTreeMap<String, Program>, now: i64) -> String {
    let rows: Vec<_> = tools
        .iter()
        .map(|(name, tool)| {
            let digest: String = tool.digest.chars().take("sha256:".len() + 12).collect();
            let cells = [name, &tool.version, &tool.arch, &digest, &tool.release];
            let mut row: Vec<_> = cells.into_iter().map(|it| one_line(it, 100)).collect();
            row.push(age(tool.installed_at, now));
            row
        })
        .collect();
    let heads = ["program", "version", "machine", "digest", "from", "since"];
    out.table(&heads, &rows, "nothing is installed: agentd toolbox install claude-code")
}

impl From<toolbox::Error> for Error {
    fn from(error: toolbox::Error) -> Error {
        Error::work(error.to_string()).hint(error.hint())
    }
}

/// Shows on stderr how far it is: as a bar on a terminal, else as a line for each step.
struct Bar {
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Bar {
    fn show(&mut self, progress: &Progress<'_>) {
        if self.quiet {
            return;
        }
        match *progress {
            Progress::Fetching { release, done, total } if std::io::stderr().is_terminal() => {
                let bar = self.bar.get_or_insert_with(|| bar(release, total));
                bar.set_position(done);
            }
            Progress::Fetching { release, done: 0, total } => {
                let size = total.map(|it| format!(" ({})", megabytes(it))).unwrap_or_default();
                say(&format!("fetching {release}{size} …"));
            }
            Progress::Fetching { .. } => (),
            Progress::Unpacking { release } => {
                self.end();
                say(&format!("unpacking {release} …"));
            }
            Progress::There { release } => say(&format!("{release} is there already")),
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(release: &str, total: Option<u64>) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let style = ProgressStyle::with_template("{msg} {bytes} of {total_bytes}, {binary_bytes_per_sec} {wide_bar}");
    bar.with_style(style.expect("the template is right")).with_message(release.to_owned())
}

fn megabytes(bytes: u64) -> String {
    if bytes < 1 << 20 { size_text(bytes) } else { size_text(bytes >> 20 << 20) }
}
