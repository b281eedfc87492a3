//! How much may go on at once.

use serde::{Deserialize, Serialize};

/// Limits on what runs at the same time. A claim that would pass one is not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Runs at once in the whole instance.
    pub concurrent: u32,
    /// Runs at once in one repository.
    pub per_repository: u32,
    /// Changes in review at once in one repository: where there are as many, no new task of it starts.
    pub open_changes: u32,
}
