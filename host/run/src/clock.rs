//! The present time, from one place.

use agentd_task::Millis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time. Handed around as a value, so that nobody reads the machine's clock by himself.
#[derive(Clone, Copy, Debug)]
pub struct Clock(fn() -> Millis);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Clock {
        Clock(system_now)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now(self) -> Millis {
        (self.0)()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where agentd reads the clock")]
fn system_now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
