//! What the program tells of its work: `session/update`, and what of its session can be chosen.
//!
//! | update | event |
//! |---|---|
//! | `agent_message_chunk`, `agent_thought_chunk` | words: pieces, which are put together until something else comes |
//! | `tool_call`, `tool_call_update` | a tool: told when it begins in earnest, since its arguments come late |
//! | `plan` | a note |
//!
//! What else is known says nothing about the work; what is not known is kept as a note.

use crate::client::Seen;
use agentd_sdk::agent::telling::{note, shortened};
use agentd_sdk::agent::{Event, Happening, Message, ToolCall, ToolResult, Usage, UsageScope};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Pieces of words are told at the latest when there are so many bytes of them.
const PIECES_BYTES: usize = 32 << 10;

/// What was told and is not complete.
#[derive(Default)]
pub(crate) struct Updates {
    pieces: String,
    thinking: bool,
    /// Of the message that is coming a part was told.
    continued: bool,
    /// Tools by their ids.
    tools: BTreeMap<String, Known>,
    pub(crate) version: Option<String>,
    pub(crate) model: Option<String>,
    /// Kept while the program is logged in.
    pub(crate) capabilities: Value,
    modes: Vec<String>,
    models: Vec<String>,
    /// The session's options, in the newer form of the same.
    options: Vec<Value>,
}

/// A tool as far as it is known.
#[derive(Default)]
struct Known {
    name: String,
    title: String,
    input: Value,
    /// The call was told, the result was.
    told: bool,
    done: bool,
}

