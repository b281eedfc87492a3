//! A real crate from the registry, with one bug planted that its own tests find, and a script that mends it.
//!
//! It is fetched by cargo, as any dependency is, when a test asks for it. It stands on three other crates, one with a
//! build script, so that nobody can test it without a way to the registry.

use super::{Home, Turn, git};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

const NAME: &str = "num-iter";
const VERSION: &str = "0.1.46";

/// Counting down goes one step too far.
const RIGHT: &str = "(self.rev && self.state > self.stop) || (!self.rev && self.state < self.stop)";
const WRONG: &str = "(self.rev && self.state >= self.stop) || (!self.rev && self.state < self.stop)";
/// The same for a shell.
const MEND: &str = "sed -i 's/state >= self.stop) || (!self.rev && self.state < /state > self.stop) || (!self.rev \\&\\& self.state < /' src/lib.rs";

/// For `setup`: brings what the crate stands on.
pub(crate) const SETUP: &str = "cargo fetch --locked";
/// For `gates`: without a network.
pub(crate) const GATE: &str = "cargo test --locked --offline --lib";
/// The task's text.
pub(crate) const TASK: &str = "# Mend `range_step`\n\n`range_step(10, 0, -5)` ends with 0, which is its end.\n";

/// What a model says that mends it and looks whether it did.
pub(crate) fn turns() -> Vec<Turn> {
    vec![
        Turn::bash("grep -n 'self.state' src/lib.rs"),
        Turn::bash(MEND),
        Turn::bash("cargo test --offline --lib 2>&1 | tail -n 3"),
        Turn::text("`range_step` ended one step late when it counted down. It ends in time now."),
    ]
}

/// Puts it in the place of the home's repository: one more commit on `main`.
#[track_caller]
pub(crate) fn put_into(home: &Home) {
    let work = home.path("seed");
    git(&work, &["rm", "-qr", "."]);
    write(&work, &home.path("vendor"));
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "Begin anew, with a crate"]);
    git(&work, &["push", "-q", "../forge.git", "main"]);
}

/// Fills a folder with the crate, as its authors published it but for the bug.
fn write(work: &Path, scratch: &Path) {
    fs::create_dir_all(scratch.join("src")).unwrap();
    fs::write(scratch.join("src/lib.rs"), "").unwrap();
    let manifest = format!(
        "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\n{NAME} = \"={VERSION}\"\n"
    );
    fs::write(scratch.join("Cargo.toml"), manifest).unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = cargo.current_dir(scratch).args(["vendor", "--quiet", "crates"]).output().unwrap();
    assert!(output.status.success(), "cargo vendor: {}", String::from_utf8_lossy(&output.stderr));
    let published = scratch.join("crates").join(NAME);
    for file in ["Cargo.toml", "Cargo.lock", "LICENSE-MIT", "README.md"] {
        fs::copy(published.join(file), work.join(file)).unwrap();
    }
    let source = fs::read_to_string(published.join("src/lib.rs")).unwrap();
    assert_eq!(source.matches(RIGHT).count(), 1, "the place of the bug");
    fs::create_dir_all(work.join("src")).unwrap();
    fs::write(work.join("src/lib.rs"), source.replace(RIGHT, WRONG)).unwrap();
    fs::write(work.join(".gitignore"), "/target\n").unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{Model, tool};
    use std::process::Stdio;

    #[test]
    fn the_script_mends_what_was_planted() {
        let home = Home::new("local");
        put_into(&home);
        let work = home.path("seed");
        let sh = |script: &str| {
            let mut sh = Command::new("sh");
            sh.current_dir(&work).env("CARGO_TARGET_DIR", home.path("target")).args(["-c", script]).output().unwrap()
        };
        assert!(sh(SETUP).status.success());
        let before = sh(GATE);
        let said = String::from_utf8_lossy(&before.stdout);
        assert!(!before.status.success() && said.contains("test_range_step ... FAILED"), "{said}");

        let model = Model::start(turns());
        let mut claude = Command::new(tool("claude"));
        claude.args(["-p", TASK, "--dangerously-skip-permissions"]).current_dir(&work).stdin(Stdio::null());
        claude.env("HOME", home.root()).env("IS_SANDBOX", "1").env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        claude.env_remove("CLAUDE_CONFIG_DIR").env("ANTHROPIC_BASE_URL", model.url());
        let said = claude.env("ANTHROPIC_API_KEY", Model::KEY).output().unwrap();
        assert!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains("in time now"), "{said:?}");
        assert!(sh(GATE).status.success());
        assert_eq!(git(&work, &["diff", "--numstat"]), "1\t1\tsrc/lib.rs");
    }
}
