//! `default-prompts`: what the agent is told stands in Markdown files. The prompt template unless another is named.
//!
//! ```toml
//! [prompts]
//! plugin = "default-prompts"
//! settings = { path = "prompts" }       # optional: a directory with files of your own
//! ```
//!
//! For a run the first of these files counts, of those in the directory, then of those that are built in:
//!
//! 1. `acme--shop/bug.execute.md`: for a repository (`/` in its name is `--`), a label and a purpose
//! 2. `acme--shop/execute.md`: for a repository and a purpose
//! 3. `bug.execute.md`: for a label and a purpose
//! 4. `execute.md`: for a purpose
//!
//! Purposes with a built-in file: `execute`, `feedback`, `retry`, `fallback`, `ci-fix`. Others are unsupported until
//! there is a file for them. Files are Jinja templates (`{{ title }}`, `{% if resumed %}`); [`variables`] lists what
//! they can name. One can bring in another, `{% include "_rules.md" %}`, and a file in the directory takes the place of
//! a built-in one here too. They are read for each prompt: a changed file counts at once.
//!
//! - Strict: a variable that does not exist is an error with file and line, not an empty place in a prompt.
//! - What other people wrote (title, text, comments, output) never becomes part of the template's own words: it leaves
//!   as quotes, which the host fences. See [`quotes`].
//! - Never looks at anything but the request and the files: the same give the same prompt.

mod files;
mod quotes;
mod template;
mod variables;

use agentd_sdk::manifest::DirectoryWant;
use agentd_sdk::prompt_template::{Prompt, PromptTemplate, Request};
use agentd_sdk::settings::parse;
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use files::Files;

struct DefaultPrompts;
agentd_sdk::plugin!(DefaultPrompts: prompt_template);

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "path": {"type": "string",
        "description": "A directory with prompts of your own, which come before the built-in ones"}}}"#;

/// What the operator configured.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Settings {
    path: Option<String>,
}

impl Plugin for DefaultPrompts {
    fn describe(settings: &str) -> Description {
        let settings: Settings = parse(settings).unwrap_or_default();
        let want = settings.path.map(|_| {
            let why = "to read your prompts in it".into();
            Want::Directory(DirectoryWant { setting: "path".into(), why, extra: vec![] })
        });
        Description {
            name: "default-prompts".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Makes prompts from Markdown files, by label, purpose and repository".into(),
            settings_schema: SCHEMA.into(),
            wants: want.into_iter().collect(),
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        let settings: Settings = match parse(settings) {
            Ok(settings) => settings,
            Err(error) => return vec![Problem::new("", error.to_string())],
        };
        // Where the host lets nothing be read yet, mistakes are found with the first prompt that needs the file.
        let files = match &settings.path {
            Some(path) => Files::in_directory(path).unwrap_or_else(|_| Files::built_in()),
            None => Files::built_in(),
        };
        template::problems(&files).into_iter().map(|problem| Problem::new("/path", problem)).collect()
    }
}

impl PromptTemplate for DefaultPrompts {
    fn render(request: Request) -> Result<Prompt, Error> {
        let settings: Settings = settings()?;
        let files = match &settings.path {
            Some(path) => Files::in_directory(path)?,
            None => Files::built_in(),
        };
        template::render(files, &request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_wants_a_directory_only_where_one_is_set() {
        assert!(DefaultPrompts::describe("{}").wants.is_empty());
        let wants = DefaultPrompts::describe(r#"{"path": "prompts"}"#).wants;
        assert!(matches!(&wants[..], [Want::Directory(want)] if want.setting == "path"));
    }

    #[test]
    fn the_built_in_prompts_have_no_mistakes() {
        let problems = DefaultPrompts::check("{}");
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn the_schema_is_json_and_describes_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert!(properties.values().all(|property| property["description"].is_string()), "{schema}");
    }
}
