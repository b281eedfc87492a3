//! The life of a task: its states, what can happen to it, and what becomes of it then.

use crate::{Failure, Millis, Mode, RunNumber, Step, TaskId, retry_pause};
use serde::{Deserialize, Serialize};

/// Why a task waits in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queued {
    /// It came in, or a person started it.
    New,
    /// A try failed.
    Retry,
    /// The daemon stopped while it ran.
    Interrupted,
    /// People said something about its change.
    Feedback,
    /// A limit on use is reached: it goes on when that is over.
    Limited,
}

/// What a task waits for, without a container and without a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// A person has to start it (modes `ask` and `propose`).
    Start,
    /// A person has to see the change before it is pushed.
    Approval,
    /// A person has to put something right: the prompt, the agent's settings, the repository's route.
    Operator,
    /// The agent says that there is nothing to do: a person has to say whether that is so.
    Confirmation,
}

impl On {
    pub const ALL: [On; 4] = [On::Start, On::Approval, On::Operator, On::Confirmation];

    /// The word that is stored, and given to plugins.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            On::Start => "start",
            On::Approval => "approval",
            On::Operator => "operator",
            On::Confirmation => "confirmation",
        }
    }
}

/// How a task ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its change was merged.
    Change,
    /// The agent answered and changed nothing.
    Answer,
    /// There was nothing to do, and a person said so too.
    NothingToDo,
}

impl Outcome {
    pub const ALL: [Outcome; 3] = [Outcome::Change, Outcome::Answer, Outcome::NothingToDo];

    /// The word that is stored, and given to plugins.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Change => "change",
            Outcome::Answer => "answer",
            Outcome::NothingToDo => "nothing-to-do",
        }
    }
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Execute,
    Feedback,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Status {
    /// The dispatcher claims it when it is due, nothing blocks it and the limits allow it.
    Queued {
        due: Millis,
        reason: Queued,
    },
    /// Its newest run is at `step`. Only that run moves it on; `cancel` asks it to end.
    Running {
        step: Step,
        cancel: bool,
    },
    /// Verified; the outbox pushes it and opens the change.
    Publishing,
    /// The forge, or a person, says what becomes of its change.
    InReview,
    Waiting {
        on: On,
    },
    Done {
        outcome: Outcome,
    },
    Failed {
        failure: Failure,
    },
    Cancelled,
}

/// A task, as far as its status is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub id: TaskId,
    /// Its newest run; 0: none yet.
    pub run: RunNumber,
    /// Tries that failed since a person last asked for it.
    pub failures: u32,
    pub purpose: Purpose,
    pub status: Status,
}

/// What can happen to a task. A run's own events carry its number: a stale run is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A person starts a task that waits for it.
    Started { now: Millis },
    /// The dispatcher takes it.
    Claimed,
    /// Its run goes on to `step`.
    Stepped { run: RunNumber, step: Step },
    /// Its run made a change that passed all checks; `ask`: a person has to see it before it is pushed.
    Verified { run: RunNumber, ask: bool },
    /// Its run ended well without a change; `in_review`: it has one from an earlier run, which stays what it is.
    Answered { run: RunNumber, in_review: bool },
    /// Its run found nothing to do; `in_review`: as with an answer.
    NothingToDo { run: RunNumber, in_review: bool },
    /// Its run cannot go on before `until`; costs no try.
    Parked { run: RunNumber, until: Millis },
    /// Its run failed.
    Failed { run: RunNumber, failure: Failure, now: Millis },
    /// Its run cannot go on before an operator mends something; costs no try.
    Stuck { run: RunNumber },
    /// The daemon stopped, or the run's container is gone through no fault of its own.
    Interrupted { run: RunNumber, now: Millis },
    /// Its run ended because it was asked to.
    Ended { run: RunNumber },
    /// Its run found, before it began, that this is no work for it: closed, taken by somebody else, or asked for by
    /// nobody who may.
    Withdrawn { run: RunNumber },
    /// A person approves what waits to be pushed.
    Approved,
    /// The outbox has done all effects of publishing.
    Published,
    /// Publishing failed for good.
    PublishFailed { failure: Failure },
    /// People were asked to look at the change.
    ReviewRequested,
    /// The change was merged.
    Merged,
    /// The change was closed without a merge, or a person rejected it for good.
    Closed,
    /// People said something: another run shall take it up.
    Remarked { now: Millis },
    /// A person wants it to end.
    Cancelled,
    /// A person wants another try of a task that is over or stuck.
    Retried { now: Millis },
    /// The source found it again after its end, newly asked for.
    Reopened { now: Millis, mode: Mode },
}

