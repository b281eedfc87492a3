//! What is in force, value by value, and where each comes from: `agentd config show`.

use serde::Serialize;
use std::fmt;

/// One value that is in force.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shown {
    /// With its sections, as in `limits.concurrent`.
    pub(crate) key: String,
    /// As it would be written; a secret is shown as its reference.
    pub(crate) value: serde_json::Value,
    pub(crate) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    /// `file:line`.
    File(String),
    /// The variable's name.
    Environment(&'static str),
    /// The option's name.
    CommandLine(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(place) => f.write_str(place),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::CommandLine(name) => write!(f, "option {name}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
