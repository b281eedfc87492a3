//! What is in force, value by value, and where each comes from: `agentd config show`.
//!
//! Of a secret only its reference is in here, and a fingerprint that tells one value from another.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// One value that is in force.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shown {
    /// With its sections, as in `limits.concurrent`.
    pub(crate) key: String,
    /// As it would be written; a secret is shown as its reference.
    pub(crate) value: serde_json::Value,
    pub(crate) origin: Origin,
    /// Of the value behind the reference; none: it is no secret.
    #[serde(skip)]
    pub(crate) secret: Option<Fingerprint>,
}

/// Tells whether a secret is the same as before. Never shown, never stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(secret: &SecretString) -> Fingerprint {
        Fingerprint(Sha256::digest(secret.expose_secret()).into())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A key that the files set, and that something else is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shadowed {
    pub(crate) key: String,
    /// As in `option --home`.
    pub(crate) by: String,
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
