//! Gives a plugin a rest that fails again and again.
//!
//! Three failures in a row open the breaker for 30 s; then one call is let through (it is half open), and if that fails
//! too the pause doubles, up to 15 minutes. Any success closes it. Time comes in as an argument, and each change is told
//! to a watch, outside of the lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const IN_A_ROW: u32 = 3;
const FIRST_PAUSE_MS: u64 = 30_000;
const LONGEST_PAUSE_MS: u64 = 15 * 60_000;

#[derive(Default)]
pub(crate) struct Breaker {
    gauge: Mutex<Gauge>,
    watch: Option<Watch>,
}

/// Hears of each change.
type Watch = Box<dyn Fn(Change) + Send + Sync>;

#[derive(Debug, Default)]
struct Gauge {
    in_a_row: u32,
    open_until: Option<u64>,
    /// One call tries whether it is better.
    probing: bool,
    last: String,
}

/// A change of a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Also when a trial failed, with a longer pause.
    Opened {
        until: u64,
        failures: u32,
        last: String,
    },
    HalfOpen,
    Closed,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Closed,
    Open {
        until: u64,
    },
    /// The next call, or one that is under way, decides.
    HalfOpen,
}

/// Leave to make one call. Its outcome is to be told; dropping it untold (the caller went away) says nothing.
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
    pub(crate) fn watched(watch: impl Fn(Change) + Send + Sync + 'static) -> Breaker {
        Breaker { watch: Some(Box::new(watch)), ..Breaker::default() }
    }

    pub(crate) fn admit(self: &Arc<Breaker>, now: u64) -> Result<Ticket, Refused> {
        let probe = {
            let mut gauge = self.gauge();
            let probe = match gauge.open_until {
                None => false,
                Some(until) if now >= until && !gauge.probing => true,
                Some(until) => {
                    return Err(Refused { until, failures: gauge.in_a_row, last: gauge.last.clone() });
                }
            };
            gauge.probing |= probe;
            probe
        };
        if probe {
            self.tell(Change::HalfOpen);
        }
        Ok(Ticket { breaker: self.clone(), probe })
    }

    pub(crate) fn condition(&self, now: u64) -> Condition {
        match self.gauge().open_until {
            None => Condition::Closed,
            Some(until) if now < until => Condition::Open { until },
            Some(_) => Condition::HalfOpen,
        }
    }

    fn tell(&self, change: Change) {
        if let Some(watch) = &self.watch {
            watch(change);
        }
    }

    fn gauge(&self) -> MutexGuard<'_, Gauge> {
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    pub(crate) fn succeeded(self) {
        let was_open = {
            let mut gauge = self.breaker.gauge();
            gauge.in_a_row = 0;
            gauge.open_until.take().is_some()
        };
        if was_open {
            self.breaker.tell(Change::Closed);
        }
    }

    pub(crate) fn failed(self, now: u64, what: &str) {
        let opened = {
            let mut gauge = self.breaker.gauge();
            what.clone_into(&mut gauge.last);
            if gauge.open_until.is_some() && !self.probe {
                return; // it began before the breaker opened, and says nothing new
            }
            gauge.in_a_row = gauge.in_a_row.saturating_add(1);
            gauge.in_a_row.checked_sub(IN_A_ROW).map(|over| {
                let pause = FIRST_PAUSE_MS.saturating_mul(1 << over.min(16)).min(LONGEST_PAUSE_MS);
                let until = now.saturating_add(pause);
                gauge.open_until = Some(until);
                Change::Opened { until, failures: gauge.in_a_row, last: gauge.last.clone() }
            })
        };
        if let Some(change) = opened {
            self.breaker.tell(change);
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

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("probe", &self.probe).finish_non_exhaustive()
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

    #[test]
    fn each_change_is_told_once() {
        let told = Arc::new(Mutex::new(vec![]));
        let ear = told.clone();
        let breaker = Arc::new(Breaker::watched(move |change| ear.lock().unwrap().push(change)));
        let late = breaker.admit(0).unwrap();
        for _ in 0..3 {
            breaker.admit(0).unwrap().failed(0, "trap");
        }
        assert_eq!(breaker.condition(1), Condition::Open { until: 30_000 });
        late.failed(5, "late"); // no longer pause for what was under way when it opened
        assert_eq!(breaker.condition(30_000), Condition::HalfOpen);
        breaker.admit(30_000).unwrap().failed(30_000, "again");
        breaker.admit(90_000).unwrap().succeeded();
        breaker.admit(90_000).unwrap().succeeded();
        assert_eq!(breaker.condition(90_000), Condition::Closed);
        let opened = |until, failures, last: &str| Change::Opened { until, failures, last: last.into() };
        let expected =
            [opened(30_000, 3, "trap"), Change::HalfOpen, opened(90_000, 4, "again"), Change::HalfOpen, Change::Closed];
        assert_eq!(*told.lock().unwrap(), expected);
    }
}
