//! agentd's main job, shown: a task in a folder becomes a change in review, on a small real repository.
//!
//! Nothing here is played: the program is the one that is shipped, started as its users start it; the task is found by
//! a plugin, ranked by one, run in a sandbox, collected, checked by its gate and pushed to a bare repository that
//! stands for the forge. Only the agent is a stand-in, an offline script (`demo/agent.sh`), and the output says so.
//! At the end a judge who trusts neither agent nor daemon looks into the forge itself.

mod daemon;
mod judge;
mod scene;
mod story;

use crate::say::Say;
use crate::{build, engine, plugins};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use daemon::{Daemon, Follower};
use scene::Scene;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};
use story::{Event, Story};

/// Far beyond what it takes, for a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the agent runs; without it Docker where an engine answers, a plain process otherwise
    #[arg(long)]
    executor: Option<Executor>,
    /// End with one line of JSON on stdout; everything else goes to stderr
    #[arg(long)]
    json: bool,
    /// A word that must turn up in the task's event log: it goes in with the task's text and comes out of the agent
    #[arg(long, value_parser = nonce)]
    nonce: Option<String>,
    /// Kill the daemon with SIGKILL in the middle of the run and start it again
    #[arg(long)]
    chaos: bool,
    /// Leave everything on disk to look at
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Executor {
    Docker,
    Local,
}

impl Executor {
    fn as_str(self) -> &'static str {
        match self {
            Executor::Docker => "docker",
            Executor::Local => "local",
        }
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let say = if options.json { Say::Stderr } else { Say::Stdout };
    let executor = executor(options.executor, say)?;
    let nonce = options.nonce.clone().map_or_else(random_word, Ok)?;
    say.headline("Building agentd with its plugins inside");
    let shipped = plugins::build(root, say)?;
    let program = build::embedded(root, &shipped)?;

    let began = Instant::now();
    let image = match executor {
        Executor::Docker => Some(build::base_image(&program, &shipped)?),
        Executor::Local => None,
    };
    let scene = Scene::make(root, &program, executor, image.as_deref(), &nonce)?;
    scene.introduce(say, image.as_deref());
    match play(&scene, options, &nonce, say, began) {
        Ok(verdict) => {
            if !options.keep {
                scene.clear(options.json)?;
            }
            if options.json {
                Say::Stdout.line(verdict.json(&scene, executor, &nonce, began.elapsed()));
            }
            Ok(())
        }
        Err(error) => {
            say.line(format_args!("\nThe end of the daemon's log, {}:\n{}", scene.log().display(), scene.log_tail()));
            say.line(format_args!("Everything is still in {}", scene.folder().display()));
            Err(error)
        }
    }
}

/// The daemon's part, from its start to its end, and the judge's.
fn play(scene: &Scene, options: &Options, nonce: &str, say: Say, began: Instant) -> Result<judge::Verdict> {
    let mut daemon = Daemon::start(scene)?;
    let mut story = Story::new(say, began);
    follow(&mut daemon, scene, &mut story, options.chaos)?;
    let task = story.task().context("no event names the task")?.to_owned();

    say.headline("\nWhat would be merged");
    say.line(scene.agentd(&["task", "diff", &task])?);
    let verdict = judge::look(scene, &task, nonce, &story)?;
    daemon.stop()?;
    say.headline("\nWhat was seen");
    verdict.tell(say, scene);
    say.line(format_args!("  {:.1} s from the start to the change in review", began.elapsed().as_secs_f64()));
    scene.farewell(say, &task, options.keep);
    Ok(verdict)
}

/// Tells each event until the task is in review; with `chaos` the daemon dies at the agent's first word.
fn follow<'a>(daemon: &mut Daemon<'a>, scene: &'a Scene, story: &mut Story, mut chaos: bool) -> Result<()> {
    let end = Instant::now() + LIMIT;
    let mut follower = Follower::start(scene, 0)?;
    let mut ranked = false;
    loop {
        ensure!(Instant::now() < end, "the task is not in review after {} s", LIMIT.as_secs());
        if let Some(status) = daemon.ended()? {
            bail!("the daemon ended by itself with {status}");
        }
        let Some(line) = follower.next(Duration::from_millis(200))? else { continue };
        let event = Event::parse(&line)?;
        // Nobody but the queue waits for the prioritizer's word, so no event tells it.
        let moved = event.kind == "task.running" || event.kind.starts_with("run.");
        if let (true, false, Some(task)) = (moved, ranked, &event.task) {
            ranked = story.ranked(&scene.json(&["task", "show", task])?);
        }
        let Some(event) = story.tell(event) else { continue };
        match event.kind.as_str() {
            "task.in-review" => return Ok(()),
            "task.failed" | "task.cancelled" | "task.waiting" | "task.done" => {
                bail!("the task should have come to review: {}: {}", event.kind, event.text)
            }
            "agent.message" if chaos => {
                chaos = false;
                daemon.kill()?;
                story.aside("SIGKILL: the daemon is dead, the agent goes on working");
                *daemon = Daemon::start(scene)?;
                story.aside("a new daemon on the same home");
                follower = Follower::start(scene, story.seen())?;
            }
            _ => (),
        }
    }
}

fn executor(asked: Option<Executor>, say: Say) -> Result<Executor> {
    match (asked, engine::ping()) {
        (Some(Executor::Local), _) => Ok(Executor::Local),
        (Some(Executor::Docker) | None, Ok(_)) => Ok(Executor::Docker),
        (Some(Executor::Docker), Err(why)) => {
            bail!("--executor docker: {why}; start the engine, or take --executor local")
        }
        (None, Err(why)) => {
            say.line(format_args!("No Docker engine ({why}): the agent runs as a plain process, without walls."));
            Ok(Executor::Local)
        }
    }
}

fn nonce(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text.len() {
        1..=64 if text.chars().all(plain) => Ok(text.to_owned()),
        _ => Err("1 to 64 letters, digits, dots, dashes or underscores".to_owned()),
    }
}

fn random_word() -> Result<String> {
    let mut bytes = [0_u8; 8];
    fs::File::open("/dev/urandom").and_then(|mut it| it.read_exact(&mut bytes)).context("reading /dev/urandom")?;
    Ok(bytes.iter().map(|it| format!("{it:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_survives_every_quoting() {
        let check = |text: &str, fine: bool| assert_eq!(nonce(text).is_ok(), fine, "{text:?}");
        check("a1.B-2_c", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        check("", false);
        check("a b", false);
        check("$(id)", false);
        check("é", false);
    }

    #[test]
    fn each_run_has_its_own_word() {
        let (one, two) = (random_word().unwrap(), random_word().unwrap());
        assert_ne!(one, two);
        assert_eq!(nonce(&one), Ok(one.clone()));
    }
}
