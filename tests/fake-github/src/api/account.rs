//! The one who asks, other people, and whose repositories there are.

use super::{Call, Route, route};
use crate::auth::{ANYBODY, Actor};
use crate::limit::Resource;
use crate::message::{Answer, Outcome};
use crate::state::person::Kind;
use crate::state::repository::Repo;
use crate::state::right::Right;
use serde_json::{Value, json};

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/user", ANYBODY, myself),
    route("GET", "/user/repos", ANYBODY, my_repositories),
    route("GET", "/users/{username}", ANYBODY, somebody),
    route("GET", "/users/{username}/repos", ANYBODY, of_user),
    route("GET", "/orgs/{org}/repos", ANYBODY, of_organization),
    route("GET", "/rate_limit", ANYBODY, rate_limit),
];

fn myself(call: &mut Call<'_>) -> Outcome {
    if call.actor.is_installation() {
        return Err(Answer::error(403, "Resource not accessible by integration"));
    }
    let Actor::Token(token) = &call.actor else {
        return Err(Answer::error(401, "A JSON web token could not be decoded"));
    };
    let person = call.state.person(&token.login).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(call.render().profile(person, true)))
}

fn somebody(call: &mut Call<'_>) -> Outcome {
    let person = call.state.person(call.value("username")).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(call.render().profile(person, false)))
}

fn my_repositories(call: &mut Call<'_>) -> Outcome {
    let login = call.login();
    let mine = |it: &Repo| it.owner.eq_ignore_ascii_case(&login) || it.rights.contains_key(&login.to_lowercase());
    listed(call, mine)
}

fn of_user(call: &mut Call<'_>) -> Outcome {
    let owner = call.value("username").to_owned();
    call.state.person(&owner).ok_or_else(Answer::not_found)?;
    // Whoever asks: those that are private are only in the list of one's own.
    listed(call, |it| it.owner.eq_ignore_ascii_case(&owner) && !it.private)
}

fn of_organization(call: &mut Call<'_>) -> Outcome {
    let owner = call.value("org").to_owned();
    let known = call.state.person(&owner).filter(|it| it.kind == Kind::Organization);
    known.ok_or_else(Answer::not_found)?;
    listed(call, |it| it.owner.eq_ignore_ascii_case(&owner))
}

fn listed(call: &Call<'_>, of: impl Fn(&Repo) -> bool) -> Outcome {
    let mut all: Vec<&Repo> = call.state.repositories.values().filter(|it| call.actor.sees(it) && of(it)).collect();
    all.sort_by_key(|it| it.full_name());
    Ok(call.page(&all, |repo| call.render().repository(repo, Some(&call.actor))))
}

fn rate_limit(call: &mut Call<'_>) -> Outcome {
    let now = call.state.now();
    let mut limits = call.shared.limits();
    let mut of = |resource: Resource| -> Value {
        let window = *limits.window(&call.actor.account(), resource, now);
        json!({
            "limit": window.limit, "used": window.used, "remaining": window.limit.saturating_sub(window.used),
            "reset": window.reset.div_euclid(1000),
        })
    };
    let (core, search, graphql) = (of(Resource::Core), of(Resource::Search), of(Resource::Graphql));
    drop(limits);
    let resources = json!({ "core": core, "search": search, "graphql": graphql });
    Ok(Answer::ok(json!({ "resources": resources, "rate": core })))
}

/// Of a person's rights in the repository that the call is of.
pub(super) fn at_least(call: &Call<'_>, right: Right) -> Result<(), Answer> {
    let who = if call.actor.is_installation() { "integration" } else { "personal access token" };
    let enough = call.right() >= right;
    if enough { Ok(()) } else { Err(Answer::error(403, &format!("Resource not accessible by {who}"))) }
}
