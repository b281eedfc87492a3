//! The conversation: what the model says and calls, and what the tools answer.

use super::{Stream, Trouble, note, notice};
use crate::field::{self, Object};
use agentd_sdk::agent::{Event, Happening, Message, ToolCall, ToolResult, Weight};
use serde_json::Value;

/// The model's name at messages that Claude Code wrote by itself.
const SYNTHETIC: &str = "<synthetic>";

impl Stream {
    pub(super) fn assistant(&mut self, line: &Object, events: &mut Vec<Event>) {
        let agent = field::some_text(line, "parent_tool_use_id");
        let Some(message) = field::object(line, "message") else { return };
        if field::text(message, "model") == SYNTHETIC || field::flag(line, "is_api_error_message") {
            return self.trouble(line, message, agent, events);
        }
        if agent.is_none() {
            self.heard.trouble = None;
        }
        for block in blocks(message) {
            self.block(&block, agent.as_ref(), events);
        }
    }

    pub(super) fn user(&mut self, line: &Object, events: &mut Vec<Event>) {
        let agent = field::some_text(line, "parent_tool_use_id");
        let Some(message) = field::object(line, "message") else { return };
        for block in blocks(message) {
            let happening = match field::text(&block, "type") {
                "tool_result" => tool_result(&block),
                // Claude Code's own words to the model, or the prompt again.
                "text" => note("user", field::text(&block, "text")),
                _ => note("user", &Value::Object(block).to_string()),
            };
            events.push(Event { happening, agent: agent.clone(), extra: vec![] });
        }
    }

    fn block(&mut self, block: &Object, agent: Option<&String>, events: &mut Vec<Event>) {
        let happening = match field::text(block, "type") {
            "text" => {
                let text = field::text(block, "text");
                if text.trim().is_empty() {
                    return;
                }
                self.heard.answered = true;
                if agent.is_none() {
                    self.heard.said = text.to_owned();
                }
                Happening::Message(Message { text: field::cut(text), ..Message::default() })
            }
            "thinking" => {
                let text = field::text(block, "thinking");
                if text.trim().is_empty() {
                    return;
                }
                Happening::Message(Message { text: field::cut(text), thinking: true, ..Message::default() })
            }
            "redacted_thinking" => return,
            // Of a line that was cut.
            "" if block.is_empty() => return,
            "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                self.heard.answered = true;
                let id = field::text(block, "id");
                if !self.calls.insert(id.to_owned()) {
                    return;
                }
                tool_call(id, block, events)
            }
            kind if kind.ends_with("_tool_result") => tool_result(block),
            kind => note(kind, &Value::Object(block.clone()).to_string()),
        };
        events.push(Event { happening, agent: agent.cloned(), extra: vec![] });
    }

    /// A message of Claude Code's own in the model's place: an error on the way to the model, mostly.
    fn trouble(&mut self, line: &Object, message: &Object, agent: Option<String>, events: &mut Vec<Event>) {
        let said = blocks(message);
        let text = said.iter().map(|it| field::text(it, "text")).collect::<Vec<_>>().join("\n");
        let kind = field::text(line, "error");
        let refused = field::text(message, "stop_reason") == "refusal";
        let limit = field::object(line, "api_error_params").and_then(|it| field::object(it, "rate_limit_info"));
        if let Some(info) = limit {
            self.window(info, events);
        }
        let is_error = !kind.is_empty() || field::flag(line, "is_api_error_message");
        let happening = match is_error {
            true if refused => notice(Weight::Error, "refusal", &text),
            true => notice(Weight::Error, if kind.is_empty() { "unknown" } else { kind }, &text),
            false => note("synthetic", &text),
        };
        if is_error && agent.is_none() {
            let (kind, cause) = (kind.to_owned(), field::text(line, "api_error").to_owned());
            let status = field::number(line, "api_error_status");
            self.heard.trouble = Some(Trouble { kind, status, cause, text, refused });
        }
        events.push(Event { happening, agent, extra: vec![] });
    }
}

/// A message's blocks; a content that is only text is one block of text.
fn blocks(message: &Object) -> Vec<Object> {
    match message.get("content") {
        Some(Value::Array(blocks)) => blocks.iter().filter_map(Value::as_object).cloned().collect(),
        Some(Value::String(text)) => {
            let fields = [("type", "text"), ("text", text)];
            vec![fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()]
        }
        _ => vec![],
    }
}

fn tool_call(id: &str, block: &Object, events: &mut Vec<Event>) -> Happening {
    let name = field::text(block, "name");
    let input = block.get("input").map(Value::to_string).unwrap_or_default();
    if name == "AskUserQuestion" {
        // It was taken away; should it come back, people have to know that nobody answered.
        events.push(notice(Weight::Warning, "question", &input).into());
    }
    Happening::ToolCall(ToolCall { id: id.into(), name: name.into(), input: field::cut(&input), extra: vec![] })
}

fn tool_result(block: &Object) -> Happening {
    let output = match block.get("content") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => field::cut(text),
        Some(Value::Array(parts)) => field::cut(&parts.iter().map(shown).collect::<Vec<_>>().join("\n")),
        Some(other) => field::cut(&other.to_string()),
    };
    let failed = field::flag(block, "is_error");
    Happening::ToolResult(ToolResult { id: field::text(block, "tool_use_id").into(), failed, output, extra: vec![] })
}

/// A part of what a tool answered, as text.
fn shown(part: &Value) -> String {
    let Some(object) = part.as_object() else { return part.as_str().map_or_else(|| part.to_string(), Into::into) };
    match field::text(object, "type") {
        "text" => field::text(object, "text").to_owned(),
        // Its data is of no use to a reader.
        kind @ ("image" | "document") => format!("[{kind}]"),
        _ => part.to_string(),
    }
}
