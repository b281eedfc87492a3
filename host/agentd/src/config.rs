//! The configuration: one TOML file and `conf.d/*.toml` beside it, read whole, checked whole.
//!
//! - All mistakes are found at once, each as `file:line: key: what`; unknown keys are mistakes.
//! - Secrets are references ([`secret::Secret`]); their values are never shown, logged or written.
//! - A command line option is over the environment, the environment over the file, the file over the default.
//! - Never looks at repositories, plugins or Docker: whether they work is `agentd doctor`'s question.

mod account;
mod allow;
mod budget;
mod effective;
mod github;
mod place;
mod plugin_use;
mod problem;
mod repository;
mod sandbox;
mod secret;
mod section;
mod service;
mod tree;
mod value;

pub(crate) use account::{Account, NoAccount};
pub(crate) use effective::{Origin, Shown};
pub(crate) use github::{GitHub, GitHubAuth, repository_glob};
pub(crate) use place::file_to_write;
pub(crate) use plugin_use::{Agent, Analyzer, Attach, Credential, Notifier, PluginUse, Source};
pub(crate) use problem::Problems;
pub(crate) use repository::{Push, Repository};
pub(crate) use sandbox::{ExecutorKind, Network, Registries, Sandbox};
pub(crate) use secret::Environment;
pub(crate) use service::Service;
pub(crate) use value::{duration_text, size_text};

use agentd_gateway::{Budget, Price, registry};
use agentd_task::{Limits, Mode};
use place::Place;
use problem::At;
use section::{Reading, Section};
use std::{
    collections::BTreeMap,
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
    pub(crate) commits: Commits,
    /// Each value that is in force, in the order of the sections, for `config show`.
    pub(crate) shown: Vec<Shown>,
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
        mut environment: Environment,
    ) -> Result<Config, Problems> {
        let mut problems = Problems::default();
        let place = Place::find(file, home, &environment, &mut problems);
        let folder = place.folder();
        let tree = read_files(place.file.as_deref(), &folder, &mut problems);
        if place.file.is_some() {
            read_dotenv(&folder.join(".env"), &mut environment, &mut problems);
        }
        let mut reading = Reading { problems, shown: Vec::new(), environment: &environment, folder: folder.clone() };
        let config = read(&tree, &mut reading, &place);
        let Reading { mut problems, mut shown, .. } = reading;
        if !problems.is_empty() {
            problems.sort();
            return Err(problems);
        }
        // A value of `[repositories.default]` is shown with each repository that has it.
        shown.retain(|it| !it.key.starts_with("repositories.default."));
        Ok(Config { file: place.file, shown, ..config })
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
        let mut reading = Reading { problems, shown: Vec::new(), environment, folder };
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

fn read_dotenv(path: &Path, environment: &mut Environment, problems: &mut Problems) {
    if let Err(bad) = environment.read_dotenv(path) {
        let file = problems.file(path);
        for (line, what) in bad {
            problems.add(At { file, line }, "", what);
        }
    }
}

/// Reads all sections, in the order in which `config show` lists them.
fn read(tree: &Table, reading: &mut Reading<'_>, place: &Place) -> Config {
    let folder = reading.folder.clone();
    let mut root = Section::root(tree, reading);
    let home = home(&mut root, place);
    let mode = root.word("mode", Mode::Ask, "propose, ask or auto");
    let limits = root.section("limits", limits);
    let timeouts = root.section("timeouts", timeouts);
    let budget = root.section("budget", budget::budget);
    let prices = budget::prices(&mut root);
    let accounts = account::accounts(&mut root);
    let github = github::Written::read(&mut root);
    let (repositories, repository_defaults) = repository::repositories(&mut root, &github);
    let access = github.present;
    let config = Config {
        file: None,
        folder,
        mode,
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
        credentials: plugin_use::credentials(&mut root),
        github: github.finish(repositories.values()),
        repositories,
        repository_defaults,
        sandbox: root.section("sandbox", Sandbox::read),
        network: root.section("network", Network::read),
        registries: root.section("registries", Registries::read),
        plugins: root.section("plugins", |section| section.path("folder", &home.join("plugins"), &home)),
        commits: root.section("commits", commits),
        home,
        shown: Vec::new(),
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
        home.clone_from(&place.home);
        root.reading.shown.retain(|it| it.key != "home");
        root.reading.shown.push(Shown { key: "home".into(), value: serde_json::json!(home), origin });
    }
    let bytes = home.as_os_str().len();
    if bytes > HOME_BYTES_MAX {
        let what = format!("is {bytes} bytes long, and the sockets in it need a path of at most {HOME_BYTES_MAX}");
        root.problem("home", what);
    }
    home
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
