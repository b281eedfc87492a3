//! What each end means: texts as Gemini CLI and Google write them.

use super::*;

fn exit(code: i32) -> Exit {
    Exit { code: Some(code), cause: "exited".into(), ..Exit::default() }
}

fn begun(result: Option<Ended>) -> Seen {
    Seen { begun: true, worked: true, answer: "I look.".into(), result, ..Seen::default() }
}

#[track_caller]
fn check(seen: &Seen, exit: &Exit, outcome: &str, answer: &str) {
    let (judged, said) = verdict(seen, false, exit);
    assert_eq!((format!("{judged:?}").as_str(), said.as_str()), (outcome, answer));
}

#[track_caller]
fn check_failure(kind: &str, message: &str, outcome: &str) {
    let result = Ended::Badly { kind: kind.into(), message: readable(message) };
    let seen = Seen { begun: true, result: Some(result), ..Seen::default() };
    assert_eq!(format!("{:?}", verdict(&seen, false, &exit(0)).0), outcome, "{message}");
}

#[test]
fn an_error_in_the_last_line_counts_whatever_the_exit_code_is() {
    let api = |code: u16, text: &str| format!(r#"[API Error: {{"error":{{"code":{code},"message":"{text}"}}}}]"#);
    check_failure("unknown", &api(401, "invalid x-api-key"), "Outcome::Unauthorized");
    check_failure("unknown", &api(403, "no"), "Outcome::Unauthorized");
    check_failure("unknown", &api(429, "slow down"), "Outcome::RateLimited(None)");
    check_failure("unknown", &api(503, "The model is overloaded."), "Outcome::Unreachable");
    check_failure("unknown", &api(404, "models/x is not found"), "Outcome::Misconfigured");
    check_failure("unknown", &api(400, "API key not valid. Please pass a valid API key."), "Outcome::Unauthorized");
    check_failure("unknown", &api(400, "The input token count exceeds the maximum"), "Outcome::SessionBroken");
    check_failure("unknown", &api(400, "agentd: budget: this run may use 5.00 USD"), "Outcome::Budget");
    check_failure("unknown", &api(400, "something else"), "Outcome::Failed");
    check_failure("FatalTurnLimitedError", "Reached max session turns", "Outcome::TurnLimit");
    check_failure("unknown", "fetch failed", "Outcome::Unreachable");
    check_failure("unknown", "You have exhausted your quota", "Outcome::RateLimited(None)");
    check_failure("unknown", "", "Outcome::Failed");
}

#[test]
fn a_request_that_is_refused_breaks_the_conversation_that_it_is_in() {
    let seen = begun(Some(Ended::Badly { kind: "unknown".into(), message: "bad (status 400)".into() }));
    check(&seen, &exit(144), "Outcome::SessionBroken", "bad (status 400)");
    assert!(!may_go_on(&Outcome::SessionBroken) && !may_go_on(&Outcome::SessionLost) && may_go_on(&Outcome::Failed));
}

#[test]
fn success_needs_the_last_line_an_exit_code_of_0_and_something_done() {
    let well = || Some(Ended::Well);
    check(&begun(well()), &exit(0), "Outcome::Completed", "I look.");
    check(
        &begun(well()),
        &exit(1),
        "Outcome::Failed",
        "Gemini CLI ended with exit code 1 after it said that all was well:\nI look.",
    );
    let silent = Seen { begun: true, result: well(), ..Seen::default() };
    let nothing = "The model answered nothing and did nothing; it may have declined to.";
    check(&silent, &exit(0), "Outcome::Empty", nothing);
    // It ends like this after a SIGTERM that nobody here sent.
    check(
        &begun(None),
        &exit(0),
        "Outcome::Failed",
        "Gemini CLI ended with exit code 0 in the middle of its work:\nI look.",
    );
    let nothing = "Gemini CLI ended with exit code 0, and did not begin, and said nothing.";
    check(&Seen::default(), &exit(0), "Outcome::Empty", nothing);
}

#[test]
fn without_a_last_line_the_exit_code_tells() {
    let check = |code: i32, stderr: &str, outcome: &str| {
        let seen = Seen { stderr: stderr.into(), ..Seen::default() };
        let said = if stderr.is_empty() { ", and said nothing.".into() } else { format!(":\n{stderr}") };
        check(&seen, &exit(code), outcome, &format!("Gemini CLI ended with exit code {code} before it began{said}"));
    };
    check(42, "Error resuming session: Invalid session identifier \"1\".", "Outcome::SessionLost");
    check(42, "No input provided via stdin.", "Outcome::Misconfigured");
    check(41, "Invalid auth method selected.", "Outcome::Misconfigured");
    check(53, "", "Outcome::TurnLimit");
    check(145, "", "Outcome::Unauthorized");
    check(173, "", "Outcome::RateLimited(None)");
    check(247, "", "Outcome::Unreachable");
    check(144, "", "Outcome::Failed");
    check(130, "", "Outcome::Interrupted");
    check(127, "gemini: not found", "Outcome::Failed");
}

#[test]
fn other_ends_have_their_own_outcome() {
    let check = |cause: &str, outcome: &str, answer: &str| {
        check(&begun(None), &Exit { code: Some(137), cause: cause.into(), ..Exit::default() }, outcome, answer);
    };
    check("stopped", "Outcome::Interrupted", "I look.");
    check("interrupted", "Outcome::Interrupted", "I look.");
    check("budget", "Outcome::Budget", "I look.");
    check("timeout", "Outcome::Failed", "Gemini CLI took too long:\nI look.");
    check("idle", "Outcome::Failed", "Gemini CLI said nothing for too long:\nI look.");
    check("tool-timeout", "Outcome::Failed", "Gemini CLI was ended (tool-timeout):\nI look.");
}
