//! Who works in a repository, and with which right.

use super::{Call, Route, route};
use crate::auth::{read, write};
use crate::message::{Answer, Outcome};
use crate::state::person::Kind;
use crate::state::right::Right;
use serde_json::json;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}/assignees", read(&["metadata"]), assignees),
    route("GET", "/repos/{owner}/{repo}/assignees/{assignee}", read(&["metadata"]), assignee),
    route("GET", "/repos/{owner}/{repo}/collaborators", read(&["metadata"]), collaborators),
    route("GET", "/repos/{owner}/{repo}/collaborators/{username}", read(&["metadata"]), collaborator),
    route("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission", read(&["metadata"]), permission),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/assignees", TRIAGE, assign),
    route("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/assignees", TRIAGE, unassign),
];

const TRIAGE: crate::auth::Needs = write(&["issues", "pull_requests"], Right::Triage);

/// Bots cannot be assigned, nor who may not even comment here.
pub(super) fn assignable(call: &Call<'_>, login: &str) -> bool {
    let person = call.state.person(login).is_some_and(|it| it.kind == Kind::User);
    let repo = call.repo();
    let known = repo.rights.get(&login.to_lowercase()).is_some_and(|(right, _)| *right >= Right::Read);
    let took_part = repo.threads.values().any(|it| it.author.eq_ignore_ascii_case(login));
    person && (known || took_part || repo.owner.eq_ignore_ascii_case(login))
}

fn assignees(call: &mut Call<'_>) -> Outcome {
    let people = call.state.people.iter().filter(|it| assignable(call, &it.login));
    let all: Vec<String> = people.map(|it| it.login.clone()).collect();
    Ok(call.page(&all, |login| call.render().user(login)))
}

fn assignee(call: &mut Call<'_>) -> Outcome {
    let fine = assignable(call, call.value("assignee"));
    if fine { Ok(Answer::nothing()) } else { Err(Answer::not_found()) }
}

fn collaborators(call: &mut Call<'_>) -> Outcome {
    super::account::at_least(call, Right::Write)?;
    let repo = call.repo();
    let people = call.state.people.iter().filter(|it| it.kind == Kind::User);
    let given = people
        .filter(|it| repo.rights.contains_key(&it.login.to_lowercase()) || repo.owner.eq_ignore_ascii_case(&it.login));
    let all: Vec<String> = given.map(|it| it.login.clone()).collect();
    Ok(call.page(&all, |login| with_role(call, login)))
}

fn with_role(call: &Call<'_>, login: &str) -> serde_json::Value {
    let repo = call.repo();
    let right = repo.right(login);
    let has = |least: Right| right >= least;
    let mut value = call.render().user(login);
    value["role_name"] = json!(repo.role(login));
    value["permissions"] = json!({
        "admin": has(Right::Admin), "maintain": has(Right::Maintain), "push": has(Right::Write),
        "triage": has(Right::Triage), "pull": has(Right::Read),
    });
    value
}

fn collaborator(call: &mut Call<'_>) -> Outcome {
    super::account::at_least(call, Right::Write)?;
    let login = call.value("username");
    let repo = call.repo();
    let known = repo.rights.contains_key(&login.to_lowercase()) || repo.owner.eq_ignore_ascii_case(login);
    if known { Ok(Answer::nothing()) } else { Err(Answer::not_found()) }
}

fn permission(call: &mut Call<'_>) -> Outcome {
    if super::account::at_least(call, Right::Write).is_err() {
        return Err(Answer::error(403, "Must have push access to view collaborator permission."));
    }
    let login = call.state.person(call.value("username")).ok_or_else(Answer::not_found)?.login.clone();
    let right = call.repo().right(&login);
    let role = call.repo().role(&login);
    let role = if role.is_empty() { "none".to_owned() } else { role };
    let user = with_role(call, &login);
    Ok(Answer::ok(json!({ "permission": right.permission(), "role_name": role, "user": user })))
}

fn assign(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let actor = call.login();
    for login in call.texts("assignees").unwrap_or_default() {
        // Whom it may not assign, GitHub leaves out without a word.
        if assignable(call, &login) {
            let login = call.state.person(&login).map(|it| it.login.clone()).unwrap_or(login);
            call.state.assign(call.repo, number, &actor, &login);
        }
    }
    Ok(Answer::created(call.render().issue(call.repo, call.thread("issue_number")?)))
}

fn unassign(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let actor = call.login();
    for login in call.texts("assignees").unwrap_or_default() {
        call.state.unassign(call.repo, number, &actor, &login);
    }
    Ok(Answer::ok(call.render().issue(call.repo, call.thread("issue_number")?)))
}
