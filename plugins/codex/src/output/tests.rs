//! What can be wrong with lines, and what each kind of them becomes.

use super::*;
use agentd_sdk::agent::Outcome;
use agentd_sdk::agent::telling::TEXT_BYTES;

/// An event in one line.
pub(crate) fn shown(event: &Event) -> String {
    match &event.happening {
        Happening::Started(it) => {
            let session = it.session.as_ref().map_or("no session", |_| "session");
            format!("started {session} {}", it.model.as_deref().unwrap_or("?"))
        }
        Happening::Message(it) => format!("{} {:?}", if it.thinking { "thinks" } else { "says" }, it.text),
        Happening::ToolCall(it) => format!("call {} {} {}", it.id, it.name, it.input),
        Happening::ToolResult(it) => {
            format!("result {} {} {:?} {:?}", it.id, if it.failed { "failed" } else { "ok" }, it.output, it.extra)
        }
        Happening::Usage(it) => format!(
            "usage {} {:?} in {} out {} read {} written {} {:?}",
            it.model,
            it.scope,
            it.input_tokens,
            it.output_tokens,
            it.cache_read_tokens,
            it.cache_write_tokens,
            it.cost_microusd
        ),
        Happening::Window(it) => format!("window {} exhausted {}", it.name, it.exhausted),
        Happening::Notice(it) => format!("{:?} {} {:?}", it.weight, it.code, it.text),
        Happening::Other(it) => format!("note {} {:?}", it.kind, it.content),
    }
}

fn out(text: &str) -> Line {
    Line { text: text.into(), ..Line::default() }
}

fn err(text: &str) -> Line {
    Line { text: text.into(), stderr: true, ..Line::default() }
}

