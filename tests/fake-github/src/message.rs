//! A request as the fake reads it, and an answer as it gives it.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// A request that has arrived completely.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As it was sent, still percent-encoded, without the query.
    pub(crate) path: String,
    /// As it was sent, without the question mark.
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    /// Its media type and what is in it.
    Other(String, Vec<u8>),
}

/// What a handler gives: both are answers, the second one ends it at once.
pub(crate) type Outcome = Result<Answer, Answer>;

impl Request {
    /// The header's value, whatever case its name was sent in.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The query's pairs, decoded, in order.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let pairs = self.query.split('&').filter(|it| !it.is_empty());
        pairs.map(|it| it.split_once('=').unwrap_or((it, ""))).map(|(key, value)| (plus(key), plus(value))).collect()
    }
}

impl Answer {
    pub(crate) fn new(status: u16, value: Value) -> Answer {
        Answer { status, headers: Vec::new(), body: Body::Json(value) }
    }

    pub(crate) fn ok(value: Value) -> Answer {
        Answer::new(200, value)
    }

    pub(crate) fn created(value: Value) -> Answer {
        Answer::new(201, value)
    }

    pub(crate) fn nothing() -> Answer {
        Answer { status: 204, headers: Vec::new(), body: Body::Empty }
    }

    pub(crate) fn text(kind: &str, text: Vec<u8>) -> Answer {
        Answer { status: 200, headers: Vec::new(), body: Body::Other(kind.to_owned(), text) }
    }

    pub(crate) fn error(status: u16, message: &str) -> Answer {
        let body = json!({ "message": message, "documentation_url": DOCUMENTATION, "status": status.to_string() });
        Answer::new(status, body)
    }

    pub(crate) fn not_found() -> Answer {
        Answer::error(404, "Not Found")
    }

    /// 422 with one entry in `errors`.
    pub(crate) fn invalid(resource: &str, field: &str, code: &str, message: &str) -> Answer {
        let mut entry = json!({ "resource": resource, "code": code });
        if !field.is_empty() {
            entry["field"] = json!(field);
        }
        if !message.is_empty() {
            entry["message"] = json!(message);
        }
        let body = json!({
            "message": "Validation Failed", "errors": [entry], "documentation_url": DOCUMENTATION, "status": "422",
        });
        Answer::new(422, body)
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

const DOCUMENTATION: &str = "https://docs.github.com/rest";

pub(crate) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn plus(text: &str) -> String {
    decoded(&text.replace('+', " "))
}
