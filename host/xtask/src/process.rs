//! Child processes: where the repository is, how cargo is called, and errors that name the command.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's top folder.
pub(crate) fn root() -> Result<PathBuf> {
    let start = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => env::current_dir().context("finding the current folder")?,
    };
    let root = start.ancestors().find(|it| it.join("Cargo.lock").is_file() && it.join("host/xtask").is_dir());
    root.map(Path::to_path_buf).context("not inside the repository of agentd: run this as `cargo xtask` in it")
}

/// Cargo as it was called, without what `cargo run` adds to the environment of the program it starts: those variables
/// would make build scripts run again each time cargo is called once through xtask and once directly.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let of_this_package = text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_");
        if of_this_package || ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&text) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Cargo for another target: nothing that was meant for this machine's own programs may reach it.
pub(crate) fn guest_cargo(root: &Path) -> Command {
    let mut cargo = cargo(root);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let prefixed = ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_BUILD_"];
        let exact = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"];
        let wrappers = ["RUSTC_WORKSPACE_WRAPPER", "TARGET", "HOST", "OUT_DIR"];
        let jobs = text == "CARGO_BUILD_JOBS";
        if !jobs
            && (prefixed.iter().any(|it| text.starts_with(it)) || exact.contains(&text) || wrappers.contains(&text))
        {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Runs to the end and asks for success; `doing` says in the error what did not work.
pub(crate) fn run(command: &mut Command, doing: &str) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command, doing))?;
    if !status.success() {
        bail!("{doing}: `{}` ended with {status}", text(command));
    }
    Ok(())
}

/// Runs to the end and returns stdout without the final newline; stderr is part of the error.
pub(crate) fn output(command: &mut Command, doing: &str) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command, doing))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{doing}: `{}` ended with {}: {}", text(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// What the repository's own compiler answers.
pub(crate) fn rustc(root: &Path, arguments: &[&str]) -> Result<String> {
    output(Command::new("rustc").current_dir(root).args(arguments), "asking rustc")
}

/// The program's path if `PATH` has it.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn cannot_start(command: &Command, doing: &str) -> String {
    format!("{doing}: cannot start `{}`", command.get_program().to_string_lossy())
}

fn text(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
