//! The configuration: one TOML file and `conf.d/*.toml` beside it, read whole, checked whole.
//!
//! - All mistakes are found at once, each as `file:line: key: what`; unknown keys are mistakes.
//! - Secrets are references ([`secret::Secret`]); their values are never shown, logged or written.
//! - A command line option is over the environment, the environment over the file, the file over the default.
//! - Never looks at repositories, plugins or Docker: whether they work is `agentd doctor`'s question.

mod account;
mod allow;
mod budget;
mod change;
mod credential;
mod effective;
mod github;
mod mail;
mod place;
mod plugin_use;
mod plugins;
mod problem;
mod repository;
mod sandbox;
mod secret;
mod section;
mod service;
mod tree;
mod value;

pub(crate) use account::{Account, NoAccount};
pub(crate) use change::{Change, changes};
pub(crate) use credential::{Attach, Credential};
pub(crate) use effective::{Origin, Shadowed, Shown};
pub(crate) use github::{GitHub, GitHubAuth, repository_glob};
pub(crate) use mail::{Mail, Security};
pub(crate) use place::file_to_write;
pub(crate) use plugin_use::{Agent, Analyzer, Notifier, PluginUse, Source};
pub(crate) use problem::{Problem, Problems};
pub(crate) use repository::{Push, Repository};
pub(crate) use sandbox::{ExecutorKind, Network, Registries, Sandbox};
pub(crate) use secret::Environment;
pub(crate) use service::Service;
pub(crate) use tree::join_path;
pub(crate) use value::{duration_text, size_text};

use agentd_gateway::{Budget, Price, registry};
use agentd_plugin::{Approval, OnDrop, PluginLimits};
use agentd_task::{Limits, Mode};
use place::Place;
use problem::At;
use section::{Reading, Section};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};
use tree::Table;

/// The control socket lies in the home folder, and the kernel takes socket paths of 107 bytes.
const HOME_BYTES_MAX: usize = 90;

/// Everything that can be configured, with defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The main file; none: there is none, and all is default.
    pub(crate) file: Option<PathBuf>,
    /// What relative paths start from: the main file's folder, or the home folder without one.
    pub(crate) folder: PathBuf,
    /// Database, mirrors, spools, logs. Absolute.
    pub(crate) home: PathBuf,
    /// The home folder that the command line named.
    pub(crate) given_home: Option<PathBuf>,
    /// How much the daemon logs, as `AGENTD_LOG` would say it.
    pub(crate) log: String,
    pub(crate) mode: Mode,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) budget: Budget,
    /// By a glob of the model's name; over the shipped ones.
    pub(crate) prices: BTreeMap<String, Price>,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) sources: BTreeMap<String, Source>,
    pub(crate) analyzers: BTreeMap<String, Analyzer>,
    pub(crate) prioritizer: PluginUse,
    pub(crate) prompts: PluginUse,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) notifiers: BTreeMap<String, Notifier>,
    pub(crate) credentials: BTreeMap<String, Credential>,
    /// Access to GitHub; none: agentd has nothing to do there.
    pub(crate) github: Option<GitHub>,
    /// By id, with what `[repositories.default]` says filled in. Those that `[github]` names by a glob come at the start,
    /// by [`Config::take_found`].
    pub(crate) repositories: BTreeMap<String, Repository>,
    /// What `[repositories.default]` says, for repositories that the files do not have.
    pub(crate) repository_defaults: Repository,
    pub(crate) sandbox: Sandbox,
    pub(crate) network: Network,
    pub(crate) registries: Registries,
    /// The plugin folder. Absolute.
    pub(crate) plugins: PathBuf,
    /// What becomes of a file there that wants more than every plugin may.
    pub(crate) on_drop: OnDrop,
    /// By plugin.
    pub(crate) plugin_limits: BTreeMap<String, PluginLimits>,
    /// By the beginning of a source of plugins: the minisign key that what is installed from there is signed with.
    pub(crate) signed_by: BTreeMap<String, String>,
    /// By plugin.
    pub(crate) approvals: BTreeMap<String, Approval>,
    pub(crate) mail: Option<Mail>,
    pub(crate) commits: Commits,
    /// Each value that is in force, in the order of the sections, for `config show`.
    pub(crate) shown: Vec<Shown>,
    /// What the files set and something else is over.
    pub(crate) shadowed: Vec<Shadowed>,
    /// The files that it was read from, and those that would have been if they were there.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Whether a daemon follows the files when they change; one with changes of somebody's in memory does not.
    pub(crate) follows_files: bool,
}

