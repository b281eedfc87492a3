//! The bound of the cache, and who goes first.

use super::*;
use std::io::{Read, Write};

fn put(store: &Store, key: &str, size: u64) -> Result<(), Error> {
    let (mut temporary, mut file) = store.temporary()?;
    temporary.grow(size)?;
    file.write_all(&vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
    temporary.keep(key)
}

#[track_caller]
fn check(store: &Store, expected: &[&str]) {
    let mut names: Vec<String> =
        fs::read_dir(&store.inner.folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, expected);
    let on_disk: u64 = names.iter().map(|it| fs::metadata(store.inner.folder.join(it)).unwrap().len()).sum();
    assert_eq!(store.with(|it| it.total).unwrap(), on_disk);
}

#[test]
fn the_least_recently_used_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("new/cache"), 100);
    for key in ["a", "b", "c"] {
        put(&store, key, 30).unwrap();
    }
    assert!(store.open("a").unwrap().is_some());
    put(&store, "d", 30).unwrap();
    check(&store, &["a", "c", "d"]);
    put(&store, "a", 10).unwrap();
    check(&store, &["a", "c", "d"]);
    assert!(store.open("b").unwrap().is_none());
}

#[test]
fn what_arrives_counts_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().into(), 100);
    put(&store, "a", 60).unwrap();
    let (mut arriving, _file) = store.temporary().unwrap();
    arriving.grow(60).unwrap();
    assert!(store.open("a").unwrap().is_none(), "it made room");
    let error = arriving.grow(60).unwrap_err().to_string();
    assert_eq!(error, "it does not fit into the cache of packages, which may hold 100 bytes");
    drop(arriving);
    check(&store, &[]);
}

#[test]
fn who_has_a_file_open_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().into(), 10);
    put(&store, "a", 8).unwrap();
    let (mut file, size) = store.open("a").unwrap().unwrap();
    put(&store, "b", 8).unwrap();
    check(&store, &["b"]);
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), size), ("xxxxxxxx", 8));
}

#[test]
fn a_restart_knows_the_order_and_forgets_what_was_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().into(), 100);
    for key in ["a", "b", "c"] {
        put(&store, key, 30).unwrap();
    }
    fs::write(folder.path().join("partial-0-7"), "of a process that is gone").unwrap();
    let long_ago = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    fs::File::options().write(true).open(folder.path().join("b")).unwrap().set_times(long_ago).unwrap();
    let store = Store::new(folder.path().into(), 70);
    assert!(store.open("a").unwrap().is_some());
    check(&store, &["a", "c"]);
}

#[test]
fn a_file_that_was_removed_by_hand_is_missing_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().into(), 100);
    put(&store, "a", 30).unwrap();
    fs::remove_file(folder.path().join("a")).unwrap();
    assert!(store.open("a").unwrap().is_none());
    check(&store, &[]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = Store::new(folder.path().join("file/cache"), 100).open("a").unwrap_err().to_string();
    assert!(error.contains("file/cache") && error.contains("could not read"), "{error}");
}
