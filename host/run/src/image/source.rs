//! A commit of the mirror as the place that an image is built from.
//!
//! - git runs on the mirror, and for the tar on an empty repository of its own that borrows the mirror's objects: there
//!   the repository's `export-ignore` and `export-subst`, which are meant for releases, do not hold.
//! - Paths are taken literally; links are not followed.

use super::Recipe;
use crate::{disk, git::Mirror, steps::io_failure};
use agentd_forge::git::{Error, Git, GitDir, Options};
use agentd_task::{Failure, Reason};
use sha2::{Digest as _, Sha256};
use std::{
    path::{Component, Path, PathBuf},
    time::Duration,
};

/// Of a Dockerfile or a `devcontainer.json`, in bytes.
const TEXT_MAX: usize = 1 << 20;
/// Of all files that `COPY` sees, in bytes: the engine gets them over a socket, for each build anew.
const CONTEXT_MAX: u64 = 4 << 30;
const LIST_MAX: usize = 256 << 20;
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Where a Dockerfile is put that lies outside of what `COPY` sees.
const OUTSIDE: &str = ".agentd-outside.Dockerfile";
/// Stronger than what the repository's own attributes say.
const ATTRIBUTES: &str = "* -export-ignore -export-subst\n";

/// A commit.
pub(super) struct Source<'a> {
    pub(super) mirror: &'a Mirror,
    pub(super) commit: &'a str,
}

/// What was written.
pub(super) struct Packed {
    pub(super) context: PathBuf,
    /// Its path in the context.
    pub(super) dockerfile: String,
    /// Of all that the image is made from.
    pub(super) hash: String,
}

/// What is at a path.
struct Entry {
    id: String,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Link,
}

impl Source<'_> {
    /// The text of a plain file; none: there is no such path.
    pub(super) async fn text(&self, path: &str) -> Result<Option<String>, Failure> {
        let Some(entry) = self.entry(path).await? else { return Ok(None) };
        if entry.kind != Kind::File {
            return Err(refuse(format!("`{path}` is no plain file at {}", self.short())));
        }
        let git = self.git().with(|options| options.stdout_max = TEXT_MAX);
        git.ok(&["cat-file", "blob", &entry.id]).await.map(Some).map_err(failed)
    }

    /// Writes the tar and names its content.
    pub(super) async fn pack(&self, recipe: &Recipe, into: &Path) -> Result<Packed, Failure> {
        let Recipe { folder, dockerfile, .. } = recipe;
        let Some(file) = self.entry(dockerfile).await? else {
            return Err(refuse(format!(
                "there is no `{dockerfile}` at {}; name another: image = \"dockerfile:PATH\"",
                self.short()
            )));
        };
        if file.kind != Kind::File {
            return Err(refuse(format!("`{dockerfile}` is no plain file at {}", self.short())));
        }
        let tree = self.tree(folder).await?;
        self.check_size(&tree).await?;
        let (context, view) = (into.join("context.tar"), into.join("view.git"));
        let git = self.view(&view).await?;
        let output = format!("--output={}", context.display());
        let mut archive = vec!["archive", "--format=tar", &output];
        let place = within(folder, dockerfile);
        let outside = into.join(OUTSIDE);
        let add = format!("--add-file={}", outside.display());
        if place.is_none() {
            let text = self.text(dockerfile).await?.unwrap_or_default();
            std::fs::write(&outside, format!("{text}\n")).map_err(|e| io_failure("writing", &outside, &e))?;
            archive.push(&add);
        }
        archive.push(&tree);
        git.ok(&archive).await.map_err(failed)?;
        remove(&view)?;
        let place = place.unwrap_or_else(|| OUTSIDE.into());
        Ok(Packed { hash: hash(&tree, &file.id, &place, recipe), context, dockerfile: place })
    }

    fn git(&self) -> Git {
        self.mirror.git().with(|options| {
            options.env.push(("GIT_LITERAL_PATHSPECS".into(), "1".into()));
            options.stdout_max = LIST_MAX;
        })
    }

    /// A repository without anything of its own.
    async fn view(&self, dir: &Path) -> Result<Git, Failure> {
        remove(dir)?;
        std::fs::create_dir_all(dir).map_err(|e| io_failure("making", dir, &e))?;
        let settings = vec![("tar.umask".to_owned(), "0022".to_owned())];
        let options = Options { timeout: PATIENCE, settings, ..Options::default() };
        let git = Git::new(GitDir::Bare(dir.into()), options);
        git.ok(&["init", "--quiet", "--bare", "."]).await.map_err(failed)?;
        let objects = format!("{}\n", self.mirror.dir().join("objects").display());
        for (path, text) in [("objects/info/alternates", objects.as_str()), ("info/attributes", ATTRIBUTES)] {
            let path = dir.join(path);
            let folder = path.parent().unwrap_or(dir);
            std::fs::create_dir_all(folder).map_err(|e| io_failure("making", folder, &e))?;
            std::fs::write(&path, text).map_err(|e| io_failure("writing", &path, &e))?;
        }
        Ok(git)
    }

    async fn entry(&self, path: &str) -> Result<Option<Entry>, Failure> {
        let listed = self.git().ok(&["ls-tree", "-z", "--full-tree", self.commit, "--", path]).await.map_err(failed)?;
        let of = |line: &str| {
            let (about, name) = line.split_once('\t')?;
            let mut about = about.split(' ');
            let (mode, _, id) = (about.next()?, about.next()?, about.next()?);
            let kind = match mode {
                "040000" => Kind::Folder,
                "100644" | "100755" | "100664" => Kind::File,
                _ => Kind::Link,
            };
            (name == path).then(|| Entry { id: id.into(), kind })
        };
        Ok(listed.split('\0').find_map(of))
    }

    /// The id of a folder.
    async fn tree(&self, folder: &str) -> Result<String, Failure> {
        if folder.is_empty() {
            let root = format!("{}^{{tree}}", self.commit);
            return self.git().ok(&["rev-parse", "--verify", "--end-of-options", &root]).await.map_err(failed);
        }
        match self.entry(folder).await? {
            Some(Entry { id, kind: Kind::Folder }) => Ok(id),
            _ => Err(refuse(format!("there is no folder `{folder}` at {}", self.short()))),
        }
    }

    async fn check_size(&self, tree: &str) -> Result<(), Failure> {
        let listed = self.git().ok(&["ls-tree", "-r", "-l", "-z", "--full-tree", tree]).await.map_err(failed)?;
        let size = |line: &str| line.split('\t').next()?.split_whitespace().nth(3)?.parse::<u64>().ok();
        let total: u64 = listed.split('\0').filter_map(size).sum();
        if total > CONTEXT_MAX {
            let mib = |bytes: u64| bytes >> 20;
            return Err(refuse(format!(
                "the files that it would be built from have {} MiB together, and more than {} are not given to a \
                 build: name an image that was built elsewhere",
                mib(total),
                mib(CONTEXT_MAX)
            )));
        }
        Ok(())
    }

    pub(super) fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(self.commit)
    }
}

