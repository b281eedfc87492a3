//! Gives a plugin a rest that fails again and again.
//!
//! Three failures in a row open the breaker for 30 s; then one call is let through, and if that fails too the pause
//! doubles, up to 15 minutes. Any success closes it. Time comes in as an argument.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const IN_A_ROW: u32 = 3;
const FIRST_PAUSE_MS: u64 = 30_000;
const LONGEST_PAUSE_MS: u64 = 15 * 60_000;

#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<Gauge>);

#[derive(Debug, Default)]
struct Gauge {
    in_a_row: u32,
    open_until: Option<u64>,
    /// One call tries whether it is better.
    probing: bool,
    last: String,
}

/// Leave to make one call. Its outcome is to be told; dropping it untold (the caller went away) says nothing.
#[derive(Debug)]
pub(crate) struct Ticket {
    breaker: Arc<Breaker>,
    probe: bool,
}

/// Why there is no ticket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) until: u64,
    pub(crate) failures: u32,
    pub(crate) last: String,
}

impl Breaker {
    pub(crate) fn admit(self: &Arc<Breaker>, now: u64) -> Result<Ticket, Refused> {
        let mut gauge = self.gauge();
        let probe = match gauge.open_until {
            None => false,
            Some(until) if now >= until && !gauge.probing => true,
            Some(until) => {
                return Err(Refused { until, failures: gauge.in_a_row, last: gauge.last.clone() });
            }
        };
        gauge.probing |= probe;
        Ok(Ticket { breaker: self.clone(), probe })
    }

    fn gauge(&self) -> MutexGuard<'_, Gauge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    pub(crate) fn succeeded(self) {
        let mut gauge = self.breaker.gauge();
        gauge.in_a_row = 0;
        gauge.open_until = None;
    }

    pub(crate) fn failed(self, now: u64, what: &str) {
        let mut gauge = self.breaker.gauge();
        gauge.in_a_row = gauge.in_a_row.saturating_add(1);
        what.clone_into(&mut gauge.last);
        if let Some(over) = gauge.in_a_row.checked_sub(IN_A_ROW) {
            let pause = FIRST_PAUSE_MS.saturating_mul(1 << over.min(16)).min(LONGEST_PAUSE_MS);
            gauge.open_until = Some(now.saturating_add(pause));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.gauge().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at each of the moments; the last answer is what a call at `now` gets.
    #[track_caller]
    fn check(failures: &[u64], now: u64, until: Option<u64>) {
        let breaker = Arc::new(Breaker::default());
        for at in failures {
            breaker.admit(*at).unwrap().failed(*at, "trap");
        }
        assert_eq!(breaker.admit(now).err().map(|it| it.until), until, "{failures:?} at {now}");
    }

    #[test]
    fn three_failures_in_a_row_open_it_with_growing_pauses() {
        check(&[0, 0], 0, None);
        check(&[0, 0, 0], 0, Some(30_000));
        check(&[0, 0, 0], 29_999, Some(30_000));
        check(&[0, 0, 0], 30_000, None);
        check(&[0, 0, 0, 30_000], 30_001, Some(90_000));
        check(&[0, 0, 0, 30_000, 90_000], 90_000, Some(210_000));
    }

    #[test]
    fn a_pause_never_grows_beyond_a_quarter_of_an_hour() {
        let breaker = Arc::new(Breaker::default());
        let mut now = 0;
        for _ in 0..40 {
            breaker.admit(now).unwrap().failed(now, "trap");
            now = breaker.admit(now).err().map_or(now, |it| it.until);
        }
        breaker.admit(now).unwrap().failed(now, "trap");
        assert_eq!(breaker.admit(now).unwrap_err().until, now + LONGEST_PAUSE_MS);
    }

    #[test]
    fn only_one_call_tries_whether_it_is_better() {
        let breaker = Arc::new(Breaker::default());
        for _ in 0..3 {
            breaker.admit(0).unwrap().failed(0, "trap");
        }
        let probe = breaker.admit(30_000).unwrap();
        assert_eq!(breaker.admit(30_000).unwrap_err(), Refused { until: 30_000, failures: 3, last: "trap".into() });
        drop(probe); // its caller went away: somebody else may try
        breaker.admit(30_000).unwrap().succeeded();
        breaker.admit(30_000).unwrap().failed(30_000, "trap");
        assert!(breaker.admit(30_000).is_ok(), "a success starts the count anew");
    }
}
