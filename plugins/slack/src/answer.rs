//! What Slack's answer means: done, try again, or give up, and what to do then.

use agentd_sdk::host::http::Response;
use agentd_sdk::{Content, Error, RateLimit};

/// How much of an answer is worth showing, in characters: Slack says one word.
const WORD: usize = 60;

/// Says whether the message has arrived; `credential` is named where it has to be put right. The clock is asked only
/// where Slack says how long to wait.
pub(crate) fn judge(credential: &str, response: &Response, now: impl Fn() -> u64) -> Result<(), Error> {
    let status = response.status;
    let word = word(&response.body);
    let said = match word.as_str() {
        "" => format!("Slack answered {status}"),
        word => format!("Slack answered {status} {word}"),
    };
    let hint = hint(&word, credential);
    match status {
        200..=299 => Ok(()),
        429 => Err(Error::RateLimited(RateLimit { retry_at: response.retry_at(now), message: said, extra: vec![] })),
        408 | 425 | 500.. => Err(Error::Unavailable(said)),
        401 | 403 => Err(Error::Denied(format!("{said}: {hint}"))),
        404 | 410 => Err(Error::NotFound(format!("{said}: {hint}"))),
        _ => Err(Error::Invalid(format!("{said}: {hint}"))),
    }
}

/// What to do about it. The words are Slack's.
fn hint(word: &str, credential: &str) -> String {
    match word {
        "no_service" | "no_service_id" | "no_active_hooks" | "invalid_token" | "no_team" | "team_disabled" => format!(
            "the incoming webhook is gone or switched off; make a new one and put its address into the credential \
             `{credential}`"
        ),
        "channel_not_found" | "channel_is_archived" => format!(
            "its channel is gone; make an incoming webhook for another one and put its address into the credential \
             `{credential}`"
        ),
        "action_prohibited" | "posting_to_general_channel_denied" => {
            "the workspace does not let the webhook post there; ask an administrator of it, or choose another channel"
                .into()
        }
        "user_not_found" => "`mention` names somebody who is not in this workspace".into(),
        _ => {
            format!("look at the credential `{credential}`, whose `url` has to be an incoming webhook's whole address")
        }
    }
}

fn word(body: &Content) -> String {
    let Content::Text(text) = body else { return String::new() };
    let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(WORD * 4).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WORD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, headers: &[(&str, &str)], body: &str, expected: &str) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let response = Response { status, headers, body: Content::Text(body.into()), extra: vec![] };
        let verdict = match judge("slack", &response, || 1_000_000) {
            Ok(()) => "done".to_owned(),
            Err(Error::RateLimited(limit)) => format!("again at {:?}: {}", limit.retry_at, limit.message),
            Err(Error::Unavailable(text)) => format!("again: {text}"),
            Err(Error::Invalid(text)) => format!("invalid: {text}"),
            Err(Error::Denied(text)) => format!("denied: {text}"),
            Err(Error::NotFound(text)) => format!("not found: {text}"),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(verdict, expected);
    }

    #[test]
    fn what_may_work_later_is_tried_again() {
        check(200, &[], "ok", "done");
        check(429, &[("retry-after", "30")], "rate_limited", "again at Some(1030000): Slack answered 429 rate_limited");
        check(429, &[("retry-after", "soon")], "", "again at None: Slack answered 429");
        check(500, &[], "rollup_error", "again: Slack answered 500 rollup_error");
        check(503, &[], "", "again: Slack answered 503");
        check(408, &[], "", "again: Slack answered 408");
    }

    #[test]
    fn what_never_works_says_what_to_do() {
        let gone = "the incoming webhook is gone or switched off; make a new one and put its address into the \
                    credential `slack`";
        check(404, &[], "no_service", &format!("not found: Slack answered 404 no_service: {gone}"));
        check(403, &[], "invalid_token", &format!("denied: Slack answered 403 invalid_token: {gone}"));
        let channel = "its channel is gone; make an incoming webhook for another one and put its address into the \
                       credential `slack`";
        check(
            410,
            &[],
            "channel_is_archived",
            &format!("not found: Slack answered 410 channel_is_archived: {channel}"),
        );
        check(404, &[], "channel_not_found", &format!("not found: Slack answered 404 channel_not_found: {channel}"));
        check(
            403,
            &[],
            "action_prohibited",
            "denied: Slack answered 403 action_prohibited: the workspace does not let the webhook post there; ask an \
             administrator of it, or choose another channel",
        );
        check(
            400,
            &[],
            "user_not_found",
            "invalid: Slack answered 400 user_not_found: `mention` names somebody who is not in this workspace",
        );
        let look = "look at the credential `slack`, whose `url` has to be an incoming webhook's whole address";
        check(400, &[], "invalid_blocks", &format!("invalid: Slack answered 400 invalid_blocks: {look}"));
        check(302, &[], "", &format!("invalid: Slack answered 302: {look}"));
    }

    #[test]
    fn an_answer_that_is_no_word_is_cut() {
        let page = format!("<html>\n{}", "x".repeat(9_000));
        check(502, &[], &page, &format!("again: Slack answered 502 <html> {}", "x".repeat(53)));
    }
}
