//! Folders as lists of files, and what a poll says of them.

use super::*;

type Files<'a> = &'a [(&'a str, &'a [u8])];

fn poll(settings: &Settings, files: Files<'_>, cursor: Option<&str>) -> Poll {
    let mut paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    paths.sort();
    let read = |path: &str| match files.iter().find(|(it, _)| *it == path).map(|(_, bytes)| *bytes) {
        Some(b"GONE") => Err(Error::NotFound("gone".into())),
        Some(b"HUGE") => Err(Error::TooLarge("huge".into())),
        Some(bytes) => Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Bytes(bytes.to_vec()),
        }),
        None => Err(Error::Other("not listed".into())),
    };
    gather(settings, &paths, cursor, read).expect("a poll")
}

fn drafts(poll: &Poll) -> Vec<&Draft> {
    let mut drafts = vec![];
    for item in &poll.intake.items {
        match item {
            Item::Work(draft) => drafts.push(draft),
            Item::Withdrawn(withdrawal) => panic!("a folder withdraws by what is missing, not {withdrawal:?}"),
        }
    }
    drafts
}

/// Which files become tasks, which are left out and why, and whether that is all there is.
#[track_caller]
fn check(files: Files<'_>, keys: &[&str], skipped: &[(&str, &str)], complete: bool) {
    let poll = poll(&Settings::default(), files, None);
    assert_eq!(drafts(&poll).iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), keys);
    assert_eq!(poll.skipped.iter().map(|it| (it.path.as_str(), it.reason.as_str())).collect::<Vec<_>>(), skipped);
    assert_eq!(poll.intake.complete, complete);
}

#[test]
fn each_file_is_a_task_and_all_of_them_are_all() {
    check(&[], &[], &[], true);
    check(&[("a.md", b"Do a"), ("sub/b.md", b"Do b")], &["a.md", "sub/b.md"], &[], true);
}

#[test]
fn a_bad_file_is_named_and_the_others_go_on_and_nothing_is_withdrawn() {
    check(
        &[("a.md", b"\xff\xfe"), ("b.md", b"Do b"), ("c.md", b" \n"), ("d.md", b"HUGE")],
        &["b.md"],
        &[
            ("a.md", "it is not UTF-8 text: save it as UTF-8"),
            ("c.md", "it is empty: write what is to be done"),
            ("d.md", "it is too large to be read: put the task into a few kilobytes, the rest into other files"),
        ],
        false,
    );
}

#[test]
fn a_file_that_vanishes_while_it_is_read_is_no_fault() {
    check(&[("a.md", b"GONE"), ("b.md", b"Do b")], &["b.md"], &[], true);
}

#[test]
fn what_depends_on_a_bad_file_waits_until_that_is_corrected() {
    check(
        &[
            ("1.md", b"---\ndepends-on: 2\n---\nlast"),
            ("2.md", b"---\ndepends-on: 3.md\n---\nsecond"),
            ("3.md", b"---\npriority: soon\n---\nfirst"),
            ("4.md", b"free"),
        ],
        &["4.md"],
        &[
            ("3.md", "line 2: `priority` is \"soon\": give 1 (urgent), 2 (high), 3 (normal) or 4 (low)"),
            ("2.md", "it depends on 3.md, which is left out itself: correct that one"),
            ("1.md", "it depends on 2.md, which is left out itself: correct that one"),
        ],
        false,
    );
}

#[test]
fn settings_and_file_together_make_the_draft() {
    let text = b"---\nlabels: [bug, agentd]\nagent: claude-code\nbase: next\ninstructions: be brief\nteam: core\n---\n# Log in\n\nPlease.\n";
    let settings =
        Settings { path: "tasks".into(), repository: Some("acme/shop".into()), labels: vec!["agentd".into()] };
    let poll = poll(&settings, &[("login.md", text), ("plain.md", b"Only text")], None);
    let expected = Draft {
        key: "login.md".into(),
        title: "Log in".into(),
        body: "Please.\n".into(),
        repository: Some("acme/shop".into()),
        base: Some("next".into()),
        labels: vec!["agentd".into(), "bug".into()],
        instructions: Some("be brief".into()),
        fields: vec![("team".into(), "core".into())],
        extra: vec![("agent".into(), "claude-code".into())],
        ..Draft::default()
    };
    let drafts = drafts(&poll);
    assert_eq!(drafts[0], &expected);
    assert_eq!((drafts[1].title.as_str(), drafts[1].body.as_str()), ("plain", "Only text"));
}

#[test]
fn the_same_folder_gives_the_same_drafts() {
    let files: Files<'_> = &[("a.md", b"# A\n\nDo a"), ("b.md", b"Do b")];
    let (first, second) = (poll(&Settings::default(), files, None), poll(&Settings::default(), files, None));
    assert_eq!(drafts(&first), drafts(&second));
    assert!(drafts(&first).iter().all(|draft| draft.requested_at.is_none() && draft.created_at.is_none()));
}

#[test]
fn more_files_than_one_answer_holds_come_in_pages() {
    let names: Vec<String> = (0..2_500).map(|number| format!("{number:04}.md")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"text".as_slice())).collect();
    let (mut keys, mut cursor, mut pages) = (vec![], None, 0);
    loop {
        let poll = poll(&Settings::default(), &files, cursor.as_deref());
        assert!(!poll.intake.complete, "a page is not all there is");
        keys.extend(drafts(&poll).iter().map(|draft| draft.key.clone()));
        (pages, cursor) = (pages + 1, poll.intake.cursor);
        if !poll.intake.more {
            break;
        }
    }
    assert_eq!((pages, keys), (3, names));
    assert_eq!(cursor.as_deref(), Some(""), "the next poll begins at the beginning");
}

#[test]
fn large_files_make_smaller_pages() {
    let text = vec![b'x'; 4 << 20];
    let files: Vec<(&str, &[u8])> = ["a.md", "b.md", "c.md"].map(|name| (name, text.as_slice())).into();
    let first = poll(&Settings::default(), &files, None);
    assert_eq!((drafts(&first).len(), first.intake.more), (2, true));
    let rest = poll(&Settings::default(), &files, first.intake.cursor.as_deref());
    assert_eq!((drafts(&rest).len(), rest.intake.more), (1, false));
}

#[test]
fn dependencies_are_found_from_the_folder_and_from_the_file() {
    let paths: Vec<String> = ["a.md", "sub/b.md", "sub/c.md"].map(Into::into).into();
    let check = |name: &str, from: &str, key: &str| assert_eq!(dependency(name, from, &paths), key, "{name} in {from}");
    check("a.md", "sub/b.md", "a.md");
    check("./a", "sub/b.md", "a.md");
    check("c", "sub/b.md", "sub/c.md");
    check("sub/c.md", "a.md", "sub/c.md");
    check("t-17", "a.md", "t-17");
}

#[test]
fn hidden_files_and_the_readme_are_no_tasks() {
    let check = |path: &str, expected: bool| assert_eq!(is_task(path), expected, "{path}");
    check("fix.md", true);
    check("sub/fix.md", true);
    check("README.md", false);
    check("sub/readme.md", false);
    check(".drafts/fix.md", false);
    check(".#fix.md", false);
}
