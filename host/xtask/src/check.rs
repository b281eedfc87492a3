//! The whole check: one stage after the other, each with its time, until the first that fails.
//!
//! The last line is `N passed, N failed`, alone: the tests of all crates together; a stage that fails before or beside
//! them counts as one. A test that is ignored fails the check, for it would be skipped silently.

use crate::say::Say;
use crate::{build, github, image, machine, plugins, process};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install what this Debian machine lacks and start the Docker engine (as root)
    #[arg(long)]
    provision: bool,
}

/// What the test programs said, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

struct Report {
    say: Say,
    stages: Vec<(&'static str, Duration, bool)>,
    counts: Counts,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let mut report = Report { say: Say::Stdout, stages: Vec::new(), counts: Counts::default() };
    let outcome = stages(root, options, &mut report);
    if let Err(error) = &outcome {
        report.say.line(format_args!("\nerror: {error:#}"));
        report.counts.failed = report.counts.failed.max(1);
    }
    report.summary();
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn stages(root: &Path, options: &Options, report: &mut Report) -> Result<()> {
    let say = report.say;
    report.stage("The machine", |_| machine::ready(root, options.provision, say))?;
    report.stage("Formatting", |_| {
        process::run(process::cargo(root).args(["fmt", "--all", "--check"]), "checking the format")
    })?;
    let shipped = report.stage("Plugins and init", |_| plugins::build(root, say))?;
    report.stage("Clippy", |_| {
        let mut cargo = process::cargo(root);
        cargo.args(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        process::run(&mut cargo, "linting")
    })?;
    report.stage("Licences, bans and sources", |_| {
        let mut cargo = process::cargo(root);
        cargo.args(["deny", "--offline", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
        process::run(&mut cargo, "judging the dependencies")
    })?;
    let program = report.stage("Building the tests", |_| test_build(root))?;
    let image = report.stage("Base image", |_| {
        let tag = build::base_image(&program, &shipped)?;
        say.line(format_args!("  {tag}"));
        Ok(tag)
    })?;
    let images = report.stage("Images of the tests", |_| {
        let images = image::for_tests(root, say)?;
        for (_, image) in images.variables() {
            say.line(format_args!("  {image}"));
        }
        Ok(images)
    })?;
    let descriptions = github::bring(root, say)?;
    report.stage("Unit, component and end-to-end tests", |counts| {
        let mut cargo = process::cargo(root);
        cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
        cargo.env("AGENTD_SHIPPED", &shipped).env("AGENTD_INIT", shipped.join("agentd-init"));
        cargo.env("AGENTD_BIN", &program).env("AGENTD_TEST_IMAGE", &image);
        cargo.envs(images.variables()).envs(descriptions);
        // A snapshot that differs is a failure, never a file beside it.
        cargo.env("INSTA_UPDATE", "no");
        tests(&mut cargo, say, counts)
    })
}

impl Report {
    fn stage<T>(&mut self, name: &'static str, work: impl FnOnce(&mut Counts) -> Result<T>) -> Result<T> {
        self.say.headline(format_args!("\n== {name}"));
        let since = Instant::now();
        let outcome = work(&mut self.counts);
        self.stages.push((name, since.elapsed(), outcome.is_ok()));
        outcome
    }

    fn summary(&self) {
        self.say.headline("\n== Summary");
        for (name, time, ok) in &self.stages {
            let word = if *ok { "ok" } else { "FAILED" };
            self.say.line(format_args!("  {word:<7} {:>7.1} s  {name}", time.as_secs_f64()));
        }
        self.say.line(format_args!("\n{} passed, {} failed", self.counts.passed, self.counts.failed));
    }
}

/// Tests and program in one build, so that both are made from the same libraries; returns the program's path.
fn test_build(root: &Path) -> Result<PathBuf> {
    let mut cargo = process::cargo(root);
    cargo.args(["build", "--locked", "--workspace", "--lib", "--bins", "--tests"]);
    build::program(&mut cargo, "building the tests")
}

/// Runs `cargo test`, shows what it says as it says it, and sums up.
fn tests(cargo: &mut Command, say: Say, counts: &mut Counts) -> Result<()> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("starting cargo test")?;
    let stdout = child.stdout.take().context("cargo test has no stdout")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("reading what cargo test says")?;
        let line = String::from_utf8_lossy(&line);
        say.line(&line);
        if let Some(more) = result(&line) {
            counts.passed += more.passed;
            counts.failed += more.failed;
            counts.ignored += more.ignored;
        }
    }
    let status = child.wait().context("waiting for cargo test")?;
    match counts {
        Counts { failed: 1.., .. } => bail!("{} tests failed", counts.failed),
        _ if !status.success() => bail!("`cargo test` ended with {status}"),
        Counts { ignored: 1.., .. } => bail!("{} tests are ignored: nothing may be skipped", counts.ignored),
        Counts { passed: 0, .. } => bail!("no test was run"),
        _ => Ok(()),
    }
}

/// The numbers of a line like `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out`.
fn result(line: &str) -> Option<Counts> {
    let (_, rest) = line.split_once("test result: ")?;
    let number = |word: &str| -> Option<u64> {
        let part = rest.split(['.', ';']).find_map(|part| part.trim().strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Counts { passed: number(" passed")?, failed: number(" failed")?, ignored: number(" ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<(u64, u64, u64)>) {
        let found = result(line).map(|it| (it.passed, it.failed, it.ignored));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn results_are_found_in_what_cargo_test_says() {
        check(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.21s",
            Some((12, 0, 1)),
        );
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", Some((3, 2, 0)));
        check("test result: \x1b[32mok\x1b[m. 7 passed; 0 failed; 0 ignored; 0 measured", Some((7, 0, 0)));
        check("test tests::passed ... ok", None);
        check("running 12 tests", None);
    }
}
