//! Why no door was opened.

use std::{io, path::PathBuf};

/// Why the gateway, or a door of it, does not work. Says nothing of single requests: those are answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An endpoint needs an account that is not configured.
    #[error(
        "there is no account `{account}` for the endpoint `{endpoint}`\n\
         hint: these lines in the configuration make one: [accounts.{account}] provider = \"anthropic\", key = \"…\""
    )]
    Account { endpoint: String, account: String },
    /// The account's provider speaks none of the languages that the agent speaks.
    #[error(
        "the account `{account}` speaks {offered}, and the agent wants {wanted} at its endpoint `{endpoint}`\n\
         hint: give the agent an account of another provider"
    )]
    Api { endpoint: String, account: String, offered: String, wanted: String },
    /// The endpoint's name cannot stand in a URL, or is there twice.
    #[error("`{0}` cannot be an endpoint's name: it has to be 1 to 64 letters, digits, `-` and `_`, and be there once")]
    Name(String),
    /// The socket could not be made.
    #[error("cannot listen in {}: {source}", folder.display())]
    Listen { folder: PathBuf, source: io::Error },
    /// There is no loopback listener in the options, or it failed.
    #[error("there is no loopback listener: {0}")]
    Loopback(String),
    /// A price is none.
    #[error("[prices.{pattern:?}]: {why}")]
    Price { pattern: String, why: String },
}
