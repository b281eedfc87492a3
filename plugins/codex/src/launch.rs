//! How Codex is started: arguments, environment, prompt, and which of its files are kept.
//!
//! The prompt comes on standard input, since an argument may not be longer than 128 KiB. Codex keeps its state below
//! `CODEX_HOME`; of that the rollout files alone are enough to go on with a conversation.
//!
//! In a sandbox Codex asks nobody and uses no sandbox of its own, which would only fail there. Without one, with the
//! executor `local`, it uses its own: it writes into the workspace and nowhere else. That covers not the workspace's
//! `.git`, so that Codex cannot commit; agentd does that in any case.

use crate::{API, ENDPOINT, Settings, config};
use agentd_sdk::Error;
use agentd_sdk::agent::{Endpoint, File, Plan, Run};

/// The variable that Codex takes its key from.
pub(crate) const TOKEN: &str = "AGENTD_MODEL_TOKEN";

/// How to start it.
pub(crate) fn plan(settings: &Settings, run: &Run) -> Result<Plan, Error> {
    let endpoint = endpoint(run)?;
    let state = format!("{}/.codex", run.home.trim_end_matches('/'));
    Ok(Plan {
        argv: argv(settings, run)?,
        env: vec![
            ("CODEX_HOME".into(), state.clone()),
            (TOKEN.into(), endpoint.token.clone()),
            ("NO_COLOR".into(), "1".into()),
        ],
        files: vec![File {
            path: format!("{state}/config.toml"),
            content: config::text(settings, run, endpoint),
            executable: false,
            extra: vec![],
        }],
        stdin: run.prompt.clone(),
        keep_stdin: false,
        session_files: vec![".codex/sessions/**/rollout-*.jsonl".into()],
        litter: vec![],
        extra: vec![],
    })
}

/// The model that is asked for, if any is.
pub(crate) fn model(settings: &Settings, run: &Run) -> Option<String> {
    run.model.clone().or_else(|| settings.model.clone())
}

/// Whether it can be an argument, or a word in one.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.contains(|it: char| it.is_whitespace() || it.is_control())
}

fn endpoint(run: &Run) -> Result<&Endpoint, Error> {
    let found = run.endpoints.iter().find(|endpoint| endpoint.name == ENDPOINT);
    let endpoint = found.ok_or_else(|| {
        Error::Invalid("no model provider is configured for this agent: name one of [accounts] in its `account`".into())
    })?;
    match endpoint.api.as_str() {
        API => Ok(endpoint),
        other => Err(Error::Invalid(format!(
            "the agent's `account` speaks {other}, and Codex nothing but {API}: name an account of OpenAI's, or of a \
             provider that has the Responses API"
        ))),
    }
}

fn argv(settings: &Settings, run: &Run) -> Result<Vec<String>, Error> {
    let mut argv = vec!["codex", "exec"];
    if run.resume.is_some() {
        argv.push("resume");
    }
    argv.extend(["--json", "--skip-git-repo-check"]);
    if run.sandboxed {
        argv.push("--dangerously-bypass-approvals-and-sandbox");
    }
    let mut argv: Vec<String> = argv.into_iter().map(Into::into).collect();
    if let Some(model) = model(settings, run) {
        if !is_name(&model) {
            return Err(Error::Invalid("the model's name may not begin with a dash, or hold blanks".into()));
        }
        argv.extend(["--model".into(), model]);
    }
    if let Some(session) = &run.resume {
        // Codex takes anything else for a conversation's title, finds none, and begins a new one without a word.
        if !is_thread(session) {
            return Err(Error::Invalid("the conversation to go on with is none of Codex: its id is no UUID".into()));
        }
        argv.push(session.clone());
    }
    argv.push("-".into());
    Ok(argv)
}

fn is_thread(id: &str) -> bool {
    let is_digit =
        |(at, it): (usize, char)| if [8, 13, 18, 23].contains(&at) { it == '-' } else { it.is_ascii_hexdigit() };
    id.len() == 36 && id.char_indices().all(is_digit)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use agentd_sdk::settings::parse;

    pub(crate) const SESSION: &str = "01a1f773-fdd0-71c2-a1cb-76615d4acf12";

    pub(crate) fn settings(text: &str) -> Settings {
        parse(text).expect("settings")
    }

    pub(crate) fn run() -> Run {
        let endpoint = Endpoint {
            name: "main".into(),
            api: "openai-responses".into(),
            url: "http://127.0.0.1:8417/model/main".into(),
            token: "run-token".into(),
            extra: vec![],
        };
        Run {
            prompt: "Fix it".into(),
            home: "/home/agent/".into(),
            endpoints: vec![endpoint],
            sandboxed: true,
            ..Run::default()
        }
    }

    #[track_caller]
    fn check_argv(settings_text: &str, run: &Run, expected: &str) {
        let plan = plan(&settings(settings_text), run).expect("a plan");
        assert_eq!(plan.argv.join(" "), expected);
        assert_eq!((plan.stdin.as_str(), plan.keep_stdin), ("Fix it", false));
    }

    #[test]
    fn the_arguments_are_those_that_were_tried_with_the_real_one() {
        let bypass = "--dangerously-bypass-approvals-and-sandbox";
        let start = format!("codex exec --json --skip-git-repo-check {bypass}");
        check_argv("{}", &run(), &format!("{start} -"));
        check_argv(r#"{"model": "gpt-5.5"}"#, &run(), &format!("{start} --model gpt-5.5 -"));
        let named = Run { model: Some("gpt-6".into()), ..run() };
        check_argv(r#"{"model": "gpt-5.5"}"#, &named, &format!("{start} --model gpt-6 -"));
        let resumed = Run { resume: Some(SESSION.into()), ..run() };
        let start = format!("codex exec resume --json --skip-git-repo-check {bypass}");
        check_argv("{}", &resumed, &format!("{start} {SESSION} -"));
        check_argv("{}", &Run { sandboxed: false, ..run() }, "codex exec --json --skip-git-repo-check -");
    }

    #[test]
    fn state_lies_below_home_and_the_conversation_of_it_is_kept() {
        let plan = plan(&settings("{}"), &run()).expect("a plan");
        let variable = |name: &str| plan.env.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
        assert_eq!(variable("CODEX_HOME"), Some("/home/agent/.codex"));
        assert_eq!(variable(TOKEN), Some("run-token"));
        assert_eq!(plan.files[0].path, "/home/agent/.codex/config.toml");
        assert!(!plan.files[0].content.contains("run-token"), "the token stands in the environment alone");
        assert_eq!(plan.session_files, [".codex/sessions/**/rollout-*.jsonl"]);
    }

    #[track_caller]
    fn check_refused(run: &Run, expected: &str) {
        match plan(&settings("{}"), run) {
            Err(Error::Invalid(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_to_do() {
        check_refused(&Run { endpoints: vec![], ..run() }, "name one of [accounts] in its `account`");
        let mut other = run();
        other.endpoints[0].api = "openai-chat".into();
        check_refused(&other, "speaks openai-chat, and Codex nothing but openai-responses");
        check_refused(&Run { model: Some("--oss".into()), ..run() }, "may not begin with a dash");
        for session in ["", "last", "--last", "01a1f773_fdd0_71c2_a1cb_76615d4acf12"] {
            check_refused(&Run { resume: Some(session.into()), ..run() }, "its id is no UUID");
        }
    }
}
