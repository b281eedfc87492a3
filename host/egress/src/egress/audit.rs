//! The audit line: one for each request, also for one that was refused or that nobody waited for any longer.
//!
//! Never a query, a header, a body, or anything else that the caller could have put a secret into.

use crate::Request;
use tokio::time::Instant;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Writes its line when it is dropped.
pub(super) struct Audit {
    caller: String,
    method: &'static str,
    sent: usize,
    start: Instant,
    /// Empty as long as the request has not been understood.
    pub(super) host: String,
    /// Status and length of the answer, or the word of the error.
    pub(super) outcome: Option<Result<(u16, usize), &'static str>>,
}

impl Audit {
    pub(super) fn new(caller: &str, request: &Request) -> Audit {
        Audit {
            caller: caller.to_owned(),
            method: METHODS.into_iter().find(|it| *it == request.method).unwrap_or("other"),
            sent: request.body.len(),
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
            Some(Ok((status, bytes))) => {
                tracing::info!(target: "egress", caller, host, method, status, sent, bytes, ms, "Request answered");
            }
            Some(Err(error)) => {
                tracing::warn!(target: "egress", caller, host, method, error, sent, ms, "Request failed");
            }
            None => tracing::warn!(target: "egress", caller, host, method, sent, ms, "Request abandoned"),
        }
    }
}
