//! Apps: where they are installed, and the tokens that they get for it.

use super::{Call, Route, route};
use crate::auth::{ANYBODY, Actor, Grant, TOKEN_LASTS, Token};
use crate::clock;
use crate::message::{Answer, Outcome};
use crate::state::person::{App, Installation};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/app", ANYBODY, myself),
    route("GET", "/app/installations", ANYBODY, installations),
    route("GET", "/app/installations/{installation_id}", ANYBODY, installation),
    route("POST", "/app/installations/{installation_id}/access_tokens", ANYBODY, mint),
    route("GET", "/orgs/{org}/installation", ANYBODY, of_owner),
    route("GET", "/users/{username}/installation", ANYBODY, of_owner),
    route("GET", "/installation/repositories", ANYBODY, repositories),
    route("DELETE", "/installation/token", ANYBODY, revoke),
];

fn app<'a>(call: &'a Call<'_>) -> Result<&'a App, Answer> {
    let Actor::App(id) = call.actor else {
        return Err(Answer::error(401, "A JSON web token could not be decoded"));
    };
    call.state.apps.iter().find(|it| it.id == id).ok_or_else(Answer::not_found)
}

fn myself(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::ok(call.render().app(app(call)?)))
}

fn installations(call: &mut Call<'_>) -> Outcome {
    let app = app(call)?;
    Ok(call.page(&app.installations, |it| call.render().installation(app, it)))
}

fn installation(call: &mut Call<'_>) -> Outcome {
    let id = call.number("installation_id");
    let app = app(call)?;
    let found = app.installations.iter().find(|it| it.id == id).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(call.render().installation(app, found)))
}

fn of_owner(call: &mut Call<'_>) -> Outcome {
    let owner = format!("{}{}", call.value("org"), call.value("username"));
    let app = app(call)?;
    let found = app.installations.iter().find(|it| it.account.eq_ignore_ascii_case(&owner));
    Ok(Answer::ok(call.render().installation(app, found.ok_or_else(Answer::not_found)?)))
}

/// `GET /repos/{owner}/{repo}/installation`, which an App asks as itself.
pub(super) fn of_repository(call: &Call<'_>, full_name: &str) -> Outcome {
    let app = app(call)?;
    let repo = call.state.named(full_name).ok_or_else(Answer::not_found)?;
    let found = app.installations.iter().find(|it| it.sees(repo.id, &repo.owner));
    Ok(Answer::ok(call.render().installation(app, found.ok_or_else(Answer::not_found)?)))
}

fn mint(call: &mut Call<'_>) -> Outcome {
    let id = call.number("installation_id");
    let app = app(call)?.clone();
    let installation = app.installations.iter().find(|it| it.id == id).ok_or_else(Answer::not_found)?.clone();
    if installation.suspended {
        return Err(Answer::error(403, "This installation has been suspended"));
    }
    let permissions = asked_permissions(&call.body["permissions"], &app)?;
    let repositories = asked_repositories(call, &installation)?;
    let now = call.state.now();
    let text = format!("ghs_{:036}", call.state.id());
    let ends_at = now + TOKEN_LASTS;
    let grant = Grant::Fine {
        installation: Some(id),
        repositories: Some(repositories.clone()),
        permissions: permissions.clone(),
    };
    call.state.tokens.push(Token { text: text.clone(), login: app.login(), grant, ends_at: Some(ends_at) });
    let all = call.body["repositories"].is_null() && call.body["repository_ids"].is_null();
    let mut value = json!({
        "token": text, "expires_at": clock::text(ends_at), "permissions": permissions,
        "repository_selection": if all && installation.repositories.is_none() { "all" } else { "selected" },
    });
    if !all {
        let listed = repositories.iter().map(|id| call.render().repository(call.state.repo(*id), None));
        value["repositories"] = listed.collect();
    }
    Ok(Answer::created(value))
}

/// Those that it asked for, which must be among those that it was given; all of them if it asked for none.
fn asked_permissions(asked: &Value, app: &App) -> Result<BTreeMap<String, String>, Answer> {
    let Some(asked) = asked.as_object() else { return Ok(app.permissions.clone()) };
    let mut granted = BTreeMap::new();
    for (name, level) in asked {
        let level = level.as_str().unwrap_or_default();
        let given = app.permissions.get(name).map(String::as_str);
        let fine = match level {
            "read" => given.is_some() || name == "metadata",
            _ => given == Some(level),
        };
        if !fine {
            let message = "The permissions requested are not granted to this installation.";
            return Err(Answer::error(422, message));
        }
        granted.insert(name.clone(), level.to_owned());
    }
    granted.insert("metadata".to_owned(), "read".to_owned());
    Ok(granted)
}

fn asked_repositories(call: &Call<'_>, installation: &Installation) -> Result<BTreeSet<u64>, Answer> {
    let seen = |it: &&crate::state::repository::Repo| installation.sees(it.id, &it.owner);
    let visible: BTreeMap<u64, &str> =
        call.state.repositories.values().filter(seen).map(|it| (it.id, it.name.as_str())).collect();
    let unknown = || {
        Answer::error(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent \
                            installation.",
        )
    };
    let mut asked = BTreeSet::new();
    if let Some(names) = call.texts("repositories") {
        for name in names {
            let found = visible.iter().find(|(_, it)| it.eq_ignore_ascii_case(&name));
            asked.insert(*found.ok_or_else(unknown)?.0);
        }
        return Ok(asked);
    }
    if let Some(ids) = call.body["repository_ids"].as_array() {
        for id in ids.iter().filter_map(Value::as_u64) {
            visible.get(&id).ok_or_else(unknown)?;
            asked.insert(id);
        }
        return Ok(asked);
    }
    Ok(visible.into_keys().collect())
}

fn repositories(call: &mut Call<'_>) -> Outcome {
    let Actor::Token(Token { grant: Grant::Fine { installation: Some(_), repositories: Some(ids), .. }, .. }) =
        &call.actor
    else {
        return Err(Answer::error(
            403,
            "You must authenticate with an installation access token in order to list \
                                       repositories for an installation.",
        ));
    };
    let all: Vec<u64> = ids.iter().copied().collect();
    let (slice, link) = call.slice(&all);
    let rendered = slice.iter().map(|id| call.render().repository(call.state.repo(*id), Some(&call.actor)));
    let value = json!({
        "total_count": all.len(), "repositories": rendered.collect::<Vec<_>>(), "repository_selection": "selected",
    });
    let answer = Answer::ok(value);
    Ok(match link {
        Some(link) => answer.header("link", link),
        None => answer,
    })
}

fn revoke(call: &mut Call<'_>) -> Outcome {
    if !call.actor.is_installation() {
        return Err(Answer::error(403, "Resource not accessible by personal access token"));
    }
    let Actor::Token(own) = &call.actor else { return Err(Answer::not_found()) };
    let text = own.text.clone();
    call.state.tokens.retain(|it| it.text != text);
    Ok(Answer::nothing())
}
