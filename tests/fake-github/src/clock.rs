//! The fake's time: the machine's, moved by tests.

use jiff::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// Milliseconds since 1970, ahead of the machine's clock by what tests added.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> i64 {
        Timestamp::now().as_millisecond() + self.ahead.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, milliseconds: i64) {
        self.ahead.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

/// As GitHub writes it: whole seconds of UTC.
pub(crate) fn text(milliseconds: i64) -> String {
    let seconds = Timestamp::from_second(milliseconds.div_euclid(1000)).expect("times of this century are in range");
    seconds.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A date, or a date with a time, as searches and `since` have it.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_as_github_does() {
        assert_eq!(text(1_700_000_000_999), "2023-11-14T22:13:20Z");
        assert_eq!(parse("2023-11-14T22:13:20Z"), Some(1_700_000_000_000));
        assert_eq!(parse("2023-11-14T23:13:20+01:00"), Some(1_700_000_000_000));
        assert_eq!(parse("2023-11-14"), Some(1_699_920_000_000));
        assert_eq!(parse("yesterday"), None);
    }
}
