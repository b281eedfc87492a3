//! Notifiers: who hears of what.

use crate::Error;
use crate::bindings::notifier::exports::agentd::notifier::notifier::Guest;
pub use crate::bindings::notifier::exports::agentd::notifier::notifier::{Event, Message, Severity};
pub use crate::work::{Edit, Task};

/// A plugin that tells people.
pub trait Notifier {
    /// Tells people. At least once for each message: `message.id` is the same in each repetition. What is to be
    /// written on the forge is returned, and done by the host exactly once.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::RateLimited`] and [`Error::Other`] are repeated for a day; others give the
    /// message up.
    fn notify(message: Message) -> Result<Vec<Edit>, Error>;
}

impl<T: Notifier> Guest for T {
    fn notify(message: Message) -> Result<Vec<Edit>, Error> {
        <T as Notifier>::notify(message)
    }
}

/// Compiles for notifiers only.
#[doc(hidden)]
pub const fn implemented<T: Notifier>() {}
