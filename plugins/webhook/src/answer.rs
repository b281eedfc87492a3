//! What the other end's answer means: done, try again, or give up.

use agentd_sdk::host::http::Response;
use agentd_sdk::{Content, Error, RateLimit};

/// How much of an answer's body is worth showing, in characters.
const EXCERPT: usize = 160;

/// Says whether the message has arrived. The clock is asked only where the other end says how long to wait.
pub(crate) fn judge(url: &str, response: &Response, now: impl Fn() -> u64) -> Result<(), Error> {
    let status = response.status;
    let place = origin(url);
    let said = format!("{place} answered {status}{}", excerpt(&response.body));
    match status {
        200..=299 => Ok(()),
        300..=399 => {
            let to = response.header("location").unwrap_or("elsewhere");
            Err(Error::Invalid(format!("{place} answered {status} and points to {}: correct `url`", origin(to))))
        }
        429 => Err(Error::RateLimited(RateLimit { retry_at: response.retry_at(now), message: said, extra: vec![] })),
        // Too slow or too early: nothing is wrong with the request.
        408 | 425 => Err(Error::Unavailable(said)),
        400..=499 => Err(Error::Invalid(format!("{said}: look at `url` and `credential`, and at what it expects"))),
        _ => Err(Error::Unavailable(said)),
    }
}

/// Scheme and host: a path or query may hold what should not stand in a log.
fn origin(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split(['/', '?', '#']).next().unwrap_or_default()),
        None => "the same host".into(),
    }
}

fn excerpt(body: &Content) -> String {
    let Content::Text(text) = body else { return String::new() };
    let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(EXCERPT * 4).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.chars().count() {
        0 => String::new(),
        1..=EXCERPT => format!(" ({text})"),
        _ => format!(" ({}…)", text.chars().take(EXCERPT).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, headers: &[(&str, &str)], body: &str, expected: &str) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let response = Response { status, headers, body: Content::Text(body.into()), extra: vec![] };
        let verdict = match judge("https://example.org/hook?key=s3cret", &response, || 1_000_000) {
            Ok(()) => "done".to_owned(),
            Err(Error::Invalid(text)) => format!("give up: {text}"),
            Err(Error::Unavailable(text)) => format!("again: {text}"),
            Err(Error::RateLimited(limit)) => format!("again at {:?}: {}", limit.retry_at, limit.message),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(verdict, expected);
    }

    #[test]
    fn answers_say_whether_to_try_again() {
        check(200, &[], "ok", "done");
        check(204, &[], "", "done");
        check(503, &[], "down\n for now", "again: https://example.org answered 503 (down for now)");
        check(408, &[], "", "again: https://example.org answered 408");
        check(
            404,
            &[],
            "no such hook",
            "give up: https://example.org answered 404 (no such hook): look at `url` and `credential`, and at what it \
             expects",
        );
    }

    #[test]
    fn a_rate_limit_is_kept_for_as_long_as_it_says() {
        check(429, &[("retry-after", "30")], "", "again at Some(1030000): https://example.org answered 429");
        check(
            429,
            &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")],
            "",
            "again at None: https://example.org answered 429",
        );
        check(
            429,
            &[("retry-after", "18446744073709551615")],
            "",
            "again at Some(18446744073709551615): https://example.org answered 429",
        );
    }

    #[test]
    fn a_redirect_is_a_wrong_address_and_shows_no_secret() {
        check(
            301,
            &[("location", "https://new.example.org/hook?key=s3cret")],
            "",
            "give up: https://example.org answered 301 and points to https://new.example.org: correct `url`",
        );
        check(
            302,
            &[("location", "/login")],
            "",
            "give up: https://example.org answered 302 and points to the same host: correct `url`",
        );
    }

    #[test]
    fn long_answers_are_cut() {
        let expected = format!("again: https://example.org answered 500 ({}…)", "x".repeat(160));
        check(500, &[], &"x".repeat(5_000), &expected);
    }
}
