//! The command tree: what every command has in common.

pub(crate) mod screen;
mod seen;

use super::*;
use clap::CommandFactory;
use std::fmt::Write as _;

/// Calls `each` with every command and its path, from the top.
fn walk(command: &clap::Command, path: &str, each: &mut impl FnMut(&clap::Command, &str)) {
    each(command, path);
    for inner in command.get_subcommands() {
        walk(inner, &format!("{path} {}", inner.get_name()), each);
    }
}

fn tree() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

#[test]
fn the_tree_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_shows_an_example_that_can_be_parsed() {
    walk(&tree(), "agentd", &mut |command, path| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<_> = help.lines().skip(1).collect();
        assert!(help.starts_with("Example:\n") && !examples.is_empty(), "{path} has no example in its help");
        for example in examples {
            let command = example.split(" | ").next().unwrap().split(" && ").next().unwrap();
            let words = words(command.split("    #").next().unwrap());
            assert!(words[0] == "agentd", "{path}: {example}");
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{path}: the example `{example}` is wrong: {error}");
            }
        }
    });
}

#[test]
fn every_command_prints_json_when_asked_to() {
    walk(&tree(), "agentd", &mut |command, path| {
        let json = command.get_arguments().any(|it| it.get_long() == Some("json"));
        assert!(json, "{path} has no --json");
    });
}

#[test]
fn every_command_and_argument_says_what_it_is() {
    walk(&tree(), "agentd", &mut |command, path| {
        assert!(command.get_about().is_some(), "{path} does not say what it does");
        for argument in command.get_arguments().filter(|it| !it.is_hide_set() && it.get_id() != "id") {
            assert!(argument.get_help().is_some(), "{path}: {} does not say what it is", argument.get_id());
        }
    });
}

#[test]
fn the_tree_as_people_see_it() {
    let mut text = String::new();
    walk(&tree(), "agentd", &mut |command, path| {
        let mut arguments: Vec<_> = command
            .get_arguments()
            .filter(|it| !it.is_global_set() && !it.is_hide_set())
            .map(|it| it.to_string())
            .filter(|it| it != "--help" && it != "--version")
            .collect();
        arguments.insert(0, path.to_owned());
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(text, "{}\n    {about}", arguments.join(" ")).unwrap();
    });
    insta::assert_snapshot!(text);
}

/// Splits as a shell does, as far as the examples need it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.trim().chars() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, ' ') => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|it| !it.is_empty());
    words
}

#[test]
fn errors_end_with_a_hint_and_with_their_code() {
    #[track_caller]
    fn check(error: Error, kind: Kind, text: &str) {
        assert_eq!((error.kind, error.to_string().as_str()), (kind, text));
    }
    let home = PathBuf::from("/srv/agentd");
    check(
        client::Error::NotRunning { home: home.clone() }.into(),
        Kind::Work,
        "error: agentd is not running on /srv/agentd\nhint: agentd start",
    );
    check(
        crate::home::Error::Held { home, pid: Some(41) }.into(),
        Kind::Work,
        "error: agentd is already running on /srv/agentd (pid 41)\n\
         hint: agentd status shows it, agentd stop ends it; --home takes another folder",
    );
    check(anyhow::anyhow!("inner").context("outer").into(), Kind::Internal, "error: outer: inner");
    check(Error::usage("no"), Kind::Usage, "error: no");
    let json = Error::work("it").hint("this").to_json().to_string();
    assert_eq!(json, r#"{"error":{"code":"failed","hint":"this","message":"it"}}"#);
    let closed: Error = std::io::Error::from(std::io::ErrorKind::BrokenPipe).into();
    assert_eq!(closed.kind, Kind::Closed);
}
