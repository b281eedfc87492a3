//! The script in the words of OpenAI's older interface, which most others speak: chat completions, whole and as a stream.

use super::Usage;
use super::http::{Answer, Refusal, Request};
use super::script::{Kind, Said, Turn, call_id, halves};
use serde_json::{Value, json};

/// What the model said so far.
pub(super) fn said(body: &Value) -> Vec<Said> {
    let messages = body["messages"].as_array().into_iter().flatten();
    messages.filter(|it| it["role"] == "assistant").flat_map(of_message).collect()
}

fn of_message(message: &Value) -> Vec<Said> {
    let text = message["content"].as_str().filter(|it| !it.is_empty()).map(|it| Said::Text(it.into()));
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    text.into_iter().chain(calls.filter_map(|it| it["id"].as_str().map(|id| Said::Call(id.into())))).collect()
}

/// The session: a header of the agent's.
pub(super) fn conversation(request: &Request) -> String {
    request.header("x-session-affinity").into()
}

pub(super) fn answer(body: &Value, turn: &Turn, index: usize) -> Answer {
    let headers = vec![("x-request-id".to_owned(), format!("req_{index:03}"))];
    let refusal = |status: u16, more: &[(String, String)], text: &str| Refusal {
        status,
        headers: headers.iter().cloned().chain(more.iter().cloned()).collect(),
        body: json!({ "error": { "message": text, "type": "scripted", "code": null } }).to_string(),
    };
    let (message, reason) = match &turn.kind {
        Kind::Text(text) => (json!({ "content": text }), "stop"),
        Kind::Refusal(text) => (json!({ "content": text }), "content_filter"),
        Kind::MaxTokens(text) => (json!({ "content": text }), "length"),
        Kind::Bash(command) => {
            (call(index, "bash", &json!({ "command": command, "description": "Work on the task" })), "tool_calls")
        }
        Kind::Tool(name, input) => (call(index, name, input), "tool_calls"),
        Kind::Status(status, more) => {
            let refusal = Some(refusal(*status, more, &format!("The script says {status}.")));
            return Answer { refusal, ..Answer::default() };
        }
        Kind::StreamError(_) => {
            return Answer { refusal: Some(refusal(529, &[], "The script says so.")), ..Answer::default() };
        }
        Kind::Hang => return Answer::default(),
    };
    let about = |object: &str, choices: Value| {
        json!({
            "id": format!("chat_turn_{index:03}"), "object": object, "created": 1, "model": body["model"],
            "choices": choices,
        })
    };
    let piece = |delta: Value, reason: Option<&str>| {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
        ("message".to_owned(), about("chat.completion.chunk", choices))
    };
    let mut events = vec![piece(json!({ "role": "assistant", "content": null }), None)];
    match message["content"].as_str() {
        Some(text) => events.extend(halves(text).map(|it| piece(json!({ "content": it }), None))),
        None => events.push(piece(message.clone(), None)),
    }
    events.push(piece(json!({}), Some(reason)));
    let mut last = about("chat.completion.chunk", json!([]));
    last["usage"] = usage(&turn.usage);
    events.push(("message".to_owned(), last));
    let mut whole = about("chat.completion", json!([{ "index": 0, "message": message, "finish_reason": reason }]));
    whole["choices"][0]["message"]["role"] = json!("assistant");
    whole["usage"] = usage(&turn.usage);
    Answer { refusal: None, headers, whole: whole.to_string(), events, failed: false }
}

fn call(index: usize, name: &str, arguments: &Value) -> Value {
    let function = json!({ "name": name, "arguments": arguments.to_string() });
    json!({ "tool_calls": [{ "index": 0, "id": call_id(index), "type": "function", "function": function }] })
}

/// Here what came from the cache is a part of the input.
fn usage(usage: &Usage) -> Value {
    let input = usage.input + usage.cache_read + usage.cache_write;
    json!({
        "prompt_tokens": input, "completion_tokens": usage.output, "total_tokens": input + usage.output,
        "prompt_tokens_details": { "cached_tokens": usage.cache_read },
    })
}
