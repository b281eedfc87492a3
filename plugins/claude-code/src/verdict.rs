//! What the end of a run means.
//!
//! Success is an exit code of 0 *and* a last result that is `success` and no error: Claude Code also ends with 0 when
//! it was interrupted, and writes `success` over an error of its API. What went wrong is told by words of Claude Code's
//! (`terminal_reason`, `error`, `api_error`), by the status of the API's answer, and last by the text.
//!
//! A tool that was not permitted is no failure by itself: a checkout may forbid what it likes. But in a sandbox all is
//! permitted, so that a refusal there without that mode is a wrong installation, and what was done is half of the work.

use crate::field::{self, Object};
use crate::stream::{Heard, Stream, Trouble, result_text};
use agentd_sdk::agent::{Conclusion, Event, Exit, Outcome, terminal};

/// The longest answer, in bytes.
const ANSWER_BYTES: usize = 64 << 10;
/// What of standard error is told, in bytes.
const STDERR_BYTES: usize = 2 << 10;
/// What agentd's gateway begins its refusal with when a budget is used up.
const GATEWAY_BUDGET: &str = "agentd: budget";

pub(crate) fn conclusion(stream: &Stream, exit: &Exit, events: Vec<Event>) -> Conclusion {
    let (outcome, answer) = judge(stream, exit);
    let (began, heard) = (&stream.began, &stream.heard);
    // A conversation exists that was there before, or that a round has begun in.
    let exists = began.resumed || (heard.started && !heard.strayed);
    let lost = matches!(outcome, Outcome::SessionLost | Outcome::SessionBroken);
    let session = (exists && !lost).then(|| began.session.clone());
    let turns = Some(heard.turns).filter(|it| *it > 0);
    let extra = turns.map(|it| ("turns".to_owned(), it.to_string())).into_iter().collect();
    Conclusion { outcome, answer: field::cut_to(&answer, ANSWER_BYTES), session, events, extra }
}

fn judge(stream: &Stream, exit: &Exit) -> (Outcome, String) {
    let heard = &stream.heard;
    let ended = match exit.cause.as_str() {
        "exited" | "finished" => return by_itself(stream, exit),
        "stopped" => (Outcome::Interrupted, "A person stopped Claude Code."),
        "interrupted" => (Outcome::Interrupted, "Claude Code was interrupted."),
        "budget" => (Outcome::Budget, "Claude Code was stopped at its budget."),
        "start" => return (Outcome::Misconfigured, explained("Claude Code could not be started", heard, exit)),
        "timeout" => (Outcome::Failed, "Claude Code took too long."),
        "idle" | "tool-timeout" => (Outcome::Failed, "Claude Code said nothing for too long."),
        "memory" => (Outcome::Failed, "Claude Code used too much memory."),
        "disk" => (Outcome::Failed, "Claude Code used too much disk space."),
        _ => (Outcome::Failed, "Claude Code was ended."),
    };
    let said = answer(heard);
    let text = if said.is_empty() { ended.1.to_owned() } else { format!("{} Its last words:\n{said}", ended.1) };
    (ended.0, text)
}

/// It ended by itself.
fn by_itself(stream: &Stream, exit: &Exit) -> (Outcome, String) {
    let heard = &stream.heard;
    let code = if exit.cause == "finished" { Some(0) } else { exit.code };
    let Some(result) = &heard.result else { return without_result(stream, exit, code) };
    let text = result_text(result);
    match field::text(result, "subtype") {
        "error_max_turns" => (Outcome::TurnLimit, text),
        "error_max_budget_usd" => (Outcome::Budget, text),
        _ if field::text(result, "terminal_reason").starts_with("aborted") => {
            (Outcome::Interrupted, "Claude Code was interrupted.".into())
        }
        "success" if !field::flag(result, "is_error") => match code {
            Some(0) => succeeded(stream),
            _ => (Outcome::Failed, explained(&format!("Claude Code was done, and {}", ended_with(code)), heard, exit)),
        },
        _ => failed(stream, result, text),
    }
}