/// The event does not apply to the task (any more).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} is {} (run {run}): {what}", .state)]
pub struct Refused {
    pub id: TaskId,
    pub run: RunNumber,
    pub state: &'static str,
    pub what: &'static str,
}

impl Status {
    /// Where a task begins.
    #[must_use]
    pub fn at_intake(mode: Mode, now: Millis) -> Status {
        match mode {
            Mode::Auto => Status::Queued { due: now, reason: Queued::New },
            Mode::Ask | Mode::Propose => Status::Waiting { on: On::Start },
        }
    }

    /// The word for people and plugins.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Status::Queued { .. } => "queued",
            Status::Running { .. } => "running",
            Status::Publishing => "publishing",
            Status::InReview => "in-review",
            Status::Waiting { .. } => "waiting",
            Status::Done { .. } => "done",
            Status::Failed { .. } => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// Nothing more happens to it unless somebody asks for it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Status::Done { .. } | Status::Failed { .. } | Status::Cancelled)
    }
}

impl Task {
    /// The only place where a task's status changes.
    ///
    /// # Errors
    /// [`Refused`] if the event does not apply: the caller writes nothing further about it.
    pub fn on(&self, event: &Event) -> Result<Task, Refused> {
        use self::{Event as E, Status as S};
        let mine = |run: RunNumber| run == self.run;
        let mut next = self.clone();
        next.status = match (&self.status, event) {
            (S::Waiting { on: On::Start }, E::Started { now }) => S::Queued { due: *now, reason: Queued::New },
            (S::Queued { .. }, E::Claimed) => {
                next.run += 1;
                S::Running { step: Step::Prepare, cancel: false }
            }
            (S::Running { step: at, cancel }, E::Stepped { run, step }) if mine(*run) && at <= step => {
                S::Running { step: *step, cancel: *cancel }
            }
            (S::Running { cancel: false, .. }, E::Verified { run, ask }) if mine(*run) => match ask {
                true => S::Waiting { on: On::Approval },
                false => S::Publishing,
            },
            (S::Running { .. }, E::Answered { run, in_review: false }) if mine(*run) => {
                S::Done { outcome: Outcome::Answer }
            }
            (S::Running { cancel: false, .. }, E::Answered { run, .. }) if mine(*run) => S::InReview,
            (S::Running { cancel: false, .. }, E::NothingToDo { run, in_review }) if mine(*run) => match in_review {
                true => S::InReview,
                false => S::Waiting { on: On::Confirmation },
            },
            (
                S::Running { cancel: true, .. },
                E::Parked { run, .. } | E::Interrupted { run, .. } | E::Ended { run },
            ) if mine(*run) => S::Cancelled,
            (S::Running { .. }, E::Parked { run, until }) if mine(*run) => {
                S::Queued { due: *until, reason: Queued::Limited }
            }
            (S::Running { cancel: false, .. }, E::Stuck { run }) if mine(*run) => S::Waiting { on: On::Operator },
            (S::Running { cancel, .. }, E::Failed { run, failure, now }) if mine(*run) => {
                next.failures += 1;
                match retry_pause(failure.reason, self.failures) {
                    _ if *cancel => S::Cancelled,
                    Some(pause) => S::Queued { due: now + pause, reason: Queued::Retry },
                    None => S::Failed { failure: failure.clone() },
                }
            }
            (S::Running { .. }, E::Interrupted { run, now }) if mine(*run) => {
                S::Queued { due: *now, reason: Queued::Interrupted }
            }
            (S::Running { .. }, E::Withdrawn { run }) if mine(*run) => S::Cancelled,
            (S::Running { step, .. }, E::Cancelled) => S::Running { step: *step, cancel: true },
            (S::Waiting { on: On::Approval }, E::Approved) => S::Publishing,
            (S::Waiting { on: On::Confirmation }, E::Approved) => S::Done { outcome: Outcome::NothingToDo },
            (S::InReview | S::Waiting { on: On::Approval | On::Confirmation }, E::Remarked { now }) => {
                next.purpose = Purpose::Feedback;
                next.failures = 0;
                S::Queued { due: *now, reason: Queued::Feedback }
            }
            (S::Queued { .. } | S::Waiting { .. } | S::InReview, E::Cancelled) => S::Cancelled,
            (S::Failed { .. } | S::Cancelled | S::Waiting { on: On::Operator }, E::Retried { now }) => {
                next.failures = 0;
                S::Queued { due: *now, reason: Queued::New }
            }
            (S::Done { .. } | S::Failed { .. } | S::Cancelled, E::Reopened { now, mode }) => {
                next.failures = 0;
                next.purpose = Purpose::Execute;
                S::at_intake(*mode, *now)
            }
            (_, event) => self.on_change(event).ok_or_else(|| self.refuse(event))?,
        };
        Ok(next)
    }

