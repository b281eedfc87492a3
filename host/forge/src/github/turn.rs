//! Turns: one write at a time in each repository, a pause between the writes of an account, and one answer for all who
//! ask the same at the same time.
//!
//! - A read that began before a write ended is never the answer for somebody who asks after it: who writes and then
//!   looks sees what was written.

use super::exchange::Answer;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    time::Instant,
};

/// Names that nobody waits for are dropped when there are more.
const NAMES_KEPT: usize = 256;

/// One at a time for each name.
#[derive(Default)]
pub(crate) struct Turns {
    names: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
    /// When the next write of an account may be made.
    next: Mutex<HashMap<String, Instant>>,
    /// How many writes have ended.
    ended: Arc<AtomicU64>,
}

/// Nobody else writes in the repository until it is dropped.
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
    ended: Arc<AtomicU64>,
}

impl Turns {
    pub(crate) async fn take(&self, repository: &str) -> Turn {
        let lock = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            if names.len() >= NAMES_KEPT {
                names.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(names.entry(repository.to_owned()).or_default())
        };
        Turn { _guard: lock.lock_owned().await, ended: Arc::clone(&self.ended) }
    }

    /// Waits until `pause` is over since the account's last write, and counts this one as made.
    pub(crate) async fn space(&self, account: &str, pause: Duration) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let at = next.get(account).copied().unwrap_or(now).max(now);
            next.insert(account.to_owned(), at + pause);
            at
        };
        tokio::time::sleep_until(at).await;
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Also when nobody waited for the end: it may have been done.
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads on their way.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<(String, u64), Slot>>);

type Slot = Arc<AsyncMutex<Option<Answer>>>;

/// A place in a flight: the first one makes the request, the others find its answer.
pub(crate) struct Flight<'a> {
    flights: &'a Flights,
    key: (String, u64),
    slot: Slot,
}

impl Flights {
    /// `writes`: how many had ended when the caller came.
    pub(crate) fn join(&self, key: &str, writes: u64) -> Flight<'_> {
        let key = (key.to_owned(), writes);
        let slot = Arc::clone(self.slots().entry(key.clone()).or_default());
        Flight { flights: self, key, slot }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<(String, u64), Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight<'_> {
    /// The answer, if somebody got it meanwhile; otherwise the right to ask.
    pub(crate) async fn board(&self) -> Result<Answer, Pilot<'_>> {
        let guard = Arc::clone(&self.slot).lock_owned().await;
        match &*guard {
            Some(answer) => Ok(answer.clone()),
            None => Err(Pilot { flight: self, guard }),
        }
    }

    /// Whoever comes from now on asks anew.
    fn close(&self) {
        let mut slots = self.flights.slots();
        if slots.get(&self.key).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot)) {
            slots.remove(&self.key);
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut slots = self.flights.slots();
        drop(std::mem::take(&mut self.slot));
        if slots.get(&self.key).is_some_and(|slot| Arc::strong_count(slot) == 1) {
            slots.remove(&self.key);
        }
    }
}

/// The one who asks. Dropped without landing, the next one asks.
pub(crate) struct Pilot<'a> {
    flight: &'a Flight<'a>,
    guard: OwnedMutexGuard<Option<Answer>>,
}

impl Pilot<'_> {
    pub(crate) fn land(mut self, answer: &Answer) {
        self.flight.close();
        *self.guard = Some(answer.clone());
    }
}