impl Updates {
    /// What can be chosen in a session, and what is.
    pub(crate) fn session(&mut self, result: &Value) {
        let words = |list: &Value, key: &str| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(|it| it[key].as_str().map(str::to_owned)).collect()
        };
        self.modes = words(&result["modes"]["availableModes"], "id");
        self.models = words(&result["models"]["availableModels"], "modelId");
        self.options = result["configOptions"].as_array().cloned().unwrap_or_default();
        let chosen = self.options.iter().find(|it| it["category"] == "model").map(|it| &it["currentValue"]);
        let chosen = chosen.unwrap_or(&result["models"]["currentModelId"]);
        self.model = chosen.as_str().map(str::to_owned);
    }

    pub(crate) fn has_mode(&self, mode: &str) -> bool {
        self.modes.iter().any(|it| it == mode)
    }

    /// How to ask for a model; none: it is not offered, or is there already.
    pub(crate) fn model_request(&self, model: &str) -> Option<(&'static str, Value)> {
        if self.model.as_deref() == Some(model) {
            return None;
        }
        let offers = |it: &&Value| {
            let values = it["options"].as_array().into_iter().flatten();
            it["category"] == "model" && values.into_iter().any(|it| it["value"] == model)
        };
        if let Some(option) = self.options.iter().find(offers) {
            return Some(("session/set_config_option", json!({"configId": option["id"], "value": model})));
        }
        let offered = self.models.iter().any(|it| it == model);
        offered.then(|| ("session/set_model", json!({"modelId": model})))
    }

    pub(crate) fn take(&mut self, update: &Value, seen: &mut Seen, events: &mut Vec<Event>) {
        let kind = update["sessionUpdate"].as_str().unwrap_or_default();
        match kind {
            "agent_message_chunk" => self.words(&update["content"], false, seen, events),
            "agent_thought_chunk" => self.words(&update["content"], true, seen, events),
            "tool_call" | "tool_call_update" => {
                self.say(false, seen, events);
                self.tool(update, seen, events);
            }
            "plan" => {
                self.say(false, seen, events);
                events.push(note("plan", &update["entries"].to_string()));
            }
            // Between what was said before and what is new, where a program tells the old ones late.
            "user_message_chunk" | "available_commands_update" => self.say(false, seen, events),
            "current_mode_update" | "config_option_update" | "session_info_update" | "usage_update" => {}
            _ => {
                self.say(false, seen, events);
                events.push(note(if kind.is_empty() { "update" } else { kind }, &update.to_string()));
            }
        }
    }

    /// The tool that permission is asked for begins now, if it is allowed to.
    pub(crate) fn permission(&mut self, call: &Value, seen: &mut Seen, events: &mut Vec<Event>) {
        self.say(false, seen, events);
        self.learn(call);
        self.begin(call["toolCallId"].as_str().unwrap_or_default(), seen, events);
    }

    /// Tells what was held back.
    pub(crate) fn end(&mut self, seen: &mut Seen, events: &mut Vec<Event>) {
        self.say(false, seen, events);
        let ids: Vec<String> = self.tools.keys().cloned().collect();
        ids.iter().for_each(|id| self.begin(id, seen, events));
    }

    /// What the answer to a prompt tells of its usage, in one of the forms that there are.
    pub(crate) fn usage(&self, result: &Value) -> Vec<Event> {
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let event = |model: &str, input: u64, output: u64, read: u64, written: u64| {
            Event::from(Happening::Usage(Usage {
                model: model.into(),
                scope: UsageScope::Run,
                input_tokens: input,
                output_tokens: output,
                cache_read_tokens: read,
                cache_write_tokens: written,
                cost_microusd: None,
                extra: vec![],
            }))
        };
        let usage = &result["usage"];
        if usage.is_object() {
            let output = count(&usage["outputTokens"]).saturating_add(count(&usage["thoughtTokens"]));
            let (read, written) = (count(&usage["cachedReadTokens"]), count(&usage["cachedWriteTokens"]));
            let model = self.model.as_deref().unwrap_or_default();
            return vec![event(model, count(&usage["inputTokens"]), output, read, written)];
        }
        let models = result["_meta"]["quota"]["model_usage"].as_array().into_iter().flatten();
        let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for it in models {
            let sum = sums.entry(it["model"].as_str().unwrap_or_default()).or_default();
            sum.0 = sum.0.saturating_add(count(&it["token_count"]["input_tokens"]));
            sum.1 = sum.1.saturating_add(count(&it["token_count"]["output_tokens"]));
        }
        sums.into_iter().map(|(model, (input, output))| event(model, input, output, 0, 0)).collect()
    }

    fn words(&mut self, content: &Value, thinking: bool, seen: &mut Seen, events: &mut Vec<Event>) {
        if thinking != self.thinking {
            self.say(false, seen, events);
            self.thinking = thinking;
        }
        match content["text"].as_str() {
            Some(text) => self.pieces.push_str(text),
            None => events.push(note("content", &content.to_string())),
        }
        if self.pieces.len() >= PIECES_BYTES {
            self.say(true, seen, events);
        }
    }

    /// Tells the words that have come; `partial`: there may be more of the same.
    fn say(&mut self, partial: bool, seen: &mut Seen, events: &mut Vec<Event>) {
        let words = std::mem::take(&mut self.pieces);
        let continued = std::mem::replace(&mut self.continued, partial);
        if words.trim().is_empty() && !continued {
            return;
        }
        if !self.thinking {
            if continued {
                seen.answer.push_str(&words);
            } else {
                seen.answer.clone_from(&words);
            }
        }
        let message = Message { text: shortened(&words), thinking: self.thinking, partial, extra: vec![] };
        events.push(Event::from(Happening::Message(message)));
    }

    fn tool(&mut self, update: &Value, seen: &mut Seen, events: &mut Vec<Event>) {
        self.learn(update);
        let id = update["toolCallId"].as_str().unwrap_or_default();
        let status = update["status"].as_str().unwrap_or_default();
        if ["in_progress", "completed", "failed"].contains(&status) {
            self.begin(id, seen, events);
        }
        let Some(known) = self.tools.get_mut(id).filter(|it| !it.done) else { return };
        if ["completed", "failed"].contains(&status) {
            known.done = true;
            let result =
                ToolResult { id: id.into(), failed: status == "failed", output: output(update), extra: vec![] };
            events.push(Event::from(Happening::ToolResult(result)));
        }
    }

    /// Takes over what an update says of its tool, and leaves the rest.
    fn learn(&mut self, update: &Value) {
        let known = self.tools.entry(update["toolCallId"].as_str().unwrap_or_default().to_owned()).or_default();
        if let Some(kind) = update["kind"].as_str() {
            kind.clone_into(&mut known.name);
        }
        if let Some(title) = update["title"].as_str() {
            title.clone_into(&mut known.title);
        }
        if !update["rawInput"].is_null() {
            known.input = update["rawInput"].clone();
        }
    }

    fn begin(&mut self, id: &str, seen: &mut Seen, events: &mut Vec<Event>) {
        let Some(known) = self.tools.get_mut(id).filter(|it| !it.told) else { return };
        known.told = true;
        seen.worked = true;
        let named = [&known.name, &known.title].into_iter().find(|it| !it.is_empty() && *it != "other");
        let name = named.map_or("tool", String::as_str).to_owned();
        let input = if known.input.is_null() { json!({"title": known.title}) } else { known.input.clone() };
        let input = shortened(&input.to_string());
        events.push(Event::from(Happening::ToolCall(ToolCall { id: id.into(), name, input, extra: vec![] })));
    }
}

/// What came of a tool: its content, else its raw output.
fn output(update: &Value) -> String {
    let mut texts = vec![];
    for content in update["content"].as_array().into_iter().flatten() {
        match content["type"].as_str() {
            Some("content") => texts.extend(content["content"]["text"].as_str().map(str::to_owned)),
            Some("diff") => texts.extend(content["path"].as_str().map(|path| format!("changed {path}"))),
            _ => {}
        }
    }
    let raw = &update["rawOutput"];
    if texts.is_empty() && !raw.is_null() {
        let text = [&raw["output"], &raw["error"], raw].into_iter().find_map(Value::as_str);
        texts.push(text.map_or_else(|| raw.to_string(), str::to_owned));
    }
    shortened(&texts.join("\n"))
}

#[cfg(test)]
pub(crate) mod tests;
