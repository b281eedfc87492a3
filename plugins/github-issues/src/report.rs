//! Shows on the issue what becomes of its task: one comment that is rewritten, the labels, the assignment.
//!
//! What is written follows from the update and from the issue's [`Mark`], so that a repetition says the same again.
//!
//! | state | labels and assignee | comment |
//! |---|---|---|
//! | `queued` | | once it ran: what it waits for |
//! | `running`, after `queued` | in progress, not blocked; assigned | works on it |
//! | `waiting` | | for whom, and the command that answers |
//! | `in-review` | | the change |
//! | `failed` | blocked, not in progress; not assigned | why, and how to try again |
//! | `done` | not in progress, not blocked; not assigned | what came of it |
//! | `cancelled` | not in progress; not assigned | why, if anything was said before |
//!
//! - Never gives back a lock that this entry did not take: it would be another's.
//! - Never lets news of an earlier run overwrite those of a later one.

mod comment;

use crate::mark::Mark;
use crate::settings::Settings;
use crate::world::World;
use agentd_sdk::Error;
use agentd_sdk::task_source::{Edit, Task, Update};

/// The comment's name.
const SLOT: &str = "progress";
/// The account that agentd works as.
const ME: &str = "@me";

/// The edits for one update.
pub(crate) fn report(world: &impl World, settings: &Settings, update: &Update) -> Result<Vec<Edit>, Error> {
    let task = &update.task;
    let Some(thread) = task.thread.clone() else { return Ok(vec![]) };
    let before = Mark::read(world, &task.key)?;
    if update.at < before.started_at {
        return Ok(vec![]); // a later run has begun already
    }
    let mut mark = before.clone();
    let mut edit = labelled(settings, update, &mut mark, Edit::on(thread.clone()));
    let text = comment::text(settings, update).filter(|_| settings.comment && is_told(update, &mark));
    if let Some(text) = text {
        mark.told = true;
        edit = edit.comment(text).slot(SLOT);
    }
    if mark != before {
        mark.write(world, &task.key)?;
    }
    Ok(Some(edit).filter(|it| *it != Edit::on(thread)).into_iter().collect())
}

/// Labels and assignee.
fn labelled(settings: &Settings, update: &Update, mark: &mut Mark, edit: Edit) -> Edit {
    let Settings { in_progress, blocked, .. } = settings;
    match update.task.state.as_str() {
        "running" if update.former_state == "queued" => {
            mark.start(update.at);
            let edit = edit.add_label(in_progress).remove_label(blocked);
            if settings.assigns() { edit.assign(ME) } else { edit }
        }
        "failed" => {
            mark.block();
            released(settings, update, mark, edit).add_label(blocked)
        }
        "done" => {
            let edit = released(settings, update, mark, edit);
            if mark.is_blocked() { edit.remove_label(blocked) } else { edit }
        }
        "cancelled" => {
            let edit = released(settings, update, mark, edit);
            // A label that people set to stop it is theirs to take off.
            if update.former_state == "failed" { edit.remove_label(blocked) } else { edit }
        }
        _ => edit,
    }
}

/// Gives the lock back, if it is there.
fn released(settings: &Settings, update: &Update, mark: &mut Mark, edit: Edit) -> Edit {
    if !mark.end(&update.id) {
        return edit;
    }
    let edit = edit.remove_label(&settings.in_progress);
    if settings.assigns() { edit.unassign(ME) } else { edit }
}

/// Whether people are told at all: not of work that ends before anything was said of it, and not of what is only
/// proposed.
fn is_told(update: &Update, mark: &Mark) -> bool {
    let proposed = update.extra.iter().any(|(name, value)| name == "mode" && value == "propose");
    match update.task.state.as_str() {
        "cancelled" => mark.told,
        "queued" => has_run(&update.task),
        "waiting" => has_run(&update.task) || !proposed,
        _ => true,
    }
}

fn has_run(task: &Task) -> bool {
    task.run > 0
}

#[cfg(test)]
mod tests;
