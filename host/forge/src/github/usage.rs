//! What was asked of GitHub, counted.

use super::limits::Allowance;
use http::{HeaderMap, header};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// What was asked of GitHub since the start, and what it allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests that were answered.
    pub requests: u64,
    /// Of these: nothing had changed. They cost no point.
    pub unchanged: u64,
    /// Of these: refused because of a limit.
    pub refused: u64,
    /// Requests without an answer.
    pub failed: u64,
    /// Points that are left for ordinary requests, where that has been told; the least if there are several accounts.
    pub left: Option<u64>,
    pub allowances: Vec<Allowance>,
    /// How far agentd's clock was ahead of GitHub's at the last answer, in milliseconds; GitHub tells whole seconds.
    pub clock_ahead: Option<i64>,
}

/// Counts while requests are made.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    clock_ahead: Mutex<Option<i64>>,
}

impl Counters {
    pub(super) fn usage(&self, allowances: Vec<Allowance>) -> Usage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Usage {
            requests: read(&self.requests),
            unchanged: read(&self.unchanged),
            refused: read(&self.refused),
            failed: read(&self.failed),
            left: allowances.iter().filter(|it| it.resource == "core").map(|it| u64::from(it.left)).min(),
            allowances,
            clock_ahead: *self.clock_ahead.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// `now` in milliseconds since 1970.
    pub(super) fn compare_clocks(&self, headers: &HeaderMap, now: i64) {
        let date = headers.get(header::DATE).and_then(|it| it.to_str().ok());
        let date = date.and_then(|it| jiff::fmt::rfc2822::parse(it).ok());
        if let Some(date) = date {
            let ahead = now - date.timestamp().as_millisecond();
            *self.clock_ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        }
    }
}
