//! Where a query begins, and what repositories give by arguments.

use super::object;
use super::run::Run;
use crate::api::search;
use crate::auth;
use crate::limit::Resource;
use serde_json::{Map, Value, json};

/// None: the fake does not have that field.
pub(super) fn query(run: &mut Run<'_>, field: &str, arguments: &Map<String, Value>) -> Option<Value> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let value = match field {
        "viewer" => object::person(run.state, run.actor.login()),
        "user" | "organization" => match run.state.person(text("login")).map(|it| it.login.clone()) {
            Some(login) => object::person(run.state, &login),
            None => {
                run.error("NOT_FOUND", &format!("Could not resolve to a User with the login of '{}'.", text("login")))
            }
        },
        "repository" => {
            let full_name = format!("{}/{}", text("owner"), text("name"));
            let known = run.state.named(&full_name).map(|it| it.id);
            // A name that it had before leads to the repository, too, unless the query says otherwise.
            let follow = arguments.get("followRenames") != Some(&json!(false));
            let known = known.or_else(|| run.state.renamed.get(&full_name.to_lowercase()).copied().filter(|_| follow));
            let seen = known.filter(|id| run.actor.sees(run.state.repo(*id)));
            match seen {
                Some(id) => object::repository(run.state, run.actor, id),
                None => {
                    let message = format!("Could not resolve to a Repository with the name '{full_name}'.");
                    run.error("NOT_FOUND", &message)
                }
            }
        }
        "node" => json!({ "@id": text("id") }),
        "nodes" => {
            let ids = arguments.get("ids").and_then(Value::as_array);
            ids.into_iter().flatten().map(|id| json!({ "@id": id })).collect()
        }
        "search" => found(run, text("query"), text("type"))?,
        "rateLimit" => {
            let now = run.state.now();
            let window = *run.shared.limits().window(&run.actor.account(), Resource::Graphql, now);
            json!({
                "__typename": "RateLimit", "cost": 1, "limit": window.limit, "used": window.used, "nodeCount": 1,
                "remaining": window.limit.saturating_sub(window.used), "resetAt": crate::clock::text(window.reset),
            })
        }
        _ => return None,
    };
    Some(value)
}

fn found(run: &mut Run<'_>, query: &str, kind: &str) -> Option<Value> {
    if kind != "ISSUE" && kind != "ISSUE_ADVANCED" {
        return None;
    }
    let terms = match search::parse(query) {
        Ok(terms) => terms,
        Err(text) => return Some(run.error("INVALID", &text)),
    };
    let mut threads = Vec::new();
    for repo in run.state.repositories.values().filter(|it| run.actor.sees(it)) {
        let fitting = repo.threads.values().filter(|it| search::fits(&terms, repo, it));
        threads.extend(fitting.map(|it| (it.created_at, object::id_of(it))));
    }
    threads.sort();
    let all: Vec<Value> = threads.into_iter().rev().map(|(_, id)| json!({ "@id": id })).collect();
    Some(json!({ "@list": all, "@type": "SearchResultItem" }))
}

/// Fields of a repository that depend on arguments.
pub(super) fn of_repository(
    run: &mut Run<'_>,
    object: &Value,
    field: &str,
    arguments: &Map<String, Value>,
) -> Option<Value> {
    let id = object.get("@repository")?.as_u64()?;
    let number = || arguments.get("number").and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
    let repo = run.state.repo(id);
    let listed = |pulls: bool| {
        let states = arguments.get("states").and_then(Value::as_array);
        let fits = |it: &&crate::state::thread::Thread| {
            it.pull.is_some() == pulls
                && states.is_none_or(|all| all.iter().any(|state| state == object::state_word(it)))
        };
        let all: Vec<Value> =
            repo.threads.values().filter(fits).map(|it| json!({ "@id": object::id_of(it) })).collect();
        json!({ "@list": all, "@type": if pulls { "PullRequest" } else { "Issue" } })
    };
    match field {
        "issue" | "pullRequest" | "issueOrPullRequest" => {
            let number = number()?;
            let fits = |it: &&crate::state::thread::Thread| match field {
                "issue" => it.pull.is_none(),
                "pullRequest" => it.pull.is_some(),
                _ => true,
            };
            let found = repo.threads.get(&number).filter(fits).map(object::id_of);
            Some(match found {
                Some(id) => json!({ "@id": id }),
                None => {
                    let message =
                        format!("Could not resolve to an Issue or a PullRequest with the number of {number}.");
                    run.error("NOT_FOUND", &message)
                }
            })
        }
        "issues" => Some(listed(false)),
        "pullRequests" => Some(listed(true)),
        "label" => {
            let name = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
            Some(repo.label(name).map(object::label).unwrap_or_default())
        }
        "ref" => {
            let name = arguments.get("qualifiedName").and_then(Value::as_str).unwrap_or_default();
            let full = if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") };
            let target = repo.git.ref_target(&full);
            Some(target.map(|(sha, _)| object::reference(&full, &sha)).unwrap_or_default())
        }
        _ => None,
    }
}

/// Whether the one who asks may change pull requests there.
pub(super) fn may_change(run: &Run<'_>, repo: u64) -> bool {
    let needs = auth::write(&["pull_requests"], crate::state::right::Right::Write);
    run.actor.may(run.state.repo(repo), &needs).is_ok()
}
