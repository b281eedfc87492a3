//! `agentd auth`: the way into services that agentd works with, tested before it is written into the configuration.
//!
//! What does not work is not written. A token is never shown, and never stands in the configuration itself.

mod access;
mod server;

use super::{
    ask::Ask,
    check,
    config_file::{self, Candidate, GitHubLines},
    context::Context,
    exit::Error,
    github::{self, Look},
    print::say,
};
use crate::config::{self, repository_glob};
use agentd_forge::{GitHub, github::WORK_LABEL};
use clap::Subcommand;
use serde_json::json;
use std::io::ErrorKind;

pub(crate) use access::{Given, USUAL_VARIABLE};
pub(crate) use server::lacking;

/// Give agentd access to what it works with
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd auth github --token-env GITHUB_TOKEN --repository acme/api")]
pub(crate) struct Auth {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Github(AuthGitHub),
}

/// Test a token or a GitHub App, say what it lacks, and write it into the configuration
///
/// Without a token or an App it asks for one, or tests the configured one again. A token that is typed in is kept in
/// secrets/github-token beside the configuration, readable by you alone.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd auth github\n  agentd auth github --token-env GITHUB_TOKEN --repository acme/api --repository 'acme/web-*'\n  agentd auth github --app-id 123456 --app-key app.pem --repository acme/api --create-labels\n  agentd auth github --url https://github.acme.com --token-file token --print"
)]
struct AuthGitHub {
    #[command(flatten)]
    given: Given,
    /// A repository that agentd may work on, or a glob of them; may be given again
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Vec<String>,
    #[command(flatten)]
    labels: Labels,
    /// Ask nothing: take what can be told without a person, and make the labels
    #[arg(short, long)]
    yes: bool,
    /// Print the lines for the configuration instead of writing them
    #[arg(long)]
    print: bool,
}

/// What becomes of labels that a repository lacks.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Labels {
    /// Make the labels that agentd works with where they are missing
    #[arg(long, conflicts_with = "no_labels")]
    create_labels: bool,
    /// Make no labels, and do not ask
    #[arg(long)]
    no_labels: bool,
}

impl Auth {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let Command::Github(it) = self.command;
        let mut ask = Ask::new(it.yes);
        it.act(context, &mut ask).await
    }
}

impl AuthGitHub {
    async fn act(self, context: &mut Context, ask: &mut Ask) -> Result<(), Error> {
        let path = config_file::place(&context.global)?;
        let old = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::work(format!("{} cannot be read: {error}", path.display()))),
        };
        let here = Present::read(&old).or(context.config().ok().and_then(|it| it.github).as_ref());
        let chosen = self.given.choose(ask, &path, here.access)?;
        let mut repositories = self.repository;
        if repositories.is_empty() && !here.repositories && ask.can() {
            let question = "Repositories that agentd may work on, as owner/name, with commas between them";
            let text = ask.text(question, None, "--repository", |text| some(&split(text)))?;
            repositories = split(&text);
        }
        let mut lines = GitHubLines { access: chosen.access, url: self.given.url, repositories, private: Vec::new() };
        let mut candidate = Candidate { text: lines.with_text(&old)?, path, typed: chosen.typed };
        let mut config = candidate.check(context.global.home.as_deref())?;
        if let Some(url) = &lines.url {
            lines.private = lacking(&config, &old, url).await;
            candidate.text = lines.with_text(&old)?;
            config = candidate.check(context.global.home.as_deref())?;
        }
        let client = github::client(&config)?;
        let looking = github::look(&client, &config, WORK_LABEL);
        let look = context.progress.during("asking GitHub", looking).await?;
        let made = judge(context, &client, &look, self.labels, ask).await?;
        let section = lines.section()?;
        let written = !self.print && candidate.text != old;
        if written {
            candidate.write()?;
        }
        let file = candidate.path.display().to_string();
        let answer = json!({
            "checks": look.checks(), "labels": made, "file": file, "written": written, "lines": section,
        });
        context.out.either(&answer, |_| match (self.print, written) {
            (true, _) if section.is_empty() => "\nthere is nothing to add to the configuration".into(),
            (true, _) => format!("\n{}", section.trim_end()),
            (false, true) => format!("\nwritten to {file}"),
            (false, false) => format!("\n{file} says so already"),
        })?;
        if written && context.home().is_ok_and(|it| it.owner().is_ok_and(|it| it.is_some())) {
            say("The agentd that is running takes it with `agentd restart`.");
        }
        if self.print && candidate.typed.is_some() {
            let secret = candidate.secret_file();
            say(&format!("The token is not kept: write it into {0}, and chmod 600 {0}", secret.display()));
        }
        Ok(())
    }
}