/// How long a run may take.
#[derive(Clone, Debug)]
pub(crate) struct Timeouts {
    /// From the agent's start to its end.
    pub(crate) wall: Duration,
    /// Without a word from the agent.
    pub(crate) idle: Duration,
    /// For one gate.
    pub(crate) gate: Duration,
    /// Until the answer of a model begins.
    pub(crate) model: Duration,
    /// Between two pieces of a model's answer.
    pub(crate) model_idle: Duration,
    /// Until a service is ready.
    pub(crate) service: Duration,
}

/// Who agentd's commits are by, whatever the agent wrote.
#[derive(Clone, Debug)]
pub(crate) struct Commits {
    pub(crate) name: String,
    pub(crate) email: String,
}

impl Config {
    /// Reads and checks the configuration, in the environment of this process.
    ///
    /// # Errors
    /// All mistakes that were found.
    pub(crate) fn load(file: Option<&Path>, home: Option<&Path>) -> Result<Config, Problems> {
        Config::load_in(file, home, Environment::of_process())
    }

    /// The same in an environment of the caller's.
    ///
    /// Where there is no file everything is default.
    ///
    /// # Errors
    /// All mistakes that were found.
    pub(crate) fn load_in(
        file: Option<&Path>,
        home: Option<&Path>,
        environment: Environment,
    ) -> Result<Config, Problems> {
        Config::load_with_files(file, home, environment).0
    }

    /// The same, and the files that it was read from: those that are there, and those that would be read if they were.
    pub(crate) fn load_with_files(
        file: Option<&Path>,
        home: Option<&Path>,
        mut environment: Environment,
    ) -> (Result<Config, Problems>, BTreeSet<PathBuf>) {
        let mut problems = Problems::default();
        let place = Place::find(file, home, &environment, &mut problems);
        let folder = place.folder();
        let tree = read_files(place.file.as_deref(), &folder, &mut problems);
        let mut shadowed = Vec::new();
        if place.file.is_some() {
            let over = read_dotenv(&folder.join(".env"), &mut environment, &mut problems);
            let by = |name: &String| format!("environment {name}");
            shadowed.extend(over.iter().map(|name| Shadowed { key: format!("{name} in .env"), by: by(name) }));
        }
        let (shown, files) = (Vec::new(), BTreeSet::new());
        let mut reading = Reading { problems, shown, shadowed, files, environment: &environment, folder };
        let config = read(&tree, &mut reading, &place);
        let Reading { mut problems, mut shown, shadowed, mut files, folder, .. } = reading;
        files.extend(place.file.clone().or_else(|| Some(place.home.join("agentd.toml"))));
        files.extend([folder.join(".env"), folder.join("conf.d")]);
        files.extend(tree::fragments(&folder).unwrap_or_default());
        if !problems.is_empty() {
            problems.sort();
            return (Err(problems), files);
        }
        // A value of `[repositories.default]` is shown with each repository that has it.
        shown.retain(|it| !it.key.starts_with("repositories.default."));
        let config = Config { file: place.file, given_home: place.option, shown, shadowed, ..config };
        (Ok(Config { files: files.clone(), follows_files: true, ..config }), files)
    }

    /// Why a source must not bring its work to where it would be done, as [`Config::held_to`] may come to it.
    #[must_use]
    pub(crate) fn unsafe_sources(&self) -> Vec<(String, String)> {
        allow::unsafe_sources(self)
    }

    /// The settings of each section that uses a plugin.
    #[must_use]
    pub(crate) fn settings_of(&self, plugin: &str) -> Vec<serde_json::Value> {
        let used = [&self.prioritizer, &self.prompts].map(|it| (&it.plugin, &it.settings)).into_iter();
        let used = used.chain(self.sources.values().map(|it| (&it.plugin, &it.settings)));
        let used = used.chain(self.analyzers.values().map(|it| (&it.plugin, &it.settings)));
        let used = used.chain(self.agents.values().map(|it| (&it.plugin, &it.settings)));
        let used = used.chain(self.notifiers.values().map(|it| (&it.plugin, &it.settings)));
        used.filter(|(name, _)| *name == plugin).map(|(_, settings)| settings.clone()).collect()
    }

