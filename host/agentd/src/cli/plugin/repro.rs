//! `agentd plugin repro` and `replay`: a call that failed, to be carried elsewhere and done again.

use super::workbench::{Bench, outcome_text, played_json, played_lines};
use crate::{
    cli::{context::Context, exit::Error},
    daemon::repro,
};
use agentd_plugin::Trace;
use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Export a failed call of a plugin: what it was given, what the host answered, clock and chance
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin repro 3f2a9c1e -o failure.json")]
pub(crate) struct Repro {
    /// The number that the error named
    id: String,
    /// Where to [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Repro {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let folder = repro::folder(context.home()?.path());
        let file = folder.join(format!("{}.json", self.id));
        let plain = |it: char| it.is_ascii_alphanumeric() || "-_".contains(it);
        if self.id.is_empty() || !self.id.chars().all(plain) {
            return Err(Error::usage(format!("{:?} is no number of a failed call", self.id)));
        }
        let text = fs::read_to_string(&file).map_err(|error| missing(&self.id, &folder, &error))?;
        let trace = read(&file, &text)?;
        match &self.output {
            None => context.out.object(&trace),
            Some(output) => {
                agentd_authoring::put(output, text.as_bytes())?;
                let value = json!({ "written": output, "digest": trace.digest, "complete": trace.complete });
                context.out.either(&value, |_| {
                    let incomplete =
                        if trace.complete { "" } else { "\nit asked for more than is kept: a replay ends there" };
                    format!(
                        "wrote {}: {} of {} ({})\n{}{incomplete}\nnext:\n  agentd plugin replay {} --component {}.wasm",
                        output.display(),
                        trace.function,
                        trace.plugin,
                        trace.digest,
                        trace.error.lines().next().unwrap_or_default(),
                        output.display(),
                        trace.plugin,
                    )
                })
            }
        }
    }
}

fn missing(id: &str, folder: &Path, error: &io::Error) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return Error::work(format!("cannot read the failed call {id}: {error}"));
    }
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path());
    let mut known: Vec<String> = names
        .filter(|it| it.extension().is_some_and(|it| it == "json"))
        .filter_map(|it| Some(it.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    known.sort();
    let error = Error::work(format!("there is no failed call {id} in {}", folder.display()));
    if known.is_empty() { error.hint("none was kept") } else { error.hint(format!("there are {}", known.join(", "))) }
}

fn read(file: &Path, text: &str) -> Result<Trace, Error> {
    serde_json::from_str(text).map_err(|error| Error::work(format!("{} is no exported call: {error}", file.display())))
}

/// Do an exported call again, with the same component and the recorded answers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin replay failure.json --component build/tracker.wasm")]
pub(crate) struct Replay {
    /// What `agentd plugin repro` wrote
    file: PathBuf,
    /// The plugin's file
    #[arg(long, value_name = "FILE")]
    component: PathBuf,
    /// Take another component than the one that failed, to see whether it is mended
    #[arg(long)]
    any: bool,
}

impl Replay {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let text = fs::read_to_string(&self.file)
            .map_err(|error| Error::usage(format!("cannot read {}: {error}", self.file.display())))?;
        let trace = read(&self.file, &text)?;
        let bench = Bench::new(context).await?;
        let opened = bench.open(context, &self.component).await?;
        if opened.info().digest != trace.digest && !self.any {
            let text = format!(
                "{} is {}, and the call failed with {}",
                self.component.display(),
                opened.info().digest,
                trace.digest
            );
            return Err(Error::usage(text).hint("--any replays it with this one all the same"));
        }
        let played = context.progress.during("calling the plugin", trace.replay(&opened)).await;
        // How long it took is the one thing that is not the same each time.
        let mut value: Value = played_json(&played);
        if let Some(fields) = value.as_object_mut() {
            fields.remove("cpu_us");
            fields.remove("memory");
        }
        context.out.either(&value, |out| {
            let mut lines = played_lines(out, &played);
            lines.pop();
            lines.push(outcome_text(&played));
            lines.join("\n")
        })
    }
}
