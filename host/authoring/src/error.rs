//! What can go wrong for an author, in words that end with what to do.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{doing} {}: {source}", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// The folder is not one of a plugin, or its file is wrong.
    #[error("{}: {what}", path.display())]
    Project { path: PathBuf, what: String },
    #[error("there is already something at {}", .0.display())]
    Taken(PathBuf),
    #[error("{0}")]
    Name(String),
    #[error("agentd has no template for the kind {kind} in {language}: there are {known}")]
    NoTemplate { language: String, kind: String, known: String },
    #[error("the build needs the program `{program}`, which is not here")]
    Tool { program: String, install: String },
    #[error("`{command}` failed ({status}) in {}:\n{output}", folder.display())]
    Command { command: String, status: String, folder: PathBuf, output: String },
    #[error("the build made no {}", .0.display())]
    NoOutput(PathBuf),
    /// A core module that cannot become a component.
    #[error("{} cannot be made a component: {what}", path.display())]
    Encode { path: PathBuf, what: String },
    #[error("{}: {what}", path.display())]
    Case { path: PathBuf, what: String },
    #[error(transparent)]
    Plugin(#[from] agentd_plugin::Error),
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File { doing, path, source }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::File { .. } | Error::Plugin(_) | Error::NoTemplate { .. } => None,
            Error::Project { .. } => Some(
                "the folder of a plugin has agentd-plugin.toml with name, kinds, language, [build] commands and output; \
                 agentd plugin new NAME makes one"
                    .into(),
            ),
            Error::Taken(_) => Some("nothing was written; take another name, or another folder with --dir".into()),
            Error::Name(_) => Some("for example: agentd plugin new my-tracker --lang rust --kind task-source".into()),
            Error::Tool { install, .. } => Some(install.clone()),
            Error::Command { .. } => Some("nothing was copied; what served before still does".into()),
            Error::NoOutput(_) => Some("[build] output in agentd-plugin.toml says where the commands leave it".into()),
            Error::Encode { .. } => Some(
                "a core module needs the contract inside: link plugin_component_type.o, or keep wit/ beside it".into(),
            ),
            Error::Case { .. } => Some("agentd plugin test --record makes the answers and what is expected".into()),
        }
    }
}
