//! How an agent's run is judged: what the host saw comes first, then what its adapter says.

use super::{Run, Stop, execute::Executed, sandbox};
use crate::contract;
use agentd_plugin::wit::activity::{Conclusion, Outcome};
use agentd_task::{Failure, Reason};

/// Why the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Exited,
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
            Cause::Exited => return None,
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

/// What the agent's end means for the run.
pub(super) fn judge(
    run: &Run,
    cause: Cause,
    code: Option<i32>,
    conclusion: Conclusion,
    litter: Vec<String>,
) -> Result<Executed, Stop> {
    if let Some(failure) = cause.failure(run) {
        return Err(Stop::Failed(failure));
    }
    let Conclusion { outcome, answer, session, .. } = conclusion;
    let said = contract::tail(&answer, 1_000).trim().to_owned();
    let ended = sandbox::ended_with(code);
    let failed = |reason, text: String| Err(Stop::failed(reason, text));
    match outcome {
        Outcome::Completed => Ok(Executed { answer, session, exit_code: code, litter }),
        // What the adapter says about silence is no answer of the agent's.
        Outcome::Empty => Ok(Executed { answer: String::new(), session, exit_code: code, litter }),
        Outcome::Unreachable => failed(Reason::Unreachable, format!("the agent could not reach its model: {said}")),
        Outcome::SessionLost | Outcome::SessionBroken => {
            failed(Reason::Agent, format!("the agent could not go on with its conversation: {said}"))
        }
        Outcome::Unauthorized => Err(Stop::Stuck(format!("the agent's credential was refused: {said}"))),
        Outcome::Misconfigured => Err(Stop::Stuck(format!("the agent refused its configuration ({ended}): {said}"))),
        Outcome::Failed if matches!(code, Some(127 | 126)) => {
            let place = sandbox::place(run);
            let text =
                format!("the agent's program could not be started {place} ({ended}): {said}; see the agent's settings");
            failed(Reason::Misconfigured, text)
        }
        Outcome::Failed => failed(Reason::ExitCode, format!("the agent ended with {ended}: {said}")),
        Outcome::Other(word) => failed(Reason::Agent, format!("the agent ended with {ended} ({word}): {said}")),
        Outcome::RateLimited(_) => failed(Reason::Unreachable, format!("the agent's usage limit is reached: {said}")),
        Outcome::TurnLimit | Outcome::Budget => failed(Reason::Agent, format!("the agent used up what it may: {said}")),
        Outcome::Refused => failed(Reason::Agent, format!("the model declined to do this: {said}")),
        Outcome::Interrupted => failed(Reason::Agent, format!("somebody stopped the agent ({ended}): {said}")),
    }
}
