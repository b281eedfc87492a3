//! Issues and what they have in common with pull requests: words, labels, people, and the history of all of them.

use super::pull::Pull;

/// An issue, or a pull request where `pull` is there.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) id: u64,
    pub(crate) number: u32,
    pub(crate) author: String,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) open: bool,
    /// `completed`, `not_planned`, `duplicate` or `reopened`.
    pub(crate) reason: Option<String>,
    pub(crate) closed_at: Option<i64>,
    pub(crate) closed_by: Option<String>,
    /// Ids.
    pub(crate) labels: Vec<u64>,
    pub(crate) assignees: Vec<String>,
    pub(crate) milestone: Option<u32>,
    pub(crate) locked: bool,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) events: Vec<Event>,
    /// Of the body; GitHub keeps the title's among the events.
    pub(crate) edits: Vec<Edit>,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) pull: Option<Pull>,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) actor: String,
    pub(crate) at: i64,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Labeled(String),
    Unlabeled(String),
    Renamed { from: String, to: String },
    Closed { reason: Option<String>, commit: Option<String> },
    Reopened,
    Assigned(String),
    Unassigned(String),
    ReviewRequested(String),
    ReviewRequestRemoved(String),
    Merged(String),
    ReadyForReview,
    ConvertedToDraft,
    HeadRefDeleted,
}

#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) id: u64,
    pub(crate) by: String,
    pub(crate) at: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Reaction {
    pub(crate) id: u64,
    pub(crate) by: String,
    pub(crate) content: String,
    pub(crate) at: i64,
}

/// A comment of a thread, or of lines in a pull request where `place` is there.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) number: u32,
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) place: Option<Place>,
}

/// The line that a review comment is about.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) commit: String,
    pub(crate) review: u64,
    pub(crate) reply_to: Option<u64>,
}

impl What {
    /// The REST name.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            What::Labeled(_) => "labeled",
            What::Unlabeled(_) => "unlabeled",
            What::Renamed { .. } => "renamed",
            What::Closed { .. } => "closed",
            What::Reopened => "reopened",
            What::Assigned(_) => "assigned",
            What::Unassigned(_) => "unassigned",
            What::ReviewRequested(_) => "review_requested",
            What::ReviewRequestRemoved(_) => "review_request_removed",
            What::Merged(_) => "merged",
            What::ReadyForReview => "ready_for_review",
            What::ConvertedToDraft => "convert_to_draft",
            What::HeadRefDeleted => "head_ref_deleted",
        }
    }
}

impl Thread {
    /// The event is part of the thread's history from now on.
    pub(crate) fn note(&mut self, id: u64, actor: &str, at: i64, what: What) {
        self.events.push(Event { id, actor: actor.to_owned(), at, what });
        self.updated_at = self.updated_at.max(at);
    }
}
