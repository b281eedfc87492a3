//! A configured repository, as it was last fetched, and checkouts of it.

use super::{bare, failed};
use crate::steps::io_failure;
use agentd_forge::{
    Forge,
    git::{Git, GitDir, Options},
};
use agentd_task::{Failure, Reason};
use std::path::{Path, PathBuf};

/// A bare repository with the heads and tags of a forge's.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    dir: PathBuf,
}

/// A work tree to be made.
pub(crate) struct Checkout {
    /// Exists and is empty.
    pub(crate) dir: PathBuf,
    pub(crate) commit: String,
    /// To be on; none: on no branch.
    pub(crate) branch: Option<String>,
    /// Where whoever works in it finds the mirror's objects.
    pub(crate) objects_inside: String,
}

impl Mirror {
    pub(crate) fn new(dir: PathBuf) -> Mirror {
        Mirror { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn git(&self) -> Git {
        bare(&self.dir)
    }

    /// Brings it up to date, or makes it.
    pub(crate) async fn fetch(&self, forge: &dyn Forge) -> Result<(), Failure> {
        if !self.dir.exists() {
            self.make().await?;
        }
        forge.fetch(&self.dir).await.map_err(|error| match error {
            agentd_forge::Error::Git(error) => failed(&error, Reason::Fetch),
            error if error.is_transient() => Failure::new(Reason::Fetch, error.to_string()),
            error => Failure::new(Reason::Repository, error.to_string()),
        })
    }

    /// Makes it under another name first: one that is there is whole.
    async fn make(&self) -> Result<(), Failure> {
        let partial = self.dir.with_extension("partial");
        if partial.exists() {
            std::fs::remove_dir_all(&partial).map_err(|e| io_failure("removing", &partial, &e))?;
        }
        std::fs::create_dir_all(&partial).map_err(|e| io_failure("making", &partial, &e))?;
        bare(&partial).ok(&["init", "--quiet", "--bare", "."]).await.map_err(|e| failed(&e, Reason::Fetch))?;
        std::fs::rename(&partial, &self.dir).map_err(|e| io_failure("making", &self.dir, &e))
    }

    /// Removes the locks that a git of a daemon before has left. Nobody else writes here.
    pub(crate) fn unlock(&self) -> std::io::Result<()> {
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() && path.file_name().is_none_or(|it| it != "objects") {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "lock") {
                    std::fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    /// The commit that a branch is at.
    pub(crate) async fn branch(&self, name: &str) -> Result<String, Failure> {
        let reference = format!("refs/heads/{name}^{{commit}}");
        match self.git().ok(&["rev-parse", "--verify", "--quiet", "--end-of-options", &reference]).await {
            Ok(commit) => Ok(commit),
            Err(_) => {
                let there = self.branches().await?;
                let what = match there.as_slice() {
                    [] => "the repository has no commit yet: make one first".into(),
                    some => format!("there is no branch `{name}`; there are: {}", some.join(", ")),
                };
                Err(Failure::new(Reason::Repository, what))
            }
        }
    }

    /// The first branches, for people.
    async fn branches(&self) -> Result<Vec<String>, Failure> {
        let list = ["for-each-ref", "--count=10", "--format=%(refname:short)", "refs/heads"];
        let list = self.git().ok(&list).await.map_err(|e| failed(&e, Reason::Fetch))?;
        Ok(list.lines().map(Into::into).collect())
    }

    /// Refuses a commit whose files would not be what they look like: LFS pointers and empty submodules.
    pub(crate) async fn refuse_unsupported(&self, commit: &str) -> Result<(), Failure> {
        let git = self.git();
        let refuse = |what: &str| {
            Failure::new(Reason::Repository, format!("the repository {what}, which agentd does not do yet"))
        };
        let modules = git.run(&["cat-file", "-e", &format!("{commit}:.gitmodules")]).await;
        if modules.map_err(|e| failed(&e, Reason::Fetch))?.success() {
            return Err(refuse("has submodules"));
        }
        let lfs = ["grep", "--quiet", "-F", "filter=lfs", commit, "--", ".gitattributes", "**/.gitattributes"];
        if git.run(&lfs).await.map_err(|e| failed(&e, Reason::Fetch))?.success() {
            return Err(refuse("keeps files in LFS"));
        }
        Ok(())
    }

    /// Makes a work tree that borrows the mirror's objects.
    pub(crate) async fn checkout(&self, checkout: &Checkout) -> Result<(), Failure> {
        let objects = self.dir.join("objects");
        make_checkout(&objects, checkout).await
    }
}

/// Makes a work tree whose objects are borrowed from `objects` on the host, and from `objects_inside` afterwards.
pub(super) async fn make_checkout(objects: &Path, checkout: &Checkout) -> Result<(), Failure> {
    let dir = &checkout.dir;
    let git = Git::new(GitDir::In(dir.clone()), Options { timeout: super::LONG, ..Options::default() });
    let failed = |e| failed(&e, Reason::Repository);
    git.ok(&["init", "--quiet", "."]).await.map_err(failed)?;
    let alternates = dir.join(".git/objects/info/alternates");
    write_line(&alternates, &objects.to_string_lossy())?;
    match &checkout.branch {
        Some(branch) => git.ok(&["checkout", "--quiet", "--no-track", "-B", branch, &checkout.commit]).await,
        None => git.ok(&["checkout", "--quiet", "--detach", &checkout.commit]).await,
    }
    .map_err(failed)?;
    write_line(&alternates, &checkout.objects_inside)
}

/// Has git look at the files of a checkout that the host made and nobody has worked in: their owner changed, and whoever
/// asks git next would otherwise wait until it has read all of them again.
pub(crate) async fn refresh_index(dir: &Path, objects: &Path) -> Result<(), Failure> {
    let git_dir = dir.join(".git");
    let mut options = Options { timeout: super::LONG, ..Options::default() };
    options.env.push(("GIT_ALTERNATE_OBJECT_DIRECTORIES".into(), objects.to_string_lossy().into_owned()));
    let git = Git::new(GitDir::Split { git_dir, work_tree: dir.into() }, options);
    git.ok(&["update-index", "-q", "--refresh"]).await.map(drop).map_err(|e| failed(&e, Reason::Repository))
}

fn write_line(path: &Path, line: &str) -> Result<(), Failure> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|e| io_failure("making", dir, &e))?;
    }
    std::fs::write(path, format!("{line}\n")).map_err(|e| io_failure("writing", path, &e))
}
