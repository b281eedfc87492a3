//! Repositories, from the configuration: each with its forge, its executor and its image.

use super::{github, misconfigured, trouble::Trouble};
use crate::config::{self, Config, ExecutorKind, Push};
use agentd_executor::{DockerExecutor, DockerOptions, Executor, LocalExecutor, image};
use agentd_forge::{Author, Forge, GitHub, LocalForge};
use agentd_run::{Known, Repository, ServiceContainer, is_built};
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// The agent's user and group in a container; no user of the host should have it.
pub(super) const AGENT_UID: u32 = 10_001;
/// Holds networks: there is nothing in it.
pub(crate) const EMPTY_IMAGE: &str = "agentd-empty:1";
/// So long a start waits in all for the repositories that globs name. Whoever starts agentd waits for it.
const FIND_LIMIT: Duration = Duration::from_secs(30);

/// All that are configured; what is wrong with the others is noted.
pub(super) async fn repositories(
    config: &Config,
    executors: &mut Executors,
    author: &Author,
    github: Option<&GitHub>,
    troubles: &mut Vec<Trouble>,
) -> BTreeMap<String, Repository> {
    let mut repositories = BTreeMap::new();
    for (id, it) in &config.repositories {
        match repository(config, executors, author, github, it).await {
            Ok(repository) => drop(repositories.insert(id.clone(), repository)),
            Err(error) => troubles.push(Trouble::of(&config::join_path("repositories", id), error)),
        }
    }
    repositories
}

async fn repository(
    config: &Config,
    executors: &mut Executors,
    author: &Author,
    github: Option<&GitHub>,
    it: &config::Repository,
) -> anyhow::Result<Repository> {
    let forge = forge_of(it, author, github).await?;
    let kind = config.executor_of(it);
    let image = match (kind, &it.image) {
        (ExecutorKind::Local, _) => String::new(),
        (ExecutorKind::Docker, Some(image)) => image.clone(),
        (ExecutorKind::Docker, None) => executors.image(config).await?,
    };
    if kind == ExecutorKind::Docker && joins(it, &image) {
        executors.hold_networks(config).await?;
    }
    Ok(Repository {
        id: it.id.clone(),
        forge,
        executor: executors.of(config, kind)?,
        base: it.base.clone(),
        image,
        services: it.services.iter().map(service).collect(),
        registries: it.egress.clone(),
        tunnels: it.tunnel.clone(),
        setup: it.setup.clone(),
        gates: it.gates.clone(),
        protected: globs(&it.protected)?,
        max_lines: it.max_diff.map_or(u64::MAX, u64::from),
        push: push(it),
        labels: it.labels.clone(),
        reviewers: it.reviewers.clone(),
        draft: it.draft && it.on_github(),
        template: it.pull_request.as_deref().map(template).transpose()?,
    })
}

/// As plugins are told of it.
pub(super) fn known(it: &Repository) -> Known {
    Known { id: it.id.clone(), forge: it.forge.kind().into(), base: it.base.clone(), url: it.forge.url() }
}

/// Where the repository's changes are reviewed. Nothing is asked of GitHub for that.
async fn forge_of(it: &config::Repository, author: &Author, github: Option<&GitHub>) -> anyhow::Result<Arc<dyn Forge>> {
    let id = &it.id;
    let Some(path) = &it.path else {
        let github = github.ok_or_else(|| {
            misconfigured(
                format!("[repositories.\"{id}\"] has no path, and there is no [github]"),
                "`agentd auth github`",
            )
        })?;
        let forge = github.repository(id, it.push == Some(Push::Fork));
        return match forge {
            Ok(forge) => Ok(Arc::new(forge)),
            Err(error) => Err(misconfigured(format!("[repositories.\"{id}\"]: {error}"), "name it `owner/name`")),
        };
    };
    let options = agentd_forge::Options { branch_prefix: github::BRANCH_PREFIX.into(), author: author.clone() };
    let forge = LocalForge::open(path, options).await.map_err(|error| {
        misconfigured(format!("[repositories.\"{id}\"]: {error}"), "give the path of a git repository")
    })?;
    Ok(Arc::new(forge))
}

