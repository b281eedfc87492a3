//! What went wrong on the way to the model.
//!
//! Agents say it in words of their own, late, or not at all; the gateway saw it. A door keeps the newest fault until a
//! good answer comes, so that whoever ends a run knows why it did not go on.

use agentd_task::Millis;
use hyper::StatusCode;
use jiff::{Timestamp, fmt::rfc2822};

/// Something went wrong on the way to the model, and no good answer has followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// Of the provider's answer, if there was one.
    pub status: Option<u16>,
    /// For people; the provider's own words where there are some.
    pub text: String,
    /// When it may be over, if the provider said so.
    pub until: Option<Millis>,
}

/// The branches that callers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The provider refused the account's key: 401, 403.
    Unauthorized,
    /// 429.
    RateLimited,
    /// 529, 503.
    Overloaded,
    /// Any other 5xx, redirects, and errors in the middle of an answer.
    Error,
    /// No answer began in time.
    Silent,
    /// An answer began, and nothing more of it came for too long.
    Stalled,
    /// An answer began and ended in the middle, or the connection ended before it began.
    Cut,
    /// There was no connection.
    Unreachable,
    /// The provider, or the gateway, refused the request itself: any other 4xx.
    Refused,
    RunBudget,
    TaskBudget,
    DayBudget,
}

/// Google's reason for refusing a key, in the details of its answer.
const API_KEY_INVALID: &[u8] = b"API_KEY_INVALID";

impl FaultKind {
    /// What an answer's status means; `None`: nothing is wrong with it.
    pub(crate) fn of_status(status: u16) -> Option<FaultKind> {
        match status {
            401 | 403 => Some(FaultKind::Unauthorized),
            429 => Some(FaultKind::RateLimited),
            503 | 529 => Some(FaultKind::Overloaded),
            400..=499 => Some(FaultKind::Refused),
            // "You have it already" is an answer; one that leads elsewhere is not followed.
            304 => None,
            300..=399 | 500.. => Some(FaultKind::Error),
            _ => None,
        }
    }

    /// The same with the answer's body: of a key that it does not know, Google says 400.
    pub(crate) fn of_answer(status: u16, body: &[u8]) -> Option<FaultKind> {
        let unknown_key = status == 400 && body.windows(API_KEY_INVALID.len()).any(|it| it == API_KEY_INVALID);
        if unknown_key { Some(FaultKind::Unauthorized) } else { FaultKind::of_status(status) }
    }

    /// What the error means that an answer told after it had begun well, by the word that providers give it.
    pub(crate) fn of_word(word: &str) -> FaultKind {
        match word {
            "overloaded_error"
            | "overloaded"
            | "server_overloaded"
            | "server_is_overloaded"
            | "slow_down"
            | "UNAVAILABLE" => FaultKind::Overloaded,
            "rate_limit_error"
            | "rate_limit_exceeded"
            | "insufficient_quota"
            | "usage_limit_reached"
            | "RESOURCE_EXHAUSTED" => FaultKind::RateLimited,
            "authentication_error"
            | "permission_error"
            | "invalid_api_key"
            | "UNAUTHENTICATED"
            | "PERMISSION_DENIED" => FaultKind::Unauthorized,
            "invalid_request_error"
            | "invalid_prompt"
            | "context_length_exceeded"
            | "not_found_error"
            | "INVALID_ARGUMENT"
            | "FAILED_PRECONDITION"
            | "NOT_FOUND" => FaultKind::Refused,
            _ => FaultKind::Error,
        }
    }

    /// What the provider's answer has to be called by a person.
    pub(crate) fn text(account: &str, status: u16, message: Option<&str>) -> String {
        let reason = StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason()).unwrap_or_default();
        match message {
            Some(message) => format!("the provider of the account `{account}` answered {status}: {message}"),
            None => format!("the provider of the account `{account}` answered {}", format!("{status} {reason}").trim()),
        }
    }
}

