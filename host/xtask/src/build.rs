//! Builds the program itself, with plugins and init inside, so that one file works alone.

use crate::say::Say;
use crate::{plugins, process};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The development build, embedding what target/shipped holds; returns the program's path.
pub(crate) fn embedded(root: &Path, shipped: &Path) -> Result<PathBuf> {
    let mut cargo = process::cargo(root);
    cargo.env("AGENTD_EMBED", shipped).args(["build", "-p", "agentd"]);
    program(&mut cargo, "building agentd")
}

/// The release build, copied to target/dist.
pub(crate) fn dist(root: &Path, say: Say) -> Result<()> {
    let shipped = plugins::build(root, say)?;
    let mut cargo = process::cargo(root);
    cargo.env("AGENTD_EMBED", &shipped).args(["build", "-p", "agentd", "--release"]);
    let built = program(&mut cargo, "building agentd")?;
    let folder = root.join("target/dist");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let file = folder.join("agentd");
    let beside = folder.join("agentd.new");
    fs::copy(&built, &beside).with_context(|| format!("copying {} to {}", built.display(), beside.display()))?;
    fs::rename(&beside, &file).with_context(|| format!("writing {}", file.display()))?;
    let bytes = fs::metadata(&file).with_context(|| format!("reading {}", file.display()))?.len();
    say.line(format_args!("{} ({} MiB)", file.display(), bytes.div_ceil(1 << 20)));
    Ok(())
}

/// Has the program import the sandbox's base image, made from this machine's own files, and returns its tag.
pub(crate) fn base_image(program: &Path, shipped: &Path) -> Result<String> {
    let mut agentd = Command::new(program);
    let said =
        process::output(agentd.args(["image", "base"]).env("AGENTD_SHIPPED", shipped), "importing the base image")?;
    let tag = said.lines().last().unwrap_or_default().trim();
    if tag.is_empty() || tag.contains(' ') {
        bail!("importing the base image: `agentd image base` should print a tag and said {said:?}");
    }
    Ok(tag.to_owned())
}

/// Runs a cargo build and returns where it put the program called agentd, wherever the target folder is.
pub(crate) fn program(cargo: &mut Command, doing: &str) -> Result<PathBuf> {
    cargo.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit()).stdout(Stdio::piped());
    let output = cargo
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("{doing}: cannot start cargo"))?;
    anyhow::ensure!(output.status.success(), "{doing}: cargo ended with {}", output.status);
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().find_map(executable).with_context(|| format!("{doing}: cargo did not say where agentd is"))
}

fn executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_test = message["profile"]["test"].as_bool() == Some(true);
    let is_agentd = message["target"]["name"] == "agentd" && message["target"]["kind"][0] == "bin";
    (is_agentd && !is_test).then(|| message["executable"].as_str().map(PathBuf::from))?
}
