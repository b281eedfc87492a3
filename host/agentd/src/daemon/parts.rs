//! From the configuration to the parts that move tasks: executors, forges, plugins, secrets.

use super::{Shipped, entries, forge, gateway, github, host, misconfigured};
use crate::{
    config::{self, Config, ExecutorKind, Push},
    toolbox,
};
use agentd_egress::{Credential, Credentials, Egress, secret::SecretScan};
use agentd_executor::{DockerExecutor, DockerOptions, Executor, Kind, Limits, LocalExecutor, image};
use agentd_forge::{Author, Forge, GitHub, LocalForge};
use agentd_gateway::Gateway;
use agentd_plugin::Plugins;
use agentd_run::{Clock, Known, Layout, Options, Reading, Repository, Sandboxes, ServiceContainer, Timeouts, is_built};
use agentd_store::Store;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// The agent's user and group in a container; no user of the host should have it.
const AGENT_UID: u32 = 10_001;
/// Holds networks: there is nothing in it.
pub(crate) const EMPTY_IMAGE: &str = "agentd-empty:1";
const PLUGIN_MEMORY: usize = 256 << 20;
const COLLECT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
const REVIEW_INTERVAL: Duration = Duration::from_secs(30);
/// So long a start waits in all for the repositories that globs name. Whoever starts agentd waits for it.
const FIND_LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Built {
    pub(super) options: Options,
    pub(super) plugins: Plugins,
    pub(super) gateway: Gateway,
}

pub(super) async fn build(config: &Config, store: &Store, shipped: &Shipped, clock: Clock) -> anyhow::Result<Built> {
    let layout = Layout::new(config.home.clone());
    let author = Author { name: config.commits.name.clone(), email: config.commits.email.clone() };
    let github = github::github(config, store.instance(), github::key(&config.home)?)?;
    let config = &with_found(config, github.as_ref()).await;
    let repositories = repositories(config, store, &author, github.as_ref()).await?;
    let (credentials, keys) = (credentials(config), gateway::credentials(config));
    let own = github::secrets(config);
    let secrets = SecretScan::new(credentials.secrets().into_iter().chain(keys.secrets()).chain(own).collect());
    let egress = egress(config, credentials)?;
    let models = self::egress(config, keys)?;
    let loopback = repositories.values().any(|it: &Repository| it.executor.kind() == Kind::Local);
    let gateway = gateway::build(config, store, models, clock, loopback)?;
    let known = repositories.values().map(known).collect();
    let reading = Reading::new(layout.clone(), known);
    let there = config.repositories.values().filter(|it| it.on_github()).map(|it| it.id.clone());
    let forge = forge::Reading::new(github, there);
    let told = host::Told::default();
    let wired = host::Wired { reader: store.reader().clone(), egress, reading, forge, clock, told };
    let options = agentd_plugin::Options {
        cache: config.home.join("cache"),
        plugins: Some(config.plugins.clone()).filter(|it| it.is_dir()),
        shipped: shipped.plugins.clone(),
        max_memory: PLUGIN_MEMORY,
    };
    let plugins = plugins(options, wired).await?;
    let sandbox = &config.sandbox;
    let limits = Limits {
        memory: sandbox.memory,
        cpus: sandbox.cpus,
        pids: sandbox.pids,
        spool: sandbox.output,
        tmp: sandbox.tmp,
    };
    let options = Options {
        store: store.clone(),
        clock,
        layout,
        limits: config.limits.clone(),
        timeouts: Timeouts {
            wall: config.timeouts.wall,
            idle: config.timeouts.idle,
            gate: config.timeouts.gate,
            service: config.timeouts.service,
            collect: COLLECT_TIMEOUT,
        },
        sources: entries::sources(config, &plugins).await?,
        analyzers: entries::analyzers(config, &plugins).await?,
        prioritizer: entries::prioritizer(config, &plugins).await?,
        prompts: entries::prompts(config, &plugins).await?,
        agents: entries::agents(config, &plugins).await?,
        default_agent: config.default_agent().map(|(name, _)| name.to_owned()),
        notifiers: entries::notifiers(config, &plugins).await?,
        repositories,
        sandboxes: Sandboxes {
            init: shipped.init.clone(),
            empty_image: EMPTY_IMAGE.into(),
            limits,
            disk: sandbox.disk,
            uid: AGENT_UID,
            gid: AGENT_UID,
        },
        gateway: gateway.clone(),
        toolbox: Arc::new(toolbox::Installed::new(&config.home)),
        secrets: Arc::new(secrets),
        author,
        review_interval: REVIEW_INTERVAL,
    };
    Ok(Built { options, plugins, gateway })
}

