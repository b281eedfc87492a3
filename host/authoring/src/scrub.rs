//! Takes out of a recorded case what does not belong into a repository: cookies, tokens, mail addresses.
//!
//! The same address becomes the same stand-in everywhere in the case, so that a plugin which sends on what it was given
//! still asks for what was recorded.
//!
//! - Looks at texts, names of headers and names of fields; cannot know a secret that looks like nothing. Whoever commits
//!   a case reads it first.

use crate::case::Case;
use agentd_egress::secret::find_pattern;
use regex::{Captures, Regex};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const GONE: &str = "[scrubbed]";

/// Everything of the case but the plugin's function, which an author wrote.
pub(crate) fn case(case: &mut Case) {
    let mut scrub = Scrub::default();
    scrub.value(&mut case.settings);
    case.arguments.iter_mut().for_each(|it| scrub.value(it));
    for (key, value) in &mut case.kv {
        *value = if is_secret_name(key) { GONE.into() } else { scrub.text(value) };
    }
    for answer in &mut case.answers {
        scrub.value(&mut answer.arguments);
        scrub.value(&mut answer.answer);
    }
}

#[derive(Default)]
struct Scrub {
    /// Stand-ins by address.
    people: BTreeMap<String, String>,
}

impl Scrub {
    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => {
                values.retain(|it| !is_cookie(it));
                if let [Value::String(name), Value::String(secret)] = &mut values[..]
                    && is_secret_name(name)
                {
                    *secret = GONE.into();
                    return;
                }
                values.iter_mut().for_each(|it| self.value(it));
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(secret) if is_secret_name(name) && !secret.is_empty() => *secret = GONE.into(),
                        other => self.value(other),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => (),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let text = tokens(text);
        let text = FIELD.replace_all(&text, |found: &Captures<'_>| format!("{}{GONE}{}", &found[1], &found[2]));
        let text = PARAMETER.replace_all(&text, |found: &Captures<'_>| format!("{}{GONE}", &found[1]));
        let text = SPOKEN.replace_all(&text, |found: &Captures<'_>| format!("{}{GONE}", &found[1]));
        let text = SIGNED.replace_all(&text, GONE);
        MAIL.replace_all(&text, |found: &Captures<'_>| self.person(&found[0])).into_owned()
    }

    fn person(&mut self, address: &str) -> String {
        // The domains that are kept for examples are nobody's.
        let domain = address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        if ["example.com", "example.org", "example.net"].contains(&domain.as_str()) || domain.ends_with(".example") {
            return address.to_owned();
        }
        let next = self.people.len() + 1;
        self.people.entry(address.to_ascii_lowercase()).or_insert_with(|| format!("person-{next}@example.com")).clone()
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a test uses every pattern")
}

static MAIL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z]{2,}"));

/// A field of JSON in a text.
static FIELD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)("(?:[a-z_-]*(?:token|secret|password|passwd|api_?key|private_?key)|authorization|cookie)"\s*:\s*")(?:[^"\\]|\\.)+(")"#,
    )
});

/// A parameter of a URL or a form.
static PARAMETER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)([?&](?:[a-z_-]*(?:token|secret|password|signature)|api_?key|key|sig)=)[^&\s#]+"));

/// `Bearer …`.
static SPOKEN: LazyLock<Regex> = LazyLock::new(|| pattern(r"(\b(?:[Bb]earer|[Bb]asic)\s+)[A-Za-z0-9._~+/=-]{16,}"));

/// A signed token of three parts, of which the first begins as JSON does.
static SIGNED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"));

/// Tokens that look like those of well-known services.
fn tokens(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some((what, start)) = find_pattern(text.as_bytes()) {
        let rest = &text[start..];
        let end = if what == "private key" {
            rest.find("-----END").and_then(|end| rest[end + 8..].find("-----").map(|it| end + 8 + it + 5))
        } else {
            rest.find(|it: char| !(it.is_ascii_alphanumeric() || "_-".contains(it)))
        };
        let end = start + end.unwrap_or(rest.len());
        text.replace_range(start..end, GONE);
    }
    text
}

fn is_cookie(pair: &Value) -> bool {
    let name = pair.as_array().filter(|it| it.len() == 2).and_then(|it| it[0].as_str()).unwrap_or_default();
    ["cookie", "set-cookie"].contains(&name.to_ascii_lowercase().as_str())
}

/// Headers and fields that hold what nobody should see.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let ends = ["token", "secret", "password", "api-key", "apikey", "private-key", "authorization", "cookie"];
    ends.iter().any(|it| name.ends_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(mut value: Value, expected: Value) {
        Scrub::default().value(&mut value);
        assert_eq!(value, expected);
    }

    #[test]
    fn headers_lose_cookies_and_credentials() {
        check(
            json!({ "headers": [["Set-Cookie", "a=b"], ["x-api-key", "k"], ["date", "today"], ["authorization", "x"]] }),
            json!({ "headers": [["x-api-key", GONE], ["date", "today"], ["authorization", GONE]] }),
        );
        check(json!({ "access_token": "abc", "cursor": "abc" }), json!({ "access_token": GONE, "cursor": "abc" }));
    }

    #[test]
    fn texts_lose_tokens_and_addresses() {
        let token = format!("gh{}_{}", "p", "a".repeat(36));
        check(json!(format!("use {token}, or {token}!")), json!(format!("use {GONE}, or {GONE}!")));
        let key = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----";
        check(json!(format!("{key} x {key}")), json!(format!("{GONE} x {GONE}")));
        check(
            json!("{\"refresh_token\": \"r\\\"1\", \"title\": \"t\"}"),
            json!(format!("{{\"refresh_token\": \"{GONE}\", \"title\": \"t\"}}")),
        );
        check(json!("https://a.test/x?key=abc&page=2"), json!(format!("https://a.test/x?key={GONE}&page=2")));
        check(
            json!(["Ann@Acme.com and bob@acme.co.uk", "ann@acme.com", "x@example.org"]),
            json!(["person-1@example.com and person-2@example.com", "person-1@example.com", "x@example.org"]),
        );
        check(json!("Authorization: Bearer abcdefghijklmnop0"), json!(format!("Authorization: Bearer {GONE}")));
        check(json!("eyJhbGciOiJI.eyJzdWIiOiIx.sig"), json!(GONE));
        check(json!("a line without anything"), json!("a line without anything"));
    }
}
