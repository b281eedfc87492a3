//! `gemini`: Google's Gemini CLI is an agent.
//!
//! ```toml
//! [agents.gemini]
//! account = "google"
//! settings = { model = "gemini-3.8-flash" }
//! ```
//!
//! [`launch`] tells how it is started and what it needs, [`output`] how its stream of JSON reads, and [`ending`] what the
//! end of it means.
//!
//! - Never talks to the program while it runs: it reads one prompt and ends.
//! - Never looks at the clock: the same run with the same output always gives the same events.

mod ending;
mod launch;
mod output;

use agentd_sdk::agent::{Agent, Conclusion, Exit, Line, Plan, Progress, Requirements, Run};
use agentd_sdk::manifest::ModelWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use output::Output;

/// One run of Gemini CLI.
struct Gemini {
    output: Output,
}
agentd_sdk::plugin!(Gemini: agent);

/// What the model provider is called, here and in the plugin's want.
const ENDPOINT: &str = "main";

/// The one language of model providers that Gemini CLI speaks.
const API: &str = "gemini";

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "model": {"type": "string", "minLength": 1,
        "description": "The model, where neither the task nor the repository names one; else Gemini CLI chooses per prompt, for which it asks a model each time"},
    "version": {"type": "string", "minLength": 1,
        "description": "The version of Gemini CLI that `agentd toolbox install` fetches"},
    "max-turns": {"type": "integer", "minimum": 1, "maximum": 100000,
        "description": "How many rounds with the model a run may make"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    model: Option<String>,
    version: Option<String>,
    max_turns: Option<u32>,
}

impl Plugin for Gemini {
    fn describe(_settings: &str) -> Description {
        let model = ModelWant {
            name: ENDPOINT.into(),
            apis: vec![API.into()],
            required: true,
            why: "the model that does the work".into(),
            extra: vec![],
        };
        Description {
            name: "gemini".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Runs Google's Gemini CLI as an agent".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Model(model)],
            extra: vec![("homepage".into(), "https://github.com/google-gemini/gemini-cli".into())],
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => problems(&settings),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Agent for Gemini {
    fn needs() -> Result<Requirements, Error> {
        launch::requirements(&settings()?)
    }

    fn launch(run: Run) -> Result<(Gemini, Plan), Error> {
        let settings = settings()?;
        let plan = launch::plan(&settings, &run)?;
        Ok((Gemini { output: Output::new(run.resume) }, plan))
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
        problems.push(Problem::new("/version", "is no version: write it as in \"0.61.0\""));
    }
    if settings.model.as_deref().is_some_and(|model| !launch::is_name(model)) {
        problems.push(Problem::new("/model", "may not be empty, begin with a dash, or hold blanks"));
    }
    problems
}

#[cfg(test)]
mod tests;
