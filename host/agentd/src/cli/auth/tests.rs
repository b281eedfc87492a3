//! What is asked again, and what counts as a repository's name.

use super::*;

#[track_caller]
fn check(text: &str, access: bool, repositories: bool) {
    let found = Present::read(text);
    assert_eq!((found.access, found.repositories), (access, repositories), "{text}");
}

#[test]
fn what_the_file_says_already_is_not_asked_again() {
    check("", false, false);
    check("[github\n", false, false);
    check("[github]\ntoken = \"${T}\"\n", true, false);
    check("[github]\napp = { id = 1, key = \"file:k\" }\nrepositories = [\"acme/api\"]\n", true, true);
}

#[test]
fn what_a_fragment_says_is_not_asked_again_either() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agentd.toml");
    std::fs::write(&file, "mode = \"ask\"\n").unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/github.toml"), "[github]\ntoken = \"${T}\"\n").unwrap();
    let environment = config::Environment::from_iter([("T".to_owned(), "t".to_owned())]);
    let whole = config::Config::load_in(Some(&file), Some(dir.path()), environment).unwrap();
    let found = Present::read("mode = \"ask\"\n").or(whole.github.as_ref());
    assert_eq!((found.access, found.repositories), (true, false));
}

#[test]
fn names_are_told_from_nonsense() {
    for (text, name) in [
        ("acme/api", true),
        ("acme/web-*", true),
        ("acme/.github", true),
        ("*/api", false),
        ("acme", false),
        ("acme/a/b", false),
        ("https://github.com/acme/api", false),
        ("./api", false),
        ("/srv/git", false),
        ("", false),
    ] {
        assert_eq!(some(&[text.to_owned()]).is_ok(), name, "{text:?}");
    }
    assert_eq!(split("acme/api, acme/web ,x/y"), ["acme/api", "acme/web", "x/y"]);
}
