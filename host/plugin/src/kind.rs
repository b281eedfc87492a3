//! What a plugin can be.

use serde::{Serialize, Serializer};
use std::fmt;

/// A kind of plugin. A component is of every kind whose interface it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    TaskSource,
    Analyzer,
    Prioritizer,
    PromptTemplate,
    Notifier,
    Agent,
    /// An agent on a platform somewhere else. This version lists such plugins and does not call them.
    Remote,
}

impl Kind {
    pub const ALL: [Kind; 7] = [
        Kind::TaskSource,
        Kind::Analyzer,
        Kind::Prioritizer,
        Kind::PromptTemplate,
        Kind::Notifier,
        Kind::Agent,
        Kind::Remote,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::TaskSource => "task-source",
            Kind::Analyzer => "analyzer",
            Kind::Prioritizer => "prioritizer",
            Kind::PromptTemplate => "prompt-template",
            Kind::Notifier => "notifier",
            Kind::Agent => "agent",
            Kind::Remote => "remote",
        }
    }

    /// As in `not a notifier but …`.
    pub(crate) fn with_article(self) -> &'static str {
        match self {
            Kind::TaskSource => "a task-source",
            Kind::Analyzer => "an analyzer",
            Kind::Prioritizer => "a prioritizer",
            Kind::PromptTemplate => "a prompt-template",
            Kind::Notifier => "a notifier",
            Kind::Agent => "an agent",
            Kind::Remote => "a remote agent",
        }
    }

    /// The interface that makes a component one, without its version.
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Kind::TaskSource => "agentd:task-source/task-source",
            Kind::Analyzer => "agentd:analyzer/analyzer",
            Kind::Prioritizer => "agentd:prioritizer/prioritizer",
            Kind::PromptTemplate => "agentd:prompt-template/prompt-template",
            Kind::Notifier => "agentd:notifier/notifier",
            Kind::Agent => "agentd:agent/agent",
            Kind::Remote => "agentd:agent/remote",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
