//! What is started, with which configuration, and what is refused.

use super::*;
use agentd_sdk::agent::McpServer;
use agentd_sdk::settings::parse;
use serde_json::Value;

pub(crate) fn settings(text: &str) -> Settings {
    parse(text).expect("settings")
}

pub(crate) fn run() -> Run {
    let endpoint = Endpoint {
        name: "main".into(),
        api: "openai-chat".into(),
        url: "http://127.0.0.1:8417/model/main".into(),
        token: "run-token".into(),
        extra: vec![],
    };
    Run {
        prompt: "Fix it".into(),
        home: "/home/agent/".into(),
        model: Some("qwen".into()),
        endpoints: vec![endpoint],
        sandboxed: true,
        ..Run::default()
    }
}

fn variable(plan: &Plan, name: &str) -> String {
    plan.env.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn config(settings_text: &str, run: &Run) -> Value {
    let plan = plan(&settings(settings_text), run).expect("a plan");
    serde_json::from_str(&variable(&plan, "OPENCODE_CONFIG_CONTENT")).expect("JSON")
}

#[track_caller]
fn check_argv(settings_text: &str, run: &Run, expected: &str) {
    let plan = plan(&settings(settings_text), run).expect("a plan");
    assert_eq!(plan.argv.join(" "), format!("opencode run --format json --title agentd --model {expected}"));
    assert_eq!((plan.stdin.as_str(), plan.keep_stdin), ("Fix it", false));
}

#[test]
fn the_arguments_are_those_that_were_tried_with_the_real_one() {
    check_argv("{}", &run(), "agentd/qwen");
    check_argv(
        r#"{"model": "org/other:free", "variant": "high"}"#,
        &Run { model: None, ..run() },
        "agentd/org/other:free --variant high",
    );
    check_argv("{}", &Run { resume: Some("ses_e06107f1".into()), ..run() }, "agentd/qwen --session ses_e06107f1");
}

#[test]
fn the_token_stands_in_a_variable_of_its_own() {
    let run = Run { system: Some("Be brief.".into()), ..run() };
    let plan = plan(&settings("{}"), &run).expect("a plan");
    assert_eq!(variable(&plan, TOKEN), "run-token");
    assert!(!variable(&plan, "OPENCODE_CONFIG_CONTENT").contains("run-token"));
    assert_eq!(plan.files[0].path, "/home/agent/.config/opencode/agentd.md");
    assert_eq!(plan.files[0].content, "Be brief.");
    assert_eq!(config("{}", &run)["instructions"][0], "/home/agent/.config/opencode/agentd.md");
    assert_eq!(variable(&plan, "XDG_DATA_HOME"), "/home/agent/.local/share");
}

#[test]
fn the_gateway_is_its_only_provider() {
    let own = config(r#"{"small-model": "tiny", "context-tokens": 64000}"#, &run());
    assert_eq!(own["enabled_providers"], serde_json::json!(["agentd"]));
    assert_eq!((&own["model"], &own["small_model"]), (&Value::from("agentd/qwen"), &Value::from("agentd/tiny")));
    let provider = &own["provider"]["agentd"];
    assert_eq!(provider["npm"], "@ai-sdk/openai-compatible");
    assert_eq!(provider["options"]["baseURL"], "http://127.0.0.1:8417/model/main");
    assert_eq!(provider["options"]["apiKey"], "{env:AGENTD_MODEL_TOKEN}");
    assert_eq!(provider["models"]["tiny"]["limit"]["context"], 64_000);
    assert_eq!(own["permission"]["*"], "allow");
    assert_eq!((&own["share"], &own["autoupdate"]), (&Value::from("disabled"), &Value::from(false)));
    let open = config("{}", &Run { sandboxed: false, ..run() });
    assert_eq!((&open["permission"]["*"], &open["permission"]["edit"]), (&Value::from("deny"), &Value::from("allow")));
}

#[test]
fn each_language_has_its_package_and_its_path() {
    #[track_caller]
    fn check(api: &str, package: &str, url: &str) {
        let mut run = run();
        run.endpoints[0].api = api.into();
        let provider = &config("{}", &run)["provider"]["agentd"];
        assert_eq!((&provider["npm"], &provider["options"]["baseURL"]), (&Value::from(package), &Value::from(url)));
    }
    check("anthropic-messages", "@ai-sdk/anthropic", "http://127.0.0.1:8417/model/main/v1");
    check("openai-responses", "@ai-sdk/openai", "http://127.0.0.1:8417/model/main");
    check("gemini", "@ai-sdk/google", "http://127.0.0.1:8417/model/main/v1beta");
}

#[test]
fn servers_of_tools_are_named_with_their_headers() {
    let server = McpServer {
        name: "agentd".into(),
        url: "http://127.0.0.1:8417/mcp".into(),
        headers: vec![("authorization".into(), "Bearer t".into())],
        extra: vec![],
    };
    let own = config("{}", &Run { mcp_servers: vec![server], ..run() });
    assert_eq!(own["mcp"]["agentd"]["headers"]["authorization"], "Bearer t");
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
    check_refused(&Run { model: None, ..run() }, "name one in `model` of its section");
    let mut other = run();
    other.endpoints[0].api = "cohere".into();
    check_refused(&other, "does not speak cohere");
    check_refused(&Run { model: Some("--help".into()), ..run() }, "may not begin with a dash");
    for session in ["", "last", "ses_", "ses_a/../b", "--continue"] {
        check_refused(&Run { resume: Some(session.into()), ..run() }, "is none of opencode's");
    }
}

#[test]
fn each_machine_has_its_program() {
    let tools = requirements(&settings("{}")).expect("requirements").tools;
    let seen: Vec<_> = tools.iter().map(|it| (it.release.as_str(), it.arch.as_deref())).collect();
    let expected =
        [("npm:opencode-linux-x64@1.18.33", Some("x86_64")), ("npm:opencode-linux-arm64@1.18.33", Some("aarch64"))];
    assert_eq!(seen, expected);
    let other = requirements(&settings(r#"{"version": "1.19.0"}"#)).expect("requirements").tools;
    assert!(other.iter().all(|it| it.digest.is_none() && it.release.ends_with("@1.19.0")));
    let error = requirements(&settings(r#"{"version": "1.0/../x"}"#));
    assert!(matches!(error, Err(Error::Invalid(text)) if text.contains("`version`")));
}
