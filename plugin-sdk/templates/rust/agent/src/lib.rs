//! {{name}}: a program as an agent. It gets the prompt on its standard input, and writes a line of JSON for whatever it
//! does; any other line counts as something that it says.
//!
//!     {"type": "message", "text": "…"}        {"type": "tool", "id": "1", "name": "edit", "input": {…}}
//!     {"type": "session", "id": "…"}          {"type": "result", "id": "1", "output": "…", "failed": false}
//!
//! The struct lives as long as the run does, and what it says depends on the run and the lines alone: after a restart
//! the host reads all lines again and must hear the same.

use agentd_sdk::agent::{
    Agent, Conclusion, Event, Exit, Happening, Line, Message, Notice, Outcome, Plan, Progress, Requirements, Run,
    Started, ToolCall, ToolResult, Weight,
};
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, settings};

#[derive(Default)]
struct {{NamePascal}} {
    session: Option<String>,
    answer: String,
    errors: Vec<String>,
}
agentd_sdk::plugin!({{NamePascal}}: agent);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["argv"], "properties": {
    "argv": {"type": "array", "items": {"type": "string"}, "minItems": 1,
        "description": "The program and its arguments"}}}"#;

#[derive(serde::Deserialize)]
struct Settings {
    argv: Vec<String>,
}

/// A line that the program writes.
#[derive(serde::Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Session {
        id: String,
    },
    Message {
        text: String,
    },
    Tool {
        id: String,
        name: String,
        #[serde(default)]
        input: serde_json::Value,
    },
    Result {
        id: String,
        #[serde(default)]
        output: String,
        #[serde(default)]
        failed: bool,
    },
}

impl Plugin for {{NamePascal}} {
    fn describe(_settings: &str) -> Description {
        Description {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Runs a program that speaks JSON lines as an agent".into(),
            settings_schema: SCHEMA.into(),
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(Settings { argv }) if argv.first().is_some_and(|program| !program.trim().is_empty()) => vec![],
            Ok(_) => vec![Problem::new("/argv", "names no program: [\"my-agent\", \"--json\"]")],
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl Agent for {{NamePascal}} {
    fn needs() -> Result<Requirements, Error> {
        let Settings { argv } = settings()?;
        let program = argv.into_iter().next().unwrap_or_default();
        let check = ["sh", "-c", "command -v -- \"$1\"", "sh"].map(String::from).into_iter().chain([program]).collect();
        Ok(Requirements { check, ..Requirements::default() })
    }

    fn launch(run: Run) -> Result<(Self, Plan), Error> {
        let Settings { argv } = settings()?;
        let mut env = vec![("AGENT_TASK".into(), run.task.id), ("AGENT_PURPOSE".into(), run.purpose)];
        env.extend(run.model.map(|model| ("AGENT_MODEL".into(), model)));
        let stdin = match run.system {
            Some(system) => format!("{system}\n\n{}", run.prompt),
            None => run.prompt,
        };
        Ok((Self::default(), Plan { argv, env, stdin, ..Plan::default() }))
    }

    fn read(&mut self, lines: Vec<Line>) -> Progress {
        let events = lines.into_iter().filter_map(|line| self.event(line)).map(Event::from).collect();
        Progress { events, ..Progress::default() }
    }

    fn conclude(&mut self, exit: Exit) -> Conclusion {
        let ended = exit.cause == "exited" || exit.cause == "finished";
        let outcome = match exit.code {
            Some(0) if ended && !self.answer.is_empty() => Outcome::Completed,
            Some(0) if ended => Outcome::Empty,
            _ => Outcome::Failed,
        };
        let answer = match outcome {
            Outcome::Completed => self.answer.clone(),
            _ if !self.errors.is_empty() => self.errors.join("\n"),
            _ if !exit.stderr.trim().is_empty() => exit.stderr.trim().to_owned(),
            _ => {
                let code = exit.code.map_or_else(|| "no exit code".into(), |code| code.to_string());
                format!("it ended with {code} ({})", exit.cause)
            }
        };
        Conclusion { outcome, answer, session: self.session.clone(), events: vec![], extra: vec![] }
    }
}

impl {{NamePascal}} {
    fn event(&mut self, line: Line) -> Option<Happening> {
        let text = line.text;
        if text.trim().is_empty() {
            return None;
        }
        if line.stderr {
            self.errors.push(text.clone());
            let first = self.errors.len().saturating_sub(20);
            self.errors.drain(..first);
            let notice = Notice { weight: Weight::Info, code: "stderr".into(), text, extra: vec![] };
            return Some(Happening::Notice(notice));
        }
        self.answer = match serde_json::from_str(&text) {
            Ok(Said::Session { id }) => {
                self.session = Some(id);
                return Some(Happening::Started(Started { session: self.session.clone(), ..Started::default() }));
            }
            Ok(Said::Tool { id, name, input }) => {
                let input = input.to_string();
                return Some(Happening::ToolCall(ToolCall { id, name, input, extra: vec![] }));
            }
            Ok(Said::Result { id, output, failed }) => {
                return Some(Happening::ToolResult(ToolResult { id, failed, output, extra: vec![] }));
            }
            Ok(Said::Message { text }) => text,
            Err(_) => text,
        };
        Some(Happening::Message(Message { text: self.answer.clone(), ..Message::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_line_is_a_message() {
        let mut run = {{NamePascal}}::default();
        let text = "Welcome!".to_owned();
        let progress = run.read(vec![Line { text, ..Line::default() }]);
        assert_eq!((progress.events.len(), run.answer.as_str()), (1, "Welcome!"));
    }
}
