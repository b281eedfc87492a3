//! `agentd:notifier`: telling people.

use crate::call::Answer;
use crate::entry::Entry;
use crate::error::CallError;
use crate::kind::Kind;
use crate::limits::Function;
use crate::wit::notifier::Message;
use crate::wit::work::Edit;
use tokio::time::timeout;

impl Entry {
    /// Tells people; the answer is what to write on the forge. Calls may overlap.
    pub async fn notify(&self, message: Message) -> Result<Answer<Vec<Edit>>, CallError> {
        let exports = self.0.loaded.exports.notifier.as_ref().ok_or_else(|| self.wrong_kind(Kind::Notifier))?;
        let mut call = self.begin(Function::Notify).await?;
        let outcome = timeout(call.wall(), async {
            let instance = call.instantiate().await?;
            let notifier = exports.load(&mut call.store, &instance)?;
            notifier.call_notify(&mut call.store, &message).await
        })
        .await;
        call.end(outcome, |_| Ok(()))
    }
}
