//! The REST API: from a request to an answer that GitHub's description allows.
//!
//! Each route that the fake plays is one line in one of the tables below, with what it asks of who calls it. A route of
//! the description that is in no table is a violation, as everything is that the description does not allow.

mod account;
mod app;
pub(crate) mod call;
mod comment;
mod commit;
mod issue;
mod label;
mod people;
mod pull;
mod reference;
mod repository;
mod review;
pub(crate) mod search;

use crate::auth::{self, Actor, Needs};
use crate::fault::Name;
use crate::journal::Write;
use crate::limit::Resource;
use crate::message::{Answer, Body, Outcome, Request, decoded};
use crate::server::Shared;
use crate::spec::Found;
use call::Call;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) struct Route {
    method: &'static str,
    template: &'static str,
    needs: Needs,
    run: fn(&mut Call<'_>) -> Outcome,
}

const fn route(method: &'static str, template: &'static str, needs: Needs, run: fn(&mut Call<'_>) -> Outcome) -> Route {
    Route { method, template, needs, run }
}

const TABLES: [&[Route]; 12] = [
    account::ROUTES,
    app::ROUTES,
    comment::ROUTES,
    commit::ROUTES,
    issue::ROUTES,
    label::ROUTES,
    people::ROUTES,
    pull::ROUTES,
    reference::ROUTES,
    repository::ROUTES,
    review::ROUTES,
    search::ROUTES,
];

pub(crate) fn answer(shared: &Shared, request: &Request) -> Answer {
    let path = by_name(shared, request.path.strip_prefix("/api/v3").unwrap_or_default());
    let asked = format!("{} {path}", request.method);
    let violation = |text: &str| {
        shared.journal.violation(format!("{asked}: {text}"));
        Answer::error(400, &format!("not as GitHub's description has it: {asked}: {text}"))
    };
    if request.header("user-agent").is_none() {
        return violation("it has no User-Agent");
    }
    if let Some(bad) = request.path.chars().find(|&it| !legal(it)) {
        return violation(&format!("`{bad}` in the path must be percent-encoded"));
    }
    let Some(found) = shared.spec.find(&path) else { return violation("there is no such route") };
    let query = request.pairs();
    if let Err(text) = shared.spec.check_request(&request.method, &found, &query, &request.body) {
        return violation(&text);
    }
    let fits = |it: &&Route| it.method == request.method && it.template == found.template;
    let Some(route) = TABLES.iter().copied().flatten().find(fits) else {
        return violation(&format!("the fake does not play {} {}", request.method, found.template));
    };
    let answer = limited(shared, request, route, &found, query).unwrap_or_else(|answer| answer);
    let body = match &answer.body {
        Body::Json(value) => value,
        Body::Empty => &Value::Null,
        Body::Other(..) => return answer,
    };
    if answer.status != 304
        && let Err(text) = shared.spec.check_answer(&request.method, &found.template, answer.status, body)
    {
        return violation(&format!("the fake's own answer {} is wrong: {text}", answer.status));
    }
    answer
}

/// The route within the account's limits; what is not modified costs nothing.
fn limited(shared: &Shared, request: &Request, route: &Route, found: &Found, query: Vec<(String, String)>) -> Outcome {
    let now = shared.clock.now();
    let actor = auth::who(&shared.state(), request.header("authorization"))?;
    let account = actor.account();
    let resource = if found.template.starts_with("/search/") { Resource::Search } else { Resource::Core };
    let free = found.template == "/rate_limit";
    if !free {
        shared.limits().take(&account, resource, now).inspect_err(|_| shared.journal.refused())?;
    }
    let scopes = actor.scopes();
    let mut answer = run(shared, request, route, found, query, actor).unwrap_or_else(|answer| answer);
    if request.method == "GET" && answer.status == 200 {
        let tag = tag(&answer, request.header("authorization"));
        if request.header("if-none-match").is_some_and(|it| it.split(", ").any(|it| it == tag)) {
            answer = Answer { status: 304, headers: answer.headers, body: Body::Empty };
        }
        answer = answer.header("etag", tag).header("cache-control", "private, max-age=60, s-maxage=60");
    }
    if answer.status == 304 {
        shared.journal.not_modified();
        shared.limits().give_back(&account, resource, now);
    } else if !free {
        shared.journal.counted(resource);
    }
    if let Some(scopes) = scopes {
        answer = answer.header("x-oauth-scopes", scopes);
    }
    Ok(shared.limits().window(&account, resource, now).told(resource, answer))
}

fn run(
    shared: &Shared,
    request: &Request,
    route: &Route,
    found: &Found,
    query: Vec<(String, String)>,
    actor: Actor,
) -> Outcome {
    let body = if request.body.is_empty() { Value::Null } else { json_of(&request.body)? };
    let mut state = shared.state();
    let mut call = Call::new(&mut state, shared, actor, found.values.clone(), query, body, request);
    if found.template.starts_with("/repos/{owner}/{repo}") {
        let full_name = format!("{}/{}", call.value("owner"), call.value("repo"));
        if let Some(&moved) = call.state.renamed.get(&full_name.to_lowercase()) {
            return Err(moved_to(&call, moved));
        }
        let repo = call.state.named(&full_name).ok_or_else(Answer::not_found)?;
        call.actor.may(repo, &route.needs)?;
        call.repo = repo.id;
        if let Some(target) = call.transferred() {
            return Err(redirect(&call, &target));
        }
    }
    (route.run)(&mut call)
}

/// GitHub sends programs to the repository's id, under which it never moves.
fn moved_to(call: &Call<'_>, repo: u64) -> Answer {
    let path = call.request.path.trim_start_matches("/api/v3/repos/");
    let rest: String = path.splitn(3, '/').skip(2).map(|it| format!("/{it}")).collect();
    let query = if call.request.query.is_empty() { String::new() } else { format!("?{}", call.request.query) };
    redirect(call, &format!("{}/repositories/{repo}{rest}{query}", call.state.api()))
}

fn redirect(call: &Call<'_>, target: &str) -> Answer {
    let status = if call.request.method == "GET" { 301 } else { 307 };
    let message = if status == 301 { "Moved Permanently" } else { "Temporary Redirect" };
    let body = json!({ "message": message, "url": target, "documentation_url": "https://docs.github.com/rest" });
    Answer::new(status, body).header("location", target)
}

/// `/repositories/ID/…` as the route below the repository's name, which is the one that is described.
pub(crate) fn by_name(shared: &Shared, path: &str) -> String {
    let Some(rest) = path.strip_prefix("/repositories/") else { return path.to_owned() };
    let (id, rest) = rest.split_once('/').map_or((rest, String::new()), |(id, rest)| (id, format!("/{rest}")));
    let state = shared.state();
    let repo = id.parse().ok().and_then(|id: u64| state.repositories.get(&id));
    repo.map_or_else(|| path.to_owned(), |repo| format!("/repos/{}{rest}", repo.full_name()))
}

/// Notes what may have changed something. Git's pushes are noted where their refs are known.
pub(crate) fn record(shared: &Shared, request: &Request, name: &Name, status: u16) {
    let (method, route, path) = match name {
        Name::Api { method, .. } if method == "GET" => return,
        Name::Api { method, route } => (method.as_str(), route.as_str(), request.path.as_str()),
        Name::Graphql { mutation: true } => ("POST", "graphql", request.path.as_str()),
        Name::GitPush if status == 0 => ("PUSH", "git", request.path.as_str()),
        Name::Graphql { .. } | Name::GitPush | Name::GitFetch | Name::GitOther => return,
    };
    let actor = auth::who(&shared.state(), request.header("authorization"));
    let actor = actor.map(|it| it.login().to_owned()).unwrap_or_default();
    let (method, route) = (method.to_owned(), route.to_owned());
    shared.journal.wrote(Write { method, route, path: decoded(path), actor, status });
}

fn json_of(body: &[u8]) -> Result<Value, Answer> {
    serde_json::from_slice(body).map_err(|_| Answer::error(400, "Problems parsing JSON"))
}

/// Characters that may stand in a path as they are.
fn legal(it: char) -> bool {
    it.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(it)
}

/// Another token is told another tag, of the same answer too: what one knows says nothing to the next.
fn tag(answer: &Answer, authorization: Option<&str>) -> String {
    let text = match &answer.body {
        Body::Json(value) => value.to_string().into_bytes(),
        Body::Other(_, bytes) => bytes.clone(),
        Body::Empty => Vec::new(),
    };
    let link = answer.headers.iter().find(|(name, _)| name == "link").map(|(_, value)| value.as_bytes());
    let digest = Sha256::new().chain_update(text).chain_update(link.unwrap_or_default());
    let digest = digest.chain_update(authorization.unwrap_or_default()).finalize();
    format!("W/\"{}\"", hex::encode(digest))
}
