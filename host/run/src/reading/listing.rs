//! All files of one commit, as `git ls-tree` writes them, and the last few such lists.
//!
//! A list is kept as git wrote it with an index beside it: a hundred thousand files take some 8 MiB. What a commit
//! holds never changes, so a list is never wrong, only forgotten.

use super::{Inner, blocking, git_said, lock, of_git, revision::Mirrored};
use agentd_plugin::wit::common::Error;
use std::{
    ops::Range,
    sync::{Arc, Mutex},
};

/// How many lists are kept, and how large they are together, in bytes of git's.
const KEPT: usize = 4;
const KEPT_BYTES: usize = 96 << 20;

/// The files of a commit, in the order of their paths' bytes.
pub(super) struct Listing {
    raw: Vec<u8>,
    files: Vec<File>,
}

/// An entry of a [`Listing`]: places in git's text.
#[derive(Clone, Copy)]
pub(super) struct File {
    kind: Kind,
    id: u32,
    path: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Link,
    Submodule,
    Directory,
}

impl Listing {
    /// Takes what `ls-tree -z` wrote. Paths that are not UTF-8 are left out.
    pub(super) fn parse(raw: Vec<u8>) -> Result<Listing, Error> {
        let mut files = vec![];
        let mut start = 0;
        for line in raw.split_inclusive(|it| *it == 0) {
            let end = start + line.len() - 1;
            let odd = || Error::Other(format!("git listed `{}`, which is no entry", String::from_utf8_lossy(line)));
            let tab = line.iter().position(|it| *it == b'\t').ok_or_else(odd)?;
            let id = line[..tab].iter().rposition(|it| *it == b' ').ok_or_else(odd)? + 1;
            let kind = match &line[..6.min(tab)] {
                b"120000" => Kind::Link,
                b"160000" => Kind::Submodule,
                b"040000" => Kind::Directory,
                _ => Kind::File,
            };
            let at = |offset: usize| u32::try_from(offset).map_err(|_| odd());
            if std::str::from_utf8(&line[tab + 1..line.len() - 1]).is_ok() {
                files.push(File { kind, id: at(start + id)?, path: at(start + tab + 1)?, end: at(end)? });
            }
            start = end + 1;
        }
        let mut listing = Listing { raw, files };
        let raw = &listing.raw;
        listing.files.sort_by(|a, b| raw[a.path_range()].cmp(&raw[b.path_range()]));
        Ok(listing)
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    pub(super) fn path(&self, file: File) -> &str {
        std::str::from_utf8(&self.raw[file.path_range()]).unwrap_or_default()
    }

    /// The content's id, in hex.
    pub(super) fn id(&self, file: File) -> &str {
        let id = file.id as usize..file.path as usize - 1;
        std::str::from_utf8(&self.raw[id]).unwrap_or_default()
    }

    pub(super) fn find(&self, path: &str) -> Option<File> {
        let place = self.files.binary_search_by(|it| self.raw[it.path_range()].cmp(path.as_bytes()));
        place.ok().map(|index| self.files[index])
    }

    /// The index of the first file at or after a path.
    pub(super) fn from(&self, path: &str) -> usize {
        self.files.partition_point(|it| &self.raw[it.path_range()] < path.as_bytes())
    }

    /// None: it is a file, with content of its own in the repository.
    pub(super) fn why_no_file(&self, file: File) -> Option<&'static str> {
        match file.kind {
            Kind::File => None,
            Kind::Link => Some("is a symbolic link, and those are not followed"),
            Kind::Submodule => Some("is a submodule, whose files are not here"),
            Kind::Directory => Some("is a directory: name a file"),
        }
    }
}

impl File {
    pub(super) fn is_plain(self) -> bool {
        self.kind == Kind::File
    }

    /// Whether the repository holds something under its id.
    pub(super) fn has_object(self) -> bool {
        self.kind != Kind::Submodule
    }

