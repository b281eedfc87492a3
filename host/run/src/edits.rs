//! What plugins want written on issues and pull requests, as rows of the outbox, and the writing of it.
//!
//! A plugin returns edits and writes nothing itself. What it may not write is dropped and told. All edits of one thread
//! are in one lane, in the order in which they were wanted; a comment that a later row rewrites anyway is not written
//! before.

use crate::{contract, service::Runtime};
use agentd_forge::{Edit, Reaction, Said};
use agentd_plugin::{Entry, wit::work};
use agentd_store::{Effect, EffectFilter, Error, NewEffect};
use agentd_task::{TaskId, Thread};
use serde::{Deserialize, Serialize};

pub(crate) const KIND: &str = "edit";

/// What a row of the outbox says is to be so on a thread.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ThreadEdit {
    pub(crate) repository: String,
    pub(crate) edit: Edit,
}

/// The lane of all that is written on a thread.
pub(crate) fn lane(thread: &Thread) -> String {
    format!("thread:{thread}")
}

/// Rows for what a plugin wants written; `cause` is the id of the update or message that it answered.
pub(crate) fn rows(entry: &Entry, edits: Vec<work::Edit>, task: Option<TaskId>, cause: &str) -> Vec<NewEffect> {
    let (edits, dropped) = entry.screen_edits(edits);
    for what in dropped {
        tracing::warn!(
            plugin.name = entry.plugin(),
            entry = entry.name(),
            what,
            "A plugin wants to write what it may not"
        );
    }
    let rows = edits.into_iter().enumerate().map(|(number, edit)| {
        let thread = Thread { repository: edit.thread.repository.clone(), number: edit.thread.number };
        let payload = ThreadEdit { repository: thread.repository.clone(), edit: edit_of(entry, edit, cause, number) };
        NewEffect {
            task,
            lane: lane(&thread),
            key: format!("{KIND}:{}:{cause}:{number}", entry.name()),
            kind: KIND.into(),
            payload: serde_json::to_string(&payload).expect("plain data becomes JSON"),
        }
    });
    rows.collect()
}

/// A comment without a slot has one of its own: so it is found again, and written once.
fn edit_of(entry: &Entry, edit: work::Edit, cause: &str, number: usize) -> Edit {
    let (add_assignees, remove_assignees) = agentd_plugin::assignees(&edit);
    let once = || format!("once/{}", contract::short_hash(&format!("{cause}/{number}")));
    let said = edit.comment.map(|body| {
        let slot = edit.slot.map_or_else(once, |it| format!("{}/{}", contract::short_hash(entry.name()), slug(&it)));
        Said { slot, body }
    });
    Edit {
        number: edit.thread.number,
        comment: said,
        add_labels: edit.add_labels,
        remove_labels: edit.remove_labels,
        add_assignees,
        remove_assignees,
        reaction: edit.reaction.map(|content| Reaction { comment: edit.reply_to, content }),
    }
}

fn slug(text: &str) -> String {
    text.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).take(60).collect()
}

/// Whether a later row of the same lane rewrites the same comment.
pub(crate) async fn is_superseded(rt: &Runtime, row: &Effect, said: &Said) -> Result<bool, Error> {
    let open = rt.store.reader().effects(EffectFilter { task: row.task, open_only: true, limit: 1_000 }).await?;
    Ok(open.iter().filter(|it| it.lane == row.lane && it.id > row.id && it.kind == KIND).any(|it| {
        let later = serde_json::from_str::<ThreadEdit>(&it.payload).ok().and_then(|it| it.edit.comment);
        later.is_some_and(|it| it.slot == said.slot)
    }))
}
