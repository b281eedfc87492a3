//! `[repositories."ID"]`: what agentd works on, what has to hold before anything of it is pushed, and how it is shown to
//! those who review it.
//!
//! A repository has a path on this machine, or it is on GitHub under its id. Those that `[github] repositories` names are
//! read as if each had a section with nothing in it.

use super::{
    Config, github,
    sandbox::ExecutorKind,
    section::{Section, list},
    service::Service,
    value::{self, repository_id},
};
use agentd_gateway::registry::Registry;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
    str::FromStr,
};

const DEFAULT: &str = "default";
/// What GitHub takes.
const LABEL_CHARS_MAX: usize = 50;
const TEMPLATE_BYTES_MAX: u64 = 64 << 10;

/// What becomes of a verified change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// A person sees it before it is pushed: a pushed branch runs in CI with CI's secrets.
    Ask,
    /// To a branch of the repository itself.
    Branch,
    /// To a fork that agentd's account has on GitHub: its branches run without the repository's secrets.
    Fork,
}

impl FromStr for Push {
    type Err = ();

    fn from_str(text: &str) -> Result<Push, ()> {
        match text {
            "ask" => Ok(Push::Ask),
            "branch" => Ok(Push::Branch),
            "fork" => Ok(Push::Fork),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Push::Ask => "ask",
            Push::Branch => "branch",
            Push::Fork => "fork",
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) id: String,
    /// A repository on this machine, bare or not. Absolute. None: it is on GitHub, and its id is its name there.
    pub(crate) path: Option<PathBuf>,
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
    /// None: on this machine [`Push::Ask`]; on GitHub it is decided by what CI gives to a pushed branch.
    pub(crate) push: Option<Push>,
    /// That its pull requests get; those that GitHub has.
    pub(crate) labels: Vec<String>,
    /// Who is asked to review: `login` or `team:org/slug`.
    pub(crate) reviewers: Vec<String>,
    /// Whether pull requests begin as drafts.
    pub(crate) draft: bool,
    /// A Markdown template of what stands in pull requests; none: the built-in one. Absolute; it could be read.
    pub(crate) pull_request: Option<PathBuf>,
    /// None: that of `[sandbox]`.
    pub(crate) executor: Option<ExecutorKind>,
    /// Containers beside the sandbox.
    pub(crate) services: Vec<Service>,
    /// Registries of packages that can be read from the sandbox.
    pub(crate) egress: BTreeSet<Registry>,
    /// `host:port` that the sandbox can reach unfiltered.
    pub(crate) tunnel: Vec<String>,
}

impl Repository {
    /// One on GitHub, where its id is its name; any other is on this machine.
    #[must_use]
    pub(crate) fn on_github(&self) -> bool {
        self.path.is_none()
    }
}

/// All repositories, with those that `[github]` names, and what one is that says nothing: `[repositories.default]`.
pub(super) fn repositories(
    root: &mut Section<'_, '_>,
    github: &github::Written,
) -> (BTreeMap<String, Repository>, Repository) {
    let read = |section: &mut Section<'_, '_>, id: &str| repository(section, id, github);
    let (all, defaults) = root.named_with("repositories", DEFAULT, repository_id, &github.named(), read);
    (all.into_iter().collect(), defaults)
}

fn repository(section: &mut Section<'_, '_>, id: &str, github: &github::Written) -> Repository {
    let folder = section.reading.folder.clone();
    let path = section.path_if_any("path", &folder);
    // One with a path that cannot be read is on this machine all the same.
    let here = section.has("path");
    place(section, id, here, github);
    let base = section.text("base");
    if base.as_deref().is_some_and(|it| it.starts_with('-') || it.contains([' ', '~', '^', ':', '\\'])) {
        section.problem("base", "is not the name of a branch");
    }
    Repository {
        id: id.to_owned(),
        path,
        base,
        image: section.text("image"),
        setup: section.text("setup"),
        gates: section.texts("gates", &[], not_empty),
        protected: section.texts("protected", &[], glob),
        max_diff: section.number_if_any("max_diff", 1..=u32::MAX),
        push: push(section, id, here, github),
        labels: section.texts("labels", &[], label),
        reviewers: reviewers(section, id, here),
        draft: section.flag("draft", true),
        pull_request: template(section, &folder),
        executor: section.word_if_any("executor", "docker or local"),
        services: section.tables("services", Service::read),
        egress: registries(section),
        tunnel: section.texts("tunnel", &[], value::endpoint),
    }
}

/// Whether it can be where it is said to be: on this machine, or on GitHub.
fn place(section: &mut Section<'_, '_>, id: &str, here: bool, github: &github::Written) {
    if id == DEFAULT {
        if here {
            section.problem("path", "belongs to one repository, not to all: move it to [repositories.\"ID\"]");
        }
    } else if here {
        if section.has_own("path") && github.named().iter().any(|(it, _)| it.eq_ignore_ascii_case(id)) {
            let what =
                "is a folder of this machine, and [github] repositories has the same id: take one of the two out";
            section.problem("path", what);
        }
    } else if !github.present {
        let what = "is missing: say path = \"/srv/git/project\" for a repository on this machine; for one on GitHub there \
                    has to be [github], which `agentd auth github` makes";
        section.missing("path", what);
    } else if value::repository_on_github(id).is_err() {
        let what = "is missing: say path = \"/srv/git/project\" for a repository on this machine; one on GitHub has its \
                    owner in its id, as in [repositories.\"acme/api\"]";
        section.missing("path", what);
    }
}

fn push(section: &mut Section<'_, '_>, id: &str, here: bool, github: &github::Written) -> Option<Push> {
    let push = section.word_if_any("push", "ask, branch or fork");
    if push != Some(Push::Fork) {
        return push;
    }
    if id != DEFAULT && here {
        let what = format!("is fork, and {id} is on this machine: say push = \"ask\" or \"branch\" in its section");
        section.problem("push", what);
    } else if github.app {
        section
            .problem("push", "is fork, and a GitHub App has no forks: say ask or branch, or use a token in [github]");
    } else if id == DEFAULT && !github.present {
        section.problem("push", "is fork, and there is no [github]: say ask or branch");
    }
    push
}

/// `login`, or `team:org/slug` of the organization that the repository belongs to.
fn reviewers(section: &mut Section<'_, '_>, id: &str, here: bool) -> Vec<String> {
    let owner = id.split_once('/').map(|(owner, _)| owner).filter(|_| !here);
    section.texts("reviewers", &[], |text| {
        if !text.starts_with("team:") {
            return value::login(text);
        }
        let (org, _) = value::team(text)?;
        match owner {
            Some(owner) if !owner.eq_ignore_ascii_case(org) => {
                Err(format!("`{text}` is a team of {org}, and cannot be asked for {id}, which belongs to {owner}"))
            }
            _ => Ok(()),
        }
    })
}

fn label(text: &str) -> Result<(), String> {
    if text.chars().count() > LABEL_CHARS_MAX {
        return Err(format!("`{text}` is longer than GitHub lets a label be: {LABEL_CHARS_MAX} characters"));
    }
    not_empty(text)
}

/// The path of a template, which is there and can be read.
fn template(section: &mut Section<'_, '_>, folder: &Path) -> Option<PathBuf> {
    let path = section.path_if_any("pull_request", folder)?;
    if let Err(what) = readable(&path) {
        section.problem("pull_request", what);
    }
    Some(path)
}

fn readable(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let fails = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let file = fs::File::open(path).map_err(fails)?;
    if !file.metadata().map_err(fails)?.is_file() {
        return Err(format!("{shown} is not a file: give a Markdown template, or none for the built-in one"));
    }
    let mut text = String::new();
    match file.take(TEMPLATE_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(bytes) if bytes as u64 > TEMPLATE_BYTES_MAX => {
            Err(format!("{shown} is longer than a template may be: {}", value::size_text(TEMPLATE_BYTES_MAX)))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(fails(error)),
    }
}

/// GitHub takes names in any case, so two ids that differ in nothing else are one repository.
pub(super) fn refuse_twins(root: &mut Section<'_, '_>, config: &Config) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for id in config.repositories.values().filter(|it| it.on_github()).map(|it| it.id.as_str()) {
        if let Some(first) = seen.insert(id.to_lowercase(), id) {
            let what = format!("is the same repository on GitHub as [repositories.{first:?}]: keep one of the two");
            root.problem_at(&["repositories", id], what);
        }
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
