//! Builds what runs inside something else: every folder of plugins/ as a component, and agentd-init for the sandbox.
//!
//! They have a target folder of their own, so that this may run while another cargo holds the lock of the first one,
//! and end in target/shipped under the names that agentd looks for. A file there is only touched when its content
//! changed, so that nothing that embeds it is built again for nothing.

use crate::process;
use crate::say::Say;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";

/// Builds all of them; returns the folder that holds them.
pub(crate) fn build(root: &Path, say: Say) -> Result<PathBuf> {
    add_target(root, say)?;
    let names = names(root)?;
    let guests = root.join("target/guests");
    let mut cargo = process::guest_cargo(root);
    cargo.args(["build", "--profile", PROFILE, "--target", TARGET, "--target-dir"]).arg(&guests);
    for name in &names {
        cargo.args(["-p", name]);
    }
    process::run(&mut cargo, "building the plugins")?;

    let host = host_triple(root)?;
    let mut cargo = process::guest_cargo(root);
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.args(["build", "-p", "agentd-init", "--profile", PROFILE, "--target", &host, "--target-dir"]).arg(&guests);
    process::run(&mut cargo, "building agentd-init")?;

    let shipped = root.join("target/shipped");
    fs::create_dir_all(&shipped).with_context(|| format!("making {}", shipped.display()))?;
    let mut expected = vec!["agentd-init".to_owned()];
    let init = guests.join(&host).join(PROFILE).join("agentd-init");
    copy_if_changed(&init, &shipped.join("agentd-init"), say)?;
    for name in names {
        let file = format!("{name}.wasm");
        let built = guests.join(TARGET).join(PROFILE).join(format!("{}.wasm", name.replace('-', "_")));
        copy_if_changed(&built, &shipped.join(&file), say)?;
        expected.push(file);
    }
    remove_others(&shipped, &expected, say)?;
    Ok(shipped)
}

/// Whether this toolchain can build components.
pub(crate) fn has_target(root: &Path) -> Result<bool> {
    let sysroot = process::rustc(root, &["--print", "sysroot"])?;
    let folder = Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib");
    let Ok(files) = fs::read_dir(folder) else { return Ok(false) };
    Ok(files.flatten().any(|it| it.file_name().to_string_lossy().starts_with("libstd-")))
}

/// Adds the compile target where it is missing: from rustup, else built from Debian's copy of the library's source.
pub(crate) fn add_target(root: &Path, say: Say) -> Result<()> {
    if has_target(root)? {
        return Ok(());
    }
    say.line(format_args!("The toolchain has no {TARGET} yet: adding it"));
    let script = root.join("host/xtask/wasm-target.sh");
    process::run(Command::new("bash").current_dir(root).arg(script).arg(TARGET), "adding the compile target")
}

/// The folders of plugins/, which are also the names of the packages.
fn names(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("plugins");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|it| it.path().join("Cargo.toml").is_file())
        .filter_map(|it| it.file_name().into_string().ok())
        .collect();
    names.sort();
    ensure!(!names.is_empty(), "{} holds no plugins", folder.display());
    Ok(names)
}

fn host_triple(root: &Path) -> Result<String> {
    let version = process::rustc(root, &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

fn copy_if_changed(from: &Path, to: &Path, say: Say) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    // A running program's file cannot be written to, but it can be replaced.
    let beside = to.with_extension("new");
    fs::copy(from, &beside).with_context(|| format!("writing {}", beside.display()))?;
    fs::rename(&beside, to).with_context(|| format!("writing {}", to.display()))?;
    say.line(format_args!("  {} ({} KiB)", to.file_name().unwrap_or_default().display(), new.len().div_ceil(1024)));
    Ok(())
}

/// A plugin that was renamed or removed must not be shipped for ever.
fn remove_others(folder: &Path, expected: &[String], say: Say) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !expected.contains(&name) {
            fs::remove_file(entry.path()).with_context(|| format!("removing {}", entry.path().display()))?;
            say.line(format_args!("  {name} is gone"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_touched_only_when_it_changed() {
        let folder = std::env::temp_dir().join(format!("xtask-plugins-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (from, to) = (folder.join("from"), folder.join("to.wasm"));
        let check = |content: &str, moved: bool| {
            let inode = |file: &Path| fs::metadata(file).map(|it| std::os::unix::fs::MetadataExt::ino(&it)).ok();
            let before = inode(&to);
            fs::write(&from, content).unwrap();
            copy_if_changed(&from, &to, Say::Stderr).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), content);
            assert_eq!(inode(&to) != before, moved, "{content}");
        };
        check("one", true);
        check("one", false);
        check("two", true);
        remove_others(&folder, &["to.wasm".to_owned()], Say::Stderr).unwrap();
        assert!(to.exists() && !from.exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
