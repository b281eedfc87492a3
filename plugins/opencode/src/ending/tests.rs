//! What each end means.

use super::*;

fn exit(code: i32) -> Exit {
    Exit { code: Some(code), cause: "exited".into(), ..Exit::default() }
}

fn begun(reason: &str) -> Seen {
    Seen { begun: true, worked: true, answer: "I look.".into(), reason: reason.into(), ..Seen::default() }
}

#[track_caller]
fn check(seen: &Seen, exit: &Exit, outcome: &str, answer: &str) {
    let (judged, said) = verdict(seen, false, exit);
    assert_eq!((format!("{judged:?}").as_str(), said.as_str()), (outcome, answer));
}

#[track_caller]
fn check_fault(name: &str, status: Option<u64>, message: &str, outcome: &str) {
    let fault = Fault { name: name.into(), message: message.into(), status };
    let seen = Seen { begun: true, fault: Some(fault), ..Seen::default() };
    assert_eq!(format!("{:?}", verdict(&seen, false, &exit(1)).0), outcome, "{name} {status:?} {message}");
}

#[test]
fn a_fault_tells_its_class() {
    check_fault("APIError", Some(401), "invalid x-api-key", "Outcome::Unauthorized");
    check_fault("APIError", Some(429), "slow down", "Outcome::RateLimited(None)");
    check_fault("APIError", Some(503), "busy", "Outcome::Unreachable");
    check_fault("APIError", Some(404), "no such model", "Outcome::Misconfigured");
    check_fault("APIError", Some(400), "agentd: budget: this run may use 5.00 USD", "Outcome::Budget");
    check_fault(
        "APIError",
        Some(400),
        "This model's maximum context length is 128000 tokens",
        "Outcome::SessionBroken",
    );
    check_fault("APIError", Some(400), "something else", "Outcome::Failed");
    check_fault("ProviderAuthError", None, "", "Outcome::Unauthorized");
    check_fault("MessageOutputLengthError", None, "", "Outcome::Other(\"max-tokens\")");
    check_fault("MessageAbortedError", None, "aborted", "Outcome::Interrupted");
    check_fault("UnknownError", None, "Model not found: agentd/x.", "Outcome::Misconfigured");
    check_fault(
        "UnknownError",
        None,
        "Unable to connect. Is the computer able to access the url?",
        "Outcome::Unreachable",
    );
    check_fault("UnknownError", None, "", "Outcome::Failed");
    let fault = Fault { name: "APIError".into(), message: "bad item".into(), status: Some(400) };
    check(&Seen { fault: Some(fault), ..begun("tool-calls") }, &exit(1), "Outcome::SessionBroken", "bad item");
}

#[test]
fn success_needs_a_stop_an_exit_code_of_0_and_something_done() {
    check(&begun("stop"), &exit(0), "Outcome::Completed", "I look.");
    let in_the_middle = |code| format!("opencode ended with exit code {code} in the middle of its work:\nI look.");
    check(&begun("stop"), &exit(1), "Outcome::Failed", &in_the_middle(1));
    check(&begun("tool-calls"), &exit(0), "Outcome::Failed", &in_the_middle(0));
    check(&begun(""), &exit(143), "Outcome::Failed", &in_the_middle(143));
    check(&begun(""), &exit(130), "Outcome::Interrupted", "I look.");
    check(&begun("length"), &exit(0), "Outcome::Other(\"max-tokens\")", "The model's answer grew too long:\nI look.");
    check(&begun("content-filter"), &exit(0), "Outcome::Refused", "I look.");
    let silent = Seen { begun: true, reason: "stop".into(), ..Seen::default() };
    let nothing = "The model answered nothing and did nothing; it may have declined to.";
    check(&silent, &exit(0), "Outcome::Empty", nothing);
}

#[test]
fn an_end_before_the_beginning_is_told_on_standard_error() {
    let check = |code: i32, stderr: &str, outcome: &str| {
        let seen = Seen { stderr: stderr.into(), ..Seen::default() };
        check(&seen, &exit(code), outcome, &format!("opencode ended with exit code {code} before it began:\n{stderr}"));
    };
    check(1, "Error: Session not found", "Outcome::SessionLost");
    check(1, "Error: Config file at OPENCODE_CONFIG_CONTENT is not valid JSON(C):", "Outcome::Misconfigured");
    check(127, "opencode: not found", "Outcome::Failed");
    check(0, "hm", "Outcome::Empty");
}

#[test]
fn other_ends_have_their_own_outcome() {
    let check = |cause: &str, outcome: &str, answer: &str| {
        check(&begun(""), &Exit { code: Some(137), cause: cause.into(), ..Exit::default() }, outcome, answer);
    };
    check("stopped", "Outcome::Interrupted", "I look.");
    check("budget", "Outcome::Budget", "I look.");
    check("timeout", "Outcome::Failed", "opencode took too long:\nI look.");
    check("idle", "Outcome::Failed", "opencode said nothing for too long:\nI look.");
    check("tool-timeout", "Outcome::Failed", "opencode was ended (tool-timeout):\nI look.");
}
