//! Services: containers of other people's images beside the sandbox, and when they are ready.
//!
//! A service joins the network of a sandbox, so that it is reached at 127.0.0.1 there and can reach nothing itself. It
//! is ready when its own command says so; without one, when the ports listen that its image exposes. An image may
//! expose ports that it only uses if told to: some are enough if no more come for a while.
//!
//! - Never waits longer than it is given, and leaves nothing of a service that failed.
//! - Where a service stands is asked of the engine and the kernel each time: whoever comes later waits in the same way.

mod ports;

use super::{Answer, DockerExecutor, answer, body, foreign, no_image, state};
use crate::{Error, Exit, Service, State};
use bollard::{
    Docker,
    container::LogOutput,
    errors::Error as Said,
    exec::StartExecResults,
    models::{ContainerInspectResponse, ExecConfig},
    query_parameters as query,
};
use futures_util::{Stream, StreamExt as _};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

const LOOK: Duration = Duration::from_millis(250);
/// One try of a service's own command.
const TRY: Duration = Duration::from_secs(10);
/// Some of the exposed ports listen, and no more have come for this long.
const STEADY: Duration = Duration::from_secs(5);
/// A service without ports has to have lived this long.
const ALIVE: Duration = Duration::from_secs(1);
/// What is told of what a service said, in lines and bytes.
const LAST_LINES: usize = 20;
const LAST_BYTES: usize = 4096;

/// What can be seen of a service while it is waited for.
enum Sight {
    Ready,
    /// With what is missing.
    NotYet(String),
    /// Nothing: there was no time left to look for long.
    Cut,
    /// It will never be. With what became of it.
    Over(String),
}

impl DockerExecutor {
    pub(super) async fn serve_until_ready(&self, service: &Service, patience: Duration) -> Result<(), Error> {
        let why = match self.enlist(service).await? {
            None => match self.until_ready(service, patience).await? {
                None => return Ok(()),
                Some(why) => format!("{why}{}", self.last_words(&service.name).await?),
            },
            Some(why) => why,
        };
        self.discard(&service.name).await?;
        Err(Error::ServiceFailed { name: service.name.clone(), image: service.image.clone(), why })
    }

    /// Starts it, unless it runs. Why that makes no sense, if it does not.
    async fn enlist(&self, service: &Service) -> Result<Option<String>, Error> {
        let name = &service.name;
        match self.ours(name).await? {
            State::Running => return Ok(None),
            State::Paused => return self.resume(name).await.map(|()| None),
            // What it was made for may be gone, and its data is not what a new run expects.
            State::Created | State::Exited(_) => self.discard(name).await?,
            State::Missing => (),
        }
        self.holds(&service.network_of).await?;
        if self.image(&service.image).await?.is_none() {
            return Err(no_image(name, &service.image));
        }
        self.make(name, body::of_service(service, &self.options.instance)).await?;
        if service.ready.is_none()
            && let Some(port) = self.taken(service).await?
        {
            return Ok(Some(format!(
                "cannot be told from another: somebody listens on its port {port} in that network already. Let it \
                 listen on another one, and say with `ready` how to tell that it is ready"
            )));
        }
        self.begin(name).await.map(|()| None)
    }

    /// A port that its image exposes and that is in use in the network it is to join.
    async fn taken(&self, service: &Service) -> Result<Option<u16>, Error> {
        let (Some(made), Some(holder)) = (self.inspect(&service.name).await?, self.inspect(&service.network_of).await?)
        else {
            return Ok(None);
        };
        Ok(ports::exposed(&made).intersection(&ports::listening(&holder)).next().copied())
    }

    /// Waits until it is ready; what became of it, if it is not.
    async fn until_ready(&self, service: &Service, patience: Duration) -> Result<Option<String>, Error> {
        let begun = Instant::now();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut missing = "its `ready` command does not end".to_owned();
        let mut steady = Steady { listening: BTreeSet::new(), since: begun };
        loop {
            look.tick().await;
            let Some(found) = self.inspect(&service.name).await? else {
                return Ok(Some("was removed by somebody else before it was ready".into()));
            };
            let left = patience.saturating_sub(begun.elapsed());
            let sight = match (state(&found), &service.ready) {
                (State::Exited(exit), _) => Sight::Over(ended(exit)),
                (State::Running, Some(ready)) => self.ask(&service.name, ready, TRY.min(left)).await?,
                (State::Running, None) => steady.look(&found, begun),
                (State::Missing | State::Created | State::Paused, _) => Sight::NotYet("it does not run".into()),
            };
            match sight {
                Sight::Ready => return Ok(None),
                Sight::Over(why) => return Ok(Some(why)),
                Sight::NotYet(what) => missing = what,
                Sight::Cut => (),
            }
            if left.is_zero() {
                return Ok(Some(format!("was not ready within {} s: {missing}", patience.as_secs_f32())));
            }
        }
    }

