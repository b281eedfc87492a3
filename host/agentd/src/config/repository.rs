//! `[repositories."ID"]`: what agentd works on, and what has to hold before anything of it is pushed.

use super::{
    Config,
    sandbox::ExecutorKind,
    section::{Section, list},
    service::Service,
    value::{self, repository_id},
};
use agentd_gateway::registry::Registry;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    str::FromStr,
};

const DEFAULT: &str = "default";

/// What becomes of a verified change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// A person sees it before it is pushed: a pushed branch runs in CI with CI's secrets.
    Ask,
    Branch,
}

impl FromStr for Push {
    type Err = ();

    fn from_str(text: &str) -> Result<Push, ()> {
        match text {
            "ask" => Ok(Push::Ask),
            "branch" => Ok(Push::Branch),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Push::Ask => "ask",
            Push::Branch => "branch",
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) id: String,
    /// A repository on this machine, bare or not. Absolute.
    pub(crate) path: PathBuf,
    /// The branch to start from; none: its default branch.
    pub(crate) base: Option<String>,
    /// The sandbox's image, or `dockerfile`, `dockerfile:STAGE`, `devcontainer`; none: that of `[sandbox]`.
    pub(crate) image: Option<String>,
    /// A shell command that makes the checkout ready, before the agent starts.
    pub(crate) setup: Option<String>,
    /// Shell commands that must pass before anything is pushed.
    pub(crate) gates: Vec<String>,
    /// Globs of paths: a change that touches one waits for a person.
    pub(crate) protected: Vec<String>,
    /// Changed lines, added and removed ones together; none: as many as the change has.
    pub(crate) max_diff: Option<u32>,
    pub(crate) push: Push,
    /// None: that of `[sandbox]`.
    pub(crate) executor: Option<ExecutorKind>,
    /// Containers beside the sandbox.
    pub(crate) services: Vec<Service>,
    /// Registries of packages that can be read from the sandbox.
    pub(crate) egress: BTreeSet<Registry>,
    /// `host:port` that the sandbox can reach unfiltered.
    pub(crate) tunnel: Vec<String>,
}

/// All repositories, and what one is that says nothing: `[repositories.default]`.
pub(super) fn repositories(root: &mut Section<'_, '_>) -> (BTreeMap<String, Repository>, Repository) {
    let mut default = Repository {
        id: DEFAULT.to_owned(),
        path: PathBuf::new(),
        base: None,
        image: None,
        setup: None,
        gates: Vec::new(),
        protected: Vec::new(),
        max_diff: None,
        push: Push::Ask,
        executor: None,
        services: Vec::new(),
        egress: BTreeSet::new(),
        tunnel: Vec::new(),
    };
    let read = |section: &mut Section<'_, '_>, id: &str| {
        let repository = repository(section, id);
        if id == DEFAULT {
            default = repository.clone();
        }
        repository
    };
    let all = root.named("repositories", Some(DEFAULT), repository_id, read).into_iter().collect();
    (all, default)
}

fn repository(section: &mut Section<'_, '_>, id: &str) -> Repository {
    let folder = section.reading.folder.clone();
    let path = section.path_if_any("path", &folder);
    match (id == DEFAULT, section.has("path")) {
        (true, true) => {
            section.problem("path", "belongs to one repository, not to all: move it to [repositories.\"ID\"]")
        }
        (false, false) => {
            section.missing("path", "is missing: say path = \"/srv/git/project\", a repository on this machine")
        }
        _ => (),
    }
    let base = section.text("base");
    if base.as_deref().is_some_and(|it| it.starts_with('-') || it.contains([' ', '~', '^', ':', '\\'])) {
        section.problem("base", "is not the name of a branch");
    }
    Repository {
        id: id.to_owned(),
        path: path.unwrap_or_default(),
        base,
        image: section.text("image"),
        setup: section.text("setup"),
        gates: section.texts("gates", &[], not_empty),
        protected: section.texts("protected", &[], glob),
        max_diff: section.number_if_any("max_diff", 1..=u32::MAX),
        push: section.word("push", Push::Ask, "ask or branch"),
        executor: section.word_if_any("executor", "docker or local"),
        services: section.tables("services", Service::read),
        egress: registries(section),
        tunnel: section.texts("tunnel", &[], value::endpoint),
    }
}

/// Services are containers: without containers there are none.
pub(super) fn refuse_services_without_containers(root: &mut Section<'_, '_>, config: &Config) {
    for (id, repository) in &config.repositories {
        let local = config.executor_of(repository) == ExecutorKind::Local;
        if local && !repository.services.is_empty() {
            let what = "are containers, and the executor is local: take executor = \"docker\", or no services";
            root.problem_at(&["repositories", id, "services"], what);
        }
    }
}

fn registries(section: &mut Section<'_, '_>) -> BTreeSet<Registry> {
    let known = || list(Registry::ALL.into_iter().map(Registry::as_str));
    let registry = |text: &str| {
        let what = |_| format!("must be of {}, is {text:?}; one host and port is opened by tunnel", known());
        text.parse::<Registry>().map_err(what)
    };
    let texts = section.texts("egress", &[], |text| registry(text).map(|_| ()));
    texts.iter().filter_map(|text| registry(text).ok()).collect()
}

fn not_empty(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("must not be empty".into()) } else { Ok(()) }
}

/// A glob that can be understood.
pub(super) fn glob(text: &str) -> Result<(), String> {
    globset::Glob::new(text).map(|_| ()).map_err(|error| format!("is not a glob: {}", error.kind()))
}
