//! Why a run failed, and whether it is worth another try.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How often, and after which pauses, a transient failure is tried again.
pub const RETRY_PAUSES_MS: [i64; 3] = [5_000, 10_000, 20_000];

/// What kind of failure it is, as far as the next step is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing is wrong with the task: the engine, the disk or a neighbour was. Tried again after a pause.
    Transient,
    /// Trying the same again would end the same way.
    Permanent,
    /// A person has to put something right first: the task waits for that, and no try is charged.
    Operator,
    /// A limit on use is reached: it goes on when that is over, and no try is charged.
    Limited,
    /// The conversation to go on with is not there: tried again at once with a new one, and no try is charged.
    Fresh,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal, $class:ident;)+) => {
        /// Why a run failed. The word is stored and shown, the text of a [`Failure`] says what exactly.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason { $($(#[doc = $doc])* #[serde(rename = $word)] $name,)+ }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$name),+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $word,)+ }
            }

            #[must_use]
            pub fn class(self) -> Class {
                match self { $(Reason::$name => Class::$class,)+ }
            }
        }
    };
}

reasons! {
    /// The agent ran longer than it may.
    Timeout = "timeout", Permanent;
    /// The agent said nothing for too long.
    Idle = "idle", Permanent;
    /// The kernel ended it because it used more memory than it may.
    OutOfMemory = "out-of-memory", Permanent;
    /// It wrote more output than is kept.
    OutputLimit = "output-limit", Permanent;
    /// It wrote more to the disk than it may.
    DiskLimit = "disk-limit", Permanent;
    /// It ended with an exit code other than 0, or by a signal.
    ExitCode = "exit-code", Permanent;
    /// It ended well, said nothing and changed nothing.
    EmptyOutput = "empty-output", Permanent;
    /// The agent's adapter judged it a failure.
    Agent = "agent", Permanent;
    /// The model cannot be reached.
    Unreachable = "unreachable", Transient;
    /// The provider is overloaded and said so.
    Overloaded = "model-overloaded", Transient;
    /// The provider answered with an error of its own.
    ModelError = "model-error", Transient;
    /// No answer of the model began in time.
    ModelSilent = "model-silent", Transient;
    /// An answer of the model stopped in the middle and did not go on.
    ModelStalled = "model-stalled", Transient;
    /// An answer of the model was cut off.
    ModelCut = "model-cut", Transient;
    /// The provider refused the key.
    Unauthorized = "unauthorized", Operator;
    /// A usage limit of the provider's is reached.
    RateLimited = "rate-limited", Limited;
    /// What a run or a task may cost is spent.
    Budget = "budget", Operator;
    /// What all tasks together may cost in a day is spent.
    DayBudget = "day-budget", Limited;
    /// The model declined to do this.
    Declined = "model-declined", Permanent;
    /// The model's answers were longer than it may write.
    TokenLimit = "token-limit", Permanent;
    /// It took as many turns as it may.
    TurnLimit = "turn-limit", Permanent;
    /// The conversation that it should go on with is not there.
    SessionLost = "session-lost", Fresh;
    /// The conversation that it should go on with cannot go on.
    SessionBroken = "session-broken", Transient;
    /// The container could not be made or started.
    StartFailed = "start-failed", Transient;
    /// The image, the program or the configuration of the sandbox does not work.
    Misconfigured = "misconfigured", Permanent;
    /// The container is gone and left no outcome.
    Lost = "lost", Transient;
    /// The file of what the agent said is not what agentd's own init wrote.
    SpoolTampered = "spool-tampered", Permanent;
    /// Docker does not answer.
    Engine = "engine-unavailable", Transient;
    /// The disk is full.
    DiskFull = "disk-full", Transient;
    /// The repository cannot be fetched.
    Fetch = "fetch-failed", Transient;
    /// The forge does not answer, so that nobody can say who may start this.
    Forge = "forge-unavailable", Limited;
    /// The repository has no commit, the base branch does not exist, or it needs what agentd does not do.
    Repository = "repository", Permanent;
    /// The sandbox's image cannot be built or had.
    Image = "image", Permanent;
    /// A service did not become ready.
    Service = "service-failed", Permanent;
    /// The setup command failed.
    Setup = "setup-failed", Permanent;
    /// The prompt could not be rendered.
    Prompt = "prompt", Permanent;
    /// A plugin failed.
    Plugin = "plugin-failed", Permanent;
    /// What the agent left behind cannot be taken over.
    Collect = "collect-failed", Permanent;
    /// agentd's own checks of the change failed.
    Refused = "verify-refused", Permanent;
    /// A gate failed.
    Gate = "gate-failed", Permanent;
    /// The change could not be published.
    Publish = "publish-failed", Permanent;
    /// agentd itself failed.
    Internal = "internal", Transient;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = ();

    fn from_str(text: &str) -> Result<Reason, ()> {
        Reason::ALL.iter().copied().find(|it| it.as_str() == text).ok_or(())
    }
}

/// A failed run: a word to branch on, and a sentence that says what failed, on what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}: {text}")]
pub struct Failure {
    pub reason: Reason,
    pub text: String,
}

impl Failure {
    pub fn new(reason: Reason, text: impl Into<String>) -> Failure {
        Failure { reason, text: text.into() }
    }
}

/// The pause before the next try, given how many tries failed before this one; none: no more tries.
#[must_use]
pub fn retry_pause(reason: Reason, failed_before: u32) -> Option<i64> {
    match reason.class() {
        Class::Transient => RETRY_PAUSES_MS.get(failed_before as usize).copied(),
        Class::Permanent | Class::Operator | Class::Limited | Class::Fresh => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_failures_are_tried_three_more_times() {
        let pauses: Vec<_> = (0..5).map(|failed| retry_pause(Reason::Engine, failed)).collect();
        assert_eq!(pauses, [Some(5_000), Some(10_000), Some(20_000), None, None]);
        assert_eq!(retry_pause(Reason::Gate, 0), None);
    }

    #[test]
    fn every_reason_is_read_as_it_is_written() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
    }
}
