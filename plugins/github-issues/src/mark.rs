//! What a report leaves behind for later ones, and for polls: one small record for each issue that was ever touched.
//!
//! Reports may be repeated, and one of an earlier run may come after a later run has begun. So a mark says which update
//! did what, and the same update always finds itself entitled to do it again.

use crate::world::World;
use agentd_sdk::{Error, Timestamp};
use serde::{Deserialize, Serialize};

/// How much later than agentd's own order the forge may have carried it out, by its own clock.
const LAG_MS: u64 = 60_000;

#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub(crate) struct Mark {
    /// The comment is there, or about to be.
    pub(crate) told: bool,
    /// When the newest run began, and with that the lock was taken; 0: never.
    pub(crate) started_at: Timestamp,
    /// The update that gave the lock back.
    ended_by: Option<String>,
    /// The label that says so was set, as the newest thing that happened.
    blocked: bool,
    /// When that label was last taken off; 0: never.
    lifted_at: Timestamp,
}

impl Mark {
    pub(crate) fn read(world: &impl World, key: &str) -> Result<Mark, Error> {
        let text = world.get(&place(key))?;
        // One that cannot be read would be of a version that is gone: then nothing is known of the issue.
        Ok(text.and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default())
    }

    pub(crate) fn write(&self, world: &impl World, key: &str) -> Result<(), Error> {
        let text = serde_json::to_string(self).map_err(|error| Error::Other(format!("a mark of {key}: {error}")))?;
        world.set(&place(key), &text)
    }

    pub(crate) fn start(&mut self, at: Timestamp) {
        (self.started_at, self.ended_by) = (at, None);
        if self.blocked {
            (self.blocked, self.lifted_at) = (false, at);
        }
    }

    /// Whether the lock on the issue is this entry's.
    pub(crate) fn holds(&self) -> bool {
        self.started_at > 0 && self.ended_by.is_none()
    }

    /// Notes the end of the work; says whether it was this entry's lock, and is this update's to give back.
    pub(crate) fn end(&mut self, update: &str) -> bool {
        if self.started_at == 0 || self.ended_by.as_deref().is_some_and(|it| it != update) {
            return false;
        }
        self.ended_by = Some(update.to_owned());
        true
    }

    pub(crate) fn block(&mut self) {
        self.blocked = true;
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether a label that says `blocked`, set at that moment, is this entry's own: on the issue because its task
    /// failed, or about to go because it was started again.
    pub(crate) fn set_the_label(&self, at: Option<Timestamp>) -> bool {
        let before_lifting = |at| self.lifted_at > 0 && at <= self.lifted_at.saturating_add(LAG_MS);
        self.blocked || at.map_or(self.lifted_at > 0, before_lifting)
    }
}

fn place(key: &str) -> String {
    format!("mark/{key}")
}
