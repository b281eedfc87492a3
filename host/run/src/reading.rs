//! What plugins may read of repositories and directories: files, lines that match, history.
//!
//! Repositories are read from their bare mirrors, as last fetched; nothing is checked out. Directories are read as they
//! lie there, beneath their root and without following links. Whether a plugin may read a tree at all was decided
//! before anything here is called.
//!
//! - Never fetches, never writes to a mirror, never runs anything that stands in a repository.
//! - Answers are in an order that depends on the content alone, and in pages of bounded size.
//! - A file whose path is not UTF-8 is left out: the contract has no name for it.
//! - Symbolic links and submodules of a repository are listed; reading one is a `not-found`. In a directory only plain
//!   files are listed, and nothing called `.git`.
//! - Whoever stops waiting ends the git processes of the call.

mod blame;
mod churn;
mod cursor;
mod directory;
mod files;
mod glob;
mod history;
mod listing;
mod pattern;
mod revision;
mod search;

use crate::Layout;
use agentd_forge::git::Error as GitError;
use agentd_plugin::{
    Tree,
    wit::{
        common::{Content, Error},
        repository::{
            BlameRange, ChurnQuery, ChurnedFile, CommitPage, CommitQuery, FilePage, FileQuery, Info, SearchPage,
            SearchQuery,
        },
    },
};
use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The largest file that is read or searched, in bytes.
const FILE_MAX: usize = 8 << 20;
/// How much text one page holds, in bytes, roughly: a page with more ends before its limit.
const PAGE_MAX: usize = 8 << 20;
const PATH_MAX: usize = 4096;

/// A repository that plugins can be given.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: String,
    /// The kind of its forge: `github`, `local`.
    pub forge: String,
    /// The branch that work starts from; none: found in the mirror.
    pub base: Option<String>,
    /// Where a person can see it.
    pub url: Option<String>,
}

/// Answers the `repository` host calls. Clones share what they remember.
#[derive(Clone)]
pub struct Reading {
    inner: Arc<Inner>,
}

struct Inner {
    layout: Layout,
    known: HashMap<String, Known>,
    /// Default branches as they were last found, by repository.
    defaults: Mutex<HashMap<String, String>>,
    listings: listing::Recent,
    churn: churn::Remembered,
    /// How many git processes or searching threads one call may keep busy.
    lanes: usize,
}

impl Reading {
    #[must_use]
    pub fn new(layout: Layout, repositories: Vec<Known>) -> Reading {
        let lanes = std::thread::available_parallelism().map_or(2, usize::from).min(8);
        let known = repositories.into_iter().map(|it| (it.id.clone(), it)).collect();
        let (defaults, listings, churn) = (Mutex::default(), listing::Recent::default(), churn::Remembered::default());
        Reading { inner: Arc::new(Inner { layout, known, defaults, listings, churn, lanes }) }
    }

    /// What is known of these repositories, in the order asked for; unknown ids are left out. Where no base is
    /// configured, the default branch is what the mirror suggests, and `main` before the first fetch.
    #[must_use]
    pub fn repositories(&self, ids: &[String]) -> Vec<Info> {
        let info = |known: &Known| Info {
            id: known.id.clone(),
            forge: known.forge.clone(),
            default_branch: self.inner.likely_default(known),
            url: known.url.clone(),
            extra: vec![],
        };
        ids.iter().filter_map(|id| self.inner.known.get(id)).map(info).collect()
    }

    /// Files by path.
    ///
    /// # Errors
    /// As the contract says; the texts name what was asked for and what would help.
    pub async fn list_files(&self, tree: Tree, query: FileQuery) -> Result<FilePage, Error> {
        limit(query.limit, files::PAGE)?;
        match tree {
            Tree::Repository(id) => {
                let mirror = self.inner.open(&id).await?;
                let commit = mirror.commit(&query.revision).await?;
                files::of_commit(&self.inner, &mirror, &commit, query).await
            }
            Tree::Directory(root) => {
                no_revision(&query.revision)?;
                files::of_directory(root, query).await
            }
        }
    }

    /// A file's whole content.
    ///
    /// # Errors
    /// As the contract says; `too-large` above 8 MiB.
    pub async fn read_file(&self, tree: Tree, revision: Option<String>, path: String) -> Result<Content, Error> {
        plain(&path)?;
        let bytes = match tree {
            Tree::Repository(id) => {
                let mirror = self.inner.open(&id).await?;
                let commit = mirror.commit(&revision).await?;
                mirror.content(&commit, &path).await?
            }
            Tree::Directory(root) => {
                no_revision(&revision)?;
                blocking(move || directory::Root::open(&root)?.read(&path)).await?
            }
        };
        Ok(String::from_utf8(bytes).map_or_else(|error| Content::Bytes(error.into_bytes()), Content::Text))
    }

