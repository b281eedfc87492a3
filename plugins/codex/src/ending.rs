//! What the end of Codex means.
//!
//! Its exit code says little: 0 also after a run in which it could do nothing, 1 for everything that failed. Its last
//! turn says more, and the text of a failure most: it holds the provider's status, or Codex's own words for it.
//!
//! What cannot be told from here: a model that declines in plain words has answered. One that declines in the provider's
//! own form for it has written something that Codex does not show; where the conversation went on from an earlier run,
//! that looks like an answer of nothing.

use crate::output::{Seen, Turn};
use agentd_sdk::agent::{Exit, Outcome};
use serde_json::Value;

/// How a run ended, and its answer or what went wrong.
pub(crate) fn verdict(seen: &Seen, resumed: bool, exit: &Exit) -> (Outcome, String) {
    match exit.cause.as_str() {
        "exited" | "finished" => ended(seen, resumed, exit),
        "start" => (Outcome::Misconfigured, explained(seen, exit, "Codex could not be started")),
        "stopped" => (Outcome::Interrupted, answer_or(seen, "A person stopped Codex.")),
        "interrupted" => (Outcome::Interrupted, answer_or(seen, "Codex was interrupted.")),
        "budget" => (Outcome::Budget, answer_or(seen, "Codex was stopped at its budget.")),
        "timeout" => (Outcome::Failed, explained(seen, exit, "Codex took too long")),
        "idle" => (Outcome::Failed, explained(seen, exit, "Codex said nothing for too long")),
        "memory" => (Outcome::Failed, explained(seen, exit, "Codex used too much memory")),
        "disk" => (Outcome::Failed, explained(seen, exit, "Codex used too much disk space")),
        cause => (Outcome::Failed, explained(seen, exit, &format!("Codex was ended ({cause})"))),
    }
}

/// Whether a later run may go on with the conversation.
pub(crate) fn may_go_on(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::SessionLost | Outcome::SessionBroken)
}

/// Whether the text of a failure says that what the account may use is used up.
pub(crate) fn is_used_up(message: &str) -> bool {
    let message = message.to_lowercase();
    ["usage limit", "quota", "out of credits"].iter().any(|words| message.contains(words))
}

/// The text of a failure for people: Codex gives a provider's answer as it came, which is JSON.
pub(crate) fn readable(message: &str) -> String {
    let json: Value = serde_json::from_str(message).unwrap_or_default();
    [&json["error"]["message"], &json["message"], &json["detail"]]
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or(message)
        .to_owned()
}

fn ended(seen: &Seen, resumed: bool, exit: &Exit) -> (Outcome, String) {
    if seen.strayed {
        return (Outcome::SessionLost, "Codex did not find the conversation, and began another one.".into());
    }
    match (&seen.turn, exit.code) {
        (Turn::Failed(message), _) => {
            // What was refused for a reason that Codex does not know is in the conversation, and refused again.
            let outcome = failure(message).unwrap_or_else(|| match is_request_refused(message) {
                true if resumed || seen.worked => Outcome::SessionBroken,
                _ => Outcome::Failed,
            });
            (outcome, readable(message))
        }
        (Turn::Completed, Some(0)) => completed(seen),
        (Turn::None, Some(0)) if seen.answer.is_empty() && !seen.worked => {
            (Outcome::Empty, explained(seen, exit, "Codex ended with exit code 0, and did not begin"))
        }
        (Turn::None, _) => unbegun(seen, exit),
        // It tells every fault but an interrupt (SIGINT), which it ends with 1 after.
        (Turn::Begun, Some(1 | 130)) if !seen.faulty && !has_died(seen, exit) => {
            (Outcome::Interrupted, answer_or(seen, "Codex was interrupted."))
        }
        (Turn::Begun | Turn::Completed, code) => {
            let code = with_code(code);
            let when = if matches!(seen.turn, Turn::Begun) { " in the middle of its work" } else { "" };
            (Outcome::Failed, explained(seen, exit, &format!("Codex ended {code}{when}")))
        }
    }
}

fn completed(seen: &Seen) -> (Outcome, String) {
    match &seen.toolless {
        // It then answers nevertheless, about work that it did not do.
        Some(why) if !seen.worked => (Outcome::Misconfigured, why.clone()),
        _ if seen.unshown => (Outcome::Refused, "The model declined: it wrote nothing that Codex would show.".into()),
        _ if seen.answer.is_empty() && !seen.worked => {
            (Outcome::Empty, "The model answered nothing and did nothing; it may have declined to.".into())
        }
        _ => (Outcome::Completed, seen.answer.clone()),
    }
}