/// When a limit is over, as the answer's headers tell it. `header`: the value of the header of this name.
pub(crate) fn until<'a>(now: Millis, header: impl Fn(&str) -> Option<&'a str>) -> Option<Millis> {
    if let Some(value) = header("retry-after") {
        if let Some(after) = seconds(value) {
            return Some(now.saturating_add(after));
        }
        if let Ok(date) = rfc2822::DateTimeParser::new().parse_timestamp(value) {
            return Some(date.as_millisecond());
        }
    }
    if let Some(epoch) = header("anthropic-ratelimit-unified-reset").and_then(seconds) {
        return Some(epoch);
    }
    let windows = ["requests", "tokens", "input-tokens", "output-tokens"];
    let anthropic = windows.iter().filter_map(|window| {
        let reset: Timestamp = header(&format!("anthropic-ratelimit-{window}-reset"))?.parse().ok()?;
        Some((header(&format!("anthropic-ratelimit-{window}-remaining")), reset.as_millisecond()))
    });
    let openai = windows[..2].iter().filter_map(|window| {
        let reset = duration(header(&format!("x-ratelimit-reset-{window}"))?)?;
        Some((header(&format!("x-ratelimit-remaining-{window}")), now.saturating_add(reset)))
    });
    let all: Vec<_> = anthropic.chain(openai).collect();
    // What is used up says when it goes on; where nothing says so, the first to come back is worth a try.
    let used_up = all.iter().filter(|(remaining, _)| *remaining == Some("0")).map(|(_, at)| *at).max();
    used_up.or_else(|| all.iter().map(|(_, at)| *at).min())
}

/// Seconds, with or without a fraction, as milliseconds.
fn seconds(text: &str) -> Option<Millis> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    if whole.is_empty() || whole.len() > 12 || !whole.bytes().chain(millis.bytes()).all(|it| it.is_ascii_digit()) {
        return None;
    }
    Some(whole.parse::<Millis>().ok()? * 1000 + millis.parse::<Millis>().ok()?)
}

/// `6m0s`, `1s`, `20ms`, `1h2m3.5s`, `2d` as milliseconds.
fn duration(text: &str) -> Option<Millis> {
    let (mut rest, mut sum) = (text.trim(), 0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let unit = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, after) = rest.split_at(unit);
        let end = after.find(|it: char| it.is_ascii_digit()).unwrap_or(after.len());
        let thousandths = seconds(number)?;
        let part = match &after[..end] {
            "d" => thousandths.saturating_mul(86_400),
            "h" => thousandths.saturating_mul(3600),
            "m" => thousandths.saturating_mul(60),
            "s" => thousandths,
            "ms" => thousandths / 1000,
            "us" | "µs" | "ns" => 0,
            _ => return None,
        };
        sum = Millis::saturating_add(sum, part);
        rest = &after[end..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_700_000_000_000;

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Option<Millis>) {
        let header = |name: &str| headers.iter().find(|(it, _)| *it == name).map(|(_, value)| *value);
        assert_eq!(until(NOW, header), expected, "{headers:?}");
    }

    #[test]
    fn the_end_of_a_limit_is_read_in_all_its_forms() {
        check(&[], None);
        check(&[("retry-after", "30")], Some(NOW + 30_000));
        check(&[("retry-after", "0.5")], Some(NOW + 500));
        check(&[("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT")], Some(NOW + 60_000));
        check(&[("retry-after", "soon")], None);
        check(&[("anthropic-ratelimit-unified-reset", "1700003600")], Some(NOW + 3_600_000));
        check(
            &[
                ("anthropic-ratelimit-requests-reset", "2023-11-14T22:13:30Z"),
                ("anthropic-ratelimit-requests-remaining", "7"),
                ("anthropic-ratelimit-tokens-reset", "2023-11-14T22:14:20Z"),
                ("anthropic-ratelimit-tokens-remaining", "0"),
            ],
            Some(NOW + 60_000),
        );
        check(&[("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6m0s")], Some(NOW + 1000));
        check(&[("x-ratelimit-reset-requests", "120ms")], Some(NOW + 120));
        check(&[("x-ratelimit-reset-tokens", "1h2m3.5s")], Some(NOW + 3_723_500));
        check(&[("x-ratelimit-reset-requests", "999999999999d999999999999d")], Some(Millis::MAX));
        for bad in ["", "6", "m", "6x", "-1s", "99999999999999s"] {
            check(&[("x-ratelimit-reset-requests", bad)], None);
        }
    }

    #[test]
    fn each_status_has_its_kind() {
        let check = |status, expected| assert_eq!(FaultKind::of_status(status), expected, "{status}");
        check(200, None);
        check(304, None);
        check(307, Some(FaultKind::Error));
        check(400, Some(FaultKind::Refused));
        check(401, Some(FaultKind::Unauthorized));
        check(403, Some(FaultKind::Unauthorized));
        check(429, Some(FaultKind::RateLimited));
        check(500, Some(FaultKind::Error));
        check(503, Some(FaultKind::Overloaded));
        check(529, Some(FaultKind::Overloaded));
    }
}
