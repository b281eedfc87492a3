//! What the host does for plugins, one module for each interface of `agentd:host`.
//!
//! Every function may be called from every plugin; without a grant it fails with [`Error::Denied`](crate::Error), whose
//! text says what was refused, and what may be allowed. Nothing in here is the plugin's own: the log has a shorter
//! way in [`crate::log`], the settings one in [`crate::settings()`].

pub use crate::bindings::host::agentd::host::{clock, entry, forge, http, kv, log, mail, metrics, repository};
use crate::{Content, Timestamp};

impl Default for Content {
    fn default() -> Content {
        Content::Text(String::new())
    }
}

impl PartialEq for Content {
    /// The same variant and the same bytes: text and equal bytes differ, as they do for the host.
    fn eq(&self, other: &Content) -> bool {
        match (self, other) {
            (Content::Text(one), Content::Text(two)) => one == two,
            (Content::Bytes(one), Content::Bytes(two)) => one == two,
            (Content::Text(_), Content::Bytes(_)) | (Content::Bytes(_), Content::Text(_)) => false,
        }
    }
}

impl http::Response {
    /// The value of a header, by its name in lower case; of several, the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// When the other end wants to be asked again, by the seconds in its `Retry-After`. The clock is asked only if it says.
    pub fn retry_at(&self, now: impl FnOnce() -> Timestamp) -> Option<Timestamp> {
        let seconds: u64 = self.header("retry-after")?.trim().parse().ok()?;
        Some(now().saturating_add(seconds.saturating_mul(1_000)))
    }
}

#[expect(clippy::derivable_impls, reason = "the enum is generated, and its variants take no attribute")]
impl Default for forge::IssueOrder {
    fn default() -> forge::IssueOrder {
        forge::IssueOrder::Freshest
    }
}
