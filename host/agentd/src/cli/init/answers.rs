//! What the configuration is to say: from the options, and from a person where they leave something open.

use super::{AGENTS, Init};
use crate::{
    cli::{ask::Ask, auth, config_file::Access, exit::Error},
    config::{ExecutorKind, repository_glob},
};
use agentd_forge::{
    git::{Git, GitDir, Options},
    github::own_labels,
};
use agentd_task::Mode;
use secrecy::SecretString;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const GIT_LIMIT: Duration = Duration::from_secs(10);
const GATES_MAX: usize = 20;
const LABEL_CHARS_MAX: usize = 50;
const BUDGET_TASK: f64 = 10.0;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On this machine: its folder, and the id that it gets.
    Folder(PathBuf, String),
    /// `owner/name`, or a glob.
    GitHub(String),
}

/// Everything that the text depends on.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) places: Vec<Place>,
    pub(super) access: Option<Access>,
    pub(super) typed: Option<SecretString>,
    pub(super) url: Option<String>,
    /// Networks that are not public, and that GitHub's own server is in.
    pub(super) private: Vec<String>,
    pub(super) agent: String,
    /// For the agent `command`.
    pub(super) command: Option<String>,
    /// The variable that the agent's key is in by itself, and the provider's word for it.
    pub(super) key: Option<(&'static str, &'static str)>,
    pub(super) mode: Mode,
    pub(super) label: String,
    pub(super) gates: Vec<String>,
    pub(super) budget_task: f64,
    pub(super) executor: ExecutorKind,
}

impl Answers {
    /// `config`: the file that is to be written. `here`: where the person stands.
    pub(super) async fn gather(init: &Init, ask: &mut Ask, config: &Path, here: &Path) -> Result<Answers, Error> {
        let places = places(init, ask, here).await?;
        let on_github = places.iter().any(|it| matches!(it, Place::GitHub(_)));
        let chosen = match on_github {
            true => Some(init.access.choose(ask, config, false)?),
            false if init.access.is_given() => {
                let text = "access to GitHub is given, and no repository there is named";
                return Err(Error::usage(text).hint("--repository OWNER/NAME names one"));
            }
            false => None,
        };
        let (access, typed) = chosen.map_or((None, None), |it| (it.access, it.typed));
        let agent = match &init.agent {
            Some(agent) => agent.clone(),
            None => ask.one_of("Agent", &agents(), "--agent")?,
        };
        let command = match (&init.command, agent.as_str()) {
            (Some(command), "command") => Some(command.clone()),
            (None, "command") => {
                let question = "The agent's command, which reads the prompt from its standard input";
                Some(ask.text(question, None, "--command", not_empty)?)
            }
            (Some(_), _) => return Err(Error::usage(format!("--command is for --agent command, not for {agent}"))),
            (None, _) => None,
        };
        let label = match (&init.label, on_github) {
            (Some(given), _) => {
                label(given).map_err(|what| Error::usage(format!("--label: {what}")))?;
                given.clone()
            }
            (None, true) => ask.text("Label of issues that agentd takes as work", Some("agentd"), "--label", label)?,
            (None, false) => "agentd".into(),
        };
        let mode = match init.mode {
            Some(mode) => mode,
            None => ask
                .one_of("What becomes of work that is found", &["ask", "auto", "propose"], "--mode")?
                .parse()
                .map_err(|()| Error::internal("a mode that was offered is none"))?,
        };
        let (gates, budget_task) = (gates(init, ask)?, budget(init, ask)?);
        let root = rustix::process::geteuid().is_root();
        let executor = if on_github || root { ExecutorKind::Docker } else { ExecutorKind::Local };
        let (key, url) = (key_of(&agent), init.access.url.clone());
        Ok(Answers {
            places,
            access,
            typed,
            url,
            private: Vec::new(),
            agent,
            command,
            key,
            mode,
            label,
            gates,
            budget_task,
            executor,
        })
    }
}

/// The variable that an account is made of by itself.
fn key_of(agent: &str) -> Option<(&'static str, &'static str)> {
    match agent {
        "claude-code" => Some(("ANTHROPIC_API_KEY", "anthropic")),
        "codex" => Some(("OPENAI_API_KEY", "openai")),
        _ => None,
    }
}

/// The one whose key is there comes first, which makes it the default.
fn agents() -> Vec<&'static str> {
    let mut agents = AGENTS.to_vec();
    agents.sort_by_key(|it| !key_of(it).is_some_and(|(variable, _)| super::is_set(variable)));
    agents
}

async fn places(init: &Init, ask: &mut Ask, here: &Path) -> Result<Vec<Place>, Error> {
    let mut names = init.repository.clone();
    if names.is_empty() {
        let suggested = suggestion(here).await;
        let question = "Repositories: folders, or owner/name on GitHub, with commas between them";
        let text = ask.text(question, suggested.as_deref(), "--repository", |text| {
            let names = auth::split(text);
            if names.is_empty() {
                return Err("name at least one".into());
            }
            names.iter().try_for_each(|it| place(it).map(drop))
        })?;
        names = auth::split(&text);
    }
    let mut places = Vec::new();
    for name in names {
        match place(&name).map_err(|what| Error::usage(what).hint("--repository takes a folder, or OWNER/NAME"))? {
            Place::Folder(folder, id) => {
                sound(&folder).await?;
                let mut id = id;
                while places.iter().any(|it| matches!(it, Place::Folder(_, taken) if *taken == id)) {
                    id.push_str("-2");
                }
                places.push(Place::Folder(folder, id));
            }
            other if places.contains(&other) => {}
            other => places.push(other),
        }
    }
    Ok(places)
}

