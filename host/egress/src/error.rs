//! Why a request was not sent, or has no answer.

use std::time::Duration;

/// Why there is no answer. Variants are the branches a caller takes; the texts are for people and contain no query, no
/// header, no body and no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No rule covers it, or the credential may not be used there.
    #[error("`{caller}` may not send {method} to {url}: {why}\nhint: {hint}")]
    Denied {
        caller: String,
        method: String,
        /// Without the query.
        url: String,
        why: String,
        /// What would allow it.
        hint: String,
    },
    /// The address is no public one, and the operator did not allow its network.
    #[error(
        "{host} was not called for `{caller}`: its address {address} is {why}\n\
         hint: this line in the configuration allows it: [network] private = [\"{address}/{}\"]",
        if address.is_ipv4() { 32 } else { 128 }
    )]
    Address { caller: String, host: String, address: std::net::IpAddr, why: &'static str },
    /// The request is none that could be sent.
    #[error("the request of `{caller}` cannot be sent: {why}")]
    Invalid { caller: String, why: String },
    /// No connection, no such name; and, where the whole answer is waited for, broken off or too slow. The same may be
    /// tried again.
    #[error("{host} did not answer: {why}")]
    Unavailable { caller: String, host: String, why: String },
    /// Connected, and then the answer did not begin in time.
    #[error("{host} did not begin to answer within {} s", after.as_secs())]
    Silent { caller: String, host: String, after: Duration },
    /// The answer began, and then nothing more of it came for too long.
    #[error("the answer of {host} stalled: nothing more of it came within {} s", after.as_secs())]
    Stalled { caller: String, host: String, after: Duration },
    /// The connection ended before the answer did.
    #[error("the answer of {host} was cut off: {why}")]
    Cut { caller: String, host: String, why: String },
    /// The request's body or the answer is larger than is taken.
    #[error("the {what} of `{caller}` with {host} is larger than {limit} bytes")]
    TooLarge { caller: String, host: String, what: &'static str, limit: usize },
    /// What the caller wrote contains a secret of the operator's.
    #[error(
        "the request of `{caller}` was not sent: its {part} contains a secret of the configuration\n\
         hint: name the credential instead, and the secret is attached where it belongs"
    )]
    SecretInRequest { caller: String, part: &'static str },
    /// The server repeated a secret, and the caller must not see it.
    #[error("the answer of {host} was not handed to `{caller}`: it contains a secret of the configuration")]
    SecretInAnswer { caller: String, host: String },
    /// There is no access token for the credential (OAuth 2).
    #[error(
        "the request of `{caller}` was not sent: the credential `{credential}` has no access token: {host} {why}\nhint: {hint}"
    )]
    Token {
        caller: String,
        credential: String,
        /// Of the token's URL.
        host: String,
        why: String,
        hint: String,
    },
    /// The configuration of this room does not work.
    #[error("{0}")]
    Options(String),
}

impl Error {
    /// One word for the audit line.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Error::Denied { .. } => "denied",
            Error::Address { .. } => "address",
            Error::Invalid { .. } => "invalid",
            Error::Unavailable { .. } => "unavailable",
            Error::Silent { .. } => "silent",
            Error::Stalled { .. } => "stalled",
            Error::Cut { .. } => "cut",
            Error::TooLarge { .. } => "too-large",
            Error::SecretInRequest { .. } => "secret-in-request",
            Error::SecretInAnswer { .. } => "secret-in-answer",
            Error::Token { .. } => "token",
            Error::Options(_) => "options",
        }
    }
}
