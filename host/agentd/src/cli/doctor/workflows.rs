//! What CI gives to a branch that agentd pushes: read from the workflows of the base branch, as a run decides by it.

use super::Check;
use crate::config::{Config, GitHubAuth, Push, Repository};
use agentd_forge::{
    Forge, GitHub,
    git::{Git, GitDir, Options},
};
use agentd_run::{
    Layout,
    workflows::{Risk, of_commit, risks},
};
use std::{path::Path, time::Duration};
use tokio::time::timeout;

/// So long a repository that agentd has no copy of may take to come.
const FETCH_LIMIT: Duration = Duration::from_secs(120);
const SHOWN_MAX: usize = 8;

pub(super) async fn check(client: &GitHub, config: &Config, repository: &Repository) -> Check {
    let name = format!("workflows {}", repository.id);
    match look(client, config, repository).await {
        Ok(risks) => {
            let app = config.github.as_ref().is_some_and(|it| matches!(it.auth, GitHubAuth::App { .. }));
            told(name, repository, &risks, !app)
        }
        Err(why) => {
            let hint = "until they can be read a person is asked before each push";
            Check::warn(name, format!("cannot be looked at: {why}"), hint)
        }
    }
}

async fn look(client: &GitHub, config: &Config, repository: &Repository) -> Result<Vec<Risk>, String> {
    let forge = client.repository(&repository.id, false).map_err(|error| error.to_string())?;
    let base = match &repository.base {
        Some(base) => base.clone(),
        None => forge.default_branch().await.map_err(|error| error.to_string())?,
    };
    let token_writes = client.workflow_token_writes(&repository.id).await.map_err(|error| error.to_string())?;
    let mirror = Layout::new(config.home.clone()).mirror(&repository.id);
    let branch = format!("refs/heads/{base}");
    let files = match of_commit(&git_at(&mirror), &branch).await {
        Ok(files) => files,
        Err(_) => {
            let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
            let git = git_at(folder.path());
            git.ok(&["init", "--quiet", "--bare"]).await.map_err(|error| error.to_string())?;
            match timeout(FETCH_LIMIT, forge.fetch(folder.path())).await {
                Ok(fetched) => fetched.map_err(|error| error.to_string())?,
                Err(_) => return Err("the repository did not come within 120 s".into()),
            }
            of_commit(&git, &branch).await.map_err(|error| error.to_string())?
        }
    };
    Ok(risks(&files, token_writes))
}

fn git_at(mirror: &Path) -> Git {
    Git::new(GitDir::Bare(mirror.to_owned()), Options::default())
}

/// Whether it is reached from a fork as well: these events run in the repository itself, on the base branch's code.
/// Where the event is not known, it may be one of them.
fn is_for_forks_too(risk: &Risk) -> bool {
    risk.trigger.is_empty() || ["pull_request_target", "workflow_run"].iter().any(|it| risk.trigger.contains(it))
}

