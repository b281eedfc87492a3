//! {{name}}: the open items of a tracker with a small JSON interface are work.
//!
//!     GET  URL?since=CURSOR  ->  [{"id": "7", "title": "…", "text": "…", "link": "https://…", "open": true,
//!                                  "labels": ["bug"], "changed": "2026-03-01T12:00:00Z"}, …]     oldest change first
//!     POST URL/7             <-  {"state": "in-review", "text": "…"}
//!
//! The cursor is the latest change that was seen. Closed items are withdrawn.

use agentd_sdk::host::{clock, http};
use agentd_sdk::manifest::{Attachment, Credential, HttpWant};
use agentd_sdk::settings::parse;
use agentd_sdk::task_source::{Draft, Edit, Intake, Item, PollRequest, TaskSource, Update, Withdrawal};
use agentd_sdk::{Content, Description, Error, Plugin, Problem, RateLimit, Want, log, settings};
use serde_json::{Value, json};

struct {{NamePascal}};
agentd_sdk::plugin!({{NamePascal}}: task_source);

const PAGE: usize = 100;

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["url"], "properties": {
    "url": {"type": "string", "description": "The list of items: https://tracker.example.org/items"},
    "credential": {"type": "string", "default": "tracker",
        "description": "The credential for the tracker: a bearer token"},
    "repository": {"type": "string", "description": "The repository that the work is in; else the routes decide"}}}"#;

#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default = "unset")]
    url: String,
    #[serde(default = "tracker")]
    credential: String,
    repository: Option<String>,
}

fn unset() -> String {
    "{url}".into()
}

fn tracker() -> String {
    "tracker".into()
}

/// What the tracker says of an item.
#[derive(serde::Deserialize)]
struct Found {
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    text: String,
    link: Option<String>,
    #[serde(default)]
    open: bool,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    changed: String,
}

impl Plugin for {{NamePascal}} {
    fn describe(settings: &str) -> Description {
        let unset = Settings { url: unset(), credential: tracker(), repository: None };
        let Settings { url, credential, .. } = parse(settings).unwrap_or(unset);
        let want = HttpWant {
            methods: vec!["GET".into(), "POST".into()],
            url,
            credential: Some(Credential { name: credential, attach: Attachment::Bearer, extra: vec![] }),
            why: "to read the items, and to write what becomes of them".into(),
            extra: vec![],
        };
        Description {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Makes tasks of the open items of a tracker".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Http(want)],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Err(error) => vec![Problem::new("", error.to_string())],
            Ok(Settings { url, .. }) if url == unset() => vec![],
            Ok(Settings { url, .. }) if url.contains("://") && !url.contains(['?', '#']) => vec![],
            Ok(_) => vec![Problem::new("/url", "is no address without a query: https://tracker.example.org/items")],
        }
    }
}

impl TaskSource for {{NamePascal}} {
    fn poll(request: PollRequest) -> Result<Intake, Error> {
        let settings: Settings = settings()?;
        let since = request.cursor.as_deref().map(|it| format!("since={}&", encoded(it))).unwrap_or_default();
        let url = format!("{}?{since}limit={PAGE}", settings.url);
        let body = send(http::Request {
            method: "GET".into(),
            url: url.clone(),
            credential: Some(settings.credential),
            ..http::Request::default()
        })?;
        let found: Vec<Value> = serde_json::from_str(&body)
            .map_err(|_| Error::Invalid(format!("{} answered with something that is no list", settings.url)))?;

        let full = found.len() == PAGE;
        let mut latest = request.cursor.clone().unwrap_or_default();
        let mut items = vec![];
        for one in found {
            let Ok(one) = serde_json::from_value::<Found>(one) else {
                log::warn("skipped an item without id", &[]);
                continue;
            };
            latest = latest.max(one.changed.clone());
            items.push(if one.open {
                Item::Work(draft(one, settings.repository.clone()))
            } else {
                let reason = "closed in the tracker".into();
                Item::Withdrawn(Withdrawal { key: one.id, reason, extra: vec![] })
            });
        }
        // A page that brings nothing later would be the same page again.
        let more = full && Some(&latest) != request.cursor.as_ref();
        let cursor = Some(latest).filter(|it| !it.is_empty());
        Ok(Intake { items, cursor, more, ..Intake::default() })
    }

    fn report(update: Update) -> Result<Vec<Edit>, Error> {
        if update.text.is_none() && update.task.state == update.former_state {
            return Ok(vec![]);
        }
        let settings: Settings = settings()?;
        let mut body = json!({"state": update.task.state});
        if let Some(text) = update.text {
            body["text"] = format!("{text}\n\n{}", update.marker).into();
        }
        send(http::Request {
            method: "POST".into(),
            url: format!("{}/{}", settings.url, encoded(&update.task.key)),
            headers: vec![("content-type".into(), "application/json".into())],
            body: Content::Text(body.to_string()),
            credential: Some(settings.credential),
            extra: vec![("idempotency-key".into(), update.id)],
            ..http::Request::default()
        })?;
        Ok(vec![])
    }
}

fn draft(found: Found, repository: Option<String>) -> Draft {
    Draft {
        title: if found.title.is_empty() { found.id.clone() } else { found.title },
        key: found.id,
        body: found.text,
        url: found.link.clone(),
        subject: found.link,
        repository,
        labels: found.labels,
        ..Draft::default()
    }
}

/// The answer's text; an answer that is none becomes the error that says whether to try again.
fn send(request: http::Request) -> Result<String, Error> {
    let response = http::send(&request)?;
    let body = match &response.body {
        Content::Text(text) => text.clone(),
        Content::Bytes(_) => String::new(),
    };
    let origin = request.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let shown = body.chars().take(160).collect::<String>();
    let shown = if shown.is_empty() { shown } else { format!(" ({shown})") };
    let text = format!("{origin} answered {}{shown}", response.status);
    match response.status {
        200..=299 => Ok(body),
        401 | 403 => Err(Error::Denied(text)),
        404 | 410 => Err(Error::NotFound(text)),
        409 => Err(Error::Conflict(text)),
        429 => {
            let retry_at = response.retry_at(clock::now);
            Err(Error::RateLimited(RateLimit { retry_at, message: text, extra: vec![] }))
        }
        408 | 425 | 500.. => Err(Error::Unavailable(text)),
        _ => Err(Error::Invalid(text)),
    }
}

/// Percent-encoded, for a path or a query.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|it| if keep(it) { char::from(it).to_string() } else { format!("%{it:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_special_in_an_address_is_encoded() {
        assert_eq!(super::encoded("2026-03-02T07:00:00Z/ü"), "2026-03-02T07%3A00%3A00Z%2F%C3%BC");
    }
}
