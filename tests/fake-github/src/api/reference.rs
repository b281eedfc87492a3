//! Git's own objects: refs, commits, trees, blobs.

use super::{Call, Route, route};
use crate::auth::{read, write};
use crate::git::Signature;
use crate::message::{Answer, Outcome};
use crate::state::right::Right;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}/git/ref/{ref}", read(&["contents"]), get),
    route("GET", "/repos/{owner}/{repo}/git/matching-refs/{ref}", read(&["contents"]), matching),
    route("POST", "/repos/{owner}/{repo}/git/refs", CONTENTS, create),
    route("PATCH", "/repos/{owner}/{repo}/git/refs/{ref}", CONTENTS, update),
    route("DELETE", "/repos/{owner}/{repo}/git/refs/{ref}", CONTENTS, delete),
    route("GET", "/repos/{owner}/{repo}/git/commits/{commit_sha}", read(&["contents"]), commit),
    route("POST", "/repos/{owner}/{repo}/git/commits", CONTENTS, create_commit),
    route("GET", "/repos/{owner}/{repo}/git/trees/{tree_sha}", read(&["contents"]), tree),
    route("GET", "/repos/{owner}/{repo}/git/blobs/{file_sha}", read(&["contents"]), blob),
];

const CONTENTS: crate::auth::Needs = write(&["contents"], Right::Write);

fn get(call: &mut Call<'_>) -> Outcome {
    let name = format!("refs/{}", call.value("ref"));
    let (object, kind) = call.repo().git.ref_target(&name).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(call.render().reference(call.repo, &name, &object, &kind)))
}

fn matching(call: &mut Call<'_>) -> Outcome {
    let all = call.repo().git.refs(&format!("refs/{}", call.value("ref")));
    Ok(call.page(&all, |(name, object, kind)| call.render().reference(call.repo, name, object, kind)))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let name = call.text("ref").unwrap_or_default();
    let object = call.text("sha").unwrap_or_default();
    let git = call.repo().git.clone();
    if !name.starts_with("refs/") || name.matches('/').count() < 2 || !git.valid_ref(&name) {
        return Err(Answer::error(422, "Reference name must contain at least three slash-separated components."));
    }
    refused(call, &name)?;
    let kind = git.kind(&object).ok_or_else(|| Answer::error(422, "Object does not exist"))?;
    if git.ref_target(&name).is_some() {
        return Err(Answer::error(422, "Reference already exists"));
    }
    check_workflows(call, &object)?;
    git.set_ref(&name, &object);
    let actor = call.login();
    call.state.refs_changed(call.repo, &actor);
    Ok(Answer::created(call.render().reference(call.repo, &name, &object, &kind)))
}

fn update(call: &mut Call<'_>) -> Outcome {
    let name = format!("refs/{}", call.value("ref"));
    let object = call.text("sha").unwrap_or_default();
    let git = call.repo().git.clone();
    let missing = || Answer::error(422, "Reference does not exist");
    let (before, _) = git.ref_target(&name).ok_or_else(missing)?;
    refused(call, &name)?;
    let kind = git.kind(&object).ok_or_else(|| Answer::error(422, "Object does not exist"))?;
    if call.body["force"] != true && !git.is_ancestor(&before, &object) {
        return Err(Answer::error(422, "Update is not a fast forward"));
    }
    check_workflows(call, &object)?;
    git.set_ref(&name, &object);
    let actor = call.login();
    call.state.refs_changed(call.repo, &actor);
    Ok(Answer::ok(call.render().reference(call.repo, &name, &object, &kind)))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let name = format!("refs/{}", call.value("ref"));
    let git = call.repo().git.clone();
    git.ref_target(&name).ok_or_else(|| Answer::error(422, "Reference does not exist"))?;
    refused(call, &name)?;
    if name == format!("refs/heads/{}", call.repo().default_branch) {
        return Err(Answer::error(422, "Cannot delete the default branch"));
    }
    git.delete_ref(&name);
    let actor = call.login();
    call.state.refs_changed(call.repo, &actor);
    Ok(Answer::nothing())
}

