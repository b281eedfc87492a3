//! What is started, and what is refused.

use super::*;
use agentd_sdk::settings::parse;

pub(crate) fn settings(text: &str) -> Settings {
    parse(text).expect("settings")
}

pub(crate) fn run() -> Run {
    let endpoint = Endpoint {
        name: "main".into(),
        api: "gemini".into(),
        url: "http://127.0.0.1:8417/model/main".into(),
        token: "run-{url}-token".into(),
        extra: vec![],
    };
    Run {
        prompt: "Fix it".into(),
        home: "/home/agent/".into(),
        workspace: "/workspace".into(),
        endpoints: vec![endpoint],
        sandboxed: true,
        ..Run::default()
    }
}

#[test]
fn what_stands_for_something_is_replaced_once() {
    let settings = settings(
        r#"{"command": ["agent", "--model={model}", "{cwd}"], "env": {"KEY": "{token}", "BASE": "{url}/v1", "X": "{{home}}"},
            "files": {".config/a.json": "{\"dir\": \"{workspace}\"}"}, "model": "m"}"#,
    );
    let plan = plan(&settings, &run()).expect("a plan");
    assert_eq!(plan.argv, ["agent", "--model=m", "{cwd}"]);
    let env: Vec<_> = plan.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let base = "BASE=http://127.0.0.1:8417/model/main/v1";
    assert_eq!(env, [base, "KEY=run-{url}-token", "X={/home/agent}", "NO_COLOR=1"]);
    assert_eq!(plan.files[0].path, "/home/agent/.config/a.json");
    assert_eq!(plan.files[0].content, r#"{"dir": "/workspace"}"#);
    assert!(plan.keep_stdin && plan.stdin.starts_with('{') && plan.stdin.ends_with("}\n"), "{}", plan.stdin);
}

#[test]
fn a_program_without_a_model_has_to_say_that_it_needs_none() {
    let without = Run { endpoints: vec![], ..run() };
    match plan(&settings(r#"{"command": ["agent"]}"#), &without) {
        Err(Error::Invalid(text)) => assert!(text.contains("apis = []"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert!(plan(&settings(r#"{"command": ["agent"], "apis": []}"#), &without).is_ok());
}

#[test]
fn programs_of_the_operators_choice_are_fetched() {
    let text = r#"{"command": ["opencode", "acp"], "session-files": ["s/*"], "tools": [{"name": "opencode",
        "release": "npm:opencode-linux-x64@1.18.33", "file": "package/bin/opencode", "arch": "x86_64"}]}"#;
    let requirements = requirements(&settings(text)).expect("requirements");
    let tool = &requirements.tools[0];
    assert_eq!((tool.name.as_str(), tool.file.as_deref()), ("opencode", Some("package/bin/opencode")));
    assert_eq!(requirements.abilities, ["interrupt", "mcp", "resume"]);
    assert_eq!(requirements.check.last().map(String::as_str), Some("opencode"));
}
