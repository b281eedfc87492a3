//! `agentd plugin new`: a project that builds, with an example of its kind.

use crate::cli::{context::Context, exit::Error};
use serde_json::json;
use std::path::PathBuf;

/// Begin a plugin: a folder with an example that builds, its tests, and the contract
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd plugin new triage --lang python --kind prioritizer\n  agentd plugin new tracker --lang rust --kind task-source --dir plugins/tracker"
)]
pub(crate) struct New {
    /// Its name: lower-case words with dashes
    name: String,
    /// The language: rust, javascript, typescript, python or c
    #[arg(long, value_name = "LANGUAGE")]
    lang: String,
    /// What it is: task-source, analyzer, prioritizer, prompt-template, notifier or agent
    #[arg(long, value_name = "KIND")]
    kind: String,
    /// Where: a folder that is empty or not there [default: the name]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl New {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let folder = self.dir.unwrap_or_else(|| PathBuf::from(&self.name));
        let language = match self.lang.as_str() {
            "js" => "javascript",
            "ts" => "typescript",
            "py" => "python",
            other => other,
        };
        let kind = agentd_authoring::kind(&self.kind).map_err(Error::usage)?;
        let new = agentd_authoring::New { name: &self.name, language, kind, folder: &folder };
        let files = agentd_authoring::create(&new)?;
        let next = [format!("cd {}", folder.display()), "agentd plugin build".into(), "agentd plugin test".into()];
        let value = json!({ "folder": folder, "files": files, "next": next });
        context.out.either(&value, |_| {
            let own = files.iter().filter(|it| !it.starts_with("wit") && !it.starts_with("sdk"));
            let own: Vec<String> = own.map(|it| format!("  {}", it.display())).collect();
            format!(
                "made {} ({} files)\n{}\nnext:\n  cd {} && agentd plugin build\n  agentd plugin test",
                folder.display(),
                files.len(),
                own.join("\n"),
                folder.display()
            )
        })
    }
}
