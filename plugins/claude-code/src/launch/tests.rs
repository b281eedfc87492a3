//! Plans as a person would write them, and settings that change them.

use super::*;
use agentd_sdk::agent::McpServer;
use agentd_sdk::settings::parse;

const NEW: &str = "11111111-1111-4111-8111-111111111111";
const OLD: &str = "22222222-2222-4222-8222-222222222222";

fn settings(text: &str) -> Settings {
    parse(text).expect("settings")
}

fn run() -> Run {
    let endpoint = Endpoint {
        name: "main".into(),
        api: "anthropic-messages".into(),
        url: "http://127.0.0.1:4000/main".into(),
        token: "run-token".into(),
        extra: vec![],
    };
    Run {
        prompt: "Fix it".into(),
        new_session: NEW.into(),
        home: "/home/agent".into(),
        endpoints: vec![endpoint],
        sandboxed: true,
        ..Run::default()
    }
}

fn planned(settings_text: &str, run: Run) -> Plan {
    plan(&settings(settings_text), run).expect("a plan").0
}

fn variable<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    plan.env.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

fn content<'a>(plan: &'a Plan, name: &str) -> &'a str {
    let found = plan.files.iter().find(|it| it.path == format!("/home/agent/.claude/{name}"));
    &found.unwrap_or_else(|| panic!("no {name}")).content
}

