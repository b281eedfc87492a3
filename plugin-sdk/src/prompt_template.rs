//! Prompt templates: what the agent is told.

use crate::Error;
use crate::bindings::prompt_template::exports::agentd::prompt_template::prompt_template::Guest;
pub use crate::bindings::prompt_template::exports::agentd::prompt_template::prompt_template::{
    Failure, Part, Prompt, Quote, Request,
};
pub use crate::work::{Comment, Location, Person, Task, Thread};

/// A plugin that puts what is known about a task into words for the agent.
pub trait PromptTemplate {
    /// Makes the prompt of a run. The same request and settings give the same prompt. Untrusted text goes into
    /// [`Part::Quote`] only; the host refuses a prompt that has it elsewhere.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an unknown purpose: the host then asks for `execute`. With others the task waits.
    fn render(request: Request) -> Result<Prompt, Error>;
}

impl<T: PromptTemplate> Guest for T {
    fn render(request: Request) -> Result<Prompt, Error> {
        <T as PromptTemplate>::render(request)
    }
}

/// Compiles for prompt templates only.
#[doc(hidden)]
pub const fn implemented<T: PromptTemplate>() {}
