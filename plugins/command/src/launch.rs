//! How the program is started: arguments, prompt, and the variables that it finds.
//!
//! | variable | |
//! |---|---|
//! | `AGENTD_TASK`, `AGENTD_RUN` | the task's and the run's id |
//! | `AGENTD_PURPOSE` | `execute`, `feedback`, `retry`, … |
//! | `AGENTD_REPOSITORY`, `AGENTD_BRANCH`, `AGENTD_BASE`, `AGENTD_BASE_COMMIT` | where it works |
//! | `AGENTD_PROMPT_FILE` | with `prompt = "file"`: where the prompt is |
//! | `AGENTD_MODEL` | the model that was asked for, if any |
//! | `AGENTD_SESSION`, `AGENTD_RESUME` | with `session-files`: the conversation's id, and `1` if it goes on |
//!
//! Nothing that other people wrote (a title, a text) goes into a variable or an argument: that stands in the prompt.

use crate::{PromptBy, Settings};
use agentd_sdk::Error;
use agentd_sdk::agent::{File, Plan, Requirements, Run};

/// What stands for the prompt's file in an argument.
pub(crate) const PROMPT_FILE: &str = "{prompt-file}";

/// The program has to be there; nothing is fetched for it.
pub(crate) fn requirements(settings: &Settings) -> Result<Requirements, Error> {
    let program = program(settings)?;
    let check = ["sh", "-c", "command -v -- \"$1\"", "sh", program].map(Into::into).into();
    let abilities = if settings.session_files.is_empty() { vec![] } else { vec!["resume".into()] };
    Ok(Requirements { check, abilities, ..Requirements::default() })
}

/// The plan, and the conversation's id where the program keeps conversations.
pub(crate) fn plan(settings: &Settings, run: Run) -> Result<(Plan, Option<String>), Error> {
    program(settings)?;
    let keeps = !settings.session_files.is_empty();
    let session = keeps.then(|| run.resume.clone().unwrap_or_else(|| run.new_session.clone()));
    let mut env = env(&run);
    if let Some(session) = &session {
        env.push(("AGENTD_SESSION".into(), session.clone()));
        env.push(("AGENTD_RESUME".into(), if run.resume.is_some() { "1".into() } else { String::new() }));
    }
    let prompt = match &run.system {
        Some(system) => format!("{system}\n\n{}", run.prompt),
        None => run.prompt,
    };
    let path = format!("{}/prompt.md", run.home.trim_end_matches('/'));
    let mut plan = Plan {
        argv: settings.argv.iter().map(|argument| argument.replace(PROMPT_FILE, &path)).collect(),
        env,
        session_files: settings.session_files.clone(),
        ..Plan::default()
    };
    match settings.prompt {
        PromptBy::Stdin => plan.stdin = prompt,
        PromptBy::File => {
            plan.env.push(("AGENTD_PROMPT_FILE".into(), path.clone()));
            plan.files.push(File { path, content: prompt, executable: false, extra: vec![] });
        }
    }
    Ok((plan, session))
}

fn program(settings: &Settings) -> Result<&str, Error> {
    let program = settings.argv.first().filter(|program| !program.trim().is_empty());
    program.map(String::as_str).ok_or_else(|| Error::Invalid("the setting `argv` names no program".into()))
}

fn env(run: &Run) -> Vec<(String, String)> {
    let mut env = vec![
        ("AGENTD_TASK", &run.task.id),
        ("AGENTD_RUN", &run.id),
        ("AGENTD_PURPOSE", &run.purpose),
        ("AGENTD_REPOSITORY", &run.task.repository),
        ("AGENTD_BRANCH", &run.branch),
        ("AGENTD_BASE", &run.base),
        ("AGENTD_BASE_COMMIT", &run.base_commit),
    ];
    env.extend(run.model.as_ref().map(|model| ("AGENTD_MODEL", model)));
    env.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentd_sdk::settings::parse;

    fn settings(text: &str) -> Settings {
        parse(text).expect("settings")
    }

    fn run() -> Run {
        Run {
            id: "t-1/2".into(),
            purpose: "execute".into(),
            prompt: "Fix it".into(),
            new_session: "new".into(),
            home: "/home/agent".into(),
            branch: "agentd/t-1".into(),
            ..Run::default()
        }
    }

    fn variable<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
        plan.env.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_prompt_comes_on_standard_input() {
        let (plan, session) = plan(&settings(r#"{"argv": ["agent", "-v"]}"#), run()).expect("a plan");
        assert_eq!((plan.argv, plan.stdin.as_str()), (vec!["agent".to_owned(), "-v".into()], "Fix it"));
        assert_eq!((plan.keep_stdin, plan.files.len(), session), (false, 0, None));
    }

    #[test]
    fn or_in_a_file_that_arguments_and_environment_name() {
        let settings = settings(r#"{"argv": ["agent", "--file={prompt-file}"], "prompt": "file"}"#);
        let (plan, _) = plan(&settings, Run { system: Some("Be brief".into()), ..run() }).expect("a plan");
        assert_eq!(plan.argv[1], "--file=/home/agent/prompt.md");
        assert_eq!(variable(&plan, "AGENTD_PROMPT_FILE"), Some("/home/agent/prompt.md"));
        assert_eq!((plan.files[0].path.as_str(), plan.stdin.as_str()), ("/home/agent/prompt.md", ""));
        assert_eq!(plan.files[0].content, "Be brief\n\nFix it");
    }

    #[test]
    fn the_environment_says_where_the_program_is() {
        let (plan, _) = plan(&settings(r#"{"argv": ["agent"]}"#), run()).expect("a plan");
        assert_eq!(variable(&plan, "AGENTD_RUN"), Some("t-1/2"));
        assert_eq!(variable(&plan, "AGENTD_BRANCH"), Some("agentd/t-1"));
        assert_eq!((variable(&plan, "AGENTD_MODEL"), variable(&plan, "AGENTD_SESSION")), (None, None));
    }

    #[test]
    fn a_program_that_keeps_conversations_is_told_which() {
        let settings = settings(r#"{"argv": ["agent"], "session-files": ["s/*"]}"#);
        let (first, session) = plan(&settings, run()).expect("a plan");
        assert_eq!((variable(&first, "AGENTD_RESUME"), session.as_deref()), (Some(""), Some("new")));
        let (later, session) = plan(&settings, Run { resume: Some("old".into()), ..run() }).expect("a plan");
        assert_eq!((variable(&later, "AGENTD_RESUME"), session.as_deref()), (Some("1"), Some("old")));
        assert_eq!((variable(&later, "AGENTD_SESSION"), &later.session_files[..]), (Some("old"), &["s/*".into()][..]));
        assert_eq!(requirements(&settings).expect("requirements").abilities, ["resume"]);
    }

    #[test]
    fn the_sandbox_must_have_the_program() {
        let requirements = requirements(&settings(r#"{"argv": ["agent", "-v"]}"#)).expect("requirements");
        assert_eq!(requirements.check.last().map(String::as_str), Some("agent"));
        assert!(requirements.tools.is_empty() && requirements.abilities.is_empty());
        assert!(matches!(plan(&settings(r#"{"argv": []}"#), run()), Err(Error::Invalid(_))));
    }
}
