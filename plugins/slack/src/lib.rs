//! `slack`: tells in a Slack channel what happens, through an incoming webhook.
//!
//! ```toml
//! [notifiers.team]
//! plugin = "slack"
//! events = ["task.waiting", "task.in-review", "task.failed"]
//! settings = { mention = "S0123ABCD" }     # optional: a user or user group, for what cannot wait
//!
//! [credentials.slack]
//! url = "${SLACK_WEBHOOK_URL}"
//! ```
//!
//! The webhook's address is the secret, and says which channel it is. [`message`] is what is sent, [`answer`] what
//! Slack's answer means.
//!
//! Slack knows no word by which it could tell a repetition: if agentd dies between Slack's answer and its own note of
//! it, that one message is there twice.
//!
//! - Never sees the webhook's address: the host sends to it.
//! - Never lets words of others ring a bell: only `mention` does.

mod answer;
mod message;

use agentd_sdk::host::{clock, http};
use agentd_sdk::manifest::{Attachment, Credential, HttpWant};
use agentd_sdk::notifier::{Edit, Message, Notifier};
use agentd_sdk::settings::parse;
use agentd_sdk::{Content, Description, Error, Plugin, Problem, Want, settings};

struct Slack;
agentd_sdk::plugin!(Slack: notifier);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "credential": {"type": "string", "default": "slack",
        "description": "The name of the credential that holds the incoming webhook's address, as `url`"},
    "mention": {"type": "string",
        "description": "Whom to mention when somebody is needed now: the id of a user (U…) or a user group (S…), or here or channel"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    credential: String,
    mention: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { credential: "slack".into(), mention: None }
    }
}

impl Plugin for Slack {
    fn describe(settings: &str) -> Description {
        let settings: Settings = parse(settings).unwrap_or_default();
        let want = HttpWant {
            methods: vec!["POST".into()],
            url: String::new(), // the credential is the address
            credential: Some(Credential { name: settings.credential, attach: Attachment::Url, extra: vec![] }),
            why: "to post into the channel of the incoming webhook".into(),
            extra: vec![],
        };
        Description {
            name: "slack".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Tells in a Slack channel what happens".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Http(want)],
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

impl Notifier for Slack {
    fn notify(message: Message) -> Result<Vec<Edit>, Error> {
        let settings: Settings = settings()?;
        let mention = settings.mention.as_deref().and_then(message::mention);
        let request = http::Request {
            method: "POST".into(),
            headers: vec![("content-type".into(), "application/json; charset=utf-8".into())],
            body: Content::Text(message::json(&message, mention.as_deref())),
            credential: Some(settings.credential.clone()),
            ..http::Request::default()
        };
        let response = http::send(&request)?;
        answer::judge(&settings.credential, &response, clock::now)?;
        Ok(vec![])
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    let credential = settings.credential.as_str();
    if credential.contains("://") {
        let message = "is an address, and the webhook's address is a secret: put it into [credentials.slack] as `url`, \
                       and name that here";
        problems.push(Problem::new("/credential", message));
    } else if credential.trim().is_empty() {
        problems.push(Problem::new("/credential", "is empty: name a credential, or leave it out for `slack`"));
    }
    if settings.mention.as_deref().is_some_and(|it| message::mention(it).is_none()) {
        let message = "is nobody's id: give a user's (U0123ABCD) or a user group's (S0123ABCD), `here` or `channel`; \
                       Slack shows ids under \"Copy member ID\" and in the address of a user group";
        problems.push(Problem::new("/mention", message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = Slack::check(settings);
        let problems: Vec<_> =
            problems.iter().map(|it| (it.pointer.as_str(), it.message.split(':').next().unwrap_or_default())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        check("{}", &[]);
        check(r#"{"credential": "ops-channel", "mention": "U0123ABCD"}"#, &[]);
        check(r#"{"mention": "here"}"#, &[]);
        check(
            r#"{"credential": " ", "mention": "@ann"}"#,
            &[("/credential", "is empty"), ("/mention", "is nobody's id")],
        );
        check(
            r#"{"credential": "https://hooks.slack.com/services/T/B/x"}"#,
            &[("/credential", "is an address, and the webhook's address is a secret")],
        );
        check(r#"{"url": "x"}"#, &[("", "the settings do not fit")]);
    }

    #[track_caller]
    fn check_want(settings: &str, credential: &str) {
        let wants = Slack::describe(settings).wants;
        let [Want::Http(want)] = &wants[..] else { panic!("one http want, not {wants:?}") };
        assert_eq!((&want.methods[..], want.url.as_str()), (&["POST".to_owned()][..], ""));
        let wanted = want.credential.as_ref().expect("a credential");
        assert!(matches!(wanted.attach, Attachment::Url));
        assert_eq!(wanted.name, credential);
    }

    #[test]
    fn it_wants_the_address_that_its_credential_is_and_nothing_else() {
        check_want("{}", "slack");
        check_want(r#"{"credential": "ops"}"#, "ops");
    }

    #[test]
    fn the_schema_is_json_and_describes_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
    }
}
