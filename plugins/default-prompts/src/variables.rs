//! What a template can name.
//!
//! | variable | |
//! |---|---|
//! | `title`, `body`, `last_answer` | quotes; false where there is nothing |
//! | `comments`, `feedback` | lists of quotes, oldest first |
//! | `failures` | a list; each has `kind`, `name`, `exit_code`, `repeated`, and `output`, a quote |
//! | `instructions` | what the person who asked says besides; none if nothing |
//! | `locations` | a list; each has `path`, `line`, `end_line`, and `at`: `src/a.rs:3-5` |
//! | `gates` | the commands that have to pass |
//! | `purpose`, `run`, `runs_left`, `resumed` | what the run is for, its number, and how many may follow |
//! | `repository`, `workspace`, `branch`, `base` | where the work is |
//! | `labels` | the task's |
//! | `task` | has `id`, `source`, `number` (of the issue; none if there is none), `priority` |
//!
//! A quote can be printed, and asked for with `if`; nothing else can be done to it.

use crate::quotes::{Quotes, trusted, trusted_line};
use agentd_sdk::prompt_template::{Comment, Failure, Location, Request};
use minijinja::{Value, context};

/// The names of all of them.
pub(crate) const NAMES: &[&str] = &[
    "base",
    "body",
    "branch",
    "comments",
    "failures",
    "feedback",
    "gates",
    "instructions",
    "labels",
    "last_answer",
    "locations",
    "purpose",
    "repository",
    "resumed",
    "run",
    "runs_left",
    "task",
    "title",
    "workspace",
];

/// The request as a template sees it, and the quotes that its marks stand for.
pub(crate) fn of(request: &Request) -> (Value, Quotes) {
    let mut quotes = Quotes::default();
    let task = &request.task;
    let title = quotes.add("title of the task", None, &task.title);
    let body = quotes.add("text of the task", None, &request.body);
    let last_answer = request.last_answer.as_deref().unwrap_or_default();
    let last_answer = quotes.add("what was said at the end of the last run", None, last_answer);
    let comments: Vec<Value> = request.comments.iter().map(|it| comment(&mut quotes, it)).collect();
    let feedback: Vec<Value> = request.feedback.iter().map(|it| comment(&mut quotes, it)).collect();
    let failures: Vec<Value> = request.failures.iter().map(|it| failure(&mut quotes, it)).collect();
    let values = context! {
        title, body, last_answer, comments, feedback, failures,
        instructions => request.instructions.as_deref().map(trusted),
        locations => request.locations.iter().map(location).collect::<Vec<_>>(),
        gates => request.gates.iter().map(|it| trusted_line(it)).collect::<Vec<_>>(),
        purpose => trusted_line(&request.purpose),
        run => request.run,
        runs_left => request.runs_left,
        resumed => request.resumed,
        repository => trusted_line(&task.repository),
        workspace => trusted_line(&request.workspace),
        branch => trusted_line(&request.branch),
        base => trusted_line(&request.base),
        labels => task.labels.iter().map(|it| trusted_line(it)).collect::<Vec<_>>(),
        task => context! {
            id => trusted_line(&task.id),
            source => trusted_line(&task.source),
            number => task.thread.as_ref().map(|thread| thread.number),
            priority => task.priority,
        },
    };
    (values, quotes)
}

fn comment(quotes: &mut Quotes, comment: &Comment) -> Value {
    let label = match &comment.location {
        Some(location) => format!("review comment on {}", place(location)),
        None => "comment".to_owned(),
    };
    quotes.add(&label, Some(comment.author.clone()), &comment.body)
}

fn failure(quotes: &mut Quotes, failure: &Failure) -> Value {
    // The operator names gates, agentd its own checks; who names the others is not known.
    let known = matches!(failure.kind.as_str(), "gate" | "verify" | "conflict");
    let name = match known {
        true => Value::from(trusted_line(&failure.name)),
        false => quotes.add(&format!("name of a failed {}", failure.kind), None, &failure.name),
    };
    let mut label = format!("output of {}", failure.name);
    if let Some(code) = failure.exit_code {
        label.push_str(&format!(" (exit code {code})"));
    }
    let output = if failure.output.trim().is_empty() { "(it said nothing)" } else { &failure.output };
    context! {
        kind => trusted_line(&failure.kind),
        name,
        exit_code => failure.exit_code,
        repeated => failure.repeated,
        output => quotes.add(&label, None, output),
    }
}

fn location(location: &Location) -> Value {
    context! {
        path => trusted_line(&location.path),
        line => location.line,
        end_line => location.end_line,
        at => trusted_line(&place(location)),
    }
}

fn place(location: &Location) -> String {
    let Location { path, line, end_line, .. } = location;
    match (*line, *end_line) {
        (0, _) => path.clone(),
        (line, end) if end <= line => format!("{path}:{line}"),
        (line, end) => format!("{path}:{line}-{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_names_is_what_a_template_finds() {
        let (values, _) = of(&Request::default());
        let mut names: Vec<String> = values.try_iter().expect("a map").map(|name| name.to_string()).collect();
        names.sort();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn places_read_as_people_write_them() {
        let check = |line, end_line, expected: &str| {
            let location = Location { path: "src/a.rs".into(), line, end_line, extra: vec![] };
            assert_eq!(place(&location), expected);
        };
        check(0, 0, "src/a.rs");
        check(3, 3, "src/a.rs:3");
        check(3, 5, "src/a.rs:3-5");
    }
}
