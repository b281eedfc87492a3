//! What is said to the program, and when: a scripted one.

use super::*;
use crate::launch::tests::{run, settings};
use crate::update::tests::shown;
use agentd_sdk::agent::{McpServer, Outcome};

/// Says these messages one after the other; gives what was answered to each.
struct Talk {
    client: Client,
    events: Vec<String>,
    finished: bool,
}

impl Talk {
    fn new(settings_text: &str, run: Run) -> Talk {
        Talk { client: Client::new(&settings(settings_text), run), events: vec![], finished: false }
    }

    fn hears(&mut self, message: &Value) -> Vec<Value> {
        let mut progress = Progress::default();
        self.client.line(&Line { text: message.to_string(), ..Line::default() }, &mut progress);
        self.events.extend(progress.events.iter().map(shown));
        self.finished |= progress.finished;
        progress.send.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Its answer is one request: method and parameters.
    #[track_caller]
    fn asks(&mut self, message: &Value, method: &str) -> Value {
        let mut said = self.hears(message);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0]["method"], method, "{said:?}");
        said.remove(0)
    }
}

fn result(id: u64, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn error(id: u64, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

fn chunk(text: &str) -> Value {
    let update = json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}});
    json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s", "update": update}})
}

const ANY: &str = r#"{"command": ["agent"]}"#;

#[test]
fn a_new_session_gets_the_prompt_and_its_answer_is_the_end() {
    let server = McpServer {
        name: "agentd".into(),
        url: "http://127.0.0.1:8417/mcp".into(),
        headers: vec![("authorization".into(), "Bearer t".into())],
        extra: vec![],
    };
    let mut talk = Talk::new(ANY, Run { mcp_servers: vec![server], system: Some("Be brief.".into()), ..run() });
    let able = json!({"protocolVersion": 1, "agentCapabilities": {"mcpCapabilities": {"http": true}}});
    let new = talk.asks(&result(0, &able), "session/new");
    assert_eq!(new["params"]["cwd"], "/workspace");
    assert_eq!(new["params"]["mcpServers"][0]["headers"][0], json!({"name": "authorization", "value": "Bearer t"}));
    let prompt = talk.asks(&result(1, &json!({"sessionId": "s"})), "session/prompt");
    assert_eq!(prompt["params"]["prompt"][0]["text"], "Be brief.\n\nFix it");
    assert_eq!((&prompt["id"], &prompt["params"]["sessionId"]), (&json!(2), &json!("s")));
    assert!(talk.hears(&chunk("Done.")).is_empty() && !talk.finished);
    assert!(talk.hears(&result(2, &json!({"stopReason": "end_turn"}))).is_empty() && talk.finished);
    assert_eq!(talk.events, ["started session ? ?", "says \"Done.\""]);
    let conclusion = talk.client.conclude(&Exit { code: Some(0), cause: "finished".into(), ..Exit::default() });
    assert!(matches!(conclusion.outcome, Outcome::Completed), "{:?}", conclusion.outcome);
    assert_eq!((conclusion.answer.as_str(), conclusion.session.as_deref()), ("Done.", Some("s")));
}

#[test]
fn a_conversation_is_gone_on_with_in_the_best_way_that_there_is() {
    #[track_caller]
    fn check(capabilities: &Value, method: &str) {
        let mut talk = Talk::new(ANY, Run { resume: Some("s".into()), ..run() });
        let able = json!({"protocolVersion": 1, "agentCapabilities": capabilities});
        let load = talk.asks(&result(0, &able), method);
        assert_eq!(load["params"]["sessionId"], "s");
        // What was said before is no event.
        assert!(talk.hears(&chunk("old words")).is_empty());
        talk.asks(&result(1, &json!({})), "session/prompt");
        assert_eq!(talk.events, ["started session ? ?"]);
    }
    check(&json!({"loadSession": true}), "session/load");
    check(&json!({"loadSession": true, "sessionCapabilities": {"resume": {}}}), "session/resume");
}

#[test]
fn a_conversation_that_is_not_there_is_lost() {
    for (capabilities, refused) in [(json!({"loadSession": true}), true), (json!({}), false)] {
        let mut talk = Talk::new(ANY, Run { resume: Some("s".into()), ..run() });
        talk.hears(&result(0, &json!({"protocolVersion": 1, "agentCapabilities": capabilities})));
        if refused {
            talk.hears(&error(1, -32603, "Internal error"));
        }
        assert!(talk.finished);
        let conclusion = talk.client.conclude(&Exit { code: Some(0), cause: "finished".into(), ..Exit::default() });
        assert!(matches!(conclusion.outcome, Outcome::SessionLost), "{:?}", conclusion.outcome);
        assert_eq!(conclusion.session, None);
    }
}

