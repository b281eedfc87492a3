//! `agentd:host/repository`: files and history, of what the entry may read.
//!
//! A tree's name becomes a [`Tree`](crate::Tree) here or nowhere. Numbers are brought into their documented ranges,
//! and paths that would leave the tree are refused before the daemon sees them.

use crate::bindings::agentd::host::repository::{
    BlameRange, ChurnQuery, ChurnedFile, CommitPage, CommitQuery, FilePage, FileQuery, Host, Info, SearchPage,
    SearchQuery,
};
use crate::host::Tree;
use crate::state::{State, Surface};
use crate::wit::common::{Content, Error};

const FILES: u32 = 10_000;
const COMMITS: u32 = 1_000;
const LINES: u32 = 10_000;
const CONTEXT: u32 = 20;

impl Host for State {
    async fn repositories(&mut self) -> wasmtime::Result<Vec<Info>> {
        match self.surface {
            Surface::Whole => Ok(self.host.repositories(self.rights.repositories())),
            Surface::Manifest | Surface::Agent => Ok(vec![]),
        }
    }

    async fn list_files(&mut self, mut query: FileQuery) -> wasmtime::Result<Result<FilePage, Error>> {
        query.limit = query.limit.clamp(1, FILES);
        Ok(match self.tree(&query.tree) {
            Ok(tree) => self.host.list_files(tree, query).await,
            Err(error) => Err(error),
        })
    }

    async fn read_file(
        &mut self,
        tree: String,
        revision: Option<String>,
        path: String,
    ) -> wasmtime::Result<Result<Content, Error>> {
        Ok(match self.tree(&tree).and_then(|tree| plain(&path).map(|()| tree)) {
            Ok(tree) => self.host.read_file(tree, revision, path).await,
            Err(error) => Err(error),
        })
    }

    async fn search(&mut self, mut query: SearchQuery) -> wasmtime::Result<Result<SearchPage, Error>> {
        query.limit = query.limit.clamp(1, FILES);
        query.context = query.context.min(CONTEXT);
        Ok(match self.tree(&query.tree) {
            Ok(tree) => self.host.search(tree, query).await,
            Err(error) => Err(error),
        })
    }

    async fn history(&mut self, mut query: CommitQuery) -> wasmtime::Result<Result<CommitPage, Error>> {
        query.limit = query.limit.clamp(1, COMMITS);
        let plain = query.paths.iter().try_for_each(|path| plain(path));
        Ok(match self.tree(&query.tree).and_then(|tree| plain.map(|()| tree)) {
            Ok(tree) => self.host.history(tree, query).await,
            Err(error) => Err(error),
        })
    }

    async fn blame(
        &mut self,
        tree: String,
        revision: Option<String>,
        path: String,
        first: u32,
        last: u32,
    ) -> wasmtime::Result<Result<Vec<BlameRange>, Error>> {
        let tree = self.tree(&tree).and_then(|tree| plain(&path).and_then(|()| lines(first, last)).map(|()| tree));
        Ok(match tree {
            Ok(tree) => self.host.blame(tree, revision, path, first, last).await,
            Err(error) => Err(error),
        })
    }

    async fn churn(&mut self, mut query: ChurnQuery) -> wasmtime::Result<Result<Vec<ChurnedFile>, Error>> {
        query.limit = query.limit.clamp(1, FILES);
        Ok(match self.tree(&query.tree) {
            Ok(tree) => self.host.churn(tree, query).await,
            Err(error) => Err(error),
        })
    }
}

impl State {
    fn tree(&self, name: &str) -> Result<Tree, Error> {
        self.open("repository")?;
        self.rights.tree(name)
    }
}

fn plain(path: &str) -> Result<(), Error> {
    let leaves = path.starts_with('/') || path.contains('\0') || path.split('/').any(|it| it == "..");
    if path.is_empty() || leaves {
        return Err(Error::Invalid(format!("`{}` is not a path within the tree", path.escape_debug())));
    }
    Ok(())
}

fn lines(first: u32, last: u32) -> Result<(), Error> {
    if first == 0 || last < first {
        return Err(Error::Invalid(format!("lines {first} to {last} are none: they count from 1")));
    }
    if last - first >= LINES {
        return Err(Error::TooLarge(format!("at most {LINES} lines at a time")));
    }
    Ok(())
}
