//! What happens to plugins, for the event log.
//!
//! A piece of news is made here and stored by the daemon, which gets it by [`crate::Host::news`]. Its text is for
//! people and can be read alone; nothing of an entry's settings is ever in it.

use serde_json::Value;

/// Something that happened to a plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    pub plugin: String,
    pub what: What,
    /// For people.
    pub text: String,
    /// For programs: digests, generation, entry, whatever belongs to it.
    pub data: Value,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It serves, and nothing of its name did before.
    Loaded,
    /// Another version took the place of the one that served.
    Swapped,
    /// It waits for a person's word; what served before still does.
    Held,
    /// Its file cannot be used.
    Refused,
    /// Its file is gone, and nothing of its name serves now.
    Removed,
    /// Its file is gone, and the shipped plugin of this name serves again.
    Restored,
    /// The version before is back.
    RolledBack,
    /// An entry failed too often and rests.
    Opened,
    /// A resting entry is tried again.
    HalfOpen,
    /// A resting entry works again.
    Closed,
    /// A dropped file was compiled.
    Compiled,
}

impl What {
    /// The word in the event log, after `plugin.`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            What::Loaded => "loaded",
            What::Swapped => "swapped",
            What::Held => "held",
            What::Refused => "refused",
            What::Removed => "removed",
            What::Restored => "restored",
            What::RolledBack => "rolled-back",
            What::Opened => "opened",
            What::HalfOpen => "half-open",
            What::Closed => "closed",
            What::Compiled => "compiled",
        }
    }
}
