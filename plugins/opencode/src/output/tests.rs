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
        Happening::Message(it) => format!("{} {:?}", if it.thinking { "thinks" } else { "says" }, it.text),
        Happening::ToolCall(it) => format!("call {} {} {}", it.id, it.name, it.input),
        Happening::ToolResult(it) => {
            format!("result {} {} {:?} {:?}", it.id, if it.failed { "failed" } else { "ok" }, it.output, it.extra)
        }
        Happening::Usage(it) => format!(
            "usage {} in {} out {} read {} written {}",
            it.model, it.input_tokens, it.output_tokens, it.cache_read_tokens, it.cache_write_tokens
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

#[track_caller]
fn check(lines: &[Line], expected: &[&str]) {
    let (mut output, mut events) = (Output::new(Some("m".into()), None), vec![]);
    lines.iter().for_each(|line| output.line(line, &mut events));
    events.extend(output.conclude(&Exit::default()).events);
    assert_eq!(events.iter().map(shown).collect::<Vec<_>>(), expected);
}

fn tool(state: &str) -> Line {
    out(&format!(r#"{{"type":"tool_use","part":{{"type":"tool","tool":"bash","callID":"a","state":{state}}}}}"#))
}

#[test]
fn a_tool_is_told_when_it_is_done() {
    check(
        &[tool(r#"{"status":"completed","input":{"command":"x"},"output":"oops\n","metadata":{"exit":3}}"#)],
        &["call a bash {\"command\":\"x\"}", r#"result a failed "oops\n" [("exit-code", "3")]"#],
    );
    check(
        &[tool(r#"{"status":"completed","input":{},"output":"done"}"#)],
        &["call a bash {}", "result a ok \"done\" []"],
    );
    let why = "The user rejected permission to use this specific tool call.";
    check(
        &[tool(&format!(r#"{{"status":"error","input":{{}},"error":"{why}"}}"#))],
        &[
            "call a bash {}",
            &format!("result a failed {why:?} []"),
            &format!("Weight::Warning permission-denied {why:?}"),
        ],
    );
}

#[test]
fn usage_is_the_sum_of_all_steps() {
    let step = r#"{"type":"step_finish","part":{"type":"step-finish","reason":"tool-calls","tokens":{"input":100,"output":5,"reasoning":2,"cache":{"read":30,"write":4}},"cost":0.5}}"#;
    check(
        &[out(step), out(step)],
        &["usage m in 100 out 7 read 30 written 4", "usage m in 200 out 14 read 60 written 8"],
    );
}

#[test]
fn what_is_no_event_is_kept_as_it_is() {
    check(
        &[out("hello"), out(r#"{"type":"new","timestamp":1,"sessionID":"ses_a","x":1}"#)],
        &["note text \"hello\"", "started session m", "note new \"{\\\"x\\\":1}\""],
    );
    check(
        &[
            err("\u{1b}[91mError: \u{1b}[0mSession not found"),
            err("! permission requested: bash; auto-rejecting"),
            err(""),
        ],
        &[
            r#"Weight::Warning stderr "Error: Session not found""#,
            r#"Weight::Warning permission-denied "! permission requested: bash; auto-rejecting""#,
        ],
    );
}

#[test]
fn a_fault_that_it_got_over_is_no_end() {
    let mut output = Output::new(None, None);
    let mut events = vec![];
    for line in [
        r#"{"type":"error","sessionID":"ses_a","error":{"name":"APIError","data":{"message":"busy","statusCode":503}}}"#,
        r#"{"type":"text","sessionID":"ses_a","part":{"text":"Done."}}"#,
        r#"{"type":"step_finish","sessionID":"ses_a","part":{"reason":"stop"}}"#,
    ] {
        output.line(&out(line), &mut events);
    }
    let conclusion = output.conclude(&Exit { code: Some(0), cause: "exited".into(), ..Exit::default() });
    assert!(matches!(conclusion.outcome, Outcome::Completed), "{:?}", conclusion.outcome);
    assert_eq!((conclusion.answer.as_str(), conclusion.session.as_deref()), ("Done.", Some("ses_a")));
}

#[test]
fn another_conversation_than_the_one_to_go_on_with_is_never_adopted() {
    let (mut output, mut events) = (Output::new(None, Some("ses_old".into())), vec![]);
    output.line(&out(r#"{"type":"step_start","sessionID":"ses_new","part":{}}"#), &mut events);
    let conclusion = output.conclude(&Exit { code: Some(0), cause: "exited".into(), ..Exit::default() });
    assert!(matches!(conclusion.outcome, Outcome::SessionLost), "{:?}", conclusion.outcome);
    assert_eq!(conclusion.session, None);
    let conclusion = Output::new(None, Some("ses_old".into())).conclude(&Exit::default());
    assert_eq!(conclusion.session.as_deref(), Some("ses_old"), "it did not get to it");
}
