//! Errors and values in the words that case files and people have for them.

use agentd_plugin::CallError;
use agentd_plugin::wit::common::Error;
use serde_json::{Value, json};

/// An error as the contract writes it: `{"invalid": "…"}`. What is no answer of the plugin's own is `{"failed": "…"}`.
pub(crate) fn of_error(error: &CallError) -> Value {
    let CallError::Plugin(error) = error else { return json!({ "failed": error.to_string() }) };
    match error {
        Error::Invalid(text) => json!({ "invalid": text }),
        Error::Denied(text) => json!({ "denied": text }),
        Error::NotFound(text) => json!({ "not-found": text }),
        Error::Conflict(text) => json!({ "conflict": text }),
        Error::Unsupported(text) => json!({ "unsupported": text }),
        Error::TooLarge(text) => json!({ "too-large": text }),
        Error::RateLimited(limit) => {
            json!({ "rate-limited": { "retry-at": limit.retry_at, "message": limit.message, "extra": limit.extra } })
        }
        Error::Unavailable(text) => json!({ "unavailable": text }),
        Error::Other(text) => json!({ "other": text }),
    }
}

/// At most so many characters of it.
pub(crate) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
