//! The repository itself: its settings, branches, files, forks.

use super::{Call, Route, route};
use crate::auth::{ANYBODY, Actor, read, write};
use crate::message::{Answer, Outcome};
use crate::state::right::Right;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}", read(&["metadata"]), get),
    route("GET", "/repos/{owner}/{repo}/installation", ANYBODY, installation),
    route("GET", "/repos/{owner}/{repo}/branches", read(&["contents"]), branches),
    route("GET", "/repos/{owner}/{repo}/branches/{branch}", read(&["contents"]), branch),
    route("GET", "/repos/{owner}/{repo}/forks", read(&["metadata"]), forks),
    route("POST", "/repos/{owner}/{repo}/forks", read(&["metadata"]), fork),
    route("GET", "/repos/{owner}/{repo}/contents/{path}", read(&["contents"]), contents),
    route("GET", "/repos/{owner}/{repo}/milestones", read(&["issues", "pull_requests"]), milestones),
    route("GET", "/repos/{owner}/{repo}/actions/permissions/workflow", read(&["administration"]), workflow),
    route("PUT", "/repos/{owner}/{repo}/actions/permissions/workflow", ADMIN, set_workflow),
];

const ADMIN: crate::auth::Needs = write(&["administration"], Right::Admin);

fn get(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::ok(call.render().full_repository(call.repo(), Some(&call.actor))))
}

fn installation(call: &mut Call<'_>) -> Outcome {
    super::app::of_repository(call, &call.repo().full_name())
}

fn branches(call: &mut Call<'_>) -> Outcome {
    let all: Vec<(String, String)> = call.repo().git.branches().into_iter().collect();
    Ok(call.page(&all, |(name, commit)| short_branch(call, name, commit)))
}

fn short_branch(call: &Call<'_>, name: &str, commit: &str) -> Value {
    let url = format!("{}/repos/{}/commits/{commit}", call.state.api(), call.repo().full_name());
    let protected = call.repo().refuses(&format!("refs/heads/{name}")).is_some();
    json!({ "name": name, "commit": { "sha": commit, "url": url }, "protected": protected })
}

fn branch(call: &mut Call<'_>) -> Outcome {
    let name = call.value("branch");
    let missing = || Answer::error(404, "Branch not found");
    let tip = call.repo().git.branches().get(name).cloned().ok_or_else(missing)?;
    let commit = call.repo().git.commit(&tip).ok_or_else(missing)?;
    let url = format!("{}/repos/{}/branches/{name}", call.state.api(), call.repo().full_name());
    let mut value = short_branch(call, name, &tip);
    value["commit"] = call.render().commit(call.repo, &commit);
    value["_links"] = json!({ "self": url, "html": url });
    value["protection"] = json!({ "enabled": value["protected"] });
    value["protection_url"] = json!(format!("{url}/protection"));
    Ok(Answer::ok(value))
}

fn forks(call: &mut Call<'_>) -> Outcome {
    let all: Vec<u64> =
        call.state.repositories.values().filter(|it| it.fork_of == Some(call.repo)).map(|it| it.id).collect();
    Ok(call.page(&all, |id| call.render().repository(call.state.repo(*id), Some(&call.actor))))
}

fn fork(call: &mut Call<'_>) -> Outcome {
    if call.actor.is_installation() {
        return Err(Answer::error(403, "Resource not accessible by integration"));
    }
    // It would need the right to administrate the account that the fork shall belong to.
    if call.actor.is_fine_grained() {
        return Err(Answer::error(403, "Resource not accessible by personal access token"));
    }
    let owner = call.text("organization").unwrap_or_else(|| call.login());
    let id = call.state.add_fork(call.repo, &owner);
    let value = call.render().full_repository(call.state.repo(id), Some(&call.actor));
    Ok(Answer::new(202, value))
}

fn contents(call: &mut Call<'_>) -> Outcome {
    let path = call.value("path").trim_end_matches('/').to_owned();
    let name = call.query("ref").unwrap_or(&call.repo().default_branch).to_owned();
    let git = &call.repo().git;
    let missing = || Answer::error(404, &format!("No commit found for the ref {name}"));
    let commit = git.commit_of(&name).ok_or_else(missing)?;
    let (folder, last) = path.rsplit_once('/').unwrap_or(("", &path));
    let entries = git.list(&format!("{commit}:{folder}"), false).ok_or_else(Answer::not_found)?;
    let entry = entries.into_iter().find(|it| it.path == last).ok_or_else(Answer::not_found)?;
    if entry.kind == "tree" {
        let all = git.list(&format!("{commit}:{path}"), false).unwrap_or_default();
        let below = all.iter().map(|it| call.render().content(call.repo, &name, it, &format!("{path}/{}", it.path)));
        return Ok(Answer::ok(below.collect()));
    }
    let bytes = git.blob(&entry.sha);
    if call.request.header("accept").is_some_and(|it| it.contains("raw")) {
        return Ok(Answer::text("application/vnd.github.raw; charset=utf-8", bytes));
    }
    let mut value = call.render().content(call.repo, &name, &entry, &path);
    value["content"] = json!(format!("{}\n", BASE64_STANDARD.encode(bytes)));
    value["encoding"] = json!("base64");
    Ok(Answer::ok(value))
}

fn milestones(call: &mut Call<'_>) -> Outcome {
    let all = &call.repo().milestones;
    Ok(call.page(all, |it| call.render().milestone(call.repo, it)))
}

fn workflow(call: &mut Call<'_>) -> Outcome {
    if !matches!(call.actor, Actor::Token(_)) || call.right() < Right::Admin {
        return Err(Answer::error(403, "Resource not accessible by personal access token"));
    }
    let word = if call.repo().workflows_write { "write" } else { "read" };
    let value = json!({ "default_workflow_permissions": word, "can_approve_pull_request_reviews": false });
    Ok(Answer::ok(value))
}

fn set_workflow(call: &mut Call<'_>) -> Outcome {
    if let Some(word) = call.text("default_workflow_permissions") {
        let repo = call.repo;
        call.state.repo_mut(repo).workflows_write = word == "write";
    }
    Ok(Answer::nothing())
}
