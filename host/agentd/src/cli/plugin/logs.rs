//! `agentd plugin logs`: what plugins said, as far as the running daemon remembers it.

use super::words;
use crate::cli::{
    client::with_query,
    context::Context,
    exit::Error,
    print::{moment, one_line},
};
use serde_json::Value;

/// Show what plugins logged, printed and wrote to standard error since the daemon began, up to 2,000 lines
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin logs -f linear")]
pub(crate) struct Logs {
    /// Of this plugin alone
    name: Option<String>,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
}

impl Logs {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let client = context.client()?;
        let mut after = 0;
        loop {
            let mut asked = vec![("after", after.to_string()), ("wait", (self.follow && after > 0).to_string())];
            asked.extend(self.name.clone().map(|it| ("plugin", it)));
            let lines: Vec<Value> = client.get(&with_query("/v1/plugin-log", &asked)).await?;
            for line in &lines {
                after = line["id"].as_u64().unwrap_or(after);
                if context.out.json {
                    context.out.object(line)?;
                } else {
                    context.out.line(&text(line))?;
                }
            }
            if !self.follow {
                return Ok(());
            }
            after = after.max(1);
        }
    }
}

/// `2026-11-20T07:19:03Z warn folder/inbox: message (name=value)`
fn text(line: &Value) -> String {
    let at = moment(line["at"].as_i64().unwrap_or(0));
    let fields = words(&line["fields"]);
    let fields = if fields.is_empty() { fields } else { format!(" ({fields})") };
    let said = format!("{}{fields}", words(&line["message"]));
    format!(
        "{at} {:5} {}/{}: {}",
        words(&line["level"]),
        words(&line["plugin"]),
        words(&line["entry"]),
        one_line(&said, 8_000)
    )
}
