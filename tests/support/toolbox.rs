//! The real agents' programs, fetched once by `agentd toolbox install` and given to every home that wants them.
//!
//! They stay in the target folder, so that only the first run of the tests fetches them. A home gets hard links: what
//! lies in a toolbox is never written to.

use super::{Home, Model, home::program};
use std::collections::BTreeSet;
use std::net::ToSocketAddrs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{fs, io};

const AGENTS: [&str; 4] = ["claude-code", "codex", "gemini", "opencode"];
/// What tests fetch from, in earnest.
const REGISTRIES: [&str; 3] = ["registry.npmjs.org", "index.crates.io", "static.crates.io"];

impl Home {
    /// One in which real agents can work: with their programs and the models' key, where models may be reached.
    pub(crate) fn for_agents() -> Home {
        Home::new("docker").with_toolbox().env(Model::KEY_VARIABLE, Model::KEY).more(&network())
    }

    /// With the programs of all agents, as after `agentd toolbox install`.
    pub(crate) fn with_toolbox(self) -> Home {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.home()).unwrap();
        link(shared(), &self.home().join("toolbox")).unwrap();
        self
    }
}

/// `[network]`: the registries, which may answer under an address that is not public, and this machine's loopback.
pub(crate) fn network() -> String {
    let resolved = REGISTRIES.into_iter().filter_map(|host| (host, 443).to_socket_addrs().ok()).flatten();
    let wide = |address: std::net::IpAddr| if address.is_ipv4() { 32 } else { 128 };
    let mut networks: BTreeSet<String> = resolved.map(|it| format!("\"{}/{}\"", it.ip(), wide(it.ip()))).collect();
    networks.insert(format!("\"{}\"", Model::NETWORK));
    format!("[network]\nprivate = [{}]\n", networks.into_iter().collect::<Vec<_>>().join(", "))
}

/// A program out of the toolbox, to be run by hand.
pub(crate) fn tool(name: &str) -> PathBuf {
    let store = fs::read_dir(shared().join("store")).unwrap().flatten();
    let programs = store.map(|it| it.path().join("bin").join(name));
    programs.into_iter().find(|it| it.is_file()).unwrap_or_else(|| panic!("no {name} in the toolbox"))
}

/// The folder `toolbox` of a home of its own.
fn shared() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(install)
}

fn install() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolbox");
    fs::create_dir_all(&folder).unwrap();
    // Another checkout may have the same target folder.
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let config = folder.join("agentd.toml");
    fs::write(&config, network()).unwrap();
    for agent in AGENTS {
        let mut agentd = Command::new(program());
        agentd.arg("--home").arg(folder.join("home")).arg("--config").arg(&config).current_dir(&folder);
        let output = agentd.args(["toolbox", "install", agent]).output().unwrap();
        assert!(output.status.success(), "toolbox install {agent}: {}", String::from_utf8_lossy(&output.stderr));
    }
    folder.join("home/toolbox")
}

/// The same tree, with the same files in it; copies where the place is on another disk.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let data = entry.metadata()?;
        if data.is_dir() {
            link(&from, &to)?;
        } else if !is_stored(&from) || fs::hard_link(&from, &to).is_err() {
            // What says what is there, and what is locked, are each home's own.
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Whether it is a program, or a part of one.
fn is_stored(path: &Path) -> bool {
    path.ancestors().skip(1).any(|it| it.file_name().is_some_and(|name| name == "store"))
}
