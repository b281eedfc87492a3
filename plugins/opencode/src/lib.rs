//! `opencode`: the agent of that name, with any model that speaks one of its languages.
//!
//! ```toml
//! [agents.opencode]
//! account = "own"
//! model = "qwen3-coder"
//! settings = { context-tokens = 128000 }
//! ```
//!
//! [`launch`] tells how it is started and what it needs, [`config`] what it is told by its configuration, [`output`] how
//! its stream of JSON reads, and [`ending`] what the end of it means.
//!
//! - Never talks to the program while it runs: `opencode run` reads one prompt and ends.
//! - Never looks at the clock: the same run with the same output always gives the same events.

mod config;
mod ending;
mod launch;
mod output;

use agentd_sdk::agent::{Agent, Conclusion, Exit, Line, Plan, Progress, Requirements, Run};
use agentd_sdk::manifest::ModelWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use output::Output;

/// One run of opencode.
struct Opencode {
    output: Output,
}
agentd_sdk::plugin!(Opencode: agent);

/// What the model provider is called, here and in the plugin's want.
const ENDPOINT: &str = "main";

/// The languages of model providers, the best one first, each with the package of opencode's that speaks it, and what
/// that expects below an endpoint's URL. All are a part of the program.
const APIS: [(&str, &str, &str); 4] = [
    ("openai-chat", "@ai-sdk/openai-compatible", ""),
    ("anthropic-messages", "@ai-sdk/anthropic", "/v1"),
    ("openai-responses", "@ai-sdk/openai", ""),
    ("gemini", "@ai-sdk/google", "/v1beta"),
];

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "model": {"type": "string", "minLength": 1,
        "description": "The model, where neither the task nor the repository names one; it has to be named somewhere"},
    "small-model": {"type": "string", "minLength": 1,
        "description": "A cheaper model of the same account for small things; else the same one"},
    "variant": {"type": "string", "minLength": 1,
        "description": "How long the model thinks, in opencode's words for it: high, max, minimal"},
    "context-tokens": {"type": "integer", "minimum": 1000, "maximum": 100000000, "default": 200000,
        "description": "How much the model can read at once: before that a conversation is summed up"},
    "output-tokens": {"type": "integer", "minimum": 100, "maximum": 10000000, "default": 32000,
        "description": "How much it may write in one answer"},
    "version": {"type": "string", "minLength": 1,
        "description": "The version of opencode that `agentd toolbox install` fetches"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    model: Option<String>,
    small_model: Option<String>,
    variant: Option<String>,
    #[serde(default = "context_tokens")]
    context_tokens: u32,
    #[serde(default = "output_tokens")]
    output_tokens: u32,
    version: Option<String>,
}

fn context_tokens() -> u32 {
    200_000
}

fn output_tokens() -> u32 {
    32_000
}

impl Plugin for Opencode {
    fn describe(_settings: &str) -> Description {
        let model = ModelWant {
            name: ENDPOINT.into(),
            apis: APIS.iter().map(|(api, ..)| (*api).to_owned()).collect(),
            required: true,
            why: "the model that does the work".into(),
            extra: vec![],
        };
        Description {
            name: "opencode".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Runs opencode as an agent, with any model".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Model(model)],
            extra: vec![("homepage".into(), "https://opencode.ai".into())],
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => problems(&settings),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Agent for Opencode {
    fn needs() -> Result<Requirements, Error> {
        launch::requirements(&settings()?)
    }

    fn launch(run: Run) -> Result<(Opencode, Plan), Error> {
        let settings = settings()?;
        let plan = launch::plan(&settings, &run)?;
        Ok((Opencode { output: Output::new(launch::model(&settings, &run), run.resume) }, plan))
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
    if settings.version.as_deref().is_some_and(|version| !launch::is_version(version)) {
        problems.push(Problem::new("/version", "is no version: write it as in \"1.18.33\""));
    }
    let names = [("/model", &settings.model), ("/small-model", &settings.small_model), ("/variant", &settings.variant)];
    for (pointer, value) in names {
        if value.as_deref().is_some_and(|value| !launch::is_name(value)) {
            problems.push(Problem::new(pointer, "may not be empty, begin with a dash, or hold blanks"));
        }
    }
    problems
}

#[cfg(test)]
mod tests;
