//! Branches of the repository: where they are, whether somebody works on them, and how they move.

use super::LocalForge;
use crate::{
    Error, Pushed, git,
    name::{check_branch, check_commit},
};
use std::path::{Path, PathBuf};

/// How often a reference that others keep moving is tried.
pub(super) const TRIES: u32 = 20;

impl LocalForge {
    /// Where the branch is; `None`: there is no such branch.
    pub(super) async fn tip(&self, branch: &str) -> Result<Option<String>, Error> {
        self.reference(&format!("refs/heads/{branch}")).await
    }

    /// What the reference of exactly this name, which may come from other people, names.
    pub(super) async fn reference(&self, name: &str) -> Result<Option<String>, Error> {
        // Not `rev-parse`: it would also understand `main~3`, or `main@{yesterday}`.
        if self.git.run(&["check-ref-format", name]).await?.success() {
            let list = self.git.ok(&["for-each-ref", "--format=%(objectname) %(refname)", name]).await?;
            let found = list.lines().filter_map(|line| line.split_once(' ')).find(|(_, it)| *it == name);
            return Ok(found.map(|(object, _)| object.to_owned()));
        }
        Ok(None)
    }

    /// Moves a reference if it is where the caller believes (`None`: nowhere). False: it is somewhere else.
    pub(super) async fn swap(&self, name: &str, new: &str, old: Option<&str>) -> Result<bool, Error> {
        self.update_ref(&["update-ref", "--no-deref", name, new, old.unwrap_or_default()], name, old).await
    }

    async fn update_ref(&self, args: &[&str], name: &str, old: Option<&str>) -> Result<bool, Error> {
        if self.git.run(&["symbolic-ref", "--quiet", name]).await?.success() {
            // Following it could move a branch that is checked out; not following it would cut it off.
            return Err(Error::Invalid {
                what: "the branch to write",
                why: format!("`{name}` is only a name for another"),
            });
        }
        match self.git.ok(args).await {
            Ok(_) => Ok(true),
            // git says in many words that the value was another: looking is simpler than reading them.
            Err(error @ git::Error::Failed { .. }) => {
                if self.reference(name).await?.as_deref() == old {
                    Err(error.into())
                } else {
                    Ok(false)
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn is_ancestor(&self, ancestor: &str, of: &str) -> Result<bool, Error> {
        let found = self.git.run(&["merge-base", "--is-ancestor", ancestor, of]).await?;
        match found.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(self.git.failed("merge-base", found).into()),
        }
    }

    /// The work tree in which the branch is checked out.
    pub(super) async fn checked_out(&self, branch: &str) -> Result<Option<PathBuf>, Error> {
        let list = self.git.ok(&["worktree", "list", "--porcelain", "-z"]).await?;
        let line = format!("branch refs/heads/{branch}");
        Ok(list.split("\0\0").find_map(|entry| {
            let has = |wanted: &str| entry.split('\0').any(|it| it == wanted);
            let gone = entry.split('\0').any(|it| it.starts_with("prunable"));
            let path = entry.trim_start_matches('\0').split('\0').next()?.strip_prefix("worktree ")?;
            (has(&line) && !gone).then(|| PathBuf::from(path))
        }))
    }

    /// Takes `commit` over from the repository at `from` and moves the branch there.
    pub(super) async fn push_branch(
        &self,
        from: &Path,
        commit: &str,
        branch: &str,
        expected: Option<&str>,
    ) -> Result<Pushed, Error> {
        check_branch(&self.git, &self.options.branch_prefix, branch).await?;
        check_commit(commit)?;
        let found = self.tip(branch).await?;
        if found.as_deref() == Some(commit) {
            return Ok(Pushed { commit: commit.into(), moved: false });
        }
        if found.as_deref() != expected {
            return Err(stale(branch, expected, found));
        }
        self.refuse_checked_out(branch, "switch to another branch there").await?;
        self.take_over(from, commit).await?;
        if self.swap(&format!("refs/heads/{branch}"), commit, expected).await? {
            return Ok(Pushed { commit: commit.into(), moved: true });
        }
        // Somebody was quicker; it may have been the same push.
        match self.tip(branch).await? {
            Some(found) if found == commit => Ok(Pushed { commit: found, moved: false }),
            found => Err(stale(branch, expected, found)),
        }
    }

    /// Deletes a branch that is at `commit`; one that is gone is fine.
    pub(super) async fn delete_ref_of(&self, branch: &str, commit: &str) -> Result<(), Error> {
        check_branch(&self.git, &self.options.branch_prefix, branch).await?;
        let Some(found) = self.tip(branch).await? else { return Ok(()) };
        if found != commit {
            return Err(stale(branch, Some(commit), Some(found)));
        }
        self.refuse_checked_out(branch, &format!("switch to another branch there, then `git branch -D {branch}`"))
            .await?;
        let name = format!("refs/heads/{branch}");
        if self.update_ref(&["update-ref", "--no-deref", "-d", &name, commit], &name, Some(commit)).await? {
            return Ok(());
        }
        match self.tip(branch).await? {
            None => Ok(()),
            found => Err(stale(branch, Some(commit), found)),
        }
    }

    pub(super) async fn refuse_checked_out(&self, branch: &str, hint: &str) -> Result<(), Error> {
        match self.checked_out(branch).await? {
            Some(path) => Err(Error::CheckedOut { branch: branch.into(), path, hint: hint.into() }),
            None => Ok(()),
        }
    }

    /// Fetches the commit's objects, and makes sure that it is a commit.
    async fn take_over(&self, from: &Path, commit: &str) -> Result<(), Error> {
        let what = "the repository to push from";
        let from = from.canonicalize().map_err(|error| Error::Invalid { what, why: error.to_string() })?;
        let from = from.to_str().ok_or_else(|| Error::Invalid { what, why: "its path is not UTF-8".into() })?;
        let args = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--refmap=",
            git::UPLOAD_PACK,
            "--",
            from,
            commit,
        ];
        self.git.ok(&args).await?;
        match self.git.ok(&["cat-file", "-t", commit]).await?.as_str() {
            "commit" => Ok(()),
            other => Err(Error::Invalid { what: "the commit to push", why: format!("{commit} is a {other}") }),
        }
    }
}

pub(super) fn last_line(stdout: &[u8]) -> String {
    String::from_utf8_lossy(stdout).trim_end().to_owned()
}

fn stale(branch: &str, expected: Option<&str>, found: Option<String>) -> Error {
    Error::Stale { branch: branch.into(), expected: expected.map(str::to_owned), found }
}
