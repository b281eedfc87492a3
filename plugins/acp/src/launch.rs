//! How the program is started, and what the sandbox needs for that.

use crate::{ENDPOINT, Settings, client};
use agentd_sdk::agent::{Endpoint, File, Plan, Requirements, Run, Tool};
use agentd_sdk::{Error, Problem};

/// The programs that the operator named, and how to see that the command is there.
pub(crate) fn requirements(settings: &Settings) -> Result<Requirements, Error> {
    let program = program(settings)?;
    let tool = |it: &crate::Program| Tool {
        name: it.name.clone(),
        release: it.release.clone(),
        arch: it.arch.clone(),
        file: Some(it.file.clone()),
        runtime: None,
        digest: it.digest.clone(),
        extra: vec![],
    };
    let mut abilities = vec!["interrupt".to_owned(), "mcp".into()];
    if !settings.session_files.is_empty() {
        abilities.push("resume".into());
    }
    Ok(Requirements {
        tools: settings.tools.iter().map(tool).collect(),
        check: ["sh", "-c", "command -v -- \"$1\"", "sh", program].map(Into::into).into(),
        abilities,
        extra: vec![],
    })
}

/// How to start it.
pub(crate) fn plan(settings: &Settings, run: &Run) -> Result<Plan, Error> {
    program(settings)?;
    let endpoint = run.endpoints.iter().find(|endpoint| endpoint.name == ENDPOINT);
    if endpoint.is_none() && !settings.apis().is_empty() {
        let text = "no model provider is configured for this agent: name one of [accounts] in its `account`, or say \
                    apis = [] in its settings if it needs none";
        return Err(Error::Invalid(text.into()));
    }
    let filled = |text: &str| filled(text, settings, run, endpoint);
    let home = run.home.trim_end_matches('/');
    let file = |(path, content): (&String, &String)| File {
        path: format!("{home}/{path}"),
        content: filled(content),
        executable: false,
        extra: vec![],
    };
    let mut env: Vec<(String, String)> =
        settings.env.iter().map(|(name, value)| (name.clone(), filled(value))).collect();
    if !settings.env.contains_key("NO_COLOR") {
        env.push(("NO_COLOR".into(), "1".into()));
    }
    Ok(Plan {
        argv: settings.command.iter().map(|it| filled(it)).collect(),
        env,
        files: settings.files.iter().map(file).collect(),
        stdin: client::greeting(),
        keep_stdin: true,
        session_files: settings.session_files.clone(),
        litter: vec![],
        extra: vec![],
    })
}

/// The model that is asked for, if any is.
pub(crate) fn model(settings: &Settings, run: &Run) -> Option<String> {
    run.model.clone().or_else(|| settings.model.clone())
}

/// What cannot work.
pub(crate) fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = vec![];
    if program(settings).is_err() {
        problems.push(Problem::new("/command/0", "names no program"));
    }
    for path in settings.files.keys() {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            problems.push(Problem::new("/files", format!("{path:?} is no plain path below the home")));
        }
    }
    for name in settings.env.keys().filter(|it| it.is_empty() || it.contains(['=', '\0'])) {
        problems.push(Problem::new("/env", format!("{name:?} is no name of a variable")));
    }
    problems
}

fn program(settings: &Settings) -> Result<&str, Error> {
    let program = settings.command.first().filter(|program| !program.trim().is_empty());
    program.map(String::as_str).ok_or_else(|| Error::Invalid("the setting `command` names no program".into()))
}

/// The text with what stands for something replaced, from left to right and once: what is put in is not looked at.
fn filled(text: &str, settings: &Settings, run: &Run, endpoint: Option<&Endpoint>) -> String {
    let model = model(settings, run).unwrap_or_default();
    let words = [
        ("{url}", endpoint.map_or("", |it| it.url.as_str())),
        ("{token}", endpoint.map_or("", |it| it.token.as_str())),
        ("{model}", &model),
        ("{home}", run.home.trim_end_matches('/')),
        ("{workspace}", &run.workspace),
    ];
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (word, value) = words.iter().find(|(word, _)| rest.starts_with(word)).copied().unwrap_or(("{", "{"));
        out.push_str(value);
        rest = &rest[word.len()..];
    }
    out + rest
}

#[cfg(test)]
pub(crate) mod tests;
