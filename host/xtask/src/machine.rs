//! What the machine must have for the whole check, and how it gets what it lacks.
//!
//! Each missing part is listed with the command that brings it; with `--provision` these commands are run. Nothing is
//! ever left out of the check because a part is missing.

use crate::say::Say;
use crate::{engine, github, plugins, process};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// The programs that the base image of the sandbox is made from, with Debian's package for each.
const PROGRAMS: [(&str, &str); 11] = [
    ("awk", "mawk"),
    ("bash", "bash"),
    ("sed", "sed"),
    ("grep", "grep"),
    ("find", "findutils"),
    ("xargs", "findutils"),
    ("diff", "diffutils"),
    ("cmp", "diffutils"),
    ("ps", "procps"),
    ("ldd", "libc-bin"),
    ("setsid", "util-linux"),
];

/// One thing that must be there.
struct Part {
    name: String,
    /// What was found, or what is wrong.
    found: Result<String, String>,
    fix: Fix,
}

#[derive(Clone)]
enum Fix {
    /// Debian's packages.
    Apt(Vec<&'static str>),
    /// A command, run in the repository.
    Run(Vec<&'static str>),
    /// The compile target for plugins.
    Target,
    /// Starts the engine, after installing it if it is not there.
    Engine,
}

impl Fix {
    /// What a person types.
    fn command(&self) -> String {
        match self {
            Fix::Apt(packages) => format!("apt-get install -y {}", packages.join(" ")),
            Fix::Run(words) => words.join(" "),
            Fix::Target => format!("rustup target add {0}   (or: host/xtask/wasm-target.sh {0})", plugins::TARGET),
            Fix::Engine if process::which("dockerd").is_some() => "systemctl start docker   (or: dockerd &)".to_owned(),
            Fix::Engine => "apt-get install -y docker.io iptables && systemctl start docker".to_owned(),
        }
    }
}

/// Ends well only when everything is there; with `provision` it is brought first.
pub(crate) fn ready(root: &Path, provision: bool, say: Say) -> Result<()> {
    let mut parts = look(root)?;
    if provision && parts.iter().any(|it| it.found.is_err()) {
        bring(root, &parts, say)?;
        parts = look(root)?;
    }
    let mut missing = 0;
    for part in &parts {
        match &part.found {
            Ok(what) => say.line(format_args!("  ok       {}: {what}", part.name)),
            Err(what) => {
                missing += 1;
                say.line(format_args!("  MISSING  {}: {what}\n           {}", part.name, part.fix.command()));
            }
        }
    }
    match (missing, provision) {
        (0, _) => Ok(()),
        (_, false) => bail!("{missing} missing: run the commands above, or `cargo xtask test --provision` as root"),
        (_, true) => bail!("{missing} could not be brought: run the commands above by hand"),
    }
}

fn look(root: &Path) -> Result<Vec<Part>> {
    let mut parts = vec![git(), c_compiler(), static_libc()];
    let absent: Vec<_> = PROGRAMS.iter().filter(|(program, _)| process::which(program).is_none()).collect();
    let mut packages: Vec<_> = absent.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    let names: Vec<_> = absent.iter().map(|(program, _)| *program).collect();
    parts.push(Part {
        name: "programs for the base image".to_owned(),
        found: if names.is_empty() { Ok("all there".to_owned()) } else { Err(format!("no {}", names.join(", no "))) },
        fix: Fix::Apt(packages),
    });
    parts.push(program("debootstrap", "debootstrap", "for the images of the tests"));
    parts.push(program("docker", "docker.io", "the command line, with which the tests look at the engine"));
    parts.push(program("xz", "xz-utils", "which unpacks components of former days"));
    parts.push(program("curl", "curl", "which fetches GitHub's OpenAPI description"));
    parts.push(program("node", "nodejs", "with which plugins in JavaScript and TypeScript are built"));
    parts.push(program("npm", "npm", "which brings their tools"));
    let python = ["python3", "-c", "import venv, ensurepip; print(venv.__name__)"];
    let python = answer(root, "python3 with venv and pip", &python, &[]);
    parts.push(Part { fix: Fix::Apt(vec!["python3-venv", "python3-pip"]), ..python });
    parts.push(Part {
        name: "GitHub's OpenAPI description".to_owned(),
        found: github::find(root).map(|all| format!("{} files", all.len())),
        fix: Fix::Run(vec!["cargo", "xtask", "github"]),
    });
    parts.push(answer(root, "rustfmt", &["cargo", "fmt", "--version"], &["rustup", "component", "add", "rustfmt"]));
    parts.push(answer(root, "clippy", &["cargo", "clippy", "--version"], &["rustup", "component", "add", "clippy"]));
    parts.push(answer(
        root,
        "cargo-deny",
        &["cargo", "deny", "--version"],
        &["cargo", "install", "cargo-deny", "--locked"],
    ));
    parts.push(crates(root));
    let target = plugins::has_target(root)?;
    parts.push(Part {
        name: "compile target for plugins".to_owned(),
        found: if target { Ok(plugins::TARGET.to_owned()) } else { Err(format!("no {}", plugins::TARGET)) },
        fix: Fix::Target,
    });
    parts.push(Part { name: "Docker engine".to_owned(), found: engine::ping(), fix: Fix::Engine });
    Ok(parts)
}

fn bring(root: &Path, parts: &[Part], say: Say) -> Result<()> {
    let missing: Vec<&Part> = parts.iter().filter(|it| it.found.is_err()).collect();
    let mut packages = Vec::new();
    for part in &missing {
        match &part.fix {
            Fix::Apt(names) => packages.extend(names.iter().copied()),
            Fix::Engine if process::which("dockerd").is_none() => packages.extend(["docker.io", "iptables"]),
            Fix::Run(_) | Fix::Target | Fix::Engine => (),
        }
    }
    if !packages.is_empty() {
        install(&packages, say)?;
    }
    for part in missing {
        match &part.fix {
            Fix::Apt(_) => (),
            Fix::Run(words) => {
                say.line(format_args!("  {}: {}", part.name, part.fix.command()));
                let (program, arguments) =
                    words.split_first().map_or(("true", &[][..]), |(first, rest)| (*first, rest));
                process::run(Command::new(program).current_dir(root).args(arguments), &part.name)?;
            }
            Fix::Target => plugins::add_target(root, say)?,
            Fix::Engine if engine::ping().is_ok() => (),
            Fix::Engine => engine::start(root, say)?,
        }
    }
    Ok(())
}

fn install(packages: &[&str], say: Say) -> Result<()> {
    let command = format!("apt-get install -y {}", packages.join(" "));
    if process::which("apt-get").is_none() {
        bail!("this machine has no apt-get; what `{command}` brings must be installed in its own way");
    }
    let user = process::output(Command::new("id").arg("-u"), "asking who runs this")?;
    if user != "0" {
        bail!("only root can install packages: run `{command}` as root, then try again");
    }
    say.line(format_args!("  {command}"));
    process::run(Command::new("apt-get").args(["-qq", "update"]), "reading the package lists")?;
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "install", "-y", "--no-install-recommends"]);
    process::run(apt.args(packages), "installing packages")
}