#[test]
fn a_sandboxed_run_asks_nobody() {
    let plan = planned("{}", run());
    insta::assert_snapshot!(plan.argv.join("\n"), @r"
    claude
    -p
    --output-format=stream-json
    --verbose
    --strict-mcp-config
    --dangerously-skip-permissions
    --session-id=11111111-1111-4111-8111-111111111111
    --disallowedTools=AskUserQuestion,EnterWorktree,ExitWorktree
    --settings=/home/agent/.claude/agentd-settings.json
    ");
    let env: Vec<String> = plan.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    insta::assert_snapshot!(env.join("\n"), @r"
    ANTHROPIC_BASE_URL=http://127.0.0.1:4000/main
    ANTHROPIC_API_KEY=run-token
    CLAUDE_CONFIG_DIR=/home/agent/.claude
    CLAUDE_CODE_MAX_RETRIES=3
    CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK=1
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
    DISABLE_AUTOUPDATER=1
    DISABLE_TELEMETRY=1
    DISABLE_ERROR_REPORTING=1
    IS_SANDBOX=1
    ");
    assert_eq!((plan.stdin.as_str(), plan.keep_stdin), ("Fix it", false));
}

#[test]
fn settings_and_limits_become_arguments() {
    let all = r#"{"model": "opus", "max-turns": 40, "retries": 0, "append-system-prompt": "Be brief.",
        "allowed-tools": ["Bash(npm test:*)", "Read"], "disallowed-tools": ["WebSearch"]}"#;
    let run = Run { max_turns: Some(50), max_microusd: Some(1_500_000), system: Some("Be kind.".into()), ..run() };
    let plan = planned(all, run);
    insta::assert_snapshot!(plan.argv[6..].join("\n"), @r"
    --session-id=11111111-1111-4111-8111-111111111111
    --model=opus
    --max-turns=40
    --max-budget-usd=1.500000
    --allowedTools=Bash(npm test:*),Read
    --disallowedTools=AskUserQuestion,EnterWorktree,ExitWorktree,WebSearch
    --settings=/home/agent/.claude/agentd-settings.json
    --append-system-prompt-file=/home/agent/.claude/agentd-system.md
    ");
    assert_eq!(content(&plan, "agentd-system.md"), "Be kind.\n\nBe brief.");
    assert_eq!(variable(&plan, "CLAUDE_CODE_MAX_RETRIES"), Some("0"));
}

#[test]
fn the_runs_model_comes_before_the_settings() {
    let plan = planned(r#"{"model": "opus"}"#, Run { model: Some("sonnet".into()), ..run() });
    assert!(plan.argv.contains(&"--model=sonnet".into()) && !plan.argv.contains(&"--model=opus".into()));
}

#[test]
fn a_later_run_goes_on_with_the_conversation() {
    let (plan, began) = plan(&settings("{}"), Run { resume: Some(OLD.into()), ..run() }).expect("a plan");
    assert!(plan.argv.contains(&format!("--resume={OLD}")), "{:?}", plan.argv);
    assert!(!plan.argv.iter().any(|it| it.starts_with("--session-id")), "{:?}", plan.argv);
    assert_eq!((began.session.as_str(), began.resumed), (OLD, true));
    assert_eq!(
        plan.session_files,
        [
            ".claude/projects/*/22222222-2222-4222-8222-222222222222.jsonl",
            ".claude/projects/*/22222222-2222-4222-8222-222222222222/subagents/*"
        ]
    );
}

#[test]
fn without_a_sandbox_it_edits_files_unless_the_operator_allows_more() {
    let outside = Run { sandboxed: false, ..run() };
    let edits = planned("{}", outside.clone());
    assert!(edits.argv.contains(&"--permission-mode=acceptEdits".into()), "{:?}", edits.argv);
    assert_eq!(variable(&edits, "IS_SANDBOX"), None);
    let everything = planned(r#"{"unsandboxed": "everything"}"#, outside);
    assert!(everything.argv.contains(&"--dangerously-skip-permissions".into()), "{:?}", everything.argv);
    assert_eq!(variable(&everything, "IS_SANDBOX"), None, "that would be a lie");
}

#[test]
fn a_checkouts_own_settings_do_not_lead_away_from_the_gateway() {
    let plan = planned("{}", run());
    let settings: serde_json::Value = serde_json::from_str(content(&plan, "agentd-settings.json")).expect("JSON");
    let expected = serde_json::json!({"ANTHROPIC_BASE_URL": "http://127.0.0.1:4000/main",
        "ANTHROPIC_API_KEY": "run-token", "ANTHROPIC_AUTH_TOKEN": "", "CLAUDE_CODE_USE_BEDROCK": "",
        "CLAUDE_CODE_USE_VERTEX": "", "CLAUDE_CODE_USE_FOUNDRY": ""});
    assert_eq!(settings["env"], expected);
}

#[test]
fn servers_of_the_context_protocol_are_given_in_a_file_since_their_headers_are_secret() {
    let headers = vec![("Authorization".to_owned(), "Bearer s3cret".to_owned())];
    let server = McpServer { name: "agentd".into(), url: "http://127.0.0.1:4000/mcp".into(), headers, extra: vec![] };
    let plan = planned("{}", Run { mcp_servers: vec![server], ..run() });
    assert!(plan.argv.contains(&"--mcp-config=/home/agent/.claude/agentd-mcp.json".into()), "{:?}", plan.argv);
    assert!(!plan.argv.concat().contains("s3cret") && !plan.argv.concat().contains("run-token"));
    let config = content(&plan, "agentd-mcp.json");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(config).expect("JSON"),
        serde_json::json!({"mcpServers": {"agentd": {"type": "http", "url": "http://127.0.0.1:4000/mcp",
            "headers": {"Authorization": "Bearer s3cret"}}}})
    );
}

#[track_caller]
fn check_refused(run: Run, words: &[&str]) {
    match plan(&settings("{}"), run) {
        Err(Error::Invalid(text)) => assert!(words.iter().all(|it| text.contains(it)), "{text}"),
        other => panic!("{:?}", other.map(|(plan, _)| plan.argv)),
    }
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    check_refused(Run { endpoints: vec![], ..run() }, &["`account`", "`[agents.…]`", "`anthropic`"]);
    let mut wrong = run();
    wrong.endpoints[0].api = "openai-chat".into();
    check_refused(wrong, &["`openai-chat`", "`account`"]);
    // An id comes back from an earlier run's output: never an argument of its own, never a path.
    for id in ["--fork-session", "../../etc", "", "11111111-1111-4111-8111-11111111111*"] {
        check_refused(Run { resume: Some(id.into()), ..run() }, &["UUID"]);
    }
}

#[test]
fn the_program_comes_from_its_package_for_each_machine() {
    let requirements = requirements(&settings("{}"));
    let releases: Vec<_> = requirements.tools.iter().map(|it| (it.arch.as_deref(), it.release.as_str())).collect();
    assert_eq!(
        releases,
        [
            (Some("x86_64"), "npm:@anthropic-ai/claude-code-linux-x64@2.1.328"),
            (Some("aarch64"), "npm:@anthropic-ai/claude-code-linux-arm64@2.1.328"),
        ]
    );
    for tool in &requirements.tools {
        assert_eq!((tool.name.as_str(), tool.file.as_deref()), ("claude", Some("package/claude")));
        assert_eq!(tool.digest.as_ref().map(String::len), Some(64));
    }
    assert_eq!(requirements.check, ["claude", "--version"]);
}

#[test]
fn another_version_has_no_digest_yet() {
    let tools = requirements(&settings(r#"{"version": "2.2.0"}"#)).tools;
    assert!(tools.iter().all(|it| it.digest.is_none() && it.release.ends_with("@2.2.0")), "{tools:?}");
}
