//! The configuration that opencode gets: where its model is, what it may do, and that it tells nobody anything.

use crate::{APIS, Settings, launch::TOKEN};
use agentd_sdk::agent::{Endpoint, Run};
use serde_json::{Map, Value, json};

/// What agentd's gateway is called there.
pub(crate) const PROVIDER: &str = "agentd";

/// The text of the configuration. `system`: the file with what is to be added to its system prompt.
pub(crate) fn text(settings: &Settings, run: &Run, endpoint: &Endpoint, model: &str, system: Option<&str>) -> String {
    let (_, package, below) = APIS.iter().find(|(api, ..)| *api == endpoint.api).unwrap_or(&APIS[0]);
    let small = settings.small_model.as_deref().unwrap_or(model);
    let about = |name: &str| {
        let limit = json!({"context": settings.context_tokens, "output": settings.output_tokens});
        json!({"name": name, "tool_call": true, "limit": limit})
    };
    let models: Map<String, Value> = [model, small].into_iter().map(|name| (name.to_owned(), about(name))).collect();
    let options = json!({"baseURL": format!("{}{below}", endpoint.url), "apiKey": format!("{{env:{TOKEN}}}")});
    let mut text = json!({
        "autoupdate": false,
        "share": "disabled",
        // It would keep a copy of each state of the checkout, beside git's own.
        "snapshot": false,
        "enabled_providers": [PROVIDER],
        "model": format!("{PROVIDER}/{model}"),
        "small_model": format!("{PROVIDER}/{small}"),
        "provider": {PROVIDER: {"npm": package, "name": "agentd", "options": options, "models": models}},
        "permission": permission(run.sandboxed),
        "mcp": servers(run),
    });
    if let Some(path) = system {
        text["instructions"] = json!([path]);
    }
    text.to_string()
}

/// In a sandbox it may do everything, so that it never asks. Without one it edits files in the checkout; what it would
/// ask for is refused, since nobody answers.
fn permission(sandboxed: bool) -> Value {
    match sandboxed {
        true => json!({"*": "allow", "question": "deny"}),
        false => {
            json!({"*": "deny", "read": "allow", "list": "allow", "glob": "allow", "grep": "allow", "edit": "allow",
            "todowrite": "allow", "todoread": "allow", "external_directory": "deny"})
        }
    }
}

fn servers(run: &Run) -> Value {
    let server = |server: &agentd_sdk::agent::McpServer| {
        let headers: Map<String, Value> =
            server.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let about = json!({"type": "remote", "url": server.url, "headers": headers, "enabled": true, "oauth": false});
        (server.name.clone(), about)
    };
    Value::Object(run.mcp_servers.iter().map(server).collect())
}
