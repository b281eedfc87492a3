//! What is found for locked packages and advisories, and the task that comes of it.

use super::*;

/// An advisory of RustSec's on a package, fixed in 2.0.0.
fn rustsec(id: &str, package: &str, cvss: Option<&str>, aliases: &str) -> String {
    let cvss = cvss.map_or(String::new(), |it| format!("cvss = \"{it}\"\n"));
    format!(
        "```toml\n[advisory]\nid = \"{id}\"\npackage = \"{package}\"\n{cvss}aliases = [{aliases}]\n\n[versions]\n\
         patched = [\">= 2.0.0\"]\n```\n\n# Bad {package}\n\nIt is.\n"
    )
}

const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
const HIGH: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
const LOW: &str = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N";

/// A repository that uses version 1.0.0 of each.
fn locked(packages: &[&str]) -> Locked {
    let package =
        |name: &&str| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n");
    let mut locked = Locked::default();
    locked.take("Cargo.lock", &packages.iter().map(package).collect::<String>(), true).expect("a lock file");
    locked
}

fn settings() -> Settings {
    Settings { advisories: "db".into(), ..Settings::default() }
}

fn audit(settings: &Settings, packages: &[&str], advisories: &[String]) -> Audit {
    let (locked, mut audit) = (locked(packages), Audit::default());
    for text in advisories {
        audit.take(settings, &locked, &Proposed::default(), "a.md", text).expect("an advisory");
    }
    audit
}

#[track_caller]
fn check(settings: &Settings, packages: &[&str], advisories: &[String], expected: &[&str]) {
    let mut all = advisories.to_vec();
    for _ in 0..2 {
        let drafts = audit(settings, packages, &all).drafts();
        assert_eq!(drafts.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), expected);
        all.reverse(); // in whatever order they come
    }
}

#[test]
fn the_worst_comes_first() {
    let advisories = [
        rustsec("R-1", "a", Some(LOW), ""),
        rustsec("R-2", "b", Some(CRITICAL), ""),
        rustsec("R-3", "c", None, ""),
        rustsec("R-4", "d", Some(HIGH), ""),
        rustsec("R-5", "unused", Some(CRITICAL), ""),
        rustsec("R-6", "a", Some(LOW), ""),
    ];
    check(&settings(), &["a", "b", "c", "d"], &advisories, &["R-2 b", "R-4 d", "R-3 c", "R-1 a", "R-6 a"]);
}

#[test]
fn settings_say_what_counts() {
    let advisories = [
        rustsec("R-1", "a", Some(LOW), "\"CVE-1\""),
        rustsec("R-2", "b", Some(HIGH), ""),
        rustsec("R-3", "c", None, ""),
    ];
    let all = ["a", "b", "c"];
    check(&Settings { ignore: vec!["cve-1".into()], ..settings() }, &all, &advisories, &["R-2 b", "R-3 c"]);
    check(&Settings { ignore: vec!["R-2".into()], ..settings() }, &all, &advisories, &["R-3 c", "R-1 a"]);
    check(&Settings { min_severity: Least::Medium, ..settings() }, &all, &advisories, &["R-2 b", "R-3 c"]);
    check(&Settings { min_severity: Least::Critical, ..settings() }, &all, &advisories, &[]);
    let informational = [rustsec("R-4", "a", None, "").replace("aliases", "informational = \"unmaintained\"\naliases")];
    check(&settings(), &all, &informational, &[]);
    check(&Settings { informational: true, ..settings() }, &all, &informational, &["R-4 a"]);
}

#[test]
fn one_flaw_of_two_databases_counts_once() {
    let advisories = [
        rustsec("RUSTSEC-1", "a", Some(HIGH), "\"CVE-1\", \"GHSA-1\""),
        rustsec("GHSA-1", "a", Some(CRITICAL), "\"CVE-1\""),
        rustsec("RUSTSEC-2", "a", Some(LOW), "\"CVE-2\""),
        rustsec("GHSA-3", "b", Some(LOW), "\"CVE-1\""),
    ];
    check(&settings(), &["a", "b"], &advisories, &["GHSA-1 a", "GHSA-3 b", "RUSTSEC-2 a"]);
    assert_eq!(audit(&settings(), &["a", "b"], &advisories).hits, 3);
}

#[test]
fn what_is_proposed_is_carried_along_however_much_there_is() {
    let before: Proposed = serde_json::from_str(r#"[{"key": "R-000 a"}]"#).expect("proposals");
    let (locked, mut audit) = (locked(&["a"]), Audit::default());
    let low = rustsec("R-000", "a", Some(LOW), "");
    let long = "x\n\"\\".repeat(20_000);
    let high = (1..500).map(|it| rustsec(&format!("R-{it:03}"), "a", Some(HIGH), "").replace("It is.", &long));
    for text in [low].into_iter().chain(high) {
        audit.take(&settings(), &locked, &before, "a.md", &text).expect("an advisory");
    }
    let keys: Vec<String> = audit.drafts().into_iter().map(|it| it.key).collect();
    assert!(keys.contains(&"R-000 a".to_owned()) && keys[0] == "R-001 a", "{keys:?}");
    assert!(serde_json::to_string(&audit).expect("JSON").len() < 64 << 10, "the host takes a cursor of 64 KiB");
    assert_eq!(audit.summary(&locked), "500 known flaws in 1 package, by 500 advisories");
}

#[test]
fn the_task_says_what_is_wrong_where_and_what_helps() {
    let drafts = audit(&settings(), &["a"], &[rustsec("R-1", "a", Some(CRITICAL), "\"CVE-1\"")]).drafts();
    let draft = &drafts[0];
    assert_eq!((draft.title.as_str(), draft.priority), ("Update a: Bad a", Some(1)));
    assert_eq!(
        draft.body,
        "`a` in version `1.0.0` (by `Cargo.lock`) has a known flaw: `R-1`, critical, 9.8 of 10.\n\nIt is fixed in `>= 2.0.0`.\n\
         It is also known as `CVE-1`.\n\nThe advisory says:\n\n> Bad a\n>\n> It is.\n"
    );
    assert_eq!(draft.locations[0].path, "Cargo.lock");
    assert_eq!(draft.labels, ["dependencies", "security"]);
}

#[test]
fn damaged_files_are_counted_and_the_others_go_on() {
    let (locked, mut audit) = (locked(&["a"]), Audit::default());
    let mut take = |text: &str| audit.take(&settings(), &locked, &Proposed::default(), "a.md", text);
    assert!(take("```toml\n[advisory]\nid = 3\n```\n").is_err());
    assert!(take(&rustsec("R-1", "a", Some(LOW), "")).is_ok());
    assert_eq!(audit.drafts().len(), 1);
    assert_eq!(audit.summary(&locked), "1 known flaw in 1 package, by 1 advisories; 1 file could not be read");
}

#[test]
fn words_of_others_stay_in_their_place() {
    let evil = rustsec("R-1", "a", None, "")
        .replace("# Bad a", "# Bad\u{7} `x` @ann")
        .replace("It is.", "# Do this\n> or that");
    let draft = &audit(&settings(), &["a"], &[evil]).drafts()[0];
    assert!(draft.body.ends_with("> Bad `x` @ann\n>\n> # Do this\n> > or that\n"), "{}", draft.body);
    assert!(!draft.title.contains('\u{7}'));
}
