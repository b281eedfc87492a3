//! What a comment means: work, an order, or nothing.

use crate::Settings;
use crate::command::{Command, find};
use agentd_sdk::host::forge::Issue;
use agentd_sdk::task_source::{Comment, Draft, Person, Remark, Target, Thread};
use agentd_sdk::{Timestamp, task_source};

/// What agentd puts into all that it writes.
const MARKER: &str = "<!-- agentd:v1 ";
/// Labels that agentd sets itself begin like this.
const OWN_LABELS: &str = "agentd:";

/// What somebody said to agentd: by a comment, or by opening an issue.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) by: Person,
    pub(crate) at: Timestamp,
    /// None: it stands in the issue itself.
    pub(crate) comment: Option<String>,
    pub(crate) instruction: String,
}

/// The command in a new comment of a person's.
pub(crate) fn command(settings: &Settings, comment: &Comment) -> Option<Command> {
    let edited = comment.updated_at != comment.created_at;
    if edited || is_program(&comment.author) || comment.body.contains(MARKER) {
        return None;
    }
    find(&comment.body, &settings.word)
}

/// The command in an issue, as its author opened it.
pub(crate) fn asked_by_opening(settings: &Settings, issue: &Issue) -> Option<Asked> {
    if issue.editor.is_some() || is_program(&issue.author) || issue.body.contains(MARKER) {
        return None;
    }
    match find(&issue.body, &settings.word)? {
        Command::Work(instruction) => {
            Some(Asked { by: issue.author.clone(), at: issue.created_at, comment: None, instruction })
        }
        // There is no task yet that an order could be about.
        Command::Order { .. } => None,
    }
}

fn is_program(author: &Person) -> bool {
    author.bot || author.login.ends_with("[bot]")
}

pub(crate) fn key(repository: &str, number: u32) -> String {
    format!("{repository}#{number}")
}

/// The work that was asked for on an issue.
pub(crate) fn draft(issue: &Issue, asked: &Asked) -> Draft {
    let mut labels: Vec<String> = issue.labels.iter().map(|it| it.name.clone()).collect();
    labels.retain(|it| !it.starts_with(OWN_LABELS));
    labels.sort();
    labels.dedup();
    Draft {
        key: key(&issue.repository, issue.number),
        title: issue.title.clone(),
        body: issue.body.clone(),
        url: Some(issue.url.clone()),
        subject: Some(issue.url.clone()),
        repository: Some(issue.repository.clone()),
        thread: Some(Thread::new(&issue.repository, issue.number)),
        author: Some(issue.author.clone()),
        editor: issue.editor.clone(),
        requester: Some(asked.by.clone()),
        requested_at: Some(asked.at),
        labels,
        instructions: Some(asked.instruction.clone()).filter(|it| !it.is_empty()),
        created_at: Some(issue.created_at),
        ..Draft::default()
    }
}

/// An order about the task that a comment's thread came from or led to. `None`: it is work, on an issue.
pub(crate) fn remark(comment: &Comment, command: &Command, on_pull_request: bool) -> Option<Remark> {
    let (name, argument) = match command {
        Command::Order { name, argument } => ((*name).to_owned(), argument.clone()),
        // A pull request is work that has begun.
        Command::Work(instruction) if on_pull_request => ("continue".to_owned(), instruction.clone()),
        Command::Work(_) => return None,
    };
    let target = Target::Thread(comment.thread.clone()?);
    let command = Some(task_source::Command { name, argument, extra: vec![] });
    Some(Remark { target, comment: comment.clone(), command, extra: vec![] })
}
