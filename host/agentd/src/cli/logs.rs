//! `agentd logs`: the daemon's own log, when it runs in the background.

use super::{
    context::Context,
    exit::Error,
    print::{Out, lines_of},
};
use serde_json::json;
use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};
use tokio::time::sleep;

/// How much of the end is looked at for the last lines.
const TAIL_BYTES_MAX: u64 = 4 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Show the daemon's own log
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd logs -f\n  agentd logs -n 1000")]
pub(crate) struct Logs {
    /// Go on as new lines come
    #[arg(short, long)]
    follow: bool,
    /// The last so many lines
    #[arg(short = 'n', long, default_value_t = 200, value_name = "NUMBER")]
    lines: usize,
}

impl Logs {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let path = context.home()?.log();
        let mut file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        let (end, text) = tail(&mut file).map_err(|error| unreadable(&path, &error))?;
        let lines: Vec<_> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(self.lines)..] {
            print(&mut context.out, line)?;
        }
        if self.follow { follow(context, &path, file, end).await } else { Ok(()) }
    }
}

/// Prints what is added, for ever.
async fn follow(context: &mut Context, path: &Path, mut file: File, mut end: u64) -> Result<(), Error> {
    loop {
        sleep(LOOK_EVERY).await;
        let length = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
        if length < end {
            // A new file took its place at a start.
            file = File::open(path).map_err(|error| unreadable(path, &error))?;
            end = 0;
        }
        let text = rest(&mut file, end).map_err(|error| unreadable(path, &error))?;
        // A line that is still being written comes next time.
        let whole = text.rfind('\n').map_or(0, |it| it + 1);
        for line in text[..whole].lines() {
            print(&mut context.out, line)?;
        }
        end += whole as u64;
    }
}

fn print(out: &mut Out, line: &str) -> Result<(), Error> {
    if out.json { out.object(&json!({ "line": line })) } else { out.line(&lines_of(line)) }
}

/// The end of the file and how long the file is up to there.
fn tail(file: &mut File) -> std::io::Result<(u64, String)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL_BYTES_MAX);
    let text = rest(file, from)?;
    Ok((from + text.len() as u64, text))
}

fn rest(file: &mut File, from: u64) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    // What is no UTF-8 is shown as one `?` for each byte, so that lengths stay what they are in the file.
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => error.into_bytes().iter().map(|it| if it.is_ascii() { char::from(*it) } else { '?' }).collect(),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::work(format!("there is no log at {}", path.display()))
            .hint("agentd start makes it; a daemon in the foreground logs to its own terminal"),
        _ => Error::work(format!("the log {} cannot be read: {error}", path.display())),
    }
}
