//! Directories, friendly and hostile.

use super::*;
use rustix::fs::{CWD, FileType, Mode};
use std::{
    ffi::OsStr,
    os::unix::{ffi::OsStrExt as _, fs::symlink, net::UnixListener},
};

/// A folder with a directory in it, and something beside that nobody may see.
struct Place {
    folder: TempDir,
    reading: Reading,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().unwrap();
        write(&folder.path().join("outside/secret"), "needle: outside");
        fs::create_dir(folder.path().join("tree")).unwrap();
        Place { reading: Reading::new(Layout::new(folder.path().join("home")), vec![]), folder }
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join("tree").join(below)
    }

    fn tree(&self) -> Tree {
        Tree::Directory(self.folder.path().join("tree"))
    }

    async fn files(&self, globs: &[&str], limit: u32) -> Vec<String> {
        let (files, _) = all_files(&self.reading, &self.tree(), file_query(globs, limit)).await;
        files.into_iter().map(|(path, _)| path).collect()
    }

    async fn read(&self, path: &str) -> Result<Content, Error> {
        self.reading.read_file(self.tree(), None, path.into()).await
    }
}

#[tokio::test]
async fn files_come_in_the_order_of_a_repository() {
    let place = Place::new();
    for path in ["a/z", "a.md", "a-b", "sub/deep/c.md", "B", ".hidden", "empty-dir/x"] {
        write(&place.path(path), "needle\n");
    }
    fs::remove_file(place.path("empty-dir/x")).unwrap();
    let expected = [".hidden", "B", "a-b", "a.md", "a/z", "sub/deep/c.md"];
    for limit in [10_000, 6, 5, 1] {
        assert_eq!(place.files(&[], limit).await, expected, "{limit} a page");
    }
    assert_eq!(place.files(&["*.md", "!a.md"], 3).await, ["sub/deep/c.md"]);
    let hits = all_hits(&place.reading, &place.tree(), SearchQuery { limit: 2, ..search_query("needle") }).await;
    assert_eq!(hits, expected.map(|path| format!("{path}:1:0:needle")));
    assert!(matches!(place.read("sub/deep/c.md").await, Ok(Content::Text(text)) if text == "needle\n"));
}

#[tokio::test]
async fn nothing_leads_out_and_nothing_waits() {
    let place = Place::new();
    write(&place.path("ok"), "needle: inside");
    write(&place.path(".git/config"), "needle: git");
    write(&place.path("sub/.git"), "needle: gitdir: elsewhere");
    symlink("../outside/secret", place.path("link")).unwrap();
    symlink("../outside", place.path("linked")).unwrap();
    symlink("/etc/passwd", place.path("absolute")).unwrap();
    symlink("ok", place.path("inside")).unwrap();
    symlink("loop", place.path("loop")).unwrap();
    symlink(".", place.path("self")).unwrap();
    rustix::fs::mknodat(CWD, place.path("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    write(&place.path("").join(OsStr::from_bytes(b"bad\xff")), "needle: no name");
    assert_eq!(place.files(&[], 100).await, ["ok"]);
    let hits = all_hits(&place.reading, &place.tree(), search_query("needle|root")).await;
    assert_eq!(hits, ["ok:1:0:needle: inside"]);
    let link = |path: &str| format!("not-found: `{path}` is a symbolic link, and those are not followed");
    for path in ["link", "linked", "absolute", "inside", "loop", "self"] {
        assert_eq!(said(place.read(path).await), link(path));
    }
    for path in ["linked/secret", "self/ok"] {
        let expected = format!("not-found: `{path}` leads over a link, and those are not followed");
        assert_eq!(said(place.read(path).await), expected);
    }
    for path in ["pipe", "socket"] {
        assert_eq!(said(place.read(path).await), format!("not-found: `{path}` is no plain file"));
    }
    assert_eq!(said(place.read("sub").await), "not-found: `sub` is a directory: name a file");
    assert_eq!(said(place.read("gone").await), "not-found: `gone` does not exist");
    assert_eq!(said(place.read("ok/below").await), "not-found: `ok/below` does not exist");
    for path in [".git/config", "sub/.git"] {
        let expected = format!("not-found: `{path}` is git's own, which is no part of the tree");
        assert_eq!(said(place.read(path).await), expected);
    }
    for path in ["../outside/secret", "/etc/passwd", "sub/../../outside/secret", ""] {
        assert!(said(place.read(path).await).starts_with("invalid: "), "{path}");
    }
}

#[tokio::test]
async fn large_and_odd_content_is_told_apart() {
    let place = Place::new();
    write(&place.path("bytes"), b"\xff needle\n");
    write(&place.path("nul"), b"\0 needle\n");
    write(&place.path("large"), [b"needle\n".to_vec(), vec![b'a'; FILE_MAX]].concat());
    assert!(matches!(place.read("bytes").await, Ok(Content::Bytes(bytes)) if bytes == b"\xff needle\n"));
    assert_eq!(said(place.read("large").await), "too-large: `large` is larger than 8 MiB");
    let hits = all_hits(&place.reading, &place.tree(), search_query("needle")).await;
    assert_eq!(hits, ["bytes:1:2:\u{fffd} needle"]);
}

#[tokio::test]
async fn a_tree_that_is_no_directory_is_said() {
    let place = Place::new();
    write(&place.path("file"), "x");
    let list = async |path: &str| {
        let tree = Tree::Directory(place.path(path));
        said(place.reading.list_files(tree, file_query(&[], 1)).await)
    };
    assert_eq!(list("none").await, format!("not-found: there is no directory {}", place.path("none").display()));
    assert_eq!(list("file").await, format!("not-found: {} is not a directory", place.path("file").display()));
    symlink(place.path(""), place.folder.path().join("by-link")).unwrap();
    let tree = Tree::Directory(place.folder.path().join("by-link"));
    let page = place.reading.list_files(tree, file_query(&[], 9)).await.unwrap();
    assert_eq!(page.files.len(), 1, "the operator may name it over a link");
}

#[tokio::test]
async fn a_directory_has_no_history() {
    let place = Place::new();
    let query = FileQuery { revision: Some("main".into()), ..file_query(&[], 1) };
    let listed = said(place.reading.list_files(place.tree(), query).await);
    assert_eq!(listed, "unsupported: a directory has no revisions: leave `revision` out");
    let blamed = said(place.reading.blame(place.tree(), None, "f".into(), 1, 2).await);
    assert!(blamed.starts_with("unsupported: ") && blamed.ends_with("it has no history to read"), "{blamed}");
}
