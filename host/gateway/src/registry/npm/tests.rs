//! Paths of npm's, and packuments.

use super::*;

#[track_caller]
fn check(rest: &str, expected: Option<Ask>) {
    assert_eq!(parse(rest), expected, "{rest}");
}

fn packument(name: &str) -> Option<Ask> {
    Some(Ask::Packument { name: name.into() })
}

fn tarball(name: &str, file: &str) -> Option<Ask> {
    Some(Ask::Tarball { name: name.into(), file: file.into() })
}

#[test]
fn paths_are_those_of_the_registry() {
    check("left-pad", packument("left-pad"));
    check("JSONStream", packument("JSONStream"));
    check("@types/node", packument("@types/node"));
    check("@types%2fnode", packument("@types/node"));
    check("%40types%2Fnode", packument("@types/node"));
    let manifest = |name: &str, version: &str| Some(Ask::Manifest { name: name.into(), version: version.into() });
    check("pnpm/latest", manifest("pnpm", "latest"));
    check("@a/b/1.0.0-rc.1+x", manifest("@a/b", "1.0.0-rc.1+x"));
    check("left-pad/-/left-pad-1.3.0.tgz", tarball("left-pad", "left-pad-1.3.0.tgz"));
    check("@a/b/-/b-1.0.0.tgz", tarball("@a/b", "b-1.0.0.tgz"));
    check("@a%2fb/-/b-1.0.0.tgz", tarball("@a/b", "b-1.0.0.tgz"));
    check("api/npm/all/left-pad/-/left-pad-1.3.0.tgz", tarball("left-pad", "left-pad-1.3.0.tgz"));
}

#[test]
fn what_no_package_is_called_is_not_asked_for() {
    let long = "a".repeat(215);
    for bad in [
        "",
        "/",
        ".npmrc",
        "_x",
        "a//b",
        "@a",
        "@/b",
        "@a/",
        "@a/b/c/d",
        "a/../b",
        "..",
        "a/..",
        "a%2f..%2fb",
        "a b",
        "a%20b",
        "a/-/b",
        "a/-/../x.tgz",
        "a/-/x.tgz/y",
        "-/x.tgz",
        "-",
        "a?b",
        "http:%2f%2fa.test%2fx",
        "a%252fb",
        &long,
        "q/w/e/r/t/a/-/a-1.tgz",
    ] {
        check(bad, None);
    }
}

fn read(name: &str, body: &str) -> (String, BTreeMap<String, Link>) {
    let mut reading = Reading { name: name.into(), public: "https://public.test", links: BTreeMap::new() };
    let read = reading.packument(body.as_bytes()).unwrap();
    (String::from_utf8(read).unwrap(), reading.links)
}

#[test]
fn only_the_place_of_tarballs_changes() {
    let body = r#"{"z":1e400,"versions":{"2.0.0":{"version":"2.0.0","b":[1,  2],"dist":{"tarball":"https://cdn.test/x/y"}},
        "1.0.0":{"version":"1.0.0","dist":{"tarball":"https://public.test/@a/b/-/b-1.0.0.tgz"}},
        "0.0.1":{"version":"0.0.1"}},"a":{"tarball":"https://cdn.test/z"}}"#;
    let (read, links) = read("@a/b", body);
    let expected = format!(
        r#"{{"z":1e400,"versions":{{"2.0.0":{{"version":"2.0.0","b":[1,  2],"dist":{{"tarball":"{HERE}/@a/b/-/b-2.0.0.tgz"}}}},"1.0.0":{{"version":"1.0.0","dist":{{"tarball":"{ROOT}/@a/b/-/b-1.0.0.tgz"}}}},"0.0.1":{{"version":"0.0.1"}}}},"a":{{"tarball":"https://cdn.test/z"}}}}"#
    );
    assert_eq!(read, expected);
    assert_eq!(links["b-2.0.0.tgz"].url, "https://cdn.test/x/y");
    assert_eq!(links["b-1.0.0.tgz"].url, "https://public.test/@a/b/-/b-1.0.0.tgz");
}

#[test]
fn a_tarball_is_found_by_its_own_name_too() {
    let body =
        r#"{"versions":{"1.0.0-beta":{"version":"1.0.0-beta","dist":{"tarball":"https://cdn.test/a-1.0.0beta.tgz"}}}}"#;
    let (_, links) = read("a", body);
    assert_eq!(links["a-1.0.0beta.tgz"], links["a-1.0.0-beta.tgz"]);
}

#[test]
fn what_is_no_packument_is_the_registrys_fault() {
    for body in ["", "[]", "<html>", r#"{"versions":[]}"#, r#"{"versions":{"1":2}}"#] {
        let mut reading = Reading { name: "a".into(), public: "https://public.test", links: BTreeMap::new() };
        assert!(reading.packument(body.as_bytes()).is_err(), "{body}");
    }
}
