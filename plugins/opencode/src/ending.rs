//! What the end of opencode means.
//!
//! There is no last line that says so. It is done when its newest step ended with `stop` and nothing went wrong after
//! that; the exit code is 1 after an error and 0 otherwise.

use crate::output::{Fault, Seen};
use agentd_sdk::agent::{Exit, Outcome};

/// How a run ended, and its answer or what went wrong.
pub(crate) fn verdict(seen: &Seen, resumed: bool, exit: &Exit) -> (Outcome, String) {
    match exit.cause.as_str() {
        "exited" | "finished" => ended(seen, resumed, exit),
        "start" => (Outcome::Misconfigured, explained(seen, exit, "opencode could not be started")),
        "stopped" => (Outcome::Interrupted, answer_or(seen, "A person stopped opencode.")),
        "interrupted" => (Outcome::Interrupted, answer_or(seen, "opencode was interrupted.")),
        "budget" => (Outcome::Budget, answer_or(seen, "opencode was stopped at its budget.")),
        "timeout" => (Outcome::Failed, explained(seen, exit, "opencode took too long")),
        "idle" => (Outcome::Failed, explained(seen, exit, "opencode said nothing for too long")),
        "memory" => (Outcome::Failed, explained(seen, exit, "opencode used too much memory")),
        "disk" => (Outcome::Failed, explained(seen, exit, "opencode used too much disk space")),
        cause => (Outcome::Failed, explained(seen, exit, &format!("opencode was ended ({cause})"))),
    }
}

/// Whether a later run may go on with the conversation.
pub(crate) fn may_go_on(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::SessionLost | Outcome::SessionBroken)
}

fn ended(seen: &Seen, resumed: bool, exit: &Exit) -> (Outcome, String) {
    if seen.strayed {
        return (Outcome::SessionLost, "opencode did not find the conversation, and began another one.".into());
    }
    if let Some(fault) = &seen.fault {
        let outcome = failure(fault).unwrap_or(match fault.status {
            // What was refused for a reason that nobody knows is in the conversation, and refused again.
            Some(400 | 413 | 422) if resumed || seen.worked => Outcome::SessionBroken,
            _ => Outcome::Failed,
        });
        return (outcome, fault.message.clone());
    }
    match (seen.reason.as_str(), exit.code) {
        ("stop", Some(0)) if seen.answer.is_empty() && !seen.worked => {
            (Outcome::Empty, "The model answered nothing and did nothing; it may have declined to.".into())
        }
        ("stop", Some(0)) => (Outcome::Completed, seen.answer.clone()),
        ("length", _) => {
            (Outcome::Other("max-tokens".into()), explained(seen, exit, "The model's answer grew too long"))
        }
        ("content-filter", _) => (Outcome::Refused, answer_or(seen, "The provider's filter ended the answer.")),
        (_, Some(130)) => (Outcome::Interrupted, answer_or(seen, "opencode was interrupted.")),
        _ if !seen.begun => unbegun(seen, exit),
        (_, code) => {
            let what = format!("opencode ended {} in the middle of its work", with_code(code));
            (Outcome::Failed, explained(seen, exit, &what))
        }
    }
}

/// It ended before it did anything: all that it says of that is on standard error.
fn unbegun(seen: &Seen, exit: &Exit) -> (Outcome, String) {
    let said = stderr(seen, exit).to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| said.contains(it));
    let what = format!("opencode ended {} before it began", with_code(exit.code));
    let outcome = if has(&["session not found"]) {
        Outcome::SessionLost
    } else if has(&["not valid json", "configuration is invalid", "model not found", "unknown argument"])
        || has(&["show help", "providermodelnotfound"])
    {
        Outcome::Misconfigured
    } else if exit.code == Some(0) {
        Outcome::Empty
    } else {
        Outcome::Failed
    };
    (outcome, explained(seen, exit, &what))
}

/// What a fault comes to, as far as it says so.
fn failure(fault: &Fault) -> Option<Outcome> {
    let lower = fault.message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    if has(&["agentd: budget"]) {
        return Some(Outcome::Budget);
    }
    match fault.name.as_str() {
        "ProviderAuthError" => return Some(Outcome::Unauthorized),
        "MessageOutputLengthError" => return Some(Outcome::Other("max-tokens".into())),
        "MessageAbortedError" => return Some(Outcome::Interrupted),
        "ContextOverflowError" => return Some(Outcome::SessionBroken),
        "ProviderModelNotFoundError" => return Some(Outcome::Misconfigured),
        _ => {}
    }
    match fault.status {
        Some(401 | 403) => return Some(Outcome::Unauthorized),
        Some(402 | 429) => return Some(Outcome::RateLimited(None)),
        Some(404) => return Some(Outcome::Misconfigured),
        Some(408 | 500..=599) => return Some(Outcome::Unreachable),
        _ => {}
    }
    Some(if has(&["context window", "context length", "context_length", "too many tokens", "prompt is too long"]) {
        Outcome::SessionBroken
    } else if has(&["content_filter", "content policy", "safety"]) {
        Outcome::Refused
    } else if has(&["rate limit", "too many requests", "quota"]) {
        Outcome::RateLimited(None)
    } else if has(&["model not found"]) {
        Outcome::Misconfigured
    } else if has(&["unable to connect", "fetch failed", "econn", "timed out", "socket", "overloaded"]) {
        Outcome::Unreachable
    } else {
        return None;
    })
}

fn with_code(code: Option<i32>) -> String {
    code.map_or_else(|| "without an exit code".into(), |code| format!("with exit code {code}"))
}

fn answer_or(seen: &Seen, otherwise: &str) -> String {
    if seen.answer.is_empty() { otherwise.to_owned() } else { seen.answer.clone() }
}

/// What happened, and what it said of that: on standard error, else as its last words.
fn explained(seen: &Seen, exit: &Exit, what: &str) -> String {
    let said = [stderr(seen, exit), seen.answer.as_str()].into_iter().map(str::trim).find(|it| !it.is_empty());
    said.map_or_else(|| format!("{what}, and said nothing."), |said| format!("{what}:\n{said}"))
}

fn stderr<'a>(seen: &'a Seen, exit: &'a Exit) -> &'a str {
    if seen.stderr.is_empty() { &exit.stderr } else { &seen.stderr }
}

#[cfg(test)]
mod tests;
