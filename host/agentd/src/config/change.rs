//! What differs between two configurations, key by key, and what of it cannot hold before a restart.
//!
//! Of a secret it says that it changed, and nothing else.

use super::{Config, Shown};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};

/// What holds from the start on: sections, and single keys. Everything else can change while agentd runs.
const AT_START: [&str; 9] = [
    "home",
    "sandbox.executor",
    "sandbox.socket",
    "github.token",
    "github.app",
    "github.url",
    "network",
    "plugins.folder",
    "registries",
];

/// A value that is another one than before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    /// With its sections, as in `limits.concurrent`.
    pub(crate) key: String,
    /// Null: it had none.
    pub(crate) old: Value,
    pub(crate) new: Value,
    /// The secret behind the reference is another one. Neither of the two is in here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) secret: bool,
}

impl Change {
    /// Whether it waits for a restart.
    #[must_use]
    pub(crate) fn waits(&self) -> bool {
        let below = |of: &str| self.key.strip_prefix(of).is_some_and(|it| it.is_empty() || it.starts_with('.'));
        AT_START.into_iter().any(below)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { key, old, new, secret } = self;
        match (old, new) {
            _ if *secret && old == new => write!(f, "{key}: another secret"),
            (Value::Null, new) => write!(f, "{key} = {new}"),
            (_, Value::Null) => write!(f, "{key} is gone"),
            (old, new) => write!(f, "{key} = {new} (was {old})"),
        }
    }
}

/// What goes from one configuration to the other, in the order of the keys.
#[must_use]
pub(crate) fn changes(before: &[Shown], after: &[Shown]) -> Vec<Change> {
    fn by_key(shown: &[Shown]) -> BTreeMap<&str, &Shown> {
        shown.iter().map(|it| (it.key.as_str(), it)).collect()
    }
    let (before, after) = (by_key(before), by_key(after));
    let keys: std::collections::BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let change = |key: &str| {
        let (old, new) = (before.get(key), after.get(key));
        let secret = old.and_then(|it| it.secret) != new.and_then(|it| it.secret);
        let value = |it: Option<&&Shown>| it.map_or(json!(null), |it| it.value.clone());
        let (old, new) = (value(old), value(new));
        (secret || old != new).then(|| Change { key: key.into(), old, new, secret })
    };
    keys.into_iter().filter_map(change).collect()
}

impl Config {
    /// This configuration as far as it can hold in a daemon that was started with another: what counts from the start on
    /// is the other's.
    #[must_use]
    pub(crate) fn held_to(&self, started: &Config) -> Config {
        let mut held = self.clone();
        held.home.clone_from(&started.home);
        held.sandbox.executor = started.sandbox.executor;
        held.sandbox.socket.clone_from(&started.sandbox.socket);
        held.network = started.network.clone();
        held.registries = started.registries.clone();
        held.plugins.clone_from(&started.plugins);
        match (&mut held.github, &started.github) {
            (Some(new), Some(started)) => {
                new.auth = started.auth.clone();
                new.url.clone_from(&started.url);
            }
            // Without access, what is there waits as well.
            (github @ Some(_), None) => {
                *github = None;
                held.repositories.retain(|_, it| !it.on_github());
            }
            (github @ None, Some(started)) => {
                *github = Some(super::GitHub { repositories: vec![], ..started.clone() });
            }
            (None, None) => {}
        }
        held
    }
}