    /// The home folder alone, whatever else is wrong with the configuration.
    ///
    /// # Errors
    /// Where the file cannot be read at all, or the home folder cannot be told.
    pub(crate) fn home_only(
        file: Option<&Path>,
        home: Option<&Path>,
        environment: &Environment,
    ) -> Result<PathBuf, Problems> {
        let mut problems = Problems::default();
        let place = Place::find(file, home, environment, &mut problems);
        let folder = place.folder();
        let tree = read_files(place.file.as_deref(), &folder, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (shown, shadowed, files) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut reading = Reading { problems, shown, shadowed, files, environment, folder };
        let mut root = Section::root(&tree, &mut reading);
        let path = self::home(&mut root, &place);
        if reading.problems.is_empty() { Ok(path) } else { Err(reading.problems) }
    }

    /// Where the agents of a repository run.
    #[must_use]
    pub(crate) fn executor_of(&self, repository: &Repository) -> ExecutorKind {
        repository.executor.unwrap_or(self.sandbox.executor)
    }

    /// Where the mirrors of package registries read from, and where they keep what they read.
    #[must_use]
    pub(crate) fn registries_options(&self) -> registry::Options {
        let public = registry::Options::public(self.home.join("registry-cache"));
        let Registries { npm, crates, pypi, cache } = self.registries.clone();
        registry::Options {
            npm: npm.unwrap_or(public.npm),
            crates: crates.unwrap_or(public.crates),
            pypi: pypi.unwrap_or(public.pypi),
            cache_max: cache,
            ..public
        }
    }

    /// The agent that takes tasks which name none.
    #[must_use]
    pub(crate) fn default_agent(&self) -> Option<(&str, &Agent)> {
        self.agents.iter().find(|(_, agent)| agent.default).map(|(name, agent)| (name.as_str(), agent))
    }
}

/// One tree of the main file and the fragments beside it.
fn read_files(main: Option<&Path>, folder: &Path, problems: &mut Problems) -> Table {
    let mut tree = Table::default();
    let Some(main) = main else { return tree };
    let mut paths = vec![main.to_owned()];
    match tree::fragments(folder) {
        Ok(fragments) => paths.extend(fragments),
        Err(error) => {
            problems.add_elsewhere("", format!("{} cannot be read: {error}", folder.join("conf.d").display()))
        }
    }
    for path in paths {
        let file = problems.file(&path);
        let whole = At { file, line: 0 };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let part = Table::parse(file, &text, problems);
                tree.join(part, "", problems);
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => problems.add(whole, "", "is not UTF-8 text"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                problems.add(whole, "", "does not exist; --config names another file");
            }
            Err(error) => problems.add(whole, "", format!("cannot be read: {error}")),
        }
    }
    tree
}

/// The names that the file sets otherwise than they are.
fn read_dotenv(path: &Path, environment: &mut Environment, problems: &mut Problems) -> Vec<String> {
    environment.read_dotenv(path).unwrap_or_else(|bad| {
        let file = problems.file(path);
        for (line, what) in bad {
            problems.add(At { file, line }, "", what);
        }
        Vec::new()
    })
}

/// Reads all sections, in the order in which `config show` lists them.
fn read(tree: &Table, reading: &mut Reading<'_>, place: &Place) -> Config {
    let folder = reading.folder.clone();
    let mut root = Section::root(tree, reading);
    let home = home(&mut root, place);
    let mode = root.word("mode", Mode::Ask, "propose, ask or auto");
    let log = log(&mut root);
    let limits = root.section("limits", limits);
    let timeouts = root.section("timeouts", timeouts);
    let budget = root.section("budget", budget::budget);
    let prices = budget::prices(&mut root);
    let accounts = account::accounts(&mut root);
    let github = github::Written::read(&mut root);
    let (repositories, repository_defaults) = repository::repositories(&mut root, &github);
    let access = github.present;
    let dropped = root.section("plugins", |section| plugins::Dropped::read(section, &home));
    let config = Config {
        file: None,
        given_home: None,
        folder,
        mode,
        log,
        limits,
        timeouts,
        budget,
        prices,
        accounts,
        sources: plugin_use::sources(&mut root, mode),
        analyzers: plugin_use::analyzers(&mut root, mode),
        prioritizer: root.section("prioritizer", |section| PluginUse::read(section, Some("label-priority"))),
        prompts: root.section("prompts", |section| PluginUse::read(section, Some("default-prompts"))),
        agents: plugin_use::agents(&mut root),
        notifiers: plugin_use::notifiers(&mut root),
        credentials: credential::credentials(&mut root),
        github: github.finish(repositories.values()),
        repositories,
        repository_defaults,
        sandbox: root.section("sandbox", Sandbox::read),
        network: root.section("network", Network::read),
        registries: root.section("registries", Registries::read),
        plugins: dropped.folder,
        on_drop: dropped.on_drop,
        plugin_limits: dropped.limits,
        signed_by: dropped.signed_by,
        approvals: plugins::approvals(&mut root),
        mail: mail::mail(&mut root),
        commits: root.section("commits", commits),
        home,
        shown: Vec::new(),
        shadowed: Vec::new(),
        files: BTreeSet::new(),
        follows_files: false,
    };
    // While [github] itself is broken, which repositories there are is not known.
    if config.github.is_some() || !access {
        plugin_use::resolve_repositories(&mut root, &config);
    }
    allow::refuse_unsafe_sources(&mut root, access, &config);
    account::resolve_accounts(&mut root, &config);
    repository::refuse_twins(&mut root, &config);
    repository::refuse_services_without_containers(&mut root, &config);
    root.finish();
    config
}

