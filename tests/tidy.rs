//! The rules of the house that no compiler checks, over every file that git knows or would take.
//!
//! Each test names all offenders at once. A rule that makes a place worse is changed here, in the open, not evaded.

use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};
use wit_parser::{Resolve, UnresolvedPackageGroup};

/// What may lie at the top of the repository: what the project is, and what tools ask for.
const TOP: [&str; 20] = [
    ".cargo",
    ".ci",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "config",
    "deny.toml",
    "docs",
    "host",
    "plugin-sdk",
    "plugins",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    "wit",
    ".gitattributes",
];

/// Which room may see which. A room that is not here yet says so by its absence.
const ARROWS: [(&str, &[&str]); 14] = [
    ("agentd-task", &[]),
    ("agentd-init", &[]),
    ("xtask", &[]),
    ("agentd-sdk", &[]),
    ("agentd-store", &["agentd-task"]),
    ("agentd-executor", &["agentd-task"]),
    ("agentd-egress", &["agentd-task"]),
    ("agentd-plugin", &["agentd-task", "agentd-egress"]),
    ("agentd-forge", &["agentd-task", "agentd-egress"]),
    ("agentd-gateway", &["agentd-task", "agentd-egress"]),
    ("agentd-distribution", &["agentd-task", "agentd-egress"]),
    ("agentd-authoring", &["agentd-task", "agentd-egress", "agentd-plugin"]),
    (
        "agentd-run",
        &[
            "agentd-task",
            "agentd-store",
            "agentd-egress",
            "agentd-plugin",
            "agentd-executor",
            "agentd-forge",
            "agentd-gateway",
        ],
    ),
    (
        "agentd",
        &[
            "agentd-task",
            "agentd-store",
            "agentd-egress",
            "agentd-plugin",
            "agentd-executor",
            "agentd-forge",
            "agentd-gateway",
            "agentd-run",
            "agentd-distribution",
            "agentd-authoring",
        ],
    ),
];

/// Libraries with one door: the room that wraps them, so that none of their types is met elsewhere.
const DOORS: [(&str, &str); 14] = [
    ("wasmtime", "agentd-plugin"),
    ("wasmtime-wasi", "agentd-plugin"),
    ("wasmparser", "agentd-plugin"),
    ("notify", "agentd-plugin"),
    ("rusqlite", "agentd-store"),
    ("bollard", "agentd-executor"),
    ("octocrab", "agentd-forge"),
    ("axum", "agentd"),
    ("wit-bindgen", "agentd-sdk"),
    ("wit-bindgen-c", "agentd-authoring"),
    ("wit-bindgen-core", "agentd-authoring"),
    ("wit-component", "agentd-authoring"),
    ("minisign", "agentd-distribution"),
    ("lettre", "agentd"),
];

const LINES_MAX: usize = 600;

#[test]
fn the_top_of_the_repository_stays_what_it_is() {
    let top: BTreeSet<String> = paths().iter().filter_map(|it| it.split('/').next()).map(str::to_owned).collect();
    none(top.into_iter().filter(|name| !TOP.contains(&name.as_str())).collect(), "at the top and not in the list");
}

#[test]
fn every_source_file_says_first_what_it_does() {
    let silent = files(".rs").into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path);
    none(silent.collect(), "without a `//!` header");
}

#[test]
fn files_stay_readable() {
    let mut offenders = Vec::new();
    for file in all_text() {
        let generated = ["Cargo.lock", "LICENSE"].contains(&file.path.as_str());
        let recorded = [".snap", ".jsonl"].iter().any(|it| file.path.ends_with(it));
        let lines = file.text.lines().count();
        let source = [".rs", ".wit", ".sh"].iter().any(|it| file.path.ends_with(it));
        if source && lines > LINES_MAX {
            offenders.push(format!("{}: {lines} lines, {LINES_MAX} are the limit: is it two things?", file.path));
        }
        if generated || recorded {
            continue;
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            offenders.push(format!("{}: no newline at the end", file.path));
        }
        for (number, line) in file.text.lines().enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                offenders.push(format!("{}:{}: blanks at the end of the line", file.path, number + 1));
            }
        }
    }
    none(offenders, "hard to read");
}

