//! Which image a run works in: one that is named, or what to build it from, as the base commit has it.
//!
//! - Everything is read from the host's mirror at one commit. What an agent wrote is never looked at, and nothing of the
//!   files that nobody committed.
//! - A build's name follows from its content, so that the same base commit is built once.
//! - Never asks an engine for anything, and never unpacks anything.

mod devcontainer;
mod source;

use crate::git::Mirror;
use agentd_task::Failure;
use source::Source;
use std::path::{Path, PathBuf};

/// What the configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An image by its name.
    Named(String),
    /// The repository's own Dockerfile, up to a stage or to its end.
    Dockerfile { path: String, target: Option<String> },
    /// What the repository's `devcontainer.json` says.
    Devcontainer,
}

impl Wanted {
    /// `dockerfile`, `dockerfile:STAGE`, `dockerfile:PATH`, `dockerfile:PATH:STAGE` and `devcontainer` are words; all
    /// else is a name. What looks like a path (a slash, a dot, or `Dockerfile` in it) is no stage.
    pub(crate) fn parse(text: &str) -> Wanted {
        let text = text.trim();
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let of = |path: &str, target: &str| Wanted::Dockerfile {
            path: filled(path).unwrap_or_else(|| "Dockerfile".into()),
            target: filled(target),
        };
        let is_path = |it: &str| it.contains(['/', '.']) || it.to_ascii_lowercase().contains("dockerfile");
        match (text, text.strip_prefix("dockerfile:")) {
            ("devcontainer", _) => Wanted::Devcontainer,
            ("dockerfile", _) => of("", ""),
            (_, Some(rest)) => match rest.rsplit_once(':') {
                Some((path, target)) => of(path, target),
                None if is_path(rest) => of(rest, ""),
                None => of("", rest),
            },
            (name, None) => Wanted::Named(name.into()),
        }
    }
}

/// Whether a configured image is no image's name: it is built from the repository, or the repository names it.
#[must_use]
pub fn is_built(image: &str) -> bool {
    !matches!(Wanted::parse(image), Wanted::Named(_))
}

/// What is to be done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Named(String),
    Build {
        /// `agentd-image:` and the hash of what it is made from, all of it: an image that is there is taken as it is, so
        /// nobody must be able to make one of another repository's name.
        tag: String,
        /// A tar file.
        context: PathBuf,
        /// Its path in the context.
        dockerfile: String,
        target: Option<String>,
        args: Vec<(String, String)>,
    },
}

/// Finds out what to do. A context is written below `into`, which is this run's own; what was there is replaced.
///
/// # Errors
/// [`agentd_task::Reason::Image`] if the commit has not what is asked for, or agentd does not do what it says.
pub(crate) async fn plan(wanted: &Wanted, mirror: &Mirror, commit: &str, into: &Path) -> Result<Plan, Failure> {
    let source = Source { mirror, commit };
    let recipe = match wanted {
        Wanted::Named(name) => return Ok(Plan::Named(name.clone())),
        Wanted::Dockerfile { path, target } => {
            let dockerfile = source::inside("", path).map_err(source::refuse)?;
            Recipe { folder: String::new(), dockerfile, target: target.clone(), args: Vec::new() }
        }
        Wanted::Devcontainer => match devcontainer::read(&source).await? {
            devcontainer::Says::Image(name) => return Ok(Plan::Named(name)),
            devcontainer::Says::Build(recipe) => recipe,
        },
    };
    let made = source.pack(&recipe, into).await?;
    Ok(Plan::Build {
        tag: format!("agentd-image:{}", made.hash),
        context: made.context,
        dockerfile: made.dockerfile,
        target: recipe.target,
        args: recipe.args,
    })
}

/// What an image is built from. Paths are from the repository's root, and lead nowhere else.
#[derive(Debug, PartialEq, Eq)]
struct Recipe {
    /// What `COPY` sees; empty: all of it.
    folder: String,
    dockerfile: String,
    target: Option<String>,
    args: Vec<(String, String)>,
}

#[cfg(test)]
mod tests;
