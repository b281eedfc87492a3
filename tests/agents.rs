//! The agents that people use: Claude Code and Codex, as they come from the registry, against a scripted model.

mod feedback;
mod image;
mod outcome;
mod real_crate;
mod service;

use crate::support::{Daemon, Home, Judge, Model, Provider, Turn, git};
use std::fs;

/// A home where a real agent works with what the model says.
fn home(model: &Model, provider: Provider) -> Home {
    Home::for_agents().more(&model.config_sections(provider))
}

/// Hands in a task for the provider's agent.
fn task(home: &Home, provider: Provider, text: &str) {
    home.task_for(provider.plugin(), text);
}

/// One more commit on the repository's `main`, with these files.
fn commit(home: &Home, files: &[(&str, &str)]) {
    let work = home.path("seed");
    for (name, content) in files {
        fs::create_dir_all(work.join(name).parent().unwrap()).unwrap();
        fs::write(work.join(name), content).unwrap();
    }
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "Add files"]);
    git(&work, &["push", "-q", "../forge.git", "main"]);
}

#[track_caller]
fn mends_the_greeting(provider: Provider) {
    let model = Model::start([Turn::bash("echo hello > greeting.txt"), Turn::text("I mended the greeting.")]);
    let home = home(&model, provider);
    task(&home, provider, "# Mend the greeting");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "hello");
    assert!(model.calls().iter().all(|it| it.key() == Model::KEY), "{:#?}", model.calls());
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn claude_code_mends_the_greeting() {
    mends_the_greeting(Provider::Anthropic);
}

#[test]
fn codex_mends_the_greeting() {
    mends_the_greeting(Provider::OpenAi);
}
