//! From the configuration to the parts that move tasks, at the start and each time it changes.
//!
//! What stays as long as the daemon runs is in [`Wiring`]; the rest is an arrangement, made anew from each configuration
//! that holds. What did not change is taken over as it is, so that nobody notices: a source that is polled, a connection
//! that is open, what was read and remembered.

use super::{
    Shipped, entries, forge, gateway, github, host, mail::Mailer, misconfigured, news, plugin_log::PluginLog,
    refresh_token::RefreshTokens, repositories, trouble::Trouble,
};
use crate::{
    config::{Change, Config},
    toolbox, way_out,
};
use agentd_egress::{Credentials, Egress, Tokens, secret::SecretScan};
use agentd_executor::{Kind, Limits};
use agentd_forge::{Author, GitHub};
use agentd_gateway::Gateway;
use agentd_plugin::Plugins;
use agentd_run::{Arrangement, Clock, Layout, Options, Reading, Repository, Sandboxes, Timeouts};
use agentd_store::Store;
use repositories::{AGENT_UID, EMPTY_IMAGE, Executors, Found};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// In the home folder: which plugins served.
const KEPT: &str = "plugins-kept";
pub(super) const PLUGIN_MEMORY: usize = 256 << 20;
const COLLECT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
const REVIEW_INTERVAL: Duration = Duration::from_secs(30);

pub(super) struct Built {
    pub(super) options: Options,
    pub(super) wiring: Wiring,
    /// The configuration, with what its globs found.
    pub(super) config: Config,
    pub(super) plugin_log: Arc<PluginLog>,
    pub(super) keeper: news::Keeper,
}

/// What stays as long as the daemon runs.
pub(super) struct Wiring {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) plugins: Plugins,
    pub(super) gateway: Gateway,
    pub(super) host: Arc<host::Wired>,
    shipped: Shipped,
    layout: Layout,
    github: Option<GitHub>,
    executors: Executors,
    found: Found,
    ways: Ways,
}

/// What holds at present, for what is made in its place.
pub(super) struct Before<'a> {
    pub(super) config: &'a Config,
    pub(super) arrangement: &'a Arrangement,
    pub(super) changes: &'a [Change],
    /// A plugin is another one now: what agents want and need is asked again.
    pub(super) ask_agents: bool,
}

impl Before<'_> {
    /// Whether something of the section is another now.
    fn touches(&self, section: &str) -> bool {
        self.changes.iter().any(|it| it.key.split('.').next() == Some(section))
    }
}

/// What comes next, and has not begun to hold.
pub(super) struct Next {
    pub(super) config: Config,
    pub(super) arrangement: Arrangement,
    outside: host::Outside,
}

/// What does not depend on plugins.
struct Ground {
    repositories: BTreeMap<String, Repository>,
    credentials: Credentials,
    keys: Credentials,
    secrets: Arc<SecretScan>,
    author: Author,
}

/// What plugins are loaded with, by this configuration. The cache of compiled code is in `folder`.
pub(crate) fn plugin_options(config: &Config, folder: &Path, shipped: &Shipped) -> agentd_plugin::Options {
    agentd_plugin::Options {
        cache: folder.join("cache"),
        plugins: Some(config.plugins.clone()),
        shipped: shipped.plugins.clone(),
        max_memory: PLUGIN_MEMORY,
        // What others wrote is compiled in a process of its own.
        compiler: agentd_plugin::Compiler::Child { program: "/proc/self/exe".into() },
        approvals: config.approvals.clone(),
        on_drop: config.on_drop,
        limits: config.plugin_limits.clone(),
        keeping: agentd_plugin::Keeping::Read(folder.join(KEPT)),
    }
}

