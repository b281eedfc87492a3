//! Runs every benchmark of the house: each file in a room's `benches` folder.

use crate::say::Say;
use crate::{plugins, process};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only those whose name has this in it
    filter: Option<String>,
    /// Run each once, to see that it works; the figures mean nothing then
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let shipped = plugins::build(root, Say::Stderr)?;
    let rooms = rooms(root)?;
    ensure!(!rooms.is_empty(), "no room of the house has a folder `benches`");
    let peer = if options.quick { None } else { extism(root) };
    for (package, bench) in rooms {
        Say::Stdout.headline(format_args!("\n== {package}: {bench}"));
        let mut cargo = process::cargo(root);
        cargo.args(["bench", "-p", &package, "--bench", &bench, "--"]).env("AGENTD_SHIPPED", &shipped);
        if let Some((program, guest)) = &peer {
            cargo.env("AGENTD_BENCH_EXTISM", program).env("AGENTD_BENCH_EXTISM_GUEST", guest);
        }
        if options.quick {
            cargo.arg("--test");
        }
        cargo.args(&options.filter);
        process::run(&mut cargo, "measuring")?;
    }
    Ok(())
}

/// The peer that has its own workspace: its program and its guest. None: it cannot be built here, which is said.
fn extism(root: &Path) -> Option<(PathBuf, PathBuf)> {
    let (workspace, target) = (root.join("tests/peers/extism"), root.join("target/peers"));
    let build = |arguments: &[&str]| {
        let mut cargo = process::guest_cargo(&workspace);
        cargo.args(["build", "--locked", "--release", "--target-dir"]).arg(&target).args(arguments);
        process::run(&mut cargo, "building the peer extism")
    };
    let built = build(&["-p", "extism-peer"])
        .and_then(|()| build(&["-p", "extism-peer-guest", "--target", "wasm32-unknown-unknown"]));
    if let Err(error) = built {
        Say::Stdout.line(format_args!("extism is not measured: {error:#}"));
        return None;
    }
    let guest = target.join("wasm32-unknown-unknown/release/extism_peer_guest.wasm");
    Some((target.join("release/extism-peer"), guest))
}

/// Every benchmark as package and name, in order.
fn rooms(root: &Path) -> Result<Vec<(String, String)>> {
    let host = root.join("host");
    let mut found = Vec::new();
    for room in fs::read_dir(&host).with_context(|| format!("reading {}", host.display()))?.flatten() {
        let Ok(benches) = fs::read_dir(room.path().join("benches")) else { continue };
        let room = room.file_name().to_string_lossy().into_owned();
        let package = if room == "agentd" { room } else { format!("agentd-{room}") };
        for file in benches.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if let Some(bench) = name.strip_suffix(".rs") {
                found.push((package.clone(), bench.to_owned()));
            }
        }
    }
    found.sort();
    Ok(found)
}
