//! Task sources: what is work, and how its progress is told to where it came from.

use crate::Error;
use crate::bindings::task_source::exports::agentd::task_source::task_source::Guest;
pub use crate::bindings::task_source::exports::agentd::task_source::task_source::{
    Command, Delivery, FeedbackPage, FeedbackRequest, Intake, Item, PollRequest, Receipt, Remark, Target, Update,
    Withdrawal,
};
pub use crate::work::{Comment, Draft, Edit, Location, Person, Task, Thread};

/// A plugin that finds work.
pub trait TaskSource {
    /// Finds work. Give the same draft for the same work: what changed is found by comparing. To skip one bad item,
    /// log it and go on.
    ///
    /// # Errors
    /// Nothing is stored then, and the cursor stays.
    fn poll(request: PollRequest) -> Result<Intake, Error>;

    /// Finds what people said to tasks. Unless overridden: nothing.
    ///
    /// # Errors
    /// As in `poll`.
    fn feedback(_request: FeedbackRequest) -> Result<FeedbackPage, Error> {
        Ok(FeedbackPage::default())
    }

    /// Reads a webhook delivery. Only for plugins that want `webhook`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless overridden.
    fn receive(delivery: Delivery) -> Result<Receipt, Error> {
        Err(Error::Unsupported(format!("this source takes no webhooks (got delivery {})", delivery.id)))
    }

    /// Tells of a change to where the work came from. Unless overridden: tells nobody.
    ///
    /// # Errors
    /// [`Error::Conflict`] and [`Error::NotFound`] before a run withdraw the task; others are repeated.
    fn report(_update: Update) -> Result<Vec<Edit>, Error> {
        Ok(vec![])
    }
}

impl<T: TaskSource> Guest for T {
    fn poll(request: PollRequest) -> Result<Intake, Error> {
        <T as TaskSource>::poll(request)
    }

    fn feedback(request: FeedbackRequest) -> Result<FeedbackPage, Error> {
        <T as TaskSource>::feedback(request)
    }

    fn receive(delivery: Delivery) -> Result<Receipt, Error> {
        <T as TaskSource>::receive(delivery)
    }

    fn report(update: Update) -> Result<Vec<Edit>, Error> {
        <T as TaskSource>::report(update)
    }
}

/// Compiles for task sources only.
#[doc(hidden)]
pub const fn implemented<T: TaskSource>() {}
