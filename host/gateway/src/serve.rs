//! Looks at a request and gives it to whoever serves it: a model route, a mirror, a tunnel, or nobody.

use crate::{
    Refusal,
    answer::{self, Answered, Body},
    door::DoorState,
    gateway::Doors,
    model, tunnel,
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, HeaderMap},
};
use std::sync::{Arc, PoisonError};

/// What there is, for whoever asked for something else.
const OFFER: &str = "agentd's gateway has /model/, /npm/, /crates/, /pypi/ and, for hosts that the configuration names, \
                     tunnels";

/// Answers a request that came through a run's own socket.
pub(crate) async fn behind_door(door: &Arc<DoorState>, request: Request<Incoming>) -> Response<Body> {
    let shared = &door.shared;
    let first = request.uri().path().split('/').nth(1).unwrap_or_default();
    let answered = if *request.method() == Method::CONNECT || request.uri().scheme().is_some() {
        let (scope, caller) = (&door.scope, &door.caller);
        tunnel::serve(request, scope, caller, &shared.egress, &shared.tasks, &door.stop).await
    } else {
        match first {
            "model" => model::serve(door, request).await,
            "npm" | "crates" | "pypi" => {
                shared.mirrors.serve(request, &door.scope.registries, &door.scope.repository).await
            }
            _ => Refusal { what: shown(&request), why: OFFER.into(), allow: None }.into(),
        }
    };
    report(door, answered).await
}

/// Answers a request at the loopback listener, where only the token tells whose it is.
pub(crate) async fn at_loopback(doors: &Doors, request: Request<Incoming>) -> Response<Body> {
    let Some(name) = endpoint(request.uri().path()) else {
        return answer::text(StatusCode::FORBIDDEN, "agentd: there are model routes only: /model/");
    };
    let presented = tokens(request.headers());
    let door = {
        let doors = doors.lock().unwrap_or_else(PoisonError::into_inner);
        let open = doors.iter().filter_map(std::sync::Weak::upgrade).filter(|door| !door.stop.is_cancelled());
        let mut its = open.filter(|door| presented.iter().any(|token| door.is_token(token, name)));
        its.next()
    };
    match door {
        Some(door) => report(&door, model::serve(&door, request).await).await,
        None => {
            tracing::warn!(target: "gateway", "A request without the token of a run was refused");
            answer::text(StatusCode::UNAUTHORIZED, "agentd: this is not the token of a run")
        }
    }
}

/// Tells the run what was refused; what remains is the response.
async fn report(door: &DoorState, answered: Answered) -> Response<Body> {
    if let Some(refusal) = answered.refusal {
        door.refuse(refusal).await;
    }
    answered.response
}

/// The endpoint's name in `/model/NAME/…`.
pub(crate) fn endpoint(path: &str) -> Option<&str> {
    path.strip_prefix("/model/").map(|rest| rest.split('/').next().unwrap_or_default())
}

/// What was presented as a token, in the two places where agents put their keys.
pub(crate) fn tokens(headers: &HeaderMap) -> Vec<&str> {
    let scheme = "bearer ";
    let keys = ["x-api-key", "x-goog-api-key"].into_iter().flat_map(|name| headers.get_all(name));
    let keys = keys.filter_map(|it| it.to_str().ok());
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|it| {
        let text = it.to_str().ok()?;
        let (start, token) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(token.trim())
    });
    keys.chain(bearers).take(4).collect()
}

/// A request, as a person reads it in a refusal: never a query.
pub(crate) fn shown(request: &Request<Incoming>) -> String {
    format!("{} {}", request.method(), request.uri().path())
}
