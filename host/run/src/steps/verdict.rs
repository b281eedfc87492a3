//! How an agent's run is judged: what the host saw comes first, then what its adapter says.

use super::{Run, Stop, execute::Executed, sandbox};
use crate::contract;
use agentd_gateway::{Fault, FaultKind};
use agentd_plugin::wit::activity::{Conclusion, Outcome};
use agentd_task::{Failure, Reason};

/// Why the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Exited,
    /// Its adapter said that its work was done, and its input ended.
    Finished,
    Timeout,
    Idle,
    Memory,
    Output,
    /// It wrote more than it may.
    Written,
    /// Hardly any room was left on the host's disk.
    Disk,
    /// The sandbox is gone and left no outcome.
    Lost,
}

impl Cause {
    /// The contract's word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Cause::Exited => "exited",
            Cause::Finished => "finished",
            Cause::Timeout => "timeout",
            Cause::Idle => "idle",
            Cause::Memory => "memory",
            Cause::Output | Cause::Written | Cause::Disk => "disk",
            Cause::Lost => "interrupted",
        }
    }

    /// The failure that it is, whatever the adapter says.
    fn failure(self, run: &Run) -> Option<Failure> {
        let limits = &run.rt.sandboxes.limits;
        let timeouts = &run.rt.timeouts;
        let (reason, text) = match self {
            Cause::Exited | Cause::Finished => return None,
            Cause::Timeout => (
                Reason::Timeout,
                format!(
                    "the agent ran longer than {:?}; raise `timeouts.wall`, or make the task smaller",
                    timeouts.wall
                ),
            ),
            Cause::Idle => (
                Reason::Idle,
                format!(
                    "the agent said nothing for {:?}; see `agentd task logs`, or raise `timeouts.idle`",
                    timeouts.idle
                ),
            ),
            Cause::Memory => (
                Reason::OutOfMemory,
                format!("the sandbox used more than {} MiB; raise `sandbox.memory`", limits.memory >> 20),
            ),
            Cause::Output => (
                Reason::OutputLimit,
                format!("the agent wrote more than {} MiB of output; raise `sandbox.output`", limits.spool >> 20),
            ),
            Cause::Written => (
                Reason::DiskLimit,
                format!(
                    "the agent wrote more than {} MiB to the disk; raise `sandbox.disk`",
                    run.rt.sandboxes.disk >> 20
                ),
            ),
            Cause::Disk => (
                Reason::DiskFull,
                "the disk was nearly full, so the run was ended before it was: make room, or find out what the agent wrote"
                    .into(),
            ),
            Cause::Lost => (
                Reason::Lost,
                "the sandbox is gone and left no outcome: somebody removed it, or the engine was restarted".into(),
            ),
        };
        Some(Failure::new(reason, text))
    }
}

/// What went wrong on the way to the model, as the gateway saw it: it knows better than what a CLI makes of it. None: the
/// request itself was refused, and what that means the adapter knows.
fn of_fault(fault: &Fault) -> Option<Stop> {
    let text = &fault.text;
    let failed = |reason, text: String| Stop::Failed(Failure::new(reason, text));
    Some(match fault.kind {
        FaultKind::Refused => return None,
        FaultKind::Unauthorized => {
            let text =
                format!("the provider refused the account's key: {text}; put it right, then `agentd task retry`");
            failed(Reason::Unauthorized, text)
        }
        FaultKind::RateLimited => {
            let text = format!("the provider's limit is reached: {text}");
            Stop::Limited(Failure::new(Reason::RateLimited, text), fault.until)
        }
        FaultKind::DayBudget => Stop::Limited(Failure::new(Reason::DayBudget, text.clone()), fault.until),
        FaultKind::RunBudget | FaultKind::TaskBudget => failed(Reason::Budget, text.clone()),
        FaultKind::Overloaded => failed(Reason::Overloaded, format!("the provider is overloaded: {text}")),
        FaultKind::Error => failed(Reason::ModelError, format!("the provider answered with an error: {text}")),
        FaultKind::Silent => failed(Reason::ModelSilent, format!("{text}; see `timeouts.model`")),
        FaultKind::Stalled => failed(Reason::ModelStalled, format!("{text}; see `timeouts.model_idle`")),
        FaultKind::Cut => failed(Reason::ModelCut, text.clone()),
        FaultKind::Unreachable => failed(Reason::Unreachable, format!("the model cannot be reached: {text}")),
    })
}

