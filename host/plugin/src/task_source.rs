//! `agentd:task-source`: what is work, and telling what became of it.

use crate::call::Answer;
use crate::draft;
use crate::entry::Entry;
use crate::error::CallError;
use crate::json;
use crate::kind::Kind;
use crate::limits::Function;
use crate::state::State;
use crate::wit::task_source::{
    Delivery, FeedbackPage, FeedbackRequest, Intake, Item, PollRequest, Receipt, Remark, Update,
};
use crate::wit::work::Edit;

impl Entry {
    /// Finds work. Drafts come within the contract's limits; those that name no work are left out.
    pub async fn poll(&self, request: PollRequest) -> Result<Answer<Intake>, CallError> {
        let face = self.face_as(Kind::TaskSource)?;
        let exports = face.loaded.exports.task_source.as_ref().ok_or_else(|| face.wrong_kind(Kind::TaskSource))?;
        let mut call = face.begin(Function::Poll).await?;
        let outcome = call
            .watch()
            .run(async {
                let instance = call.instantiate().await?;
                let source = exports.load(&mut call.store, &instance)?;
                let mut intake = source.call_poll(&mut call.store, &request).await?;
                if let Ok(intake) = &mut intake {
                    keep_usable(call.store.data(), &mut intake.items);
                }
                Ok(intake)
            })
            .await;
        call.end(outcome, || json::value(&(&request,)), |intake| check(intake))
    }

    /// Finds what people said to tasks. Remarks come within the contract's limits.
    pub async fn feedback(&self, request: FeedbackRequest) -> Result<Answer<FeedbackPage>, CallError> {
        let face = self.face_as(Kind::TaskSource)?;
        let exports = face.loaded.exports.task_source.as_ref().ok_or_else(|| face.wrong_kind(Kind::TaskSource))?;
        let mut call = face.begin(Function::Feedback).await?;
        let outcome = call
            .watch()
            .run(async {
                let instance = call.instantiate().await?;
                let source = exports.load(&mut call.store, &instance)?;
                source.call_feedback(&mut call.store, &request).await
            })
            .await;
        call.end(
            outcome,
            || json::value(&(&request,)),
            |page| {
                fit_remarks(&mut page.remarks)?;
                draft::check_cursor(page.cursor.as_ref())
            },
        )
    }

    /// Reads a webhook delivery, whose signature is checked. Fails with `denied` where the operator has not granted
    /// deliveries.
    pub async fn receive(&self, delivery: Delivery) -> Result<Answer<Receipt>, CallError> {
        let face = self.face_as(Kind::TaskSource)?;
        let exports = face.loaded.exports.task_source.as_ref().ok_or_else(|| face.wrong_kind(Kind::TaskSource))?;
        face.caller.rights.webhook().map_err(CallError::Plugin)?;
        let mut call = face.begin(Function::Receive).await?;
        let outcome = call
            .watch()
            .run(async {
                let instance = call.instantiate().await?;
                let source = exports.load(&mut call.store, &instance)?;
                let mut receipt = source.call_receive(&mut call.store, &delivery).await?;
                if let Ok(receipt) = &mut receipt {
                    keep_usable(call.store.data(), &mut receipt.items);
                }
                Ok(receipt)
            })
            .await;
        call.end(
            outcome,
            || json::value(&(&delivery,)),
            |receipt| {
                check_count(receipt.items.len())?;
                fit_remarks(&mut receipt.remarks)
            },
        )
    }

    /// Tells of a change; the answer is what to write on the forge.
    pub async fn report(&self, update: Update) -> Result<Answer<Vec<Edit>>, CallError> {
        let face = self.face_as(Kind::TaskSource)?;
        let exports = face.loaded.exports.task_source.as_ref().ok_or_else(|| face.wrong_kind(Kind::TaskSource))?;
        let mut call = face.begin(Function::Report).await?;
        let outcome = call
            .watch()
            .run(async {
                let instance = call.instantiate().await?;
                let source = exports.load(&mut call.store, &instance)?;
                source.call_report(&mut call.store, &update).await
            })
            .await;
        call.end(outcome, || json::value(&(&update,)), |_| Ok(()))
    }
}

fn keep_usable(state: &State, items: &mut Vec<Item>) {
    items.retain_mut(|item| match item {
        Item::Work(work) => draft::fit(state, work),
        Item::Withdrawn(withdrawal) => draft::has_key(state, &withdrawal.key),
    });
}

fn check(intake: &Intake) -> Result<(), String> {
    check_count(intake.items.len())?;
    if intake.complete && intake.more {
        return Err("it says both that this is all (`complete`) and that there is more (`more`)".into());
    }
    draft::check_cursor(intake.cursor.as_ref())
}

fn check_count(items: usize) -> Result<(), String> {
    if items <= draft::ITEMS {
        return Ok(());
    }
    Err(format!("{items} items at once, and {} are allowed; it should use `more`", draft::ITEMS))
}

/// Cuts the texts; too many remarks at once are a fault.
fn fit_remarks(remarks: &mut [Remark]) -> Result<(), String> {
    remarks.iter_mut().for_each(|it| draft::fit_comment(&mut it.comment));
    check_count(remarks.len())
}
