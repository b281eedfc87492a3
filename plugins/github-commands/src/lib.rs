//! `github-commands`: what people write after `/code` in comments on GitHub is work, or an order about work.
//!
//! ```toml
//! [sources.commands]
//! plugin = "github-commands"
//! repositories = ["acme/shop"]
//! ```
//!
//! | a comment says | on an issue | on a pull request |
//! |---|---|---|
//! | `/code`, or `/code use the new client` | becomes a task, with that as instruction | goes on with its task |
//! | `/code stop`, `retry`, `approve`, `reject`, `review`, `continue`, `help` | an order about its task | the same |
//!
//! [`command`] reads one comment. [`intake`] finds them by asking GitHub now and then; [`webhook`] finds the same in what
//! GitHub sends, as soon as the host hands deliveries and feedback to plugins: until then `poll` is what is called, and
//! orders about tasks are found but not asked for. [`report`] answers.
//!
//! Only new comments count. One that was changed may have been changed by somebody else than its author, in whose name
//! the order would be.
//!
//! - Never decides who may order: it says who wrote, and the host asks the forge about that person.
//! - Never takes a quotation, a piece of code, a program's comment or agentd's own words for an order.
//! - Never writes to the forge: it returns edits that the host carries out once.

mod command;
mod intake;
mod order;
mod report;
mod webhook;
mod world;

use agentd_sdk::manifest::{ForgeWant, WebhookWant};
use agentd_sdk::settings::parse;
use agentd_sdk::task_source::{
    Delivery, Edit, FeedbackPage, FeedbackRequest, Intake, PollRequest, Receipt, TaskSource, Update,
};
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use world::Host;

struct GithubCommands;
agentd_sdk::plugin!(GithubCommands: task_source);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "word": {"type": "string", "default": "/code",
        "description": "What a line begins with that is meant for agentd; begins with a slash"},
    "comment": {"type": "boolean", "default": true,
        "description": "Answer by comments; otherwise by reactions only"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    word: String,
    comment: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { word: "/code".into(), comment: true }
    }
}

impl Plugin for GithubCommands {
    fn describe(settings: &str) -> Description {
        let settings: Settings = parse(settings).unwrap_or_default();
        let mut writes = vec!["reaction".to_owned()];
        if settings.comment {
            writes.insert(0, "comment".into());
        }
        let forge = ForgeWant {
            writes,
            why: format!("to find comments that begin with {}, and to answer them", settings.word),
            extra: vec![],
        };
        let webhook = WebhookWant {
            signature_header: "x-hub-signature-256".into(),
            signature_prefix: "sha256=".into(),
            signature_encoding: "hex".into(),
            signed_content: "{body}".into(),
            id_header: Some("x-github-delivery".into()),
            timestamp_header: None,
            event_header: Some("x-github-event".into()),
            why: "to hear of comments at once".into(),
            extra: vec![],
        };
        Description {
            name: "github-commands".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary:
                "Makes tasks and orders of /code comments on GitHub; this agentd polls for them, and does not yet \
                      hand it webhooks and orders about tasks"
                    .into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Forge(forge), Want::Webhook(webhook)],
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

impl TaskSource for GithubCommands {
    fn poll(request: PollRequest) -> Result<Intake, Error> {
        intake::poll(&Host, &settings()?, request.cursor.as_deref())
    }

    fn feedback(request: FeedbackRequest) -> Result<FeedbackPage, Error> {
        intake::feedback(&Host, &settings()?, request.cursor.as_deref())
    }

    fn receive(delivery: Delivery) -> Result<Receipt, Error> {
        webhook::receive(&Host, &settings()?, &delivery)
    }

    fn report(update: Update) -> Result<Vec<Edit>, Error> {
        report::report(&Host, &settings()?, &update)
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let rest = settings.word.strip_prefix('/').unwrap_or_default();
    let plain = !rest.is_empty() && rest.len() <= 32 && rest.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    match plain {
        true => vec![],
        false => {
            let message = format!("{:?} is no such word: give a slash and letters, as in /code", settings.word);
            vec![Problem::new("/word", message)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = GithubCommands::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn the_word_has_to_be_one() {
        check("{}", &[]);
        check(r#"{"word": "/agentd-2", "comment": false}"#, &[]);
        for bad in ["code", "/", "/a b", "/ä", "//x"] {
            let message = format!("{bad:?} is no such word: give a slash and letters, as in /code");
            check(&format!(r#"{{"word": "{bad}"}}"#), &[("/word", &message)]);
        }
    }

    #[track_caller]
    fn check_wants(settings: &str, expected: &[&str]) {
        match &GithubCommands::describe(settings).wants[..] {
            [Want::Forge(forge), Want::Webhook(webhook)] => {
                assert_eq!(forge.writes, expected);
                assert_eq!(webhook.signature_header, "x-hub-signature-256");
            }
            other => panic!("forge and webhook, not {other:?}"),
        }
    }

    #[test]
    fn it_wants_what_it_writes_and_githubs_signed_deliveries() {
        check_wants("{}", &["comment", "reaction"]);
        check_wants(r#"{"comment": false}"#, &["reaction"]);
    }

    #[test]
    fn the_schema_describes_every_setting_and_its_defaults_are_the_usual_settings() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
        let defaults: serde_json::Map<_, _> =
            properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();
        assert_eq!(serde_json::from_value::<Settings>(defaults.into()).expect("settings"), Settings::default());
    }
}