/// What the host saw of the agent's end.
pub(super) struct Seen {
    pub(super) cause: Cause,
    pub(super) code: Option<i32>,
    /// What was wrong last on the way to the model.
    pub(super) fault: Option<Fault>,
}

/// What the agent's end means for the run; `resumed`: it was to go on with a conversation.
pub(super) fn judge(
    run: &Run,
    seen: &Seen,
    conclusion: Conclusion,
    litter: Vec<String>,
    resumed: bool,
) -> Result<Executed, Stop> {
    let Seen { cause, code, fault } = seen;
    let (cause, code) = (*cause, *code);
    let Conclusion { outcome, answer, session, .. } = conclusion;
    let completed = matches!(outcome, Outcome::Completed);
    // An agent that waits for a model that says nothing is silent, or takes too long, through no fault of its own.
    let waited = matches!(cause, Cause::Exited | Cause::Finished | Cause::Idle | Cause::Timeout);
    if waited
        && !completed
        && let Some(stop) = fault.as_ref().and_then(of_fault)
    {
        return Err(stop);
    }
    if let Some(failure) = cause.failure(run) {
        return Err(Stop::Failed(failure));
    }
    let said = contract::tail(&answer, 1_000).trim().to_owned();
    let ended = sandbox::ended_with(code);
    let failed = |reason, text: String| Err(Stop::failed(reason, text));
    match outcome {
        Outcome::Completed => Ok(Executed { answer, session, exit_code: code, litter }),
        // What the adapter says about silence is no answer of the agent's.
        Outcome::Empty => Ok(Executed { answer: String::new(), session, exit_code: code, litter }),
        Outcome::Unreachable => failed(Reason::Unreachable, format!("the agent could not reach its model: {said}")),
        Outcome::SessionLost if resumed => {
            failed(Reason::SessionLost, format!("the agent's conversation is not there any more: {said}"))
        }
        Outcome::SessionLost | Outcome::SessionBroken => {
            failed(Reason::SessionBroken, format!("the agent could not go on with its conversation: {said}"))
        }
        Outcome::Unauthorized => failed(Reason::Unauthorized, format!("the agent's credential was refused: {said}")),
        Outcome::Misconfigured => Err(Stop::Stuck(format!("the agent refused its configuration ({ended}): {said}"))),
        Outcome::Failed if matches!(code, Some(127 | 126)) => {
            let place = sandbox::place(run);
            let text =
                format!("the agent's program could not be started {place} ({ended}): {said}; see the agent's settings");
            failed(Reason::Misconfigured, text)
        }
        Outcome::Failed => failed(Reason::ExitCode, format!("the agent ended with {ended}: {said}")),
        Outcome::Other(word) if word == "max-tokens" => {
            failed(Reason::TokenLimit, format!("the model's answers were longer than it may write: {said}"))
        }
        Outcome::Other(word) => failed(Reason::Agent, format!("the agent ended with {ended} ({word}): {said}")),
        Outcome::RateLimited(until) => {
            let until = until.and_then(|it| i64::try_from(it).ok());
            Err(Stop::Limited(Failure::new(Reason::RateLimited, format!("a usage limit is reached: {said}")), until))
        }
        Outcome::TurnLimit => failed(Reason::TurnLimit, format!("the agent took as many turns as it may: {said}")),
        Outcome::Budget => {
            let text =
                format!("the agent spent what a run may cost: {said}; raise `budget.run`, then `agentd task retry`");
            failed(Reason::Budget, text)
        }
        Outcome::Refused => failed(Reason::Declined, format!("the model declined to do this: {said}")),
        Outcome::Interrupted => failed(Reason::Agent, format!("somebody stopped the agent ({ended}): {said}")),
    }
}