async fn plugins(options: agentd_plugin::Options, wired: host::Wired) -> anyhow::Result<Plugins> {
    let plugins = Plugins::load(options, Arc::new(wired)).await.map_err(|error| {
        misconfigured(error.to_string(), "see [plugins] in the configuration, or install agentd again")
    })?;
    for info in plugins.list() {
        if let Some(problem) = info.problem {
            tracing::warn!(plugin.name = info.name, problem, "A plugin cannot be used");
        }
    }
    Ok(plugins)
}

fn known(it: &Repository) -> Known {
    Known { id: it.id.clone(), forge: it.forge.kind().into(), base: it.base.clone(), url: it.forge.url() }
}

async fn repositories(
    config: &Config,
    store: &Store,
    author: &Author,
    github: Option<&GitHub>,
) -> anyhow::Result<BTreeMap<String, Repository>> {
    let mut executors = Executors { config, instance: store.instance(), docker: None, local: None, image: None };
    let mut repositories = BTreeMap::new();
    for (id, it) in &config.repositories {
        let forge = forge_of(it, author, github).await?;
        let kind = config.executor_of(it);
        let image = match (kind, &it.image) {
            (ExecutorKind::Local, _) => String::new(),
            (ExecutorKind::Docker, Some(image)) => image.clone(),
            (ExecutorKind::Docker, None) => executors.image().await?,
        };
        if kind == ExecutorKind::Docker && joins(it, &image) {
            executors.docker()?.import(EMPTY_IMAGE, image::empty()?).await.map_err(no_engine)?;
        }
        let repository = Repository {
            id: id.clone(),
            forge,
            executor: executors.of(kind)?,
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
        };
        repositories.insert(id.clone(), repository);
    }
    Ok(repositories)
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

/// The configuration with the repositories that its globs find on GitHub. While GitHub cannot be reached, those that are
/// named without a glob are there all the same.
async fn with_found(config: &Config, github: Option<&GitHub>) -> Config {
    let mut config = config.clone();
    let Some(github) = github else { return config };
    let until = Instant::now() + FIND_LIMIT;
    for owner in config.owners_with_globs() {
        let found = timeout_at(until, github.repositories_of(&owner)).await;
        let late = |_| format!("GitHub has not answered after {} s", FIND_LIMIT.as_secs());
        match found.map_err(late).and_then(|it| it.map_err(|error| error.to_string())) {
            Ok(found) => config.take_found(found),
            Err(why) => tracing::warn!(
                owner,
                why,
                "The repositories of an owner cannot be listed: those that only a glob names are left out until the next \
                 start"
            ),
        }
    }
    config
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

/// Executors are made when the first repository needs them.
struct Executors<'a> {
    config: &'a Config,
    instance: &'a str,
    docker: Option<Arc<DockerExecutor>>,
    local: Option<Arc<LocalExecutor>>,
    image: Option<String>,
}

impl Executors<'_> {
    fn of(&mut self, kind: ExecutorKind) -> anyhow::Result<Arc<dyn Executor>> {
        Ok(match kind {
            ExecutorKind::Docker => self.docker()?,
            ExecutorKind::Local => {
                let make = || Arc::new(LocalExecutor::new(self.instance, self.config.home.join("local")));
                self.local.get_or_insert_with(make).clone()
            }
        })
    }

    fn docker(&mut self) -> anyhow::Result<Arc<DockerExecutor>> {
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
        let made = docker(self.config, self.instance)?;
        Ok(self.docker.insert(Arc::new(made)).clone())
    }

    /// The image of repositories that name none: the configured one, or one made of this machine's own programs.
    async fn image(&mut self) -> anyhow::Result<String> {
        if let Some(image) = self.config.sandbox.image.as_ref().or(self.image.as_ref()) {
            return Ok(image.clone());
        }
        let remembered = self.config.home.join("base-image");
        let image = base_image(&*self.docker()?, Some(&remembered)).await?;
        Ok(self.image.insert(image).clone())
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

fn credentials(config: &Config) -> Credentials {
    let mut credentials = Credentials::default();
    for (name, it) in &config.credentials {
        let attach = match it.attach.clone() {
            config::Attach::Bearer => agentd_egress::Attach::Bearer,
            config::Attach::Basic { user } => agentd_egress::Attach::Basic { user },
            config::Attach::Header { name } => agentd_egress::Attach::Header(name),
            config::Attach::Query { name } => agentd_egress::Attach::Query(name),
            config::Attach::Url => agentd_egress::Attach::Url,
            config::Attach::SigningKey => agentd_egress::Attach::SigningKey,
        };
        credentials.insert(name, Credential { attach, secret: it.secret.value.clone(), urls: it.urls.clone() });
    }
    credentials
}

fn egress(config: &Config, credentials: Credentials) -> anyhow::Result<Egress> {
    Egress::new(config.network.egress(), credentials)
        .map_err(|e| misconfigured(e.to_string(), "see [network] and [credentials]"))
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
