//! How Claude Code is started.
//!
//! - The prompt stands on standard input: an argument may have 128 KiB only.
//! - Its API is the gateway, by the variables of the environment and by a settings file as well: the settings that a
//!   checkout brings (`.claude/settings.json`) would win over the environment, and lead away from the gateway.
//! - In a sandbox it may do everything, so that it never asks; outside of one it edits files in the checkout, unless
//!   the operator allows more.
//! - It works in the checkout and nowhere else: the tools that would take it into a worktree of its own are taken away.

use crate::stream::Began;
use crate::{Settings, Unsandboxed};
use agentd_sdk::Error;
use agentd_sdk::agent::{Endpoint, File, Plan, Requirements, Run, Tool};
use serde_json::json;

/// How the plugin calls its model's endpoint.
pub(crate) const ENDPOINT: &str = "main";

/// The version of Claude Code that this plugin was tested with.
pub(crate) const VERSION: &str = "2.1.328";

/// Machines, their packages, and the digests of the packages' archives of [`VERSION`].
const PACKAGES: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "@anthropic-ai/claude-code-linux-x64",
        "07720965fa82398410797c7086410d039c03582a3bce82e2674a7fa8fb93edcb",
    ),
    (
        "aarch64",
        "@anthropic-ai/claude-code-linux-arm64",
        "ec63666dc009559d310811a2d009f517d1469d2fca4b21524063c4b4b67a7783",
    ),
];

/// Tools that do no good where nobody answers, or where the checkout is all that counts.
const TAKEN_AWAY: [&str; 3] = ["AskUserQuestion", "EnterWorktree", "ExitWorktree"];

/// What Claude Code leaves in a checkout: the list that it keeps out of commits itself.
const LITTER: [&str; 9] = [
    "**/.claude/settings.local.json",
    "**/.claude/scheduled_tasks.json",
    "**/.claude/scheduled_tasks.lock",
    "**/.claude/routines/.state/",
    "**/.claude/worktrees/",
    "**/.claude/checkpoints/",
    "**/.claude/mailbox/",
    "**/.claude/agent-registry.json",
    "**/.claude/agent-memory-local/",
];

pub(crate) fn requirements(settings: &Settings) -> Requirements {
    let version = settings.version.as_deref().unwrap_or(VERSION);
    let tool = |(arch, package, digest): (&str, &str, &str)| Tool {
        name: "claude".into(),
        release: format!("npm:{package}@{version}"),
        arch: Some(arch.into()),
        file: Some("package/claude".into()),
        runtime: None,
        digest: (version == VERSION).then(|| digest.to_owned()),
        extra: vec![],
    };
    Requirements {
        tools: PACKAGES.map(tool).into(),
        check: ["claude", "--version"].map(Into::into).into(),
        abilities: ["resume", "mcp", "max-turns", "max-cost"].map(Into::into).into(),
        extra: vec![],
    }
}

/// The plan, and what is known about the run before its first line.
pub(crate) fn plan(settings: &Settings, run: Run) -> Result<(Plan, Began), Error> {
    let endpoint = endpoint(&run)?;
    let resumed = run.resume.is_some();
    let session = run.resume.clone().unwrap_or_else(|| run.new_session.clone());
    if !is_session(&session) {
        let text = format!("the conversation's id {session:?} is no UUID, which Claude Code asks for");
        return Err(Error::Invalid(text));
    }
    let home = run.home.trim_end_matches('/');
    let mut files = vec![];
    let mut add = |name: &str, content: String| {
        let path = format!("{home}/.claude/{name}");
        files.push(File { path: path.clone(), content, executable: false, extra: vec![] });
        path
    };
    let mut argv = arguments(settings, &run, &session);
    argv.push(format!("--settings={}", add("agentd-settings.json", overrides(endpoint))));
    let system: Vec<&str> = run
        .system
        .iter()
        .chain(&settings.append_system_prompt)
        .map(|it| it.trim())
        .filter(|it| !it.is_empty())
        .collect();
    if !system.is_empty() {
        argv.push(format!("--append-system-prompt-file={}", add("agentd-system.md", system.join("\n\n"))));
    }
    if !run.mcp_servers.is_empty() {
        // In a file, since its headers hold what `ps` need not show.
        argv.push(format!("--mcp-config={}", add("agentd-mcp.json", mcp(&run))));
    }
    let plan = Plan {
        argv,
        env: environment(settings, &run, endpoint, home),
        files,
        stdin: run.prompt,
        keep_stdin: false,
        session_files: vec![
            format!(".claude/projects/*/{session}.jsonl"),
            format!(".claude/projects/*/{session}/subagents/*"),
        ],
        litter: LITTER.map(Into::into).into(),
        extra: vec![],
    };
    Ok((plan, Began { session, resumed, sandboxed: run.sandboxed }))
}

