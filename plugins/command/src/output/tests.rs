//! Output line by line, and the ends that runs come to.

use super::*;

fn out(text: &str) -> Line {
    Line { text: text.into(), ..Line::default() }
}

fn err(text: &str) -> Line {
    Line { text: text.into(), stderr: true, ..Line::default() }
}

fn exit(code: i32) -> Exit {
    Exit { code: Some(code), cause: "exited".into(), ..Exit::default() }
}

/// An event in one line.
fn shown(event: &Event) -> String {
    match &event.happening {
        Happening::Started(started) => format!("started {:?}", started.session),
        Happening::Message(message) => format!("says {}", message.text),
        Happening::Notice(notice) => format!("{} {}", notice.code, notice.text),
        other => format!("{other:?}"),
    }
}

fn read(lines: &[Line]) -> (Output, Vec<String>) {
    let (mut output, mut events) = (Output::new(None), vec![]);
    lines.iter().for_each(|line| output.line(line.clone(), &mut events));
    (output, events.iter().map(shown).collect())
}

#[track_caller]
fn check_events(lines: &[Line], expected: &[&str]) {
    assert_eq!(read(lines).1, expected);
}

#[test]
fn lines_are_messages_and_notices() {
    check_events(
        &[out("\u{1b}[1mreading\u{1b}[0m"), out(""), err("warning: x"), out(" \u{1b}[0m"), out("done")],
        &["started None", "says reading", "stderr warning: x", "says done"],
    );
    check_events(&[out("")], &["started None"]);
}

#[test]
fn long_lines_are_cut_at_a_character() {
    let (_, events) = read(&[out(&"ж".repeat(200_000))]);
    assert_eq!(events[1].len(), "says ".len() + LINE_BYTES + "… (cut)".len());
    let (_, events) = read(&[Line { cut: true, ..out("beginning") }]);
    assert_eq!(events[1], "says beginning… (cut)");
    let (_, events) = read(&[out(&"x".repeat(LINE_BYTES))]);
    assert_eq!(events[1].len(), "says ".len() + LINE_BYTES);
}

#[test]
fn events_do_not_depend_on_how_the_lines_come() {
    let lines: Vec<Line> = (0..50).map(|it| if it % 3 == 0 { err("e") } else { out(&format!("line {it}")) }).collect();
    let (_, at_once) = read(&lines);
    for size in [1, 2, 7] {
        let (mut output, mut events) = (Output::new(None), vec![]);
        for some in lines.chunks(size) {
            let mut progress = vec![];
            some.iter().for_each(|line| output.line(line.clone(), &mut progress));
            events.extend(progress.iter().map(shown));
        }
        assert_eq!(events, at_once, "{size} lines a call");
    }
}

#[track_caller]
fn check_end(lines: &[Line], exit: &Exit, outcome: &str, answer: &str) {
    let (mut output, _) = read(lines);
    let conclusion = output.conclude(exit);
    assert_eq!((format!("{:?}", conclusion.outcome).as_str(), conclusion.answer.as_str()), (outcome, answer));
}

#[test]
fn success_needs_an_exit_code_of_0_and_some_output() {
    check_end(&[out("read"), err("noise"), out("fixed"), out("")], &exit(0), "Outcome::Completed", "read\nfixed");
    check_end(&[err("only here")], &exit(0), "Outcome::Completed", "only here");
    let nothing = "The program ended with exit code 0 and said nothing.";
    check_end(&[], &exit(0), "Outcome::Empty", nothing);
    check_end(&[out(" "), err("")], &exit(0), "Outcome::Empty", nothing);
}

#[test]
fn failure_says_what_standard_error_said() {
    let failed = "Outcome::Failed";
    check_end(&[out("a"), err("no key")], &exit(3), failed, "The program ended with exit code 3:\nno key");
    check_end(&[out("only here")], &exit(1), failed, "The program ended with exit code 1:\nonly here");
    check_end(&[], &exit(137), failed, "The program ended with exit code 137, and said nothing.");
    let reported = Exit { stderr: "\u{1b}[31mboom\u{1b}[0m\n".into(), ..exit(1) };
    check_end(&[], &reported, failed, "The program ended with exit code 1:\nboom");
}

#[test]
fn other_ends_have_their_own_outcome() {
    let check = |cause: &str, outcome: &str, answer: &str| {
        let exit = Exit { code: Some(137), cause: cause.into(), ..Exit::default() };
        check_end(&[out("half")], &exit, outcome, answer);
    };
    check("stopped", "Outcome::Interrupted", "A person stopped the program.");
    check("interrupted", "Outcome::Interrupted", "The program was interrupted.");
    check("budget", "Outcome::Budget", "The program was stopped at its budget.");
    check("timeout", "Outcome::Failed", "The program took too long:\nhalf");
    check("idle", "Outcome::Failed", "The program said nothing for too long:\nhalf");
    check("memory", "Outcome::Failed", "The program used too much memory:\nhalf");
    check("disk", "Outcome::Failed", "The program used too much disk space:\nhalf");
    check("tool-timeout", "Outcome::Failed", "The program was ended (tool-timeout):\nhalf");
    let unstarted = Exit { code: None, cause: "start".into(), stderr: "agent: not found".into(), ..Exit::default() };
    check_end(&[], &unstarted, "Outcome::Misconfigured", "The program could not be started:\nagent: not found");
}

#[test]
fn a_silent_program_still_has_begun_and_its_conversation_is_kept() {
    let mut output = Output::new(Some("s-1".into()));
    let conclusion = output.conclude(&exit(0));
    assert_eq!(conclusion.events.iter().map(shown).collect::<Vec<_>>(), ["started Some(\"s-1\")"]);
    assert_eq!(conclusion.session.as_deref(), Some("s-1"));
    let (mut output, _) = read(&[out("x")]);
    assert!(output.conclude(&exit(0)).events.is_empty(), "it was said with the first line");
}

#[test]
fn the_answer_is_the_end_in_whole_lines() {
    let lines: Vec<Line> = (0..10_000).map(|it| out(&format!("line {it} ж"))).collect();
    let answer = read(&lines).0.conclude(&exit(0)).answer;
    assert!(answer.len() <= ANSWER_BYTES && answer.len() > ANSWER_BYTES / 2, "{} bytes", answer.len());
    assert!(answer.starts_with("line ") && answer.ends_with("line 9999 ж"), "{answer}");
    let answer = read(&[out(&"ж".repeat(100_000))]).0.conclude(&exit(0)).answer;
    assert!(answer == "ж".repeat(ANSWER_BYTES / 2), "{} bytes", answer.len());
}