/// What the configuration says already.
struct Present {
    access: bool,
    repositories: bool,
}

impl Present {
    fn read(text: &str) -> Present {
        let table = text.parse::<toml::Table>().ok();
        let github = table.as_ref().and_then(|it| it.get("github")?.as_table());
        let has = |key: &str| github.is_some_and(|it| it.contains_key(key));
        Present { access: has("token") || has("app"), repositories: has("repositories") }
    }

    /// With what the fragments beside the file say, as far as the whole of it can be read.
    fn or(self, whole: Option<&config::GitHub>) -> Present {
        Present {
            access: self.access || whole.is_some(),
            repositories: self.repositories || whole.is_some_and(|it| !it.repositories.is_empty()),
        }
    }
}

/// Shows what was found, makes the labels if that is wanted, and says whether it works. Gives the labels it made.
pub(crate) async fn judge(
    context: &mut Context,
    client: &GitHub,
    look: &Look,
    labels: Labels,
    ask: &mut Ask,
) -> Result<Vec<String>, Error> {
    let checks = look.checks();
    if !context.out.json {
        let text = check::text(&context.out, &checks);
        context.out.line(&text)?;
    }
    match check::failed(&checks) {
        0 => {}
        _ if context.out.json => {
            let lacks: Vec<_> = checks.iter().filter(|it| it.level == check::Level::Fail).collect();
            let text = lacks.iter().map(|it| format!("{}: {}", it.name, it.text)).collect::<Vec<_>>().join("\n");
            return Err(Error::work(format!("this access does not do; nothing was written\n{text}")));
        }
        _ => return Err(Error::work("this access does not do; nothing was written")),
    }
    if look.repositories.is_empty() {
        say("No repository is named yet: agentd reads and writes none. --repository OWNER/NAME adds one.");
    }
    let missing: Vec<_> = look.without_labels().collect();
    if missing.is_empty() || labels.no_labels {
        return Ok(Vec::new());
    }
    let list = missing.iter().map(|it| {
        let names: Vec<_> = it.without.iter().map(|it| it.name.as_str()).collect();
        format!("{} ({})", it.name, names.join(", "))
    });
    let list = list.collect::<Vec<_>>().join(", ");
    if !labels.create_labels && !ask.agree(&format!("Make the labels that are missing: {list}?"))? {
        say(&format!("Labels are missing: {list}. --create-labels makes them."));
        return Ok(Vec::new());
    }
    let mut made = Vec::new();
    for repository in missing {
        for label in &repository.without {
            if client.create_label(&repository.name, label).await? {
                made.push(format!("{} {}", repository.name, label.name));
            }
        }
    }
    if !context.out.json {
        for it in &made {
            context.out.line(&format!("made the label {it}"))?;
        }
    }
    Ok(made)
}

/// What commas or spaces part.
pub(crate) fn split(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn some(names: &[String]) -> Result<(), String> {
    match names {
        [] => Err("name at least one, like acme/api, or acme/* for all of an owner's".into()),
        names => names.iter().try_for_each(|it| repository_glob(it)),
    }
}

#[cfg(test)]
mod tests;
