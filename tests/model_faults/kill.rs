//! The daemon goes while a model is being asked, or between two questions: the agents stay, ask at most once more for the
//! answer that they did not get, and go on.
//!
//! Claude Code and Codex work side by side, so that one daemon's end meets both.

use super::{AGENTS, all_is_well, id_of, task};
use crate::support::{Daemon, Home, Judge, Model, Provider, Turn, wait_for};
use std::{fs, path::PathBuf, process::Command};

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGKILL.
    Killed,
    /// `agentd stop`, which pauses the sandboxes.
    Stopped,
}

/// An agent with its model and its task.
struct Working {
    provider: Provider,
    model: Model,
    task: String,
    container: String,
}

impl Working {
    /// Both agents at work on scripts of their own.
    #[track_caller]
    fn all(home: &Home, models: Vec<Model>) -> Vec<Working> {
        let with = |(provider, model): (Provider, Model)| {
            let task = id_of(home, provider.plugin());
            wait_for("its sandbox is there", || agent_container(home, &task));
            Working { provider, container: String::new(), model, task }
        };
        AGENTS.into_iter().zip(models).map(with).collect()
    }

    /// Calls that were answered with this turn of the script.
    fn asked(&self, turn: usize) -> usize {
        self.model.calls().iter().filter(|it| it.turn == Some(turn)).count()
    }

    /// A file of the checkout, as the host sees it.
    fn file(&self, home: &Home, name: &str) -> PathBuf {
        home.home().join(format!("runs/{}.1/workspace/{name}", self.task))
    }
}

/// The id of the task's only agent's container.
fn agent_container(home: &Home, task: &str) -> Option<String> {
    let names = Judge::new(home).containers();
    let mut agents = names.iter().filter(|it| it.contains(&format!("-{task}-")) && it.ends_with("-agent"));
    let (first, second) = (agents.next()?, agents.next());
    assert_eq!(second, None, "two agents for {task}");
    let output = Command::new("docker").args(["inspect", "--format", "{{.Id}}", first]).output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned()).filter(|it| !it.is_empty())
}

/// Both agents work until `moment`; the daemon ends and comes back; both go on in the same containers.
#[track_caller]
fn through_the_end(end: End, turns: impl Fn() -> Vec<Turn>, moment: impl Fn(&Home, &Working), held: Option<usize>) {
    let models: Vec<Model> = AGENTS.iter().map(|_| Model::start(turns())).collect();
    let mut home = Home::for_agents().concurrent(2);
    for (provider, model) in AGENTS.into_iter().zip(&models) {
        home = home.more(&model.sections_of(provider, provider.plugin(), provider.plugin(), "{}"));
        task(&home, provider.plugin());
    }
    let daemon = Daemon::start(&home);
    let mut working = Working::all(&home, models);
    for it in &mut working {
        moment(&home, it);
        it.container = agent_container(&home, &it.task).unwrap();
    }
    match end {
        End::Killed => daemon.kill(),
        End::Stopped => assert_eq!(daemon.stop(&[]), Some(0)),
    }
    if held.is_none() {
        // The commands end while there is no daemon, and the agents find nobody to ask.
        working.iter().for_each(|it| fs::write(it.file(&home, "go"), "").unwrap());
        working.iter().for_each(|it| wait_for("the command ends", || it.file(&home, "over").exists().then_some(())));
    }
    let daemon = Daemon::start(&home);
    for it in &working {
        if let Some(turn) = held {
            wait_for("the agent asks again", || (it.asked(turn) == 2).then_some(()));
            assert_eq!(agent_container(&home, &it.task).as_ref(), Some(&it.container));
            it.model.release();
        }
        daemon.wait_for_state(&it.task, &["in-review"]);
        let asked: Vec<usize> = (0..3).map(|turn| it.asked(turn)).collect();
        let expected: Vec<usize> = (0..3).map(|turn| if held == Some(turn) { 2 } else { 1 }).collect();
        assert_eq!(asked, expected, "{:?}: {:#?}", it.provider, it.model.calls());
        let shown = home.shown(&it.task);
        assert_eq!((&shown["run"], &shown["failures"]), (&1.into(), &0.into()), "{shown:#}");
        let branch = format!("agentd/{}", it.task);
        assert_eq!(home.git(&["show", &format!("{branch}:greeting.txt")]), "hello");
        assert_eq!(home.git(&["show", &format!("{branch}:begun.txt")]), "begun", "each command ran once");
        // Who is killed books nothing more.
        let booked = if held.is_some() && end == End::Stopped { 4 } else { 3 };
        assert_eq!(shown["usage"][0]["calls"], booked, "{shown:#}");
    }
    all_is_well(&home, &working.iter().map(|it| it.task.clone()).collect::<Vec<_>>());
    assert_eq!(daemon.stop(&[]), Some(0));
}

const BEGIN: &str = "echo begun >> begun.txt";

/// The second answer has begun and does not go on.
#[track_caller]
fn in_a_call(end: End) {
    let turns = || vec![Turn::bash(BEGIN), Turn::bash("echo hello > greeting.txt").held(), Turn::text("Done.")];
    through_the_end(end, turns, |_, it| it.model.in_call(), Some(1));
}

#[test]
fn killed_in_the_middle_of_a_call() {
    in_a_call(End::Killed);
}

#[test]
fn stopped_in_the_middle_of_a_call() {
    in_a_call(End::Stopped);
}

/// A command runs meanwhile: it goes on, and the model is asked nothing twice.
#[test]
fn killed_between_two_calls() {
    let command =
        format!("{BEGIN}; while ! [ -e go ]; do sleep 0.05; done; rm go; echo hello > greeting.txt; echo > over");
    let turns = || vec![Turn::bash("echo I look"), Turn::bash(&command), Turn::text("Done.")];
    let begun = |home: &Home, it: &Working| {
        let file = it.file(home, "begun.txt");
        wait_for("the command runs", || file.exists().then_some(()));
    };
    through_the_end(End::Killed, turns, begun, None);
}
