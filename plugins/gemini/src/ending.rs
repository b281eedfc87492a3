//! What the end of Gemini CLI means.
//!
//! Its last line says most: it may say `error` where the exit code is 0. Without one there is the exit code: one of its
//! own (41 and above), or the status of a provider's answer without its 256s (400 is 144).
//!
//! What cannot be told from here: an answer that ended because it grew too long looks like any other.

use crate::output::{Ended, Seen};
use agentd_sdk::agent::{Exit, Outcome};
use serde_json::Value;

/// How a run ended, and its answer or what went wrong.
pub(crate) fn verdict(seen: &Seen, resumed: bool, exit: &Exit) -> (Outcome, String) {
    match exit.cause.as_str() {
        "exited" | "finished" => ended(seen, resumed, exit),
        "start" => (Outcome::Misconfigured, explained(seen, exit, "Gemini CLI could not be started")),
        "stopped" => (Outcome::Interrupted, answer_or(seen, "A person stopped Gemini CLI.")),
        "interrupted" => (Outcome::Interrupted, answer_or(seen, "Gemini CLI was interrupted.")),
        "budget" => (Outcome::Budget, answer_or(seen, "Gemini CLI was stopped at its budget.")),
        "timeout" => (Outcome::Failed, explained(seen, exit, "Gemini CLI took too long")),
        "idle" => (Outcome::Failed, explained(seen, exit, "Gemini CLI said nothing for too long")),
        "memory" => (Outcome::Failed, explained(seen, exit, "Gemini CLI used too much memory")),
        "disk" => (Outcome::Failed, explained(seen, exit, "Gemini CLI used too much disk space")),
        cause => (Outcome::Failed, explained(seen, exit, &format!("Gemini CLI was ended ({cause})"))),
    }
}

/// Whether a later run may go on with the conversation.
pub(crate) fn may_go_on(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::SessionLost | Outcome::SessionBroken)
}

/// Whether the text of a failure says that what the account may use is used up.
pub(crate) fn is_used_up(message: &str) -> bool {
    let message = message.to_lowercase();
    ["quota", "resource_exhausted"].iter().any(|words| message.contains(words))
}

/// The text of a failure for people: `[API Error: {…}]` holds the provider's answer as it came.
pub(crate) fn readable(message: &str) -> String {
    let inner = message.strip_prefix("[API Error: ").and_then(|it| it.strip_suffix(']')).unwrap_or(message);
    let json: Value = serde_json::from_str(inner).unwrap_or_default();
    let error = &json["error"];
    match (error["message"].as_str(), error["code"].as_u64()) {
        (Some(text), Some(code)) => format!("{text} (status {code})"),
        (Some(text), None) => text.to_owned(),
        (None, _) => inner.to_owned(),
    }
}

fn ended(seen: &Seen, resumed: bool, exit: &Exit) -> (Outcome, String) {
    if seen.strayed {
        return (Outcome::SessionLost, "Gemini CLI did not find the conversation, and began another one.".into());
    }
    match (&seen.result, exit.code) {
        (Some(Ended::Badly { kind, message }), code) => {
            let outcome = failure(kind, message).or_else(|| code.and_then(|code| by_code(code, resumed)));
            let outcome = outcome.unwrap_or_else(|| match status(message) {
                // What was refused for a reason that it does not know is in the conversation, and refused again.
                Some(400) if resumed || seen.worked => Outcome::SessionBroken,
                _ => Outcome::Failed,
            });
            (outcome, if message.is_empty() { kind.clone() } else { message.clone() })
        }
        (Some(Ended::Well), Some(0)) if seen.answer.trim().is_empty() && !seen.worked => {
            (Outcome::Empty, "The model answered nothing and did nothing; it may have declined to.".into())
        }
        (Some(Ended::Well), Some(0)) => (Outcome::Completed, seen.answer.clone()),
        (None, Some(0)) if !seen.begun => {
            (Outcome::Empty, explained(seen, exit, "Gemini CLI ended with exit code 0, and did not begin"))
        }
        (_, code) => {
            let outcome = match code {
                Some(130) => Outcome::Interrupted,
                Some(42) if lost(seen, exit) => Outcome::SessionLost,
                Some(code) => by_code(code, resumed).unwrap_or(Outcome::Failed),
                None => Outcome::Failed,
            };
            let when = match (&seen.result, seen.begun) {
                (Some(_), _) => " after it said that all was well",
                (None, true) => " in the middle of its work",
                (None, false) => " before it began",
            };
            (outcome, explained(seen, exit, &format!("Gemini CLI ended {}{when}", with_code(code))))
        }
    }
}

/// Its own exit codes, and a status without its 256s.
fn by_code(code: i32, resumed: bool) -> Option<Outcome> {
    match code {
        41 | 42 | 44 | 52 | 55 => Some(Outcome::Misconfigured),
        53 => Some(Outcome::TurnLimit),
        144 if resumed => Some(Outcome::SessionBroken),
        144..=255 => by_status(u16::try_from(code).ok()? + 256),
        _ => None,
    }
}

fn by_status(status: u16) -> Option<Outcome> {
    match status {
        401 | 403 => Some(Outcome::Unauthorized),
        402 | 429 => Some(Outcome::RateLimited(None)),
        404 => Some(Outcome::Misconfigured),
        408 | 499..=599 => Some(Outcome::Unreachable),
        _ => None,
    }
}

/// What the line `result` comes to, as far as it says so.
fn failure(kind: &str, message: &str) -> Option<Outcome> {
    let lower = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    if has(&["agentd: budget"]) {
        return Some(Outcome::Budget);
    }
    if let Some(outcome) = status(message).and_then(by_status) {
        return Some(outcome);
    }
    match kind {
        "FatalTurnLimitedError" => return Some(Outcome::TurnLimit),
        "FatalAuthenticationError" => return Some(Outcome::Unauthorized),
        "FatalConfigError" | "FatalInputError" | "FatalSandboxError" => return Some(Outcome::Misconfigured),
        "FatalCancellationError" => return Some(Outcome::Interrupted),
        _ => {}
    }
    Some(if is_used_up(message) || has(&["rate limit", "too many requests"]) {
        Outcome::RateLimited(None)
    } else if has(&["api key not valid", "api_key_invalid", "unauthenticated"]) {
        Outcome::Unauthorized
    } else if has(&["safety", "prohibited_content", "blocklist", "recitation"]) {
        Outcome::Refused
    } else if has(&["token count exceeds", "exceeds the maximum number of tokens", "context window"]) {
        Outcome::SessionBroken
    } else if has(&["fetch failed", "econn", "etimedout", "socket hang up", "timed out", "overloaded", "unavailable"])
        || has(&["incomplete json", "stream ended", "empty response", "no finish reason"])
    {
        Outcome::Unreachable
    } else {
        return None;
    })
}

/// The status in `… (status 401)`, which [`readable`] wrote.
fn status(message: &str) -> Option<u16> {
    message.rsplit_once("(status ")?.1.strip_suffix(')')?.parse().ok()
}

fn lost(seen: &Seen, exit: &Exit) -> bool {
    let said = stderr(seen, exit).to_lowercase();
    said.contains("error resuming session") || said.contains("invalid session identifier")
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