/// Everything, for a start.
pub(super) async fn build(config: &Config, store: &Store, shipped: &Shipped, clock: Clock) -> anyhow::Result<Built> {
    let mut config = config.clone();
    let layout = Layout::new(config.home.clone());
    let github = github::github(&config, store.instance(), github::key(&config.home)?)?;
    let (mut executors, mut found) = (Executors::new(store.instance()), Found::default());
    let ways = Ways::new(&config.home, store);
    found.fill(&mut config, github.as_ref()).await;
    let mut troubles = Vec::new();
    let ground = ground(&config, &ways, &mut executors, github.as_ref(), &mut troubles).await;
    Trouble::none(troubles)?;
    let outside = host::Outside {
        egress: ways.egress(&config, ground.credentials.clone())?,
        reading: Reading::new(layout.clone(), ground.repositories.values().map(repositories::known).collect()),
        forge: forge::Reading::new(github.clone(), on_github(&config)),
        mailer: ways.mailer(&config)?,
    };
    let loopback = ground.needs_loopback();
    let gateway = gateway::build(&config, store, ways.egress(&config, ground.keys.clone())?, clock, loopback)?;
    let (news, keeper) = news::channel(store, clock, config.home.clone());
    let plugin_log = Arc::new(PluginLog::default());
    let host = Arc::new(host::Wired::new(store.reader().clone(), clock, plugin_log.clone(), news, outside));
    let mut options = plugin_options(&config, &config.home, shipped);
    options.keeping = agentd_plugin::Keeping::Own(config.home.join(KEPT));
    let plugins = load(options, host.clone()).await?;
    let wiring = Wiring {
        store: store.clone(),
        clock,
        plugins,
        gateway: gateway.clone(),
        host,
        shipped: shipped.clone(),
        layout: layout.clone(),
        github,
        executors,
        found,
        ways,
    };
    let mut troubles = Vec::new();
    let arrangement = wiring.arrange(&config, ground, gateway, None, &mut troubles).await;
    Trouble::none(troubles)?;
    let arrangement = arrangement.expect("there was no trouble");
    let toolbox = Arc::new(toolbox::Installed::new(&config.home));
    let options = Options { store: store.clone(), clock, layout, toolbox, arrangement };
    Ok(Built { options, wiring, config, plugin_log, keeper })
}

impl Wiring {
    /// Everything for another configuration, which is one that this daemon can have. Nothing holds before
    /// [`Wiring::let_hold`].
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) async fn next(&mut self, mut config: Config, before: &Before<'_>) -> Result<Next, Vec<Trouble>> {
        self.found.fill(&mut config, self.github.as_ref()).await;
        let mut troubles = Vec::new();
        let ground = ground(&config, &self.ways, &mut self.executors, self.github.as_ref(), &mut troubles).await;
        let outside =
            self.outside(&config, &ground, before).map_err(|error| vec![Trouble::of("credentials", error)])?;
        let gateway = self.gateway(&config, &ground, before).map_err(|error| vec![Trouble::of("accounts", error)])?;
        let arrangement = self.arrange(&config, ground, gateway, Some(before), &mut troubles).await;
        match arrangement {
            Some(arrangement) if troubles.is_empty() => Ok(Next { config, arrangement, outside }),
            _ => Err(troubles),
        }
    }

    /// From now on plugins talk to the outside as the next configuration says.
    pub(super) fn let_hold(&self, next: Next) -> (Config, Arrangement) {
        let Next { config, arrangement, outside } = next;
        self.host.replace(Arc::new(outside));
        (config, arrangement)
    }

    fn outside(&self, config: &Config, ground: &Ground, before: &Before<'_>) -> anyhow::Result<host::Outside> {
        let now = self.host.outside();
        // An egress remembers tokens and connections, a reading what it read.
        let egress = match before.touches("credentials") {
            true => self.ways.egress(config, ground.credentials.clone())?,
            false => now.egress.clone(),
        };
        let known = || ground.repositories.values().map(repositories::known).collect();
        // What a glob finds may be more than before, though nothing was written.
        let same_repositories = before.config.repositories.keys().eq(config.repositories.keys());
        let (reading, forge) = match !same_repositories || before.touches("repositories") || before.touches("github") {
            true => {
                let forge = forge::Reading::new(self.github.clone(), on_github(config));
                (Reading::new(self.layout.clone(), known()), forge)
            }
            false => (now.reading.clone(), now.forge.clone()),
        };
        let mailer = if before.touches("mail") { self.ways.mailer(config)? } else { now.mailer.clone() };
        Ok(host::Outside { egress, reading, forge, mailer })
    }

    fn gateway(&self, config: &Config, ground: &Ground, before: &Before<'_>) -> anyhow::Result<Gateway> {
        let touched = ["accounts", "budget", "prices", "timeouts"].iter().any(|it| before.touches(it));
        let now = &before.arrangement.gateway;
        if !touched && (now.has_loopback() || !ground.needs_loopback()) {
            return Ok(now.clone());
        }
        let keys = self.ways.egress(config, ground.keys.clone())?;
        gateway::rearranged(config, now, keys, ground.needs_loopback())
    }

    /// None: something is wrong, and was noted.
    async fn arrange(
        &self,
        config: &Config,
        ground: Ground,
        gateway: Gateway,
        before: Option<&Before<'_>>,
        troubles: &mut Vec<Trouble>,
    ) -> Option<Arrangement> {
        let uses = entries::Uses { config, plugins: &self.plugins, before };
        let sources = uses.sources(troubles).await;
        let analyzers = uses.analyzers(troubles).await;
        let prioritizer = uses.prioritizer(troubles).await;
        let prompts = uses.prompts(troubles).await;
        let agents = uses.agents(troubles).await;
        let notifiers = uses.notifiers(troubles).await;
        Some(Arrangement {
            limits: config.limits.clone(),
            timeouts: timeouts(config),
            sources,
            analyzers,
            prioritizer: prioritizer?,
            prompts: prompts?,
            agents,
            default_agent: config.default_agent().map(|(name, _)| name.to_owned()),
            notifiers,
            repositories: ground.repositories,
            sandboxes: sandboxes(config, self.shipped.init.clone()),
            gateway,
            secrets: ground.secrets,
            author: ground.author,
            review_interval: REVIEW_INTERVAL,
        })
    }
}

