//! The forge that is a repository on this machine's disk, bare or not: the operator's own.
//!
//! Branches are its branches. Changes are git objects in it too (see [`record`]), so that a backup of the repository
//! has them, and removing the daemon loses none. People look at a change with `git log` and `git diff`, and merge it by
//! `agentd`, or by themselves with `git merge`: agentd then finds it merged.
//!
//! The configuration of the repository is read by git (merge drivers, for example): it is the operator's, as the rest
//! of the repository is. Its hooks are not run.
//!
//! - Never touches a work tree or an index, and moves no branch that is checked out in one.
//! - Never overwrites what it has not seen: every reference is moved by compare-and-swap.
//! - Takes objects from a quarantine by fetching them, checked by git's fsck on the way.

use crate::{
    Author, Change, Error, Forge, NewChange, Pushed,
    forge::State,
    git::{Git, GitDir, Options as GitOptions, UPLOAD_PACK},
    mirror,
    name::{check_branch, check_commit, check_prefix},
};
use async_trait::async_trait;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

mod branch;
mod merge;
mod record;

/// The longest diff that is shown, in bytes.
const DIFF_MAX: usize = 4 << 20;
/// The first git that merges without a work tree.
const OLDEST_GIT: (u32, u32) = (2, 38);

/// What holds for all changes of the repository.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the names of all branches begin with that agentd may write.
    pub branch_prefix: String,
    /// Who commits merges.
    pub author: Author,
}

impl Default for Options {
    fn default() -> Options {
        let author = Author { name: "agentd".into(), email: "agentd@localhost".into() };
        Options { branch_prefix: "agentd/".into(), author }
    }
}

/// A repository on disk. Several may be open on the same one, in several processes.
#[derive(Clone, Debug)]
pub struct LocalForge {
    /// As the operator wrote it.
    path: PathBuf,
    /// The repository itself, shared by all its work trees.
    git_dir: String,
    git: Git,
    options: Options,
}

impl LocalForge {
    /// Opens the repository at `path`: a bare one, a folder with a `.git`, or a further work tree.
    ///
    /// # Errors
    /// [`Error::NotARepository`] if there is none, or git is too old.
    pub async fn open(path: &Path, options: Options) -> Result<LocalForge, Error> {
        let refuse = |why: String| Error::NotARepository { path: path.to_owned(), why };
        let folder = path.canonicalize().map_err(|error| refuse(error.to_string()))?;
        if !folder.is_dir() {
            return Err(refuse("it is not a folder".into()));
        }
        check_prefix(&options.branch_prefix)?;
        // A folder somewhere inside a repository is not that repository.
        let ceiling = folder.parent().unwrap_or(&folder).to_string_lossy().into_owned();
        let mut git_options = GitOptions::default();
        git_options.env.push(("GIT_CEILING_DIRECTORIES".into(), ceiling));
        let git = Git::new(GitDir::In(folder), git_options);
        let version = git.version().await?;
        if version < OLDEST_GIT {
            return Err(refuse(format!("git {}.{} is too old, 2.38 is needed", version.0, version.1)));
        }
        let found = git.run(&["rev-parse", "--path-format=absolute", "--git-common-dir"]).await?;
        if !found.success() {
            let why = found.stderr.lines().next().unwrap_or("git does not say why");
            return Err(refuse(why.trim_start_matches("fatal: ").to_owned()));
        }
        let git_dir = String::from_utf8(found.stdout).map_err(|_| refuse("its path is not UTF-8".into()))?;
        let git_dir = git_dir.trim_end_matches('\n').to_owned();
        let git = Git::new(GitDir::Bare(PathBuf::from(&git_dir)), git_options_for(&options));
        Ok(LocalForge { path: path.to_owned(), git_dir, git, options })
    }

    /// The commit that `name`, a branch or a commit, is.
    async fn resolve(&self, name: &str) -> Result<String, Error> {
        if check_commit(name).is_ok() {
            return Ok(name.to_owned());
        }
        self.tip(name).await?.ok_or_else(|| self.no_branch(name))
    }

    fn no_branch(&self, branch: &str) -> Error {
        Error::NoBranch { repository: self.path.display().to_string(), branch: branch.to_owned() }
    }
}

fn git_options_for(options: &Options) -> GitOptions {
    let Author { name, email } = &options.author;
    let settings = [
        // What was acknowledged is on disk.
        ("core.fsync", "committed,loose-object,reference"),
        ("fetch.fsckObjects", "true"),
        ("user.name", name),
        ("user.email", email),
    ];
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    GitOptions { timeout: Duration::from_secs(600), stdout_max: 256 << 20, settings, ..GitOptions::default() }
}

