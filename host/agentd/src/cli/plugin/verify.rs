//! `agentd plugin verify`: holds the plugin folder against its lock file.

use super::install::{distribution, short};
use crate::cli::{
    context::Context,
    exit::Error,
    print::{Out, one_line},
};
use agentd_distribution::{Finding, State};
use serde_json::{Value, json};

/// Check that every plugin in the folder is what was installed, and signed where it has to be
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin verify")]
pub(crate) struct Verify {}

impl Verify {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let distribution = distribution(&context.config()?)?;
        let keys = distribution.clone();
        let findings = distribution.folder().verify(move |source| keys.key_of(source).cloned()).await?;
        let shown: Vec<Value> = findings.iter().map(to_json).collect();
        context.out.either(&json!({ "plugins": shown }), |out| table(out, &findings))?;
        match findings.iter().filter(|it| !it.state.is_good()).count() {
            0 => Ok(()),
            1 => Err(Error::work("one plugin is not as it was installed")),
            many => Err(Error::work(format!("{many} plugins are not as they were installed"))),
        }
    }
}

fn table(out: &Out, findings: &[Finding]) -> String {
    let rows: Vec<_> = findings
        .iter()
        .map(|it| {
            let (word, text) = told(&it.state);
            vec![one_line(&it.name, 80), word.to_owned(), one_line(&text, 200)]
        })
        .collect();
    out.table(&["plugin", "state", ""], &rows, "there are no plugins in the folder")
}

fn to_json(finding: &Finding) -> Value {
    let (word, text) = told(&finding.state);
    json!({ "name": finding.name, "good": finding.state.is_good(), "state": word, "text": text })
}

/// A word for scripts, and a sentence for people.
fn told(state: &State) -> (&'static str, String) {
    match state {
        State::Good { key_id: Some(id) } => ("good", format!("signed by {id}")),
        State::Good { key_id: None } => ("good", "not signed".into()),
        State::Missing => ("missing", "its file is gone: agentd plugin update brings it back".into()),
        State::Changed { found } => ("changed", format!("its file is {} now", short(found))),
        State::Unreadable { why } => ("unreadable", why.clone()),
        State::Unknown { digest } => ("unknown", format!("nobody installed it; its file is {}", short(digest))),
        State::Unsigned { why } => ("unsigned", why.clone()),
        State::Writable { mode } => ("writable", format!("others may change its file (mode {mode:o}): chmod go-w")),
    }
}
