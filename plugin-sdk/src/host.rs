//! What the host does for plugins, one module for each interface of `agentd:host`.
//!
//! Every function may be called from every plugin; without a grant it fails with [`Error::Denied`](crate::Error), whose
//! text says what was refused, and what may be allowed. Nothing in here is the plugin's own: the log has a shorter
//! way in [`crate::log`], the settings one in [`crate::settings()`].

use crate::Content;
pub use crate::bindings::host::agentd::host::{clock, entry, forge, http, kv, log, mail, metrics, repository};

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

#[expect(clippy::derivable_impls, reason = "the enum is generated, and its variants take no attribute")]
impl Default for forge::IssueOrder {
    fn default() -> forge::IssueOrder {
        forge::IssueOrder::Freshest
    }
}
