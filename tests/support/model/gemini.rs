//! The script in Google's words: `streamGenerateContent`, and the same whole.
//!
//! A call of a tool has no id that comes back: it is known again by the description that it carries.

use super::Usage;
use super::http::{Answer, Refusal};
use super::script::{Kind, Said, Turn, call_id, halves};
use serde_json::{Value, json};

/// What the model said so far.
pub(super) fn said(body: &Value) -> Vec<Said> {
    let contents = body["contents"].as_array().into_iter().flatten();
    let parts = contents.filter(|it| it["role"] == "model").flat_map(|it| it["parts"].as_array().into_iter().flatten());
    parts.filter_map(of_part).collect()
}

fn of_part(part: &Value) -> Option<Said> {
    let call = part["functionCall"]["args"]["description"].as_str().map(|it| Said::Call(it.into()));
    call.or_else(|| part["text"].as_str().map(|it| Said::Text(it.into())))
}

pub(super) fn answer(path: &str, turn: &Turn, index: usize) -> Answer {
    let refusal = |status: u16, more: &[(String, String)]| {
        let error = json!({ "code": status, "message": format!("The script says {status}."), "status": word(status) });
        let body = json!({ "error": error }).to_string();
        Answer { refusal: Some(Refusal { status, headers: more.to_vec(), body }), ..Answer::default() }
    };
    let (parts, reason) = match &turn.kind {
        Kind::Text(text) => (texts(text), "STOP"),
        Kind::Refusal(text) => (texts(text), "SAFETY"),
        Kind::MaxTokens(text) => (texts(text), "MAX_TOKENS"),
        Kind::Bash(command) => {
            (vec![call("run_shell_command", &json!({ "command": command, "description": call_id(index) }))], "STOP")
        }
        Kind::Tool(name, input) => (vec![call(name, input)], "STOP"),
        Kind::Status(status, more) => return refusal(*status, more),
        Kind::StreamError(_) => return refusal(503, &[]),
        Kind::Hang => return Answer::default(),
    };
    let model = path.rsplit('/').next().and_then(|it| it.split(':').next()).unwrap_or_default();
    let piece = |parts: &[Value], reason: Option<&str>, usage: Value| {
        let candidate = json!({ "index": 0, "content": { "role": "model", "parts": parts }, "finishReason": reason });
        json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": model })
    };
    let last = parts.len() - 1;
    let events = parts.iter().enumerate().map(|(at, part)| {
        let (reason, output) = if at == last { (Some(reason), turn.usage.output) } else { (None, 0) };
        ("message".to_owned(), piece(std::slice::from_ref(part), reason, usage(&Usage { output, ..turn.usage })))
    });
    let events = events.collect();
    let whole = piece(&parts, Some(reason), usage(&turn.usage)).to_string();
    Answer { refusal: None, headers: vec![], whole, events, failed: false }
}

fn texts(text: &str) -> Vec<Value> {
    halves(text).map(|it| json!({ "text": it })).into()
}

fn call(name: &str, arguments: &Value) -> Value {
    json!({ "functionCall": { "name": name, "args": arguments } })
}

/// Here what came from the cache is a part of the input.
fn usage(usage: &Usage) -> Value {
    let input = usage.input + usage.cache_read + usage.cache_write;
    json!({
        "promptTokenCount": input, "cachedContentTokenCount": usage.cache_read, "candidatesTokenCount": usage.output,
        "totalTokenCount": input + usage.output,
    })
}

fn word(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        400..=499 => "INVALID_ARGUMENT",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}
