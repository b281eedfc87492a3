//! `webhook`: posts what happens as JSON to an address. The other end can be anything that takes a POST.
//!
//! ```toml
//! [notifiers.hook]
//! plugin = "webhook"
//! settings = { url = "https://example.org/agentd", credential = "hook" }
//!
//! [credentials.hook]          # optional: signs each request as Standard Webhooks says
//! signing-key = "${HOOK_KEY}"
//! ```
//!
//! [`payload`] is what is sent, [`answer`] what the other end's answer means. The header `idempotency-key` holds the
//! message's id, which is the same in every repetition: who must not act twice keeps it.
//!
//! - Never sees the signing key: the host signs.
//! - Never repeats a request itself: it says whether that makes sense, and the host does it.

mod answer;
mod payload;

use agentd_sdk::host::{clock, http};
use agentd_sdk::manifest::{Attachment, Credential, HttpWant};
use agentd_sdk::notifier::{Edit, Message, Notifier};
use agentd_sdk::settings::parse;
use agentd_sdk::{Content, Description, Error, Plugin, Problem, Want, settings};

struct Webhook;
agentd_sdk::plugin!(Webhook: notifier);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["url"], "properties": {
    "url": {"type": "string", "description": "Where to send to: https://…"},
    "method": {"type": "string", "enum": ["POST", "PUT", "PATCH"], "default": "POST", "description": "How"},
    "credential": {"type": "string",
        "description": "The name of a signing key: requests are signed with it as Standard Webhooks says"}}}"#;

const METHODS: &[&str] = &["POST", "PUT", "PATCH"];

/// What the operator configured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: String,
    #[serde(default = "post")]
    method: String,
    credential: Option<String>,
}

fn post() -> String {
    "POST".into()
}

impl Plugin for Webhook {
    fn describe(settings: &str) -> Description {
        // Without a URL people see which setting it will come from, and nothing can be granted by it.
        let unset = Settings { url: "{url}".into(), method: post(), credential: None };
        Description {
            name: "webhook".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Posts what happens as JSON to an address".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Http(want(parse(settings).unwrap_or(unset)))],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => problems(&settings),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Notifier for Webhook {
    fn notify(message: Message) -> Result<Vec<Edit>, Error> {
        let settings: Settings = settings()?;
        let request = http::Request {
            method: settings.method,
            url: settings.url.clone(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: Content::Text(payload::json(&message)),
            credential: settings.credential,
            timeout_ms: None,
            extra: vec![("idempotency-key".into(), message.id)],
        };
        let response = http::send(&request)?;
        answer::judge(&settings.url, &response, clock::now)?;
        Ok(vec![])
    }
}

/// Exactly what is sent and nothing more: this method, at this address, with this key.
fn want(settings: Settings) -> HttpWant {
    let url = settings.url.split(['?', '#']).next().unwrap_or_default().to_owned();
    let attach = Attachment::SigningKey;
    let credential = settings.credential.map(|name| Credential { name, attach, extra: vec![] });
    HttpWant {
        methods: vec![settings.method],
        url,
        credential,
        why: "to send what happens there".into(),
        extra: vec![],
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    let url = settings.url.as_str();
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let mut wrong = |message: &str| problems.push(Problem::new("/url", message));
    match host {
        None => wrong("is no address: begin it with https:// (or http://, inside of your network)"),
        Some("") => wrong("names no host: https://example.org/path"),
        Some(host) if host.contains('@') => wrong("has a user or password in it: name a `credential` instead"),
        Some(_) if url.contains(|it: char| it.is_whitespace() || it.is_control()) => wrong("has a blank in it"),
        Some(_) => (),
    }
    if !METHODS.contains(&settings.method.as_str()) {
        let message = format!("is {:?}: use one of {}", settings.method, METHODS.join(", "));
        problems.push(Problem::new("/method", message));
    }
    if settings.credential.as_deref() == Some("") {
        problems.push(Problem::new("/credential", "is empty: name a credential, or leave it out"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = Webhook::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn addresses_that_cannot_work_are_named() {
        check(r#"{"url": "https://example.org/a?b=c"}"#, &[]);
        check(r#"{"url": "http://127.0.0.1:9000"}"#, &[]);
        let none = "is no address: begin it with https:// (or http://, inside of your network)";
        check(r#"{"url": "example.org"}"#, &[("/url", none)]);
        check(r#"{"url": "https:///x"}"#, &[("/url", "names no host: https://example.org/path")]);
        let user = "has a user or password in it: name a `credential` instead";
        check(r#"{"url": "https://ann:secret@example.org"}"#, &[("/url", user)]);
        check(r#"{"url": "https://example.org/@ann"}"#, &[]);
        check(
            r#"{"url": "https://example.org/a b", "method": "GET", "credential": ""}"#,
            &[
                ("/url", "has a blank in it"),
                ("/method", "is \"GET\": use one of POST, PUT, PATCH"),
                ("/credential", "is empty: name a credential, or leave it out"),
            ],
        );
        check("{}", &[("", "the settings do not fit: missing field `url` at line 1 column 2")]);
    }

    #[track_caller]
    fn check_want(settings: &str, methods: &[&str], url: &str, credential: Option<&str>) {
        let wants = Webhook::describe(settings).wants;
        let [Want::Http(want)] = &wants[..] else { panic!("one http want, not {wants:?}") };
        let name = want.credential.as_ref().map(|it| it.name.as_str());
        let wanted: Vec<&str> = want.methods.iter().map(String::as_str).collect();
        assert_eq!((&wanted[..], want.url.as_str(), name), (methods, url, credential));
    }

    #[test]
    fn it_wants_its_address_only() {
        check_want("{}", &["POST"], "{url}", None);
        check_want(r#"{"url": "https://example.org/a?key=b#c"}"#, &["POST"], "https://example.org/a", None);
        check_want(
            r#"{"url": "https://example.org/a", "method": "PUT", "credential": "hook"}"#,
            &["PUT"],
            "https://example.org/a",
            Some("hook"),
        );
    }

    #[test]
    fn the_schema_is_json_and_describes_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
    }
}
