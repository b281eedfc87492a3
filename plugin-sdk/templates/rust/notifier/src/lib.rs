//! {{name}}: posts what happens into a chat channel, through an incoming webhook that takes `{"text": "…"}` (Slack,
//! Mattermost, Rocket.Chat and others do). The webhook's address is a credential: the host knows it, this file does not.

use agentd_sdk::host::{clock, http};
use agentd_sdk::manifest::{Attachment, Credential, HttpWant};
use agentd_sdk::notifier::{Edit, Event, Message, Notifier, Severity};
use agentd_sdk::settings::parse;
use agentd_sdk::{Content, Description, Error, Plugin, Problem, RateLimit, Want, settings};

struct {{NamePascal}};
agentd_sdk::plugin!({{NamePascal}}: notifier);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "credential": {"type": "string", "default": "chat",
        "description": "The credential that holds the webhook's address, as `url`"},
    "least": {"type": "string", "enum": ["info", "warning", "urgent"], "default": "info",
        "description": "What is less severe than this is not told"}}}"#;

#[derive(serde::Deserialize)]
#[serde(default)]
struct Settings {
    credential: String,
    least: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { credential: "chat".into(), least: "info".into() }
    }
}

impl Plugin for {{NamePascal}} {
    fn describe(settings: &str) -> Description {
        let Settings { credential, .. } = parse(settings).unwrap_or_default();
        let want = HttpWant {
            methods: vec!["POST".into()],
            url: String::new(), // the credential is the address
            credential: Some(Credential { name: credential, attach: Attachment::Url, extra: vec![] }),
            why: "to post into the channel of the incoming webhook".into(),
            extra: vec![],
        };
        Description {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Posts what happens into a chat channel".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Http(want)],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        let Settings { credential, .. } = match parse(settings) {
            Ok(settings) => settings,
            Err(error) => return vec![Problem::new("", error.to_string())],
        };
        let is_name = |it: char| it.is_alphanumeric() || "._-".contains(it);
        if !credential.is_empty() && credential.chars().all(is_name) {
            return vec![];
        }
        let message = "is no name of a credential; its address belongs into [credentials], as `url`";
        vec![Problem::new("/credential", message)]
    }
}

impl Notifier for {{NamePascal}} {
    fn notify(message: Message) -> Result<Vec<Edit>, Error> {
        let settings: Settings = settings()?;
        let told = message.events.iter().filter(|event| rank(event.severity) >= least(&settings.least));
        let lines: Vec<String> = told.map(line).collect();
        if lines.is_empty() {
            return Ok(vec![]);
        }
        let response = http::send(&http::Request {
            method: "POST".into(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: Content::Text(serde_json::json!({"text": lines.join("\n")}).to_string()),
            credential: Some(settings.credential),
            extra: vec![("idempotency-key".into(), message.id)],
            ..http::Request::default()
        })?;
        judge(&response)?;
        Ok(vec![])
    }
}

fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Urgent => 2,
    }
}

fn least(word: &str) -> u8 {
    match word {
        "urgent" => 2,
        "warning" => 1,
        _ => 0,
    }
}

fn line(event: &Event) -> String {
    let icon = ["·", "⚠", "🚨"][usize::from(rank(event.severity))];
    // Titles hold words of others: without these characters nothing in them can mention or link.
    let title = event.title.replace(|it| "<>@&*_~`[]".contains(it), " ");
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    match &event.url {
        Some(url) => format!("{icon} {title} {url}"),
        None => format!("{icon} {title}"),
    }
}

/// Says whether the message has arrived, and if not, whether to try again.
fn judge(response: &http::Response) -> Result<(), Error> {
    let body = match &response.body {
        Content::Text(text) if !text.is_empty() => format!(" ({})", text.chars().take(160).collect::<String>()),
        _ => String::new(),
    };
    let text = format!("the other end answered {}{body}", response.status);
    match response.status {
        200..=299 => Ok(()),
        429 => {
            let retry_at = response.retry_at(clock::now);
            Err(Error::RateLimited(RateLimit { retry_at, message: text, extra: vec![] }))
        }
        408 | 425 | 500.. => Err(Error::Unavailable(text)),
        401 | 403 => Err(Error::Denied(text)),
        _ => Err(Error::Invalid(text)),
    }
}
