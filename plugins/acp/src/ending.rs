//! What the end of the program means: how it answered the prompt, and only without an answer how it exited.

use crate::client::{Ended, Seen};
use agentd_sdk::agent::{Exit, Outcome};
use serde_json::Value;

/// How a run ended, and its answer or what went wrong.
pub(crate) fn verdict(seen: &Seen, exit: &Exit) -> (Outcome, String) {
    match exit.cause.as_str() {
        "exited" | "finished" => ended(seen, exit),
        "start" => (Outcome::Misconfigured, explained(seen, exit, "the agent could not be started")),
        "stopped" => (Outcome::Interrupted, answer_or(seen, "A person stopped the agent.")),
        "interrupted" => (Outcome::Interrupted, answer_or(seen, "The agent was interrupted.")),
        "budget" => (Outcome::Budget, answer_or(seen, "The agent was stopped at its budget.")),
        "timeout" => (Outcome::Failed, explained(seen, exit, "the agent took too long")),
        "idle" => (Outcome::Failed, explained(seen, exit, "the agent said nothing for too long")),
        "memory" => (Outcome::Failed, explained(seen, exit, "the agent used too much memory")),
        "disk" => (Outcome::Failed, explained(seen, exit, "the agent used too much disk space")),
        cause => (Outcome::Failed, explained(seen, exit, &format!("the agent was ended ({cause})"))),
    }
}

/// Whether a later run may go on with the conversation.
pub(crate) fn may_go_on(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::SessionLost | Outcome::SessionBroken)
}

/// The words of an error, with those that its data has.
pub(crate) fn words(error: &Value) -> String {
    let message = error["message"].as_str().unwrap_or("an error without words");
    // Some put a provider's answer there as it came.
    let inner: Value = serde_json::from_str(message).unwrap_or_default();
    let message = inner["error"]["message"].as_str().unwrap_or(message);
    let data = &error["data"];
    let more = [&data["details"], &data["message"], data].into_iter().find_map(Value::as_str);
    more.filter(|it| !message.contains(it)).map_or_else(|| message.to_owned(), |more| format!("{message}: {more}"))
}

/// A failure behind an answer that looks well: one program stops with `end_turn` whatever happened to its model.
pub(crate) fn hidden_failure(result: &Value) -> Option<String> {
    let status = &result["_meta"]["codex"]["threadStatus"];
    let kind = status["type"].as_str().or_else(|| status.as_str())?;
    (kind == "systemError").then(|| {
        let words = [&status["message"], &status["error"]["message"]].into_iter().find_map(Value::as_str);
        words.unwrap_or("the agent could not get an answer of its model").to_owned()
    })
}

fn ended(seen: &Seen, exit: &Exit) -> (Outcome, String) {
    match &seen.end {
        Some(Ended::Stopped(reason)) => stopped(seen, reason),
        Some(Ended::Lost(message)) => (Outcome::SessionLost, message.clone()),
        Some(Ended::Refused { to, code, message }) => {
            let outcome = failure(*code, message).unwrap_or(match *to {
                "initialize" | "authenticate" => Outcome::Misconfigured,
                _ => Outcome::Failed,
            });
            (outcome, message.clone())
        }
        None => {
            let code = exit.code.map_or_else(|| "without an exit code".into(), |code| format!("with exit code {code}"));
            let outcome = match exit.code {
                Some(130) => Outcome::Interrupted,
                Some(0) if !seen.worked && seen.answer.is_empty() => Outcome::Empty,
                _ => Outcome::Failed,
            };
            (outcome, explained(seen, exit, &format!("the agent ended {code} and did not answer")))
        }
    }
}

fn stopped(seen: &Seen, reason: &str) -> (Outcome, String) {
    match reason {
        "end_turn" if seen.answer.trim().is_empty() && !seen.worked => {
            (Outcome::Empty, "The model answered nothing and did nothing; it may have declined to.".into())
        }
        "end_turn" => (Outcome::Completed, seen.answer.clone()),
        "max_tokens" => (Outcome::Other("max-tokens".into()), answer_or(seen, "The model's answer grew too long.")),
        "max_turn_requests" => (Outcome::TurnLimit, answer_or(seen, "It took as many turns as it may.")),
        "refusal" => (Outcome::Refused, answer_or(seen, "The model declined.")),
        "cancelled" => (Outcome::Interrupted, answer_or(seen, "The agent was interrupted.")),
        other => (Outcome::Failed, format!("the agent stopped for a reason that is not known ({other:?})")),
    }
}

/// What an error comes to, by its code or a provider's status in it, else by its words.
fn failure(code: i64, message: &str) -> Option<Outcome> {
    let lower = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    if has(&["agentd: budget"]) {
        return Some(Outcome::Budget);
    }
    match code {
        -32000 | 401 | 403 => return Some(Outcome::Unauthorized),
        402 | 429 => return Some(Outcome::RateLimited(None)),
        404 => return Some(Outcome::Misconfigured),
        408 | 500..=599 => return Some(Outcome::Unreachable),
        _ => {}
    }
    Some(if has(&["rate limit", "too many requests", "quota", "usage limit"]) {
        Outcome::RateLimited(None)
    } else if has(&["api key", "api_key", "unauthorized", "authentication required"]) {
        Outcome::Unauthorized
    } else if has(&["context window", "context length", "context_length", "prompt is too long"]) {
        Outcome::SessionBroken
    } else if has(&["model not found", "model_not_found"]) {
        Outcome::Misconfigured
    } else if has(&["overloaded", "unable to connect", "fetch failed", "econn", "timed out", "stream disconnected"]) {
        Outcome::Unreachable
    } else {
        return None;
    })
}

fn answer_or(seen: &Seen, otherwise: &str) -> String {
    if seen.answer.is_empty() { otherwise.to_owned() } else { seen.answer.clone() }
}

/// What happened, and what it said of that: on standard error, else as its last words.
fn explained(seen: &Seen, exit: &Exit, what: &str) -> String {
    let stderr = if seen.stderr.is_empty() { &exit.stderr } else { &seen.stderr };
    let said = [stderr.as_str(), seen.answer.as_str()].into_iter().map(str::trim).find(|it| !it.is_empty());
    said.map_or_else(|| format!("{what}, and said nothing."), |said| format!("{what}:\n{said}"))
}

#[cfg(test)]
mod tests;
