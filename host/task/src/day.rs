//! The day of a budget: from midnight to midnight, UTC.

use crate::Millis;

/// How long a day is, in milliseconds.
pub const DAY_MS: Millis = 24 * 3_600_000;

/// When the day of `now` began.
#[must_use]
pub fn day_start(now: Millis) -> Millis {
    now - now.rem_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight() {
        assert_eq!(day_start(DAY_MS), DAY_MS);
        assert_eq!(day_start(DAY_MS + 5), DAY_MS);
        assert_eq!(day_start(DAY_MS - 1), 0);
        assert_eq!(day_start(-1), -DAY_MS);
    }
}