/// Option over environment over file over default.
fn home(root: &mut Section<'_, '_>, place: &Place) -> PathBuf {
    let folder = root.reading.folder.clone();
    let mut home = root.path("home", &place.home, &folder);
    let origin = match (&place.option, root.reading.environment.get("AGENTD_HOME")) {
        (Some(_), _) => Some(Origin::CommandLine("--home")),
        (None, Some(_)) => Some(Origin::Environment("AGENTD_HOME")),
        (None, None) => None,
    };
    if let Some(origin) = origin {
        let written = std::mem::replace(&mut home, place.home.clone());
        root.reading.shown.retain(|it| it.key != "home");
        let shown = Shown { key: "home".into(), value: serde_json::json!(home), origin: origin.clone(), secret: None };
        root.reading.shown.push(shown);
        if root.has("home") && written != home {
            root.reading.shadowed.push(Shadowed { key: "home".into(), by: origin.to_string() });
        }
    }
    let bytes = home.as_os_str().len();
    if bytes > HOME_BYTES_MAX {
        let what = format!("is {bytes} bytes long, and the sockets in it need a path of at most {HOME_BYTES_MAX}");
        root.problem("home", what);
    }
    home
}

/// How much the daemon logs. `AGENTD_LOG` is over it.
fn log(root: &mut Section<'_, '_>) -> String {
    let log = root.text_or("log", "info");
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&log) {
        root.problem("log", format!("`{log}` is not info, debug or \"info,agentd_store=trace\": {error}"));
    }
    let Some(over) = root.reading.environment.get("AGENTD_LOG").map(str::to_owned) else { return log };
    if root.has("log") && over != log {
        root.reading.shadowed.push(Shadowed { key: "log".into(), by: "environment AGENTD_LOG".into() });
    }
    let origin = Origin::Environment("AGENTD_LOG");
    root.reading.shown.retain(|it| it.key != "log");
    root.reading.shown.push(Shown { key: "log".into(), value: serde_json::json!(over), origin, secret: None });
    over
}

fn limits(section: &mut Section<'_, '_>) -> Limits {
    Limits {
        concurrent: section.number("concurrent", 3, 1..=64),
        per_repository: section.number("per_repository", 1, 1..=64),
        open_changes: section.number("open_changes", 5, 1..=1000),
    }
}

fn timeouts(section: &mut Section<'_, '_>) -> Timeouts {
    let least = Duration::from_secs(1);
    let timeouts = Timeouts {
        wall: section.duration("wall", "2h", least),
        idle: section.duration("idle", "30m", least),
        gate: section.duration("gate", "30m", least),
        model: section.duration("model", "10m", least),
        model_idle: section.duration("model_idle", "5m", least),
        service: section.duration("service", "2m", least),
    };
    if timeouts.idle > timeouts.wall && section.has("idle") {
        section.problem("idle", format!("is longer than wall ({})", duration_text(timeouts.wall)));
    }
    timeouts
}

fn commits(section: &mut Section<'_, '_>) -> Commits {
    let commits =
        Commits { name: section.text_or("name", "agentd"), email: section.text_or("email", "agentd@localhost") };
    if commits.name.contains(['<', '>', '\n']) {
        section.problem("name", "must not contain <, > or a line break");
    }
    if !commits.email.contains('@') || commits.email.contains(['<', '>', '\n', ' ']) {
        section.problem("email", "is not an e-mail address");
    }
    commits
}

#[cfg(test)]
mod tests;
