//! A home folder, a repository, a daemon, and eyes on them from outside.

pub(crate) mod bill;
pub(crate) mod broken_crate;
mod daemon;
pub(crate) mod github;
mod guest;
mod home;
mod image;
mod judge;
mod listener;
mod model;
mod toolbox;

pub(crate) use daemon::Daemon;
pub(crate) use github::Hub;
pub(crate) use guest::{hostile_plugin, hostile_variant};
pub(crate) use home::{Home, git};
pub(crate) use image::{dev_image, postgres_image};
pub(crate) use judge::{Judge, StoredEvent};
pub(crate) use listener::Listener;
pub(crate) use model::{Model, Provider, Turn, Usage};
pub(crate) use toolbox::{network, tool};

use std::time::{Duration, Instant};

/// How long a test waits for what should come soon. Long, because a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again until there is something to see.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// What differs between one test and the next with the same seed: nothing. A small generator of numbers.
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// A number below `end` (SplitMix64).
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}
