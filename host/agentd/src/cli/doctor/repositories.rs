//! The repositories on this machine: whether git can open them, and whether there is something to start from.

use super::Check;
use crate::config::{Config, Repository};
use agentd_forge::git::{self, Git, GitDir, Options};
use std::{path::Path, time::Duration};

const GIT_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn check(config: &Config) -> Vec<Check> {
    if config.repositories.is_empty() && config.owners_with_globs().is_empty() {
        let hint = "add [repositories.\"ID\"] with path, or agentd auth github --repository OWNER/NAME; without either \
                    there is agentd run --repo PATH";
        return vec![Check::warn("repositories", "none is configured", hint)];
    }
    let mut checks = Vec::new();
    for repository in config.repositories.values() {
        if let Some(path) = &repository.path {
            checks.push(look(repository, path).await);
        }
    }
    checks
}

async fn look(repository: &Repository, folder: &Path) -> Check {
    let (name, path) = (format!("repository {}", repository.id), folder.display());
    if !folder.is_dir() {
        let hint = format!("git clone --bare URL {path}, or correct path");
        return Check::fail(name, format!("{path} is no folder"), hint);
    }
    if let Err(why) = git(folder, &["rev-parse", "--git-dir"]).await {
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
    match git(folder, &["rev-parse", "--verify", "--quiet", &wanted]).await {
        Ok(commit) => {
            let short: String = commit.chars().take(12).collect();
            Check::ok(name, format!("{path}, {shown} at {short}"))
        }
        Err(_) if git(folder, &["rev-list", "--all", "--max-count=1"]).await.is_ok_and(|it| it.is_empty()) => {
            Check::fail(name, format!("{path} has no commits"), "commit something first: agentd starts from a commit")
        }
        Err(_) => {
            let hint = format!("git -C {path} branch --list shows those that are there; set base");
            Check::fail(name, format!("{path} has commits, but {shown} does not exist"), hint)
        }
    }
}

/// What git says, or why it does not.
async fn git(folder: &Path, args: &[&str]) -> Result<String, String> {
    // A repository above the folder is not what the configuration names.
    let above = folder.parent().unwrap_or(folder).display().to_string();
    let env = vec![("GIT_CEILING_DIRECTORIES".to_owned(), above)];
    let options = Options { timeout: GIT_LIMIT, env, ..Options::default() };
    let said = Git::new(GitDir::In(folder.to_owned()), options).ok(args).await;
    said.map_err(|error| match error {
        git::Error::Failed { stderr, .. } => stderr.trim().to_owned(),
        git::Error::TimedOut { .. } => "git does not answer".into(),
        error => error.to_string(),
    })
}
