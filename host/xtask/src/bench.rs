//! Runs every benchmark of the house: each file in a room's `benches` folder.

use crate::say::Say;
use crate::{plugins, process};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

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
    for (package, bench) in rooms {
        Say::Stdout.headline(format_args!("\n== {package}: {bench}"));
        let mut cargo = process::cargo(root);
        cargo.args(["bench", "-p", &package, "--bench", &bench, "--"]).env("AGENTD_SHIPPED", &shipped);
        if options.quick {
            cargo.arg("--test");
        }
        cargo.args(&options.filter);
        process::run(&mut cargo, "measuring")?;
    }
    Ok(())
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
