//! `command`: any program is an agent. It gets the prompt, works in the checkout, says what it does, and ends.
//!
//! ```toml
//! [agents.fix]
//! plugin = "command"
//! settings = { argv = ["./agent.sh", "{prompt-file}"], prompt = "file" }
//! ```
//!
//! The program is started in the checkout, without a shell. It finds the prompt on its standard input, or in a file
//! that `{prompt-file}` in `argv` and the variable `AGENTD_PROMPT_FILE` name. What it writes to standard output is
//! shown line by line as its words, what it writes to standard error as notices; [`output`] tells how, and how the end
//! is judged: an exit code of 0 and some output is success. agentd then looks for itself what has changed.
//!
//! [`launch`] lists the variables that it finds besides. A program that can go on with an earlier conversation keeps it
//! below its HOME, names the files in `session-files`, and looks at `AGENTD_RESUME`.
//!
//! - Never talks to the program while it runs: there is no protocol to talk in.
//! - Never looks at the clock: the same run with the same output always gives the same events.

mod launch;
mod output;

use agentd_sdk::agent::{Agent, Conclusion, Exit, Line, Plan, Progress, Requirements, Run};
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, settings};
use output::Output;

/// One run of the program.
struct Command {
    output: Output,
}
agentd_sdk::plugin!(Command: agent);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["argv"], "properties": {
    "argv": {"type": "array", "items": {"type": "string"}, "minItems": 1,
        "description": "The program and its arguments; {prompt-file} stands for the file with the prompt"},
    "prompt": {"type": "string", "enum": ["stdin", "file"], "default": "stdin",
        "description": "How the program gets the prompt"},
    "session-files": {"type": "array", "items": {"type": "string"}, "default": [],
        "description": "Globs below HOME: files that are kept for the same task, to go on where it was"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    argv: Vec<String>,
    #[serde(default)]
    prompt: PromptBy,
    #[serde(default)]
    session_files: Vec<String>,
}

/// How the program gets the prompt.
#[derive(serde::Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum PromptBy {
    #[default]
    Stdin,
    File,
}

impl Plugin for Command {
    fn describe(_settings: &str) -> Description {
        Description {
            name: "command".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Runs any program as an agent".into(),
            settings_schema: SCHEMA.into(),
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

impl Agent for Command {
    fn needs() -> Result<Requirements, Error> {
        launch::requirements(&settings()?)
    }

    fn launch(run: Run) -> Result<(Command, Plan), Error> {
        let (plan, session) = launch::plan(&settings()?, run)?;
        Ok((Command { output: Output::new(session) }, plan))
    }

    fn read(&mut self, lines: Vec<Line>) -> Progress {
        let mut events = vec![];
        for line in lines {
            self.output.line(line, &mut events);
        }
        Progress { events, ..Progress::default() }
    }

    fn conclude(&mut self, exit: Exit) -> Conclusion {
        self.output.conclude(&exit)
    }
}

fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if settings.argv.first().is_none_or(|program| program.trim().is_empty()) {
        problems.push(Problem::new("/argv", "names no program: [\"my-agent\", \"--flag\"]"));
    }
    for (index, argument) in settings.argv.iter().enumerate() {
        let pointer = || format!("/argv/{index}");
        if argument.contains('\0') {
            problems.push(Problem::new(pointer(), "has a NUL character in it, which no program can be given"));
        }
        if argument.contains(launch::PROMPT_FILE) && settings.prompt == PromptBy::Stdin {
            problems.push(Problem::new(pointer(), "names the file with the prompt: set `prompt` to \"file\" for that"));
        }
    }
    for (index, glob) in settings.session_files.iter().enumerate() {
        if glob.starts_with('/') || glob.split('/').any(|part| part == "..") {
            let message = "leaves HOME: write it as seen from there, as in \"sessions/*.json\"";
            problems.push(Problem::new(format!("/session-files/{index}"), message));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, expected: &[(&str, &str)]) {
        let problems = Command::check(settings);
        let problems: Vec<_> = problems.iter().map(|it| (it.pointer.as_str(), it.message.as_str())).collect();
        assert_eq!(problems, expected, "{settings}");
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        check(r#"{"argv": ["agent", "{prompt-file}"], "prompt": "file", "session-files": ["a/*.json"]}"#, &[]);
        check(r#"{"argv": []}"#, &[("/argv", "names no program: [\"my-agent\", \"--flag\"]")]);
        check(
            r#"{"argv": ["agent", "{prompt-file}", "a\u0000b"], "session-files": ["/etc/passwd", "../x"]}"#,
            &[
                ("/argv/1", "names the file with the prompt: set `prompt` to \"file\" for that"),
                ("/argv/2", "has a NUL character in it, which no program can be given"),
                ("/session-files/0", "leaves HOME: write it as seen from there, as in \"sessions/*.json\""),
                ("/session-files/1", "leaves HOME: write it as seen from there, as in \"sessions/*.json\""),
            ],
        );
        check("{}", &[("", "the settings do not fit: missing field `argv` at line 1 column 2")]);
        check(
            r#"{"argv": ["a"], "prompt": "mail"}"#,
            &[("", "the settings do not fit: unknown variant `mail`, expected `stdin` or `file` at line 1 column 32")],
        );
    }

    #[test]
    fn the_schema_is_json_and_describes_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
    }
}
