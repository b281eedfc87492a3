//! What lines become, one hazard after the other.

use super::*;
use crate::tests::shown;

const SESSION: &str = "11111111-1111-4111-8111-111111111111";

fn stream() -> Stream {
    Stream::new(Began { session: SESSION.into(), resumed: false, sandboxed: true })
}

fn out(text: &str) -> Line {
    Line { text: text.into(), ..Line::default() }
}

fn read(lines: &[Line]) -> (Stream, Vec<String>) {
    let (mut stream, mut events) = (stream(), vec![]);
    lines.iter().for_each(|line| stream.line(line, &mut events));
    stream.end(&mut events);
    let events = events.iter().map(shown).collect();
    (stream, events)
}

#[track_caller]
fn check(lines: &[&str], expected: &[&str]) {
    let lines: Vec<Line> = lines.iter().map(|it| out(it)).collect();
    assert_eq!(read(&lines).1, expected);
}

fn says(text: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":{text}}}]}}}}"#)
}

const LIMIT: &str = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","resetsAt":1795152790}}"#;
const WINDOW: &str = r#"window "" open, resets at 1795152790000"#;

#[test]
fn a_window_event_inside_another_event_leaves_both() {
    let whole = says("first half, second half");
    for at in 0..=whole.len() {
        // Its own end of line breaks the outer event's line in two.
        let lines = [format!("{}{LIMIT}", &whole[..at]), whole[at..].to_owned()];
        let mut expected = vec![WINDOW, "says first half, second half"];
        if at == whole.len() {
            expected.reverse();
        }
        check(&lines.each_ref().map(String::as_str), &expected);
    }
}

#[test]
fn or_stands_in_the_middle_of_one_line() {
    let whole = says("first half, second half");
    for at in 1..whole.len() {
        // In an empty place of a list, it is one more block, and nobody can tell.
        if whole[..at].ends_with('[') || whole[at..].starts_with(']') {
            continue;
        }
        check(&[&format!("{}{LIMIT}{}", &whole[..at], &whole[at..])], &[WINDOW, "says first half, second half"]);
    }
}

#[test]
fn several_objects_on_a_line_are_several_events() {
    check(&[&format!("{}{LIMIT} {}", says("a"), says("b"))], &["says a", WINDOW, "says b"]);
}

