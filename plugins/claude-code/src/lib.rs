//! `claude-code`: runs Claude Code, without a terminal and without questions.
//!
//! ```toml
//! [agents.claude-code]
//! account = "claude"
//! settings = { model = "opus", max-turns = 100 }
//! ```
//!
//! [`launch`] says how it is started: the program from its npm package, the prompt on standard input, the gateway as
//! its API, a conversation whose id agentd chose. [`stream`] makes events of its output (`stream-json`: a JSON object
//! a line), [`verdict`] says what its end means: an exit code of 0 is no success yet.
//!
//! - Never lets it ask: where nobody answers, a question is a guess, so the tool for it is taken away.
//! - Never believes a conversation's id that it did not choose.
//! - Never looks at the clock: the same run with the same output always gives the same events.

mod field;
mod launch;
mod stream;
mod usage;
mod verdict;

use agentd_sdk::agent::{Agent, Conclusion, Exit, Line, Plan, Progress, Requirements, Run};
use agentd_sdk::manifest::ModelWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use stream::Stream;

/// One run of Claude Code.
struct ClaudeCode {
    stream: Stream,
}
agentd_sdk::plugin!(ClaudeCode: agent);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "model": {"type": "string", "minLength": 1,
        "description": "The model, as an alias (opus) or by its full name; the program's own default if not set"},
    "version": {"type": "string", "minLength": 1,
        "description": "The version of Claude Code; the one that this plugin was tested with if not set"},
    "max-turns": {"type": "integer", "minimum": 1, "maximum": 10000,
        "description": "How many rounds with the model a run may take; a smaller limit of the run's own wins"},
    "retries": {"type": "integer", "minimum": 0, "maximum": 100, "default": 3,
        "description": "How often a call of the model is tried again before the run fails"},
    "append-system-prompt": {"type": "string",
        "description": "Words for the system prompt, after agentd's own"},
    "allowed-tools": {"type": "array", "items": {"type": "string"}, "default": [],
        "description": "Tools that need no permission, as in Bash(npm test:*); matters outside of a sandbox only"},
    "disallowed-tools": {"type": "array", "items": {"type": "string"}, "default": [],
        "description": "Tools that are taken away, as in WebSearch or Bash(git push:*)"},
    "unsandboxed": {"type": "string", "enum": ["edits", "everything"], "default": "edits",
        "description": "What it may do without a sandbox: edit files in the checkout, or everything that you may"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Settings {
    model: Option<String>,
    version: Option<String>,
    max_turns: Option<u32>,
    retries: u32,
    append_system_prompt: Option<String>,
    allowed_tools: Vec<String>,
    disallowed_tools: Vec<String>,
    unsandboxed: Unsandboxed,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            model: None,
            version: None,
            max_turns: None,
            retries: 3,
            append_system_prompt: None,
            allowed_tools: vec![],
            disallowed_tools: vec![],
            unsandboxed: Unsandboxed::Edits,
        }
    }
}

/// What the agent may do where no sandbox holds it.
#[derive(serde::Deserialize, Debug, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Unsandboxed {
    Edits,
    Everything,
}

impl Plugin for ClaudeCode {
    fn describe(_settings: &str) -> Description {
        let model = ModelWant {
            name: launch::ENDPOINT.into(),
            apis: vec!["anthropic-messages".into()],
            required: true,
            why: "Claude Code's model; the key stays in the gateway".into(),
            extra: vec![],
        };
        Description {
            name: "claude-code".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Runs Claude Code".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Model(model)],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => problems(&settings),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Agent for ClaudeCode {
    fn needs() -> Result<Requirements, Error> {
        Ok(launch::requirements(&settings()?))
    }

    fn launch(run: Run) -> Result<(ClaudeCode, Plan), Error> {
        let (plan, began) = launch::plan(&settings()?, run)?;
        Ok((ClaudeCode { stream: Stream::new(began) }, plan))
    }

    fn read(&mut self, lines: Vec<Line>) -> Progress {
        let mut events = vec![];
        for line in lines {
            self.stream.line(&line, &mut events);
        }
        Progress { events, ..Progress::default() }
    }

    fn conclude(&mut self, exit: Exit) -> Conclusion {
        let mut events = vec![];
        self.stream.end(&mut events);
        verdict::conclusion(&self.stream, &exit, events)
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if let Some(version) = &settings.version
        && !is_version(version)
    {
        let message = format!("is no version: one as in \"{}\" is meant, no range and no tag", launch::VERSION);
        problems.push(Problem::new("/version", message));
    }
    if settings.model.as_ref().is_some_and(|model| model.trim().is_empty() || model.starts_with('-')) {
        problems.push(Problem::new("/model", "is no model's name: \"opus\" or a full name is meant"));
    }
    for (name, tools) in [("allowed-tools", &settings.allowed_tools), ("disallowed-tools", &settings.disallowed_tools)]
    {
        for (index, tool) in tools.iter().enumerate() {
            if !tool.starts_with(|it: char| it.is_ascii_alphabetic()) {
                let message = "is no tool: \"WebSearch\" or \"Bash(npm test:*)\" is meant";
                problems.push(Problem::new(format!("/{name}/{index}"), message));
            }
        }
    }
    problems
}

/// One exact version: what a package registry calls `1.2.3` or `1.2.3-beta.1`.
fn is_version(text: &str) -> bool {
    let (numbers, label) = text.split_once('-').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.len() < 10 && part.bytes().all(|it| it.is_ascii_digit());
    let is_label = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    numbers.split('.').count() == 3 && numbers.split('.').all(is_number) && label.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
