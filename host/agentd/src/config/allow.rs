//! `allow`: who may start work through a source.

use super::{
    Analyzer, Config, ExecutorKind, Source, github,
    section::{Bad, Section},
    tree::{Node, Value},
};
use agentd_forge::Right;
use agentd_run::Allow;
use agentd_task::Mode;
use serde_json::json;
use std::collections::BTreeSet;

/// The sources that bring what anybody can write.
const OF_ANYBODY: [&str; 2] = ["github-issues", "github-commands"];
/// The analyzers whose findings have in them what anybody can write. Nobody asked for a finding, so there is nobody whose
/// right could be looked at.
const FINDINGS_OF_ANYBODY: [&str; 1] = ["stale-issues"];
/// The rights that not everybody has who can see a repository.
const RIGHTS: [Right; 4] = [Right::Triage, Right::Write, Right::Maintain, Right::Admin];

/// None: the source vouches for what it brings.
pub(super) fn read(section: &mut Section<'_, '_>, plugin: &str) -> Option<Allow> {
    let default = OF_ANYBODY.contains(&plugin).then_some(Allow::Right(Right::Write));
    let show = |it: &Option<Allow>| match it {
        None => json!(null),
        Some(Allow::Right(right)) => json!(right.as_str()),
        Some(Allow::People(people)) => json!(people),
    };
    section.value("allow", default, |_, node| allow(node).map(Some), show)
}

fn allow(node: &Node) -> Result<Allow, Vec<Bad>> {
    let bad = |what: String| vec![Bad(node.at, what)];
    match &node.value {
        Value::Text(text) => match text.parse::<Right>() {
            Ok(right) if RIGHTS.contains(&right) => Ok(Allow::Right(right)),
            Ok(right) => Err(bad(format!(
                "is {right}, and so anybody who sees the repository could start work: take {}",
                words()
            ))),
            Err(_) => Err(bad(format!("must be {}, or a list of people, is {text:?}", words()))),
        },
        Value::List(nodes) if nodes.is_empty() => {
            Err(bad("names nobody, and so no work could ever start: take the source out instead".into()))
        }
        Value::List(nodes) => {
            let (mut people, mut wrong) = (BTreeSet::new(), Vec::new());
            for node in nodes {
                match person(node) {
                    Ok(name) => _ = people.insert(name),
                    Err(what) => wrong.push(Bad(node.at, what)),
                }
            }
            if wrong.is_empty() { Ok(Allow::People(people)) } else { Err(wrong) }
        }
        other => Err(bad(format!("must be {}, or a list of people, is {}", words(), other.kind()))),
    }
}

/// As a source calls people: a login, or an id of a tracker's.
fn person(node: &Node) -> Result<String, String> {
    let Value::Text(text) = &node.value else {
        return Err(format!("must be the name of an account, is {}", node.value.kind()));
    };
    if let Some(name) = text.strip_prefix('@') {
        return Err(format!("`{text}`: write the account without the @, as in {name:?}"));
    }
    let fits = |it: char| !it.is_whitespace() && !it.is_control() && !matches!(it, '*' | '/' | ',');
    if text.is_empty() || !text.chars().all(fits) {
        return Err(format!("`{text}` is not the name of an account; each has to be named for itself"));
    }
    Ok(text.clone())
}

fn words() -> String {
    let words: Vec<_> = RIGHTS.iter().map(|it| it.as_str()).collect();
    let (last, first) = words.split_last().expect("there are rights");
    format!("{} or {last}", first.join(", "))
}

/// What strangers write reaches no agent without walls, and a right can be asked only where there is one who knows.
pub(super) fn refuse_unsafe_sources(root: &mut Section<'_, '_>, github: bool, config: &Config) {
    for (name, source) in &config.sources {
        if let Some((key, what)) = refusal(config, github, source) {
            root.problem_at(&["sources", name, key], what);
        }
    }
    for (name, analyzer) in &config.analyzers {
        if let Some((key, what)) = refusal_of_findings(config, analyzer) {
            root.problem_at(&["analyzers", name, key], what);
        }
    }
}

/// As [`refuse_unsafe_sources`], of a configuration that no file is: key and what is wrong.
pub(super) fn unsafe_sources(config: &Config) -> Vec<(String, String)> {
    let found = config.sources.iter().filter_map(|(name, source)| {
        let (key, what) = refusal(config, config.github.is_some(), source)?;
        Some((format!("sources.{name}.{key}"), what))
    });
    let findings = config.analyzers.iter().filter_map(|(name, analyzer)| {
        let (key, what) = refusal_of_findings(config, analyzer)?;
        Some((format!("analyzers.{name}.{key}"), what))
    });
    found.chain(findings).collect()
}

/// The key that is wrong, and why. `github`: the files have a `[github]`, whatever is in it.
fn refusal(config: &Config, github: bool, source: &Source) -> Option<(&'static str, String)> {
    match (OF_ANYBODY.contains(&source.plugin.as_str()), &source.allow) {
        (true, _) if !github => {
            Some(("plugin", "reads issues on GitHub, and there is no [github]: `agentd auth github` makes it".into()))
        }
        (false, Some(Allow::Right(_))) if !github => {
            let what = "is a right, which only GitHub knows of, and there is no [github]: name people instead";
            Some(("allow", what.into()))
        }
        (true, _) => {
            let all = on_github(config, &source.repositories);
            // A broken [github] names no repository, and has been named itself.
            if all.is_empty() && config.github.is_some() {
                return Some(("plugin", "reads issues on GitHub, and [github] repositories has none for it".into()));
            }
            without_walls(&all).map(|what| ("plugin", what))
        }
        (false, _) => None,
    }
}

/// The same of an analyzer.
fn refusal_of_findings(config: &Config, analyzer: &Analyzer) -> Option<(&'static str, String)> {
    if !FINDINGS_OF_ANYBODY.contains(&analyzer.plugin.as_str()) {
        return None;
    }
    if analyzer.mode == Mode::Auto {
        let what = "is auto, here or at the top, and its findings have in them what anybody can write: say \"propose\" or \
                    \"ask\", so that a person reads one before it starts";
        return Some(("mode", what.into()));
    }
    without_walls(&on_github(config, &analyzer.repositories)).map(|what| ("plugin", what))
}

/// What is wrong where an agent that has no walls would read what anybody can write.
fn without_walls(all: &[(&str, ExecutorKind)]) -> Option<String> {
    let local = all.iter().filter(|(_, executor)| *executor == ExecutorKind::Local);
    let open: Vec<&str> = local.map(|(id, _)| *id).collect();
    let what = "local, which has no walls: take executor = \"docker\"; to try one issue out, `agentd run --issue NUMBER` \
                works on it";
    (!open.is_empty())
        .then(|| format!("brings what anybody can write, and the executor of {} is {what}", open.join(", ")))
}

/// The repositories on GitHub, and globs of such, that one of `globs` may name, and where their agents run.
fn on_github<'c>(config: &'c Config, globs: &[String]) -> Vec<(&'c str, ExecutorKind)> {
    let named = |id: &str| globs.is_empty() || globs.iter().any(|it| github::meet(it, id));
    let configured = config.repositories.values().filter(|it| it.on_github());
    let configured = configured.map(|it| (it.id.as_str(), config.executor_of(it)));
    let found_later = config.github.iter().flat_map(|it| &it.repositories).filter(|it| github::is_glob(it));
    let found_later = found_later.map(|it| (it.as_str(), config.executor_of(&config.repository_defaults)));
    configured.chain(found_later).filter(|(id, _)| named(id)).collect()
}
