//! `agentd plugin call`: one function of a plugin file, called here and now.

use super::workbench::{
    Bench, Outside, json_given, outcome_text, played_json, played_lines, present, told_what_is_missing,
};
use crate::cli::{context::Context, exit::Error};
use agentd_plugin::{Answers, Approved, CallError, Kind, Rehearsal};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};

/// Call one function of a plugin file, without a daemon; nothing goes out unless --live is given
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd plugin call build/triage.wasm describe\n  agentd plugin call build/tracker.wasm poll --settings '{\"team\": \"ENG\"}' --arguments '[{\"cursor\": null, \"extra\": []}]' --live"
)]
pub(crate) struct Call {
    /// A .wasm file
    file: PathBuf,
    /// A function of its kind: describe, poll, analyze, rank, render, notify, run, …
    function: String,
    /// The entry's settings: JSON, or @FILE
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// A JSON list with one value for each parameter, or @FILE [default: [{}] or [\"{}\"]]
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
    #[command(flatten)]
    outside: Outside,
    /// Write the call as a case for `agentd plugin test`, without cookies, tokens and mail addresses
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Call {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let settings = json_given("--settings", self.settings.as_deref(), json!({}))?;
        let arguments = json_given("--arguments", self.arguments.as_deref(), usual(&self.function, &settings))?;
        let Value::Array(list) = &arguments else {
            return Err(Error::usage("--arguments: it is a list, with one value for each parameter"));
        };
        let function = self.function.clone();
        let bench = Bench::new(context).await?;
        let opened = bench.open(context, &self.file).await?;
        let host = self.outside.host(context).await?;
        let repositories = self.outside.repositories()?;
        if let Some(file) = &self.record {
            let mut case = agentd_authoring::call(&self.function, settings.clone(), list.clone(), present());
            case.repositories = repositories.clone();
            told_what_is_missing(&case.record(&opened, host.clone()).await);
            case.write(file)?;
        }
        let rehearsal = Rehearsal {
            entry: "call".into(),
            settings,
            repositories,
            function: function.clone(),
            arguments,
            kv: BTreeMap::new(),
            now: present(),
            seed: 0,
            answers: Answers::Live(host),
            approved: Approved::All,
        };
        let played = context.progress.during("calling the plugin", opened.call(rehearsal)).await;
        context.out.either(&played_json(&played), |out| {
            let mut lines = played_lines(out, &played);
            if played.outcome.is_ok() {
                lines.push(outcome_text(&played));
            }
            lines.join("\n")
        })?;
        match &played.outcome {
            Ok(_) => Ok(()),
            Err(CallError::WrongKind { .. }) => Err(no_such_function(&function, &opened.info().kinds)),
            Err(_) => Err(Error::work(outcome_text(&played))),
        }
    }
}

/// What a function is given where nothing is said.
pub(super) fn usual(function: &str, settings: &Value) -> Value {
    match function {
        "describe" | "check" => json!([settings.to_string()]),
        "needs" => json!([]),
        _ => json!([{}]),
    }
}

fn no_such_function(function: &str, kinds: &[Kind]) -> Error {
    let names: Vec<_> = kinds.iter().map(|it| it.name()).collect();
    let own = kinds.iter().flat_map(|it| match it {
        Kind::TaskSource => &["poll", "feedback", "receive", "report"][..],
        Kind::Analyzer => &["analyze"],
        Kind::Prioritizer => &["rank"],
        Kind::PromptTemplate => &["render"],
        Kind::Notifier => &["notify"],
        Kind::Agent => &["needs", "run"],
        _ => &[],
    });
    let known: Vec<_> = ["describe", "check"].into_iter().chain(own.copied()).collect();
    let text = format!("a plugin of the kind {} has no function {function}", names.join(", "));
    Error::usage(text).hint(format!("there are {}", known.join(", ")))
}