fn git() -> Part {
    let found = match process::output(Command::new("git").arg("--version"), "asking git") {
        Ok(text) => match version(&text) {
            Some(found) if found >= (2, 38) => Ok(text),
            _ => Err(format!("{text} is too old, 2.38 is needed")),
        },
        Err(_) => Err("no git".to_owned()),
    };
    Part { name: "git".to_owned(), found, fix: Fix::Apt(vec!["git"]) }
}

/// The first two numbers in what `git --version` says.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(' ').find(|it| it.starts_with(|c: char| c.is_ascii_digit()))?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn program(name: &str, package: &'static str, what_for: &str) -> Part {
    let found = process::which(name).map(|it| it.display().to_string()).ok_or_else(|| format!("no {name}, {what_for}"));
    Part { name: name.to_owned(), found, fix: Fix::Apt(vec![package]) }
}

fn c_compiler() -> Part {
    let found = process::which("cc").map(|it| it.display().to_string()).ok_or_else(|| "no cc".to_owned());
    Part { name: "C compiler".to_owned(), found, fix: Fix::Apt(vec!["gcc", "libc6-dev"]) }
}

/// The sandbox's init is linked statically, for it must run where there is no libc.
fn static_libc() -> Part {
    let asked = process::output(Command::new("cc").arg("-print-file-name=libc.a"), "asking cc").unwrap_or_default();
    let found = if Path::new(&asked).is_absolute() { Ok(asked) } else { Err("no libc.a".to_owned()) };
    Part { name: "static libc".to_owned(), found, fix: Fix::Apt(vec!["libc6-dev"]) }
}

/// Everything in Cargo.lock, for other systems too: `cargo deny` reads all of it and may not use the network.
fn crates(root: &Path) -> Part {
    let mut metadata = process::cargo(root);
    metadata.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    let found = match process::output(&mut metadata, "reading the crates") {
        Ok(_) => Ok("all of Cargo.lock is here".to_owned()),
        Err(error) => {
            let text = format!("{error:#}");
            let line = text.lines().next().unwrap_or_default();
            Err(line.split("error: ").last().unwrap_or(line).to_owned())
        }
    };
    Part { name: "crates".to_owned(), found, fix: Fix::Run(vec!["cargo", "fetch", "--locked"]) }
}

fn answer(root: &Path, name: &str, ask: &[&'static str], fix: &[&'static str]) -> Part {
    let mut command = Command::new(ask[0]);
    command.current_dir(root).args(&ask[1..]);
    let found = process::output(&mut command, "asking").map_err(|_| format!("`{}` does not work", ask.join(" ")));
    Part { name: name.to_owned(), found, fix: Fix::Run(fix.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_of_all_houses_tell_their_version() {
        let check = |text, expected| assert_eq!(version(text), expected, "{text}");
        check("git version 2.47.3", Some((2, 47)));
        check("git version 2.39.5 (Apple Git-154)", Some((2, 39)));
        check("git version 2.50.0.windows.1", Some((2, 50)));
        check("git", None);
    }

    #[test]
    fn every_fix_is_a_command_to_type() {
        let check = |fix: Fix, expected: &str| assert_eq!(fix.command(), expected);
        check(Fix::Apt(vec!["gcc", "libc6-dev"]), "apt-get install -y gcc libc6-dev");
        check(Fix::Run(vec!["cargo", "fetch", "--locked"]), "cargo fetch --locked");
        assert!(Fix::Engine.command().contains("systemctl start docker"));
    }
}