/// Which of the two a person means: what looks like a path or is a folder is one.
pub(super) fn place(text: &str) -> Result<Place, String> {
    let path = Path::new(text);
    let looks_like_a_path = text.starts_with(['/', '.', '~']);
    if looks_like_a_path || path.is_dir() {
        let folder = path.canonicalize().map_err(|error| format!("there is no folder {text}: {error}"))?;
        let id = crate::cli::run::id_of(&folder);
        return Ok(Place::Folder(folder, id));
    }
    match repository_glob(text) {
        Ok(()) => Ok(Place::GitHub(text.to_owned())),
        Err(_) => Err(format!("{text:?} is neither a folder nor a repository on GitHub, which looks like acme/api")),
    }
}

/// A folder that agentd can start from.
async fn sound(folder: &Path) -> Result<(), Error> {
    let shown = folder.display();
    if git(folder, &["rev-parse", "--git-dir"]).await.is_none() {
        return Err(Error::usage(format!("{shown} is not a git repository"))
            .hint(format!("git init {shown}, or name another folder; one on GitHub is OWNER/NAME")));
    }
    match git(folder, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await {
        Some(_) => Ok(()),
        None => {
            Err(Error::usage(format!("{shown} has no commits"))
                .hint("commit something first: agentd starts from a commit"))
        }
    }
}

/// The repository that the person stands in: as GitHub calls it, if it came from there.
async fn suggestion(here: &Path) -> Option<String> {
    let top = git(here, &["rev-parse", "--show-toplevel"]).await?;
    let origin = git(here, &["config", "--get", "remote.origin.url"]).await;
    Some(origin.as_deref().and_then(name_on_github).unwrap_or(top))
}

/// `acme/api` of `https://github.com/acme/api.git` and `git@github.com:acme/api.git`.
fn name_on_github(origin: &str) -> Option<String> {
    let starts = ["https://github.com/", "git@github.com:", "ssh://git@github.com/"];
    let name = starts.iter().find_map(|it| origin.strip_prefix(it))?;
    let name = name.trim_end_matches('/');
    let name = name.strip_suffix(".git").unwrap_or(name);
    repository_glob(name).is_ok().then(|| name.to_owned())
}

async fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let options = Options { timeout: GIT_LIMIT, ..Options::default() };
    Git::new(GitDir::In(folder.to_owned()), options).ok(args).await.ok()
}

fn gates(init: &Init, ask: &mut Ask) -> Result<Vec<String>, Error> {
    let mut gates = init.gate.clone();
    while init.gate.is_empty() && ask.can() && gates.len() < GATES_MAX {
        let question = "A command that must pass before anything is pushed, as `make test` (empty: no more)";
        let gate = ask.text(question, Some(""), "--gate", |_| Ok(()))?;
        if gate.is_empty() {
            break;
        }
        gates.push(gate);
    }
    Ok(gates)
}

fn budget(init: &Init, ask: &mut Ask) -> Result<f64, Error> {
    let amount = |text: &str| match text.trim_start_matches('$').parse::<f64>() {
        Ok(amount) if (0.01..=1_000_000.0).contains(&amount) => Ok(amount),
        _ => Err(format!("{text:?} is no amount, which looks like 10 or 2.50")),
    };
    match init.budget_task {
        Some(given) => amount(&given.to_string()).map_err(|what| Error::usage(format!("--budget-task: {what}"))),
        None => {
            let question = "How much one task may spend on models, in US dollars";
            let text =
                ask.text(question, Some(&BUDGET_TASK.to_string()), "--budget-task", |it| amount(it).map(drop))?;
            amount(&text).map_err(Error::usage)
        }
    }
}

fn not_empty(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("it must not be empty".into()) } else { Ok(()) }
}

/// One that GitHub takes, and that agentd does not set itself.
fn label(text: &str) -> Result<(), String> {
    not_empty(text)?;
    if text.chars().count() > LABEL_CHARS_MAX {
        return Err(format!("{text:?} is longer than GitHub lets a label be: {LABEL_CHARS_MAX} characters"));
    }
    match own_labels()[1..].iter().any(|own| own.name.eq_ignore_ascii_case(text)) {
        true => Err(format!("{text:?} is a label that agentd sets itself: it would ask itself for work")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_known_by_where_it_came_from() {
        for (origin, name) in [
            ("https://github.com/acme/api.git", Some("acme/api")),
            ("https://github.com/acme/api/", Some("acme/api")),
            ("git@github.com:acme/api.git", Some("acme/api")),
            ("https://gitlab.com/acme/api.git", None),
            ("/srv/git/api.git", None),
            ("https://github.com/acme", None),
        ] {
            assert_eq!(name_on_github(origin).as_deref(), name, "{origin}");
        }
    }

    #[test]
    fn a_label_is_one_that_people_set() {
        assert_eq!((label("agentd"), label("ready for work")), (Ok(()), Ok(())));
        assert_eq!(label(" "), Err("it must not be empty".into()));
        assert!(label(&"x".repeat(51)).unwrap_err().ends_with("lets a label be: 50 characters"));
        assert!(label("Agentd:Blocked").unwrap_err().ends_with("it would ask itself for work"));
    }

    #[test]
    fn folders_and_names_are_told_apart() {
        assert_eq!(place("acme/api"), Ok(Place::GitHub("acme/api".into())));
        assert_eq!(place("acme/web-*"), Ok(Place::GitHub("acme/web-*".into())));
        assert!(matches!(place("/"), Ok(Place::Folder(..))));
        let missing = "there is no folder ./no-such: No such file or directory (os error 2)";
        assert_eq!(place("./no-such"), Err(missing.into()));
        let neither = "\"api\" is neither a folder nor a repository on GitHub, which looks like acme/api";
        assert_eq!(place("api"), Err(neither.into()));
    }
}
