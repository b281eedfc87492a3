//! `cargo xtask`: everything a developer does that plain cargo cannot do alone.
//!
//! - `plugins` builds what runs inside something else: the WebAssembly components and the sandbox's init.
//! - `github` brings GitHub's descriptions of its APIs, which the tests' fake GitHub is checked against.
//! - `images` makes the containers' images that tests work in, without a registry.
//! - `demo` shows agentd's main job on a small real repository, without a key, an account or a network.
//! - `test` is the whole check that stands before every change; `.ci/run` calls it and nothing else.
//! - `bench` and `dist` measure and ship.
//!
//! It depends on no room of the house, so that it is built in seconds and works while a room does not compile. It
//! knows agentd only as its users do: the program, its command line and its folders.

mod bench;
mod build;
mod check;
mod demo;
mod engine;
mod github;
mod image;
mod machine;
mod plugins;
mod process;
mod say;

use anyhow::Result;
use clap::{Parser, Subcommand};
use say::Say;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Builds, shows, checks and measures agentd")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the plugins and the sandbox's init into target/shipped
    Plugins,
    /// Make the images that the end-to-end tests work in, and print the variables that name them
    Images,
    /// Bring GitHub's descriptions of its APIs, and print the variables that name them to the tests
    Github,
    /// Show one task's whole way on a small real repository, offline
    Demo(demo::Options),
    /// Check everything: format, lints, licences, unit, component and end-to-end tests
    Test(check::Options),
    /// Measure what has a target
    Bench(bench::Options),
    /// Build the one file that is shipped, target/dist/agentd
    Dist,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            Say::Stderr.line(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    let root = process::root()?;
    match task {
        Task::Plugins => plugins::build(&root, Say::Stderr).map(|_| ExitCode::SUCCESS),
        Task::Images => image::print(&root).map(|()| ExitCode::SUCCESS),
        Task::Github => github::print(&root).map(|()| ExitCode::SUCCESS),
        Task::Demo(options) => demo::run(&root, &options).map(|()| ExitCode::SUCCESS),
        Task::Test(options) => check::run(&root, &options),
        Task::Bench(options) => bench::run(&root, &options).map(|()| ExitCode::SUCCESS),
        Task::Dist => build::dist(&root, Say::Stderr).map(|()| ExitCode::SUCCESS),
    }
}
