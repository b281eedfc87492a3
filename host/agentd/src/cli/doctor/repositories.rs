//! The repositories: whether git can open them, and whether there is something to start from.

use super::Check;
use crate::config::{Config, Repository};
use std::{process::Output, time::Duration};
use tokio::{process::Command, time::timeout};

const GIT_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn check(config: &Config) -> Vec<Check> {
    if config.repositories.is_empty() {
        let hint = "add [repositories.\"ID\"] with path, or use agentd run --repo PATH";
        return vec![Check::warn("repositories", "none is configured", hint)];
    }
    let mut checks = Vec::new();
    for repository in config.repositories.values() {
        checks.push(look(repository).await);
    }
    checks
}

async fn look(repository: &Repository) -> Check {
    let (name, path) = (format!("repository {}", repository.id), repository.path.display());
    if !repository.path.is_dir() {
        let hint = format!("git clone --bare URL {path}, or correct path");
        return Check::fail(name, format!("{path} is no folder"), hint);
    }
    if let Err(why) = git(repository, &["rev-parse", "--git-dir"]).await {
        return Check::fail(
            name,
            format!("{path} is no git repository: {why}"),
            format!("git init {path}, or correct path"),
        );
    }
    let (wanted, shown) = match &repository.base {
        Some(base) => (format!("refs/heads/{base}^{{commit}}"), format!("the base branch {base}")),
        None => ("HEAD^{commit}".to_owned(), "its default branch".to_owned()),
    };
    match git(repository, &["rev-parse", "--verify", "--quiet", &wanted]).await {
        Ok(commit) => {
            let short: String = commit.chars().take(12).collect();
            Check::ok(name, format!("{path}, {shown} at {short}"))
        }
        Err(_) if git(repository, &["rev-list", "--all", "--max-count=1"]).await.is_ok_and(|it| it.is_empty()) => {
            Check::fail(name, format!("{path} has no commits"), "commit something first: agentd starts from a commit")
        }
        Err(_) => {
            let hint = format!("git -C {path} branch --list shows those that are there; set base");
            Check::fail(name, format!("{path} has commits, but {shown} does not exist"), hint)
        }
    }
}

/// What git says, or why it does not.
async fn git(repository: &Repository, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(&repository.path).args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false"]).args(args);
    // A repository above the folder, or one in the caller's environment, is not what the configuration names.
    command.env("GIT_CEILING_DIRECTORIES", repository.path.parent().unwrap_or(&repository.path));
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").kill_on_drop(true);
    let Output { status, stdout, stderr } = match timeout(GIT_LIMIT, command.output()).await {
        Ok(output) => output.map_err(|error| error.to_string())?,
        Err(_) => return Err("git does not answer".into()),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if status.success() { Ok(text(&stdout)) } else { Err(text(&stderr)) }
}
