//! `agentd run --issue`: an issue on GitHub as the task.
//!
//! The person at the keyboard vouches for its text, so that nobody's right is asked for as a condition; that somebody
//! without the right to write had the last word in it is said.

use super::{TaskText, known_repository};
use crate::{
    cli::{
        exit::Error,
        github,
        print::{one_line, say},
    },
    config::{Config, repository_glob},
};
use agentd_forge::{Issue, Right, Tracker};
use agentd_task::{Draft, Thread};

/// What the task is about.
pub(super) struct About {
    pub(super) thread: Thread,
    pub(super) url: String,
}

/// Reads the issue as it stands now.
pub(super) async fn take(config: &mut Config, repo: &str, number: u32) -> Result<(TaskText, About), Error> {
    let id = known_repository(config, repo).filter(|id| config.repositories.get(id).is_some_and(|it| it.on_github()));
    let Some(id) = id else {
        let hint = match repository_glob(repo).is_ok() {
            true => format!("agentd auth github --repository {repo} adds it"),
            false => "--repo takes OWNER/NAME then, as in --repo acme/api".into(),
        };
        return Err(Error::usage(format!("{repo} is no repository on GitHub that agentd may work on")).hint(hint));
    };
    let forge = github::client(config)?.repository(&id, false)?;
    let Some(issue) = forge.issue(number).await? else {
        return Err(Error::work(format!("{id} has no issue #{number}"))
            .hint("it may be a pull request, or the access that agentd has may not see it: agentd doctor"));
    };
    refuse_closed(&issue)?;
    let last = last_word(&issue).map(|person| person.to_owned());
    let right = match &last {
        Some(login) => forge.right(login).await?,
        None => Right::None,
    };
    for warning in warnings(&issue, last.as_deref(), right) {
        say(&format!("warning: {warning}"));
    }
    Ok((task(&issue), About { thread: Thread { repository: id, number }, url: issue.url }))
}

/// No run begins on a closed issue, whoever asks for it.
fn refuse_closed(issue: &Issue) -> Result<(), Error> {
    let (repository, number) = (&issue.repository, issue.number);
    match issue.open {
        true => Ok(()),
        false => Err(Error::work(format!("the issue {repository}#{number} is closed"))
            .hint(format!("open it again on GitHub, or say what is to be done: agentd run --repo {repository} \"…\""))),
    }
}

/// Who changed title or body last; its author where nobody did. None: it cannot be told.
fn last_word(issue: &Issue) -> Option<&str> {
    match issue.edits.last() {
        Some(edit) => edit.by.as_ref().map(|it| it.login.as_str()),
        None => Some(&issue.author.login),
    }
}

/// What a person should know before the agent reads it.
fn warnings(issue: &Issue, last: Option<&str>, right: Right) -> Vec<String> {
    let mut warnings = Vec::new();
    if right < Right::Write {
        let who = last.map_or_else(|| "somebody whom GitHub does not name".into(), |it| one_line(it, 60));
        let what = if issue.edits.is_empty() { "is" } else { "was last changed" };
        warnings.push(format!(
            "the text of #{} {what} by {who}, who may not write to {}: read it before the agent does: {}",
            issue.number, issue.repository, issue.url
        ));
    }
    warnings
}

fn task(issue: &Issue) -> TaskText {
    let title = one_line(&issue.title, Draft::TITLE_CHARS_MAX);
    TaskText {
        title: if title.is_empty() { format!("Issue #{}", issue.number) } else { title },
        body: issue.body.clone(),
        labels: issue.labels.iter().map(|it| it.name.clone()).collect(),
        ..TaskText::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentd_forge::{Applied, Person, Text, TextEdit};

    fn person(login: &str) -> Person {
        Person { login: login.into(), name: None, bot: false }
    }

    fn issue(edits: &[Option<&str>]) -> Issue {
        let edit = |by: &Option<&str>| TextEdit { by: by.map(person), at: 1, what: Text::Body };
        Issue {
            repository: "acme/api".into(),
            number: 42,
            title: "Fix\u{202e} it".into(),
            body: "Please.".into(),
            url: "https://github.com/acme/api/issues/42".into(),
            open: true,
            state_reason: String::new(),
            closed_by: None,
            author: person("ann"),
            labels: vec![Applied { name: "bug".into(), by: None, at: None }],
            assignees: vec![],
            milestone: None,
            comments: 0,
            created_at: 0,
            changed_at: 0,
            edits: edits.iter().map(edit).collect(),
        }
    }

    #[track_caller]
    fn check(edits: &[Option<&str>], right: Right, expected: &[&str]) {
        let issue = issue(edits);
        assert_eq!(warnings(&issue, last_word(&issue), right), expected);
    }

    #[test]
    fn who_had_the_last_word_without_the_right_is_said() {
        let read = "read it before the agent does: https://github.com/acme/api/issues/42";
        check(&[], Right::Write, &[]);
        check(&[Some("eve"), Some("ann")], Right::Admin, &[]);
        let author = format!("the text of #42 is by ann, who may not write to acme/api: {read}");
        check(&[], Right::None, &[&author]);
        let editor = format!("the text of #42 was last changed by eve, who may not write to acme/api: {read}");
        check(&[Some("ann"), Some("eve")], Right::Triage, &[&editor]);
        let ghost = editor.replace("eve", "somebody whom GitHub does not name");
        check(&[None], Right::None, &[&ghost]);
    }

    #[test]
    fn a_closed_issue_is_no_task() {
        assert!(refuse_closed(&issue(&[])).is_ok());
        let error = refuse_closed(&Issue { open: false, ..issue(&[]) }).unwrap_err();
        assert!(
            error.to_string().starts_with("error: the issue acme/api#42 is closed\nhint: open it again"),
            "{error}"
        );
    }

    #[test]
    fn the_issue_is_the_task() {
        let task = task(&issue(&[]));
        assert_eq!(
            (task.title.as_str(), task.body.as_str(), task.labels),
            ("Fix it", "Please.", vec!["bug".to_owned()])
        );
        let untitled = Issue { title: "\u{200b}".into(), ..issue(&[]) };
        assert_eq!(super::task(&untitled).title, "Issue #42");
    }
}
