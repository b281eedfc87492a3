//! Analyzers: what in a repository should become work.

pub mod proposals;

use crate::Error;
use crate::bindings::analyzer::exports::agentd::analyzer::analyzer::Guest;
pub use crate::bindings::analyzer::exports::agentd::analyzer::analyzer::{Report, Request};
pub use crate::work::{Draft, Location, Thread};

/// A plugin that looks through a repository and proposes work.
pub trait Analyzer {
    /// Looks through one repository. Give `request.revision` to every call of [`crate::host::repository`], so that
    /// everything fits together, and make keys of what was found, not of line numbers.
    ///
    /// # Errors
    /// The findings of before stay as they are then.
    fn analyze(request: Request) -> Result<Report, Error>;
}

impl<T: Analyzer> Guest for T {
    fn analyze(request: Request) -> Result<Report, Error> {
        <T as Analyzer>::analyze(request)
    }
}

/// Compiles for analyzers only.
#[doc(hidden)]
pub const fn implemented<T: Analyzer>() {}
