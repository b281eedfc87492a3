//! The script in Anthropic's words: Messages, whole and as a stream.

use super::Usage;
use super::http::{Answer, Refusal, Request};
use super::script::{Kind, Said, Turn, call_id, halves};
use serde_json::{Value, json};

/// What the model said so far.
pub(super) fn said(body: &Value) -> Vec<Said> {
    let messages = body["messages"].as_array().into_iter().flatten();
    let own = messages.filter(|it| it["role"] == "assistant");
    own.flat_map(|message| match &message["content"] {
        Value::String(text) => vec![Said::Text(text.clone())],
        blocks => blocks.as_array().into_iter().flatten().filter_map(of_block).collect(),
    })
    .collect()
}

fn of_block(block: &Value) -> Option<Said> {
    match block["type"].as_str()? {
        "text" => Some(Said::Text(block["text"].as_str()?.into())),
        "tool_use" => Some(Said::Call(block["id"].as_str()?.into())),
        _ => None,
    }
}

/// The session: a header of the agent's, or the user that it names.
pub(super) fn conversation(request: &Request, body: &Value) -> String {
    let header = request.header("x-claude-code-session-id");
    if header.is_empty() { body["metadata"]["user_id"].as_str().unwrap_or_default().into() } else { header.into() }
}

pub(super) fn answer(body: &Value, turn: &Turn, index: usize) -> Answer {
    let headers = vec![("request-id".to_owned(), format!("req_{index:03}"))];
    let (block, deltas, reason) = match &turn.kind {
        Kind::Text(text) => text_block(text, "end_turn"),
        Kind::Refusal(text) => text_block(text, "refusal"),
        Kind::MaxTokens(text) => text_block(text, "max_tokens"),
        Kind::Bash(command) => {
            tool_block(index, "Bash", &json!({ "command": command, "description": "Work on the task" }))
        }
        Kind::Tool(name, input) => tool_block(index, name, input),
        Kind::StreamError(_) => text_block("", "end_turn"),
        Kind::Status(status, more) => {
            let refusal = Refusal {
                status: *status,
                headers: headers.into_iter().chain(more.clone()).collect(),
                body: error(kind_of(*status), &format!("The script says {status}.")).to_string(),
            };
            return Answer { refusal: Some(refusal), ..Answer::default() };
        }
        Kind::Hang => return Answer::default(),
    };
    let mut message = json!({
        "id": format!("msg_turn_{index:03}"), "type": "message", "role": "assistant", "model": body["model"],
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": usage(&Usage { output: 1, ..turn.usage }),
    });
    let mut events = vec![event("message_start", json!({ "message": message }))];
    let failed = match &turn.kind {
        Kind::StreamError(kind) => {
            events.push(("error".into(), error(kind, "The script says so.")));
            true
        }
        _ => {
            events.push(event("content_block_start", json!({ "index": 0, "content_block": empty(&block) })));
            events.push(event("ping", json!({})));
            for delta in deltas {
                events.push(event("content_block_delta", json!({ "index": 0, "delta": delta })));
            }
            events.push(event("content_block_stop", json!({ "index": 0 })));
            let end = json!({ "stop_reason": reason, "stop_sequence": null });
            events.push(event("message_delta", json!({ "delta": end, "usage": usage(&turn.usage) })));
            events.push(event("message_stop", json!({})));
            false
        }
    };
    (message["content"], message["stop_reason"]) = (json!([block]), json!(reason));
    message["usage"] = usage(&turn.usage);
    let whole = message.to_string();
    // An error in a stream is a status where there is none.
    let refusal = match &turn.kind {
        Kind::StreamError(kind) if body["stream"] != true => Some(Refusal {
            status: 529,
            headers: headers.clone(),
            body: error(kind, "The script says so.").to_string(),
        }),
        _ => None,
    };
    Answer { refusal, headers, whole, events, failed }
}

fn text_block(text: &str, reason: &'static str) -> (Value, Vec<Value>, &'static str) {
    let deltas = halves(text).map(|it| json!({ "type": "text_delta", "text": it }));
    (json!({ "type": "text", "text": text }), deltas.into(), reason)
}

fn tool_block(index: usize, name: &str, input: &Value) -> (Value, Vec<Value>, &'static str) {
    let text = input.to_string();
    let deltas = halves(&text).map(|it| json!({ "type": "input_json_delta", "partial_json": it }));
    (json!({ "type": "tool_use", "id": call_id(index), "name": name, "input": input }), deltas.into(), "tool_use")
}

/// The block as it is announced, before what is in it.
fn empty(block: &Value) -> Value {
    let mut block = block.clone();
    match block["type"].as_str() {
        Some("text") => block["text"] = json!(""),
        _ => block["input"] = json!({}),
    }
    block
}

fn event(name: &str, mut data: Value) -> (String, Value) {
    data["type"] = json!(name);
    (name.into(), data)
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input, "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cache_read, "cache_creation_input_tokens": usage.cache_write,
    })
}

fn error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message } })
}

fn kind_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}
