//! A look before a start: what sources would bring in, and in which order it would start.
//!
//! Nothing is claimed, started or sent: only sources, forges and the prioritizer are asked.

use super::Service;
use crate::{intake, ranking};
use std::collections::HashSet;

impl Service {
    /// Asks each source until it has said all that it has now, and has that scored.
    ///
    /// Gives the sources that could not be asked, by name, and why. What was found is in the store; what was found and
    /// not taken is told in its log, as `source.problem`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn look_once(&self) -> Result<Vec<(String, String)>, agentd_store::Error> {
        let mut failed = Vec::new();
        let rt = self.current.get();
        for source in &rt.sources {
            if let Err(why) = intake::poll(&rt, source, &mut HashSet::new()).await {
                failed.push((source.name.clone(), why));
            }
        }
        ranking::rank_waiting(&rt).await?;
        Ok(failed)
    }
}
