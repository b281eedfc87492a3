//! The audit line: one for each request, also for one that was refused or that nobody waited for any longer.
//!
//! Never a query, a header, a body, or anything else that the caller could have put a secret into.

use crate::request::known;
use tokio::time::Instant;

/// How it ended.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Answered {
        status: u16,
        bytes: usize,
    },
    /// A bare connection is open.
    Connected,
    /// The word of the error.
    Failed(&'static str),
    /// The answer began, and nobody waits for the rest of it.
    LeftOff {
        status: u16,
        bytes: usize,
    },
}

/// Writes its line when it is dropped.
pub(super) struct Audit {
    caller: String,
    method: &'static str,
    sent: usize,
    start: Instant,
    /// Empty as long as the request has not been understood.
    pub(super) host: String,
    pub(super) outcome: Option<Outcome>,
}

impl Audit {
    /// `sent`: the body's length, in bytes.
    pub(super) fn new(caller: &str, method: &str, sent: usize) -> Audit {
        Audit {
            caller: caller.to_owned(),
            method: known(method),
            sent,
            start: Instant::now(),
            host: String::new(),
            outcome: None,
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let Audit { caller, method, sent, host, .. } = self;
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.outcome {
            Some(Outcome::Answered { status, bytes }) => {
                tracing::info!(target: "egress", caller, host, method, status, sent, bytes, ms, "Request answered");
            }
            Some(Outcome::Connected) => tracing::info!(target: "egress", caller, host, method, ms, "Tunnel opened"),
            Some(Outcome::Failed(error)) => {
                tracing::warn!(target: "egress", caller, host, method, error, sent, ms, "Request failed");
            }
            Some(Outcome::LeftOff { status, bytes }) => {
                tracing::warn!(target: "egress", caller, host, method, status, sent, bytes, ms, "Answer abandoned");
            }
            None => tracing::warn!(target: "egress", caller, host, method, sent, ms, "Request abandoned"),
        }
    }
}
