//! Why a program is not in the toolbox.

use std::{io, path::PathBuf};

/// Why nothing was installed. Texts are for people; [`Error::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{release:?} names no release that agentd knows how to fetch: {what}")]
    Release { release: String, what: &'static str },
    #[error("{release} cannot be installed: {what}")]
    Unsupported { release: String, what: String },
    #[error("there is no {tool} for this kind of machine ({arch})")]
    Machine { tool: String, arch: &'static str },
    #[error("the registry {registry} has no package {package}")]
    NoPackage { registry: String, package: String },
    #[error("the package {package} has no version {version}")]
    NoVersion { package: String, version: String, newest: Option<String> },
    /// No answer, or one that a package registry would not give.
    #[error("{url} cannot be fetched: {what}")]
    Registry { url: String, what: String, hint: Option<String> },
    /// What came is not what the registry, the plugin or the first installation said it is.
    #[error("the archive of {release} is not the one that the registry describes: its {kind} is {found}, not {told}")]
    Integrity { release: String, kind: &'static str, told: String, found: String },
    #[error("the archive of {release} is not the one that is pinned: its SHA-256 is {found}, not {pinned}")]
    OtherDigest { release: String, pinned: String, found: String },
    #[error("the archive of {release} cannot be unpacked: {what}")]
    Archive { release: String, what: String },
    #[error("{} is not what agentd writes there: {what}", path.display())]
    Record { path: PathBuf, what: String },
    #[error("{doing} {} failed: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl Error {
    /// What to do.
    #[must_use]
    pub(crate) fn hint(&self) -> String {
        match self {
            Error::Release { .. } | Error::Unsupported { .. } => {
                "install it in the image yourself, and use the plugin `command`".into()
            }
            Error::Machine { .. } => "use another agent, or an image that has it with the plugin `command`".into(),
            Error::NoPackage { .. } => "see [registries] npm in the configuration: does that registry have it?".into(),
            Error::NoVersion { newest: Some(newest), .. } => format!("the newest is {newest}: --version {newest}"),
            Error::NoVersion { newest: None, .. } => "name another with --version".into(),
            Error::Registry { hint: Some(hint), .. } => hint.clone(),
            Error::Registry { hint: None, .. } => {
                "is this machine offline? [network] proxy names a proxy, [registries] npm another registry".into()
            }
            Error::Integrity { .. } => "try again; if it stays so, do not use that registry".into(),
            Error::OtherDigest { .. } => {
                "somebody replaced a published package: do not use it, and take another version with --version".into()
            }
            Error::Archive { .. } => "take another version with --version".into(),
            Error::Record { path, .. } => format!("rm {}, and install again", path.display()),
            Error::Io { .. } => "check the home folder's owner, its mode and the free space".into(),
        }
    }

    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { doing, path, source }
    }
}

/// An agent's program is not there: a person has to install it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Missing {
    /// The program's name.
    pub(crate) tool: String,
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: String,
}

impl Missing {
    /// The same for an agent of that name, which people know better than its program.
    #[must_use]
    pub(crate) fn of_agent(self, agent: &str) -> Missing {
        let own = format!("agentd toolbox install {}", self.tool);
        if self.hint != own {
            return self;
        }
        Missing { hint: format!("agentd toolbox install {agent}"), ..self }
    }

    pub(super) fn because(tool: &str, error: &Error) -> Missing {
        Missing { tool: tool.to_owned(), what: error.to_string(), hint: error.hint() }
    }
}
