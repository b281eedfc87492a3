//! The search for issues and pull requests, with the qualifiers that a program needs.
//!
//! A qualifier that is not known here is a violation rather than a search that finds too much.

use super::{Call, Route, route};
use crate::auth::ANYBODY;
use crate::clock;
use crate::message::{Answer, Outcome};
use crate::render::labels;
use crate::state::repository::Repo;
use crate::state::thread::Thread;
use serde_json::json;

pub(super) const ROUTES: &[Route] = &[route("GET", "/search/issues", ANYBODY, issues)];

fn issues(call: &mut Call<'_>) -> Outcome {
    let query = call.query("q").unwrap_or_default().to_owned();
    let terms = parse(&query).map_err(|text| {
        call.shared.journal.violation(format!("GET /search/issues: {text} in {query:?}"));
        Answer::invalid("Search", "q", "invalid", &text)
    })?;
    let scoped = terms.iter().filter(|it| ["repo", "org", "user"].contains(&it.key.as_str()));
    if scoped.clone().count() > 0 && !scoped.clone().any(|it| visible(call, it)) {
        let message = "The listed users and repositories cannot be searched either because the resources do not exist \
                       or you do not have permission to view them.";
        return Err(Answer::invalid("Search", "q", "invalid", message));
    }
    let mut found: Vec<(u64, &Thread)> = Vec::new();
    for repo in call.state.repositories.values().filter(|it| call.actor.sees(it)) {
        found.extend(repo.threads.values().filter(|it| fits(&terms, repo, it)).map(|it| (repo.id, it)));
    }
    match call.query("sort") {
        Some("updated") => found.sort_by_key(|(_, it)| (it.updated_at, it.id)),
        _ => found.sort_by_key(|(_, it)| (it.created_at, it.id)),
    }
    if call.query("order").unwrap_or("desc") == "desc" {
        found.reverse();
    }
    // GitHub shows no more than the first thousand.
    found.truncate(1000);
    let (slice, link) = call.slice(&found);
    let item = |(repo, thread): &(u64, &Thread)| {
        let mut value = call.render().issue(*repo, thread);
        value["score"] = json!(1.0);
        if let Some(value) = value.as_object_mut() {
            value.remove("closed_by");
        }
        value
    };
    let items: Vec<_> = slice.iter().map(item).collect();
    let answer = Answer::ok(
        json!({ "total_count": found.len(), "incomplete_results": false, "items": items, "search_type": "lexical" }),
    );
    Ok(match link {
        Some(link) => answer.header("link", link),
        None => answer,
    })
}

/// One part of a query: `label:"a b"`, `-label:x`, or a plain word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    not: bool,
    /// Empty for a plain word.
    key: String,
    value: String,
}

const KEYS: [&str; 16] = [
    "repo",
    "org",
    "user",
    "is",
    "type",
    "state",
    "label",
    "assignee",
    "author",
    "milestone",
    "no",
    "updated",
    "created",
    "in",
    "head",
    "base",
];

pub(crate) fn parse(query: &str) -> Result<Vec<Term>, String> {
    let mut terms = Vec::new();
    let mut rest = query.trim();
    while !rest.is_empty() {
        let mut quoted = false;
        let end = rest.find(|it: char| {
            quoted ^= it == '"';
            it.is_whitespace() && !quoted
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.trim_start();
        let (not, word) = word.strip_prefix('-').map_or((false, word), |word| (true, word));
        let term = match word.split_once(':') {
            Some((key, value)) if KEYS.contains(&key) => {
                Term { not, key: key.to_owned(), value: value.replace('"', "") }
            }
            Some((key, _)) => return Err(format!("the fake does not know the qualifier `{key}`")),
            None => Term { not, key: String::new(), value: word.replace('"', "") },
        };
        terms.push(term);
    }
    Ok(terms)
}

fn visible(call: &Call<'_>, term: &Term) -> bool {
    match term.key.as_str() {
        "repo" => call.state.named(&term.value).is_some_and(|it| call.actor.sees(it)),
        _ => call.state.person(&term.value).is_some(),
    }
}

/// Whether all terms hold; of several repositories and owners one must.
pub(crate) fn fits(terms: &[Term], repo: &Repo, thread: &Thread) -> bool {
    let (places, others): (Vec<&Term>, Vec<&Term>) =
        terms.iter().partition(|it| ["repo", "org", "user"].contains(&it.key.as_str()));
    let here = |it: &Term| match it.key.as_str() {
        "repo" => repo.full_name().eq_ignore_ascii_case(&it.value),
        _ => repo.owner.eq_ignore_ascii_case(&it.value),
    };
    let (unwanted, wanted): (Vec<&Term>, Vec<&Term>) = places.into_iter().partition(|it| it.not);
    (wanted.is_empty() || wanted.into_iter().any(here))
        && !unwanted.into_iter().any(here)
        && others.into_iter().all(|it| holds(it, repo, thread) != it.not)
}

fn holds(term: &Term, repo: &Repo, thread: &Thread) -> bool {
    let value = term.value.as_str();
    let within = |at: i64| {
        let (later, date) = match value.strip_prefix(">=").or_else(|| value.strip_prefix('>')) {
            Some(date) => (true, date),
            None => (false, value.strip_prefix("<=").or_else(|| value.strip_prefix('<')).unwrap_or(value)),
        };
        let (at, date) = (at.div_euclid(1000), clock::parse(date).unwrap_or(0).div_euclid(1000));
        if later { at >= date } else { at <= date }
    };
    match term.key.as_str() {
        "is" | "type" | "state" => match value {
            "issue" => thread.pull.is_none(),
            "pr" | "pull-request" => thread.pull.is_some(),
            "open" => thread.open,
            "closed" => !thread.open,
            "merged" => thread.pull.as_ref().is_some_and(|it| it.merged.is_some()),
            "draft" => thread.pull.as_ref().is_some_and(|it| it.draft),
            "private" => repo.private,
            "public" => !repo.private,
            _ => false,
        },
        // Several labels after one colon are alternatives.
        "label" => {
            let names = labels(repo, thread);
            value.split(',').any(|wanted| names.iter().any(|it| it.name.eq_ignore_ascii_case(wanted)))
        }
        "assignee" if value == "*" => !thread.assignees.is_empty(),
        "assignee" => thread.assignees.iter().any(|it| it.eq_ignore_ascii_case(value)),
        "author" => thread.author.eq_ignore_ascii_case(value),
        "milestone" => {
            let title = repo.milestones.iter().find(|it| Some(it.number) == thread.milestone).map(|it| &it.title);
            title.is_some_and(|it| value == "*" || it.eq_ignore_ascii_case(value))
        }
        "no" => match value {
            "assignee" => thread.assignees.is_empty(),
            "milestone" => thread.milestone.is_none(),
            "label" => thread.labels.is_empty(),
            _ => false,
        },
        "updated" => within(thread.updated_at),
        "created" => within(thread.created_at),
        "head" => thread.pull.as_ref().is_some_and(|it| it.head_branch == value),
        "base" => thread.pull.as_ref().is_some_and(|it| it.base_branch == value),
        "in" => true,
        _ => {
            let text = format!("{}\n{}", thread.title, thread.body.as_deref().unwrap_or_default()).to_lowercase();
            text.contains(&value.to_lowercase())
        }
    }
}