fn succeeded(stream: &Stream) -> (Outcome, String) {
    let heard = &stream.heard;
    if stream.began.sandboxed && heard.denials > 0 && heard.mode != "bypassPermissions" {
        let text = format!(
            "Claude Code was not permitted to use its tools {} times, though it runs in a sandbox (its mode is `{}`): \
             see whether a policy on this machine or in the image forbids to skip permissions",
            heard.denials, heard.mode
        );
        return (Outcome::Misconfigured, text);
    }
    let text = answer(heard);
    if text.is_empty() && !heard.answered {
        return (Outcome::Empty, "Claude Code ended well and said nothing.".into());
    }
    (Outcome::Completed, text)
}

/// The last result is an error.
fn failed(stream: &Stream, result: &Object, text: String) -> (Outcome, String) {
    let heard = &stream.heard;
    let known = heard.trouble.clone().unwrap_or_default();
    let trouble = Trouble {
        status: field::number(result, "api_error_status").or(known.status),
        cause: field::some_text(result, "api_error").unwrap_or(known.cause),
        refused: known.refused || field::text(result, "stop_reason") == "refusal",
        kind: known.kind,
        text: if text.is_empty() { known.text } else { text },
    };
    let reason = field::text(result, "terminal_reason");
    let fresh = !stream.began.resumed && !heard.answered;
    (outcome(&trouble, reason, heard, fresh), if trouble.text.is_empty() { answer(heard) } else { trouble.text })
}

/// `fresh`: the conversation held nothing but the prompt.
fn outcome(trouble: &Trouble, reason: &str, heard: &Heard, fresh: bool) -> Outcome {
    let text = trouble.text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|it| text.contains(it));
    if text.contains(GATEWAY_BUDGET) {
        return Outcome::Budget;
    }
    if says(&["no conversation found"]) {
        return Outcome::SessionLost;
    }
    if trouble.refused {
        return Outcome::Refused;
    }
    if let Some(outcome) = by_word(trouble, reason, heard) {
        return outcome;
    }
    match trouble.status {
        Some(401..=403) => Outcome::Unauthorized,
        Some(404) => Outcome::Misconfigured,
        Some(413) => Outcome::SessionBroken,
        Some(429) => Outcome::RateLimited(heard.resets_at),
        Some(408 | 500..) => Outcome::Unreachable,
        _ if says(&["prompt is too long", "context limit", "request_too_large"]) => Outcome::SessionBroken,
        _ if says(&["usage limit"]) => Outcome::RateLimited(heard.resets_at),
        _ if says(&["credit balance", "invalid api key", "please run /login", "failed to authenticate"]) => {
            Outcome::Unauthorized
        }
        _ if says(&["issue with the selected model"]) => Outcome::Misconfigured,
        // The API refuses what is said. In a new conversation that can only be the request's own form.
        Some(400) if fresh => Outcome::Misconfigured,
        Some(400) => Outcome::SessionBroken,
        _ if trouble.kind == "invalid_request" && !fresh => Outcome::SessionBroken,
        _ if says(&CONNECTION) => Outcome::Unreachable,
        _ => Outcome::Failed,
    }
}

/// Words of errors that have no status.
const CONNECTION: [&str; 10] = [
    "connection",
    "timed out",
    "timeout",
    "econn",
    "enotfound",
    "socket",
    "network",
    "overloaded",
    "fetch failed",
    "unable to connect",
];