#[test]
fn other_lines_are_kept_as_notes() {
    check(&["Warning: no input in 3s", "", "[1, 2]"], &["note output: Warning: no input in 3s", "note output: [1, 2]"]);
    check(&[r#"{"level":"debug"}"#], &[r#"note output: {"level":"debug"}"#]);
    check(&[r#"{"type":"news","n":1}"#], &[r#"note news: {"n":1,"type":"news"}"#]);
    check(
        &[r#"{"type":"system","subtype":"hook_started"}"#],
        &[r#"note hook_started: {"subtype":"hook_started","type":"system"}"#],
    );
    check(&[r#"{"type":"assistant"}"#, r#"{"type":"user","message":7}"#, r#"{"type":"result","usage":[]}"#], &[]);
}

#[test]
fn standard_error_is_told_as_warnings() {
    let line = Line { stderr: true, ..out("\u{1b}[33mcareful\u{1b}[0m") };
    assert_eq!(read(&[line, Line { stderr: true, ..out(" ") }]).1, ["warning stderr: careful"]);
}

#[test]
fn colours_nul_and_broken_letters_do_no_harm() {
    check(&[&format!("\u{1b}[1m{}\u{1b}[0m", says("x"))], &["says x"]);
    check(&[&says("ab").replace("ab", "a\0b")], &["says ab"]);
    check(&[&format!("\0\0{}", says("x"))], &["says x"]);
    check(&[&says("a\u{fffd}b")], &["says a\u{fffd}b"]);
    check(&[&format!("\u{feff}{}", says("x"))], &["says x"]);
}

#[test]
fn the_order_of_keys_does_not_matter() {
    check(
        &[r#"{"message":{"content":[{"text":"x","type":"text"}]},"parent_tool_use_id":null,"type":"assistant"}"#],
        &["says x"],
    );
}

#[test]
fn a_line_that_was_cut_gives_what_there_is_of_it() {
    let whole = says(&"x".repeat(100));
    let line = Line { cut: true, ..out(&whole[..whole.len() - 50]) };
    assert_eq!(read(&[line, out(&says("next"))]).1, [format!("says {}", "x".repeat(55)), "says next".into()]);
    let line = Line { cut: true, ..out(r#"{"type":"result","subtype":"success","is_error":false,"result":"do"#) };
    assert!(read(&[line]).0.heard.result.is_none(), "half a result is none");
}

#[test]
fn output_that_ends_in_the_middle_gives_what_there_is_of_it() {
    check(&[&says("begun, never ended")[..67]], &["says be"]);
    check(&[&says("begun")[..50]], &[]);
    check(&[r#"{"type":"assistant","mess"#], &[]);
    check(&[r#"{"typ"#], &[r#"note output: {"typ"#]);
}

#[test]
fn lines_of_ten_megabytes_are_read_and_cut() {
    let big = "ж".repeat(5 << 20);
    let (stream, events) = read(&[out(&says(&big)), out(&says("next"))]);
    assert_eq!((events[0].len(), events[1].as_str()), ("says ".len() + (256 << 10) + "… (cut)".len(), "says next"));
    assert_eq!(stream.heard.said, "next");
    let (_, events) = read(&[out(&big)]);
    assert!(events[0].starts_with("note output: жж") && events[0].len() < 300_000);
}

#[test]
fn an_event_that_comes_twice_is_told_once() {
    let line = r#"{"type":"assistant","uuid":"u-1","message":{"id":"m","content":[{"type":"text","text":"x"}]}}"#;
    check(&[line, line, &line.replace("u-1", "u-2")], &["says x", "says x"]);
    let call = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t","name":"Bash","input":{}}]}}"#;
    check(&[call, call], &["calls t Bash {}"]);
}

#[test]
fn what_tools_answer_is_text() {
    let answer = |content: &str| {
        format!(
            r#"{{"type":"user","message":{{"content":[{{"type":"tool_result","tool_use_id":"t","content":{content}}}]}}}}"#
        )
    };
    check(&[&answer(r#""plain""#)], &["t ok: plain"]);
    check(&[&answer("null")], &["t ok: "]);
    check(&[&answer(r#"[{"type":"text","text":"a"},{"type":"image","source":{}},"b"]"#)], &["t ok: a\n[image]\nb"]);
    check(&[&answer(r#""no","is_error":true"#)], &["t failed: no"]);
}

#[test]
fn a_sub_agents_words_are_its_own() {
    let line = says("from below").replacen('{', r#"{"parent_tool_use_id":"toolu_1","#, 1);
    let (stream, events) = read(&[out(&says("from above")), out(&line)]);
    assert_eq!(events, ["says from above", "[toolu_1] says from below"]);
    assert_eq!(stream.heard.said, "from above");
}

#[test]
fn thinking_is_told_and_is_no_answer() {
    let line = r#"{"type":"assistant","message":{"content":[{"type":"thinking","thinking":"hm"},{"type":"redacted_thinking","data":"x"}]}}"#;
    let (stream, events) = read(&[out(line)]);
    assert_eq!((events, stream.heard.answered), (vec!["thinks hm".to_owned()], false));
}

#[test]
fn a_question_that_nobody_can_answer_is_shown() {
    let line = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t","name":"AskUserQuestion","input":{"q":1}}]}}"#;
    check(&[line], &[r#"warning question: {"q":1}"#, r#"calls t AskUserQuestion {"q":1}"#]);
}

#[track_caller]
fn check_window(info: &str, expected: &str, resets_at: Option<u64>) {
    let (stream, events) = read(&[out(&format!(r#"{{"type":"rate_limit_event","rate_limit_info":{info}}}"#))]);
    assert_eq!((events, stream.heard.resets_at), (vec![expected.to_owned()], resets_at));
}

#[test]
fn only_a_rejected_window_is_used_up() {
    check_window(
        r#"{"status":"allowed_warning","resetsAt":1795152790,"rateLimitType":"five_hour"}"#,
        r#"window "five_hour" open, resets at 1795152790000"#,
        None,
    );
    check_window(
        r#"{"status":"rejected","resetsAt":1795152790,"rateLimitType":"seven_day"}"#,
        r#"window "seven_day" used up, resets at 1795152790000"#,
        Some(1_795_152_790_000),
    );
    check_window(
        r#"{"status":"rejected","isUsingOverage":true,"resetsAt":1795152790}"#,
        r#"window "" open, resets at 1795152790000"#,
        None,
    );
    check_window(r#"{"status":"rejected","resetsAt":"soon"}"#, r#"window "" used up"#, None);
}

#[test]
fn a_server_that_is_down_is_told_once() {
    let init = format!(
        r#"{{"type":"system","subtype":"init","session_id":"{SESSION}","model":"m","mcp_servers":[{{"name":"a","status":"failed"}},{{"name":"b","status":"connected"}}]}}"#
    );
    check(
        &[&init, &init],
        &[
            "started Some(\"11111111-1111-4111-8111-111111111111\") Some(\"m\") None",
            "warning mcp-failed: the MCP server a cannot be used: failed",
        ],
    );
}

#[test]
fn a_conversation_that_nobody_asked_for_is_not_named() {
    check(&[r#"{"type":"system","subtype":"init","session_id":"another"}"#], &["started None None None"]);
}

#[test]
fn usage_is_added_over_results_or_taken_from_the_last() {
    let result = |field: &str, tokens: u64, cost: f64| {
        format!(r#"{{"type":"result","{field}":{{"m":{{"inputTokens":{tokens},"outputTokens":1,"costUSD":{cost}}}}}}}"#)
    };
    let since = |tokens, cost| result("model_usage_since_last_result", tokens, cost);
    check(&[&since(10, 0.5), &since(5, 0.25)], &["used m in 10 out 1 $500000", "used m in 15 out 2 $750000"]);
    let total = |tokens, cost| result("modelUsage", tokens, cost);
    check(&[&total(10, 0.5), &total(15, 0.75)], &["used m in 10 out 1 $500000", "used m in 15 out 1 $750000"]);
    check(&[&total(10, 0.5), &total(10, 0.5)], &["used m in 10 out 1 $500000"]);
    check(
        &[r#"{"type":"result","modelUsage":{"m":{"inputTokens":-1,"outputTokens":1e30,"costUSD":"x"}}}"#],
        &["used m in 0 out 0"],
    );
}

#[test]
fn turns_are_those_of_all_results() {
    let (stream, _) = read(&[
        out(r#"{"type":"result","num_turns":2}"#),
        out(says("after").as_str()),
        out(r#"{"type":"result","num_turns":1}"#),
    ]);
    assert_eq!(stream.heard.turns, 3);
}
