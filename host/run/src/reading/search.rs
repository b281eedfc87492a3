//! Searches all text files of a tree, in parallel, and puts the hits into one order.
//!
//! Files are searched in batches, each by a thread of its own: as many at once as there are lanes. Batches begin
//! small, so that a page which is full soon costs little. A repository's files come out of git in one stream for each
//! batch; what is too large to be searched is passed over. At any time a lane holds at most 32 MiB of files.

use super::{
    FILE_MAX, Inner, blocking,
    cursor::Position,
    directory::Root,
    git_said,
    glob::Globs,
    listing::{File, Listing},
    of_git,
    pattern::{Found, Pattern},
    revision::Mirrored,
};
use agentd_forge::git::Git;
use agentd_plugin::wit::{
    common::Error,
    repository::{Hit, SearchPage, SearchQuery},
};
use futures_util::{StreamExt as _, stream};
use std::{future::Future, ops::Range, path::PathBuf, sync::Arc};

/// The most hits of a page.
pub(super) const PAGE: u32 = 10_000;
/// The most lines before and after a hit.
pub(super) const CONTEXT: u32 = 20;
/// How many files there are in a batch: in the first, and in any.
const BATCH_FIRST: usize = 64;
const BATCH_MAX: usize = 2048;
/// What one git process gives of a batch, in bytes; more than the largest file that is searched.
const STREAM_MAX: usize = 32 << 20;

/// What all batches of a search share.
struct Search {
    pattern: Pattern,
    /// Hits up to here were given already.
    after: Option<Position>,
    most: usize,
}

impl Search {
    fn new(query: &SearchQuery) -> Result<Search, Error> {
        let after = Position::read(&query.cursor)?;
        Ok(Search { pattern: Pattern::new(query)?, after, most: query.limit as usize })
    }

    /// The line of this file up to which all hits were given.
    fn done(&self, path: &str) -> u32 {
        self.after.as_ref().filter(|it| it.path == path).map_or(0, |it| it.line)
    }
}

pub(super) async fn in_commit(
    inner: &Inner,
    mirror: Mirrored<'_>,
    commit: &str,
    query: SearchQuery,
) -> Result<SearchPage, Error> {
    let (search, globs) = (Arc::new(Search::new(&query)?), Globs::new(&query.globs)?);
    let listing = inner.listing(&mirror, commit).await?;
    let (all, from) = (listing.clone(), search.after.as_ref().map(|it| it.path.clone()));
    let files: Vec<File> = blocking(move || {
        let start = from.map_or(0, |from| all.from(&from));
        let taken = |it: &File| it.is_plain() && globs.takes(all.path(*it));
        Ok(all.files()[start..].iter().copied().filter(taken).collect())
    })
    .await?;
    let name = &mirror.known.id;
    let git = mirror.git.with(|options| options.stdout_max = STREAM_MAX);
    let found = |batch: Range<usize>| {
        let (search, listing, files) = (search.clone(), listing.clone(), files[batch].to_vec());
        Blobs { git: git.clone(), repository: name.clone(), listing, files }.search(search)
    };
    collect(inner.lanes, files.len(), search.most, found).await
}

pub(super) async fn in_directory(inner: &Inner, root: PathBuf, query: SearchQuery) -> Result<SearchPage, Error> {
    let (search, globs) = (Arc::new(Search::new(&query)?), Globs::new(&query.globs)?);
    let from = search.after.as_ref().map(|it| it.path.clone());
    let (root, files) = blocking(move || {
        let root = Root::open(&root)?;
        let mut files = vec![];
        root.walk(from.as_deref(), |path| {
            if globs.takes(&path) {
                files.push(path);
            }
            true
        })?;
        Ok((Arc::new(root), files))
    })
    .await?;
    let found = |batch: Range<usize>| {
        let (search, root, files) = (search.clone(), root.clone(), files[batch].to_vec());
        blocking(move || {
            let (mut searcher, mut found) = (search.pattern.searcher(), Found::new(search.most));
            for path in files {
                // One that is too large, gone by now or closed to the daemon is not searched.
                let Ok(text) = root.read(&path) else { continue };
                search.pattern.search(&mut searcher, &path, &text, search.done(&path), &mut found)?;
                if found.full {
                    break;
                }
            }
            Ok(found)
        })
    };
    collect(inner.lanes, files.len(), search.most, found).await
}

