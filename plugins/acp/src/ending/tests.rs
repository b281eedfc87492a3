//! What each end means.

use super::*;
use serde_json::json;

fn finished() -> Exit {
    Exit { code: Some(137), cause: "finished".into(), ..Exit::default() }
}

fn worked(end: Option<Ended>) -> Seen {
    Seen { end, worked: true, answer: "I look.".into(), ..Seen::default() }
}

#[track_caller]
fn check(seen: &Seen, exit: &Exit, outcome: &str, answer: &str) {
    let (judged, said) = verdict(seen, exit);
    assert_eq!((format!("{judged:?}").as_str(), said.as_str()), (outcome, answer));
}

#[test]
fn the_answer_to_the_prompt_counts_and_the_exit_code_does_not() {
    let check = |reason: &str, outcome: &str, answer: &str| {
        check(&worked(Some(Ended::Stopped(reason.into()))), &finished(), outcome, answer);
    };
    check("end_turn", "Outcome::Completed", "I look.");
    check("max_tokens", "Outcome::Other(\"max-tokens\")", "I look.");
    check("max_turn_requests", "Outcome::TurnLimit", "I look.");
    check("refusal", "Outcome::Refused", "I look.");
    check("cancelled", "Outcome::Interrupted", "I look.");
    check("new", "Outcome::Failed", "the agent stopped for a reason that is not known (\"new\")");
    let silent = Seen { end: Some(Ended::Stopped("end_turn".into())), ..Seen::default() };
    let nothing = "The model answered nothing and did nothing; it may have declined to.";
    super::tests::check(&silent, &finished(), "Outcome::Empty", nothing);
}

#[test]
fn an_error_tells_its_class() {
    #[track_caller]
    fn check(to: &'static str, code: i64, message: &str, outcome: &str) {
        let end = Ended::Refused { to, code, message: message.into() };
        super::tests::check(&worked(Some(end)), &finished(), outcome, message);
    }
    check("session/prompt", -32000, "Authentication required", "Outcome::Unauthorized");
    check("session/prompt", 401, "no", "Outcome::Unauthorized");
    check("session/prompt", 429, "slow down", "Outcome::RateLimited(None)");
    check("session/prompt", 503, "busy", "Outcome::Unreachable");
    check("session/prompt", -32603, "Internal error: agentd: budget: used up", "Outcome::Budget");
    check("session/prompt", -32603, "Internal error: prompt is too long", "Outcome::SessionBroken");
    check("session/prompt", -32603, "Internal error", "Outcome::Failed");
    check("initialize", 0, "it speaks version 2", "Outcome::Misconfigured");
    check("session/new", -32603, "fetch failed", "Outcome::Unreachable");
    super::tests::check(&worked(Some(Ended::Lost("gone".into()))), &finished(), "Outcome::SessionLost", "gone");
}

#[test]
fn a_failure_behind_an_answer_that_looks_well_is_seen() {
    let result = json!({"stopReason": "end_turn", "_meta": {"codex": {"threadStatus": {"type": "systemError"}}}});
    assert_eq!(hidden_failure(&result).as_deref(), Some("the agent could not get an answer of its model"));
    assert_eq!(hidden_failure(&json!({"stopReason": "end_turn", "_meta": {}})), None);
}

#[test]
fn words_of_an_error_are_those_that_a_person_can_use() {
    assert_eq!(
        words(&json!({"message": "Internal error", "data": {"details": "No session."}})),
        "Internal error: No session."
    );
    assert_eq!(words(&json!({"message": "{\"error\":{\"message\":\"slow\"}}"})), "slow");
    assert_eq!(words(&json!({"message": "a: b", "data": "b"})), "a: b");
    assert_eq!(words(&json!(null)), "an error without words");
}

#[test]
fn without_an_answer_the_exit_tells() {
    let exit = |code: i32| Exit { code: Some(code), cause: "exited".into(), ..Exit::default() };
    let words = |code: i32| format!("the agent ended with exit code {code} and did not answer:\nI look.");
    check(&worked(None), &exit(0), "Outcome::Failed", &words(0));
    check(&worked(None), &exit(130), "Outcome::Interrupted", &words(130));
    let nothing = "the agent ended with exit code 0 and did not answer, and said nothing.";
    check(&Seen::default(), &exit(0), "Outcome::Empty", nothing);
    let stderr = Exit { stderr: "agent: not found".into(), ..exit(127) };
    check(
        &Seen::default(),
        &stderr,
        "Outcome::Failed",
        "the agent ended with exit code 127 and did not answer:\nagent: not found",
    );
    let stopped = Exit { cause: "stopped".into(), ..exit(137) };
    check(&worked(None), &stopped, "Outcome::Interrupted", "I look.");
}
