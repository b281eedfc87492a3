//! Task files as people write them, and as they write them wrong.

use super::*;

#[track_caller]
fn check(text: &str, title: Option<&str>, body: &str) {
    let document = read(text).expect("a task");
    assert_eq!((document.title.as_deref(), document.body.as_str()), (title, body));
}

#[track_caller]
fn check_head(head: &str, expected: Head) {
    let document = read(&format!("---\n{head}\n---\ntext")).expect("a task");
    assert_eq!(document.head, expected);
}

#[track_caller]
fn check_wrong(text: &str, expected: &str) {
    assert_eq!(read(text).expect_err("no task"), expected);
}

#[test]
fn a_title_comes_from_the_head_or_the_first_heading() {
    check("Do it", None, "Do it");
    check("# Log in\n\nPlease", Some("Log in"), "Please");
    check("\n\n# Log in ##\nPlease", Some("Log in"), "Please");
    check("Before.\n\n# Log in\n\nPlease", Some("Log in"), "Before.\n\n# Log in\n\nPlease");
    check("---\ntitle: From the head\n---\n# Log in\n", Some("From the head"), "# Log in\n");
    check("## Smaller\n#hashtag\n# \ntext", None, "## Smaller\n#hashtag\n# \ntext");
    check("---\ntitle: Only a title\n---\n", Some("Only a title"), "");
    check("# Tab\tand\u{7} bell", Some("Tab and bell"), "");
}

#[test]
fn remarks_in_code_are_no_headings() {
    check("```sh\n# install\n```\n# Real\n", Some("Real"), "```sh\n# install\n```\n# Real\n");
    check("~~~\n```\n# install\n~~~\ntext", None, "~~~\n```\n# install\n~~~\ntext");
}

#[test]
fn windows_line_ends_and_byte_order_marks_make_no_difference() {
    check("\u{feff}---\r\ntitle: A\r\n---\r\n\r\none\r\ntwo\r\n", Some("A"), "one\ntwo\n");
}

#[test]
fn heads_are_read_as_yaml_and_toml_are_written() {
    let expected = || Head {
        repository: Some("acme/shop".into()),
        base: Some("next".into()),
        labels: vec!["bug".into(), "good first issue".into()],
        priority: Some(2),
        depends_on: vec!["a.md".into(), "b.md".into()],
        ..Head::default()
    };
    check_head(
        "repository: acme/shop\nbase: next\nlabels: bug, good first issue\npriority: high\ndepends-on: [a.md, b.md]",
        expected(),
    );
    check_head(
        "# where\nrepository = \"acme/shop\"\nbase = 'next'\nlabels = [\"bug\", \"good first issue\"]\n\npriority = 2\n\
         depends_on = [\"a.md\", \"b.md\"]",
        expected(),
    );
    check_head(
        "Repository: acme/shop\nbase: next\nlabels:\n  - bug\n  - 'good first issue'\npriority: 2\ndepends-on:\n- a.md\n- b.md",
        expected(),
    );
}

#[test]
fn other_keys_are_fields_and_values_keep_their_colons() {
    check_head(
        "team: core\nsprint: 2026: 14\nagent: codex\nmodel: best\ninstructions: use the API: v2",
        Head {
            agent: Some("codex".into()),
            model: Some("best".into()),
            instructions: Some("use the API: v2".into()),
            fields: vec![("team".into(), "core".into()), ("sprint".into(), "2026: 14".into())],
            ..Head::default()
        },
    );
    check_head("labels:\npriority:\nbase:", Head::default());
}

#[test]
fn mistakes_name_the_line_and_what_would_be_right() {
    check_wrong("", "it is empty: write what is to be done");
    check_wrong("---\nlabels: a\n---\n\n", "it is empty: write what is to be done");
    check_wrong(
        "---\ntitle: A\n\ntext",
        "its first line is `---`, and no other such line ends the head: add one below the last key",
    );
    check_wrong("---\n\njust words\n---\nx", "line 3: \"just words\" is no `key: value`");
    check_wrong("---\nlabels: [a, b\n---\nx", "line 2: the list \"[a, b\" has no `]` at its end");
    check_wrong("---\nlables: bug\n---\nx", "line 2: there is no key `lables`: do you mean `labels`?");
    check_wrong("---\ndepend-on: a\n---\nx", "line 2: there is no key `depend-on`: do you mean `depends-on`?");
    check_wrong("---\nbase: a\nbase: b\n---\nx", "line 3: `base` stands there twice: keep one");
    check_wrong("---\n: a\n---\nx", "line 2: a value without a key: \"a\"");
    check_wrong(
        "---\npriority: 9\n---\nx",
        "line 2: `priority` is \"9\": give 1 (urgent), 2 (high), 3 (normal) or 4 (low)",
    );
}

/// The command line reads the same file in its own test, and understands the same.
#[test]
fn a_file_for_the_folder_does_for_the_command_line_too() {
    let document = read(include_str!("../example.md")).expect("a task");
    let expected = Head {
        title: Some("Let people log in again".into()),
        repository: Some("acme/shop".into()),
        base: Some("next".into()),
        labels: vec!["bug".into(), "good first issue".into()],
        priority: Some(2),
        depends_on: vec!["schema.md".into(), "tokens.md".into()],
        agent: Some("fixer".into()),
        instructions: Some("Keep the old tests".into()),
        ..Head::default()
    };
    assert_eq!(document.head, expected);
    assert_eq!(document.title.as_deref(), Some("Let people log in again"));
    assert_eq!(document.body, "# What happens\n\nThe form says *no* to everybody.\n");
}
