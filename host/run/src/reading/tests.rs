//! Reading as plugins see it: real repositories, fetched as the daemon fetches them, and hostile directories.

mod directories;
mod past;
mod repositories;
mod searching;

use super::*;
use crate::git::Mirror;
use agentd_forge::{
    LocalForge,
    git::{Git, GitDir, Options},
};
use std::{fs, path::Path};
use tempfile::TempDir;

pub(super) const ID: &str = "acme/shop";

/// A repository that somebody works in, its mirror, and what reads it.
pub(super) struct Shop {
    folder: TempDir,
    pub(super) reading: Reading,
}

impl Shop {
    pub(super) async fn new() -> Shop {
        Shop::with_base(None).await
    }

    async fn with_base(base: Option<&str>) -> Shop {
        let folder = TempDir::new().unwrap();
        let layout = Layout::new(folder.path().join("home"));
        let (base, url) = (base.map(Into::into), Some("https://example.org/acme/shop".to_owned()));
        let known = Known { id: ID.into(), forge: "local".into(), base, url };
        let shop = Shop { reading: Reading::new(layout, vec![known]), folder };
        fs::create_dir(shop.work()).unwrap();
        shop.git(&["init", "--quiet", "--initial-branch=main"]).await;
        shop
    }

    fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("work")
    }

    async fn git(&self, args: &[&str]) -> String {
        let git = Git::new(GitDir::In(self.work()), Options::default());
        git.with(|options| options.env.push(("GIT_ALLOW_PROTOCOL".into(), "file".into()))).ok(args).await.unwrap()
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        write(&self.work().join(path), text);
    }

    /// Commits everything, as `who`, so many seconds after 2020, and gives the id.
    pub(super) async fn commit(&self, who: &str, seconds: u64, message: &str) -> String {
        self.git(&["add", "--all"]).await;
        let (date, mail) = (format!("{} +0000", YEAR_2020 + seconds), format!("{who}@example.org"));
        let env = [
            ("GIT_AUTHOR_NAME", who),
            ("GIT_AUTHOR_EMAIL", &mail),
            ("GIT_AUTHOR_DATE", &date),
            ("GIT_COMMITTER_NAME", who),
            ("GIT_COMMITTER_EMAIL", &mail),
            ("GIT_COMMITTER_DATE", &date),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let git = Git::new(GitDir::In(self.work()), Options { env: env.into(), ..Options::default() });
        git.ok(&["commit", "--quiet", "--allow-empty", "-m", message]).await.unwrap();
        self.git(&["rev-parse", "HEAD"]).await
    }

    pub(super) async fn fetch(&self) {
        let mirror = Mirror::new(self.reading.inner.layout.mirror(ID));
        let forge = LocalForge::open(&self.work(), agentd_forge::Options::default()).await.unwrap();
        mirror.fetch(&forge).await.unwrap();
    }

    fn tree(&self) -> Tree {
        Tree::Repository(ID.into())
    }
}

const YEAR_2020: u64 = 1_577_836_800;

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn file_query(globs: &[&str], limit: u32) -> FileQuery {
    let globs = globs.iter().map(|it| (*it).to_owned()).collect();
    FileQuery { tree: String::new(), revision: None, globs, cursor: None, limit, extra: vec![] }
}

fn search_query(pattern: &str) -> SearchQuery {
    SearchQuery {
        tree: String::new(),
        revision: None,
        pattern: pattern.into(),
        literal: false,
        ignore_case: false,
        whole_words: false,
        globs: vec![],
        context: 0,
        cursor: None,
        limit: 1_000,
        extra: vec![],
    }
}

/// All pages of a list, and how many there were.
async fn all_files(reading: &Reading, tree: &Tree, mut query: FileQuery) -> (Vec<(String, u32)>, usize) {
    let (mut files, mut pages) = (vec![], 0);
    loop {
        let page = reading.list_files(tree.clone(), query.clone()).await.unwrap();
        pages += 1;
        assert!(page.files.len() <= query.limit as usize);
        files.extend(page.files.into_iter().map(|it| (it.path, it.size)));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return (files, pages);
        }
    }
}

/// All hits as `path:line:column:text`.
async fn all_hits(reading: &Reading, tree: &Tree, mut query: SearchQuery) -> Vec<String> {
    let mut hits = vec![];
    loop {
        let page = reading.search(tree.clone(), query.clone()).await.unwrap();
        assert!(page.hits.len() <= query.limit as usize);
        hits.extend(page.hits.iter().map(|it| format!("{}:{}:{}:{}", it.path, it.line, it.column, it.text)));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return hits;
        }
    }
}

/// The case and the text of an error.
#[track_caller]
fn said<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result.unwrap_err() {
        Error::Invalid(text) => format!("invalid: {text}"),
        Error::Denied(text) => format!("denied: {text}"),
        Error::NotFound(text) => format!("not-found: {text}"),
        Error::Unsupported(text) => format!("unsupported: {text}"),
        Error::TooLarge(text) => format!("too-large: {text}"),
        Error::Unavailable(text) => format!("unavailable: {text}"),
        other => format!("{other:?}"),
    }
}
