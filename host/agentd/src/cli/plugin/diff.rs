//! `agentd plugin diff`: what a held file would be allowed beyond the one that serves.

use super::{plugin, words};
use crate::cli::{
    context::Context,
    exit::Error,
    print::{Paint, one_line},
};
use serde_json::json;

/// Show what a newer file of a plugin wants beyond what serves now, one line for each
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin diff linear")]
pub(crate) struct Diff {
    /// The plugin's name, as `agentd plugin list` shows it
    name: String,
}

impl Diff {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let plugin = plugin(context, &self.name).await?;
        let held = &plugin["held"];
        let answer =
            json!({ "plugin": self.name, "serves": plugin["digest"], "held": held["digest"], "wider": held["wider"] });
        context.out.either(&answer, |out| {
            if held.is_null() {
                return format!("no file of {} is held", self.name);
            }
            let serving = plugin["serving"] == true;
            let from = if serving { words(&plugin["digest"]) } else { "nothing".into() };
            let mut lines = vec![
                format!("--- {} {from}", self.name),
                format!("+++ {} {} {}", self.name, words(&held["version"]), words(&held["digest"])),
            ];
            for line in held["wider"].as_array().into_iter().flatten() {
                lines.push(out.paint(Paint::Yellow, &format!("+ {}", one_line(&words(line), 400))));
            }
            lines.push(one_line(&words(&held["why"]), 1_000));
            lines.join("\n")
        })
    }
}