    /// Runs the service's own command in it.
    async fn ask(&self, name: &str, ready: &str, limit: Duration) -> Result<Sight, Error> {
        let engine = self.engine().await?;
        let Ok(asked) = timeout(limit, run_in(engine, name, ready)).await else {
            let what = format!("its `ready` command does not end within {} s", TRY.as_secs());
            return Ok(if limit < TRY { Sight::Cut } else { Sight::NotYet(what) });
        };
        let doing = "asking a service";
        match asked {
            Ok((Some(0), _)) => Ok(Sight::Ready),
            Ok((code, said)) => {
                let code = code.map_or_else(|| "no exit code".into(), |code| format!("exit code {code}"));
                Ok(Sight::NotYet(format!("its `ready` command ended with {code}{}", quoted(&said))))
            }
            Err(error) => match answer(doing, &self.socket, error) {
                // It has just ended, or its image has no shell: how it stands is looked at before the next try.
                Answer::Missing | Answer::Conflict(_) => Ok(Sight::NotYet("it does not run".into())),
                Answer::Refused(why) => {
                    Ok(Sight::NotYet(format!("its `ready` command cannot run: {}", foreign::clean(&why))))
                }
                Answer::Error(error) => Err(error),
            },
        }
    }

    /// What it said last, as the end of a sentence.
    async fn last_words(&self, name: &str) -> Result<String, Error> {
        let options = query::LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&LAST_LINES.to_string());
        let doing = "reading what a service said";
        match last(self.engine().await?.logs(name, Some(options.build()))).await {
            Ok(said) => Ok(quoted(&said)),
            Err(error) => match answer(doing, &self.socket, error) {
                Answer::Missing => Ok(String::new()),
                other => Err(other.into_error(doing, name)),
            },
        }
    }
}

/// The ports that listen, and since when it has been these.
struct Steady {
    listening: BTreeSet<u16>,
    since: Instant,
}

impl Steady {
    fn look(&mut self, found: &ContainerInspectResponse, begun: Instant) -> Sight {
        let exposed = ports::exposed(found);
        if exposed.is_empty() {
            let alive = begun.elapsed() >= ALIVE;
            return if alive { Sight::Ready } else { Sight::NotYet("it has only just begun".into()) };
        }
        let listening: BTreeSet<_> = ports::listening(found).intersection(&exposed).copied().collect();
        if listening == exposed {
            return Sight::Ready;
        }
        if listening != self.listening {
            *self = Steady { listening, since: Instant::now() };
        } else if !self.listening.is_empty() && self.since.elapsed() >= STEADY {
            return Sight::Ready;
        }
        let missing: Vec<_> = exposed.difference(&self.listening).map(u16::to_string).collect();
        Sight::NotYet(format!("nothing listens on port {}", missing.join(", ")))
    }
}

fn ended(exit: Exit) -> String {
    let code = exit.code.map_or_else(|| "an unknown exit code".into(), |code| format!("exit code {code}"));
    let memory = if exit.oom { ", because it needs more memory than it may have" } else { "" };
    format!("ended with {code} before it was ready{memory}")
}

/// The exit code of a script in a container, and the end of what it said.
async fn run_in(engine: &Docker, name: &str, script: &str) -> Result<(Option<i64>, String), Said> {
    let config = ExecConfig {
        cmd: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ExecConfig::default()
    };
    let exec = engine.create_exec(name, config).await?.id;
    let said = match engine.start_exec(&exec, None).await? {
        StartExecResults::Attached { output, .. } => last(output).await?,
        StartExecResults::Detached => String::new(),
    };
    Ok((engine.inspect_exec(&exec).await?.exit_code, said))
}

/// The end of what a container said, as text.
async fn last(mut output: impl Stream<Item = Result<LogOutput, Said>> + Unpin) -> Result<String, Said> {
    let mut said = Vec::new();
    while let Some(piece) = output.next().await {
        said.extend(piece?.into_bytes());
        said.drain(..said.len().saturating_sub(LAST_BYTES));
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

fn quoted(said: &str) -> String {
    match foreign::last_lines(said.lines(), LAST_LINES) {
        said if said.is_empty() => "; it said nothing".into(),
        said => format!("; it said last:\n{said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, expected: &str) {
        assert_eq!(quoted(said), expected);
    }

    #[test]
    fn last_words_are_plain_text() {
        check("", "; it said nothing");
        check("\r\n \n", "; it said nothing");
        check("one\r\n\u{1b}[31mtwo\u{7}\n", "; it said last:\none\ntwo");
        let many: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(quoted(&many).lines().nth(1), Some("80"));
    }

    #[test]
    fn how_it_ended_is_told() {
        assert_eq!(ended(Exit { code: Some(1), oom: false }), "ended with exit code 1 before it was ready");
        assert!(ended(Exit { code: Some(137), oom: true }).contains("needs more memory"));
    }
}
