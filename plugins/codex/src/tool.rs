//! What Codex does: items of its stream that are uses of a tool.
//!
//! A command, an edit of files, a call to a server of tools, a search, and orders to agents of its own. Each is told
//! when it begins and when it ends; some come only as they end.

use agentd_sdk::agent::telling::shortened;
use agentd_sdk::agent::{ToolCall, ToolResult};
use serde_json::{Map, Value, json};

/// An item of the stream.
pub(crate) type Item = Map<String, Value>;

/// A text of an item; empty if it has none.
pub(crate) fn text<'a>(item: &'a Item, key: &str) -> &'a str {
    item.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Any part of an item; null if it has none.
pub(crate) fn part<'a>(item: &'a Item, key: &str) -> &'a Value {
    item.get(key).unwrap_or(&Value::Null)
}

/// The item as a use of a tool, if it is one.
pub(crate) fn call(item: &Item) -> Option<ToolCall> {
    let part = |key: &str| part(item, key).clone();
    let kind = text(item, "type");
    let (name, input) = match kind {
        "command_execution" => (kind.to_owned(), json!({"command": part("command")})),
        "file_change" => (kind.to_owned(), json!({"changes": part("changes")})),
        "web_search" => (kind.to_owned(), json!({"query": part("query"), "action": part("action")})),
        "mcp_tool_call" => (format!("mcp__{}__{}", text(item, "server"), text(item, "tool")), part("arguments")),
        "collab_tool_call" => {
            let input = json!({"prompt": part("prompt"), "receivers": part("receiver_thread_ids")});
            (text(item, "tool").to_owned(), input)
        }
        _ => return None,
    };
    Some(ToolCall { id: text(item, "id").into(), name, input: shortened(&input.to_string()), extra: vec![] })
}

/// What came of it, when the item is complete.
pub(crate) fn result(item: &Item) -> ToolResult {
    let error = part(item, "error")["message"].as_str();
    let output = match text(item, "type") {
        "command_execution" => text(item, "aggregated_output").to_owned(),
        "mcp_tool_call" => error.map_or_else(|| mcp_output(part(item, "result")), ToOwned::to_owned),
        "collab_tool_call" => part(item, "agents_states").to_string(),
        _ => error.unwrap_or_default().to_owned(),
    };
    let code = part(item, "exit_code").as_i64();
    let mut extra = vec![];
    extra.extend(code.map(|code| ("codex.exit-code".into(), code.to_string())));
    // A search has no status: there is nothing that Codex would say of it.
    let failed = !matches!(text(item, "status"), "completed" | "") || error.is_some();
    ToolResult { id: text(item, "id").into(), failed, output: shortened(&output), extra }
}

/// Why nothing was done, where that is not the tool's own failure.
pub(crate) fn refusal(item: &Item) -> Option<(&'static str, String)> {
    match (text(item, "type"), text(item, "status")) {
        ("command_execution", "declined") => {
            Some(("permission-denied", format!("Codex was not allowed to run {}", text(item, "command"))))
        }
        ("file_change", "declined") => Some(("permission-denied", format!("Codex was not allowed {}", edits(item)))),
        ("file_change", "failed") => Some(("edit-failed", format!("Codex did not succeed {}", edits(item)))),
        _ => None,
    }
}

/// `to edit a.rs, b.rs`.
fn edits(item: &Item) -> String {
    let changes = part(item, "changes").as_array();
    let paths: Vec<&str> = changes.into_iter().flatten().filter_map(|it| it["path"].as_str()).take(10).collect();
    format!("to edit {}", paths.join(", "))
}

/// The texts of an answer; all of it, where it holds something else.
fn mcp_output(result: &Value) -> String {
    let parts = result["content"].as_array();
    let texts: Option<Vec<&str>> = parts.and_then(|parts| parts.iter().map(|it| it["text"].as_str()).collect());
    texts.map_or_else(|| if result.is_null() { String::new() } else { result.to_string() }, |it| it.join("\n"))
}
