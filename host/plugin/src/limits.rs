//! How much each call may have: time, CPU, memory, and how much it may say.
//!
//! Three things bound time. Epoch ticks stop code that computes; the wall clock stops a call that waits; and the
//! memory limit bounds what neither can interrupt (one huge copy).

use crate::kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use wasmtime::ResourceLimiter;
use wasmtime::error::format_err;

/// How long one epoch tick is.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// How many bytes a plugin may hand over in one go: an answer, or the arguments of a host call.
pub(crate) const HANDOVER_BYTES: usize = 16 << 20;

/// How many things of the host's a component may hold at a time: streams, pollables, requests.
pub(crate) const HANDLES: usize = 10_000;

const TABLE_ELEMENTS: usize = 100_000;

/// What a plugin exports, as far as this version calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Describe,
    Check,
    Poll,
    Feedback,
    Receive,
    Report,
    Analyze,
    Rank,
    Render,
    Notify,
    Needs,
    Launch,
    Read,
    Control,
    Conclude,
}

/// The limits of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// From the start of the instance to its answer.
    pub wall: Duration,
    pub cpu: Duration,
    /// Bytes, of all its memories together.
    pub memory: usize,
}

/// What the operator sets for one plugin, in place of the defaults of its functions (`[plugins.limits.NAME]`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginLimits {
    pub wall: Option<Duration>,
    pub cpu: Option<Duration>,
    /// Bytes.
    pub memory: Option<usize>,
}

/// What calls of a plugin of this kind may use unless the operator says otherwise: the contract's name of each
/// function, with its limits. `memory` is the installation's cap for one call, in bytes.
#[must_use]
pub fn limits_of(kind: Kind, memory: usize) -> Vec<(&'static str, Budget)> {
    use Function as F;
    let functions: &[Function] = match kind {
        Kind::TaskSource => &[F::Poll, F::Feedback, F::Receive, F::Report],
        Kind::Analyzer => &[F::Analyze],
        Kind::Prioritizer => &[F::Rank],
        Kind::PromptTemplate => &[F::Render],
        Kind::Notifier => &[F::Notify],
        Kind::Agent => &[F::Needs, F::Launch, F::Read, F::Control, F::Conclude],
        Kind::Remote => &[],
    };
    functions.iter().map(|it| (it.name(), it.budget(memory))).collect()
}

impl Budget {
    /// The same, where nothing else is set.
    pub(crate) fn with(self, limits: Option<&PluginLimits>) -> Budget {
        let Some(limits) = limits else { return self };
        Budget {
            wall: limits.wall.unwrap_or(self.wall),
            cpu: limits.cpu.unwrap_or(self.cpu),
            memory: limits.memory.unwrap_or(self.memory),
        }
    }
}

impl Function {
    pub(crate) const COUNT: usize = Function::ALL.len();

    pub(crate) const ALL: [Function; 15] = [
        Function::Describe,
        Function::Check,
        Function::Poll,
        Function::Feedback,
        Function::Receive,
        Function::Report,
        Function::Analyze,
        Function::Rank,
        Function::Render,
        Function::Notify,
        Function::Needs,
        Function::Launch,
        Function::Read,
        Function::Control,
        Function::Conclude,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Function::Describe => "describe",
            Function::Check => "check",
            Function::Poll => "poll",
            Function::Feedback => "feedback",
            Function::Receive => "receive",
            Function::Report => "report",
            Function::Analyze => "analyze",
            Function::Rank => "rank",
            Function::Render => "render",
            Function::Notify => "notify",
            Function::Needs => "needs",
            Function::Launch => "launch",
            Function::Read => "read",
            Function::Control => "control",
            Function::Conclude => "conclude",
        }
    }

    /// What a trace calls it: an agent's life is one function, which is called by what came before.
    pub(crate) fn traced(self, arguments: Value) -> (&'static str, Value) {
        match self {
            Function::Launch | Function::Read | Function::Control | Function::Conclude => ("run", json!([arguments])),
            other => (other.name(), arguments),
        }
    }

    /// Calls of this function for one entry may run beside each other; the contract says which.
    pub(crate) fn overlaps(self) -> bool {
        matches!(self, Function::Notify | Function::Analyze)
    }

    /// A plugin is asked about itself while nothing else may change, so nobody waits long for that.
    pub(crate) fn is_about_itself(self) -> bool {
        matches!(self, Function::Describe | Function::Check)
    }

    /// At least what the contract promises; `memory` is the installation's cap for one call. An analyzer looks at
    /// more than others, and is promised twice as much.
    pub(crate) fn budget(self, memory: usize) -> Budget {
        let (wall, cpu) = match self {
            Function::Poll | Function::Feedback => (60, 2),
            Function::Report | Function::Notify => (30, 2),
            Function::Analyze => (600, 60),
            Function::Read => (15, 5),
            Function::Render | Function::Rank | Function::Receive => (10, 2),
            Function::Describe
            | Function::Check
            | Function::Needs
            | Function::Launch
            | Function::Control
            | Function::Conclude => (5, 2),
        };
        let memory = if self == Function::Analyze { memory.saturating_mul(2) } else { memory };
        Budget { wall: Duration::from_secs(wall), cpu: Duration::from_secs(cpu), memory }
    }
}

/// Holds an instance to its memory, all of its linear memories together, and remembers what it refused.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    refused: Option<usize>,
}

impl Limiter {
    pub(crate) fn new(limit: usize) -> Limiter {
        Limiter { limit, used: 0, refused: None }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn refused(&self) -> Option<usize> {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    /// An error and not a refusal: most guests would abort on a refusal without saying why.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        if wanted > self.limit {
            self.refused = Some(wanted);
            return Err(format_err!("{wanted} bytes of memory are more than the limit of {}", self.limit));
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}
