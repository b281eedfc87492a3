//! Lock files as the package managers write them, and what counts of them.

use super::*;

#[track_caller]
fn check(path: &str, text: &str, with_development: bool, expected: &[&str]) {
    let mut locked = Locked::default();
    locked.take(path, text, with_development).expect("a lock file");
    let found: Vec<String> = locked
        .0
        .iter()
        .flat_map(|((ecosystem, name), uses)| uses.iter().map(move |it| format!("{ecosystem:?} {name} {}", it.version)))
        .collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_error(path: &str, text: &str, expected: &str) {
    let why = Locked::default().take(path, text, true).expect_err("no lock file");
    assert!(why.contains(expected), "{why}");
}

const CARGO: &str = r#"
version = 4

[[package]]
name = "shop"
version = "0.1.0"
dependencies = ["serde"]

[[package]]
name = "serde"
version = "1.0.200"
source = "registry+https://registry.example/index"
checksum = "00"

[[package]]
name = "serde"
version = "0.9.1"
source = "sparse+https://registry.example/index/"

[[package]]
name = "forked"
version = "2.0.0"
source = "git+https://forge.example/forked#00"
"#;

#[test]
fn cargos_packages_count_if_they_come_from_a_registry() {
    check("Cargo.lock", CARGO, true, &["Cargo serde 0.9.1", "Cargo serde 1.0.200"]);
    check("a/b/Cargo.lock", "version = 3\n", true, &[]);
    check_error("Cargo.lock", "<<<<<<< HEAD", "cannot be read");
    check_error("Cargo.lock", "[[package]]\nname = 3", "cannot be read");
}

const NPM: &str = r#"{"name": "shop", "lockfileVersion": 3, "requires": true, "packages": {
    "": {"name": "shop", "version": "1.0.0"},
    "apps/web": {"version": "1.0.0"},
    "node_modules/web": {"resolved": "apps/web", "link": true},
    "node_modules/lodash": {"version": "4.17.15", "resolved": "https://registry.example/lodash.tgz", "integrity": "x"},
    "node_modules/a/node_modules/lodash": {"version": "3.0.0"},
    "node_modules/@s/b": {"version": "1.0.0-rc.1", "dev": true},
    "node_modules/alias": {"name": "real", "version": "5.0.0"},
    "node_modules/forked": {"version": "2.0.0", "resolved": "git+ssh://git@forge.example/forked.git#00"},
    "node_modules/odd": {"version": "not-a-version"},
    "node_modules/none": {}}}"#;

#[test]
fn npms_packages_count_by_their_folders_or_their_real_names() {
    let all = ["Npm @s/b 1.0.0-rc.1", "Npm lodash 3.0.0", "Npm lodash 4.17.15", "Npm real 5.0.0"];
    check("package-lock.json", NPM, true, &all);
    check("package-lock.json", NPM, false, &all[1..]);
    check("web/npm-shrinkwrap.json", &NPM.replace(": 3,", ": 2,"), true, &all);
}

#[test]
fn what_is_not_understood_is_said() {
    check_error("package-lock.json", &NPM.replace(": 3,", ": 1,"), "has the format 1, and 2 and 3 are understood");
    check_error("package-lock.json", "{", "cannot be read");
    check_error("package-lock.json", "{}", "missing field `lockfileVersion`");
    check_error("yarn.lock", "", "is no lock file that is understood");
}

#[test]
fn a_package_of_two_files_is_used_in_both() {
    let mut locked = Locked::default();
    locked.take("Cargo.lock", CARGO, true).expect("a lock file");
    locked.take("fuzz/Cargo.lock", CARGO, true).expect("a lock file");
    let paths: Vec<_> = locked.uses(Ecosystem::Cargo, "serde").map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["Cargo.lock", "fuzz/Cargo.lock", "Cargo.lock", "fuzz/Cargo.lock"]);
    assert!(!locked.has(Ecosystem::Npm, "serde") && locked.len() == 1);
}
