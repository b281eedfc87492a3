//! What each end means: texts as Codex and providers write them.

use super::*;

fn exit(code: i32) -> Exit {
    Exit { code: Some(code), cause: "exited".into(), ..Exit::default() }
}

/// A run that has begun, and said something.
fn begun() -> Seen {
    Seen { turn: Turn::Begun, answer: "I look.".into(), worked: true, ..Seen::default() }
}

#[track_caller]
fn check(seen: &Seen, exit: &Exit, outcome: &str, answer: &str) {
    let (judged, said) = verdict(seen, false, exit);
    assert_eq!((format!("{judged:?}").as_str(), said.as_str()), (outcome, answer));
}

#[track_caller]
fn check_failure(message: &str, outcome: &str) {
    let seen = Seen { turn: Turn::Failed(message.into()), ..Seen::default() };
    assert_eq!(format!("{:?}", verdict(&seen, false, &exit(1)).0), outcome, "{message}");
}

#[test]
fn the_text_of_a_failure_tells_its_class() {
    let limited = "Outcome::RateLimited(None)";
    check_failure(
        "unexpected status 401 Unauthorized: no, url: http://127.0.0.1:1/m/responses",
        "Outcome::Unauthorized",
    );
    check_failure("Incorrect API key provided: sk-…", "Outcome::Unauthorized");
    check_failure("Your access token could not be refreshed", "Outcome::Unauthorized");
    check_failure("exceeded retry limit, last status: 429 Too Many Requests", limited);
    check_failure("unexpected status 429 Too Many Requests: slow down", limited);
    check_failure("Quota exceeded. Check your plan and billing details.", limited);
    check_failure("You've hit your usage limit.", limited);
    check_failure("unexpected status 502 Bad Gateway: agentd: the provider cannot be reached", "Outcome::Unreachable");
    check_failure("unexpected status 408 Request Timeout: x", "Outcome::Unreachable");
    check_failure("stream disconnected before completion: idle timeout waiting for SSE", "Outcome::Unreachable");
    check_failure("The server had an error: internal server error", "Outcome::Unreachable");
    check_failure("unexpected status 404 Not Found: x", "Outcome::Misconfigured");
    check_failure("The model `x` does not exist or you do not have access to it.", "Outcome::Misconfigured");
    check_failure("{\"error\":{\"message\":\"no\",\"code\":\"unsupported_value\"}}", "Outcome::Misconfigured");
    check_failure("Missing environment variable: `AGENTD_MODEL_TOKEN`.", "Outcome::Misconfigured");
    check_failure("{\"error\":{\"code\":\"context_length_exceeded\"}}", "Outcome::SessionBroken");
    check_failure("{\"error\":{\"message\":\"agentd: budget: this run may use 5.00 USD\"}}", "Outcome::Budget");
    check_failure("Incomplete response returned, reason: max_output_tokens", "Outcome::Other(\"max-tokens\")");
    check_failure("something new", "Outcome::Failed");
    check_failure("", "Outcome::Failed");
}

#[test]
fn a_status_counts_more_than_words_beside_it() {
    check_failure("unexpected status 500 Internal Server Error: quota service", "Outcome::Unreachable");
    check_failure("unexpected status 401 Unauthorized: rate limit", "Outcome::Unauthorized");
    check_failure("the status of this is 200 and more", "Outcome::Failed");
}

#[test]
fn a_request_that_is_refused_breaks_the_conversation_that_it_is_in() {
    let message = "{\"error\":{\"message\":\"bad item\",\"type\":\"invalid_request_error\"}}";
    let seen = |worked| Seen { turn: Turn::Failed(message.into()), worked, ..Seen::default() };
    check(&seen(true), &exit(1), "Outcome::SessionBroken", "bad item");
    check(&seen(false), &exit(1), "Outcome::Failed", "bad item");
    assert!(matches!(verdict(&seen(false), true, &exit(1)).0, Outcome::SessionBroken));
    assert!(!may_go_on(&Outcome::SessionBroken) && !may_go_on(&Outcome::SessionLost) && may_go_on(&Outcome::Failed));
}

