//! `agentd init`: a configuration that works, from a few answers. It starts nothing.
//!
//! Nothing is written before the whole of it was read by the configuration's own reader, and GitHub, where it is used,
//! has let agentd in.

mod answers;
mod text;

use super::{
    ask::Ask,
    auth::{self, Given, Labels},
    config_file::{self, Candidate},
    context::Context,
    exit::Error,
    github,
    print::say,
    task,
};
use agentd_task::Mode;
use answers::{Answers, Place};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The agents that it knows to configure.
const AGENTS: [&str; 3] = ["claude-code", "codex", "command"];

/// Write a configuration that works, from a few questions or options; starts nothing
///
/// On a terminal it asks for what the options leave open. An existing file is left alone unless --force is given;
/// `agentd auth github` adds GitHub to it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd init\n  agentd init --repository acme/api --token-env GITHUB_TOKEN --agent claude-code --gate 'make test' --yes\n  agentd init --repository . --agent command --command 'fixer --batch' --output agentd.toml --yes"
)]
pub(crate) struct Init {
    /// What agentd is to work on: a folder with a git repository, OWNER/NAME on GitHub, or a glob as in 'acme/web-*';
    /// may be given again
    #[arg(long, value_name = "PATH|OWNER/NAME")]
    repository: Vec<String>,
    /// The agent that does the work
    #[arg(long, value_name = "AGENT", value_parser = AGENTS)]
    agent: Option<String>,
    /// What the agent `command` runs: a shell command that reads the prompt from its standard input
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// What becomes of work that is found: ask (a person starts each task), auto, or propose [default: ask]
    #[arg(long, value_name = "MODE", value_parser = task::mode)]
    mode: Option<Mode>,
    /// The label of GitHub issues that agentd takes as work [default: agentd]
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// A shell command that must pass before anything is pushed; may be given again
    #[arg(long, value_name = "COMMAND")]
    gate: Vec<String>,
    /// How much the runs of one task may spend on models, in US dollars [default: 10]
    #[arg(long, value_name = "USD")]
    budget_task: Option<f64>,
    #[command(flatten)]
    access: Given,
    #[command(flatten)]
    labels: Labels,
    /// The file to write [default: where agentd looks for its configuration]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Ask nothing: take the defaults
    #[arg(short, long)]
    yes: bool,
}

impl Init {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let mut ask = Ask::new(self.yes);
        self.act_with(context, &mut ask).await
    }

    async fn act_with(self, context: &mut Context, ask: &mut Ask) -> Result<(), Error> {
        let usual = config_file::place(&context.global)?;
        let path = self.output.as_ref().map_or(Ok(usual.clone()), std::path::absolute)?;
        self.refuse_to_replace(&path)?;
        self.refuse_what_is_missing(ask)?;
        let here = std::env::current_dir()?;
        let mut answers = Answers::gather(&self, ask, &path, &here).await?;
        let typed = answers.typed.clone();
        let mut candidate = Candidate { text: text::text(&answers, &path), path, typed };
        let mut config = candidate.check(context.global.home.as_deref())?;
        if let (Some(_), Some(url)) = (&config.github, &answers.url) {
            answers.private = auth::lacking(&config, &candidate.text, url).await;
            candidate.text = text::text(&answers, &candidate.path);
            config = candidate.check(context.global.home.as_deref())?;
        }
        let (mut checks, mut made) = (Vec::new(), Vec::new());
        if config.github.is_some() {
            let client = github::client(&config)?;
            let looking = github::look(&client, &config, &answers.label);
            let look = context.progress.during("asking GitHub", looking).await?;
            made = auth::judge(context, &client, &look, self.labels, ask).await?;
            checks = look.checks();
        }
        candidate.write()?;
        let file = candidate.path.display().to_string();
        let mut options = context.options();
        if candidate.path != usual {
            options = format!("{options} --config {file}");
        }
        let next = next(&answers, &options);
        let written = json!({ "file": file, "checks": checks, "labels": made, "next": next });
        context
            .out
            .either(&written, |_| format!("written to {file}; nothing was started\n\nNext:\n{}", indented(&next)))?;
        if let Some((variable, _)) = answers.key.filter(|(variable, _)| !is_set(variable)) {
            say(&format!("{variable} is not set: export it before you start agentd, or see [accounts] in {file}"));
        }
        Ok(())
    }

    fn refuse_to_replace(&self, path: &Path) -> Result<(), Error> {
        match path.symlink_metadata() {
            Ok(data) if data.is_dir() => Err(Error::usage(format!("{} is a folder", path.display()))
                .hint("--output takes the path of a file, as in --output agentd.toml")),
            Ok(_) if !self.force => Err(Error::usage(format!("{} is there already", path.display()))
                .hint("agentd auth github adds GitHub to it; --force replaces it, --output FILE writes another one")),
            _ => Ok(()),
        }
    }

    /// Where nobody can be asked, all that is missing is named at once.
    fn refuse_what_is_missing(&self, ask: &Ask) -> Result<(), Error> {
        if ask.can() {
            return Ok(());
        }
        let mut missing = Vec::new();
        if self.repository.is_empty() && !self.yes {
            missing.push("--repository");
        }
        if self.agent.is_none() && !self.yes {
            missing.push("--agent (or --yes for the default)");
        }
        if self.agent.as_deref() == Some("command") && self.command.is_none() {
            missing.push("--command");
        }
        let names = self.repository.iter();
        let on_github = names.clone().any(|it| matches!(answers::place(it), Ok(Place::GitHub(_))));
        let usual = self.yes && is_set(auth::USUAL_VARIABLE);
        if on_github && !self.access.is_given() && !usual {
            missing.push("--token-file, --token-env or --app-id with --app-key");
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Error::usage(format!("there is no terminal to ask on; missing: {}", missing.join("; ")))
                .hint("agentd init --repository acme/api --token-env GITHUB_TOKEN --agent claude-code --yes")),
        }
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|it| !it.is_empty())
}

/// The three commands to go on with.
fn next(answers: &Answers, options: &str) -> Vec<String> {
    let mut next = Vec::new();
    if answers.key.is_some() {
        next.push(format!("agentd toolbox install {}{options}", answers.agent));
    }
    next.push(format!("agentd doctor{options}"));
    match answers.places.first() {
        Some(Place::GitHub(_)) => {
            next.push(format!("agentd start --dry-run{options}"));
            next.push(format!("agentd start{options}"));
        }
        Some(Place::Folder(folder, _)) => {
            let folder = folder.display();
            next.push(format!("agentd run --repo {folder}{options} \"Fix the failing test\""));
            next.push(format!("agentd start{options}"));
        }
        None => next.push(format!("agentd start{options}")),
    }
    next.truncate(3);
    next
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|it| format!("  {it}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
