//! The contract is frozen: what was built against 1.0.0 goes on to work with every later 1.x.
//!
//! `golden/wit` is the contract as it was frozen, and `golden/LANGUAGE.tar.xz` holds components that were built against it
//! then, one of each kind, by `agentd plugin new` and `build`. Neither ever changes.

use crate::support::Home;
use std::{fs, path::Path, process::Command};
use wit_component::semver_check;
use wit_parser::{Resolve, UnresolvedPackageGroup, WorldId};

const KINDS: [&str; 6] = ["agent", "analyzer", "notifier", "prioritizer", "prompt-template", "task-source"];

/// Name and text of each file of a contract.
type Contract = Vec<(String, String)>;

fn read(folder: &str) -> Contract {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(folder);
    let mut files = Contract::new();
    for entry in fs::read_dir(top).unwrap() {
        let package = entry.unwrap().path();
        let Ok(inside) = fs::read_dir(&package) else { continue };
        for file in inside.map(|it| it.unwrap().path()).filter(|it| it.extension().is_some_and(|it| it == "wit")) {
            let name = format!("{}/{}", package.file_name().unwrap().display(), file.file_name().unwrap().display());
            files.push((name, fs::read_to_string(file).unwrap()));
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{folder} holds no contract");
    files
}

/// The frozen one, under a version at which both fit into one set of packages.
fn frozen() -> Contract {
    read("tests/golden/wit").into_iter().map(|(name, text)| (name, text.replace("@1.0.0", "@0.9.0"))).collect()
}

fn push(resolve: &mut Resolve, contract: &Contract) {
    let parse = |(name, text): &(String, String)| UnresolvedPackageGroup::parse(name, text).unwrap();
    let mut groups: Vec<_> = contract.iter().map(parse).collect();
    let last = groups.pop().unwrap();
    resolve.push_groups(last, groups).unwrap();
}

/// What does not fit any more, world by world.
fn broken_worlds(now: &Contract) -> Vec<String> {
    let mut resolve = Resolve::default();
    push(&mut resolve, &frozen());
    push(&mut resolve, now);
    let worlds = |old: bool| {
        let of_age = |id: &WorldId| {
            let package = &resolve.packages[resolve.worlds[*id].package.unwrap()].name;
            (package.version.as_ref().unwrap().major == 0) == old
        };
        resolve.worlds.iter().map(|(id, _)| id).filter(of_age).collect::<Vec<_>>()
    };
    let name = |id: WorldId| {
        let world = &resolve.worlds[id];
        (resolve.packages[world.package.unwrap()].name.name.clone(), world.name.clone())
    };
    let (before, after) = (worlds(true), worlds(false));
    let mut broken = vec![];
    for old in before.into_iter().filter(|it| name(*it).1.ends_with("-plugin")) {
        match after.iter().find(|it| name(**it) == name(old)) {
            None => broken.push(format!("{:?} is gone", name(old))),
            Some(new) => {
                if let Err(error) = semver_check(resolve.clone(), old, *new) {
                    broken.push(format!("{:?}: {error:#}", name(old)));
                }
            }
        }
    }
    broken
}

#[test]
fn whoever_fits_the_frozen_contract_fits_the_one_of_today() {
    let broken = broken_worlds(&read("wit"));
    assert!(broken.is_empty(), "plugins that were built against 1.0.0 would not load:\n{}", broken.join("\n"));
}

#[test]
fn a_field_or_a_case_more_is_noticed_and_a_function_more_is_fine() {
    let changed = |from: &str, to: &str| {
        let mut now = read("wit");
        let places: usize = now.iter().map(|(_, text)| text.matches(from).count()).sum();
        assert!(places > 0, "`{from}` is not in the contract");
        now.iter_mut().for_each(|(_, text)| *text = text.replacen(from, to, 1));
        broken_worlds(&now)
    };
    assert!(!changed("record draft {", "record draft {\n        colour: string,").is_empty());
    assert!(!changed("enum level { debug,", "enum level { trace, debug,").is_empty());
    assert!(!changed("    rank: func(", "    rank2: func();\n    rank: func(").is_empty(), "a kind asks for more");
    let more = changed("    get: func(key: string)", "    has: func(key: string) -> bool;\n    get: func(key: string)");
    assert!(more.is_empty(), "the host offers more: {more:?}");
}

#[test]
fn version_1_0_0_says_what_it_said_when_it_was_frozen() {
    // Comments may become better; nothing else may change.
    let bare = |contract: Contract| -> Contract {
        let code = |text: String| {
            text.lines()
                .map(str::trim)
                .filter(|it| !it.is_empty() && !it.starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        contract.into_iter().map(|(name, text)| (name, code(text))).collect()
    };
    let now = read("wit").into_iter().filter(|(_, text)| text.contains("@1.0.0;")).collect();
    assert_eq!(bare(now), bare(read("tests/golden/wit")));
}

/// Puts the components of the first day into a folder.
fn unpack(language: &str, folder: &Path) {
    let archive = format!("{}/golden/{language}.tar.xz", env!("CARGO_MANIFEST_DIR"));
    let done = Command::new("tar").args(["-xJf", &archive, "-C"]).arg(folder).status().unwrap();
    assert!(done.success(), "{archive} cannot be unpacked");
}

/// Every kind in the language does what every plugin of its kind has to do.
#[track_caller]
fn check(language: &str) {
    let home = Home::new("local");
    unpack(language, home.root());
    for kind in KINDS {
        let file = format!("{language}-{kind}.wasm");
        let said = home.agentd(&["plugin", "conform", &file]);
        assert_eq!(said.code, Some(0), "{file}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains(kind), "{file}: {}", said.stdout);
    }
}

#[test]
fn components_of_the_first_day_still_serve() {
    check("c");
    check("rust");
}

#[test]
fn components_in_javascript_and_typescript_of_the_first_day_still_serve() {
    check("javascript");
    check("typescript");
}

#[test]
fn components_in_python_of_the_first_day_still_serve() {
    check("python");
}
