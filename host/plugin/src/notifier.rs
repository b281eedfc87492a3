//! `agentd:notifier`: telling people.

use crate::call::Answer;
use crate::entry::Entry;
use crate::error::CallError;
use crate::json;
use crate::kind::Kind;
use crate::limits::Function;
use crate::wit::notifier::Message;
use crate::wit::work::Edit;

impl Entry {
    /// Tells people; the answer is what to write on the forge. Calls may overlap.
    pub async fn notify(&self, message: Message) -> Result<Answer<Vec<Edit>>, CallError> {
        let face = self.face_as(Kind::Notifier)?;
        let exports = face.loaded.exports.notifier.as_ref().ok_or_else(|| face.wrong_kind(Kind::Notifier))?;
        let mut call = face.begin(Function::Notify).await?;
        let outcome = call
            .watch()
            .run(async {
                let instance = call.instantiate().await?;
                let notifier = exports.load(&mut call.store, &instance)?;
                notifier.call_notify(&mut call.store, &message).await
            })
            .await;
        call.end(outcome, || json::value(&(&message,)), |_| Ok(()))
    }
}