#[test]
fn mode_and_model_are_asked_for_where_the_program_has_them() {
    let settings = r#"{"command": ["agent"], "model": "big", "mode": "yolo", "auth-method": "key"}"#;
    let mut talk = Talk::new(settings, run());
    talk.asks(&result(0, &json!({"protocolVersion": 1})), "authenticate");
    talk.asks(&result(1, &json!({})), "session/new");
    let session = json!({"sessionId": "s", "modes": {"availableModes": [{"id": "yolo"}]},
        "models": {"availableModels": [{"modelId": "big"}], "currentModelId": "small"}});
    assert_eq!(talk.asks(&result(2, &session), "session/set_mode")["params"]["modeId"], "yolo");
    assert_eq!(talk.asks(&result(3, &json!({})), "session/set_model")["params"]["modelId"], "big");
    talk.asks(&error(4, -32601, "no"), "session/prompt");
    assert_eq!(talk.events, ["started session big ?", "Weight::Warning model \"no\""]);

    let mut talk = Talk::new(settings, run());
    talk.hears(&result(0, &json!({"protocolVersion": 1})));
    talk.hears(&result(1, &json!({})));
    let options = json!([{"id": "m", "category": "model", "currentValue": "x", "options": [{"value": "big"}]}]);
    let set = talk.asks(&result(2, &json!({"sessionId": "s", "configOptions": options})), "session/set_config_option");
    assert_eq!((&set["params"]["configId"], &set["params"]["value"]), (&json!("m"), &json!("big")));
    assert!(talk.events.iter().any(|it| it.contains("has no mode")), "{:?}", talk.events);
}

fn ask_permission(kind: &str) -> Value {
    let options = json!([{"optionId": "1", "kind": "allow_always"}, {"optionId": "2", "kind": "allow_once"},
        {"optionId": "3", "kind": "reject_once"}]);
    let call = json!({"toolCallId": "a", "title": "ls", "kind": kind, "rawInput": {"command": "ls"}});
    let params = json!({"sessionId": "s", "toolCall": call, "options": options});
    json!({"jsonrpc": "2.0", "id": "r-1", "method": "session/request_permission", "params": params})
}

#[test]
fn in_a_sandbox_everything_is_allowed_and_without_one_what_harms_nobody() {
    #[track_caller]
    fn check(sandboxed: bool, kind: &str, option: &str) {
        let mut talk = Talk::new(ANY, Run { sandboxed, ..run() });
        let said = talk.hears(&ask_permission(kind));
        assert_eq!(said[0]["id"], "r-1");
        assert_eq!(said[0]["result"]["outcome"], json!({"outcome": "selected", "optionId": option}), "{kind}");
        let told = talk.events.iter().any(|it| it.contains("permission-denied"));
        assert_eq!(told, option == "3", "{:?}", talk.events);
    }
    check(true, "execute", "2");
    check(false, "execute", "3");
    check(false, "edit", "2");
}

#[test]
fn edits_outside_of_the_checkout_harm() {
    for (path, harmless) in [
        ("src/a.rs", true),
        ("/srv/a/src/a.rs", true),
        ("/srv/abc", false),
        ("/home/.profile", false),
        ("../x", false),
        ("/srv/a/../../x", false),
    ] {
        let call = json!({"kind": "edit", "locations": [{"path": "/srv/a/b"}, {"path": path}]});
        assert_eq!(is_harmless(&call, "/srv/a"), harmless, "{path}");
    }
}

#[test]
fn files_and_terminals_are_not_offered() {
    let mut talk = Talk::new(ANY, run());
    for method in ["fs/read_text_file", "terminal/create", "session/elicit"] {
        let said = talk.hears(&json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": {}}));
        assert_eq!((&said[0]["id"], &said[0]["error"]["code"]), (&json!(7), &json!(NO_METHOD)));
    }
}

#[test]
fn an_interrupt_is_passed_on_while_it_works_and_only_then() {
    let mut talk = Talk::new(ANY, run());
    assert_eq!(talk.client.interrupt().send, "");
    talk.hears(&result(0, &json!({"protocolVersion": 1})));
    talk.hears(&result(1, &json!({"sessionId": "s"})));
    assert!(talk.client.interrupt().send.contains("session/cancel"));
    talk.hears(&result(2, &json!({"stopReason": "cancelled"})));
    assert_eq!(talk.client.interrupt().send, "");
}

#[test]
fn what_is_no_message_and_answers_to_nothing_change_nothing() {
    let mut talk = Talk::new(ANY, run());
    for odd in [json!({}), json!({"id": 9, "result": {}}), json!({"id": null}), json!({"method": "x/y", "params": 1})] {
        assert!(talk.hears(&odd).is_empty(), "{odd}");
    }
    assert!(!talk.finished);
    assert_eq!(talk.events, ["note json \"{}\"", "note x/y \"1\""]);
    talk.asks(&result(0, &json!({"protocolVersion": 1})), "session/new");
    let mut other = Talk::new(ANY, run());
    other.hears(&result(0, &json!({"protocolVersion": 2})));
    assert!(other.finished && other.events[0].contains("speaks version 2"), "{:?}", other.events);
}
