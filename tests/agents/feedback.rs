//! A change in review comes back with a comment: the agent goes on with its conversation, and with a new one where the
//! old one is lost.

use super::{home, task};
use crate::support::{Daemon, Home, Judge, Model, Provider, Turn, wait_for};
use std::{
    fs,
    path::{Path, PathBuf},
};

const COMMENT: &str = "Say it louder as well: LOUD-4711";

fn turns() -> Vec<Turn> {
    vec![
        Turn::bash("echo hello > greeting.txt; echo once >> log.txt"),
        Turn::text("I mended the greeting, as a first answer."),
        Turn::bash("echo HELLO > louder.txt; echo again >> log.txt"),
        Turn::text("I say it louder now."),
    ]
}

/// In review, then rejected with a comment, then in review again.
struct Reviewed<'a> {
    home: &'a Home,
    model: &'a Model,
    daemon: Daemon<'a>,
}

impl<'a> Reviewed<'a> {
    #[track_caller]
    fn once(home: &'a Home, model: &'a Model, provider: Provider) -> Reviewed<'a> {
        Reviewed::once_in(home, model, provider, "in-review")
    }

    #[track_caller]
    fn once_in(home: &'a Home, model: &'a Model, provider: Provider, state: &'static str) -> Reviewed<'a> {
        task(home, provider, "# Mend the greeting");
        let daemon = Daemon::start(home);
        daemon.wait_for_state("t-1", &[state]);
        Reviewed { home, model, daemon }
    }

    #[track_caller]
    fn again(&self) {
        self.home.ok(&["task", "reject", "t-1", "--comment", COMMENT]);
        self.daemon.wait_for_state("t-1", &["in-review"]);
        Judge::new(self.home).all_is_well(&[1]);
    }

    fn log(&self) -> String {
        self.home.git(&["show", "agentd/t-1:log.txt"])
    }

    /// Whether each run went on with a conversation, in the order of the runs.
    fn resumed(&self) -> Vec<bool> {
        let events = Judge::new(self.home).events_of(1).into_iter();
        events.filter(|it| it.kind == "run.prepared").map(|it| it.details["resumed"].as_bool().unwrap()).collect()
    }

    /// The conversations that the model had, in their order.
    fn conversations(&self) -> Vec<String> {
        let mut all: Vec<String> = self.model.answered().into_iter().map(|it| it.conversation).collect();
        all.dedup();
        all
    }
}

#[track_caller]
fn goes_on_with_its_conversation(provider: Provider) {
    let model = Model::start(turns());
    let home = home(&model, provider);
    let reviewed = Reviewed::once(&home, &model, provider);
    let first = home.git(&["rev-parse", "agentd/t-1"]);
    reviewed.again();

    assert_eq!(home.git(&["rev-parse", "agentd/t-1~1"]), first, "one more commit on the same branch");
    assert_eq!(home.git(&["show", "agentd/t-1:louder.txt"]), "HELLO");
    assert_eq!(reviewed.log(), "once\nagain");
    assert_eq!(reviewed.resumed(), [false, true]);
    assert_eq!(reviewed.conversations().len(), 1, "{:?}", reviewed.conversations());
    let calls: Vec<_> = model.calls().into_iter().filter(|it| it.turn == Some(2)).collect();
    let history = calls[0].history();
    assert!(history.contains("as a first answer") && history.contains("LOUD-4711"), "{history}");
    assert_eq!(reviewed.daemon.stop(&[]), Some(0));
}

#[test]
fn claude_code_goes_on_with_its_conversation() {
    goes_on_with_its_conversation(Provider::Anthropic);
}

#[test]
fn what_is_sent_back_before_it_is_pushed_is_gone_on_with_too() {
    let model = Model::start(turns());
    let home = home(&model, Provider::Anthropic).push("ask");
    let reviewed = Reviewed::once_in(&home, &model, Provider::Anthropic, "waiting");
    home.ok(&["task", "reject", "t-1", "--comment", COMMENT]);
    wait_for("the second run waits for approval", || (reviewed.resumed().len() == 2).then_some(()));
    reviewed.daemon.wait_for_state("t-1", &["waiting"]);
    home.ok(&["task", "approve", "t-1"]);
    reviewed.daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["show", "agentd/t-1:louder.txt"]), "HELLO");
    assert_eq!((reviewed.log().as_str(), reviewed.resumed()), ("once\nagain", vec![false, true]));
    assert_eq!(reviewed.conversations().len(), 1, "{:?}", reviewed.conversations());
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(reviewed.daemon.stop(&[]), Some(0));
}

#[test]
fn codex_goes_on_with_its_conversation() {
    goes_on_with_its_conversation(Provider::OpenAi);
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    entries.flat_map(|it| if it.is_dir() { files(&it) } else { vec![it] }).collect()
}

/// What is done to the kept conversation, and which runs then try to go on with it.
#[track_caller]
fn begins_anew(provider: Provider, harm: impl Fn(&Path), resumed: &[bool]) {
    let model = Model::start(turns());
    let home = home(&model, provider);
    let reviewed = Reviewed::once(&home, &model, provider);
    let kept = home.home().join("sessions/t-1");
    assert!(!files(&kept).is_empty());
    harm(&kept);
    reviewed.again();

    assert_eq!(reviewed.resumed(), resumed);
    // The new conversation begins where the script does, on the branch as it is.
    assert_eq!(reviewed.log(), "once\nonce");
    let conversations = reviewed.conversations();
    let anew = conversations.last().unwrap();
    assert_ne!(anew, &conversations[0]);
    let first = model.answered().into_iter().find(|it| it.conversation == *anew).unwrap();
    assert!(first.history().contains("LOUD-4711") && first.history().contains("Mend the greeting"), "{first:?}");
    let shown = home.shown("t-1");
    assert_eq!(shown["failures"], 0, "at no cost: {shown}");
    let lost = Judge::new(&home).events_of(1).into_iter().filter(|it| it.details["reason"] == "session-lost").count();
    assert_eq!(lost, resumed.iter().filter(|it| **it).count());
    assert_eq!(reviewed.daemon.stop(&[]), Some(0));
}

fn remove_all(kept: &Path) {
    fs::remove_dir_all(kept).unwrap();
}

fn remove_files(kept: &Path) {
    files(kept).iter().for_each(|it| fs::remove_file(it).unwrap());
}

fn damage(kept: &Path) {
    files(kept).iter().for_each(|it| fs::write(it, "\0{no JSON\n").unwrap());
}

#[test]
fn without_what_was_kept_claude_code_begins_anew() {
    begins_anew(Provider::Anthropic, remove_all, &[false, false]);
}

#[test]
fn claude_code_that_does_not_find_its_conversation_begins_anew() {
    begins_anew(Provider::Anthropic, remove_files, &[false, true, false]);
}

#[test]
fn claude_code_with_a_damaged_conversation_begins_anew() {
    begins_anew(Provider::Anthropic, damage, &[false, true, false]);
}

#[test]
fn codex_that_does_not_find_its_conversation_begins_anew() {
    begins_anew(Provider::OpenAi, remove_files, &[false, true, false]);
}

#[test]
fn codex_with_a_damaged_conversation_begins_anew() {
    begins_anew(Provider::OpenAi, damage, &[false, true, false]);
}
