//! `agentd:task-source`: what is work, and telling what became of it.

use crate::call::Answer;
use crate::draft;
use crate::entry::Entry;
use crate::error::CallError;
use crate::kind::Kind;
use crate::limits::Function;
use crate::state::State;
use crate::wit::task_source::{Intake, Item, PollRequest, Update};
use crate::wit::work::Edit;
use tokio::time::timeout;

impl Entry {
    /// Finds work. Drafts come within the contract's limits; those that name no work are left out.
    pub async fn poll(&self, request: PollRequest) -> Result<Answer<Intake>, CallError> {
        let exports = self.0.loaded.exports.task_source.as_ref().ok_or_else(|| self.wrong_kind(Kind::TaskSource))?;
        let mut call = self.begin(Function::Poll).await?;
        let outcome = timeout(call.wall(), async {
            let instance = call.instantiate().await?;
            let source = exports.load(&mut call.store, &instance)?;
            let mut intake = source.call_poll(&mut call.store, &request).await?;
            if let Ok(intake) = &mut intake {
                keep_usable(call.store.data(), intake);
            }
            Ok(intake)
        })
        .await;
        call.end(outcome, |intake| check(intake))
    }

    /// Tells of a change; the answer is what to write on the forge.
    pub async fn report(&self, update: Update) -> Result<Answer<Vec<Edit>>, CallError> {
        let exports = self.0.loaded.exports.task_source.as_ref().ok_or_else(|| self.wrong_kind(Kind::TaskSource))?;
        let mut call = self.begin(Function::Report).await?;
        let outcome = timeout(call.wall(), async {
            let instance = call.instantiate().await?;
            let source = exports.load(&mut call.store, &instance)?;
            source.call_report(&mut call.store, &update).await
        })
        .await;
        call.end(outcome, |_| Ok(()))
    }
}

fn keep_usable(state: &State, intake: &mut Intake) {
    intake.items.retain_mut(|item| match item {
        Item::Work(work) => draft::fit(state, work),
        Item::Withdrawn(withdrawal) => draft::has_key(state, &withdrawal.key),
    });
}

fn check(intake: &Intake) -> Result<(), String> {
    if intake.items.len() > draft::ITEMS {
        let (items, allowed) = (intake.items.len(), draft::ITEMS);
        return Err(format!("{items} items at once, and {allowed} are allowed; it should use `more`"));
    }
    if intake.complete && intake.more {
        return Err("it says both that this is all (`complete`) and that there is more (`more`)".into());
    }
    draft::check_cursor(intake.cursor.as_ref())
}
