//! Advisories as their databases write them, damaged ones among them, and the versions that they concern.

use super::*;

const RUSTSEC: &str = r#"```toml
[advisory]
id = "RUSTSEC-2021-0001"
package = "mdbook"
date = "2021-01-04"
url = "https://forge.example/advisories/1"
categories = ["format-injection"]
cvss = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
aliases = ["CVE-2020-26297"]

[versions]
patched = [">= 0.4.5"]
unaffected = ["< 0.1.4"]
```

# XSS in mdBook's search page

The search feature ...
"#;

#[track_caller]
fn one(path: &str, text: &str) -> Advisory {
    let mut found = read(path, text).expect("an advisory");
    assert_eq!(found.len(), 1, "{path}");
    found.remove(0)
}

#[track_caller]
fn check_affected(advisory: &Advisory, affected: &[&str], not: &[&str]) {
    for (versions, expected) in [(affected, true), (not, false)] {
        for text in versions {
            let version = version::parse(text).expect("a version");
            assert_eq!(advisory.affected.has(&version), expected, "{text}: {:?}", advisory.affected);
        }
    }
}

#[test]
fn rustsecs_files_are_read() {
    let found = one("crates/mdbook/RUSTSEC-2021-0001.md", RUSTSEC);
    assert_eq!((found.id.as_str(), found.package.as_str()), ("RUSTSEC-2021-0001", "mdbook"));
    assert_eq!((found.ecosystem, found.severity), (Ecosystem::Cargo, Severity::Scored(98)));
    assert_eq!(
        (found.title.as_str(), found.details.as_str()),
        ("XSS in mdBook's search page", "The search feature ...")
    );
    assert_eq!((found.aliases.len(), found.fixed.as_slice()), (1, &[">= 0.4.5".to_owned()][..]));
    check_affected(&found, &["0.1.4", "0.4.4", "0.4.5-rc.1"], &["0.1.3", "0.4.5", "1.0.0", "1.0.0-alpha"]);
}

#[test]
fn a_flaw_that_nobody_fixed_is_in_all_versions() {
    let unfixed = RUSTSEC.replace("patched = [\">= 0.4.5\"]", "patched = []").replace("unaffected = [\"< 0.1.4\"]", "");
    check_affected(&one("a.md", &unfixed), &["0.0.1", "99.0.0"], &[]);
    let lines = RUSTSEC.replace("[\">= 0.4.5\"]", "[\"^0.3.9\", \">= 0.4.5\"]");
    check_affected(&one("a.md", &lines), &["0.3.8", "0.4.0", "0.4.0-a"], &["0.3.9", "0.3.10", "0.5.0"]);
}

#[test]
fn what_is_withdrawn_or_no_advisory_is_nothing() {
    let none = |path: &str, text: &str| assert_eq!(read(path, text), Ok(vec![]), "{path}");
    none("a.md", &RUSTSEC.replace("date =", "withdrawn = \"2022-01-01\"\ndate ="));
    none("a.md", &RUSTSEC.replace("date =", "collection = \"rust\"\ndate ="));
    none("README.md", "# Advisories\n");
    none("a.txt", "whatever");
    none("a.json", &OSV.replace("\"summary\"", "\"withdrawn\": \"2022-01-01T00:00:00Z\", \"summary\""));
    none("a.json", r#"{"id": "PYSEC-1", "affected": [{"package": {"ecosystem": "PyPI", "name": "x"}}]}"#);
}

#[test]
fn what_informs_only_is_told_apart() {
    let informational = RUSTSEC.replace("date =", "informational = \"unmaintained\"\ndate =");
    assert_eq!(one("a.md", &informational).severity, Severity::Informational);
}

const OSV: &str = r#"{"schema_version": "1.4.0", "id": "GHSA-p6mc-m468-83gw", "modified": "2024-01-01T00:00:00Z",
    "aliases": ["CVE-2020-8203"], "summary": "Prototype Pollution in lodash", "details": "Versions of lodash ...",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:H/A:H"}],
    "affected": [
        {"package": {"ecosystem": "npm", "name": "lodash"},
         "ranges": [{"type": "SEMVER", "events": [{"introduced": "3.7.0"}, {"fixed": "4.17.19"}]}]},
        {"package": {"ecosystem": "npm", "name": "lodash-es"},
         "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"last_affected": "4.17.20"}]}]},
        {"package": {"ecosystem": "RubyGems", "name": "lodash-rails"}}],
    "references": [{"type": "WEB", "url": "https://x/1"}, {"type": "ADVISORY", "url": "https://x/2"}],
    "database_specific": {"severity": "HIGH", "cwe_ids": ["CWE-1321"]}}"#;

#[test]
fn osvs_files_are_read() {
    let found = read("GHSA-p6mc-m468-83gw.json", OSV).expect("an advisory");
    let [lodash, es] = &found[..] else { panic!("two packages, not {found:?}") };
    assert_eq!((lodash.package.as_str(), es.package.as_str()), ("lodash", "lodash-es"));
    assert_eq!((lodash.severity, lodash.url.as_deref()), (Severity::Scored(74), Some("https://x/2")));
    assert_eq!(lodash.fixed, ["4.17.19"]);
    check_affected(lodash, &["3.7.0", "4.17.18", "4.17.19-pre"], &["3.6.9", "4.17.19", "5.0.0-beta"]);
    check_affected(es, &["0.0.0-a", "1.0.0", "4.17.20"], &["4.17.21", "4.17.21-a"]);
}

/// An advisory on `x` with these ranges.
fn osv(affected: &str) -> Result<Vec<Advisory>, String> {
    read(
        "x.json",
        &format!(r#"{{"id": "GHSA-x", "affected": [{{"package": {{"ecosystem": "npm", "name": "x"}}, {affected}}}]}}"#),
    )
}

#[track_caller]
fn check_events(events: &str, affected: &[&str], not: &[&str]) {
    let found = osv(&format!(r#""ranges": [{{"type": "SEMVER", "events": [{events}]}}]"#)).expect("an advisory");
    check_affected(&found[0], affected, not);
}

#[test]
fn events_are_taken_in_the_order_of_their_versions() {
    let two_lines = r#"{"introduced": "2.0.0"}, {"fixed": "2.1.0"}, {"fixed": "1.5.0"}, {"introduced": "1.0.0"}"#;
    check_events(two_lines, &["1.0.0", "1.4.9", "2.0.0", "2.0.9"], &["0.9.0", "1.5.0", "1.9.9", "2.1.0"]);
    check_events(r#"{"introduced": "1.0"}"#, &["1.0.0", "9.0.0"], &["0.9.9", "1.0.0-a"]);
    check_events(r#"{"introduced": "0"}, {"limit": "2.0.0"}"#, &["1.9.9"], &["2.0.0"]);
    check_events(r#"{"introduced": "0"}, {"limit": "*"}"#, &["99.0.0"], &[]);
    check_events(r#"{"introduced": "0"}, {"fixed": "1.0.0"}, {"introduced": "1.0.0"}"#, &["0.1.0", "1.0.0"], &[]);
    check_events("", &[], &["1.0.0"]);
}

#[test]
fn named_versions_and_other_kinds_of_ranges_count_as_they_should() {
    let named = osv(r#""versions": ["1.0.0", "1.2"]"#).expect("an advisory");
    check_affected(&named[0], &["1.0.0", "1.2.0", "1.0.0+x"], &["1.1.0"]);
    let commits = osv(r#""ranges": [{"type": "GIT", "events": [{"introduced": "abc"}]}]"#).expect("an advisory");
    check_affected(&commits[0], &[], &["1.0.0"]);
}

#[test]
fn damaged_files_say_what_is_wrong() {
    for (path, text, expected) in [
        ("a.md", RUSTSEC.replace(">= 0.4.5", ">= zero"), "the range \">= zero\" cannot be read"),
        ("a.md", RUSTSEC.replace("id =", "id"), "its TOML cannot be read"),
        ("a.md", RUSTSEC.replace("package =", "x ="), "its TOML cannot be read"),
        ("a.md", RUSTSEC.split("\n```\n").next().unwrap_or_default().to_owned(), "has no end"),
        ("a.json", OSV[..500].to_owned(), "it cannot be read"),
        ("a.json", "garbage".to_owned(), "it is no JSON object"),
        ("a.json", OSV.replace("3.7.0", "three"), "\"three\" in its events is no version"),
    ] {
        let why = read(path, &text).expect_err(expected);
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn every_cut_of_a_file_is_an_answer() {
    for (path, text) in [("a.md", RUSTSEC), ("a.json", OSV)] {
        for end in 0..text.len() {
            if let Some(cut) = text.get(..end) {
                drop(read(path, cut));
            }
        }
    }
}

#[test]
fn severities_are_scored_said_or_unknown() {
    for (vector, word, expected, text) in [
        (Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), None, Severity::Scored(98), "critical, 9.8 of 10"),
        (
            Some("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"),
            None,
            Severity::Scored(93),
            "critical, 9.3 of 10",
        ),
        (Some("nonsense"), Some("HIGH"), Severity::Scored(70), "high, 7.0 of 10"),
        (None, Some("MODERATE"), Severity::Scored(40), "medium, 4.0 of 10"),
        (None, Some("whatever"), Severity::Unknown, "of a severity that nobody has said"),
        (None, None, Severity::Unknown, "of a severity that nobody has said"),
    ] {
        let found = Severity::of(vector, word);
        assert_eq!((found, found.text().as_str()), (expected, text));
    }
    let malware = OSV.replace("GHSA-p6mc-m468-83gw", "MAL-2024-1").replace("CVSS:3.1", "x").replace("\"HIGH\"", "null");
    assert_eq!(read("a.json", &malware).expect("an advisory")[0].severity, Severity::Scored(100));
    assert!(Severity::Informational.tenths() < Severity::Scored(1).tenths());
}

#[test]
fn rustsecs_paths_say_whom_they_concern() {
    for (path, expected) in [
        ("crates/mdbook/RUSTSEC-2021-0001.md", Some("mdbook")),
        ("db/crates/a-b/RUSTSEC-2021-0001.md", Some("a-b")),
        ("rust/std/CVE-2018-1000657.md", None),
        ("crates/mdbook/README.md", None),
        ("RUSTSEC-2021-0001.md", None),
    ] {
        assert_eq!(package_of(path), expected, "{path}");
    }
}