fn push(it: &config::Repository) -> agentd_run::Push {
    match it.push {
        Some(Push::Ask) => agentd_run::Push::Ask,
        // A fork's branches run without what the repository's CI holds.
        Some(Push::Branch | Push::Fork) => agentd_run::Push::Branch,
        None if it.on_github() => agentd_run::Push::AsWorkflowsSay,
        None => agentd_run::Push::Ask,
    }
}

fn template(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        misconfigured(format!("the template {} cannot be read: {error}", file.display()), "see `pull_request`")
    })
}

/// What the globs of `[github]` found, by owner.
#[derive(Default)]
pub(super) struct Found(BTreeMap<String, Vec<String>>);

impl Found {
    /// The configuration with the repositories that its globs find on GitHub. An owner is asked for once; while GitHub
    /// cannot be reached, those that are named without a glob are there all the same.
    pub(super) async fn fill(&mut self, config: &mut Config, github: Option<&GitHub>) {
        let Some(github) = github else { return };
        let until = Instant::now() + FIND_LIMIT;
        for owner in config.owners_with_globs() {
            if let Some(found) = self.0.get(&owner) {
                config.take_found(found.clone());
                continue;
            }
            let found = timeout_at(until, github.repositories_of(&owner)).await;
            let late = |_| format!("GitHub has not answered after {} s", FIND_LIMIT.as_secs());
            match found.map_err(late).and_then(|it| it.map_err(|error| error.to_string())) {
                Ok(found) => {
                    config.take_found(found.clone());
                    self.0.insert(owner, found);
                }
                Err(why) => tracing::warn!(
                    owner,
                    why,
                    "The repositories of an owner cannot be listed: those that only a glob names are left out until the \
                     configuration is read again"
                ),
            }
        }
    }
}

fn service(it: &config::Service) -> ServiceContainer {
    ServiceContainer {
        image: it.image.clone(),
        env: it.env.clone(),
        command: it.command.clone(),
        ready: it.ready.clone(),
    }
}

/// Whether sandboxes of the repository join a network that another one holds: for that an image is needed.
fn joins(it: &config::Repository, image: &str) -> bool {
    !it.services.is_empty() || is_built(image)
}

/// Executors are made when the first repository needs them, and stay.
pub(super) struct Executors {
    instance: String,
    docker: Option<Arc<DockerExecutor>>,
    local: Option<Arc<LocalExecutor>>,
    /// The image of this machine's own programs.
    image: Option<String>,
    /// The engine has the image that networks are held with.
    holds: bool,
}

impl Executors {
    pub(super) fn new(instance: &str) -> Executors {
        Executors { instance: instance.into(), docker: None, local: None, image: None, holds: false }
    }

    fn of(&mut self, config: &Config, kind: ExecutorKind) -> anyhow::Result<Arc<dyn Executor>> {
        Ok(match kind {
            ExecutorKind::Docker => self.docker(config)?,
            ExecutorKind::Local => {
                let make = || Arc::new(LocalExecutor::new(&self.instance, config.home.join("local")));
                self.local.get_or_insert_with(make).clone()
            }
        })
    }

    fn docker(&mut self, config: &Config) -> anyhow::Result<Arc<DockerExecutor>> {
        if let Some(docker) = &self.docker {
            return Ok(docker.clone());
        }
        if !rustix::process::geteuid().is_root() {
            let text = "sandboxes in containers need agentd to run as root: their files belong to a user of their own";
            return Err(misconfigured(
                text,
                "run agentd as root, or try things out with [sandbox] executor = \"local\"",
            ));
        }
        let made = docker(config, &self.instance)?;
        Ok(self.docker.insert(Arc::new(made)).clone())
    }

