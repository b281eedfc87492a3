//! `codex`: OpenAI's Codex CLI is an agent.
//!
//! ```toml
//! [agents.codex]
//! plugin = "codex"
//! account = "openai"
//! settings = { model = "gpt-5.5" }
//! ```
//!
//! [`launch`] tells how it is started, [`config`] what it is told by its configuration file, [`output`] how its stream
//! of JSON reads, and [`ending`] what the end of it means.
//!
//! - Never talks to the program while it runs: `codex exec` reads one prompt and ends.
//! - Never looks at the clock: the same run with the same output always gives the same events.

mod config;
mod ending;
mod launch;
mod needs;
mod output;
mod tool;

use agentd_sdk::agent::{Agent, Conclusion, Exit, Line, Plan, Progress, Requirements, Run};
use agentd_sdk::manifest::ModelWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use output::Output;

/// One run of Codex.
struct Codex {
    output: Output,
}
agentd_sdk::plugin!(Codex: agent);

/// What the model provider is called, here and in the plugin's want.
const ENDPOINT: &str = "main";

/// The one language of model providers that Codex speaks.
const API: &str = "openai-responses";

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "model": {"type": "string", "minLength": 1,
        "description": "The model, where neither the task nor the repository names one; else Codex chooses"},
    "reasoning-effort": {"type": "string", "minLength": 1,
        "description": "How long the model thinks: low, medium, high, or what else it knows"},
    "version": {"type": "string", "minLength": 1,
        "description": "The version of Codex that `agentd toolbox install` fetches"},
    "retries": {"type": "integer", "minimum": 0, "maximum": 100, "default": 3,
        "description": "How often a request to the model, and a stream that broke, are tried again"},
    "silence-seconds": {"type": "integer", "minimum": 1, "maximum": 86400, "default": 300,
        "description": "How long an answer of the model may pause before it is asked again"},
    "web-search": {"type": "boolean", "default": false,
        "description": "The provider may search the web for the model, which sends words of it to search engines"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    model: Option<String>,
    reasoning_effort: Option<String>,
    version: Option<String>,
    #[serde(default = "retries")]
    retries: u32,
    #[serde(default = "silence_seconds")]
    silence_seconds: u32,
    #[serde(default)]
    web_search: bool,
}

fn retries() -> u32 {
    3
}

fn silence_seconds() -> u32 {
    300
}

impl Plugin for Codex {
    fn describe(_settings: &str) -> Description {
        let model = ModelWant {
            name: ENDPOINT.into(),
            apis: vec![API.into()],
            required: true,
            why: "the model that does the work".into(),
            extra: vec![],
        };
        Description {
            name: "codex".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Runs OpenAI's Codex CLI as an agent".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Model(model)],
            extra: vec![("homepage".into(), "https://github.com/openai/codex".into())],
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => problems(&settings),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Agent for Codex {
    fn needs() -> Result<Requirements, Error> {
        needs::requirements(&settings()?)
    }

    fn launch(run: Run) -> Result<(Codex, Plan), Error> {
        let settings = settings()?;
        let plan = launch::plan(&settings, &run)?;
        Ok((Codex { output: Output::new(launch::model(&settings, &run), run.resume) }, plan))
    }

    fn read(&mut self, lines: Vec<Line>) -> Progress {
        let mut events = vec![];
        for line in lines {
            self.output.line(&line, &mut events);
        }
        Progress { events, ..Progress::default() }
    }

    fn conclude(&mut self, exit: Exit) -> Conclusion {
        self.output.conclude(&exit)
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if settings.version.as_deref().is_some_and(|version| !needs::is_version(version)) {
        problems.push(Problem::new("/version", "is no version: write it as in \"0.169.0\""));
    }
    for (pointer, value) in [("/model", &settings.model), ("/reasoning-effort", &settings.reasoning_effort)] {
        if value.as_deref().is_some_and(|value| !launch::is_name(value)) {
            problems.push(Problem::new(pointer, "may not be empty, begin with a dash, or hold blanks"));
        }
    }
    problems
}

#[cfg(test)]
mod tests;
