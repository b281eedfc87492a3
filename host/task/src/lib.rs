//! The words of agentd and its pure decisions: ids, states, events, failures, retries, limits.
//!
//! Everybody may use this room, and it uses nobody: no tokio, no IO, no SQL, no clock. Time comes in as [`Millis`].
//! [`Task::on`] is the only function in all of agentd that changes a task's status; the database repeats its rules as
//! `CHECK`s.

mod day;
mod draft;
mod event;
mod failure;
mod id;
mod limits;
mod status;
mod step;

pub use day::{DAY_MS, day_start};
pub use draft::{Draft, Mode, Thread};
pub use event::{Recorded, Severity};
pub use failure::{Class, Failure, RETRY_PAUSES_MS, Reason, retry_pause};
pub use id::{BadTaskId, Millis, RunNumber, TaskId};
pub use limits::Limits;
pub use status::{Event, On, Outcome, Purpose, Queued, Refused, Status, Task};
pub use step::Step;
