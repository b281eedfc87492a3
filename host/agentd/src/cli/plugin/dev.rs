//! `agentd plugin dev`: build, load, run the cases, show the calls; and again at each change of a source.

use super::{
    test,
    workbench::{Bench, Outside, outcome_text, played_lines},
};
use crate::cli::{
    context::Context,
    exit::Error,
    print::{Paint, say},
};
use agentd_authoring::{Built, Project, Sources, play_all};
use agentd_plugin::{Answers, Approved, Opened, Rehearsal};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};

/// Work on a plugin: build it at each change, load it, run its cases and show what it does, until Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin dev\n  agentd plugin dev --folder ../shop --call analyze")]
pub(crate) struct Dev {
    /// The project's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    project: PathBuf,
    /// A folder that it may read, as the repository `dev`, while this runs
    #[arg(long, value_name = "PATH")]
    folder: Option<PathBuf>,
    /// A function to call after each build, beside the cases
    #[arg(long, value_name = "FUNCTION")]
    call: Option<String>,
    /// The settings for that call: JSON, or @FILE
    #[arg(long, value_name = "JSON", requires = "call")]
    settings: Option<String>,
    /// The arguments for that call: a JSON list, or @FILE
    #[arg(long, value_name = "JSON", requires = "call")]
    arguments: Option<String>,
    /// Let the requests of that call out, with the network and the credentials of the configuration
    #[arg(long, requires = "call")]
    live: bool,
    /// Build and run once, and end
    #[arg(long)]
    once: bool,
}

impl Dev {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let bench = Bench::new(context).await?;
        let mut generation = 0;
        let project = Project::read(&self.project)?;
        let mut sources = Sources::new(&project);
        let mut changed = vec![];
        loop {
            generation += 1;
            let round = self.round(context, &bench, generation, &changed);
            let done = tokio::select! {
                done = round => done,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            sources.built();
            match done {
                Ok(()) => (),
                Err(error) if self.once => return Err(error),
                // The next change may mend it.
                Err(error) => say(&error.to_string()),
            }
            if self.once {
                return Ok(());
            }
            self.tell(context, "waiting for changes, Ctrl-C ends");
            changed = tokio::select! {
                changed = sources.changed() => changed,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
        }
    }

    fn tell(&self, context: &Context, text: &str) {
        if !context.progress.quiet {
            say(text);
        }
    }

    async fn round(
        &self,
        context: &mut Context,
        bench: &Bench,
        generation: u32,
        changed: &[PathBuf],
    ) -> Result<(), Error> {
        // What the file says of the build may be what has changed.
        let project = Project::read(&self.project)?;
        let names: Vec<String> = changed.iter().take(5).map(|it| it.display().to_string()).collect();
        if !names.is_empty() {
            self.tell(context, &format!("changed: {}", names.join(", ")));
        }
        let building = agentd_authoring::build(&project, true, |_| ());
        let built = context.progress.during("building", building).await?;
        let opened = bench.open(context, &built.file).await?;
        self.tell_what_serves(context, generation, &built, &opened)?;
        let verdicts = play_all(&project.folder, &opened).await?;
        if !verdicts.is_empty() {
            let value: Vec<Value> =
                verdicts.iter().map(|it| json!({ "case": it.name, "differences": it.differences })).collect();
            context.out.either(&json!({ "generation": generation, "cases": value }), |out| {
                let mut lines = vec![];
                for verdict in &verdicts {
                    lines.push(test::shown(out, std::slice::from_ref(verdict)));
                    lines.extend(
                        verdict.played.iter().flat_map(|it| played_lines(out, it)).map(|it| format!("      {it}")),
                    );
                }
                lines.join("\n")
            })?;
        }
        match &self.call {
            Some(function) => self.called(context, function, &opened).await,
            None => Ok(()),
        }
    }

    fn tell_what_serves(
        &self,
        context: &mut Context,
        generation: u32,
        built: &Built,
        opened: &Opened,
    ) -> Result<(), Error> {
        let info = opened.info();
        let (name, version, digest) = (&info.name, &info.version, &built.digest);
        let value = json!({ "generation": generation, "plugin": name, "version": version, "digest": digest });
        context.out.either(&value, |out| {
            out.paint(Paint::Bold, &format!("generation {generation}: {name} {version}, {digest}"))
        })
    }

    async fn called(&self, context: &mut Context, function: &str, opened: &Opened) -> Result<(), Error> {
        use super::workbench::{json_given, present};
        let repository = self.folder.iter().map(|it| format!("dev={}", it.display())).collect();
        let outside = Outside { live: self.live, repository };
        let settings = json_given("--settings", self.settings.as_deref(), json!({}))?;
        let usual = super::call::usual(function, &settings);
        let rehearsal = Rehearsal {
            entry: "dev".into(),
            settings,
            repositories: outside.repositories()?,
            function: function.into(),
            arguments: json_given("--arguments", self.arguments.as_deref(), usual)?,
            kv: BTreeMap::new(),
            now: present(),
            seed: 0,
            answers: Answers::Live(outside.host(context).await?),
            approved: Approved::All,
        };
        let played = opened.call(rehearsal).await;
        context.out.either(&super::workbench::played_json(&played), |out| {
            let mut lines = vec![format!("call  {function}")];
            lines.extend(played_lines(out, &played));
            lines.push(outcome_text(&played));
            lines.join("\n")
        })
    }
}
