//! The native search behind `agentd:host/repository`, in a tree of 100,000 files, beside ripgrep on the same files.
//!
//! Twice: in a directory (`dir:`), as ripgrep reads it, and in a repository, which is read from its bare mirror. Each in
//! turns with ripgrep, which sorts by path as the contract asks for; all files were read before, so that no disk is
//! measured. The pattern is in every hundredth file.
//!
//! Needs `rg`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is a program for people")]

use agentd_plugin::{Tree, wit::repository::SearchQuery};
use agentd_run::{Known, Layout, Reading};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const DIRS: usize = 1_000;
const FILES_EACH: usize = 100;
const ROUNDS: usize = 9;
const PATTERN: &str = r"fn needle_\d+";

fn main() {
    let quick = std::env::args().any(|it| it == "--test");
    let (rounds, dirs) = if quick { (1, 10) } else { (ROUNDS, DIRS) };
    let folder = tempfile::Builder::new().prefix("agentd-bench-").tempdir().unwrap();
    let (tree, layout) = (folder.path().join("tree"), Layout::new(folder.path().join("home")));
    make(&tree, dirs);
    let mirror = layout.mirror("acme/big");
    fs::create_dir_all(mirror.parent().unwrap()).unwrap();
    run(Command::new("git").args(["clone", "-q", "--bare", "."]).arg(&mirror).current_dir(&tree));
    let known = Known { id: "acme/big".into(), forge: "local".into(), base: Some("main".into()), url: None };
    let reading = Reading::new(layout, vec![known]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let search = |tree: Tree| {
        let began = Instant::now();
        let hits = runtime.block_on(reading.search(tree, query())).unwrap().hits.len();
        (began.elapsed(), hits)
    };
    let trees = [("directory", Tree::Directory(tree.clone())), ("repository", Tree::Repository("acme/big".into()))];
    for (name, place) in trees {
        let (mut ours, mut theirs, mut ratios) = (vec![], vec![], vec![]);
        for round in 0..=rounds {
            let (mine, hits) = search(place.clone());
            let (other, expected) = ripgrep(&tree);
            assert_eq!(hits, expected, "both find the same");
            if round > 0 {
                ratios.push(mine.as_secs_f64() / other.as_secs_f64());
                ours.push(mine);
                theirs.push(other);
            }
        }
        ratios.sort_by(f64::total_cmp);
        let files = dirs * FILES_EACH;
        println!(
            "search of {files} files in a {name}: p50 {:?}, ripgrep {:?}, ratio {:.2} (target 1.2)",
            median(&mut ours),
            median(&mut theirs),
            ratios[ratios.len() / 2]
        );
    }
}

fn query() -> SearchQuery {
    SearchQuery { tree: "acme/big".into(), pattern: PATTERN.into(), limit: 10_000, ..blank() }
}

fn blank() -> SearchQuery {
    SearchQuery {
        tree: String::new(),
        revision: None,
        pattern: String::new(),
        literal: false,
        ignore_case: false,
        whole_words: false,
        globs: vec![],
        context: 0,
        cursor: None,
        limit: 1,
        extra: vec![],
    }
}

fn ripgrep(tree: &Path) -> (Duration, usize) {
    let began = Instant::now();
    let mut command = Command::new("rg");
    command.args(["--no-config", "--line-number", "--no-heading", "--sort", "path", PATTERN, "."]).current_dir(tree);
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    (began.elapsed(), output.stdout.iter().filter(|it| **it == b'\n').count())
}

/// Files of 10 to 60 short lines.
fn make(tree: &Path, dirs: usize) {
    for dir in 0..dirs {
        let folder = tree.join(format!("src/m{}/d{dir}", dir % 20));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..FILES_EACH {
            let lines = 10 + (dir * 31 + file * 17) % 50;
            let mut text: String =
                (0..lines).map(|line| format!("    let line = {line}; // of {dir} {file}\n")).collect();
            if file == 50 {
                text.push_str(&format!("fn needle_{dir}() {{}}\n"));
            }
            fs::write(folder.join(format!("f{file}.rs")), text).unwrap();
        }
    }
    run(Command::new("git").args(["init", "-q", "-b", "main", "."]).current_dir(tree));
    run(Command::new("git").args(["add", "."]).current_dir(tree));
    let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
    run(Command::new("git").args(identity).args(["commit", "-qm", "Begin"]).current_dir(tree));
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
