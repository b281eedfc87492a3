//! Answers where it was asked: a reaction on the comment, and one comment that says how it goes.
//!
//! The reaction says that agentd has begun (`eyes`), is done (`rocket`) or failed (`confused`). The comment is one that
//! is rewritten; the answer to an order is one of its own, below what was said.
//!
//! - Never lets words of others pass for agentd's: what was said is quoted.

use crate::Settings;
use crate::intake::{Mark, place};
use crate::order;
use crate::world::World;
use agentd_sdk::Error;
use agentd_sdk::markdown::quoted;
use agentd_sdk::task_source::{Edit, Task, Thread, Update};

/// The comment's name.
const SLOT: &str = "code";
/// How much of what was said is quoted, in characters.
const QUOTE: usize = 8_000;

pub(crate) fn report(world: &impl World, settings: &Settings, update: &Update) -> Result<Vec<Edit>, Error> {
    let Some(thread) = &update.task.thread else { return Ok(vec![]) };
    if update.reply_to.is_some() {
        return Ok(answer(settings, thread, update).into_iter().collect());
    }
    let begins = update.task.state == "running" && update.former_state != "running";
    if begins {
        still_open(world, thread)?;
    }
    let key = order::key(&thread.repository, thread.number);
    let mark = Mark::read(world, &place(&key))?;
    let reaction = reaction(update).map(|word| {
        let edit = Edit::on(thread.clone()).reaction(word);
        match mark.and_then(|it| it.comment) {
            Some(comment) => edit.reply_to(comment),
            None => edit,
        }
    });
    let comment = text(update).filter(|_| settings.comment).map(|it| Edit::on(thread.clone()).comment(it).slot(SLOT));
    Ok(reaction.into_iter().chain(comment).collect())
}

/// To be asked before a run begins: work on a closed issue is none.
fn still_open(world: &impl World, thread: &Thread) -> Result<(), Error> {
    let Thread { repository, number, .. } = thread;
    let issue = world.issue(repository, *number)?;
    match issue.state.as_str() {
        "open" => Ok(()),
        state => Err(Error::Conflict(format!("{repository}#{number} is {state}"))),
    }
}

/// The answer to an order, below it. Without comments an order is answered by what happens.
fn answer(settings: &Settings, thread: &Thread, update: &Update) -> Option<Edit> {
    let (said, to) = (update.text.as_deref()?, update.reply_to.as_deref()?);
    let edit = Edit::on(thread.clone()).reply_to(to);
    match settings.comment {
        true => Some(edit.comment(format!("{}\n\n{}", quoted(said, QUOTE), facts(&update.task)))),
        false => Some(edit.reaction("eyes")),
    }
}

fn reaction(update: &Update) -> Option<&'static str> {
    match update.task.state.as_str() {
        state if state == update.former_state => None,
        "running" => Some("eyes"),
        "done" => Some("rocket"),
        "failed" | "cancelled" => Some("confused"),
        _ => None,
    }
}

/// What the comment says of a state; none: nothing new that people need.
fn text(update: &Update) -> Option<String> {
    let task = &update.task;
    let headline = match task.state.as_str() {
        "running" if update.former_state != "running" => "agentd works on this.",
        "waiting" => "agentd waits for a person.",
        "in-review" => "The pull request is ready for review.",
        "failed" => "This failed, and needs a person. To try again, comment `/code` with what should be different.",
        "cancelled" => "Cancelled: agentd works on this no longer.",
        "done" => match extra(task, "outcome") {
            "change" => "Done: the pull request was merged.",
            "nothing-to-do" => "Done: there was nothing to do.",
            _ => "Done, without a change.",
        },
        _ => return None,
    };
    // agentd's own line for its log begins with the task, and says what the headline says.
    let own = format!("{} ", task.id);
    let said = update.text.as_ref().filter(|it| !it.trim().is_empty() && !it.starts_with(&own));
    let said = said.or(task.reason.as_ref()).filter(|_| task.state != "running");
    let said = said.filter(|it| !it.trim().is_empty()).map(|it| quoted(it, QUOTE));
    let parts = [Some(format!("**{headline}**")), said, Some(facts(task))];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"))
}

fn extra<'a>(task: &'a Task, key: &str) -> &'a str {
    task.extra.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
}

fn facts(task: &Task) -> String {
    let change = task.change.as_ref().and_then(|it| match (it.number, &it.url) {
        (Some(number), Some(url)) => Some(format!(" · pull request [#{number}]({url})")),
        _ => None,
    });
    format!("Task `{}`{}", task.id, change.unwrap_or_default())
}

#[cfg(test)]
mod tests;
