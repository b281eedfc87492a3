//! Settings, and the recorded runs: what opencode and Gemini CLI really wrote, read as the host gives it.

use super::*;
use crate::update::tests::shown;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

#[track_caller]
fn check(settings: &str, expected: &[(&str, &str)]) {
    let problems = Acp::check(settings);
    let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
    assert_eq!(problems, expected, "{settings}");
}

#[test]
fn settings_that_cannot_work_are_named() {
    check(r#"{"command": ["opencode", "acp"], "env": {"A": "{token}"}, "apis": ["openai-chat"]}"#, &[]);
    check(
        r#"{"command": [" "], "env": {"A=B": ""}, "files": {"../x": ""}}"#,
        &[
            ("/command/0", "names no program"),
            ("/files", "\"../x\" is no plain path below the home"),
            ("/env", "\"A=B\" is no name of a variable"),
        ],
    );
    assert!(Acp::check("{}")[0].message.contains("missing field `command`"));
}

#[test]
fn it_wants_a_model_unless_it_needs_none() {
    let apis = |settings: &str| match &Acp::describe(settings).wants[..] {
        [Want::Model(model)] => model.apis.join(" "),
        _ => String::new(),
    };
    assert_eq!(apis(""), "openai-chat anthropic-messages openai-responses gemini");
    assert_eq!(apis(r#"{"command": ["x"], "apis": ["gemini"]}"#), "gemini");
    assert_eq!(apis(r#"{"command": ["x"], "apis": []}"#), "");
}

#[test]
fn the_schema_describes_every_setting() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
    let properties = schema["properties"].as_object().expect("an object");
    assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
}

/// The recorded runs by name, as bytes.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let files = fs::read_dir(folder).expect("the folder of samples").map(|file| file.expect("a file").path());
    let mut samples: Vec<_> = files
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a sample"))
        })
        .collect();
    samples.sort();
    samples
}

/// The lines as the host makes them of bytes that come in pieces: each piece is a call with the lines that it ends.
fn calls(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<Line>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.push(bytes.len());
    cuts.sort_unstable();
    let (mut calls, mut from, mut kept) = (vec![], 0, vec![]);
    for cut in cuts {
        kept.extend_from_slice(&bytes[from..cut]);
        from = cut;
        let mut lines = vec![];
        while let Some(end) = kept.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = kept.drain(..=end).take(end).collect();
            lines.push(Line { text: String::from_utf8_lossy(&line).into_owned(), ..Line::default() });
        }
        calls.push(lines);
    }
    if !kept.is_empty() {
        calls.push(vec![Line { text: String::from_utf8_lossy(&kept).into_owned(), ..Line::default() }]);
    }
    calls
}

/// A run that says this: its events, what it is told, and how it is judged.
fn play(name: &str, calls: Vec<Vec<Line>>) -> String {
    let resume = (name.ends_with("-load") || name.ends_with("-lost")).then(|| "session".to_owned());
    let settings = launch::tests::settings(r#"{"command": ["agent", "acp"]}"#);
    let mut agent = Acp { client: Client::new(&settings, Run { resume, ..launch::tests::run() }) };
    let (mut text, mut said, mut finished) = (String::new(), String::new(), false);
    let mut add = |events: &[_]| events.iter().for_each(|event| text.push_str(&format!("  {}\n", shown(event))));
    for lines in calls {
        let progress = agent.read(lines);
        add(&progress.events);
        said.push_str(&progress.send);
        finished |= progress.finished;
    }
    let conclusion = agent.conclude(Exit { code: Some(0), cause: "finished".into(), ..Exit::default() });
    add(&conclusion.events);
    said.lines().for_each(|line| text.push_str(&format!("  > {line}\n")));
    let Conclusion { outcome, answer, session, .. } = conclusion;
    let session = session.map_or("no session", |_| "session kept");
    let end = if finished { "finished" } else { "not finished" };
    format!("{text}= {end}: {outcome:?}, {session}\n  {}\n", answer.replace('\n', "\n  "))
}

#[test]
fn the_recorded_runs_read_like_this() {
    let mut text = String::new();
    for (name, bytes) in samples() {
        text.push_str(&format!("{name}\n{}\n", play(&name, calls(&bytes, &[]))));
    }
    insta::assert_snapshot!(text);
}

proptest! {
    /// The host replays from the start, in other pieces than at first, and takes what comes after what it had.
    #[test]
    fn however_the_bytes_come_the_events_are_the_same(cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        for (name, bytes) in samples() {
            prop_assert_eq!(play(&name, calls(&bytes, &cuts)), play(&name, calls(&bytes, &[])), "{}", name);
        }
    }

    /// Whatever bytes come, and wherever they come between what it says, nothing traps.
    #[test]
    fn no_garbage_is_a_trap(
        garbage in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        sample in any::<prop::sample::Index>(),
    ) {
        let samples = samples();
        let (name, bytes) = sample.get(&samples);
        let at = at.index(bytes.len());
        let broken = [&bytes[..at], &garbage, &bytes[at..]].concat();
        prop_assert_eq!(play(name, calls(&broken, &[at])), play(name, calls(&broken, &[])));
    }
}