    fn path_range(self) -> Range<usize> {
        self.path as usize..self.end as usize
    }
}

/// The lists that were asked for last.
#[derive(Default)]
pub(super) struct Recent {
    /// Newest first.
    lists: Mutex<Vec<(String, Arc<Listing>)>>,
}

impl Recent {
    fn get(&self, commit: &str) -> Option<Arc<Listing>> {
        let mut lists = lock(&self.lists);
        let index = lists.iter().position(|(it, _)| it == commit)?;
        lists[..=index].rotate_right(1);
        Some(lists[0].1.clone())
    }

    fn put(&self, commit: &str, listing: Arc<Listing>) {
        let mut lists = lock(&self.lists);
        lists.retain(|(it, _)| it != commit);
        lists.insert(0, (commit.to_owned(), listing));
        let mut bytes = 0;
        let mut within = |(_, listing): &(String, Arc<Listing>)| {
            bytes += listing.raw.len();
            bytes <= KEPT_BYTES
        };
        let keep = lists.iter().take(KEPT).take_while(|it| within(it)).count().max(1);
        lists.truncate(keep);
    }
}

impl Inner {
    /// The files of a commit.
    pub(super) async fn listing(&self, mirror: &Mirrored<'_>, commit: &str) -> Result<Arc<Listing>, Error> {
        let id = &mirror.known.id;
        // Two repositories may hold the same commit, but one may know less of its files: a list is one repository's.
        let key = format!("{commit} {id}");
        if let Some(listing) = self.listings.get(&key) {
            return Ok(listing);
        }
        let doing = || format!("listing the files of `{id}`");
        let output = mirror.git.run(&["ls-tree", "-r", "-z", "--full-tree", commit]).await.map_err(of_git(doing()))?;
        if output.cut {
            let most = super::revision::OUTPUT_MAX >> 20;
            return Err(Error::TooLarge(format!("{} wrote more than {most} MiB: it has too many files", doing())));
        }
        if !output.success() {
            return Err(git_said(doing(), &output.stderr));
        }
        let listing = Arc::new(blocking(move || Listing::parse(output.stdout)).await?);
        self.listings.put(&key, listing.clone());
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(raw: &[u8]) -> Listing {
        Listing::parse(raw.to_vec()).unwrap()
    }

    #[test]
    fn what_git_lists_is_found_by_path() {
        let id = "ce013625030ba8dba906f756967f9e9ca394464a";
        let raw = format!("100644 blob {id}\ta b\0120000 blob {id}\tz\0160000 commit {id}\tlib/sub\0");
        let list = listing(raw.as_bytes());
        let paths: Vec<_> = list.files().iter().map(|it| list.path(*it)).collect();
        assert_eq!(paths, ["a b", "lib/sub", "z"]);
        assert_eq!(list.id(list.find("z").unwrap()), id);
        assert!(list.find("a b").unwrap().is_plain());
        assert!(!list.find("lib/sub").unwrap().has_object());
        assert!(list.find("lib").is_none());
        assert_eq!((list.from("a b"), list.from("b"), list.from("zz")), (0, 1, 3));
    }

    #[test]
    fn names_that_are_not_text_are_left_out() {
        assert_eq!(listing(b"100644 blob ff\t\xff\xfe\x00100644 blob ff\tok\x00").files().len(), 1);
        assert!(Listing::parse(b"nonsense\0".to_vec()).is_err());
        assert_eq!(listing(b"").files().len(), 0);
    }

    #[test]
    fn only_the_last_few_lists_are_kept() {
        let recent = Recent::default();
        for commit in 0..6 {
            recent.put(&commit.to_string(), Arc::new(listing(b"")));
        }
        assert!(recent.get("1").is_none());
        assert!(recent.get("2").is_some(), "and becomes the newest by being asked for");
        recent.put("6", Arc::new(listing(b"")));
        assert!(recent.get("2").is_some() && recent.get("3").is_none());
    }
}
