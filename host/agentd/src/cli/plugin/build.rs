//! `agentd plugin build`: from sources to a file that can be dropped into the plugin folder.

use super::workbench::{Bench, as_check};
use crate::cli::{
    check,
    context::Context,
    exit::Error,
    print::{Out, Paint, say},
};
use agentd_authoring::{Checked, Project, human};
use serde_json::json;
use std::path::PathBuf;

/// Build a plugin, make a component of it, and check it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd plugin build\n  agentd plugin build triage --copy-to ~/.local/share/agentd/plugins"
)]
pub(crate) struct Build {
    /// The project's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Keep debug information, for stacks with lines
    #[arg(long)]
    debug: bool,
    /// A plugin folder that gets the file when it is good, whole at once
    #[arg(long, value_name = "FOLDER")]
    copy_to: Option<PathBuf>,
}

impl Build {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let project = Project::read(&self.folder)?;
        let quiet = context.out.json || context.progress.quiet;
        let told = |command: &str| {
            if !quiet {
                say(&format!("$ {command}"));
            }
        };
        let built = context.progress.during("building", agentd_authoring::build(&project, self.debug, told)).await?;
        let bench = Bench::new(context).await?;
        let looking = agentd_authoring::check(&bench.plugins, &built.file);
        let checked = context.progress.during("compiling the plugin", looking).await?;
        let copied = match &self.copy_to {
            Some(folder) if checked.could_serve() => {
                let to = folder.join(format!("{}.wasm", project.name));
                agentd_authoring::put(&to, &built.bytes)?;
                Some(to)
            }
            _ => None,
        };
        let value = json!({ "built": checked, "copied_to": copied });
        context.out.either(&value, |out| {
            let mut text = shown(out, &checked);
            if let Some(to) = &copied {
                text.push_str(&format!("\ncopied to {}", to.display()));
            }
            text
        })?;
        verdict(&checked)
    }
}

/// The file in a few lines, then what was found.
pub(super) fn shown(out: &Out, checked: &Checked) -> String {
    let named = checked.plugin.as_ref().map(|it| format!(" {} {}", it.name, it.version)).unwrap_or_default();
    let head = out.paint(Paint::Bold, &format!("{}{named}", checked.file.display()));
    let checks: Vec<_> = checked.findings.iter().map(as_check).collect();
    format!("{head}\n{}, {}\n{}", human(checked.size), checked.digest, check::text(out, &checks))
}

/// The end of a command that looked at a file.
pub(super) fn verdict(checked: &Checked) -> Result<(), Error> {
    if checked.could_serve() {
        return Ok(());
    }
    Err(Error::work(format!("{} could not serve", checked.file.display())))
}
