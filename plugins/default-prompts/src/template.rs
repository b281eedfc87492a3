//! Renders templates, strictly, and says where one is wrong.

use crate::files::Files;
use crate::{quotes, variables};
use agentd_sdk::Error;
use agentd_sdk::prompt_template::{Prompt, Request};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use std::error::Error as _;

/// The prompt for a request, from the file that fits it best.
pub(crate) fn render(files: Files, request: &Request) -> Result<Prompt, Error> {
    let Some(name) = files.choose(&request.task.repository, &request.task.labels, &request.purpose) else {
        let purpose = quotes::trusted_line(&request.purpose);
        return Err(Error::Unsupported(format!("there is no prompt for `{purpose}`: make a file {purpose}.md")));
    };
    let environment = environment(files);
    let template = environment.get_template(&name).map_err(|error| Error::Invalid(explain(&error)))?;
    if let Some(unknown) = unknown_variables(&environment, &name).into_iter().next() {
        return Err(Error::Invalid(unknown));
    }
    let (values, quotes) = variables::of(request);
    let text = template.render(values).map_err(|error| Error::Invalid(explain(&error)))?;
    let damaged = |quotes::Damaged| {
        Error::Invalid(format!("{name}: it cuts or changes words of other people; print such variables as they are"))
    };
    let parts = quotes.parts(&text).map_err(damaged)?;
    if parts.is_empty() {
        return Err(Error::Invalid(format!("{name}: it says nothing for this task: write what the agent shall do")));
    }
    Ok(Prompt { system: None, parts, extra: vec![] })
}

/// What is wrong with any of the files, whatever the request.
pub(crate) fn problems(files: &Files) -> Vec<String> {
    let environment = environment(files.clone());
    let mut problems = vec![];
    for name in files.names() {
        match environment.get_template(name) {
            Ok(_) => problems.extend(unknown_variables(&environment, name)),
            Err(error) => problems.push(explain(&error)),
        }
    }
    problems
}

fn environment(files: Files) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("only the treatment of blanks is not the usual one"));
    environment.set_debug(true); // so that errors name the variable
    environment.set_loader(move |name| {
        files.text(name).map_err(|error| {
            let text = match error {
                Error::Invalid(text) | Error::NotFound(text) | Error::TooLarge(text) | Error::Unavailable(text) => text,
                other => format!("{name} cannot be read: {other:?}"),
            };
            minijinja::Error::new(ErrorKind::InvalidOperation, text)
        })
    });
    environment
}

/// Names in a template that no request has, also where the template would not come to them this time.
fn unknown_variables(environment: &Environment<'_>, name: &str) -> Vec<String> {
    let Ok(template) = environment.get_template(name) else { return vec![] };
    let functions: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
    let mut unknown: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    unknown.retain(|it| !variables::NAMES.contains(&it.as_str()) && !functions.contains(&it.as_str()));
    unknown.sort();
    let line = |variable: &str| 1 + template.source().lines().position(|line| names(line, variable)).unwrap_or(0);
    let told = |variable: &String| {
        let line = line(variable);
        format!("{name}:{line}: there is no variable `{variable}`; there are {}", variables::NAMES.join(", "))
    };
    unknown.iter().map(told).collect()
}

/// Whether a line has the word.
fn names(line: &str, word: &str) -> bool {
    line.split(|it: char| !it.is_alphanumeric() && it != '_').any(|it| it == word)
}

/// File, line and reason; of errors inside of each other the innermost, which is where the mistake is.
fn explain(error: &minijinja::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source().and_then(|inner| inner.downcast_ref::<minijinja::Error>()) {
        error = inner;
    }
    let place = match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("{name}:{line}: "),
        (Some(name), None) => format!("{name}: "),
        (None, _) => String::new(),
    };
    match error.detail() {
        Some(detail) if error.kind() == ErrorKind::UndefinedError => format!("{place}{detail}"),
        Some(detail) => format!("{place}{}: {detail}", error.kind()),
        None => format!("{place}{}", error.kind()),
    }
}

#[cfg(test)]
mod tests;
