//! `acp`: any program that speaks the Agent Client Protocol is an agent.
//!
//! ```toml
//! [agents.gemini-acp]
//! plugin = "acp"
//! account = "google"
//! [agents.gemini-acp.settings]
//! command = ["gemini", "--acp"]
//! env = { GEMINI_API_KEY = "{token}", GOOGLE_GEMINI_BASE_URL = "{url}" }
//! ```
//!
//! JSON-RPC, a line for each message: agentd's side asks for a session and gives it the prompt, the program tells what it
//! does and asks for permission, and its answer to the prompt is the end. [`launch`] tells how it is started, [`client`]
//! what is said to it and when, [`update`] how what it tells reads, and [`ending`] what the end of it means.
//!
//! - Offers the program no files and no terminals: it works in its own sandbox, with its own tools.
//! - What is said depends on what came before, and on nothing else: a replay says the same again.

mod client;
mod ending;
mod launch;
mod update;

use agentd_sdk::agent::{Agent, Conclusion, Exit, Line, Order, Plan, Progress, Requirements, Run};
use agentd_sdk::manifest::ModelWant;
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use client::Client;
use std::collections::BTreeMap;

/// One run of the program.
struct Acp {
    client: Client,
}
agentd_sdk::plugin!(Acp: agent);

/// What the model provider is called, here and in the plugin's want.
const ENDPOINT: &str = "main";

/// The languages of model providers, as far as agentd knows them.
const APIS: [&str; 4] = ["openai-chat", "anthropic-messages", "openai-responses", "gemini"];

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["command"], "properties": {
    "command": {"type": "array", "items": {"type": "string"}, "minItems": 1,
        "description": "The program and its arguments, as in [\"opencode\", \"acp\"]. In these, in env and in files, {url} stands for the model's base URL, {token} for the key, {model}, {home} and {workspace} for what they say"},
    "env": {"type": "object", "additionalProperties": {"type": "string"}, "default": {},
        "description": "Variables of the program"},
    "files": {"type": "object", "additionalProperties": {"type": "string"}, "default": {},
        "description": "Files below its home, by their paths, that are there when it starts"},
    "session-files": {"type": "array", "items": {"type": "string"}, "default": [],
        "description": "Globs below its home: the files that hold its conversations"},
    "apis": {"type": "array", "items": {"type": "string", "minLength": 1},
        "description": "The languages of model providers that it speaks; [] if it needs none. Else any"},
    "model": {"type": "string", "minLength": 1,
        "description": "The model, where neither the task nor the repository names one; asked for in the session too, if the program offers it by that name"},
    "mode": {"type": "string", "minLength": 1,
        "description": "The mode that the session is put into, if the program has modes: bypassPermissions, yolo"},
    "auth-method": {"type": "string", "minLength": 1,
        "description": "The way of logging in that is chosen first, for programs that ask for it"},
    "tools": {"type": "array", "default": [], "items": {"type": "object", "additionalProperties": false,
        "required": ["name", "release", "file"], "properties": {"name": {"type": "string"},
        "release": {"type": "string"}, "file": {"type": "string"}, "arch": {"type": "string"},
        "digest": {"type": "string"}}},
        "description": "Programs for `agentd toolbox install`: name, release (npm:PACKAGE@VERSION), file in the package; else the image has them"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    command: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    session_files: Vec<String>,
    apis: Option<Vec<String>>,
    model: Option<String>,
    mode: Option<String>,
    auth_method: Option<String>,
    #[serde(default)]
    tools: Vec<Program>,
}

/// A program that the toolbox fetches.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    name: String,
    release: String,
    file: String,
    arch: Option<String>,
    digest: Option<String>,
}

impl Settings {
    fn apis(&self) -> Vec<String> {
        self.apis.clone().unwrap_or_else(|| APIS.map(Into::into).into())
    }
}

impl Plugin for Acp {
    fn describe(settings: &str) -> Description {
        let apis = parse::<Settings>(settings).map_or_else(|_| APIS.map(Into::into).into(), |it| it.apis());
        let model = ModelWant {
            name: ENDPOINT.into(),
            apis: apis.clone(),
            required: true,
            why: "the model that does the work".into(),
            extra: vec![],
        };
        Description {
            name: "acp".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Runs any program that speaks the Agent Client Protocol".into(),
            settings_schema: SCHEMA.into(),
            wants: if apis.is_empty() { vec![] } else { vec![Want::Model(model)] },
            extra: vec![("homepage".into(), "https://agentclientprotocol.com".into())],
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => launch::problems(&settings),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Agent for Acp {
    fn needs() -> Result<Requirements, Error> {
        launch::requirements(&settings()?)
    }

    fn launch(run: Run) -> Result<(Acp, Plan), Error> {
        let settings: Settings = settings()?;
        let plan = launch::plan(&settings, &run)?;
        Ok((Acp { client: Client::new(&settings, run) }, plan))
    }

    fn read(&mut self, lines: Vec<Line>) -> Progress {
        let mut progress = Progress::default();
        for line in lines {
            self.client.line(&line, &mut progress);
        }
        progress
    }

    fn control(&mut self, order: Order) -> Result<Progress, Error> {
        match order.verb.as_str() {
            "interrupt" => Ok(self.client.interrupt()),
            verb => Err(Error::Unsupported(format!("an agent of this protocol does not take `{verb}` while it works"))),
        }
    }

    fn conclude(&mut self, exit: Exit) -> Conclusion {
        self.client.conclude(&exit)
    }
}

#[cfg(test)]
mod tests;