fn refused(call: &Call<'_>, name: &str) -> Result<(), Answer> {
    match call.repo().refuses(name) {
        Some(message) => Err(Answer::error(422, &message)),
        None => Ok(()),
    }
}

/// A ref that brings or changes workflows needs the right for them, and a commit without parents brings all that it has.
fn check_workflows(call: &Call<'_>, object: &str) -> Result<(), Answer> {
    if call.actor.may_change_workflows() || call.repo().git.new_workflow(object).is_none() {
        return Ok(());
    }
    let who = if call.actor.is_installation() { "integration" } else { "personal access token" };
    Err(Answer::error(403, &format!("Resource not accessible by {who}")))
}

fn commit(call: &mut Call<'_>) -> Outcome {
    let sha = call.value("commit_sha");
    let git = &call.repo().git;
    let known = git.kind(sha).filter(|it| it == "commit").and_then(|_| git.commit(sha));
    Ok(Answer::ok(call.render().git_commit(call.repo, &known.ok_or_else(Answer::not_found)?)))
}

fn create_commit(call: &mut Call<'_>) -> Outcome {
    let git = call.repo().git.clone();
    let tree = call.text("tree").unwrap_or_default();
    if git.kind(&tree).as_deref() != Some("tree") {
        return Err(Answer::error(422, "Tree SHA does not exist"));
    }
    let parents = call.texts("parents").unwrap_or_default();
    if parents.iter().any(|it| git.kind(it).as_deref() != Some("commit")) {
        return Err(Answer::error(422, "Parent SHA does not exist or is not a commit object"));
    }
    let own = call.signature();
    let signature = |value: &Value| -> Signature {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let at = text("date").and_then(|it| crate::clock::parse(&it)).unwrap_or(own.at);
        Signature {
            name: text("name").unwrap_or_else(|| own.name.clone()),
            email: text("email").unwrap_or_else(|| own.email.clone()),
            at,
        }
    };
    let author = signature(&call.body["author"]);
    let committer = if call.body["committer"].is_null() { author.clone() } else { signature(&call.body["committer"]) };
    let message = call.text("message").unwrap_or_default();
    let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
    let sha = git.write_commit(&tree, &parents, &message, &author, &committer);
    let commit = git.commit(&sha).ok_or_else(Answer::not_found)?;
    Ok(Answer::created(call.render().git_commit(call.repo, &commit)))
}

fn tree(call: &mut Call<'_>) -> Outcome {
    let git = &call.repo().git;
    let name = call.value("tree_sha").to_owned();
    let object =
        git.kind(&name).map(|_| name.clone()).or_else(|| git.commit_of(&name)).ok_or_else(Answer::not_found)?;
    let entries = git.list(&object, call.query("recursive").is_some()).ok_or_else(Answer::not_found)?;
    let url = format!("{}/repos/{}/git", call.state.api(), call.repo().full_name());
    let entry = |it: &crate::git::Entry| {
        let mut value = json!({
            "path": it.path, "mode": it.mode, "type": it.kind, "sha": it.sha, "url": format!("{url}/{}s/{}", it.kind, it.sha),
        });
        if let Some(size) = it.size {
            value["size"] = json!(size);
        }
        value
    };
    let all: Vec<Value> = entries.iter().map(entry).collect();
    Ok(Answer::ok(json!({ "sha": object, "url": format!("{url}/trees/{object}"), "tree": all, "truncated": false })))
}

fn blob(call: &mut Call<'_>) -> Outcome {
    let sha = call.value("file_sha");
    let git = &call.repo().git;
    if git.kind(sha).as_deref() != Some("blob") {
        return Err(Answer::not_found());
    }
    let bytes = git.blob(sha);
    let url = format!("{}/repos/{}/git/blobs/{sha}", call.state.api(), call.repo().full_name());
    Ok(Answer::ok(json!({
        "sha": sha, "node_id": format!("B_{sha}"), "size": bytes.len(), "url": url, "encoding": "base64",
        "content": BASE64_STANDARD.encode(bytes),
    })))
}
