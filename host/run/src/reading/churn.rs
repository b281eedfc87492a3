//! Which files were changed by most commits.
//!
//! What each commit changed is asked of git once and remembered by the commit's id, so it is right for every revision
//! and every span of time, and a call that was broken off has lost nothing: the next one goes on. Renames are followed
//! from the newest commit back: what a file was called before counts for what it is called now.
//!
//! Remembered in memory only, within fixed bounds; above them the answer is `too-large`.

use super::{
    Inner, blocking, git_said, glob::Globs, listing::Listing, lock, millis, of_git, revision::Mirrored, since,
};
use agentd_forge::git::Git;
use agentd_plugin::wit::{
    common::Error,
    repository::{ChurnQuery, ChurnedFile},
};
use futures_util::{StreamExt as _, stream};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

/// The most files of an answer.
pub(super) const MOST: u32 = 10_000;
/// How many commits one call looks at, and how many changed files are remembered of a repository.
const COMMITS_MAX: usize = 300_000;
const CHANGES_MAX: usize = 2_000_000;
/// How many commits git is asked for at a time.
const BATCH: usize = 256;
/// Of how many repositories something is remembered.
const REPOSITORIES: usize = 8;
/// Marks the line of a commit: id, seconds, author's address.
const FORMAT: &str = "--format=tformat:%x01%H %ct %aE";

/// What is known of each repository's commits, the one asked for last first.
#[derive(Default)]
pub(super) struct Remembered {
    repositories: Mutex<Vec<(String, Arc<Mutex<Known>>)>>,
}

impl Remembered {
    fn of(&self, repository: &str) -> Arc<Mutex<Known>> {
        let mut repositories = lock(&self.repositories);
        match repositories.iter().position(|(it, _)| it == repository) {
            Some(index) => repositories[..=index].rotate_right(1),
            None => repositories.insert(0, (repository.to_owned(), Arc::default())),
        }
        repositories.truncate(REPOSITORIES);
        repositories[0].1.clone()
    }

    /// How many commits are known.
    #[cfg(test)]
    pub(super) fn commits(&self, repository: &str) -> usize {
        lock(&self.of(repository)).commits.len()
    }
}

/// What is known of one repository's commits.
#[derive(Default)]
struct Known {
    commits: HashMap<String, Commit>,
    changes: usize,
    names: Names,
}

/// A text by number, each once.
#[derive(Default)]
struct Names {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }
}

struct Commit {
    at: u64,
    author: u32,
    changes: Box<[Change]>,
}

struct Change {
    path: u32,
    /// What it was called before.
    from: Option<u32>,
    added: u32,
    removed: u32,
}

/// What git said of one commit.
#[derive(Debug, PartialEq)]
struct Said {
    id: String,
    at: u64,
    author: String,
    /// Path, path before, added, removed.
    changes: Vec<(String, Option<String>, u32, u32)>,
}

pub(super) async fn most_changed(
    inner: &Inner,
    mirror: &Mirrored<'_>,
    query: ChurnQuery,
) -> Result<Vec<ChurnedFile>, Error> {
    let globs = Globs::new(&query.globs)?;
    let commit = mirror.commit(&query.revision).await?;
    let listing = inner.listing(mirror, &commit).await?;
    let commits = commits(mirror, &commit, query.since).await?;
    let known = inner.churn.of(&mirror.known.id);
    learn(inner.lanes, mirror, &known, &commits).await?;
    blocking(move || Ok(count(&lock(&known), &commits, &listing, &globs, query.limit as usize))).await
}

/// The commits to be counted, children before parents.
async fn commits(mirror: &Mirrored<'_>, tip: &str, from: Option<u64>) -> Result<Vec<String>, Error> {
    let (most, from) = (format!("--max-count={}", COMMITS_MAX + 1), from.map(since));
    let mut args = vec!["rev-list", "--topo-order", "--no-merges", &most];
    args.extend(from.as_deref());
    args.extend([tip, "--"]);
    let list = mirror.git.ok(&args).await.map_err(of_git(format!("listing the commits of `{}`", mirror.known.id)))?;
    let commits: Vec<String> = list.lines().map(Into::into).collect();
    if commits.len() > COMMITS_MAX {
        let id = &mirror.known.id;
        return Err(Error::TooLarge(format!("`{id}` has more than {COMMITS_MAX} commits there: name a later `since`")));
    }
    Ok(commits)
}

