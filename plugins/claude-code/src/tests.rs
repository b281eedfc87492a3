//! Recorded output as events, however it is cut, and settings that are refused.
//!
//! The recordings in `samples/` are of Claude Code 2.1.328, and of 2.1.197 where the name says so.

use super::*;
use agentd_sdk::agent::{Event, Happening, Outcome, Weight};
use proptest::prelude::*;
use stream::Began;

/// A recording, and how the program ended after it.
struct Sample {
    name: &'static str,
    text: &'static str,
    code: i32,
    resumed: bool,
}

macro_rules! samples {
    ($($name:literal $code:literal $resumed:literal,)*) => {
        [$(Sample {
            name: $name,
            text: include_str!(concat!("../samples/", $name, ".jsonl")),
            code: $code,
            resumed: $resumed,
        }),*]
    };
}

const SAMPLES: [Sample; 25] = samples![
    "2.1.197-commit" 0 false,
    "2.1.197-feedback" 0 true,
    "background-task" 0 false,
    "badresume" 1 true,
    "badtool" 0 false,
    "budget" 1 false,
    "commit" 0 false,
    "cut" 1 false,
    "e400" 1 false,
    "e401" 1 false,
    "e429" 1 false,
    "failcmd" 0 false,
    "feedback" 0 true,
    "flaky529" 0 false,
    "hello" 0 false,
    "kill" 143 false,
    "maxtokens" 1 false,
    "maxturns" 1 false,
    "mcp" 0 false,
    "permission-denied" 0 false,
    "refusal" 1 false,
    "sigint" 0 false,
    "sse_overload" 1 false,
    "stream-json-input" 0 false,
    "subagent" 0 false,
];

/// An event in one line.
pub(crate) fn shown(event: &Event) -> String {
    let text = match &event.happening {
        Happening::Started(it) => format!("started {:?} {:?} {:?}", it.session, it.model, it.version),
        Happening::Message(it) => format!("{} {}", if it.thinking { "thinks" } else { "says" }, it.text),
        Happening::ToolCall(it) => format!("calls {} {} {}", it.id, it.name, it.input),
        Happening::ToolResult(it) => format!("{} {}: {}", it.id, if it.failed { "failed" } else { "ok" }, it.output),
        Happening::Usage(it) => {
            let cost = it.cost_microusd.map(|it| format!(" ${it}")).unwrap_or_default();
            format!("used {} in {} out {}{cost}", it.model, it.input_tokens, it.output_tokens)
        }
        Happening::Window(it) => {
            let at = it.resets_at.map(|it| format!(", resets at {it}")).unwrap_or_default();
            format!("window {:?} {}{at}", it.name, if it.exhausted { "used up" } else { "open" })
        }
        Happening::Notice(it) => format!("{} {}: {}", word(it.weight), it.code, it.text),
        Happening::Other(it) => format!("note {}: {}", it.kind, it.content),
    };
    event.agent.iter().map(|agent| format!("[{agent}] ")).collect::<String>() + &text
}

fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Info => "info",
        Weight::Warning => "warning",
        Weight::Error => "error",
    }
}

impl Sample {
    fn run(&self) -> ClaudeCode {
        let named = self.text.split_once("\"session_id\":\"").map_or("", |(_, rest)| &rest[..36]);
        let began = Began { session: named.into(), resumed: self.resumed, sandboxed: true };
        ClaudeCode { stream: Stream::new(began) }
    }

    fn end(&self, mut run: ClaudeCode) -> Conclusion {
        run.conclude(Exit { code: Some(self.code), cause: "exited".into(), ..Exit::default() })
    }
}

/// The recording as the host would hand it on: bytes as they come, lines as they end.
fn read(run: &mut ClaudeCode, bytes: &[u8], cuts: &[usize]) -> Vec<Event> {
    let (mut events, mut partial, mut from) = (vec![], vec![], 0);
    for to in cuts.iter().copied().chain([bytes.len()]) {
        partial.extend_from_slice(&bytes[from..to]);
        from = to;
        let mut lines = vec![];
        while let Some(end) = partial.iter().position(|it| *it == b'\n') {
            let rest = partial.split_off(end + 1);
            lines.push(line(&partial[..end]));
            partial = rest;
        }
        events.extend(run.read(lines).events);
    }
    if !partial.is_empty() {
        events.extend(run.read(vec![line(&partial)]).events);
    }
    events
}

fn line(bytes: &[u8]) -> Line {
    Line { text: String::from_utf8_lossy(bytes).into_owned(), ..Line::default() }
}

