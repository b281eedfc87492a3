//! `agentd stop` and `agentd restart`.

use super::{
    client::{self, Client},
    context::Context,
    exit::Error,
    start,
};
use crate::{daemon::Shipped, home::Home, server::StopMode};
use serde_json::json;

/// End the daemon; what runs is paused and found again at the next start
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd stop\n  agentd stop --drain    # what runs may end first\n  agentd stop --now      # kill the containers, send nothing more"
)]
pub(crate) struct Stop {
    /// Start nothing new and wait until what runs has ended
    #[arg(long, conflicts_with = "now")]
    drain: bool,
    /// Kill the containers and send nothing more
    #[arg(long)]
    now: bool,
}

/// End the daemon and start it again; what runs goes on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd restart")]
pub(crate) struct Restart {}

impl Stop {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let mode = match (self.drain, self.now) {
            (true, _) => StopMode::Drain,
            (_, true) => StopMode::Now,
            _ => StopMode::Stop,
        };
        let home = context.home()?;
        match stop(context, &home, mode).await {
            Ok(()) => (),
            Err(Stopping::Client(client::Error::NotRunning { .. })) if home.owner()?.is_some() => {
                return Err(silent(&home)?);
            }
            Err(other) => return Err(other.into()),
        }
        let said = json!({ "stopped": true, "mode": mode, "home": home.path() });
        context.out.either(&said, |_| format!("agentd has stopped on {}", home.path().display()))
    }
}

impl Restart {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        // What cannot start again must not be stopped.
        let config = context.config()?;
        Shipped::find(&config.home)?;
        let home = Home::new(&config.home);
        match stop(context, &home, StopMode::Stop).await {
            Ok(()) => (),
            Err(Stopping::Client(client::Error::NotRunning { .. })) => (),
            Err(other) => return Err(other.into()),
        }
        let pid = start::background(context, &config).await?;
        let said = json!({ "pid": pid, "home": config.home });
        context.out.either(&said, |_| format!("agentd runs on {} (pid {pid})", config.home.display()))
    }
}

/// Somebody owns the home and does not answer: it is starting, or its socket was removed.
fn silent(home: &Home) -> Result<Error, Error> {
    let pid = home.owner()?.flatten().map_or("PID".to_owned(), |it| it.to_string());
    let text = format!("agentd (pid {pid}) owns {} and does not answer on its socket", home.path().display());
    Ok(Error::work(text).hint(format!("try again in a moment; kill -TERM {pid} stops it too")))
}

/// Why the daemon was not stopped.
enum Stopping {
    Client(client::Error),
    Other(Error),
}

impl From<Stopping> for Error {
    fn from(stopping: Stopping) -> Error {
        match stopping {
            Stopping::Client(error) => error.into(),
            Stopping::Other(error) => error,
        }
    }
}

async fn stop(context: &Context, home: &Home, mode: StopMode) -> Result<(), Stopping> {
    let client = Client::new(home);
    let answer = client.post::<serde_json::Value>("/v1/stop", &json!({ "mode": mode })).await;
    answer.map_err(Stopping::Client)?;
    let what = match mode {
        StopMode::Drain => "waiting until what runs has ended",
        StopMode::Stop | StopMode::Now => "stopping agentd",
    };
    start::wait_for_end(home, context.progress, what).await.map_err(Stopping::Other)
}