/// What was found, and what that means for `push`. `forks`: the account may have forks.
fn told(name: String, repository: &Repository, risks: &[Risk], forks: bool) -> Check {
    if risks.is_empty() {
        return Check::ok(name, "a pushed branch gets no secrets, no rights and no machine of yours");
    }
    let mut lines: Vec<_> = risks.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
    if risks.len() > SHOWN_MAX {
        lines.push(format!("and {} more", risks.len() - SHOWN_MAX));
    }
    let text = format!("a pushed branch runs in CI with more than its text\n{}", lines.join("\n"));
    let id = &repository.id;
    let left: Vec<_> = risks.iter().filter(|it| is_for_forks_too(it)).collect();
    match repository.push {
        None => {
            let mut hint = "push is not set, so that a person sees each diff before it is pushed".to_owned();
            if forks {
                let but = match left.is_empty() {
                    true => "",
                    false => " but what runs on pull_request_target or after others",
                };
                hint.push_str(&format!("; push = \"fork\" pushes to a fork, which gets none of it{but}"));
            }
            Check { hint: Some(hint), ..Check::ok(name, text) }
        }
        Some(Push::Ask) => Check::ok(name, format!("{text}\npush = \"ask\": a person sees each diff before")),
        Some(Push::Fork) if left.is_empty() => {
            Check::ok(name, format!("{text}\npush = \"fork\": a fork's branches get none of it"))
        }
        Some(Push::Fork) => {
            let places: Vec<_> = left.iter().take(SHOWN_MAX).map(|it| format!("{}:{}", it.path, it.line)).collect();
            let text = format!(
                "{text}\npush = \"fork\": a fork's branches get none of it, but these run in {id} all the same, on its \
                 base branch's code: {}",
                places.join(", ")
            );
            let hint = "see that none of them runs what a pull request brings; push = \"ask\" has a person look before";
            Check::warn(name, text, hint)
        }
        Some(Push::Branch) => {
            let hint =
                format!("take push = \"branch\" out of [repositories.{id:?}], and a person is asked before each push");
            Check::warn(name, format!("{text}\npush = \"branch\": nobody sees the diff before"), hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::check::Level, config::Environment};

    fn repository(push: &str) -> Repository {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agentd.toml");
        let github = "[github]\ntoken = \"${TOKEN}\"\n[repositories.\"acme/api\"]\n";
        std::fs::write(&file, format!("{github}{push}")).unwrap();
        let environment = Environment::from_iter([("TOKEN".to_owned(), "t".to_owned())]);
        let config = Config::load_in(Some(&file), Some(dir.path()), environment).unwrap();
        config.repositories["acme/api"].clone()
    }

    const WORKFLOW: &str = "on: push\npermissions: {}\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      \
                            - run: npm publish\n        env:\n          NPM_TOKEN: ${{ secrets.NPM_TOKEN }}\n";

    #[test]
    fn what_runs_in_the_repository_itself_is_reached_from_a_fork_too() {
        let on = |event: &str| WORKFLOW.replace("on: push", event);
        let (target, after) = (on("on: pull_request_target"), on("on: { workflow_run: { workflows: [CI] } }"));
        let files = [("ci.yml", on("name: CI\non: push")), ("target.yml", target), ("after.yml", after)];
        let files: Vec<_> = files.into_iter().map(|(name, it)| (format!(".github/workflows/{name}"), it)).collect();
        let fork = |files: &[(String, String)]| {
            told("workflows acme/api".into(), &repository("push = \"fork\"\n"), &risks(files, Some(false)), true)
        };
        let direct = fork(&files[..1]);
        assert!(direct.level == Level::Ok && direct.text.ends_with("a fork's branches get none of it"), "{direct:?}");
        let all = fork(&files);
        let places = "on its base branch's code: .github/workflows/after.yml:9, .github/workflows/target.yml:9";
        assert!(all.level == Level::Warn && all.text.ends_with(places), "{all:?}");
        let unset = |files| told("w".into(), &repository(""), &risks(files, Some(false)), true).hint.unwrap();
        assert!(unset(&files[..1]).ends_with("which gets none of it"), "{}", unset(&files[..1]));
        assert!(unset(&files[..2]).ends_with("but what runs on pull_request_target or after others"));
    }

    #[track_caller]
    fn check(push: &str, workflow: &str, level: Level, hint: Option<&str>) {
        let risks = risks(&[(".github/workflows/ci.yml".into(), workflow.into())], Some(false));
        let found = told("workflows acme/api".into(), &repository(push), &risks, true);
        assert_eq!(found.level, level, "{found:?}");
        assert_eq!(found.text.contains(".github/workflows/ci.yml:9:"), workflow == WORKFLOW, "{found:?}");
        let has_hint = found.hint.as_deref().is_some_and(|it| hint.is_some_and(|wanted| it.contains(wanted)));
        assert!(has_hint || hint.is_none() && found.hint.is_none(), "{found:?}");
    }

    #[test]
    fn what_ci_would_give_away_is_named_with_its_line() {
        let harmless =
            "on: push\npermissions: {}\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: true\n";
        check("", harmless, Level::Ok, None);
        check("", WORKFLOW, Level::Ok, Some("push is not set"));
        check("push = \"ask\"\n", WORKFLOW, Level::Ok, None);
        check("push = \"fork\"\n", WORKFLOW, Level::Ok, None);
        check("push = \"branch\"\n", WORKFLOW, Level::Warn, Some("[repositories.\"acme/api\"]"));
    }
}
