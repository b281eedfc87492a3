//! `[github]`: whom agentd works as on GitHub, and which repositories there are its business.
//!
//! - Nothing outside `repositories` is read or written: [`Config::is_mine`] is the one answer to that.
//! - A variable alone, as `$GITHUB_TOKEN`, opens nothing: who has the section wants it.
//! - Never asks GitHub anything: which repositories a glob finds is known at the start, to [`Config::take_found`].

use super::{
    Config, Repository,
    problem::At,
    secret::Secret,
    section::{Bad, Section, list},
    tree::{Node, Value},
    value,
};
use globset::GlobBuilder;
use serde_json::json;
use std::collections::BTreeSet;

const AUTHS: [&str; 2] = ["token", "app"];
/// The page address that needs no saying.
const PUBLIC: &str = "https://github.com";

/// GitHub, or a GitHub Enterprise Server.
#[derive(Clone, Debug)]
pub(crate) struct GitHub {
    pub(crate) auth: GitHubAuth,
    /// What people open in the browser, without a path or a slash at its end; none: github.com.
    pub(crate) url: Option<String>,
    /// `owner/name` or `owner/GLOB`; those that have a section of their own are among them.
    pub(crate) repositories: Vec<String>,
}

/// Whom agentd works as.
#[derive(Clone, Debug)]
pub(crate) enum GitHubAuth {
    Token(Secret),
    /// A GitHub App: its number, and its private key as PEM.
    App {
        id: u64,
        key: Secret,
    },
}

/// What `[github]` says, as far as it is right.
pub(super) struct Written {
    /// The files have the section, whatever is in it.
    pub(super) present: bool,
    /// agentd works as a GitHub App.
    pub(super) app: bool,
    auth: Option<GitHubAuth>,
    url: Option<String>,
    /// With the place of each.
    repositories: Vec<(String, At)>,
}

impl Written {
    pub(super) fn read(root: &mut Section<'_, '_>) -> Written {
        let present = root.has("github");
        root.section("github", |section| {
            let auth = if present { auth(section) } else { None };
            let app = section.has("app");
            let url = section.value("url", None, |_, node| url(node), |it| json!(it));
            let mut places = Vec::new();
            let shown = |it: &Vec<String>| json!(it);
            let read = |_: &mut _, node: &Node| repositories(node, &mut places);
            let names = section.value("repositories", Vec::new(), read, shown);
            let repositories = names.into_iter().zip(places).collect();
            Written { present, app, auth, url, repositories }
        })
    }

    /// Those that are named without a glob, each once.
    pub(super) fn named(&self) -> Vec<(String, At)> {
        let mut named: Vec<(String, At)> = Vec::new();
        for (name, at) in self.repositories.iter().filter(|(it, _)| !is_glob(it)) {
            if !named.iter().any(|(it, _)| it.eq_ignore_ascii_case(name)) {
                named.push((name.clone(), *at));
            }
        }
        named
    }

    /// With the repositories on GitHub that have sections of their own.
    pub(super) fn finish<'c>(self, configured: impl Iterator<Item = &'c Repository>) -> Option<GitHub> {
        let mut repositories: Vec<_> = self.repositories.into_iter().map(|(it, _)| it).collect();
        for repository in configured.filter(|it| it.on_github()) {
            if !repositories.iter().any(|it| it.eq_ignore_ascii_case(&repository.id)) {
                repositories.push(repository.id.clone());
            }
        }
        Some(GitHub { auth: self.auth?, url: self.url, repositories })
    }
}

impl Config {
    /// Whether a repository on GitHub, `owner/name` in any case, is one that agentd may read and write.
    #[must_use]
    pub(crate) fn is_mine(&self, name: &str) -> bool {
        let Some(github) = &self.github else { return false };
        // An id that stands for a folder of this machine means that, whatever globs say.
        let elsewhere = |it: &Repository| !it.on_github() && it.id.eq_ignore_ascii_case(name);
        value::repository_on_github(name).is_ok()
            && github.repositories.iter().any(|it| matches(it, name))
            && !self.repositories.values().any(elsewhere)
    }

    /// The owners whose repositories have to be listed, since a glob names some of them.
    #[must_use]
    pub(crate) fn owners_with_globs(&self) -> BTreeSet<String> {
        let globs = self.github.iter().flat_map(|it| &it.repositories).filter(|it| is_glob(it));
        globs.filter_map(|it| Some(it.split_once('/')?.0.to_lowercase())).collect()
    }