    /// The image of repositories that name none: the configured one, or one made of this machine's own programs.
    async fn image(&mut self, config: &Config) -> anyhow::Result<String> {
        if let Some(image) = config.sandbox.image.as_ref().or(self.image.as_ref()) {
            return Ok(image.clone());
        }
        let remembered = config.home.join("base-image");
        let image = base_image(&*self.docker(config)?, Some(&remembered)).await?;
        Ok(self.image.insert(image).clone())
    }

    async fn hold_networks(&mut self, config: &Config) -> anyhow::Result<()> {
        if !self.holds {
            self.docker(config)?.import(EMPTY_IMAGE, image::empty()?).await.map_err(no_engine)?;
            self.holds = true;
        }
        Ok(())
    }
}

/// The executor of containers that the configuration describes.
pub(crate) fn docker(config: &Config, instance: &str) -> anyhow::Result<DockerExecutor> {
    let options = DockerOptions {
        instance: instance.into(),
        socket: config.sandbox.socket.clone(),
        uid: AGENT_UID,
        gid: AGENT_UID,
    };
    DockerExecutor::connect(options)
        .map_err(|error| misconfigured(error.to_string(), "see [sandbox] in the configuration"))
}

/// Makes an image of this machine's own shell, git and small programs, unless the engine has it; returns its tag.
///
/// `remembered` is a file with the last tag and what it was made of: packing takes a second, and a start should not.
pub(crate) async fn base_image(docker: &DockerExecutor, remembered: Option<&Path>) -> anyhow::Result<String> {
    let fingerprint = image::fingerprint(image::PROGRAMS)?;
    let last = remembered.and_then(|it| std::fs::read_to_string(it).ok()).unwrap_or_default();
    if let Some((of, tag)) = last.trim().split_once(' ')
        && of == fingerprint
        && docker.has(tag).await.map_err(no_engine)?
    {
        return Ok(tag.into());
    }
    let tar = tokio::task::spawn_blocking(|| image::from_machine(image::PROGRAMS)).await??;
    let tag = image::tag(&tar);
    docker.import(&tag, tar).await.map_err(no_engine)?;
    if let Some(file) = remembered {
        std::fs::write(file, format!("{fingerprint} {tag}\n"))?;
    }
    Ok(tag)
}

fn no_engine(error: agentd_executor::Error) -> anyhow::Error {
    misconfigured(error.to_string(), "start Docker, or try things out with [sandbox] executor = \"local\"")
}

fn globs(globs: &[String]) -> anyhow::Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob)?); // the configuration's reader has checked them
    }
    Ok(set.build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, expected: bool) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agentd.toml");
        std::fs::write(&file, format!("home = \"{}\"\n{toml}", dir.path().display())).unwrap();
        let config = Config::load_in(Some(&file), None, config::Environment::of_process()).unwrap();
        let repository = &config.repositories["a"];
        let image = repository.image.as_ref().or(config.sandbox.image.as_ref()).unwrap();
        assert_eq!(joins(repository, image), expected, "{toml}");
    }

    #[test]
    fn wherever_a_build_is_asked_for_its_network_can_be_held() {
        check("[sandbox]\nimage = \"base:1\"\n[repositories.a]\npath = \"/a\"", false);
        check("[sandbox]\nimage = \"dockerfile\"\n[repositories.a]\npath = \"/a\"", true);
        check("[sandbox]\nimage = \"base:1\"\n[repositories.a]\npath = \"/a\"\nimage = \"devcontainer\"", true);
        check("[sandbox]\nimage = \"dockerfile\"\n[repositories.a]\npath = \"/a\"\nimage = \"base:1\"", false);
        let services = "services = [{ image = \"postgres:16\" }]";
        check(&format!("[sandbox]\nimage = \"base:1\"\n[repositories.a]\npath = \"/a\"\n{services}"), true);
    }
}