/// Asks git for what is not known yet of these commits.
async fn learn(lanes: usize, mirror: &Mirrored<'_>, known: &Mutex<Known>, commits: &[String]) -> Result<(), Error> {
    let missing: Vec<String> = {
        let known = lock(known);
        commits.iter().filter(|it| !known.commits.contains_key(*it)).cloned().collect()
    };
    let (git, repository) = (&mirror.git, &mirror.known.id);
    // Owned, since a stream of borrowed ones is no future that may change threads.
    let batches: Vec<Vec<String>> = missing.chunks(BATCH).map(<[String]>::to_vec).collect();
    let mut batches = stream::iter(batches).map(|batch| ask(git, repository, batch)).buffer_unordered(lanes);
    while let Some(said) = batches.next().await {
        let mut known = lock(known);
        for said in said? {
            known.add(said);
        }
        if known.changes > CHANGES_MAX {
            return Err(Error::TooLarge(format!(
                "the commits of `{repository}` change more than {CHANGES_MAX} files there: name a later `since`"
            )));
        }
    }
    Ok(())
}

async fn ask(git: &Git, repository: &str, commits: Vec<String>) -> Result<Vec<Said>, Error> {
    let args =
        ["log", "--no-walk=unsorted", "--stdin", "-z", "--numstat", "-M", "--no-ext-diff", "--no-textconv", FORMAT];
    let doing = || format!("reading what commits of `{repository}` changed");
    let (mut all, mut commits) = (vec![], commits.as_slice());
    while !commits.is_empty() {
        let output = git.output(&args, (commits.join("\n") + "\n").as_bytes()).await.map_err(of_git(doing()))?;
        if !output.cut && !output.success() {
            return Err(git_said(doing(), &output.stderr));
        }
        let mut said = blocking(move || Ok(parse(&output.stdout))).await?;
        if output.cut {
            said.pop(); // not all of it came
        }
        if said.is_empty() {
            let id = commits[0].clone();
            tracing::warn!(repository, commit = id, "Left a commit out of the churn: it changes too many files");
            said.push(Said { id, at: 0, author: String::new(), changes: vec![] });
        }
        commits = &commits[said.len().min(commits.len())..];
        all.append(&mut said);
    }
    Ok(all)
}

/// Reads `--numstat -z`: a commit's line, then for each file `added removed path`, or two paths for a renamed one.
fn parse(log: &[u8]) -> Vec<Said> {
    let mut said: Vec<Said> = vec![];
    let mut fields = log.split(|it| *it == 0);
    while let Some(field) = fields.next() {
        let field = field.strip_prefix(b"\n").unwrap_or(field);
        if let Some(header) = field.strip_prefix(b"\x01") {
            let header = String::from_utf8_lossy(header);
            let mut words = header.splitn(3, ' ').map(ToOwned::to_owned);
            let mut word = || words.next().unwrap_or_default();
            said.push(Said { id: word(), at: millis(&word()), author: word().to_lowercase(), changes: vec![] });
            continue;
        }
        let mut columns = field.splitn(3, |it| *it == b'\t');
        let (Some(added), Some(removed), Some(path)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        let (from, path) = match path {
            b"" => (fields.next(), fields.next().unwrap_or_default()),
            path => (None, path),
        };
        // Paths that are not UTF-8 have no name in the answer; binary files have `-` for a number.
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|it| it.parse().ok()).unwrap_or(0);
        if let (Some(path), Some(commit)) = (text(path), said.last_mut()) {
            commit.changes.push((path, from.and_then(text), number(added), number(removed)));
        }
    }
    said
}

impl Known {
    fn add(&mut self, said: Said) {
        let author = self.names.number(&said.author);
        let mut change = |(path, from, added, removed): (String, Option<String>, u32, u32)| Change {
            path: self.names.number(&path),
            from: from.map(|it| self.names.number(&it)),
            added,
            removed,
        };
        let changes: Box<[Change]> = said.changes.into_iter().map(&mut change).collect();
        self.changes += changes.len();
        if let Some(twice) = self.commits.insert(said.id, Commit { at: said.at, author, changes }) {
            self.changes -= twice.changes.len();
        }
    }
}

