//! What was asked: counts, writes in their order, and everything that was not as GitHub has it.

use crate::fault::Name;
use crate::limit::Resource;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A request that may have changed something, in the order in which they ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// `PUSH` for git's.
    pub method: String,
    /// The route of the API, `graphql`, or `git`.
    pub route: String,
    /// As it was asked for; the refs of a push.
    pub path: String,
    /// The login; empty for an App itself or nobody.
    pub actor: String,
    /// What GitHub made of it, which a fault may have kept from the program; 0: a fault came before the effect.
    pub status: u16,
}

/// Requests since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Points that counted against a limit: `core`, `search`, `graphql`.
    pub points: BTreeMap<String, u64>,
    /// By method and route, `GET /repos/{owner}/{repo}`; git's as `git push`, `git fetch`.
    pub requests: BTreeMap<String, u64>,
    /// Answered by 304, which costs nothing.
    pub not_modified: u64,
    /// Refused because a limit was spent, planned secondary limits included.
    pub refused: u64,
}

#[derive(Default)]
pub(crate) struct Journal {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    usage: Usage,
    writes: Vec<Write>,
    violations: Vec<String>,
    /// How many of them a test has looked at.
    looked_at: usize,
}

impl Journal {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn asked(&self, name: &Name) {
        *self.inner().usage.requests.entry(name.to_string()).or_default() += 1;
    }

    pub(crate) fn counted(&self, resource: Resource) {
        *self.inner().usage.points.entry(resource.as_str().to_owned()).or_default() += 1;
    }

    pub(crate) fn not_modified(&self) {
        self.inner().usage.not_modified += 1;
    }

    pub(crate) fn refused(&self) {
        self.inner().usage.refused += 1;
    }

    pub(crate) fn wrote(&self, write: Write) {
        self.inner().writes.push(write);
    }

    pub(crate) fn violation(&self, text: String) {
        self.inner().violations.push(text);
    }

    pub(crate) fn usage(&self) -> Usage {
        self.inner().usage.clone()
    }

    pub(crate) fn writes(&self) -> Vec<Write> {
        self.inner().writes.clone()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        let mut inner = self.inner();
        inner.looked_at = inner.violations.len();
        inner.violations.clone()
    }

    /// Those that no test has looked at.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let inner = self.inner();
        inner.violations[inner.looked_at..].to_vec()
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Api { method, route } => write!(f, "{method} {route}"),
            Name::Graphql { mutation: true } => f.write_str("graphql mutation"),
            Name::Graphql { mutation: false } => f.write_str("graphql query"),
            Name::GitPush => f.write_str("git push"),
            Name::GitFetch => f.write_str("git fetch"),
            Name::GitOther => f.write_str("git"),
        }
    }
}
