//! Agents on a platform somewhere else. This agentd does not call them; that they describe themselves is all that is
//! tried.

use super::Suite;

pub(super) async fn tried(suite: &mut Suite<'_>) {
    suite.not_tried("submit, follow, fetch and cancel", "this agentd does not call remote agents");
}
