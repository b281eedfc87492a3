//! What authors of plugins work with: new projects, builds, checks, cases and conformance.
//!
//! Everything here works without a daemon, Docker or a network. A plugin is compiled and called by `agentd-plugin`, as
//! the daemon does it; what it asks of the outside is answered from a record, with no, or by a host that the caller
//! brings.
//!
//! - Never changes a daemon's home, its configuration or its plugin folder.
//! - Never writes over an author's files, but for cases that are recorded on request.

mod bindings;
mod building;
mod case;
mod check;
mod component;
mod conform;
mod contract;
mod difference;
mod error;
mod project;
mod schema;
mod scrub;
mod sources;
mod strip;
mod template;
mod words;
mod workbench;

#[cfg(test)]
mod tests;

pub use building::{Built, build, digest, finished, put};
pub use case::{Case, Verdict, call, files, name, outcome, play_all};
pub use check::{Checked, Finding, Level, check, human};
pub use conform::{Conformance, Outcome, Tried, conform};
pub use contract::VERSION;
pub use error::Error;
pub use project::{Project, kind};
pub use sources::Sources;
pub use template::{New, create};
pub use workbench::{Offline, plugins};
