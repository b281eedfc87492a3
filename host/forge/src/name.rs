//! Names that come from outside and go to git: branches and commits, checked before anything is done with them.
//!
//! - Never asks a forge.

use crate::{Error, git::Git};

/// Whether agentd may write the branch: it stands below the prefix, and git takes it as a name.
pub(crate) async fn check_branch(git: &Git, prefix: &str, branch: &str) -> Result<(), Error> {
    if branch.strip_prefix(prefix).is_none_or(str::is_empty) {
        return Err(Error::OutsidePrefix { branch: branch.into(), prefix: prefix.into() });
    }
    if is_branch(git, branch).await? {
        return Ok(());
    }
    Err(Error::Invalid { what: "the branch to write", why: format!("`{branch}` is no name for a branch") })
}

/// Whether git takes it as the name of a branch, and of nothing else.
pub(crate) async fn is_branch(git: &Git, branch: &str) -> Result<bool, Error> {
    Ok(git.run(&["check-ref-format", &format!("refs/heads/{branch}")]).await?.success())
}

/// The prefix of branches is a folder.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), Error> {
    if prefix.ends_with('/') && prefix.len() > 1 {
        return Ok(());
    }
    let why = format!("`{prefix}` has to end with `/`");
    Err(Error::Invalid { what: "the prefix of branches", why })
}

/// A commit is always named in full: anything shorter could come to mean another one.
pub(crate) fn check_commit(commit: &str) -> Result<(), Error> {
    let hex = commit.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    if hex && matches!(commit.len(), 40 | 64) {
        return Ok(());
    }
    Err(Error::Invalid { what: "the commit", why: format!("`{commit}` is not a full object id") })
}