#[test]
fn success_needs_a_completed_turn_an_exit_code_of_0_and_something_done() {
    let seen = || Seen { turn: Turn::Completed, ..begun() };
    check(&seen(), &exit(0), "Outcome::Completed", "I look.");
    check(&Seen { answer: String::new(), ..seen() }, &exit(0), "Outcome::Completed", "");
    check(&seen(), &exit(1), "Outcome::Failed", "Codex ended with exit code 1:\nI look.");
    let silent = || Seen { turn: Turn::Completed, ..Seen::default() };
    let nothing = "The model answered nothing and did nothing; it may have declined to.";
    check(&silent(), &exit(0), "Outcome::Empty", nothing);
    let declined = "The model declined: it wrote nothing that Codex would show.";
    check(&Seen { unshown: true, ..silent() }, &exit(0), "Outcome::Refused", declined);
    let toolless = Seen { toolless: Some("no tools".into()), answer: "Done.".into(), ..silent() };
    check(&toolless, &exit(0), "Outcome::Misconfigured", "no tools");
    check(
        &Seen::default(),
        &exit(0),
        "Outcome::Empty",
        "Codex ended with exit code 0, and did not begin, and said nothing.",
    );
}

#[test]
fn an_end_before_the_beginning_is_told_on_standard_error() {
    let check = |code: i32, stderr: &str, outcome: &str| {
        let seen = Seen { stderr: stderr.into(), ..Seen::default() };
        check(&seen, &exit(code), outcome, &format!("Codex ended with exit code {code} before it began:\n{stderr}"));
    };
    let lost = "Error: thread/resume: thread/resume failed: no rollout found for thread id 01a1 (code -32600)";
    check(1, lost, "Outcome::SessionLost");
    check(1, "Error: thread/resume: thread/resume failed: rollout at x is empty (code -32603)", "Outcome::SessionLost");
    check(2, "error: unexpected argument '--nonsense' found", "Outcome::Misconfigured");
    check(1, "Error loading config.toml:\nconfig.toml:1:18: string values must be quoted", "Outcome::Misconfigured");
    check(1, "Error: Model provider `nope` not found", "Outcome::Misconfigured");
    check(1, "No prompt provided via stdin.", "Outcome::Misconfigured");
    check(101, "thread 'main' panicked at x", "Outcome::Failed");
    check(127, "codex: not found", "Outcome::Failed");
}

#[test]
fn an_interrupt_is_the_one_end_that_codex_does_not_explain() {
    check(&begun(), &exit(1), "Outcome::Interrupted", "I look.");
    check(&begun(), &exit(130), "Outcome::Interrupted", "I look.");
    let in_the_middle = |code| format!("Codex ended with exit code {code} in the middle of its work:\n");
    check(&begun(), &exit(143), "Outcome::Failed", &(in_the_middle(143) + "I look."));
    check(&begun(), &exit(0), "Outcome::Failed", &(in_the_middle(0) + "I look."));
    check(&Seen { faulty: true, ..begun() }, &exit(1), "Outcome::Failed", &(in_the_middle(1) + "I look."));
    let died = Seen { stderr: "Error: no space left".into(), ..begun() };
    check(&died, &exit(1), "Outcome::Failed", &(in_the_middle(1) + "Error: no space left"));
}

#[test]
fn other_ends_have_their_own_outcome() {
    let check = |cause: &str, outcome: &str, answer: &str| {
        check(&begun(), &Exit { code: Some(137), cause: cause.into(), ..Exit::default() }, outcome, answer);
    };
    check("stopped", "Outcome::Interrupted", "I look.");
    check("interrupted", "Outcome::Interrupted", "I look.");
    check("budget", "Outcome::Budget", "I look.");
    check("timeout", "Outcome::Failed", "Codex took too long:\nI look.");
    check("idle", "Outcome::Failed", "Codex said nothing for too long:\nI look.");
    check("memory", "Outcome::Failed", "Codex used too much memory:\nI look.");
    check("disk", "Outcome::Failed", "Codex used too much disk space:\nI look.");
    check("tool-timeout", "Outcome::Failed", "Codex was ended (tool-timeout):\nI look.");
    let unstarted = Exit { cause: "start".into(), stderr: "codex: not found".into(), ..Exit::default() };
    super::tests::check(
        &Seen::default(),
        &unstarted,
        "Outcome::Misconfigured",
        "Codex could not be started:\ncodex: not found",
    );
}