/// It ended before it did anything: all that it says of that is on standard error.
fn unbegun(seen: &Seen, exit: &Exit) -> (Outcome, String) {
    let said = stderr(seen, exit).to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| said.contains(it));
    // Not there, or what is there cannot be read: nothing was done for it yet.
    let outcome = if has(&["thread/resume failed", "no rollout found"]) {
        Outcome::SessionLost
    } else if exit.code == Some(130) {
        Outcome::Interrupted
    } else if exit.code == Some(2) || has(&MISCONFIGURED) {
        Outcome::Misconfigured
    } else {
        Outcome::Failed
    };
    let code = with_code(exit.code);
    (outcome, explained(seen, exit, &format!("Codex ended {code} before it began")))
}

/// What Codex says of arguments and configuration that it cannot use.
const MISCONFIGURED: [&str; 7] = [
    "error loading config",
    "unexpected argument",
    "invalid value",
    "model provider",
    "not inside a trusted directory",
    "no prompt provided",
    "is no longer supported",
];

/// What the text of a failure comes to, as far as it says so.
fn failure(message: &str) -> Option<Outcome> {
    let message = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| message.contains(it));
    if has(&["agentd: budget"]) {
        return Some(Outcome::Budget);
    }
    if let Some(outcome) = status(&message).and_then(by_status) {
        return Some(outcome);
    }
    Some(if has(&["max_output_tokens"]) {
        Outcome::Other("max-tokens".into())
    } else if has(&["content_filter", "invalid prompt", "invalid_prompt", "safety reasons", "usage polic"]) {
        Outcome::Refused
    } else if has(&["context window", "context_length", "context length", "ran out of room"]) {
        Outcome::SessionBroken
    } else if has(&["usage limit", "quota", "rate limit", "rate_limit", "too many requests", "out of credits"]) {
        Outcome::RateLimited(None)
    } else if has(&["do not have access", "model_not_found", "unsupported_", "unknown_parameter", "is not supported"])
        || has(&["missing environment variable"])
    {
        Outcome::Misconfigured
    } else if has(&["api key", "api_key", "access token", "unauthorized"]) {
        Outcome::Unauthorized
    } else if has(&["stream disconnected", "connection failed", "error sending request", "timeout", "timed out"])
        || has(&["high demand", "at capacity", "overloaded", "server error", "server_error"])
    {
        Outcome::Unreachable
    } else if has(&["interrupted", "aborted"]) {
        Outcome::Interrupted
    } else {
        return None;
    })
}

/// The status in `unexpected status 401 Unauthorized: …` and in `last status: 429 Too Many Requests`.
fn status(message: &str) -> Option<u16> {
    let digits = message.split("status").skip(1).map(|rest| rest.trim_start_matches([':', ' ']));
    digits.filter_map(|rest| rest.get(..3)).find_map(|digits| digits.parse().ok())
}

fn by_status(status: u16) -> Option<Outcome> {
    match status {
        401 | 403 => Some(Outcome::Unauthorized),
        402 | 429 => Some(Outcome::RateLimited(None)),
        404 => Some(Outcome::Misconfigured),
        408 | 500..=599 => Some(Outcome::Unreachable),
        _ => None,
    }
}

/// A refusal of the request itself (400), which Codex passes on as the provider wrote it.
fn is_request_refused(message: &str) -> bool {
    message.contains("invalid_request_error") || status(&message.to_lowercase()) == Some(400)
}

/// Standard error holds last words of the program itself, which begin like this, and not only its log.
fn has_died(seen: &Seen, exit: &Exit) -> bool {
    stderr(seen, exit).lines().any(|line| line.starts_with("Error:") || line.starts_with("thread '"))
}

fn with_code(code: Option<i32>) -> String {
    code.map_or_else(|| "without an exit code".into(), |code| format!("with exit code {code}"))
}

fn answer_or(seen: &Seen, otherwise: &str) -> String {
    if seen.answer.is_empty() { otherwise.to_owned() } else { seen.answer.clone() }
}

/// What happened, and what Codex said of it: on standard error, else as its last words.
fn explained(seen: &Seen, exit: &Exit, what: &str) -> String {
    let said = [stderr(seen, exit), seen.answer.as_str()].into_iter().map(str::trim).find(|it| !it.is_empty());
    said.map_or_else(|| format!("{what}, and said nothing."), |said| format!("{what}:\n{said}"))
}

fn stderr<'a>(seen: &'a Seen, exit: &'a Exit) -> &'a str {
    if seen.stderr.is_empty() { &exit.stderr } else { &seen.stderr }
}

#[cfg(test)]
mod tests;