fn endpoint(run: &Run) -> Result<&Endpoint, Error> {
    let endpoint = run.endpoints.iter().find(|it| it.name == ENDPOINT).ok_or_else(|| {
        let text = "Claude Code has no model to talk to: name an account of the provider `anthropic` in `account` of \
                    its section `[agents.…]`, and put the key into `[accounts.…]`";
        Error::Invalid(text.into())
    })?;
    if endpoint.api != "anthropic-messages" {
        let text = format!(
            "Claude Code speaks `anthropic-messages` and its account `{}`: name an account of the provider `anthropic` \
             in `account` of its section `[agents.…]`",
            endpoint.api
        );
        return Err(Error::Invalid(text));
    }
    Ok(endpoint)
}

fn arguments(settings: &Settings, run: &Run, session: &str) -> Vec<String> {
    let mut argv: Vec<String> =
        ["claude", "-p", "--output-format=stream-json", "--verbose", "--strict-mcp-config"].map(Into::into).into();
    let everything = run.sandboxed || settings.unsandboxed == Unsandboxed::Everything;
    argv.push(if everything { "--dangerously-skip-permissions" } else { "--permission-mode=acceptEdits" }.into());
    argv.push(format!("{}={session}", if run.resume.is_some() { "--resume" } else { "--session-id" }));
    if let Some(model) = run.model.as_ref().or(settings.model.as_ref()) {
        argv.push(format!("--model={model}"));
    }
    if let Some(turns) = run.max_turns.into_iter().chain(settings.max_turns).min() {
        argv.push(format!("--max-turns={turns}"));
    }
    if let Some(limit) = run.max_microusd {
        argv.push(format!("--max-budget-usd={}.{:06}", limit / 1_000_000, limit % 1_000_000));
    }
    if !settings.allowed_tools.is_empty() {
        argv.push(format!("--allowedTools={}", settings.allowed_tools.join(",")));
    }
    let taken_away: Vec<&str> =
        TAKEN_AWAY.into_iter().chain(settings.disallowed_tools.iter().map(String::as_str)).collect();
    argv.push(format!("--disallowedTools={}", taken_away.join(",")));
    argv
}

fn environment(settings: &Settings, run: &Run, endpoint: &Endpoint, home: &str) -> Vec<(String, String)> {
    let retries = settings.retries.to_string();
    let config = format!("{home}/.claude");
    let mut env = vec![
        ("ANTHROPIC_BASE_URL", endpoint.url.as_str()),
        ("ANTHROPIC_API_KEY", &endpoint.token),
        ("CLAUDE_CONFIG_DIR", &config),
        ("CLAUDE_CODE_MAX_RETRIES", &retries),
        // A broken stream is tried again as a stream: of an answer in one piece nobody sees whether it is coming.
        ("CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK", "1"),
        // No look for news, no telemetry, no reports of errors: all of it would run against the sandbox's wall.
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
    ];
    if run.sandboxed {
        // Without it, root may not skip the questions for permission.
        env.push(("IS_SANDBOX", "1"));
    }
    env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Settings that win over those of the checkout: where the API is, and that it is no other provider's.
fn overrides(endpoint: &Endpoint) -> String {
    let env = json!({
        "ANTHROPIC_BASE_URL": endpoint.url,
        "ANTHROPIC_API_KEY": endpoint.token,
        "ANTHROPIC_AUTH_TOKEN": "",
        "CLAUDE_CODE_USE_BEDROCK": "",
        "CLAUDE_CODE_USE_VERTEX": "",
        "CLAUDE_CODE_USE_FOUNDRY": "",
    });
    json!({ "env": env }).to_string()
}

fn mcp(run: &Run) -> String {
    let server = |it: &agentd_sdk::agent::McpServer| {
        let headers: serde_json::Map<_, _> =
            it.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        (it.name.clone(), json!({ "type": "http", "url": it.url, "headers": headers }))
    };
    let servers: serde_json::Map<_, _> = run.mcp_servers.iter().map(server).collect();
    json!({ "mcpServers": servers }).to_string()
}

/// As in `00000000-0000-4000-8000-000000000000`.
pub(crate) fn is_session(text: &str) -> bool {
    let is_part = |(part, length): (&str, usize)| part.len() == length && part.bytes().all(|it| it.is_ascii_hexdigit());
    text.len() == 36 && text.split('-').count() == 5 && text.split('-').zip([8, 4, 4, 4, 12]).all(is_part)
}

#[cfg(test)]
mod tests;
