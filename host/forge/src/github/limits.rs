//! GitHub's limits of requests, as far as its answers tell them.
//!
//! The primary limit counts requests in a window, for each resource (`core`, `search`, `graphql`) by itself: what is on
//! its way is counted as used, so that the last points are not spent twice. A secondary limit closes the whole account.
//!
//! - Never waits, and never reads the clock: `now` comes in, in milliseconds since 1970.

use http::HeaderMap;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// How long a secondary limit is respected that does not say for how long; each next one twice as long.
const PENALTY_MS: i64 = 60_000;
const PENALTY_MAX_MS: i64 = 15 * 60_000;
/// GitHub's windows are an hour; a reset that is further away is somebody's wrong clock.
const WINDOW_MAX_MS: i64 = 61 * 60_000;

#[derive(Clone, Default)]
pub(crate) struct Limits {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    accounts: Mutex<HashMap<String, Account>>,
    /// A request came back.
    freed: Notify,
}

#[derive(Default)]
struct Account {
    closed_until: i64,
    /// Secondary limits in a row.
    penalties: u32,
    windows: BTreeMap<String, Window>,
}

#[derive(Default)]
struct Window {
    limit: u32,
    /// None: no answer has told yet.
    left: Option<u32>,
    resets_at: i64,
    in_flight: u32,
}

/// What is known of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Whose it is: `token`, `app`, or the owner that an App is installed at.
    pub account: String,
    /// `core`, `search`, `graphql`.
    pub resource: String,
    pub limit: u32,
    pub left: u32,
    /// In milliseconds since 1970.
    pub resets_at: i64,
}

/// Whether a request may be made.
pub(crate) enum Admission {
    Go(Permit),
    /// Not before this time, in milliseconds since 1970.
    Until(i64),
    /// As many are on their way as there are points left: when one of them is back.
    Crowded,
}

/// Counts as a request on its way until it is dropped.
pub(crate) struct Permit {
    limits: Limits,
    account: String,
    resource: &'static str,
}

impl Limits {
    /// The resource that GitHub will count a request for.
    pub(crate) fn resource(path: &str) -> &'static str {
        match path {
            "graphql" => "graphql",
            path if path.starts_with("search/") => "search",
            _ => "core",
        }
    }

    pub(crate) fn admit(&self, account: &str, resource: &'static str, now: i64) -> Admission {
        let mut accounts = self.accounts();
        let state = accounts.entry(account.to_owned()).or_default();
        if now < state.closed_until {
            return Admission::Until(state.closed_until);
        }
        let window = state.windows.entry(resource.to_owned()).or_default();
        if now >= window.resets_at {
            window.left = None;
        }
        match window.left {
            Some(0) => return Admission::Until(window.resets_at),
            Some(left) if left <= window.in_flight => return Admission::Crowded,
            Some(_) | None => window.in_flight += 1,
        }
        Admission::Go(Permit { limits: self.clone(), account: account.to_owned(), resource })
    }

    /// Resolves when a request has come back since the call.
    pub(crate) fn freed(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.freed.notified()
    }

    /// Takes in what an answer tells.
    pub(crate) fn told(&self, account: &str, resource: &str, headers: &HeaderMap, now: i64) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<i64>().ok();
        let (Some(left), Some(reset)) = (number("x-ratelimit-remaining"), number("x-ratelimit-reset")) else { return };
        let told = headers.get("x-ratelimit-resource").and_then(|it| it.to_str().ok()).unwrap_or(resource);
        let left = u32::try_from(left).unwrap_or(0);
        let resets_at = reset.saturating_mul(1000).min(now + WINDOW_MAX_MS);
        let mut accounts = self.accounts();
        let account = accounts.entry(account.to_owned()).or_default();
        // Resources that GitHub makes up later are not kept without end.
        if account.windows.len() > 32 && !account.windows.contains_key(told) {
            return;
        }
        let window = account.windows.entry(told.to_owned()).or_default();
        window.limit = number("x-ratelimit-limit").and_then(|it| u32::try_from(it).ok()).unwrap_or(window.limit);
        match window.left {
            // Answers overtake one another: within a window the lowest holds.
            Some(known) if resets_at == window.resets_at => window.left = Some(left.min(known)),
            Some(_) if resets_at < window.resets_at => {}
            Some(_) | None => (window.left, window.resets_at) = (Some(left), resets_at),
        }
    }

    /// A secondary limit: `after`, in milliseconds, is what GitHub asks for. Returns the time until when there is none.
    pub(crate) fn penalise(&self, account: &str, after: Option<i64>, now: i64) -> i64 {
        let mut accounts = self.accounts();
        let account = accounts.entry(account.to_owned()).or_default();
        let doubled = PENALTY_MS.saturating_mul(1 << account.penalties.min(8)).min(PENALTY_MAX_MS);
        account.closed_until = account.closed_until.max(now + after.unwrap_or(doubled));
        account.penalties += 1;
        account.closed_until
    }

    /// A request was answered as it should be.
    pub(crate) fn forgive(&self, account: &str) {
        if let Some(account) = self.accounts().get_mut(account) {
            account.penalties = 0;
        }
    }

    /// Until when the resource is used up, if it is.
    pub(crate) fn used_up(&self, account: &str, resource: &str, now: i64) -> Option<i64> {
        let accounts = self.accounts();
        let window = accounts.get(account)?.windows.get(resource)?;
        (window.left == Some(0) && now < window.resets_at).then_some(window.resets_at)
    }

    pub(crate) fn allowances(&self) -> Vec<Allowance> {
        let mut all = Vec::new();
        for (account, state) in self.accounts().iter() {
            for (resource, window) in &state.windows {
                let Some(left) = window.left else { continue };
                let (account, resource) = (account.clone(), resource.clone());
                all.push(Allowance { account, resource, limit: window.limit, left, resets_at: window.resets_at });
            }
        }
        all.sort_by(|a, b| (&a.account, &a.resource).cmp(&(&b.account, &b.resource)));
        all
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        self.shared.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(window) =
            self.limits.accounts().get_mut(&self.account).and_then(|it| it.windows.get_mut(self.resource))
        {
            window.in_flight = window.in_flight.saturating_sub(1);
        }
        self.limits.shared.freed.notify_waiters();
    }
}