#[derive(Default)]
struct Count {
    commits: u32,
    /// The place of the commit that was counted last: it may change a file by two names.
    counted: Option<usize>,
    authors: HashSet<u32>,
    added: u32,
    removed: u32,
    at: u64,
}

fn count(known: &Known, commits: &[String], listing: &Listing, globs: &Globs, most: usize) -> Vec<ChurnedFile> {
    let mut counts: HashMap<u32, Count> = HashMap::new();
    let mut now: HashMap<u32, u32> = HashMap::new();
    for (place, commit) in commits.iter().enumerate().filter_map(|(place, id)| Some((place, known.commits.get(id)?))) {
        for change in &commit.changes {
            let path = now.get(&change.path).copied().unwrap_or(change.path);
            let count = counts.entry(path).or_default();
            if count.counted.replace(place) != Some(place) {
                count.commits += 1;
            }
            count.authors.insert(commit.author);
            count.added = count.added.saturating_add(change.added);
            count.removed = count.removed.saturating_add(change.removed);
            count.at = count.at.max(commit.at);
        }
        // All names of a commit are those after it, also where files changed places.
        let renamed = |it: &Change| it.from.map(|from| (from, now.get(&it.path).copied().unwrap_or(it.path)));
        let renamed: Vec<(u32, u32)> = commit.changes.iter().filter_map(renamed).collect();
        now.extend(renamed);
    }
    let name = |number: u32| known.names.texts[number as usize].as_ref();
    let exists = |path: &str| listing.find(path).is_some() && globs.takes(path);
    let mut counts: Vec<(u32, Count)> = counts.into_iter().filter(|(it, _)| exists(name(*it))).collect();
    counts.sort_by(|(a, x), (b, y)| y.commits.cmp(&x.commits).then_with(|| name(*a).cmp(name(*b))));
    counts.truncate(most);
    let file = |(path, count): (u32, Count)| ChurnedFile {
        path: name(path).to_owned(),
        commits: count.commits,
        authors: u32::try_from(count.authors.len()).unwrap_or(u32::MAX),
        added_lines: count.added,
        removed_lines: count.removed,
        last_changed_at: count.at,
        extra: vec![],
    };
    counts.into_iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ID, Shop};
    use super::*;

    #[test]
    fn what_git_says_of_commits_is_read() {
        let log = b"\x01aa 7 Ann@Example.org\0\n1\t2\tsrc/a.rs\0-\t-\t\0old\xff\0new\0\x012b 8 bob@x y\0\x01cc 9 \0\n3\t0\tb\xff\0";
        let said = |id: &str, at, author: &str, changes| Said { id: id.into(), at, author: author.into(), changes };
        let changes = vec![("src/a.rs".to_owned(), None, 1, 2), ("new".to_owned(), None, 0, 0)];
        let expected = [said("aa", 7000, "ann@example.org", changes), said("2b", 8000, "bob@x y", vec![])];
        assert_eq!(parse(log)[..2], expected);
        assert_eq!(parse(log)[2], said("cc", 9000, "", vec![]));
        assert_eq!(parse(b""), []);
    }

    /// git is asked again for what did not come, and a commit that alone is too much is left out.
    #[tokio::test]
    async fn answers_that_are_cut_lose_no_commit() {
        let shop = Shop::new().await;
        let mut commits = vec![];
        for number in 0..8 {
            let files = if number == 4 { 60 } else { 3 };
            for file in 0..files {
                shop.write(&format!("a/long/path/for/a/file/{number}/{file}"), "x\n");
            }
            commits.push(shop.commit("ann", number, "more").await);
        }
        shop.fetch().await;
        let git = shop.reading.inner.open(ID).await.unwrap().git.with(|options| options.stdout_max = 1000);
        let said = ask(&git, ID, commits.clone()).await.unwrap();
        assert_eq!(said.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), commits);
        let changes: Vec<usize> = said.iter().map(|it| it.changes.len()).collect();
        assert_eq!(changes, [3, 3, 3, 3, 0, 3, 3, 3]);
    }
}
