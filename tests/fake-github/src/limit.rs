//! Rate limits: points of an account and a resource within a window, and the headers that tell of them.

use crate::message::Answer;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    Core,
    Search,
    Graphql,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) limit: u64,
    pub(crate) used: u64,
    /// When it starts anew, in milliseconds since 1970.
    pub(crate) reset: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: BTreeMap<(String, Resource), Window>,
}

impl Resource {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Resource::Core => "core",
            Resource::Search => "search",
            Resource::Graphql => "graphql",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Resource> {
        [Resource::Core, Resource::Search, Resource::Graphql].into_iter().find(|it| it.as_str() == text)
    }

    /// Points, and milliseconds of a window.
    fn size(self) -> (u64, i64) {
        match self {
            Resource::Core | Resource::Graphql => (5000, 3_600_000),
            Resource::Search => (30, 60_000),
        }
    }
}

impl Limits {
    pub(crate) fn window(&mut self, account: &str, resource: Resource, now: i64) -> &mut Window {
        let (limit, length) = resource.size();
        let fresh = Window { limit, used: 0, reset: now + length };
        let window = self.windows.entry((account.to_owned(), resource)).or_insert(fresh);
        if window.reset <= now {
            *window = fresh;
        }
        window
    }

    /// Counts a request; the answer is that of a spent limit.
    pub(crate) fn take(&mut self, account: &str, resource: Resource, now: i64) -> Result<(), Answer> {
        let window = self.window(account, resource, now);
        if window.used >= window.limit {
            let message = format!("API rate limit exceeded for {account}.");
            return Err(window.told(resource, Answer::error(403, &message)));
        }
        window.used += 1;
        Ok(())
    }

    /// The request cost nothing.
    pub(crate) fn give_back(&mut self, account: &str, resource: Resource, now: i64) {
        let window = self.window(account, resource, now);
        window.used = window.used.saturating_sub(1);
    }
}

impl Window {
    pub(crate) fn told(&self, resource: Resource, answer: Answer) -> Answer {
        answer
            .header("x-ratelimit-limit", self.limit.to_string())
            .header("x-ratelimit-remaining", self.limit.saturating_sub(self.used).to_string())
            .header("x-ratelimit-used", self.used.to_string())
            .header("x-ratelimit-reset", self.reset.div_euclid(1000).to_string())
            .header("x-ratelimit-resource", resource.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_spent_and_starts_anew() {
        let mut limits = Limits::default();
        for _ in 0..30 {
            limits.take("ann", Resource::Search, 0).unwrap();
        }
        let refused = limits.take("ann", Resource::Search, 59_999).unwrap_err();
        assert_eq!(refused.status, 403);
        let header = |name: &str| refused.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
        assert_eq!(header("x-ratelimit-remaining"), Some("0"));
        assert_eq!(header("x-ratelimit-reset"), Some("60"));
        limits.take("bob", Resource::Search, 59_999).unwrap();
        limits.take("ann", Resource::Core, 59_999).unwrap();
        limits.take("ann", Resource::Search, 60_000).unwrap();
        limits.give_back("ann", Resource::Search, 60_000);
        assert_eq!(limits.window("ann", Resource::Search, 60_000).used, 0);
    }
}