impl Ground {
    /// Some repository's sandboxes are plain processes.
    fn needs_loopback(&self) -> bool {
        self.repositories.values().any(|it| it.executor.kind() == Kind::Local)
    }
}

async fn ground(
    config: &Config,
    ways: &Ways,
    executors: &mut Executors,
    github: Option<&GitHub>,
    troubles: &mut Vec<Trouble>,
) -> Ground {
    let author = Author { name: config.commits.name.clone(), email: config.commits.email.clone() };
    let repositories = repositories::repositories(config, executors, &author, github, troubles).await;
    let (credentials, keys) = (ways.credentials(config), gateway::credentials(config));
    let password = config.mail.as_ref().and_then(|it| it.login.as_ref()).map(|it| it.password.value.clone());
    let own = github::secrets(config).into_iter().chain(password);
    let secrets = credentials.secrets().into_iter().chain(keys.secrets()).chain(own).collect();
    Ground { repositories, credentials, keys, secrets: Arc::new(SecretScan::new(secrets)), author }
}

fn on_github(config: &Config) -> Vec<String> {
    config.repositories.values().filter(|it| it.on_github()).map(|it| it.id.clone()).collect()
}

fn timeouts(config: &Config) -> Timeouts {
    Timeouts {
        wall: config.timeouts.wall,
        idle: config.timeouts.idle,
        gate: config.timeouts.gate,
        service: config.timeouts.service,
        collect: COLLECT_TIMEOUT,
    }
}

fn sandboxes(config: &Config, init: PathBuf) -> Sandboxes {
    let sandbox = &config.sandbox;
    let limits = Limits {
        memory: sandbox.memory,
        cpus: sandbox.cpus,
        pids: sandbox.pids,
        spool: sandbox.output,
        tmp: sandbox.tmp,
    };
    let empty_image = EMPTY_IMAGE.into();
    Sandboxes { init, empty_image, limits, disk: sandbox.disk, uid: AGENT_UID, gid: AGENT_UID }
}

async fn load(options: agentd_plugin::Options, host: Arc<host::Wired>) -> anyhow::Result<Plugins> {
    let plugins = Plugins::load(options, host).await.map_err(|error| {
        misconfigured(error.to_string(), "see [plugins] in the configuration, or install agentd again")
    })?;
    for info in plugins.list() {
        if let Some(problem) = info.problem {
            tracing::warn!(plugin.name = info.name, problem, "A plugin cannot be used");
        }
    }
    Ok(plugins)
}

/// What ways out of the same daemon share: tokens that were had, and where the newest are kept.
struct Ways {
    store: Store,
    tokens: Tokens,
    refresh_tokens: Arc<RefreshTokens>,
}

impl Ways {
    fn new(home: &Path, store: &Store) -> Ways {
        let refresh_tokens = Arc::new(RefreshTokens::new(home));
        Ways { store: store.clone(), tokens: Tokens::new(refresh_tokens.clone()), refresh_tokens }
    }

    fn credentials(&self, config: &Config) -> Credentials {
        way_out::credentials(config, |name, configured| self.refresh_tokens.newest(name, configured))
    }

    fn egress(&self, config: &Config, credentials: Credentials) -> anyhow::Result<Egress> {
        let options = agentd_egress::Options { tokens: self.tokens.clone(), ..config.network.egress() };
        Egress::new(options, credentials).map_err(|e| misconfigured(e.to_string(), "see [network] and [credentials]"))
    }

    fn mailer(&self, config: &Config) -> anyhow::Result<Option<Arc<Mailer>>> {
        let Some(mail) = config.mail.clone() else { return Ok(None) };
        let egress = self.egress(config, Credentials::default())?;
        let made = Mailer::new(mail, config.network.ca.as_deref(), egress, Box::new(self.store.clone()));
        made.map(|it| Some(Arc::new(it))).map_err(|error| misconfigured(error, "see [mail] in the configuration"))
    }
}
