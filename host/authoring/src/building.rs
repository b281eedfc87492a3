//! From a project's sources to the plugin's file: the language's own commands, then component, strip, and one file.
//!
//! The finished file is `build/NAME.wasm` beside whatever the commands left. Copies come by renaming, so that a daemon
//! that watches the folder never sees half of one.

use crate::{Error, Project, component, strip};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fs, str};
use tempfile::NamedTempFile;
use tokio::process::Command;

/// The end of a failed command's output that is shown.
const SHOWN_BYTES: usize = 16 << 10;

/// What a build made.
#[derive(Clone, Debug)]
pub struct Built {
    pub file: PathBuf,
    pub bytes: Vec<u8>,
    /// `sha256:…`
    pub digest: String,
}

/// Builds the project. `told` hears each command before it runs.
///
/// # Errors
/// [`Error::Tool`] with what to install, [`Error::Command`] with what it said, [`Error::Encode`].
pub async fn build(project: &Project, debug: bool, mut told: impl FnMut(&str)) -> Result<Built, Error> {
    for command in &project.commands {
        told(&command.join(" "));
        run(project, command).await?;
    }
    let bytes = fs::read(&project.output).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoOutput(project.output.clone()),
        _ => Error::file("cannot read", &project.output)(error),
    })?;
    let bytes = component::encode(&project.output, bytes, &project.folder.join("wit"))?;
    let bytes = if debug { bytes } else { strip::debug(&bytes) };
    let file = finished(project);
    put(&file, &bytes)?;
    Ok(Built { file, digest: digest(&bytes), bytes })
}

/// Where the finished plugin lies.
#[must_use]
pub fn finished(project: &Project) -> PathBuf {
    project.folder.join("build").join(format!("{}.wasm", project.name))
}

/// Writes the file whole, or not at all.
///
/// # Errors
/// [`Error::File`].
pub fn put(file: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::file("cannot make", folder))?;
    let failed = || Error::file("cannot write", file);
    // A name with a dot in front is none that a watcher takes for a plugin.
    let mut draft = tempfile::Builder::new().prefix(".").suffix(".part").tempfile_in(folder).map_err(failed())?;
    draft.write_all(bytes).map_err(failed())?;
    let mode = fs::Permissions::from_mode(0o644);
    draft.as_file().set_permissions(mode).and_then(|()| draft.as_file().sync_all()).map_err(failed())?;
    let persisted = NamedTempFile::persist(draft, file);
    persisted.map(drop).map_err(|error| failed()(error.error))
}

/// `sha256:…`
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

async fn run(project: &Project, command: &[String]) -> Result<(), Error> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut process = Command::new(program);
    process.args(arguments).current_dir(&project.folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = process.output().await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::Tool { program: program.clone(), install: install(project, program) },
        _ => Error::file("cannot run a command in", &project.folder)(error),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = output.stdout;
    said.extend(output.stderr);
    let status = output.status.code().map_or("ended by a signal".into(), |it| format!("exit code {it}"));
    Err(Error::Command { command: command.join(" "), status, folder: project.folder.clone(), output: end_of(&said) })
}

/// How to get a program; what the project says of it goes first.
fn install(project: &Project, program: &str) -> String {
    if let Some(text) = project.tools.get(program) {
        return text.clone();
    }
    match program {
        "cargo" | "rustc" | "rustup" => "install Rust with rustup: https://rustup.rs".into(),
        "npm" | "npx" | "node" => {
            "install Node.js 20 or later: https://nodejs.org, or your distribution's packages".into()
        }
        "python3" | "python" | "pip" | "pip3" => {
            "install Python 3.11 or later with its venv: python3 and python3-venv".into()
        }
        "clang" | "zig" => "install clang with wasi-libc, or zig: pip install ziglang".into(),
        other => format!("install {other}, or see to it that it is in PATH"),
    }
}

fn end_of(said: &[u8]) -> String {
    let from = said.len().saturating_sub(SHOWN_BYTES);
    let text = String::from_utf8_lossy(&said[from..]);
    if from == 0 { text.trim_end().to_owned() } else { format!("…{}", text.trim_end()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn project(folder: &Path, command: &[&str]) -> Project {
        Project {
            folder: folder.into(),
            name: "it".into(),
            kinds: vec![agentd_plugin::Kind::Analyzer],
            language: "sh".into(),
            commands: vec![command.iter().map(|it| (*it).to_owned()).collect()],
            output: folder.join("out.wasm"),
            tools: BTreeMap::from([("no-such-program".into(), "buy it".into())]),
        }
    }

    async fn built(command: &[&str]) -> (Result<Built, Error>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (build(&project(folder.path(), command), false, |_| ()).await, folder)
    }

    #[tokio::test]
    async fn a_failed_build_shows_what_was_said() {
        #[track_caller]
        fn check(error: Error, text: &str, hint: &str) {
            let shown = error.to_string();
            assert!(shown.contains(text), "{shown}");
            assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
        }
        check(
            built(&["sh", "-c", "echo here; echo there >&2; exit 3"]).await.0.unwrap_err(),
            "(exit code 3)",
            "nothing",
        );
        check(built(&["sh", "-c", "echo here; echo there >&2; exit 3"]).await.0.unwrap_err(), "here\nthere", "nothing");
        check(built(&["no-such-program"]).await.0.unwrap_err(), "`no-such-program`", "buy it");
        check(built(&["no-other-program"]).await.0.unwrap_err(), "not here", "in PATH");
        check(built(&["true"]).await.0.unwrap_err(), "out.wasm", "output");
        check(
            built(&["sh", "-c", "printf '\\000asm\\001\\000\\000\\000' > out.wasm"]).await.0.unwrap_err(),
            "cannot be made a component",
            "plugin_component_type.o",
        );
    }

    #[tokio::test]
    async fn a_component_is_taken_as_it_is() {
        let head = "printf '\\000asm\\015\\000\\001\\000' > out.wasm";
        let (built, folder) = built(&["sh", "-c", head]).await;
        let built = built.unwrap();
        assert_eq!(built.file, folder.path().join("build/it.wasm"));
        assert_eq!(fs::read(&built.file).unwrap(), built.bytes);
        let names: Vec<_> =
            fs::read_dir(folder.path().join("build")).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["it.wasm"]);
    }
}