/// Whether an answer says that a limit is reached, and for how long, in milliseconds, if it says that.
pub(crate) fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Refusal> {
    if !matches!(status, 403 | 429) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(Refusal::Secondary { after_ms: Some(seconds.clamp(1, 3600) * 1000) });
    }
    if number("x-ratelimit-remaining") == Some(0) {
        return Some(Refusal::Primary);
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(2048)]).to_lowercase();
    let said = ["secondary rate limit", "abuse detection", "rate limit exceeded"].iter().any(|it| text.contains(it));
    (status == 429 || said).then_some(Refusal::Secondary { after_ms: None })
}

/// Which kind of limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The window's points are used up.
    Primary,
    Secondary {
        after_ms: Option<i64>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn tell(limits: &Limits, left: u32, reset: i64, now: i64) {
        let (left, reset) = (left.to_string(), reset.to_string());
        let told =
            [("x-ratelimit-remaining", left.as_str()), ("x-ratelimit-reset", &reset), ("x-ratelimit-limit", "60")];
        limits.told("token", "core", &headers(&told), now);
    }

    fn until(limits: &Limits, now: i64) -> Option<i64> {
        match limits.admit("token", "core", now) {
            Admission::Go(_) => None,
            Admission::Until(until) => Some(until),
            Admission::Crowded => Some(0),
        }
    }

    #[test]
    fn nothing_is_asked_when_no_point_is_left() {
        let limits = Limits::default();
        assert_eq!(until(&limits, 0), None);
        tell(&limits, 0, 10, 0);
        assert_eq!(until(&limits, 9_999), Some(10_000));
        assert!(matches!(limits.admit("token", "search", 0), Admission::Go(_)), "another resource");
        assert!(matches!(limits.admit("acme", "core", 0), Admission::Go(_)), "another account");
        assert_eq!(until(&limits, 10_000), None);
    }

    #[test]
    fn the_last_points_are_not_spent_twice() {
        let limits = Limits::default();
        tell(&limits, 2, 10, 0);
        let first = limits.admit("token", "core", 0);
        let second = limits.admit("token", "core", 0);
        assert!(matches!((&first, &second), (Admission::Go(_), Admission::Go(_))));
        assert!(matches!(limits.admit("token", "core", 0), Admission::Crowded));
        drop(second);
        assert!(matches!(limits.admit("token", "core", 0), Admission::Go(_)));
    }

    #[test]
    fn an_answer_that_was_overtaken_gives_no_points_back() {
        let limits = Limits::default();
        tell(&limits, 5, 10, 0);
        tell(&limits, 7, 10, 0);
        tell(&limits, 60, 9, 0);
        let mut expected =
            Allowance { account: "token".into(), resource: "core".into(), limit: 60, left: 5, resets_at: 10_000 };
        assert_eq!(limits.allowances(), [expected.clone()]);
        tell(&limits, 59, 11, 0);
        (expected.left, expected.resets_at) = (59, 11_000);
        assert_eq!(limits.allowances(), [expected]);
    }

    #[test]
    fn a_secondary_limit_closes_the_account_for_as_long_as_it_says_or_longer_and_longer() {
        let limits = Limits::default();
        assert_eq!(limits.penalise("token", Some(5_000), 0), 5_000);
        assert_eq!(until(&limits, 4_999), Some(5_000));
        assert_eq!(until(&limits, 5_000), None);
        assert_eq!(limits.penalise("token", None, 5_000), 125_000);
        assert_eq!(limits.penalise("token", None, 125_000), 125_000 + 240_000);
        limits.forgive("token");
        assert_eq!(limits.penalise("token", None, 400_000), 460_000);
    }

    #[track_caller]
    fn check(status: u16, of: &[(&'static str, &str)], body: &str, expected: Option<Refusal>) {
        assert_eq!(refused(status, &headers(of), body.as_bytes()), expected);
    }

    #[test]
    fn a_limit_is_told_from_a_missing_right() {
        let secondary = |after_ms| Some(Refusal::Secondary { after_ms });
        check(403, &[("x-ratelimit-remaining", "4999")], r#"{"message":"Must have admin rights"}"#, None);
        check(
            403,
            &[("x-ratelimit-remaining", "0")],
            r#"{"message":"API rate limit exceeded"}"#,
            Some(Refusal::Primary),
        );
        check(429, &[("x-ratelimit-remaining", "0")], "", Some(Refusal::Primary));
        check(403, &[("retry-after", "7")], "", secondary(Some(7_000)));
        check(429, &[], "", secondary(None));
        check(403, &[], r#"{"message":"You have exceeded a secondary rate limit"}"#, secondary(None));
        check(422, &[("retry-after", "7")], "", None);
    }
}
