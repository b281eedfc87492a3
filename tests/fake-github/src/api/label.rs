//! Labels of a repository and of a thread.

use super::issue::{THREADS, set_labels};
use super::{Call, Route, route};
use crate::auth::{Needs, write};
use crate::message::{Answer, Outcome};
use crate::render::labels;
use crate::state::right::Right;
use serde_json::Value;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}/labels", THREADS, list),
    route("POST", "/repos/{owner}/{repo}/labels", OF_REPOSITORY, create),
    route("GET", "/repos/{owner}/{repo}/labels/{name}", THREADS, get),
    route("PATCH", "/repos/{owner}/{repo}/labels/{name}", OF_REPOSITORY, update),
    route("DELETE", "/repos/{owner}/{repo}/labels/{name}", OF_REPOSITORY, delete),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/labels", THREADS, of_thread),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/labels", OF_THREAD, add),
    route("PUT", "/repos/{owner}/{repo}/issues/{issue_number}/labels", OF_THREAD, set),
    route("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}", OF_THREAD, remove),
];

const OF_REPOSITORY: Needs = write(&["issues", "pull_requests"], Right::Write);
const OF_THREAD: Needs = write(&["issues", "pull_requests"], Right::Triage);

fn list(call: &mut Call<'_>) -> Outcome {
    let mut all = call.repo().labels.clone();
    all.sort_by_key(|it| it.name.to_lowercase());
    Ok(call.page(&all, |it| call.render().label(call.repo, it)))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let label = call.repo().label(call.value("name")).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(call.render().label(call.repo, label)))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let name = call.text("name").unwrap_or_default();
    let color = call.text("color").unwrap_or_else(|| "ededed".to_owned());
    check(&name, &color, call.text("description").as_deref())?;
    if !call.state.add_label(call.repo, &name, &color, call.text("description").as_deref()) {
        return Err(Answer::invalid("Label", "name", "already_exists", ""));
    }
    let label = call.repo().label(&name).ok_or_else(Answer::not_found)?;
    Ok(Answer::created(call.render().label(call.repo, label)))
}

fn check(name: &str, color: &str, description: Option<&str>) -> Result<(), Answer> {
    if name.is_empty() || name.chars().count() > 50 {
        return Err(Answer::invalid("Label", "name", "invalid", ""));
    }
    if color.len() != 6 || !color.chars().all(|it| it.is_ascii_hexdigit()) {
        return Err(Answer::invalid("Label", "color", "invalid", ""));
    }
    match description {
        Some(text) if text.chars().count() > 100 => Err(Answer::invalid("Label", "description", "too_long", "")),
        _ => Ok(()),
    }
}

fn update(call: &mut Call<'_>) -> Outcome {
    let id = call.repo().label(call.value("name")).ok_or_else(Answer::not_found)?.id;
    let (name, color, description) = (call.text("new_name"), call.text("color"), call.text("description"));
    let repo = call.repo;
    let all = &mut call.state.repo_mut(repo).labels;
    let label = all.iter_mut().find(|it| it.id == id).ok_or_else(Answer::not_found)?;
    label.name = name.unwrap_or_else(|| label.name.clone());
    label.color = color.unwrap_or_else(|| label.color.clone());
    label.description = description.or_else(|| label.description.clone());
    let label = label.clone();
    Ok(Answer::ok(call.render().label(repo, &label)))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let id = call.repo().label(call.value("name")).ok_or_else(Answer::not_found)?.id;
    let repo = call.repo;
    let repo = call.state.repo_mut(repo);
    repo.labels.retain(|it| it.id != id);
    for thread in repo.threads.values_mut() {
        thread.labels.retain(|it| *it != id);
    }
    Ok(Answer::nothing())
}

fn shown(call: &Call<'_>) -> Outcome {
    let thread = call.thread("issue_number")?;
    let all: Vec<Value> = labels(call.repo(), thread).iter().map(|it| call.render().label(call.repo, it)).collect();
    Ok(Answer::ok(Value::Array(all)))
}

fn of_thread(call: &mut Call<'_>) -> Outcome {
    let all = labels(call.repo(), call.thread("issue_number")?);
    Ok(call.page(&all, |it| call.render().label(call.repo, it)))
}

/// `{"labels": […]}`, or the list alone.
fn named(call: &Call<'_>) -> Vec<String> {
    let list = if call.body["labels"].is_null() { &call.body } else { &call.body["labels"] };
    super::call::texts(list).unwrap_or_default()
}

fn add(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let actor = call.login();
    for name in named(call) {
        call.state.add_thread_label(call.repo, number, &actor, &name);
    }
    shown(call)
}

fn set(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let (actor, names) = (call.login(), named(call));
    set_labels(call.state, call.repo, number, &actor, &names);
    shown(call)
}

fn remove(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let (actor, name) = (call.login(), call.value("name").to_owned());
    if !call.state.remove_thread_label(call.repo, number, &actor, &name) {
        return Err(Answer::error(404, "Label does not exist"));
    }
    shown(call)
}
