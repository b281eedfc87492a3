//! Ends of runs, and what they are taken for.

use super::*;
use crate::stream::Began;
use agentd_sdk::agent::Line;

const SESSION: &str = "11111111-1111-4111-8111-111111111111";

/// A run: its lines, and how it ended.
struct Case {
    resumed: bool,
    sandboxed: bool,
    lines: Vec<String>,
    exit: Exit,
}

fn exit(code: i32) -> Exit {
    Exit { code: Some(code), cause: "exited".into(), ..Exit::default() }
}

fn case(code: i32, lines: &[&str]) -> Case {
    let lines = lines.iter().map(|it| (*it).to_owned()).collect();
    Case { resumed: false, sandboxed: true, lines, exit: exit(code) }
}

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"11111111-1111-4111-8111-111111111111","permissionMode":"bypassPermissions"}"#;
const SAID: &str = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"I did it."}]}}"#;
const DONE: &str =
    r#"{"type":"result","subtype":"success","is_error":false,"result":"Done.","terminal_reason":"completed"}"#;

/// A result with an error of the API.
fn error(fields: &str, text: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(
        r#"{{"type":"result","subtype":"success","is_error":true,"terminal_reason":"api_error","result":{text}{fields}}}"#
    )
}

fn concluded(case: &Case) -> Conclusion {
    let began = Began { session: SESSION.into(), resumed: case.resumed, sandboxed: case.sandboxed };
    let (mut stream, mut events) = (Stream::new(began), vec![]);
    for text in &case.lines {
        stream.line(&Line { text: text.clone(), ..Line::default() }, &mut events);
    }
    stream.end(&mut events);
    conclusion(&stream, &case.exit, vec![])
}

#[track_caller]
fn check(case: &Case, outcome: &str, answer: &str, keeps_session: bool) {
    let conclusion = concluded(case);
    assert_eq!((format!("{:?}", conclusion.outcome).as_str(), conclusion.answer.as_str()), (outcome, answer));
    assert_eq!(conclusion.session.as_deref(), keeps_session.then_some(SESSION));
}