#[test]
fn modules_and_folders_have_names_that_say_something() {
    let vague = ["utils", "util", "common", "helpers", "helper", "manager", "types", "models", "misc"];
    let mut offenders = Vec::new();
    for path in paths() {
        if path.ends_with("/mod.rs") {
            offenders.push(format!("{path}: the form is foo.rs beside foo/"));
        }
        let stems = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
        // The contract's package of shared records is called so, in the copy that golden components hold us to, too.
        let contract = ["wit/", "tests/golden/wit/"].iter().any(|it| path.starts_with(it));
        if !contract && stems.into_iter().any(|stem| vague.contains(&stem)) {
            offenders.push(path);
        }
    }
    none(offenders, "named after nothing");
}

#[test]
fn no_source_file_is_forgotten() {
    let known: BTreeSet<String> = paths().into_iter().collect();
    let mut offenders = Vec::new();
    for path in known.iter().filter(|it| it.ends_with(".rs")) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let name = name.trim_end_matches(".rs");
        let package = |folder: &str| known.contains(&format!("{folder}/Cargo.toml"));
        let own_target = ["benches", "tests", "bin", "examples"].iter().any(|it| {
            folder
                .strip_suffix(it)
                .is_some_and(|it| folder != "tests" && package(it.trim_end_matches("/src/").trim_end_matches('/')))
        });
        if ["main", "lib", "build"].contains(&name) || own_target {
            continue;
        }
        let parents = [format!("{folder}.rs"), format!("{folder}/lib.rs"), format!("{folder}/main.rs")];
        let declared = Regex::new(&format!(r"(?m)^\s*(pub(\([a-z ]+\))? )?mod {name};")).expect("a name is a pattern");
        if !parents.iter().filter(|it| known.contains(*it)).any(|it| declared.is_match(&read(it))) {
            offenders.push(path.clone());
        }
    }
    none(offenders, "in no module tree: never compiled");
}