    /// Adds those of the found repositories that globs of `[github] repositories` name, as `[repositories.default]`
    /// says; what is configured already stays as it is.
    pub(crate) fn take_found(&mut self, found: impl IntoIterator<Item = String>) {
        for id in found {
            let known = self.repositories.keys().any(|it| it.eq_ignore_ascii_case(&id));
            if !known && self.is_mine(&id) {
                let repository = Repository { id: id.clone(), ..self.repository_defaults.clone() };
                self.repositories.insert(id, repository);
            }
        }
    }

    /// Ids of the repositories that one of the globs names, and of all if there is no glob.
    #[must_use]
    pub(crate) fn repositories_of(&self, globs: &[String]) -> Vec<String> {
        let named = |id: &&String| globs.is_empty() || globs.iter().any(|glob| matches(glob, id));
        self.repositories.keys().filter(named).cloned().collect()
    }
}

fn auth(section: &mut Section<'_, '_>) -> Option<GitHubAuth> {
    let given: Vec<_> = AUTHS.into_iter().filter(|key| section.has(key)).collect();
    match given[..] {
        ["token"] => section.secret("token").map(GitHubAuth::Token),
        ["app"] => section.section("app", |inner| {
            let id = inner.number_if_any("id", 1..=u32::MAX);
            if !inner.has("id") {
                inner.missing("id", "is missing: say id = NUMBER, the App ID that its page on GitHub shows");
            }
            let key = inner.secret("key");
            if !inner.has("key") {
                inner.missing(
                    "key",
                    "is missing: say key = \"file:PATH\", the private key that GitHub made for the App",
                );
            }
            Some(GitHubAuth::App { id: id?.into(), key: key? })
        }),
        [] => {
            let what = "must have token = \"${GITHUB_TOKEN}\" or app = { id = NUMBER, key = \"file:PATH\" }: \
                        `agentd auth github` makes the section";
            section.problem_here(what);
            None
        }
        _ => {
            section.problem_here(format!("must have one of {}, has both", list(AUTHS.into_iter())));
            None
        }
    }
}

/// `https://github.acme.com`: without a path, and none for github.com.
fn url(node: &Node) -> Result<Option<String>, Vec<Bad>> {
    let bad = |what: String| vec![Bad(node.at, what)];
    let Value::Text(text) = &node.value else {
        return Err(bad(format!("must be a text, is {}", node.value.kind())));
    };
    let address = value::page_url(text).map_err(bad)?;
    Ok(Some(address).filter(|it| it != PUBLIC))
}

fn repositories(node: &Node, places: &mut Vec<At>) -> Result<Vec<String>, Vec<Bad>> {
    let Value::List(nodes) = &node.value else {
        return Err(vec![Bad(node.at, format!("must be a list of texts, is {}", node.value.kind()))]);
    };
    let (mut names, mut bad) = (Vec::new(), Vec::new());
    for node in nodes {
        let Value::Text(text) = &node.value else {
            bad.push(Bad(node.at, format!("must be a text, is {}", node.value.kind())));
            continue;
        };
        match repository_glob(text) {
            Ok(()) => {
                names.push(text.clone());
                places.push(node.at);
            }
            Err(what) => bad.push(Bad(node.at, what)),
        }
    }
    if bad.is_empty() { Ok(names) } else { Err(bad) }
}

/// `owner/name` or `owner/GLOB`.
pub(crate) fn repository_glob(text: &str) -> Result<(), String> {
    let shape = || format!("`{text}` is not a repository on GitHub, which looks like \"acme/api\" or \"acme/web-*\"");
    let (owner, name) = text.split_once('/').ok_or_else(shape)?;
    if is_glob(owner) {
        return Err(format!("`{text}`: the owner cannot be a glob; name each owner, as in \"acme/*\""));
    }
    // What a glob has besides letters stands for letters: with them it has to look like a repository.
    let plain = name.replace(['*', '?'], "x");
    value::repository_on_github(&format!("{owner}/{plain}")).map_err(|_| shape())
}

/// Whether it may name several repositories.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Whether a glob names the repository. GitHub takes names in any case.
pub(super) fn matches(glob: &str, id: &str) -> bool {
    let built = GlobBuilder::new(glob).case_insensitive(true).literal_separator(true).build();
    built.is_ok_and(|it| it.compile_matcher().is_match(id))
}

/// Whether one repository can be named by both. Of two globs that cannot be told before repositories are known, so those
/// of one owner meet.
pub(super) fn meet(one: &str, other: &str) -> bool {
    let owner = |it: &str| it.split_once('/').map(|(owner, _)| owner.to_lowercase());
    let globs = is_glob(one) && is_glob(other);
    matches(one, other) || matches(other, one) || (globs && owner(one) == owner(other))
}