/// By Claude Code's own words for causes.
fn by_word(trouble: &Trouble, reason: &str, heard: &Heard) -> Option<Outcome> {
    let of_cause = match trouble.cause.as_str() {
        "max_output_tokens" => Some(Outcome::Other("max-tokens".into())),
        "connection_failed" | "stream_idle_timeout" | "no_response" | "computer_slept" => Some(Outcome::Unreachable),
        "usage_limit_reached" => Some(Outcome::RateLimited(heard.resets_at)),
        "api_key_auth_disabled"
        | "org_disabled_credential"
        | "invalid_credential_header"
        | "stored_login_refused"
        | "model_requires_usage_credits"
        | "long_context_credits_required" => Some(Outcome::Unauthorized),
        "claude_code_version_too_old"
        | "tls_untrusted_ca"
        | "tls_cert_signature_failure"
        | "gateway_content_type"
        | "provider_credentials"
        | "effort_requires_thinking" => Some(Outcome::Misconfigured),
        "safety_monitor_blocked" => Some(Outcome::Refused),
        "message_over_context_limit" | "autocompact_thrashing" | "tool_history_mismatch" => {
            Some(Outcome::SessionBroken)
        }
        _ => None,
    };
    let of_kind = || match trouble.kind.as_str() {
        "authentication_failed"
        | "oauth_org_not_allowed"
        | "account_on_hold"
        | "verification_required"
        | "billing_error" => Some(Outcome::Unauthorized),
        "rate_limit" => Some(Outcome::RateLimited(heard.resets_at)),
        "model_not_found" | "cloud_credential_error" => Some(Outcome::Misconfigured),
        "max_output_tokens" => Some(Outcome::Other("max-tokens".into())),
        "server_error" | "overloaded" => Some(Outcome::Unreachable),
        _ => None,
    };
    let of_reason = || match reason {
        "prompt_too_long" | "image_error" | "rapid_refill_breaker" | "blocking_limit" => Some(Outcome::SessionBroken),
        _ => None,
    };
    of_cause.or_else(of_reason).or_else(of_kind)
}

/// It ended without having said how.
fn without_result(stream: &Stream, exit: &Exit, code: Option<i32>) -> (Outcome, String) {
    let heard = &stream.heard;
    let spoken = heard.started || heard.answered;
    if !spoken && code == Some(0) && heard.noise.is_empty() {
        return (Outcome::Empty, "Claude Code ended well and said nothing.".into());
    }
    let what = format!("Claude Code {}, without a result", ended_with(code));
    let text = explained(&what, heard, exit);
    let said = format!("{}\n{}", exit.stderr, heard.noise).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|it| said.contains(it));
    let outcome = match code {
        _ if spoken && stream.began.resumed && heard.strayed && code != Some(0) => Outcome::SessionLost,
        _ if spoken => Outcome::Failed,
        _ if says(&["no conversation found", "is already in use"]) => Outcome::SessionLost,
        Some(1 | 2) if says(&REFUSALS) => Outcome::Misconfigured,
        _ => Outcome::Failed,
    };
    (outcome, text)
}

/// How Claude Code says that it was called wrongly.
const REFUSALS: [&str; 9] = [
    "unknown option",
    "error: option",
    "missing required argument",
    "too many arguments",
    "cannot be used with",
    "can only be used with",
    "must be a valid uuid",
    "mcp config",
    "file not found",
];

/// What was said last: by the result, else by the main agent.
fn answer(heard: &Heard) -> String {
    let result = heard.result.as_ref().map(result_text).unwrap_or_default();
    if result.is_empty() { heard.said.trim().to_owned() } else { result }
}

/// What happened, and what was said of it.
fn explained(what: &str, heard: &Heard, exit: &Exit) -> String {
    let stderr = exit.stderr.lines().map(terminal::plain).collect::<Vec<_>>().join("\n");
    let stderr = stderr.trim();
    let stderr = &stderr[stderr.ceil_char_boundary(stderr.len().saturating_sub(STDERR_BYTES))..];
    match [stderr, heard.noise.trim(), heard.said.trim()].into_iter().find(|it| !it.is_empty()) {
        Some(said) => format!("{what}:\n{said}"),
        None => format!("{what}."),
    }
}

fn ended_with(code: Option<i32>) -> String {
    match code {
        Some(code @ 129..=192) => format!("was ended by signal {}", code - 128),
        Some(code) => format!("ended with exit code {code}"),
        None => "ended".into(),
    }
}

#[cfg(test)]
mod tests;