/// Searches batch after batch, some at once, until the page is full.
async fn collect<F>(
    lanes: usize,
    files: usize,
    most: usize,
    search: impl FnMut(Range<usize>) -> F,
) -> Result<SearchPage, Error>
where
    F: Future<Output = Result<Found, Error>>,
{
    let mut results = stream::iter(batches(files)).map(search).buffered(lanes);
    let mut page = Found::new(most);
    while let Some(found) = results.next().await {
        let found = found?;
        let all_fit = found.hits.into_iter().all(|hit: Hit| page.push(hit));
        if found.full || !all_fit {
            let last = page.hits.last().map(|it| Position { path: it.path.clone(), line: it.line }.write());
            return Ok(SearchPage { hits: page.hits, next: last, extra: vec![] });
        }
    }
    Ok(SearchPage { hits: page.hits, next: None, extra: vec![] })
}

fn batches(files: usize) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0..BATCH_FIRST;
    std::iter::from_fn(move || {
        let batch = next.start..next.end.min(files);
        next = next.end..next.end + (next.len() * 2).min(BATCH_MAX);
        (!batch.is_empty()).then_some(batch)
    })
}

/// A batch of a repository's files.
struct Blobs {
    git: Git,
    repository: String,
    listing: Arc<Listing>,
    files: Vec<File>,
}

impl Blobs {
    async fn search(self, search: Arc<Search>) -> Result<Found, Error> {
        let doing = || format!("searching `{}`", self.repository);
        let mut found = Found::new(search.most);
        let mut rest = 0;
        // git is asked again where more came than one answer holds.
        while rest < self.files.len() && !found.full {
            let mut ids = String::new();
            for file in &self.files[rest..] {
                ids.push_str(self.listing.id(*file));
                ids.push('\n');
            }
            let args = ["cat-file", "--batch", "--buffer"];
            let output = self.git.output(&args, ids.as_bytes()).await.map_err(of_git(doing()))?;
            if !output.cut && !output.success() {
                return Err(git_said(doing(), &output.stderr));
            }
            let (search, listing, files) = (search.clone(), self.listing.clone(), self.files[rest..].to_vec());
            let (passed, all) =
                blocking(move || search_stream(&search, &listing, &files, &output.stdout, found)).await?;
            if passed == 0 && !all.full {
                return Err(git_said(doing(), "it gave no whole file"));
            }
            found = all;
            rest += passed;
        }
        Ok(found)
    }
}

/// Searches what `cat-file --batch` wrote of files, and says how many it had.
fn search_stream(
    search: &Search,
    listing: &Listing,
    files: &[File],
    mut stream: &[u8],
    mut found: Found,
) -> Result<(usize, Found), Error> {
    let mut searcher = search.pattern.searcher();
    for (index, file) in files.iter().enumerate() {
        let path = listing.path(*file);
        let Some(end) = stream.iter().position(|it| *it == b'\n') else { return Ok((index, found)) };
        let header = String::from_utf8_lossy(&stream[..end]);
        let size = header.rsplit(' ').next().and_then(|it| it.parse::<usize>().ok()).ok_or_else(|| {
            let path = path.escape_debug();
            Error::Unavailable(format!("`{path}` cannot be read, git says `{header}`: the mirror may be damaged"))
        })?;
        stream = &stream[end + 1..];
        if let Some(text) = stream.get(..size).filter(|_| size <= FILE_MAX) {
            search.pattern.search(&mut searcher, path, text, search.done(path), &mut found)?;
        } else if size <= FILE_MAX {
            return Ok((index, found)); // the rest of it did not come
        }
        if found.full {
            return Ok((index, found));
        }
        stream = stream.get(size + 1..).unwrap_or_default();
    }
    Ok((files.len(), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_and_cover_all_files() {
        for files in [0, 1, 64, 65, 100_000] {
            let batches: Vec<_> = batches(files).collect();
            let covered: Vec<usize> = batches.iter().cloned().flatten().collect();
            assert!(covered.into_iter().eq(0..files), "{files}");
            assert!(batches.iter().all(|it| it.len() <= BATCH_MAX));
        }
        assert!(batches(100_000).count() < 60);
    }
}