fn says(text: &str) -> String {
    let text = Value::from(text);
    format!(r#"{{"type":"item.completed","item":{{"id":"item_9","type":"agent_message","text":{text}}}}}"#)
}

fn read(lines: &[Line]) -> (Output, Vec<String>) {
    let (mut output, mut events) = (Output::new(None, None), vec![]);
    lines.iter().for_each(|line| output.line(line, &mut events));
    (output, events.iter().map(shown).collect())
}

#[track_caller]
fn check(lines: &[Line], expected: &[&str]) {
    let (mut output, mut events) = read(lines);
    events.extend(output.conclude(&Exit::default()).events.iter().map(shown));
    assert_eq!(events, expected);
}

const ERROR: &str = r#"{"message":"Reconnecting... 1/3 (x)","type":"error"}"#;

#[test]
fn the_order_of_keys_means_nothing() {
    check(
        &[out(r#"{"item":{"text":"hi","type":"agent_message","id":"item_0"},"type":"item.completed"}"#)],
        &["says \"hi\""],
    );
}

#[test]
fn an_object_inside_of_another_is_found_wherever_it_broke_in() {
    let line = says("three \"words\" ж");
    for (at, _) in line.char_indices().skip(1) {
        let (before, after) = line.split_at(at);
        let expected = [r#"Weight::Warning retry "Reconnecting... 1/3 (x)""#, r#"says "three \"words\" ж""#];
        check(&[out(&format!("{before}{ERROR}{after}"))], &expected);
        check(&[out(&format!("{before}{ERROR}")), out(after)], &expected);
    }
}

#[test]
fn two_objects_on_a_line_are_two_events() {
    check(&[out(&format!("{}{}", says("a"), says("b")))], &["says \"a\"", "says \"b\""]);
    check(
        &[out(&format!("{} {ERROR}", says("a")))],
        &["says \"a\"", r#"Weight::Warning retry "Reconnecting... 1/3 (x)""#],
    );
}

#[test]
fn banners_and_colours_do_no_harm() {
    check(&[out("\u{1b}[1mwelcome\u{1b}[0m"), out(""), out("\0")], &["note text \"welcome\""]);
    check(&[out(&format!("\u{1b}[0m{}\u{1b}[K\r", says("a")))], &["says \"a\""]);
    check(&[out(&format!("\0{}\0", says("a")))], &["says \"a\""]);
    check(&[out("[1, 2]"), out("42"), out("{}")], &["note text \"[1, 2]\"", "note text \"42\"", "note json \"{}\""]);
}

#[test]
fn a_line_without_its_end_gives_what_there_is_of_it() {
    let line = r#"{"type":"item.completed","item":{"id":"item_1","type":"command_execution","command":"seq","aggregated_output":"1\n2 and so on"#;
    let expected = ["call item_1 command_execution {\"command\":\"seq\"}", "result item_1 ok \"1\\n2 and so on\" []"];
    check(&[Line { cut: true, ..out(line) }], &expected);
    check(&[out(line)], &expected);
    // The end of a turn must be whole.
    check(
        &[Line { cut: true, ..out(r#"{"type":"turn.completed","usage":{"input_tokens":12"#) }],
        &[r#"note incomplete "{\"type\":\"turn.completed\",\"usage\":{}}""#],
    );
}

#[test]
fn a_line_of_10_mb_is_an_event_of_256_kib() {
    let line = says(&format!("start{}end", "ж".repeat(5 << 20)));
    let (output, events) = read(&[out(&line)]);
    assert!(events.len() == 1 && events[0].len() < TEXT_BYTES + 100, "{} bytes", events[0].len());
    assert!(events[0].contains("bytes left out"), "the text says that it was cut");
    assert!(output.seen.answer.starts_with("start") && output.seen.answer.ends_with("end"));
}

#[test]
fn replaced_bytes_stay_as_they_are() {
    check(&[out(&says("a\u{fffd}b"))], &["says \"a\u{fffd}b\""]);
}

#[test]
fn tools_have_a_call_and_a_result_whether_codex_tells_both_or_not() {
    let item = |stage: &str, rest: &str| out(&format!(r#"{{"type":"item.{stage}","item":{{"id":"item_0",{rest}}}}}"#));
    let calls = |rest: &str, expected: &[&str]| check(&[item("completed", rest)], expected);
    calls(
        r#""type":"file_change","changes":[{"path":"/w/a.rs","kind":"update"}],"status":"failed""#,
        &[
            r#"call item_0 file_change {"changes":[{"kind":"update","path":"/w/a.rs"}]}"#,
            r#"result item_0 failed "" []"#,
            r#"Weight::Warning edit-failed "Codex did not succeed to edit /w/a.rs""#,
        ],
    );
    calls(
        r#""type":"command_execution","command":"rm x","aggregated_output":"","exit_code":null,"status":"declined""#,
        &[
            r#"call item_0 command_execution {"command":"rm x"}"#,
            r#"result item_0 failed "" []"#,
            r#"Weight::Warning permission-denied "Codex was not allowed to run rm x""#,
        ],
    );
    calls(
        r#""type":"mcp_tool_call","server":"s","tool":"t","arguments":{},"result":null,"error":{"message":"no"},"status":"failed""#,
        &["call item_0 mcp__s__t {}", r#"result item_0 failed "no" []"#],
    );
    calls(
        r#""type":"collab_tool_call","tool":"spawn_agent","prompt":"look","receiver_thread_ids":["b"],"agents_states":{},"status":"completed""#,
        &[r#"call item_0 spawn_agent {"prompt":"look","receivers":["b"]}"#, r#"result item_0 ok "{}" []"#],
    );
    calls(
        r#""type":"new_thing","status":"completed""#,
        &[r#"note new_thing "{\"id\":\"item_0\",\"status\":\"completed\",\"type\":\"new_thing\"}""#],
    );
    let running = r#""type":"command_execution","command":"x","aggregated_output":"","status":"in_progress""#;
    // Killed in the middle: a call without a result.
    check(&[item("started", running), item("updated", running)], &[r#"call item_0 command_execution {"command":"x"}"#]);
}

#[test]
fn words_are_told_once_and_those_without_an_end_at_the_end() {
    let item = |stage: &str, text: &str| {
        out(&format!(r#"{{"type":"item.{stage}","item":{{"id":"item_0","type":"agent_message","text":"{text}"}}}}"#))
    };
    check(&[item("started", "a"), item("updated", "a b"), item("completed", "a b c")], &["says \"a b c\""]);
    let (mut output, events) = read(&[item("started", "a"), item("updated", "a b")]);
    assert!(events.is_empty());
    let conclusion = output.conclude(&Exit { code: Some(0), cause: "exited".into(), ..Exit::default() });
    assert_eq!(conclusion.events.iter().map(shown).collect::<Vec<_>>(), ["says \"a b\""]);
}

#[test]
fn a_list_of_work_is_noted_when_it_changes() {
    let list = |stage: &str, done: bool| {
        let items = format!(r#"[{{"text":"one","completed":{done}}}]"#);
        out(&format!(r#"{{"type":"item.{stage}","item":{{"id":"item_0","type":"todo_list","items":{items}}}}}"#))
    };
    check(
        &[list("started", false), list("updated", true), list("completed", true)],
        &[
            r#"note todo_list "[{\"completed\":false,\"text\":\"one\"}]""#,
            r#"note todo_list "[{\"completed\":true,\"text\":\"one\"}]""#,
        ],
    );
}

#[test]
fn what_codex_tells_on_standard_error_only_is_a_notice() {
    check(
        &[
            err("Reading prompt from stdin..."),
            err(
                "2026-01-01T00:00:00Z ERROR codex_core::tools::router: error=patch rejected: writing outside of the project",
            ),
            err("2026-01-01T00:00:00Z ERROR rmcp::transport::worker: worker quit with fatal: Transport channel closed"),
            err("\u{1b}[33mWARNING\u{1b}[0m: proceeding"),
            err("hello"),
            err(""),
        ],
        &[
            r#"Weight::Warning permission-denied "2026-01-01T00:00:00Z ERROR codex_core::tools::router: error=patch rejected: writing outside of the project""#,
            r#"Weight::Warning mcp-failed "2026-01-01T00:00:00Z ERROR rmcp::transport::worker: worker quit with fatal: Transport channel closed""#,
            r#"Weight::Warning stderr "WARNING: proceeding""#,
            r#"Weight::Info stderr "hello""#,
        ],
    );
}

#[test]
fn standard_error_breaks_no_line_of_standard_output() {
    let line = says("whole");
    let (before, after) = line.split_at(20);
    check(&[out(before), err("noise"), out(after)], &[r#"Weight::Info stderr "noise""#, "says \"whole\""]);
}

#[test]
fn what_is_read_from_the_cache_is_not_counted_twice() {
    let usage = r#"{"input_tokens":1000,"cached_input_tokens":600,"cache_write_input_tokens":100,"output_tokens":50,"reasoning_output_tokens":20}"#;
    check(
        &[out(&format!(r#"{{"type":"turn.completed","usage":{usage}}}"#))],
        &["usage  UsageScope::Session in 300 out 50 read 600 written 100 None"],
    );
}

#[test]
fn another_conversation_than_the_one_to_go_on_with_is_never_adopted() {
    let (mut output, mut events) = (Output::new(None, Some("old".into())), vec![]);
    for line in [r#"{"type":"thread.started","thread_id":"new"}"#, r#"{"type":"turn.completed","usage":null}"#] {
        output.line(&out(line), &mut events);
    }
    let started = events.iter().find_map(|event| match &event.happening {
        Happening::Started(started) => Some(started.session.clone()),
        _ => None,
    });
    assert_eq!(started, Some(None));
    let conclusion = output.conclude(&Exit { code: Some(0), cause: "exited".into(), ..Exit::default() });
    assert!(matches!(conclusion.outcome, Outcome::SessionLost), "{:?}", conclusion.outcome);
    assert_eq!(conclusion.session, None);
}

#[test]
fn a_conversation_stays_usable_through_a_run_that_did_not_get_to_it() {
    let mut output = Output::new(None, Some("old".into()));
    let conclusion = output.conclude(&Exit { code: Some(137), cause: "memory".into(), ..Exit::default() });
    assert_eq!(conclusion.session.as_deref(), Some("old"));
}
