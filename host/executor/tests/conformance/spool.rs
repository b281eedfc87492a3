//! A spool that somebody has been at: the reader says so, and opens nothing it should not.

use agentd_executor::{
    Error,
    spool::{self, Reader, Stream},
};
use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn frame(stream: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![stream];
    bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    bytes.extend(1_700_000_000_000_u64.to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// A control folder whose spool holds `bytes`.
fn control(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    spool::create(dir.path()).unwrap();
    append(dir.path(), bytes);
    dir
}

fn frames(control: &Path) -> PathBuf {
    control.join("spool/frames")
}

fn append(control: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(frames(control)).unwrap().write_all(bytes).unwrap();
}

/// What the reader says of the first thing that is wrong.
#[track_caller]
fn check_tampered(control: &Path, offset: u64, words: &str) {
    let said = Reader::open(control, offset).and_then(|mut reader| {
        while reader.next()?.is_some() {}
        Ok(())
    });
    let error = said.expect_err(words);
    assert!(matches!(error, Error::Tampered { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.failure().reason.as_str(), "spool-tampered");
}

#[test]
fn frames_come_as_they_are_written() {
    let dir = control(b"");
    let mut reader = Reader::open(dir.path(), 0).unwrap();
    assert_eq!(reader.next().unwrap(), None);
    let whole = frame(1, b"hello");
    append(dir.path(), &whole[..7]);
    assert_eq!(reader.next().unwrap(), None);
    append(dir.path(), &whole[7..15]);
    assert_eq!(reader.next().unwrap(), None);
    append(dir.path(), &[&whole[15..], &frame(2, b"oh")[..]].concat());
    let first = reader.next().unwrap().unwrap();
    assert_eq!((first.stream, first.payload.as_slice(), first.end), (Stream::Stdout, &b"hello"[..], 18));
    let second = reader.next().unwrap().unwrap();
    assert_eq!((second.stream, second.payload.as_slice(), second.end), (Stream::Stderr, &b"oh"[..], 33));
    assert_eq!(reader.next().unwrap(), None);
}

#[test]
fn the_ending_is_found_without_reading_all() {
    let dir = control(b"");
    assert_eq!(spool::ending(dir.path()).unwrap(), None);
    append(dir.path(), &frame(1, &[4; 60_000]));
    assert_eq!(spool::ending(dir.path()).unwrap(), None);
    append(dir.path(), &frame(4, br#"{"code":null,"signal":9}"#));
    assert_eq!(spool::ending(dir.path()).unwrap().unwrap().exit_code(), Some(137));
}

#[test]
fn garbage_is_no_frame() {
    check_tampered(control(&frame(9, b"x")).path(), 0, "the unknown stream 9");
    check_tampered(control(&[0xff; 64]).path(), 0, "the unknown stream 255");
    let mut long = frame(1, b"x");
    long[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
    check_tampered(control(&long).path(), 0, "a frame of 4294967295 bytes");
    let after = [frame(4, b"{}"), frame(1, b"more")].concat();
    check_tampered(control(&after).path(), 0, "goes on after the command's end");
}

#[test]
fn what_was_said_cannot_be_unsaid() {
    let dir = control(&[frame(1, b"one"), frame(1, b"two")].concat());
    let mut reader = Reader::open(dir.path(), 0).unwrap();
    while reader.next().unwrap().is_some() {}
    OpenOptions::new().write(true).open(frames(dir.path())).unwrap().set_len(16).unwrap();
    let error = reader.next().unwrap_err();
    assert!(error.to_string().contains("it has 16 bytes, and had 32"), "{error}");
    check_tampered(dir.path(), 32, "it has 16 bytes, and had 32");
}

#[test]
fn another_file_in_its_place_is_not_read() {
    let dir = control(&frame(1, b"one"));
    let mut reader = Reader::open(dir.path(), 0).unwrap();
    reader.next().unwrap();
    std::fs::rename(frames(dir.path()), dir.path().join("kept")).unwrap();
    std::fs::write(frames(dir.path()), frame(1, b"one")).unwrap();
    assert!(reader.next().unwrap_err().to_string().contains("another file"));
    check_tampered(dir.path(), 0, "another file is in its place");
}

#[test]
fn a_link_a_pipe_a_device_or_nothing_in_its_place_is_not_opened() {
    let replaced = |make: &dyn Fn(&Path)| {
        let dir = control(b"");
        std::fs::remove_file(frames(dir.path())).unwrap();
        make(&frames(dir.path()));
        dir
    };
    check_tampered(replaced(&|it| symlink("/etc/shadow", it).unwrap()).path(), 0, "a link is in its place");
    check_tampered(replaced(&|it| symlink("/dev/zero", it).unwrap()).path(), 0, "a link is in its place");
    check_tampered(replaced(&|it| std::fs::create_dir(it).unwrap()).path(), 0, "no file is in its place");
    check_tampered(replaced(&|_| ()).path(), 0, "it is gone");
    let mkfifo = |it: &Path| assert!(Command::new("mkfifo").arg(it).status().unwrap().success());
    check_tampered(replaced(&mkfifo).path(), 0, "no file is in its place");
    let mknod = |it: &Path| assert!(Command::new("mknod").arg(it).args(["c", "1", "5"]).status().unwrap().success());
    check_tampered(replaced(&mknod).path(), 0, "no file is in its place");
    let hard = |it: &Path| {
        std::fs::write(it.with_extension("other"), "x").unwrap();
        std::fs::hard_link(it.with_extension("other"), it).unwrap();
    };
    check_tampered(replaced(&hard).path(), 0, "another file is in its place");
}

#[test]
fn a_link_in_place_of_its_folder_is_not_followed() {
    let (dir, elsewhere) = (control(b""), control(&frame(1, b"elsewhere")));
    std::fs::rename(dir.path().join("spool"), dir.path().join("kept")).unwrap();
    symlink(elsewhere.path().join("spool"), dir.path().join("spool")).unwrap();
    check_tampered(dir.path(), 0, "a link is in its place");
    // Making a new one leaves the link's target as it is.
    spool::create(dir.path()).unwrap();
    assert!(frames(elsewhere.path()).exists());
    assert!(Reader::open(dir.path(), 0).unwrap().next().unwrap().is_none());
}

/// Puts something in the spool's place, and says whether it was kept as the transcript.
#[track_caller]
fn check_kept(change: impl FnOnce(&Path), expected: bool) {
    let dir = control(&frame(1, b"hello"));
    let to = dir.path().join("transcript");
    change(dir.path());
    assert_eq!(spool::keep(dir.path(), &to).unwrap(), expected);
    assert_eq!(to.symlink_metadata().is_ok(), expected);
}

#[test]
fn only_the_spool_itself_is_kept_as_a_transcript() {
    check_kept(|_| (), true);
    check_kept(|control| std::fs::remove_file(frames(control)).unwrap(), false);
    check_kept(|control| std::fs::remove_dir_all(control.join("spool")).unwrap(), false);
    check_kept(|control| std::fs::remove_file(control.join("spool.id")).unwrap(), false);
    let secret = |control: &Path| {
        let secret = control.join("secret");
        std::fs::write(&secret, "secret").unwrap();
        std::fs::remove_file(frames(control)).unwrap();
        secret
    };
    check_kept(|control| symlink(secret(control), frames(control)).unwrap(), false);
    check_kept(|control| std::fs::hard_link(secret(control), frames(control)).unwrap(), false);
}

#[track_caller]
fn check_cut(frames: &[Vec<u8>], expected: bool) {
    let dir = control(&frames.concat());
    assert_eq!(Reader::open(dir.path(), 0).unwrap().is_cut().unwrap(), expected);
}

#[test]
fn that_output_was_cut_is_seen_at_the_end() {
    let (said, cut) = (frame(1, &[b'x'; 5_000]), frame(3, b"{\"truncated\":true}"));
    let (lost, end) = (frame(3, b"{\"lost\":\"no space\"}"), frame(4, b"{\"code\":0}"));
    check_cut(&[], false);
    check_cut(std::slice::from_ref(&said), false);
    check_cut(&[said.clone(), end.clone()], false);
    check_cut(&[said.clone(), cut.clone()], true);
    check_cut(&[said.clone(), cut.clone(), lost.clone(), end.clone()], true);
    check_cut(&[said.clone(), lost, end.clone()], false);
    // In the middle it is something that the command printed.
    check_cut(&[cut, said], false);
    check_cut(&[frame(1, b"{\"truncated\":true}"), end], false);
}
