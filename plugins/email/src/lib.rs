//! `email`: tells by mail what happens, through the operator's mail server.
//!
//! ```toml
//! [notifiers.mail]
//! plugin = "email"
//! events = ["task.waiting", "task.failed"]
//! settings = { to = ["dev@acme.com", "Ann <ann@acme.com>"] }
//!
//! [mail]
//! url = "smtps://mail.acme.com:465"
//! user = "agentd"
//! password = "${SMTP_PASSWORD}"
//! from = "agentd <agentd@acme.com>"
//! allow = ["*@acme.com"]
//! ```
//!
//! [`letter`] is what is sent: plain text, and beside it the same as simple HTML. Mails about one task are shown as one
//! conversation.
//!
//! - Never sees the server or its password, and never decides who may get mail: the host does.
//! - Never lets words of others become markup, a link that they chose the text of, or a header.

mod letter;

use agentd_sdk::host::mail;
use agentd_sdk::manifest::MailWant;
use agentd_sdk::notifier::{Edit, Message, Notifier};
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};

struct Email;
agentd_sdk::plugin!(Email: notifier);

/// How many recipients the host takes.
const RECIPIENTS: usize = 100;
/// How long the beginning of a subject may be, in characters.
const PREFIX: usize = 40;

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["to"], "properties": {
    "to": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100,
        "description": "Who gets the mail: ann@acme.com or Ann <ann@acme.com>; [mail] allow has to cover them"},
    "cc": {"type": "array", "items": {"type": "string"}, "default": [], "description": "Who gets a copy"},
    "prefix": {"type": "string", "maxLength": 40, "default": "[agentd]",
        "description": "What each subject begins with, for people's filters; empty: nothing"},
    "html": {"type": "boolean", "default": true, "description": "Send simple HTML beside the plain text"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    to: Vec<String>,
    #[serde(default)]
    cc: Vec<String>,
    #[serde(default = "prefix")]
    prefix: String,
    #[serde(default = "yes")]
    html: bool,
}

fn prefix() -> String {
    "[agentd]".into()
}

fn yes() -> bool {
    true
}

impl Plugin for Email {
    fn describe(settings: &str) -> Description {
        let why = match parse::<Settings>(settings) {
            Ok(settings) => format!("to tell {} what happens", settings.to.join(", ")),
            Err(_) => "to tell the recipients of the setting `to` what happens".into(),
        };
        Description {
            name: "email".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Tells by mail what happens".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Mail(MailWant { why, extra: vec![] })],
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

impl Notifier for Email {
    fn notify(message: Message) -> Result<Vec<Edit>, Error> {
        if !message.events.is_empty() {
            mail::send(&letter::letter(&settings()?, &message))?;
        }
        Ok(vec![])
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if settings.to.is_empty() {
        problems.push(Problem::new("/to", "is empty: name somebody, as in [\"ann@acme.com\"]"));
    }
    let all = settings.to.len() + settings.cc.len();
    if all > RECIPIENTS {
        let message = format!("has {all} recipients together with `cc`, and one mail has at most {RECIPIENTS}");
        problems.push(Problem::new("/to", message));
    }
    for (setting, addresses) in [("to", &settings.to), ("cc", &settings.cc)] {
        for (index, address) in addresses.iter().enumerate() {
            if let Some(why) = why_not(address) {
                problems.push(Problem::new(format!("/{setting}/{index}"), format!("{address:?} {why}")));
            }
        }
    }
    if settings.prefix.chars().count() > PREFIX || settings.prefix.chars().any(char::is_control) {
        let message = format!("is more than one line of at most {PREFIX} characters");
        problems.push(Problem::new("/prefix", message));
    }
    problems
}

/// What is plainly wrong with an address. The host looks closer, when it sends.
fn why_not(address: &str) -> Option<&'static str> {
    let bare = match address.trim().strip_suffix('>') {
        Some(it) => it.split_once('<')?.1,
        None => address.trim(),
    };
    let parts: Vec<&str> = bare.split('@').collect();
    match parts[..] {
        _ if address.chars().any(char::is_control) => Some("has a line break in it: give one address"),
        [local, domain] if !local.is_empty() && !domain.is_empty() && !bare.contains([' ', ',', ';', '<']) => None,
        _ => Some("is no mail address: give ann@acme.com or Ann <ann@acme.com>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = Email::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check(r#"{"to": ["ann@acme.com", "Bob Lee <bob@acme.com>"], "cc": ["x@y"], "prefix": "", "html": false}"#, &[]);
        check(
            r#"{"to": ["ann", "a@b@c", "ann@acme.com, bob@acme.com", "ann@acme.com\nBcc: eve@evil.example"], "cc": ["@x"],
                "prefix": "a\nb"}"#,
            &[
                ("/to/0", "\"ann\" is no mail address: give ann@acme.com or Ann <ann@acme.com>"),
                ("/to/1", "\"a@b@c\" is no mail address: give ann@acme.com or Ann <ann@acme.com>"),
                ("/to/2", "\"ann@acme.com, bob@acme.com\" is no mail address: give ann@acme.com or Ann <ann@acme.com>"),
                ("/to/3", "\"ann@acme.com\\nBcc: eve@evil.example\" has a line break in it: give one address"),
                ("/cc/0", "\"@x\" is no mail address: give ann@acme.com or Ann <ann@acme.com>"),
                ("/prefix", "is more than one line of at most 40 characters"),
            ],
        );
        check(r#"{"to": []}"#, &[("/to", "is empty: name somebody, as in [\"ann@acme.com\"]")]);
        check("{}", &[("", "the settings do not fit: missing field `to` at line 1 column 2")]);
        let many = serde_json::json!({"to": vec!["a@b.c"; 60], "cc": vec!["a@b.c"; 41]}).to_string();
        check(&many, &[("/to", "has 101 recipients together with `cc`, and one mail has at most 100")]);
    }

    #[test]
    fn it_wants_mail_and_says_to_whom() {
        let why = |settings| match &Email::describe(settings).wants[..] {
            [Want::Mail(want)] => want.why.clone(),
            other => panic!("one mail want, not {other:?}"),
        };
        assert_eq!(why("{}"), "to tell the recipients of the setting `to` what happens");
        assert_eq!(why(r#"{"to": ["ann@acme.com"]}"#), "to tell ann@acme.com what happens");
    }

    #[test]
    fn the_schema_is_json_and_describes_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
    }
}