/// Names an image by all that it follows from.
fn hash(tree: &str, file: &str, place: &str, recipe: &Recipe) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    for part in [tree, file, place, recipe.target.as_deref().unwrap_or_default()] {
        add(part);
    }
    for (name, value) in &recipe.args {
        add(name);
        add(value);
    }
    hex::encode(hash.finalize())
}

/// A path that somebody wrote in a file of `folder`, from the repository's root.
pub(super) fn inside(folder: &str, path: &str) -> Result<String, String> {
    let mut parts: Vec<_> = folder.split('/').filter(|it| !it.is_empty()).collect();
    let leads_out = || format!("`{path}` leads out of the repository");
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => (),
            Component::Normal(name) => parts.push(name.to_str().ok_or_else(leads_out)?),
            Component::ParentDir if parts.pop().is_some() => (),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(leads_out()),
        }
    }
    Ok(parts.join("/"))
}

/// A path of the repository as it is below a folder; none: it is not below it.
fn within(folder: &str, path: &str) -> Option<String> {
    if folder.is_empty() {
        return Some(path.into());
    }
    path.strip_prefix(folder)?.strip_prefix('/').map(Into::into)
}

fn remove(dir: &Path) -> Result<(), Failure> {
    disk::remove_folder(dir).map_err(|e| io_failure("removing", dir, &e))
}

pub(super) fn refuse(what: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::Image, format!("the image cannot be planned: {what}"))
}

fn failed(error: Error) -> Failure {
    let reason = match &error {
        Error::Failed { stderr, .. } if stderr.contains("No space left") => Reason::DiskFull,
        Error::NoGit => Reason::Misconfigured,
        error if error.is_transient() => Reason::Fetch,
        _ => Reason::Image,
    };
    Failure::new(reason, error.to_string())
}
