//! Prioritizers: in which order tasks are worked on.

use crate::Error;
use crate::bindings::prioritizer::exports::agentd::prioritizer::prioritizer::Guest;
pub use crate::bindings::prioritizer::exports::agentd::prioritizer::prioritizer::{Batch, Candidate, Score};
pub use crate::work::Task;

/// A plugin that gives each waiting task a number; higher goes first.
pub trait Prioritizer {
    /// Scores tasks. A score must depend on its candidate alone: it is kept, and compared with scores of other
    /// batches.
    ///
    /// # Errors
    /// The tasks keep the scores they have then, new ones get 0.
    fn rank(batch: Batch) -> Result<Vec<Score>, Error>;
}

impl<T: Prioritizer> Guest for T {
    fn rank(batch: Batch) -> Result<Vec<Score>, Error> {
        <T as Prioritizer>::rank(batch)
    }
}

/// Compiles for prioritizers only.
#[doc(hidden)]
pub const fn implemented<T: Prioritizer>() {}