#[async_trait]
impl Forge for LocalForge {
    fn kind(&self) -> &'static str {
        "local"
    }

    fn url(&self) -> Option<String> {
        None
    }

    async fn fetch(&self, mirror: &Path) -> Result<(), Error> {
        let git = mirror::git_at(mirror, Vec::new());
        Ok(mirror::fetch(&git, &[UPLOAD_PACK], &self.git_dir, &mirror::HEADS_AND_TAGS).await?)
    }

    async fn default_branch(&self) -> Result<String, Error> {
        let none = |why: String| Error::NoDefaultBranch { path: self.path.clone(), why };
        let head = self.git.run(&["symbolic-ref", "--quiet", "HEAD"]).await?;
        if !head.success() {
            return Err(none("its HEAD is detached".into()));
        }
        let head = String::from_utf8_lossy(&head.stdout).trim_end().to_owned();
        let Some(branch) = head.strip_prefix("refs/heads/") else {
            return Err(none(format!("its HEAD names `{head}`, which is no branch")));
        };
        if self.tip(branch).await?.is_some() {
            return Ok(branch.to_owned());
        }
        let others = self.git.ok(&["for-each-ref", "--count=5", "--format=%(refname:lstrip=2)", "refs/heads"]).await?;
        if others.is_empty() {
            return Err(Error::NoCommits { path: self.path.clone(), branch: branch.to_owned() });
        }
        let others = others.lines().collect::<Vec<_>>().join(", ");
        Err(none(format!("its HEAD names `{branch}`, which does not exist, beside {others}")))
    }

    async fn push(&self, from: &Path, commit: &str, branch: &str, expected: Option<&str>) -> Result<Pushed, Error> {
        let pushed = self.push_branch(from, commit, branch, expected).await?;
        // Also when the branch was there already: a crash may have come in between.
        self.branch_moved(branch, commit).await?;
        Ok(pushed)
    }

    async fn open_change(&self, new: NewChange) -> Result<Change, Error> {
        let record = self.open_record(new).await?;
        self.as_of_now(record).await
    }

    async fn change(&self, number: u32) -> Result<Option<Change>, Error> {
        match self.record(number).await? {
            Some(record) => Ok(Some(self.as_of_now(record).await?)),
            None => Ok(None),
        }
    }

    async fn changes(&self) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        for record in self.records().await? {
            changes.push(self.as_of_now(record).await?);
        }
        Ok(changes)
    }

    async fn dress_change(&self, number: u32, _labels: &[String], _reviewers: &[String]) -> Result<(), Error> {
        self.record(number).await?.map(drop).ok_or(Error::NoChange(number))
    }

    async fn changes_of(&self, numbers: &[u32]) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        for record in self.records().await? {
            if numbers.contains(&record.change.number) {
                changes.push(self.as_of_now(record).await?);
            }
        }
        Ok(changes)
    }

    async fn comment(&self, number: u32, body: &str, key: &str) -> Result<(), Error> {
        self.comment_record(number, body, key).await
    }

    async fn merge(&self, number: u32, commit: &str, author: &Author) -> Result<Change, Error> {
        self.merge_change(number, commit, author).await
    }

    async fn close(&self, number: u32, delete_branch: bool) -> Result<Change, Error> {
        let change = self.change(number).await?.ok_or(Error::NoChange(number))?;
        let state = if change.state == State::Open { State::Closed } else { change.state };
        let change = self.settle(&Change { state, ..change }).await?;
        if delete_branch {
            self.delete_ref_of(&change.branch, &change.commit).await?;
        }
        Ok(change)
    }

    async fn delete_branch(&self, branch: &str, commit: &str) -> Result<bool, Error> {
        check_commit(commit)?;
        check_branch(&self.git, &self.options.branch_prefix, branch).await?;
        if self.tip(branch).await?.as_deref() != Some(commit) {
            return Ok(false);
        }
        match self.delete_ref_of(branch, commit).await {
            Ok(()) => Ok(true),
            Err(Error::Stale { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn diff(&self, base: &str, commit: &str) -> Result<String, Error> {
        check_commit(commit)?;
        let range = format!("{}...{commit}", self.resolve(base).await?);
        // No setting of the repository changes how it reads, and none runs a program.
        let args = [
            "diff",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--submodule=short",
            "--unified=3",
            "--find-renames",
            &range,
            "--",
        ];
        let git = self.git.with(|options| options.stdout_max = DIFF_MAX);
        let output = git.run(&args).await?;
        if !output.cut && !output.success() {
            return Err(git.failed("diff", output).into());
        }
        let mut diff = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.cut {
            diff.truncate(diff.rfind('\n').map_or(0, |at| at + 1));
            diff.push_str("[agentd: the diff is longer than 4 MiB and ends here]\n");
        }
        Ok(diff)
    }

    async fn workflow_token_writes(&self) -> Result<Option<bool>, Error> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
