//! `agentd plugin update`: the same sources, newer content.

use super::install::{distribution, fetch, inspect, put, short};
use crate::{
    cli::{
        context::Context,
        exit::Error,
        print::{one_line, say},
        rehearsal::Rehearsal,
    },
    config::Config,
};
use agentd_distribution::{Distribution, Installed, Put, Source};
use serde_json::{Value, json};
use std::path::Path;

/// Fetch newer versions of installed plugins from where they came
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin update\n  agentd plugin update triage")]
pub(crate) struct Update {
    /// One plugin; without it, all that were installed
    name: Option<String>,
}

/// What came of one plugin.
struct Line {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Current(String),
    Changed { lines: Vec<String>, from: String, to: String, held: bool },
    Failed(String),
}

impl Update {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let config = context.config()?;
        let distribution = distribution(&config)?;
        let mut installed = distribution.folder().installed()?;
        if let Some(name) = &self.name {
            installed.retain(|it| it.name == *name);
            if installed.is_empty() {
                return Err(agentd_distribution::Error::NotInstalled(name.clone()).into());
            }
        }
        let mut lines = Vec::new();
        for it in &installed {
            // One that fails does not keep the others from their updates.
            let outcome = update(context, &config, &distribution, it).await.unwrap_or_else(|error| {
                let hint = error.hint.as_ref().map(|it| format!("; {it}")).unwrap_or_default();
                Outcome::Failed(format!("{}{hint}", error.text))
            });
            lines.push(Line { name: it.name.clone(), outcome });
        }
        let shown: Vec<Value> = lines.iter().map(Line::to_json).collect();
        context.out.either(&json!({ "plugins": shown }), |_| match lines.as_slice() {
            [] => "nothing was installed here: agentd plugin install SOURCE".to_owned(),
            lines => lines.iter().map(Line::to_text).collect::<Vec<_>>().join("\n"),
        })?;
        let failed = lines.iter().filter(|it| matches!(it.outcome, Outcome::Failed(_))).count();
        match failed {
            0 => Ok(()),
            1 => Err(Error::work("one plugin was not updated; what was installed serves on")),
            many => Err(Error::work(format!("{many} plugins were not updated; what was installed serves on"))),
        }
    }
}

async fn update(
    context: &Context,
    config: &Config,
    distribution: &Distribution,
    installed: &Installed,
) -> Result<Outcome, Error> {
    let source = Source::parse(&installed.source, Path::new("/"))?;
    if distribution.is_current(&source, installed.manifest.as_deref()).await? == Some(true) {
        return Ok(Outcome::Current(installed.version.clone()));
    }
    let fetched = fetch(context, distribution, &source, None).await?;
    let rehearsal = context.progress.during("loading the plugins", Rehearsal::load(config)).await?;
    let info = inspect(&rehearsal, fetched.path(), &source).await?;
    if info.name != installed.name {
        let (old, new) = (&installed.name, one_line(&info.name, 80));
        let text = format!("{} gives a plugin called {new} now, and not {old} any more", source.name());
        return Err(
            Error::work(text).hint(format!("agentd plugin install {} takes it under its new name", source.name()))
        );
    }
    if older(&info.version, &installed.version) {
        // Whoever can change what a source gives could bring an old, signed version with its holes back.
        let (old, new) = (one_line(&installed.version, 40), one_line(&info.version, 40));
        let text = format!("{} gives version {new} now, which is older than {old}", source.name());
        return Err(Error::work(text).hint(format!("agentd plugin install {} takes it all the same", source.name())));
    }
    let done = put(config, distribution, &rehearsal, fetched, &info, false).await?;
    if done.put == Put::There || info.digest == installed.digest {
        return Ok(Outcome::Current(info.version));
    }
    let waiting = done.waiting();
    let (old, new) = (one_line(&installed.version, 40), one_line(&info.version, 40));
    let (from, to) = (installed.digest.clone(), info.digest.clone());
    let mut lines = vec![format!("{old} is replaced by {new} ({} by {})", short(&from), short(&to))];
    lines.extend(waiting.iter().cloned());
    Ok(Outcome::Changed { lines, from, to, held: !waiting.is_empty() })
}

/// Whether a version is older than another, as far as numbers tell.
fn older(new: &str, old: &str) -> bool {
    let numbers = |it: &str| -> Option<Vec<u64>> {
        it.split(['-', '+']).next().unwrap_or_default().split('.').map(|it| it.parse().ok()).collect()
    };
    matches!((numbers(new), numbers(old)), (Some(new), Some(old)) if new < old)
}

impl Line {
    fn to_text(&self) -> String {
        match &self.outcome {
            Outcome::Current(version) => format!("{}: {} is current", self.name, one_line(version, 40)),
            Outcome::Changed { lines, .. } => format!("{}: {}", self.name, lines.join("\n  ")),
            Outcome::Failed(why) => {
                let why = one_line(why, 1000);
                say(&format!("{}: {why}", self.name));
                format!("{}: not updated", self.name)
            }
        }
    }

    fn to_json(&self) -> Value {
        match &self.outcome {
            Outcome::Current(version) => json!({ "name": self.name, "state": "current", "version": version }),
            Outcome::Changed { from, to, held, .. } => {
                json!({ "name": self.name, "state": "updated", "from": from, "to": to, "waits": held })
            }
            Outcome::Failed(why) => json!({ "name": self.name, "state": "failed", "why": why }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_is_known_by_its_numbers() {
        #[track_caller]
        fn check(new: &str, old: &str, expected: bool) {
            assert_eq!(older(new, old), expected, "{new} {old}");
        }
        check("1.2.0", "1.10.0", true);
        check("1.10.0", "1.2.0", false);
        check("1.0.0", "1.0.0", false);
        check("1.0", "1.0.1", true);
        check("two", "1.0.0", false);
        check("1.0.0-beta", "1.0.1", true);
    }
}
