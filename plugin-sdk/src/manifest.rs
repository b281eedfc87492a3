//! Who a plugin is, what it can be told, and what it wants: the part that every plugin has.

use crate::bindings::manifest::exports::agentd::plugin::manifest::Guest;
pub use crate::bindings::manifest::exports::agentd::plugin::manifest::{
    Attachment, Credential, Description, DirectoryWant, ForgeWant, HttpWant, MailWant, ModelWant, OtherWant, Problem,
    RepositoryWant, Want, WebhookWant,
};

/// A plugin, whatever its kinds.
pub trait Plugin {
    /// Says who the plugin is. Only `wants` may depend on the settings: JSON text, perhaps incomplete, `{}` when the
    /// file is first looked at. No host function but the log works in here.
    fn describe(settings: &str) -> Description;

    /// Checks settings (JSON text that fits the schema, defaults filled in) for what a schema cannot say. Every
    /// problem at once; empty: all is well. No host function but the log works in here.
    fn check(_settings: &str) -> Vec<Problem> {
        vec![]
    }
}

impl<T: Plugin> Guest for T {
    fn describe(settings: String) -> Description {
        <T as Plugin>::describe(&settings)
    }

    fn check(settings: String) -> Vec<Problem> {
        <T as Plugin>::check(&settings)
    }
}

impl Problem {
    /// A problem with the value that a JSON pointer names (`/states/done`); empty: with the settings as a whole.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { pointer: pointer.into(), message: message.into(), extra: vec![] }
    }
}

/// Compiles for plugins only.
#[doc(hidden)]
pub const fn implemented<T: Plugin>() {}
