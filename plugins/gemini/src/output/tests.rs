//! What can be wrong with lines, and what each kind of them becomes.

use super::*;
use agentd_sdk::agent::Outcome;

/// An event in one line.
pub(crate) fn shown(event: &Event) -> String {
    match &event.happening {
        Happening::Started(it) => {
            let session = it.session.as_ref().map_or("no session", |_| "session");
            format!("started {session} {}", it.model.as_deref().unwrap_or("?"))
        }
        Happening::Message(it) => format!("says {:?}{}", it.text, if it.partial { " …" } else { "" }),
        Happening::ToolCall(it) => format!("call {} {} {}", it.id, it.name, it.input),
        Happening::ToolResult(it) => {
            format!("result {} {} {:?}", it.id, if it.failed { "failed" } else { "ok" }, it.output)
        }
        Happening::Usage(it) => {
            format!("usage {} in {} out {} read {}", it.model, it.input_tokens, it.output_tokens, it.cache_read_tokens)
        }
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

fn delta(text: &str) -> Line {
    out(&format!(r#"{{"type":"message","role":"assistant","content":{},"delta":true}}"#, Value::from(text)))
}

fn read(lines: &[Line]) -> (Output, Vec<String>) {
    let (mut output, mut events) = (Output::new(None), vec![]);
    lines.iter().for_each(|line| output.line(line, &mut events));
    (output, events.iter().map(shown).collect())
}

#[track_caller]
fn check(lines: &[Line], expected: &[&str]) {
    let (mut output, mut events) = read(lines);
    events.extend(output.conclude(&Exit::default()).events.iter().map(shown));
    assert_eq!(events, expected);
}

const USE: &str = r#"{"type":"tool_use","tool_name":"t","tool_id":"a","parameters":{"x":1}}"#;

#[test]
fn pieces_of_words_are_one_message_until_something_else_comes() {
    check(
        &[delta("I "), delta("look."), out(USE), delta("Done"), err("YOLO mode is enabled."), delta(".")],
        &["says \"I look.\"", "call a t {\"x\":1}", "says \"Done.\""],
    );
    let whole = |text: &str| out(&format!(r#"{{"type":"message","role":"assistant","content":"{text}"}}"#));
    check(&[whole("one"), whole("two")], &["says \"one\"", "says \"two\""]);
    check(&[out(r#"{"type":"message","role":"user","content":"Fix it"}"#), delta(" \n")], &[]);
}

#[test]
fn long_words_are_told_in_parts_and_the_answer_is_all_of_them() {
    let (mut output, mut events) = (Output::new(None), vec![]);
    for _ in 0..3 {
        output.line(&delta(&"ж".repeat(PIECES_BYTES / 4)), &mut events);
    }
    let conclusion = output.conclude(&Exit { code: Some(0), cause: "exited".into(), ..Exit::default() });
    assert_eq!(events.iter().chain(&conclusion.events).count(), 2);
    assert!(shown(&events[0]).ends_with('…') && !shown(&conclusion.events[0]).ends_with('…'));
    assert_eq!(output.seen.answer.len(), 3 * (PIECES_BYTES / 4) * 2);
}

#[test]
fn a_tool_that_failed_says_why() {
    let line = r#"{"type":"tool_result","tool_id":"a","status":"error","error":{"type":"x","message":"no such file"}}"#;
    check(&[out(USE), out(line)], &["call a t {\"x\":1}", "result a failed \"no such file\""]);
    let cut = r#"{"type":"tool_result","tool_id":"a","status":"success","output":"1\n2 and so"#;
    check(&[Line { cut: true, ..out(cut) }], &["result a ok \"1\\n2 and so\""]);
}

#[test]
fn what_is_read_from_the_cache_is_not_counted_twice_and_thinking_is_written() {
    let stats = r#"{"models":{"m":{"total_tokens":1100,"input_tokens":1000,"output_tokens":40,"cached":600}}}"#;
    check(
        &[out(&format!(r#"{{"type":"result","status":"success","stats":{stats}}}"#))],
        &["usage m in 400 out 100 read 600"],
    );
}

#[test]
fn what_is_no_event_is_kept_as_it_is() {
    check(
        &[out("hello"), out(r#"{"type":"new","timestamp":"t","x":1}"#), out("{\"type\":\"result\",\"status\":\"succ")],
        &[
            "note text \"hello\"",
            "note new \"{\\\"x\\\":1}\"",
            "note incomplete \"{\\\"status\\\":\\\"succ\\\",\\\"type\\\":\\\"result\\\"}\"",
        ],
    );
    check(
        &[
            err("Attempt 1 failed with status 503. Retrying with backoff..."),
            err("MCP: x"),
            err("\u{1b}[31mError\u{1b}[0m: a"),
        ],
        &[
            r#"Weight::Warning retry "Attempt 1 failed with status 503. Retrying with backoff...""#,
            r#"Weight::Warning mcp-failed "MCP: x""#,
            r#"Weight::Warning stderr "Error: a""#,
        ],
    );
}

#[test]
fn another_conversation_than_the_one_to_go_on_with_is_never_adopted() {
    let (mut output, mut events) = (Output::new(Some("old".into())), vec![]);
    output.line(&out(r#"{"type":"init","session_id":"new","model":"m"}"#), &mut events);
    output.line(&out(r#"{"type":"result","status":"success"}"#), &mut events);
    let conclusion = output.conclude(&Exit { code: Some(0), cause: "exited".into(), ..Exit::default() });
    assert!(matches!(conclusion.outcome, Outcome::SessionLost), "{:?}", conclusion.outcome);
    assert_eq!(conclusion.session, None);
    let mut output = Output::new(Some("old".into()));
    let conclusion = output.conclude(&Exit { code: Some(137), cause: "memory".into(), ..Exit::default() });
    assert_eq!(conclusion.session.as_deref(), Some("old"), "it did not get to it");
}
