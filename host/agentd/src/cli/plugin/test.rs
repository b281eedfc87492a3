//! `agentd plugin test`: the cases of a project, against its built file.

use super::workbench::{Bench, Outside, played_json, told_what_is_missing};
use crate::cli::{
    context::Context,
    exit::Error,
    print::{Out, Paint, lines_of},
};
use agentd_authoring::{Case, Project, Verdict, files, finished, play_all};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Run the cases of a plugin (cases/*.json) against its built file, with recorded answers of the host
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin test\n  agentd plugin test --record --live")]
pub(crate) struct Test {
    /// The project's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Call with answers from outside, and write answers and expectations into the cases, without cookies, tokens and
    /// mail addresses
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    outside: Outside,
}

impl Test {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let project = Project::read(&self.folder)?;
        let file = finished(&project);
        if !file.is_file() {
            return Err(Error::usage(format!("there is no {}", file.display())).hint("agentd plugin build makes it"));
        }
        let bench = Bench::new(context).await?;
        let opened = bench.open(context, &file).await?;
        if self.record {
            let host = self.outside.host(context).await?;
            for file in files(&project.folder)? {
                let mut case = Case::read(&file)?;
                told_what_is_missing(&case.record(&opened, host.clone()).await);
                case.write(&file)?;
            }
        }
        let verdicts = play_all(&project.folder, &opened).await?;
        let value: Vec<Value> = verdicts.iter().map(as_json).collect();
        context.out.either(&json!({ "cases": value }), |out| shown(out, &verdicts))?;
        match verdicts.iter().filter(|it| !it.differences.is_empty()).count() {
            0 => Ok(()),
            failed => Err(Error::work(format!("{failed} of {} cases failed", verdicts.len()))
                .hint("agentd plugin test --record takes what comes now as expected; read the difference first")),
        }
    }
}

fn as_json(verdict: &Verdict) -> Value {
    let Verdict { name, differences, played } = verdict;
    json!({ "case": name, "passed": differences.is_empty(), "differences": differences, "played": played.as_ref().map(played_json) })
}

/// One line a case; of failed ones what differs.
pub(super) fn shown(out: &Out, verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return "no cases: agentd plugin call … --record cases/NAME.json makes one".to_owned();
    }
    let mut lines = vec![];
    for verdict in verdicts {
        if verdict.differences.is_empty() {
            lines.push(format!("{}  {}", out.paint(Paint::Green, "ok  "), verdict.name));
            continue;
        }
        lines.push(format!("{}  {}", out.paint(Paint::Red, "fail"), verdict.name));
        lines.extend(verdict.differences.iter().map(|it| format!("      {}", lines_of(it).replace('\n', "\n      "))));
    }
    lines.join("\n")
}