#[test]
fn nothing_is_skipped_or_left_open() {
    let ignored = Regex::new(r"^\s*#\[ignore").expect("a fixed pattern");
    let open =
        Regex::new(concat!(r"^\s*(//[/!]?|#) *(TO", r"DO|FIX", r"ME|HA", r"CK|X", r"XX)\b")).expect("a fixed pattern");
    let mut offenders = Vec::new();
    for file in all_text().into_iter().filter(|it| it.path.ends_with(".rs") || it.path.ends_with(".sh")) {
        // The analyzer that looks for such marks has them in its tests.
        let looks_for_them = file.path.starts_with("plugins/todo/");
        for (number, line) in file.text.lines().enumerate() {
            if ignored.is_match(line) || (!looks_for_them && open.is_match(line)) {
                offenders.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none(offenders, "ignored or unfinished");
}

#[test]
fn nothing_carries_the_path_of_one_machine() {
    // Whoever runs this would find the traces of the own machine: the checkout, and the home folder. A name right below
    // `/` may be in other paths, too.
    let places = [Some(root()), env::var_os("HOME").map(PathBuf::from)];
    let places = places.into_iter().flatten().filter(|it| it.components().count() > 2);
    let mut own: Vec<String> = places.map(|it| format!("{}/", it.display())).collect();
    own.push(concat!("/ro", "ot/").to_owned());
    let mut offenders = Vec::new();
    for file in all_text().into_iter().filter(|it| it.path != "LICENSE") {
        for (number, line) in file.text.lines().enumerate() {
            if own.iter().any(|own| line.contains(own)) {
                offenders.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none(offenders, "with a path of one machine");
}

#[test]
fn rooms_see_only_what_they_may() {
    let mut offenders = Vec::new();
    for Dependency { package, on, dev, .. } in dependencies() {
        let house = on == "agentd" || on == "xtask" || on.starts_with("agentd-");
        // Tests of a room may stand on another one; what is shipped may not.
        if !house || dev {
            continue;
        }
        let fine = match ARROWS.iter().find(|(room, _)| *room == package) {
            Some((_, may)) => may.contains(&on.as_str()),
            None => on == "agentd-sdk" && !package.starts_with("agentd"),
        };
        if !fine {
            offenders.push(format!("{package} -> {on}"));
        }
    }
    none(offenders, "against the arrows of the house");
}

#[test]
fn each_foreign_library_has_one_door() {
    let mut offenders = Vec::new();
    for Dependency { package, on, .. } in dependencies() {
        let wrong = DOORS.iter().any(|(library, room)| *library == on && *room != package);
        // The end-to-end tests judge from outside, with their own eyes.
        if wrong && package != "agentd-tests" {
            offenders.push(format!("{package} -> {on}"));
        }
    }
    none(offenders, "around a door");
}

#[test]
fn versions_stand_in_one_place_and_lints_hold_everywhere() {
    let version = Regex::new(r#"^[a-z0-9_-]+ *= *("|\{ *version *= *")[~^=]?\d"#).expect("a fixed pattern");
    let mut offenders = Vec::new();
    for file in files("Cargo.toml") {
        // Templates for plugins of other people, and peers in benchmarks, stand outside this workspace.
        if file.path == "Cargo.toml" || ["/templates/", "/peers/"].iter().any(|it| file.path.contains(it)) {
            continue;
        }
        if !file.text.contains("[lints]\nworkspace = true") {
            offenders.push(format!("{}: no `[lints] workspace = true`", file.path));
        }
        for (number, line) in file.text.lines().enumerate().filter(|(_, line)| version.is_match(line)) {
            offenders.push(format!("{}:{}: {line}: versions stand in the workspace", file.path, number + 1));
        }
    }
    none(offenders, "with rules of their own");
}

#[test]
fn the_contract_is_one_version_and_parses() {
    let package = Regex::new(r"(?m)^package agentd:([a-z-]+)@([0-9a-z.-]+);").expect("a fixed pattern");
    let mut offenders = Vec::new();
    let mut groups = Vec::new();
    for file in files(".wit") {
        if !file.path.starts_with("wit/") {
            continue;
        }
        match package.captures(&file.text) {
            Some(found) if &found[2] != "1.0.0" => offenders.push(format!("{}: version {}", file.path, &found[2])),
            Some(found) if !file.path.starts_with(&format!("wit/{}/", &found[1])) => {
                offenders.push(format!("{}: holds the package {}", file.path, &found[1]));
            }
            Some(_) => (),
            None => offenders.push(format!("{}: names no package", file.path)),
        }
        groups.push(UnresolvedPackageGroup::parse(&file.path, &file.text).expect("each WIT file should parse"));
    }
    none(offenders, "not of the contract 1.0.0");
    let mut resolve = Resolve::default();
    let last = groups.pop().expect("there should be WIT packages");
    if let Err(error) = resolve.push_groups(last, groups) {
        panic!("the WIT packages do not fit together: {error:?}");
    }
    assert_eq!(resolve.packages.len(), files(".wit").iter().filter(|it| it.path.starts_with("wit/")).count());
}

/// A file's name from the top of the repository, and what is in it.
struct File {
    path: String,
    text: String,
}

struct Dependency {
    package: String,
    on: String,
    dev: bool,
}

#[track_caller]
fn none(offenders: Vec<String>, what: &str) {
    assert!(offenders.is_empty(), "{what}:\n  {}", offenders.join("\n  "));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").to_owned()
}

/// Every path that git knows or would take, and that is there.
fn paths() -> Vec<String> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().expect("git should be there");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("every path should be UTF-8");
    let all: BTreeSet<&str> = text.split_terminator('\0').collect();
    all.into_iter().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

fn files(suffix: &str) -> Vec<File> {
    let paths = paths().into_iter().filter(|path| path.ends_with(suffix));
    paths.map(|path| File { text: read(&path), path }).collect()
}

/// Everything that is text.
fn all_text() -> Vec<File> {
    let text = |path: String| fs::read_to_string(root().join(&path)).ok().map(|text| File { path, text });
    paths().into_iter().filter_map(text).filter(|it| !it.text.contains('\0')).collect()
}

/// What the packages of the workspace say they stand on.
fn dependencies() -> Vec<Dependency> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = cargo.output().expect("cargo should be there");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata should be JSON");
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().expect("a workspace has packages") {
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let dev = dependency["kind"] == "dev";
            found.push(Dependency { package: text(&package["name"]), on: text(&dependency["name"]), dev });
        }
    }
    assert!(!found.is_empty(), "the workspace should have dependencies");
    found
}
