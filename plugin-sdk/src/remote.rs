//! Agents that work somewhere else, reached by HTTP.

use crate::Error;
pub use crate::activity::{Conclusion, Event, Happening, Outcome, Run};
use crate::bindings::remote::exports::agentd::agent::remote::Guest;
pub use crate::bindings::remote::exports::agentd::agent::remote::{Origin, Status, Work};

/// A platform that takes jobs. Each call gets a fresh instance.
pub trait Remote {
    /// Gives a run to the platform: returns the job's id. Repeated with the same `run.id`: use it as an idempotency
    /// key.
    ///
    /// # Errors
    /// As the error's case says.
    fn submit(run: Run, origin: Origin) -> Result<String, Error>;

    /// Asks how the job stands, until there is a conclusion.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the job is lost.
    fn follow(job: String, cursor: Option<String>) -> Result<Status, Error>;

    /// Fetches what was made, once it is completed.
    ///
    /// # Errors
    /// As the error's case says.
    fn fetch(job: String) -> Result<Work, Error>;

    /// Stops the job; fine if it is over.
    ///
    /// # Errors
    /// As the error's case says.
    fn cancel(job: String) -> Result<(), Error>;
}

impl<T: Remote> Guest for T {
    fn submit(run: Run, origin: Origin) -> Result<String, Error> {
        <T as Remote>::submit(run, origin)
    }

    fn follow(job: String, cursor: Option<String>) -> Result<Status, Error> {
        <T as Remote>::follow(job, cursor)
    }

    fn fetch(job: String) -> Result<Work, Error> {
        <T as Remote>::fetch(job)
    }

    fn cancel(job: String) -> Result<(), Error> {
        <T as Remote>::cancel(job)
    }
}

/// Compiles for remote agents only.
#[doc(hidden)]
pub const fn implemented<T: Remote>() {}
