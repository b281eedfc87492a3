//! How much each call may have: time, CPU, memory, and how much it may say.
//!
//! Three things bound time. Epoch ticks stop code that computes; the wall clock stops a call that waits; and the
//! memory limit bounds what neither can interrupt (one huge copy).

use std::time::Duration;
use wasmtime::ResourceLimiter;
use wasmtime::error::format_err;

/// How long one epoch tick is.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// How many bytes a plugin may hand over in one go: an answer, or the arguments of a host call.
pub(crate) const HANDOVER_BYTES: usize = 16 << 20;

/// What a plugin exports, as far as this version calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Describe,
    Check,
    Poll,
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) memory: usize,
}

impl Function {
    pub(crate) const COUNT: usize = Function::Conclude as usize + 1;

    pub(crate) fn name(self) -> &'static str {
        match self {
            Function::Describe => "describe",
            Function::Check => "check",
            Function::Poll => "poll",
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

    /// Calls of this function for one entry may run beside each other; the contract says which.
    pub(crate) fn overlaps(self) -> bool {
        matches!(self, Function::Notify | Function::Analyze)
    }

    /// At least what the contract promises; `memory` is the installation's cap for one call. An analyzer looks at
    /// more than others, and is promised twice as much.
    pub(crate) fn budget(self, memory: usize) -> Budget {
        let (wall, cpu) = match self {
            Function::Poll => (60, 2),
            Function::Report | Function::Notify => (30, 2),
            Function::Analyze => (300, 60),
            Function::Read => (15, 5),
            Function::Render | Function::Rank => (10, 2),
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
        Ok(desired <= 100_000)
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
