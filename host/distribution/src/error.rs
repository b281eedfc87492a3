//! Why a plugin did not come, or did not go.

use std::{io, path::PathBuf};

/// Variants are the branches a caller takes; texts are for people, name no query of a URL and hold no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was named is no source.
    #[error(
        "`{source_text}` is no source of plugins: {what}\nhint: one is PATH, https://HOST/FILE.wasm or oci://HOST/NAME:TAG"
    )]
    Source { source_text: String, what: String },
    /// The other side did not give it, or did not take it.
    #[error("{place}: {what}{}", hint.as_ref().map(|it| format!("\nhint: {it}")).unwrap_or_default())]
    Remote { place: String, what: String, hint: Option<String> },
    #[error("{place}: it is larger than {limit} bytes, the most that is taken")]
    TooLarge { place: String, limit: u64 },
    /// What came is not what was named, or not whole.
    #[error(
        "{place}: what came is {found}, and not {told}; nothing was installed\nhint: the other side, or somebody between, gives out something else"
    )]
    Digest { place: String, told: String, found: String },
    #[error("{place}: {what}")]
    NotWasm { place: String, what: String },
    /// It has to be signed, and is not, or not by that key.
    #[error("{place}: {what}; nothing was installed\nhint: {hint}")]
    Signature { place: String, what: String, hint: String },
    #[error("{0}")]
    Key(String),
    /// The lock file is no lock file. It is never overwritten then.
    #[error("{}: {what}\nhint: move it away, and `agentd plugin install` each source again", path.display())]
    Lock { path: PathBuf, what: String },
    #[error("`{0}` is not a name that a plugin's file can have: small letters, digits and `-`")]
    Name(String),
    /// There is another file of that name.
    #[error("{}: {what}\nhint: {hint}", path.display())]
    Taken { path: PathBuf, what: String, hint: String },
    #[error(
        "no plugin `{0}` was installed here\nhint: `agentd plugin list` shows what is there; a file that was copied into the folder is removed by hand"
    )]
    NotInstalled(String),
    #[error("{doing} {} failed: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The options of the network do not work.
    #[error("{0}")]
    Network(String),
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { doing, path, source }
    }

    pub(crate) fn remote(place: impl Into<String>, what: impl Into<String>) -> Error {
        Error::Remote { place: place.into(), what: what.into(), hint: None }
    }

    /// What the way out says, with its hint where it has one.
    pub(crate) fn egress(place: impl Into<String>, error: &agentd_egress::Error) -> Error {
        let text = error.to_string();
        let (what, hint) = match text.split_once("\nhint: ") {
            Some((what, hint)) => (what.to_owned(), Some(hint.to_owned())),
            None => (text, None),
        };
        Error::Remote { place: place.into(), what, hint }
    }
}
