//! Settings, and the recorded runs: what opencode really wrote, read as the host gives it.

use super::*;
use crate::output::tests::shown;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

#[track_caller]
fn check(settings: &str, expected: &[(&str, &str)]) {
    let problems = Opencode::check(settings);
    let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
    assert_eq!(problems, expected, "{settings}");
}

#[test]
fn settings_that_cannot_work_are_named() {
    check("{}", &[]);
    check(r#"{"model": "org/name:free", "version": "1.19.0", "context-tokens": 64000}"#, &[]);
    check(
        r#"{"model": "--help", "variant": "very high", "version": "latest"}"#,
        &[
            ("/version", "is no version: write it as in \"1.18.33\""),
            ("/model", "may not be empty, begin with a dash, or hold blanks"),
            ("/variant", "may not be empty, begin with a dash, or hold blanks"),
        ],
    );
    assert!(Opencode::check(r#"{"sandbox": 1}"#)[0].message.contains("unknown field `sandbox`"));
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

/// A run that says this and ends with a code: its events, and how it is judged.
fn play(calls: Vec<Vec<Line>>, code: i32) -> String {
    let mut agent = Opencode { output: Output::new(Some("m-1".into()), None) };
    let mut text = String::new();
    let mut add = |events: &[_]| events.iter().for_each(|event| text.push_str(&format!("  {}\n", shown(event))));
    for lines in calls {
        add(&agent.read(lines).events);
    }
    let conclusion = agent.conclude(Exit { code: Some(code), cause: "exited".into(), ..Exit::default() });
    add(&conclusion.events);
    let Conclusion { outcome, answer, session, .. } = conclusion;
    let session = session.map_or("no session", |_| "session kept");
    format!("{text}= {code}: {outcome:?}, {session}\n  {}\n", answer.replace('\n', "\n  "))
}

fn code(name: &str, _bytes: &[u8]) -> i32 {
    match name {
        "kill" => 137,
        "e400" | "e401" => 1,
        _ => 0,
    }
}

#[test]
fn the_recorded_runs_read_like_this() {
    let mut text = String::new();
    for (name, bytes) in samples() {
        text.push_str(&format!("{name}\n{}\n", play(calls(&bytes, &[]), code(&name, &bytes))));
    }
    insta::assert_snapshot!(text);
}

proptest! {
    /// The host replays from the start, in other pieces than at first, and takes what comes after what it had.
    #[test]
    fn however_the_bytes_come_the_events_are_the_same(cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        for (name, bytes) in samples() {
            let code = code(&name, &bytes);
            prop_assert_eq!(play(calls(&bytes, &cuts), code), play(calls(&bytes, &[]), code), "{}", name);
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
        let code = code(name, bytes);
        prop_assert_eq!(play(calls(&broken, &[at]), code), play(calls(&broken, &[]), code));
    }
}