    /// What becomes of it by what happens to its change.
    fn on_change(&self, event: &Event) -> Option<Status> {
        use self::{Event as E, Status as S};
        match (&self.status, event) {
            (S::Publishing, E::Published) => Some(S::InReview),
            (S::Publishing, E::PublishFailed { failure }) => Some(S::Failed { failure: failure.clone() }),
            // A run that takes up remarks may fail while the change of the run before is still open.
            (S::InReview | S::Failed { .. }, E::ReviewRequested) => Some(S::InReview),
            (S::InReview | S::Failed { .. }, E::Merged) => Some(S::Done { outcome: Outcome::Change }),
            (S::InReview | S::Failed { .. } | S::Waiting { on: On::Approval | On::Confirmation }, E::Closed) => {
                Some(S::Cancelled)
            }
            _ => None,
        }
    }

    fn refuse(&self, event: &Event) -> Refused {
        Refused { id: self.id, run: self.run, state: self.status.as_str(), what: event.refusal() }
    }
}

impl Event {
    /// Why it could not be: for the person who asked for it.
    fn refusal(&self) -> &'static str {
        match self {
            Event::Started { .. } => "only a task that waits for its start can be started",
            Event::Claimed => "only a queued task can be claimed",
            Event::Stepped { .. }
            | Event::Verified { .. }
            | Event::Answered { .. }
            | Event::NothingToDo { .. }
            | Event::Parked { .. }
            | Event::Failed { .. }
            | Event::Stuck { .. }
            | Event::Interrupted { .. }
            | Event::Ended { .. }
            | Event::Withdrawn { .. } => "that run is over, or was told to end",
            Event::Approved => "only what waits for approval can be approved",
            Event::Published | Event::PublishFailed { .. } => "nothing of it is being published",
            Event::ReviewRequested => "it has no change that could be reviewed",
            Event::Merged => "only a change in review can be merged",
            Event::Closed => "only a change that waits or is in review can be rejected",
            Event::Remarked { .. } => "only a change that waits or is in review takes remarks",
            Event::Cancelled => "it is over or being published, and cannot be cancelled",
            Event::Retried { .. } => "only a failed, cancelled or stuck task can be retried",
            Event::Reopened { .. } => "it is still open",
        }
    }
}

#[cfg(test)]
mod tests;
