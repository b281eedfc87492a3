//! {{name}}: says in few words what is to be done. The rules of the settings go into the system prompt; what other
//! people wrote is quoted, never repeated in words of its own.

use agentd_sdk::prompt_template::{Comment, Part, Person, Prompt, PromptTemplate, Quote, Request};
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, settings};

struct {{NamePascal}};
agentd_sdk::plugin!({{NamePascal}}: prompt_template);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "rules": {"type": "array", "items": {"type": "string"},
        "default": ["Keep the change as small as the task allows.", "Add or change a test for what you change."],
        "description": "What always holds; goes into the system prompt"}}}"#;

#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default)]
    rules: Vec<String>,
}

impl Plugin for {{NamePascal}} {
    fn describe(_settings: &str) -> Description {
        Description {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Prompts in few words, with rules of your own".into(),
            settings_schema: SCHEMA.into(),
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        let Settings { rules } = match parse(settings) {
            Ok(settings) => settings,
            Err(error) => return vec![Problem::new("", error.to_string())],
        };
        let empty = rules.iter().enumerate().filter(|(_, rule)| rule.trim().is_empty());
        empty.map(|(index, _)| Problem::new(format!("/rules/{index}"), "is empty")).collect()
    }
}

impl PromptTemplate for {{NamePascal}} {
    fn render(request: Request) -> Result<Prompt, Error> {
        let Settings { rules } = settings()?;
        let (workspace, branch, base) = (&request.workspace, &request.branch, &request.base);
        let place = format!("You work in {workspace}, on the branch {branch} from {base}.");
        let mut parts = vec![Part::Text(format!("{}\n\n{place}", task(&request.purpose)?))];
        if !request.resumed {
            parts.push(quote("title", &request.task.title, None));
            parts.push(quote("task", &request.body, None));
            parts.extend(request.comments.iter().map(|it| quote("comment", &it.body, Some(&it.author))));
        }
        parts.extend(request.feedback.iter().map(|it| quote(&place_of(it), &it.body, Some(&it.author))));
        for failure in &request.failures {
            let again = if failure.repeated { ", as before" } else { "" };
            parts.push(quote(&format!("output of {}{again}", failure.name), &failure.output, None));
        }
        parts.extend(request.instructions.map(Part::Text));
        if !request.gates.is_empty() {
            parts.push(Part::Text(format!("These have to pass:\n- {}", request.gates.join("\n- "))));
        }
        parts.retain(|part| match part {
            Part::Text(text) => !text.is_empty(),
            Part::Quote(quote) => !quote.text.is_empty(),
        });
        let system = Some(rules.join("\n")).filter(|it| !it.is_empty());
        Ok(Prompt { system, parts, extra: vec![] })
    }
}

fn task(purpose: &str) -> Result<&'static str, Error> {
    Ok(match purpose {
        "execute" => "Do what the task below asks for.",
        "feedback" => "People have looked at your change. Deal with everything that they say below.",
        "retry" => "Checks failed on your change. Make them pass; do not weaken them.",
        "fallback" => {
            "Earlier tries failed. Find the simplest change that does what the task asks for, and do only that."
        }
        "ci-fix" => "Checks of the forge fail on your change. Make them pass; do not weaken them.",
        "rebase" => "Your branch conflicts with its base. Merge the base, and keep what both sides meant.",
        "plan" => "Do not change anything. Say how you would do what the task below asks for, step by step.",
        other => return Err(Error::Unsupported(format!("no words for the purpose {other}"))),
    })
}

fn quote(label: &str, text: &str, author: Option<&Person>) -> Part {
    Part::Quote(Quote { label: label.into(), author: author.cloned(), text: text.into(), extra: vec![] })
}

fn place_of(comment: &Comment) -> String {
    match &comment.location {
        Some(location) => format!("review comment on {}:{}", location.path, location.line),
        None => "comment".into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_unknown_purpose_is_unsupported() {
        assert!(super::task("execute").is_ok() && super::task("dance").is_err());
    }
}
