//! The configuration file that Codex gets: where its model is, and that it talks to nobody else.

use crate::{Settings, launch::TOKEN};
use agentd_sdk::agent::{Endpoint, McpServer, Run};
use std::fmt::Write;

/// What Codex does by itself and is of no use in a run: fetching plugins and apps, remembering things for later runs,
/// and, where the way to the model is closed, waiting for it for ever.
const FEATURES_OFF: [&str; 6] =
    ["apps", "memories", "plugins", "remote_plugin", "unbounded_connection_retries", "workspace_dependencies"];

/// The text of `config.toml`.
pub(crate) fn text(settings: &Settings, run: &Run, endpoint: &Endpoint) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line("model_provider = \"agentd\"");
    line("check_for_update_on_startup = false");
    line("approval_policy = \"never\"");
    // A login shell sets PATH anew, and forgets where an image keeps its programs.
    line("allow_login_shell = false");
    if !run.sandboxed {
        line("sandbox_mode = \"workspace-write\"");
    }
    line(if settings.web_search { "web_search = \"live\"" } else { "web_search = \"disabled\"" });
    if let Some(effort) = &settings.reasoning_effort {
        line(&format!("model_reasoning_effort = {}", quoted(effort)));
    }
    if let Some(system) = &run.system {
        line(&format!("developer_instructions = {}", quoted(system)));
    }
    line("\n[model_providers.agentd]\nname = \"agentd\"");
    line(&format!("base_url = {}", quoted(&endpoint.url)));
    line(&format!("env_key = {}\nwire_api = \"responses\"", quoted(TOKEN)));
    // Each try of a stream would try its request as often again: one of the two counts.
    line(&format!("request_max_retries = 0\nstream_max_retries = {}", settings.retries));
    line(&format!("stream_idle_timeout_ms = {}", u64::from(settings.silence_seconds) * 1_000));
    line("\n[analytics]\nenabled = false\n\n[history]\npersistence = \"none\"");
    line("\n[shell_environment_policy]");
    line(&format!("exclude = [{}]", quoted(TOKEN)));
    line("\n[features]");
    FEATURES_OFF.iter().for_each(|feature| line(&format!("{feature} = false")));
    run.mcp_servers.iter().for_each(|server| line(&mcp_server(server)));
    text
}

fn mcp_server(server: &McpServer) -> String {
    let name = server.name.replace(|it: char| !it.is_ascii_alphanumeric() && !"-_".contains(it), "_");
    let mut text = format!("\n[mcp_servers.{name}]\nurl = {}\n", quoted(&server.url));
    let headers: Vec<_> =
        server.headers.iter().map(|(name, it)| format!("{} = {}", quoted(name), quoted(it))).collect();
    write!(text, "http_headers = {{ {} }}", headers.join(", ")).expect("a string takes any text");
    text
}

/// A basic string of TOML. JSON's escapes are among those of TOML, which wants DEL escaped besides.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::tests::{run, settings};

    fn config(settings_text: &str, run: &Run) -> toml::Table {
        let text = text(&settings(settings_text), run, &run.endpoints[0]);
        text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn it_names_the_provider_and_closes_every_other_way() {
        let config = config(r#"{"retries": 2, "silence-seconds": 4}"#, &run());
        let provider = &config["model_providers"]["agentd"];
        assert_eq!(config["model_provider"].as_str(), Some("agentd"));
        assert_eq!(provider["base_url"].as_str(), Some("http://127.0.0.1:8417/model/main"));
        assert_eq!(provider["env_key"].as_str(), Some("AGENTD_MODEL_TOKEN"));
        assert_eq!(provider["wire_api"].as_str(), Some("responses"));
        assert_eq!(provider["request_max_retries"].as_integer(), Some(0));
        assert_eq!(provider["stream_max_retries"].as_integer(), Some(2));
        assert_eq!(provider["stream_idle_timeout_ms"].as_integer(), Some(4_000));
        assert_eq!(config["analytics"]["enabled"].as_bool(), Some(false));
        assert_eq!(config["check_for_update_on_startup"].as_bool(), Some(false));
        assert_eq!(config["web_search"].as_str(), Some("disabled"));
        assert_eq!(config["features"]["unbounded_connection_retries"].as_bool(), Some(false));
        assert_eq!(config["shell_environment_policy"]["exclude"][0].as_str(), Some("AGENTD_MODEL_TOKEN"));
    }

    #[test]
    fn its_own_sandbox_is_used_where_there_is_no_other() {
        assert_eq!(config("{}", &run()).get("sandbox_mode"), None);
        let open = config("{}", &Run { sandboxed: false, ..run() });
        assert_eq!(open["sandbox_mode"].as_str(), Some("workspace-write"));
        assert_eq!(open["approval_policy"].as_str(), Some("never"));
    }

    #[test]
    fn any_text_stays_a_text() {
        let system = "say \"hi\"\\\n\t\u{0}\u{1b}\u{7f}ж'''\"\"\"\n[features]\napps = true";
        let config = config(
            r#"{"reasoning-effort": "high\"", "web-search": true}"#,
            &Run { system: Some(system.into()), ..run() },
        );
        assert_eq!(config["developer_instructions"].as_str(), Some(system));
        assert_eq!(config["model_reasoning_effort"].as_str(), Some("high\""));
        assert_eq!((config["web_search"].as_str(), config["features"]["apps"].as_bool()), (Some("live"), Some(false)));
    }

    #[test]
    fn servers_of_tools_are_named_with_their_headers() {
        let headers = vec![("authorization".into(), "Bearer \"t\"".into()), ("x-run".into(), "1".into())];
        let server = |name: &str| McpServer {
            name: name.into(),
            url: "http://127.0.0.1:8417/mcp".into(),
            headers: headers.clone(),
            extra: vec![],
        };
        let config = config("{}", &Run { mcp_servers: vec![server("agentd"), server("a.b]c")], ..run() });
        let servers = config["mcp_servers"].as_table().expect("a table");
        assert_eq!(servers.keys().collect::<Vec<_>>(), ["a_b_c", "agentd"]);
        assert_eq!(servers["agentd"]["url"].as_str(), Some("http://127.0.0.1:8417/mcp"));
        assert_eq!(servers["agentd"]["http_headers"]["authorization"].as_str(), Some("Bearer \"t\""));
    }
}
