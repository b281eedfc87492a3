//! The frames as the host will read them.

use super::*;
use std::{
    os::unix::fs::symlink,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder of this test's own, gone afterwards.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("agentd-init-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        Dir(dir)
    }

    fn spool(&self, max: u64) -> (PathBuf, Spool) {
        let path = self.0.join("frames");
        std::fs::write(&path, "").unwrap();
        (path.clone(), Spool::open(&path, max).unwrap())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Streams and payloads of a spool file.
fn read(path: &Path) -> Vec<(u8, String)> {
    let mut bytes = std::fs::read(path).unwrap();
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_le_bytes(bytes[1..5].try_into().unwrap()) as usize;
        let rest = bytes.split_off(HEADER + length);
        frames.push((bytes[0], String::from_utf8_lossy(&bytes[HEADER..]).into_owned()));
        bytes = rest;
    }
    frames
}

#[test]
fn frames_are_kept_in_order_and_end_with_the_exit() {
    let dir = Dir::new();
    let (path, mut spool) = dir.spool(1 << 20);
    spool.keep(Stream::Stdout, b"out");
    spool.keep(Stream::Stderr, b"err");
    spool.end(Some(3), None).unwrap();
    let expected = [(1, "out"), (2, "err"), (4, r#"{"code":3,"signal":null}"#)];
    assert_eq!(read(&path), expected.map(|(stream, text)| (stream, text.to_owned())));
}

#[test]
fn what_does_not_fit_is_dropped_after_one_note() {
    let dir = Dir::new();
    let (path, mut spool) = dir.spool(RESERVED + 50);
    for _ in 0..10 {
        spool.keep(Stream::Stdout, b"0123456789");
    }
    spool.end(None, Some(9)).unwrap();
    let streams: Vec<_> = read(&path).into_iter().map(|(stream, _)| stream).collect();
    assert_eq!(streams, [1, 1, 3, 4]);
    assert!(path.metadata().unwrap().len() <= RESERVED + 50);
}

#[test]
fn only_a_plain_file_that_is_there_is_opened() {
    let dir = Dir::new();
    let check = |name: &str, words: &str| {
        let error = Spool::open(&dir.0.join(name), 1).err().unwrap();
        assert!(error.contains(words), "{error}");
    };
    check("missing", "No such file");
    std::fs::write(dir.0.join("target"), "").unwrap();
    symlink(dir.0.join("target"), dir.0.join("link")).unwrap();
    check("link", "symbolic link");
    symlink("/dev/null", dir.0.join("device")).unwrap();
    check("device", "symbolic link");
    assert!(Spool::open(Path::new("/dev/null"), 1).err().unwrap().contains("not a plain file"));
}