#[test]
fn recorded_runs_read_as_they_went() {
    for sample in &SAMPLES {
        let mut run = sample.run();
        let events = read(&mut run, sample.text.as_bytes(), &[]);
        let Conclusion { outcome, answer, session, events: last, extra } = sample.end(run);
        let mut text: String = events.iter().chain(&last).map(|it| shown(it) + "\n").collect();
        text += &format!("--- {outcome:?}, session {session:?}, {extra:?}\n{answer}");
        insta::assert_snapshot!(sample.name, text);
    }
}

#[test]
fn every_recording_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
    let mut there: Vec<_> = std::fs::read_dir(folder)
        .expect("the samples")
        .map(|it| it.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    there.sort();
    assert_eq!(there, SAMPLES.map(|it| format!("{}.jsonl", it.name)));
}

fn told(conclusion: &Conclusion) -> String {
    let Conclusion { outcome, answer, session, events, extra } = conclusion;
    let events: Vec<_> = events.iter().map(shown).collect();
    format!("{outcome:?} {answer} {session:?} {events:?} {extra:?}")
}

proptest! {
    /// How the output is cut into calls changes nothing, and nothing in it stops the reader.
    #[test]
    fn output_reads_the_same_however_it_comes(
        pick in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        lost in prop::option::of(any::<(prop::sample::Index, prop::sample::Index)>()),
    ) {
        let sample = pick.get(&SAMPLES);
        let mut bytes = sample.text.as_bytes().to_vec();
        if let Some((from, to)) = lost {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            bytes.drain(from.min(to)..from.max(to));
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|it| it.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut once, mut again) = (sample.run(), sample.run());
        let (at_once, in_pieces) = (read(&mut once, &bytes, &[]), read(&mut again, &bytes, &cuts));
        prop_assert_eq!(at_once.iter().map(shown).collect::<Vec<_>>(), in_pieces.iter().map(shown).collect::<Vec<_>>());
        prop_assert_eq!(told(&sample.end(once)), told(&sample.end(again)));
    }

    /// Whatever is written, there is an end to it, and it is no success.
    #[test]
    fn noise_is_never_a_success(lines in prop::collection::vec("\\PC{0,80}|[{}\\[\\]\",:\\\\a-z0-9]{0,80}", 0..40)) {
        let mut run = SAMPLES[0].run();
        let lines = lines.into_iter().map(|text| Line { text, ..Line::default() }).collect();
        run.read(lines);
        let conclusion = run.conclude(Exit { code: Some(0), cause: "exited".into(), ..Exit::default() });
        prop_assert!(!matches!(conclusion.outcome, Outcome::Completed), "{:?}", conclusion.outcome);
    }
}

#[track_caller]
fn check(settings: &str, expected: &[(&str, &str)]) {
    let problems = ClaudeCode::check(settings);
    let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
    assert_eq!(problems, expected, "{settings}");
}

#[test]
fn settings_that_cannot_work_are_named() {
    check("{}", &[]);
    check(r#"{"version": "2.1.400-beta.1", "model": "opus", "disallowed-tools": ["Bash(git push:*)"]}"#, &[]);
    check(
        r#"{"version": "latest", "model": "-x", "allowed-tools": ["Read", ""], "disallowed-tools": ["--x"]}"#,
        &[
            ("/version", "is no version: one as in \"2.1.328\" is meant, no range and no tag"),
            ("/model", "is no model's name: \"opus\" or a full name is meant"),
            ("/allowed-tools/1", "is no tool: \"WebSearch\" or \"Bash(npm test:*)\" is meant"),
            ("/disallowed-tools/0", "is no tool: \"WebSearch\" or \"Bash(npm test:*)\" is meant"),
        ],
    );
    for version in ["^2.1.0", "2.1", "2.1.x", "2.1.3 || 1", "2.1.3-", "2..3"] {
        assert_eq!(ClaudeCode::check(&format!(r#"{{"version": "{version}"}}"#)).len(), 1, "{version}");
    }
    let unknown = ClaudeCode::check(r#"{"mcp": {}}"#);
    assert!(unknown[0].message.contains("unknown field `mcp`"), "{}", unknown[0].message);
}

#[test]
fn the_schema_is_json_and_describes_every_setting() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
    let properties = schema["properties"].as_object().expect("an object");
    assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn it_wants_one_model_and_nothing_else() {
    let wants = ClaudeCode::describe("{}").wants;
    let [Want::Model(model)] = &wants[..] else { panic!("{} wants", wants.len()) };
    assert_eq!(
        (model.name.as_str(), model.required, &model.apis[..]),
        ("main", true, &["anthropic-messages".to_owned()][..])
    );
}