    /// Lines that match.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn search(&self, tree: Tree, query: SearchQuery) -> Result<SearchPage, Error> {
        limit(query.limit, search::PAGE)?;
        if query.context > search::CONTEXT {
            let (most, asked) = (search::CONTEXT, query.context);
            return Err(Error::Invalid(format!("`context` is {asked}: at most {most} lines are given")));
        }
        match tree {
            Tree::Repository(id) => {
                let mirror = self.inner.open(&id).await?;
                let commit = mirror.commit(&query.revision).await?;
                search::in_commit(&self.inner, mirror, &commit, query).await
            }
            Tree::Directory(root) => {
                no_revision(&query.revision)?;
                search::in_directory(&self.inner, root, query).await
            }
        }
    }

    /// Commits, newest first, along first parents.
    ///
    /// # Errors
    /// As the contract says; `unsupported` for a directory.
    pub async fn history(&self, tree: Tree, query: CommitQuery) -> Result<CommitPage, Error> {
        limit(query.limit, history::PAGE)?;
        let mirror = self.inner.with_history(tree).await?;
        history::page(&mirror, query).await
    }

    /// Who last changed the lines `first` to `last`, included, counted from 1.
    ///
    /// # Errors
    /// As the contract says; `unsupported` for a directory.
    pub async fn blame(
        &self,
        tree: Tree,
        revision: Option<String>,
        path: String,
        first: u32,
        last: u32,
    ) -> Result<Vec<BlameRange>, Error> {
        plain(&path)?;
        let mirror = self.inner.with_history(tree).await?;
        blame::lines(&mirror, &revision, &path, first, last).await
    }

    /// The files that were changed by most commits. The first call walks the history; later ones only what is new.
    ///
    /// # Errors
    /// As the contract says; `unsupported` for a directory.
    pub async fn churn(&self, tree: Tree, query: ChurnQuery) -> Result<Vec<ChurnedFile>, Error> {
        limit(query.limit, churn::MOST)?;
        let mirror = self.inner.with_history(tree).await?;
        churn::most_changed(&self.inner, &mirror, query).await
    }
}

impl Inner {
    async fn with_history(&self, tree: Tree) -> Result<revision::Mirrored<'_>, Error> {
        match tree {
            Tree::Repository(id) => self.open(&id).await,
            Tree::Directory(root) => {
                let root = root.display();
                Err(Error::Unsupported(format!("{root} is a directory, not a repository: it has no history to read")))
            }
        }
    }
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::Other(format!("reading broke off, which is a fault of agentd's: {error}"))))
}

/// The lock of something that is whole at any time, so that a panic elsewhere did no harm to it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn limit(asked: u32, most: u32) -> Result<(), Error> {
    if (1..=most).contains(&asked) {
        return Ok(());
    }
    Err(Error::Invalid(format!("`limit` is {asked}: it has to be 1 to {most}")))
}

fn no_revision(revision: &Option<String>) -> Result<(), Error> {
    match revision {
        None => Ok(()),
        Some(_) => Err(Error::Unsupported("a directory has no revisions: leave `revision` out".into())),
    }
}

/// Refuses what is no path of a file within a tree.
fn plain(path: &str) -> Result<(), Error> {
    let odd = |part: &str| matches!(part, "" | "." | "..");
    if path.len() > PATH_MAX || path.contains('\0') || path.split('/').any(odd) {
        let shown: String = path.chars().take(200).collect();
        return Err(Error::Invalid(format!(
            "`{}` is not a path within the tree: name parts below its root, with one `/` between them",
            shown.escape_debug()
        )));
    }
    Ok(())
}

fn not_found(what: impl Display) -> Error {
    Error::NotFound(what.to_string())
}

/// What a plugin is told of an error of git's while it was `doing` something.
fn of_git(doing: impl Display) -> impl FnOnce(GitError) -> Error {
    move |error| match error {
        GitError::TooLarge { .. } => Error::TooLarge(format!("{doing}: {error}; ask for less")),
        error => Error::Unavailable(format!("{doing}: {error}")),
    }
}

/// The same, for a command that came to its end.
fn git_said(doing: impl Display, stderr: &str) -> Error {
    let said = if stderr.is_empty() { "git said nothing" } else { stderr };
    Error::Unavailable(format!("{doing} did not work: {said}"))
}

/// Whole seconds at or after a moment in milliseconds, as git's options take them.
fn since(at: u64) -> String {
    format!("--since-as-filter=@{} +0000", at.div_ceil(1000))
}

/// Milliseconds of a moment that git wrote in seconds.
fn millis(seconds: &str) -> u64 {
    seconds.trim().parse::<i64>().ok().and_then(|it| u64::try_from(it).ok()).unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests;
