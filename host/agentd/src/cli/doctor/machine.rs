//! The machine: user, git, home folder, disk.

use super::Check;
use crate::{
    config::{Config, ExecutorKind, size_text},
    home::Home,
};
use rustix::fs::statvfs;
use std::{fs, io::Write, path::Path, time::Duration};
use tokio::{process::Command, time::timeout};

/// Below this, dispatch has to expect a full disk.
const FREE_BYTES_MIN: u64 = 5 << 30;
const GIT_MIN: (u32, u32) = (2, 38);
const GIT_LIMIT: Duration = Duration::from_secs(10);

/// In containers agents run under a user of their own, whose files only root can make; without containers root would be
/// what the agent runs as.
pub(super) fn user(config: &Config) -> Check {
    let user = rustix::process::geteuid();
    match (uses(config, ExecutorKind::Docker), uses(config, ExecutorKind::Local), user.is_root()) {
        (true, _, false) => {
            let text = format!("agentd runs as user {}, and sandboxes in containers need root", user.as_raw());
            Check::fail("user", text, "run it as root, or try things out with [sandbox] executor = \"local\"")
        }
        (_, true, true) => {
            let hint = "take a user of its own, or executor = \"docker\"";
            Check::warn("user", "agents without walls would run as root", hint)
        }
        (_, _, true) => Check::ok("user", "agentd runs as root, as sandboxes in containers need it"),
        _ => Check::ok("user", format!("agentd runs as user {}", user.as_raw())),
    }
}

/// Whether any repository's agents run that way.
pub(super) fn uses(config: &Config, kind: ExecutorKind) -> bool {
    match config.repositories.is_empty() {
        true => config.sandbox.executor == kind,
        false => config.repositories.values().any(|it| config.executor_of(it) == kind),
    }
}

/// `git merge-tree --write-tree`, which merges without a checkout, came with 2.38.
pub(super) async fn git() -> Check {
    let (major, minor) = GIT_MIN;
    let hint = format!("install git {major}.{minor} or newer");
    let asked = Command::new("git").arg("--version").kill_on_drop(true).output();
    let said = match timeout(GIT_LIMIT, asked).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(Err(error)) => return Check::fail("git", format!("cannot be started: {error}"), hint),
        Err(_) => return Check::fail("git", "does not answer", hint),
    };
    match version(&said) {
        Some(found) if found >= GIT_MIN => Check::ok("git", said),
        Some(_) => Check::fail("git", format!("{said} is too old"), hint),
        None => Check::fail("git", format!("says {said:?}, which names no version"), hint),
    }
}

fn version(said: &str) -> Option<(u32, u32)> {
    let mut parts = said.strip_prefix("git version ")?.split(['.', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

pub(super) fn home(home: &Home) -> Vec<Check> {
    let shown = home.path().display().to_string();
    if !home.path().exists() {
        let parent = home.path().ancestors().find(|it| it.exists()).unwrap_or(Path::new("/"));
        return vec![Check::ok("home", format!("{shown} is made at the first start")), disk(parent)];
    }
    if let Err(error) = home.prepare() {
        return vec![Check::fail("home", error.to_string(), error.hint())];
    }
    let probe = home.path().join(format!(".doctor-{}", std::process::id()));
    let written = fs::File::create_new(&probe).and_then(|mut file| file.write_all(b"agentd doctor\n"));
    let removed = fs::remove_file(&probe);
    let check = match written.and(removed) {
        Ok(()) => Check::ok("home", shown),
        Err(error) => {
            Check::fail("home", format!("{shown} cannot be written to: {error}"), "check its mode and the free space")
        }
    };
    vec![check, disk(home.path())]
}

fn disk(path: &Path) -> Check {
    let data = match statvfs(path) {
        Ok(data) => data,
        Err(error) => {
            return Check::warn("disk", format!("the free space of {} cannot be told: {error}", path.display()), "df");
        }
    };
    let free = data.f_bavail.saturating_mul(data.f_frsize) >> 20 << 20;
    if free < FREE_BYTES_MIN {
        let text = format!("only {} free where the home folder is", size_text(free));
        return Check::warn(
            "disk",
            text,
            format!("make room: runs need checkouts and images, {} at least", size_text(FREE_BYTES_MIN)),
        );
    }
    Check::ok("disk", format!("{} GiB free", free >> 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_read_as_git_writes_them() {
        assert_eq!(version("git version 2.39.5"), Some((2, 39)));
        assert_eq!(version("git version 2.39.3 (Apple Git-146)"), Some((2, 39)));
        assert_eq!(version("git version 3.0-rc1"), None);
        assert_eq!(version("gitt"), None);
    }
}
