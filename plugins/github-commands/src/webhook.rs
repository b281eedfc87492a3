//! Reads what GitHub sends: comments, reviews and issues. The host has checked the signature.
//!
//! A delivery gives what a poll would give for the same comment, so that it does not matter which of the two comes first.
//!
//! - Never takes a repository of the delivery for one of the entry's unless it is.
//! - Never stumbles over what it does not know: that is a delivery that says nothing.

use crate::Settings;
use crate::command::Command;
use crate::intake;
use crate::order::{self, Asked};
use crate::world::World;
use agentd_sdk::host::forge::{AppliedLabel, Issue};
use agentd_sdk::task_source::{Comment, Delivery, Location, Person, Receipt, Thread};
use agentd_sdk::{Error, Timestamp, log};
use serde::Deserialize;

/// What is read of a delivery, whichever event it is.
#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    action: String,
    repository: Option<Repository>,
    comment: Option<Said>,
    review: Option<Said>,
    issue: Option<Opened>,
    pull_request: Option<Opened>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Said {
    id: u64,
    body: Option<String>,
    user: Option<User>,
    html_url: Option<String>,
    created_at: Option<jiff::Timestamp>,
    updated_at: Option<jiff::Timestamp>,
    submitted_at: Option<jiff::Timestamp>,
    path: Option<String>,
    line: Option<u32>,
    start_line: Option<u32>,
}

/// An issue, or a pull request.
#[derive(Deserialize)]
struct Opened {
    number: u32,
    title: String,
    body: Option<String>,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    state: String,
    user: Option<User>,
    #[serde(default)]
    labels: Vec<Label>,
    created_at: Option<jiff::Timestamp>,
    updated_at: Option<jiff::Timestamp>,
    /// There if it is a pull request.
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

/// What a delivery says to this entry.
pub(crate) fn receive(world: &impl World, settings: &Settings, delivery: &Delivery) -> Result<Receipt, Error> {
    let payload: Payload = match serde_json::from_str(&delivery.body) {
        Ok(payload) => payload,
        Err(error) if is_ours(&delivery.event) => {
            let text = format!("delivery {} ({}) cannot be read: {error}", delivery.id, delivery.event);
            return Err(Error::Invalid(text));
        }
        Err(_) => return Ok(Receipt::default()),
    };
    let Some(repository) = payload.repository.as_ref().and_then(|it| mine(world, &it.full_name)) else {
        log::debug(format!("delivery {} is about no repository of this source", delivery.id), &[]);
        return Ok(Receipt::default());
    };
    match (delivery.event.as_str(), payload.action.as_str()) {
        ("issue_comment", "created") => on_issue(world, settings, &repository, payload),
        ("pull_request_review_comment", "created") => {
            Ok(on_pull_request(settings, &repository, payload.pull_request, payload.comment, "line-"))
        }
        ("pull_request_review", "submitted") => {
            Ok(on_pull_request(settings, &repository, payload.pull_request, payload.review, "review-"))
        }
        ("issues", "opened") => opened(world, settings, &repository, payload.issue),
        // Who closed what, and what became of its task, the next poll finds out.
        ("issues", "closed" | "deleted" | "transferred") => Ok(Receipt { poll: true, ..Receipt::default() }),
        _ => Ok(Receipt::default()),
    }
}

fn is_ours(event: &str) -> bool {
    matches!(event, "issue_comment" | "pull_request_review_comment" | "pull_request_review" | "issues")
}

/// The entry's own word for a repository; names are the same in upper and lower case.
fn mine(world: &impl World, full_name: &str) -> Option<String> {
    world.repositories().into_iter().find(|it| it.eq_ignore_ascii_case(full_name))
}

/// A comment on an issue, or on a pull request as a whole.
fn on_issue(world: &impl World, settings: &Settings, repository: &str, payload: Payload) -> Result<Receipt, Error> {
    let (Some(issue), Some(said)) = (payload.issue, payload.comment) else { return Ok(Receipt::default()) };
    let Some(comment) = said.comment(repository, issue.number, "") else { return Ok(Receipt::default()) };
    let Some(command) = order::command(settings, &comment) else { return Ok(Receipt::default()) };
    if let Some(remark) = order::remark(&comment, &command, issue.pull_request.is_some()) {
        return Ok(Receipt { remarks: vec![remark], ..Receipt::default() });
    }
    let Command::Work(instruction) = command else { return Ok(Receipt::default()) };
    let (by, at) = (comment.author, comment.created_at);
    let asked = Asked { by, at, comment: Some(comment.id), instruction };
    let items = intake::work(world, &issue.issue(repository), &asked)?.into_iter().collect();
    Ok(Receipt { items, ..Receipt::default() })
}

fn on_pull_request(
    settings: &Settings,
    repository: &str,
    pull_request: Option<Opened>,
    said: Option<Said>,
    kind: &str,
) -> Receipt {
    let remark = pull_request.zip(said).and_then(|(pull_request, said)| {
        let comment = said.comment(repository, pull_request.number, kind)?;
        order::remark(&comment, &order::command(settings, &comment)?, true)
    });
    Receipt { remarks: remark.into_iter().collect(), ..Receipt::default() }
}

fn opened(world: &impl World, settings: &Settings, repository: &str, issue: Option<Opened>) -> Result<Receipt, Error> {
    let Some(issue) = issue.map(|it| it.issue(repository)) else { return Ok(Receipt::default()) };
    let item = match order::asked_by_opening(settings, &issue) {
        Some(asked) => intake::work(world, &issue, &asked)?,
        None => None,
    };
    Ok(Receipt { items: item.into_iter().collect(), ..Receipt::default() })
}

impl Said {
    /// As the forge lists it; none: it says nothing. `kind` tells the forge's sequences of ids apart.
    fn comment(self, repository: &str, number: u32, kind: &str) -> Option<Comment> {
        let created_at = millis(self.created_at.or(self.submitted_at));
        let location = self.path.map(|path| {
            let end_line = self.line.unwrap_or(0);
            let line = self.start_line.unwrap_or(end_line).min(end_line);
            Location { path, line, end_line, extra: vec![] }
        });
        Some(Comment {
            id: format!("{kind}{}", self.id),
            author: person(self.user),
            body: self.body.filter(|it| !it.trim().is_empty())?,
            url: self.html_url,
            thread: Some(Thread::new(repository, number)),
            location,
            created_at,
            updated_at: self.updated_at.map_or(created_at, |it| millis(Some(it))),
            extra: vec![],
        })
    }
}

impl Opened {
    fn issue(self, repository: &str) -> Issue {
        let label = |it: Label| AppliedLabel { name: it.name, ..AppliedLabel::default() };
        Issue {
            repository: repository.to_owned(),
            number: self.number,
            title: self.title,
            body: self.body.unwrap_or_default(),
            url: self.html_url,
            state: self.state,
            author: person(self.user),
            labels: self.labels.into_iter().map(label).collect(),
            created_at: millis(self.created_at),
            changed_at: millis(self.updated_at),
            ..Issue::default()
        }
    }
}

/// Accounts that are gone are nobody's.
fn person(user: Option<User>) -> Person {
    match user {
        Some(user) => Person { bot: user.kind == "Bot", login: user.login, ..Person::default() },
        None => Person { login: "ghost".into(), ..Person::default() },
    }
}

fn millis(at: Option<jiff::Timestamp>) -> Timestamp {
    at.and_then(|it| u64::try_from(it.as_millisecond()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
