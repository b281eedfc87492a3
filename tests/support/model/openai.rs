//! The script in OpenAI's words: Responses, whole and as a stream.

use super::Usage;
use super::http::{Answer, Refusal, Request};
use super::script::{Kind, Said, Turn, call_id, halves};
use serde_json::{Value, json};

/// What the model said so far.
pub(super) fn said(body: &Value) -> Vec<Said> {
    body["input"].as_array().into_iter().flatten().flat_map(of_item).collect()
}

fn of_item(item: &Value) -> Vec<Said> {
    match item["type"].as_str() {
        Some("function_call" | "custom_tool_call") => {
            item["call_id"].as_str().map(|it| Said::Call(it.into())).into_iter().collect()
        }
        Some("message") | None if item["role"] == "assistant" => {
            let parts = item["content"].as_array().into_iter().flatten();
            let text = parts.filter_map(|it| it["text"].as_str().or_else(|| it["refusal"].as_str()));
            text.map(|it| Said::Text(it.into())).collect()
        }
        _ => vec![],
    }
}

/// The session: a header of the agent's, or the key of its cache.
pub(super) fn conversation(request: &Request, body: &Value) -> String {
    let header = request.header("session-id");
    if header.is_empty() { body["prompt_cache_key"].as_str().unwrap_or_default().into() } else { header.into() }
}

pub(super) fn answer(body: &Value, turn: &Turn, index: usize) -> Answer {
    let headers = vec![("x-request-id".to_owned(), format!("req_{index:03}"))];
    let item = match &turn.kind {
        Kind::Text(text) | Kind::MaxTokens(text) => message(index, &json!({ "type": "output_text", "text": text })),
        Kind::Refusal(text) => message(index, &json!({ "type": "refusal", "refusal": text })),
        Kind::Bash(command) => shell_call(body, index, command),
        Kind::Tool(name, input) => function_call(index, name, input),
        Kind::StreamError(_) => Value::Null,
        Kind::Status(status, more) => {
            let refusal = Refusal {
                status: *status,
                headers: headers.into_iter().chain(more.clone()).collect(),
                body: json!({ "error": error(kind_of(*status), &format!("The script says {status}.")) }).to_string(),
            };
            return Answer { refusal: Some(refusal), ..Answer::default() };
        }
        Kind::Hang => return Answer::default(),
    };
    let mut response = json!({
        "id": format!("resp_turn_{index:03}"), "object": "response", "model": body["model"],
        "status": "in_progress", "output": [], "usage": null, "error": null, "incomplete_details": null,
    });
    let mut events = vec![];
    let mut event = |name: &str, mut data: Value| {
        data["type"] = json!(name);
        data["sequence_number"] = json!(events.len());
        events.push((name.to_owned(), data));
    };
    event("response.created", json!({ "response": response }));
    event("response.in_progress", json!({ "response": response }));
    if !item.is_null() {
        event("response.output_item.added", json!({ "output_index": 0, "item": empty(&item) }));
        let id = &item["id"];
        for text in item["content"][0]["text"].as_str().map(halves).into_iter().flatten() {
            let delta = json!({ "item_id": id, "output_index": 0, "content_index": 0, "delta": text });
            event("response.output_text.delta", delta);
        }
        event("response.output_item.done", json!({ "output_index": 0, "item": item }));
        (response["output"], response["usage"]) = (json!([item]), usage(&turn.usage));
    }
    let last = match &turn.kind {
        Kind::StreamError(kind) => {
            response["error"] = error(code_of(kind), "The script says so.");
            "failed"
        }
        Kind::MaxTokens(_) => {
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
            "incomplete"
        }
        _ => "completed",
    };
    response["status"] = json!(last);
    event(&format!("response.{last}"), json!({ "response": response }));
    Answer { refusal: None, headers, whole: response.to_string(), events, failed: last == "failed" }
}

fn message(index: usize, content: &Value) -> Value {
    let id = format!("msg_turn_{index:03}");
    json!({ "id": id, "type": "message", "role": "assistant", "status": "completed", "content": [content] })
}

/// The shell, by whichever tool this caller's model has: a plain function, or a script in which functions are called.
fn shell_call(body: &Value, index: usize, command: &str) -> Value {
    let tools = body["tools"].as_array().into_iter().flatten();
    let mut names = tools.filter_map(|it| it["name"].as_str());
    match names.find(|it| ["exec_command", "shell_command", "shell"].contains(it)) {
        Some("shell") => function_call(index, "shell", &json!({ "command": ["bash", "-lc", command] })),
        Some("shell_command") => function_call(index, "shell_command", &json!({ "command": command })),
        Some(_) => function_call(index, "exec_command", &json!({ "cmd": command })),
        None => {
            let input = format!("text(await tools.exec_command({}));", json!({ "cmd": command }));
            json!({
                "id": format!("ctc_turn_{index:03}"), "type": "custom_tool_call", "status": "completed",
                "call_id": call_id(index), "name": "exec", "namespace": "functions", "input": input,
            })
        }
    }
}

fn function_call(index: usize, name: &str, arguments: &Value) -> Value {
    json!({
        "id": format!("fc_turn_{index:03}"), "type": "function_call", "status": "completed",
        "call_id": call_id(index), "name": name, "arguments": arguments.to_string(),
    })
}

/// The item as it is announced, before what is in it.
fn empty(item: &Value) -> Value {
    let mut item = item.clone();
    item["status"] = json!("in_progress");
    let (field, nothing) = match item["type"].as_str() {
        Some("function_call") => ("arguments", json!("")),
        Some("custom_tool_call") => ("input", json!("")),
        _ => ("content", json!([])),
    };
    item[field] = nothing;
    item
}

/// Here what came from the cache is a part of the input.
fn usage(usage: &Usage) -> Value {
    let input = usage.input + usage.cache_read + usage.cache_write;
    json!({
        "input_tokens": input, "input_tokens_details": { "cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write },
        "output_tokens": usage.output, "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": input + usage.output,
    })
}

fn error(code: &str, message: &str) -> Value {
    json!({ "type": code, "code": code, "message": message, "param": null })
}

fn code_of(kind: &str) -> &str {
    if kind == "overloaded_error" { "server_is_overloaded" } else { kind }
}

fn kind_of(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        403 => "permission_denied",
        404 => "model_not_found",
        429 => "rate_limit_exceeded",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
