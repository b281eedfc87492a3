//! What else can come of a run than a change that the agent left lying: an answer, nothing to do, commits of its own.

use super::{home, task};
use crate::support::{Daemon, Home, Judge, Listener, Model, Provider, Turn, wait_for};

/// A home that also tells a listener, and what the model's network needs.
fn with_listener(model: &Model, listener: &Listener) -> Home {
    home(model, Provider::Anthropic).more(&listener.notifier_section())
}

#[test]
fn an_answer_reaches_those_who_asked() {
    let answer = "It says helo because nobody has read it.";
    let (model, listener) = (Model::start([Turn::text(answer)]), Listener::start());
    let home = with_listener(&model, &listener);
    task(&home, Provider::Anthropic, "# Why does the greeting say helo?");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["done"]);
    let shown = home.shown("t-1");
    assert_eq!((&shown["answer"], &shown["change"]), (&answer.into(), &serde_json::Value::Null));
    let told = wait_for("the end is told", || {
        listener.events().into_iter().map(|(_, it)| it).find(|it| it["kind"] == "task.done")
    });
    assert_eq!(told["details"]["answer"], answer, "{told}");
    Judge::new(&home).all_is_well(&[]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// Says that there is nothing to do, in Claude Code's way of writing.
fn nothing_to_do() -> Turn {
    Turn::text("I looked at it.\n\n**NOTHING TO DO: the greeting is a joke.**")
}

#[test]
fn a_person_agrees_that_there_is_nothing_to_do() {
    let (model, listener) = (Model::start([nothing_to_do()]), Listener::start());
    let home = with_listener(&model, &listener);
    task(&home, Provider::Anthropic, "# Mend the greeting");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["waiting"]);
    let shown = home.ok(&["task", "show", "t-1"]);
    assert!(shown.contains("confirmation") && shown.contains("the greeting is a joke"), "{shown}");
    let told = wait_for("somebody is asked", || {
        listener.events().into_iter().map(|(_, it)| it).find(|it| it["kind"] == "task.waiting")
    });
    assert!(told["severity"] == "urgent" && told["details"]["answer"].as_str().unwrap().contains("a joke"), "{told}");
    home.ok(&["task", "approve", "t-1"]);
    daemon.wait_for_state("t-1", &["done"]);
    assert!(home.ok(&["task", "show", "t-1"]).contains("nothing-to-do"));
    Judge::new(&home).all_is_well(&[]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_person_who_does_not_agree_has_it_done() {
    let turns = [nothing_to_do(), Turn::bash("echo hello > greeting.txt"), Turn::text("I mended it after all.")];
    let model = Model::start(turns);
    let home = home(&model, Provider::Anthropic);
    task(&home, Provider::Anthropic, "# Mend the greeting");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["waiting"]);
    home.ok(&["task", "reject", "t-1", "--comment", "No joke: our customers read it."]);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "hello");
    let calls = model.calls();
    assert!(calls[1].history().contains("our customers read it"), "{:?}", calls[1]);
    assert_eq!(calls[1].conversation, calls[0].conversation, "it goes on with its conversation");
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn what_the_agent_left_is_committed_and_marked() {
    let own = "git -c user.name=me -c user.email=me@example.org commit -qam 'Mend it in my own words'";
    let turns = [
        Turn::bash(&format!("echo hello > greeting.txt; {own}; echo left > left.txt")),
        Turn::text("I committed the one and left the other."),
    ];
    let model = Model::start(turns);
    let home = home(&model, Provider::Anthropic);
    task(&home, Provider::Anthropic, "# Mend the greeting");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let format = "--format=%an: %s (%(trailers:key=Agentd-Leftovers,separator=%x2C))";
    let log = home.git(&["log", "--reverse", "--name-only", format, "main..agentd/t-1"]);
    let expected = "agentd: Mend it in my own words ()\n\ngreeting.txt\n\
                    agentd: Mend the greeting (Agentd-Leftovers: true)\n\nleft.txt";
    assert_eq!(log, expected);
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}
