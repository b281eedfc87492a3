//! `agentd plugin conform`: what every plugin of a kind has to do.

use super::workbench::{Bench, json_given};
use crate::cli::{
    context::Context,
    exit::Error,
    print::{Out, Paint, lines_of},
};
use agentd_authoring::{Conformance, Outcome};
use serde_json::Value;
use std::path::PathBuf;

/// Try what every plugin of its kind has to do: no traps, nothing twice, the same answer to the same question
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin conform build/triage.wasm")]
pub(crate) struct Conform {
    /// A .wasm file
    file: PathBuf,
    /// Settings to try it with: JSON, or @FILE [default: something in each place that its schema requires]
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
}

impl Conform {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let settings = json_given("--settings", self.settings.as_deref(), Value::Null)?;
        let bench = Bench::new(context).await?;
        let trying = agentd_authoring::conform(&bench.plugins, &self.file, Some(settings).filter(|it| !it.is_null()));
        let found = context.progress.during("trying the plugin", trying).await?;
        context.out.either(&found, |out| shown(out, &found))?;
        match found.failed() {
            0 => Ok(()),
            failed => Err(Error::work(format!("{failed} of {} checks failed", found.checks.len()))),
        }
    }
}

fn shown(out: &Out, found: &Conformance) -> String {
    let mut lines = vec![];
    for check in &found.checks {
        let (word, why) = match &check.outcome {
            Outcome::Passed => (out.paint(Paint::Green, "ok  "), None),
            Outcome::Failed(why) => (out.paint(Paint::Red, "fail"), Some(why)),
            Outcome::NotTried(why) => (out.paint(Paint::Yellow, "-   "), Some(why)),
        };
        lines.push(format!("{word}  {}: {}", check.of, check.name));
        lines.extend(why.map(|why| format!("      {}", lines_of(why).replace('\n', "\n      "))));
    }
    lines.join("\n")
}
