//! What GitHub says when it does not do something, in words that say what to do about it.
//!
//! - Never holds a token, a query, or more of GitHub's text than a line.

use super::{address::Address, exchange::Answer};
use crate::Error;
use http::HeaderMap;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// The most of GitHub's own words that an error shows, in characters.
const WORDS_MAX: usize = 300;

/// One of the things that GitHub found wrong with what it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ApiError {
    #[serde(deserialize_with = "text")]
    pub(crate) resource: String,
    #[serde(deserialize_with = "text")]
    pub(crate) field: String,
    /// `already_exists`, `invalid`, `custom`, …
    #[serde(deserialize_with = "text")]
    pub(crate) code: String,
    #[serde(deserialize_with = "text")]
    pub(crate) message: String,
}

/// What GitHub said: a sentence, and details.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) message: String,
    pub(crate) errors: Vec<ApiError>,
}

/// Reads an answer that is a refusal, whatever it looks like.
pub(crate) fn said(answer: &Answer) -> Said {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Raw {
        #[serde(deserialize_with = "text")]
        message: String,
        errors: serde_json::Value,
    }
    let raw: Raw = serde_json::from_slice(&answer.body).unwrap_or_default();
    let errors = match raw.errors {
        serde_json::Value::Array(errors) => errors,
        serde_json::Value::String(message) => vec![serde_json::Value::String(message)],
        _ => Vec::new(),
    };
    let errors = errors.into_iter().take(20).map(|error| match error {
        serde_json::Value::String(message) => ApiError { message: short(&message), ..ApiError::default() },
        error => serde_json::from_value(error).unwrap_or_default(),
    });
    let message = if raw.message.is_empty() { "it does not say why".to_owned() } else { short(&raw.message) };
    Said { message, errors: errors.collect() }
}

impl Said {
    /// One line.
    pub(crate) fn words(&self) -> String {
        let mut words = self.message.clone();
        for error in &self.errors {
            let detail = match (error.message.as_str(), error.field.as_str(), error.code.as_str()) {
                ("", "", code) => code.to_owned(),
                ("", field, code) => format!("{field} {code}"),
                (message, _, _) => message.to_owned(),
            };
            if !detail.is_empty() && !words.contains(&detail) {
                words = format!("{words}; {detail}");
            }
        }
        short(&words)
    }
}

/// The error that an answer is, for those who had no use for it.
pub(crate) fn error(address: &Address, what: &str, answer: &Answer) -> Error {
    let (host, what, message) = (address.host(), what.to_owned(), said(answer).words());
    match answer.status {
        401 => Error::Unauthorized { host, message },
        403 => Error::Forbidden { host, what, message, hint: missing_right(&answer.headers) },
        status => Error::Refused { what, status, message },
    }
}

/// Which right would have allowed it, as far as GitHub says.
fn missing_right(headers: &HeaderMap) -> String {
    let read = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).map(short).filter(|it| !it.is_empty());
    if let Some(url) = read("x-github-sso").and_then(|it| it.split("url=").nth(1).map(str::to_owned)) {
        return format!("the organisation wants the token authorised for its single sign-on: {url}");
    }
    let doctor = "`agentd doctor` lists what is missing";
    match (read("x-accepted-github-permissions"), read("x-accepted-oauth-scopes")) {
        (Some(rights), _) => format!("give the token or the App this permission: {rights}; {doctor}"),
        (None, Some(scopes)) => format!("give the token one of these scopes: {scopes}; {doctor}"),
        (None, None) => doctor.to_owned(),
    }
}

/// What an answer holds.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Error> {
    let body = if body.is_empty() { b"null" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Error::Unreadable { what: what.to_owned(), why: short(&error.to_string()) })
}

/// A time as GitHub writes it, in milliseconds since 1970.
pub(crate) fn time(what: &str, text: &str) -> Result<i64, Error> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    let unreadable = |_| Error::Unreadable { what: what.to_owned(), why: format!("`{}` is no time", short(text)) };
    time.map(jiff::Timestamp::as_millisecond).map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a function that takes an error is wanted")]
pub(crate) fn unwritable(error: serde_json::Error) -> Error {
    Error::Invalid { what: "a request to GitHub", why: error.to_string() }
}

/// One line of a text from outside.
pub(crate) fn short(text: &str) -> String {
    let line: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(WORDS_MAX).collect();
    line.trim().to_owned()
}

/// A text, or nothing where something else stands.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().map(short).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap()));
        Answer { status, headers: headers.collect(), body: body.to_owned().into() }
    }

    #[track_caller]
    fn check(body: &str, expected: &str) {
        assert_eq!(said(&answer(422, &[], body)).words(), expected);
    }

    #[test]
    fn refusals_are_read_in_all_their_forms() {
        check(r#"{"message":"Not Found","documentation_url":"x"}"#, "Not Found");
        check(
            r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"A pull request already exists for acme:x."}]}"#,
            "Validation Failed; A pull request already exists for acme:x.",
        );
        check(
            r#"{"message":"Validation Failed","errors":[{"resource":"Label","field":"name","code":"already_exists"}]}"#,
            "Validation Failed; name already_exists",
        );
        check(
            r#"{"message":"Validation Failed","errors":["Could not add label"]}"#,
            "Validation Failed; Could not add label",
        );
        check(r#"{"message":"Bad","errors":"one text"}"#, "Bad; one text");
        check("<html>unicorn</html>", "it does not say why");
        check(r#"{"message":null,"errors":[{"field":7}]}"#, "it does not say why");
    }

    #[test]
    fn a_missing_right_is_named_with_what_to_do() {
        let address = Address::parse(None).unwrap();
        let text = |headers: &[(&'static str, &str)]| {
            error(&address, "PUT repos/a/b", &answer(403, headers, r#"{"message":"Resource not accessible"}"#))
                .to_string()
        };
        assert_eq!(
            text(&[("x-accepted-github-permissions", "contents=write")]),
            "github.com did not let agentd PUT repos/a/b: Resource not accessible\nhint: give the token or the App this \
             permission: contents=write; `agentd doctor` lists what is missing"
        );
        assert!(text(&[("x-accepted-oauth-scopes", "repo")]).contains("one of these scopes: repo"));
        assert!(
            text(&[("x-github-sso", "required; url=https://github.com/orgs/acme/sso?x=1")])
                .contains("single sign-on: https://github.com/orgs/acme/sso?x=1")
        );
    }

    #[test]
    fn times_are_read_to_the_millisecond() {
        assert_eq!(time("x", "2024-01-02T03:04:05Z").unwrap(), 1_704_164_645_000);
        assert!(time("x", "yesterday").is_err());
    }
}