#[test]
fn success_is_an_exit_code_of_0_and_a_good_last_result() {
    check(&case(0, &[INIT, SAID, DONE]), "Outcome::Completed", "Done.", true);
    let bad = error(r#","api_error_status":500"#, "API Error: 500");
    check(&case(0, &[INIT, &bad, DONE]), "Outcome::Completed", "Done.", true);
    check(&case(1, &[INIT, DONE, &bad]), "Outcome::Unreachable", "API Error: 500", true);
    let killed = "Claude Code was done, and was ended by signal 9:\nI did it.";
    check(&case(137, &[INIT, SAID, DONE]), "Outcome::Failed", killed, true);
    let finished = Exit { cause: "finished".into(), ..exit(143) };
    check(&Case { exit: finished, ..case(0, &[INIT, DONE]) }, "Outcome::Completed", "Done.", true);
}

#[test]
fn the_answer_is_the_results_or_what_was_said_last() {
    let empty = DONE.replace("Done.", "");
    check(&case(0, &[INIT, SAID, &empty]), "Outcome::Completed", "I did it.", true);
    check(&case(0, &[INIT, DONE, SAID]), "Outcome::Completed", "Done.", true);
    let call = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t","name":"Write","input":{}}]}}"#;
    check(&case(0, &[INIT, call, &empty]), "Outcome::Completed", "", true);
    let long = concluded(&case(0, &[&DONE.replace("Done.", &"ж".repeat(100_000))])).answer;
    assert_eq!(long.len(), ANSWER_BYTES + "… (cut)".len());
}

#[test]
fn silence_is_no_success() {
    let silent = "Claude Code ended well and said nothing.";
    check(&case(0, &[]), "Outcome::Empty", silent, false);
    check(&case(0, &[INIT, &DONE.replace("Done.", "")]), "Outcome::Empty", silent, true);
    check(
        &case(0, &[INIT, SAID]),
        "Outcome::Failed",
        "Claude Code ended with exit code 0, without a result:\nI did it.",
        true,
    );
}

#[track_caller]
fn check_error(fields: &str, text: &str, outcome: &str) {
    let lines = [INIT, SAID, &error(fields, text)];
    assert_eq!(format!("{:?}", concluded(&case(1, &lines)).outcome), outcome, "{fields} {text}");
}

#[test]
fn errors_of_the_api_have_their_own_outcomes() {
    let status = |status: u16| format!(r#","api_error_status":{status}"#);
    for (code, outcome) in [
        (400, "Outcome::SessionBroken"),
        (401, "Outcome::Unauthorized"),
        (402, "Outcome::Unauthorized"),
        (403, "Outcome::Unauthorized"),
        (404, "Outcome::Misconfigured"),
        (408, "Outcome::Unreachable"),
        (413, "Outcome::SessionBroken"),
        (418, "Outcome::Failed"),
        (429, "Outcome::RateLimited(None)"),
        (500, "Outcome::Unreachable"),
        (529, "Outcome::Unreachable"),
    ] {
        check_error(&status(code), "API Error", outcome);
    }
    check_error(&status(403), "API Error: 403 agentd: budget: this run may cost 5 USD", "Outcome::Budget");
    check_error(&status(429), "API Error: 429 agentd: budget: the day's", "Outcome::Budget");
    check_error(
        &status(400),
        "API Error: 400 You have reached your specified API usage limits",
        "Outcome::RateLimited(None)",
    );
    check_error(&status(400), "Your credit balance is too low", "Outcome::Unauthorized");
}

#[test]
fn errors_without_a_status_are_told_by_their_words() {
    check_error(r#","api_error":"connection_failed""#, "API Error", "Outcome::Unreachable");
    check_error(r#","api_error":"max_output_tokens""#, "API Error", "Outcome::Other(\"max-tokens\")");
    check_error(r#","api_error":"usage_limit_reached""#, "limit", "Outcome::RateLimited(None)");
    check_error(r#","api_error_status":null"#, "API Error: Request timed out.", "Outcome::Unreachable");
    check_error(r#","api_error_status":null"#, "Unable to connect to API (ECONNREFUSED)", "Outcome::Unreachable");
    check_error(r#","stop_reason":"refusal""#, "API Error: flagged", "Outcome::Refused");
    check_error("", "Prompt is too long", "Outcome::SessionBroken");
    check_error("", "There's an issue with the selected model (x).", "Outcome::Misconfigured");
    check_error("", "Invalid API key · Fix external API key", "Outcome::Unauthorized");
    check_error("", "something new", "Outcome::Failed");
}

#[test]
fn the_message_before_the_result_says_more() {
    let message = r#"{"type":"assistant","error":"KIND","is_api_error_message":true,"message":{"model":"<synthetic>","content":[{"type":"text","text":"t"}]}}"#;
    for (kind, outcome) in [
        ("authentication_failed", "Outcome::Unauthorized"),
        ("billing_error", "Outcome::Unauthorized"),
        ("rate_limit", "Outcome::RateLimited(None)"),
        ("model_not_found", "Outcome::Misconfigured"),
        ("overloaded", "Outcome::Unreachable"),
        ("unknown", "Outcome::Failed"),
    ] {
        let case = case(1, &[INIT, &message.replace("KIND", kind), &error("", "t")]);
        assert_eq!(format!("{:?}", concluded(&case).outcome), outcome, "{kind}");
    }
}

#[test]
fn a_limit_says_when_it_ends() {
    let window = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795152790}}"#;
    let limited = error(r#","api_error_status":429"#, "limit");
    check(&case(1, &[INIT, window, &limited]), "Outcome::RateLimited(Some(1795152790000))", "limit", true);
    let open = window.replace("rejected", "allowed");
    check(&case(1, &[INIT, window, &open, &limited]), "Outcome::RateLimited(None)", "limit", true);
}

#[test]
fn a_refusal_of_what_is_said_breaks_the_conversation_and_of_a_new_one_the_installation() {
    let refused = error(r#","api_error_status":400"#, "API Error: 400 bad");
    let fresh = case(1, &[INIT, &refused]);
    check(&fresh, "Outcome::Misconfigured", "API Error: 400 bad", true);
    check(&Case { resumed: true, ..fresh }, "Outcome::SessionBroken", "API Error: 400 bad", false);
    check(&case(1, &[INIT, SAID, &refused]), "Outcome::SessionBroken", "API Error: 400 bad", false);
}

#[test]
fn limits_and_interruptions_are_what_they_say() {
    let result = |subtype: &str, reason: &str| {
        format!(
            r#"{{"type":"result","subtype":"{subtype}","is_error":true,"terminal_reason":"{reason}","errors":["why"]}}"#
        )
    };
    check(&case(1, &[INIT, &result("error_max_turns", "max_turns")]), "Outcome::TurnLimit", "why", true);
    check(&case(1, &[INIT, &result("error_max_budget_usd", "budget_exhausted")]), "Outcome::Budget", "why", true);
    let interrupted = "Claude Code was interrupted.";
    for reason in ["aborted_streaming", "aborted_tools"] {
        check(&case(0, &[INIT, &result("error_during_execution", reason)]), "Outcome::Interrupted", interrupted, true);
    }
    check(&case(1, &[INIT, &result("error_during_execution", "")]), "Outcome::Failed", "why", true);
}

#[test]
fn a_conversation_that_is_not_there_is_lost_and_no_other_one_is_taken() {
    let result = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"session_id":"new","errors":["No conversation found with session ID: x"]}"#;
    let text = "No conversation found with session ID: x";
    check(&Case { resumed: true, ..case(1, &[result]) }, "Outcome::SessionLost", text, false);
    let stderr = Exit { stderr: text.into(), ..exit(1) };
    let silent = Case { resumed: true, exit: stderr, ..case(1, &[]) };
    assert!(matches!(concluded(&silent).outcome, Outcome::SessionLost));
    // Some versions begin a new one, and fail.
    let other = INIT.replace(SESSION, "99999999-9999-4999-8999-999999999999");
    let strayed = Case { resumed: true, ..case(1, &[&other]) };
    assert!(matches!(concluded(&strayed).outcome, Outcome::SessionLost));
    assert_eq!(concluded(&Case { resumed: true, ..case(0, &[&other, DONE]) }).session.as_deref(), Some(SESSION));
    assert_eq!(concluded(&case(0, &[&other, DONE])).session, None, "a new one has the id that agentd chose, or none");
}

#[track_caller]
fn check_stderr(code: i32, stderr: &str, outcome: &str) {
    let case = Case { exit: Exit { stderr: stderr.into(), ..exit(code) }, ..case(code, &[]) };
    let conclusion = concluded(&case);
    assert_eq!(format!("{:?}", conclusion.outcome), outcome, "{stderr}");
    assert!(conclusion.answer.contains(stderr) && conclusion.session.is_none(), "{}", conclusion.answer);
}

#[test]
fn without_any_event_standard_error_says_why() {
    let root = "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons";
    check_stderr(1, root, "Outcome::Misconfigured");
    check_stderr(1, "error: unknown option '--no-such-flag'", "Outcome::Misconfigured");
    check_stderr(1, "Error: Session ID x is already in use.", "Outcome::SessionLost");
    check_stderr(1, "panic: out of ideas", "Outcome::Failed");
    check_stderr(127, "claude: not found", "Outcome::Failed");
    check_stderr(139, "Segmentation fault", "Outcome::Failed");
}

#[test]
fn refused_tools_in_a_sandbox_are_a_wrong_installation_unless_a_rule_refused_them() {
    let denials =
        r#","permission_denials":[{"tool_name":"Bash","tool_use_id":"a"},{"tool_name":"Bash","tool_use_id":"b"}]}"#;
    let denied = format!("{}{denials}", DONE.trim_end_matches('}'));
    check(&case(0, &[INIT, SAID, &denied]), "Outcome::Completed", "Done.", true);
    let asks = INIT.replace("bypassPermissions", "default");
    let conclusion = concluded(&case(0, &[&asks, SAID, &denied]));
    assert!(matches!(conclusion.outcome, Outcome::Misconfigured));
    assert!(conclusion.answer.contains("2 times") && conclusion.answer.contains("`default`"), "{}", conclusion.answer);
    let outside = Case { sandboxed: false, ..case(0, &[&asks, SAID, &denied]) };
    check(&outside, "Outcome::Completed", "Done.", true);
}

#[test]
fn what_the_host_ended_keeps_its_last_words_and_its_conversation() {
    for (cause, outcome, text) in [
        ("stopped", "Outcome::Interrupted", "A person stopped Claude Code."),
        ("interrupted", "Outcome::Interrupted", "Claude Code was interrupted."),
        ("budget", "Outcome::Budget", "Claude Code was stopped at its budget."),
        ("timeout", "Outcome::Failed", "Claude Code took too long."),
        ("idle", "Outcome::Failed", "Claude Code said nothing for too long."),
        ("memory", "Outcome::Failed", "Claude Code used too much memory."),
        ("disk", "Outcome::Failed", "Claude Code used too much disk space."),
        ("a new word", "Outcome::Failed", "Claude Code was ended."),
    ] {
        let exit = Exit { cause: cause.into(), ..exit(137) };
        let ended = Case { exit, ..case(137, &[INIT, SAID]) };
        check(&ended, outcome, &format!("{text} Its last words:\nI did it."), true);
    }
    let unstarted = Exit { code: None, cause: "start".into(), stderr: "claude: not found".into(), ..Exit::default() };
    let text = "Claude Code could not be started:\nclaude: not found";
    check(&Case { exit: unstarted, ..case(0, &[]) }, "Outcome::Misconfigured", text, false);
}
