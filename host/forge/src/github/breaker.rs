//! Leaves GitHub alone when it fails again and again, and tries it with one request after a while.
//!
//! - Never waits: it says until when, and the caller decides.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// So many failures in a row open it.
const FAILURES: u32 = 5;

/// Closed (all requests go), open (none goes), half open (one goes, and decides).
pub(crate) struct Breaker {
    /// The first pause; each further one is twice as long.
    first: Duration,
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// How often it was opened since the last success.
    opened: u32,
    open_until: Option<Instant>,
    probing: bool,
}

/// A request that may be made. What becomes of it is told; dropped without a word, it says nothing about GitHub.
pub(crate) struct Try<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(crate) fn new(first: Duration, longest: Duration) -> Breaker {
        Breaker { first, longest, state: Mutex::default() }
    }

    /// Whether a request may be made now; otherwise: how long there will be none.
    pub(crate) fn admit(&self, now: Instant) -> Result<Try<'_>, Duration> {
        let mut state = self.state();
        let Some(until) = state.open_until else { return Ok(Try { breaker: self, probe: false }) };
        if now < until {
            return Err(until - now);
        }
        if state.probing {
            return Err(self.first);
        }
        state.probing = true;
        Ok(Try { breaker: self, probe: true })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Try<'_> {
    pub(crate) fn succeeded(self) {
        *self.breaker.state() = State::default();
    }

    pub(crate) fn failed(self, now: Instant) {
        let mut state = self.breaker.state();
        state.failures += 1;
        if self.probe || (state.failures >= FAILURES && state.open_until.is_none()) {
            let pause = self.breaker.first.saturating_mul(1 << state.opened.min(16)).min(self.breaker.longest);
            state.open_until = Some(now + pause);
            state.opened += 1;
        }
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &Breaker, at: Instant) {
        breaker.admit(at).ok().unwrap().failed(at);
    }

    #[test]
    fn failures_in_a_row_open_it_for_longer_and_longer() {
        let (breaker, start) = (Breaker::new(SECOND * 10, SECOND * 30), Instant::now());
        for _ in 0..4 {
            fail(&breaker, start);
        }
        breaker.admit(start).ok().unwrap().succeeded();
        for _ in 0..5 {
            fail(&breaker, start);
        }
        assert_eq!(breaker.admit(start).err(), Some(SECOND * 10));
        let (mut at, mut pauses) = (start, vec![]);
        for _ in 0..3 {
            at += breaker.admit(at).err().unwrap();
            fail(&breaker, at);
            pauses.push(breaker.admit(at).err().unwrap().as_secs());
        }
        assert_eq!(pauses, [20, 30, 30]);
    }

    #[test]
    fn one_request_tries_it_and_a_good_one_closes_it() {
        let (breaker, start) = (Breaker::new(SECOND, SECOND), Instant::now());
        (0..5).for_each(|_| fail(&breaker, start));
        let later = start + SECOND;
        let probe = breaker.admit(later).ok().unwrap();
        assert!(breaker.admit(later).is_err());
        drop(probe);
        // Nobody waited for the first one's answer.
        let probe = breaker.admit(later).ok().unwrap();
        probe.succeeded();
        assert!(breaker.admit(later).is_ok() && breaker.admit(later).is_ok());
    }
}
