//! The model routes: who may call, what is sent on, and what is answered when nothing is.
//!
//! The path has to be on the provider's list, the token has to be the run's own for this endpoint, and nothing may be
//! used up. Then the agent's own authentication is dropped, the account's credential is named, and [`call`] takes over.
//!
//! What the agent asks of its model is not filtered: tools that the provider carries out itself (web search and fetch,
//! `mcp_servers`, images by their address) go through, and with them words can leave by the provider. They can be switched
//! off at the account only.

use crate::{
    Fault, FaultKind, Refusal,
    account::{Provider, Route},
    answer::{Answered, Body},
    budget::{Admission, Denied},
    door::{DoorState, When},
    serve,
};
use agentd_egress::Request as Outgoing;
use agentd_task::{DAY_MS, day_start};
use call::Call;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{CONNECTION, CONTENT_ENCODING},
};
use std::{
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::Duration,
};

mod body;
mod call;

/// The largest request, in bytes.
const BODY_MAX: usize = 32 << 20;
/// What all requests of one run together may hold, in bytes.
const HELD_MAX: usize = 128 << 20;
/// Between two pieces of a request.
const BODY_IDLE: Duration = Duration::from_secs(60);

/// Headers that end here: those of the connection, those that say who asks, and those that the egress writes by itself.
const DROPPED: [&str; 15] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "openai-organization",
    "openai-project",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];

/// So are headers with such a part: further ways to say who asks, and what makes gateways before a provider take the
/// request for another one, or send it elsewhere.
const DROPPED_PARTS: [&str; 19] = [
    "access-key",
    "agentd-",
    "api-key",
    "apikey",
    "auth-",
    "authorization",
    "cookie",
    // With a choice of fields the usage would be missing from an answer.
    "fieldmask",
    "forwarded",
    "goog-user-project",
    "helicone-",
    "http-method",
    "method-override",
    "original-",
    "portkey-",
    "proxy-",
    "rewrite-",
    "secret",
    "-token",
];

/// Answers a request below `/model/`.
pub(crate) async fn serve(door: &Arc<DoorState>, request: Request<Incoming>) -> Answered {
    let name = serve::endpoint(request.uri().path()).unwrap_or_default();
    let Some(index) = door.endpoints.iter().position(|it| it.name == name) else {
        let why = format!("this run has no endpoint of that name; it has {}", listed(door));
        return refused(Provider::OpenAi, StatusCode::NOT_FOUND, serve::shown(&request), why, None);
    };
    let account = &door.endpoints[index].account;
    let provider = account.provider;
    if !serve::tokens(request.headers()).iter().any(|token| door.is_token(token, name)) {
        let why = format!("the key is not this run's token for the endpoint `{name}`");
        return refused(provider, StatusCode::UNAUTHORIZED, "model call".into(), why, None);
    }
    let path = request.uri().path()["/model/".len() + name.len()..].to_owned();
    let Some(route) = provider.route(request.method(), &path) else {
        let why = format!("the gateway has {} there, and nothing else", provider.routes());
        return refused(provider, StatusCode::NOT_FOUND, serve::shown(&request), why, None);
    };
    if packed(request.headers()) {
        let why = "a request that is packed (`content-encoding`) cannot be read, and its cost not be known".to_owned();
        return refused(provider, StatusCode::UNSUPPORTED_MEDIA_TYPE, "model call".into(), why, None);
    }
    let mut outgoing = Outgoing {
        method: request.method().to_string(),
        url: match provider.query(request.uri().query()) {
            Some(query) => format!("{}{path}?{query}", account.url),
            None => format!("{}{path}", account.url),
        },
        headers: sent_on(request.headers()),
        credential: Some(account.credential.clone()).filter(|it| !it.is_empty()),
        now_ms: door.now(),
        ..Outgoing::default()
    };
    let held = match read(door, request.into_body(), &mut outgoing.body).await {
        Ok(held) => held,
        Err((status, why)) => return provider.error(status, why, false).into(),
    };
    let facts = match body::prepare(route, provider.named_in(&path), &mut outgoing.body) {
        Ok(facts) => facts,
        Err(why) => return refused(provider, StatusCode::BAD_REQUEST, "model call".into(), why.into(), None),
    };
    let admission = match route {
        Route::Free => None,
        Route::Call(_) => match admitted(door, index).await {
            Ok(admission) => Some(admission),
            Err(answered) => return *answered,
        },
    };
    Call::new(door, index, route, facts, admission, held).start(outgoing).await
}

/// The answer of the gateway itself, with the refusal that goes with it.
fn refused(provider: Provider, status: StatusCode, what: String, why: String, allow: Option<String>) -> Answered {
    let hint = allow.as_ref().map(|line| format!("; this line in agentd's configuration allows more: {line}"));
    let response = provider.error(status, &format!("{why}{}", hint.unwrap_or_default()), true);
    Answered { response, refusal: Some(Refusal { what, why, allow }) }
}

fn packed(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the run may spend more.
async fn admitted(door: &Arc<DoorState>, index: usize) -> Result<Admission, Box<Answered>> {
    let shared = &door.shared;
    let provider = door.endpoints[index].account.provider;
    let debtor = Arc::clone(door);
    // In a task of its own, for the client may go away in the middle of it.
    let settled = shared.tasks.spawn(async move {
        let DoorState { shared, scope, .. } = &*debtor;
        shared.debts.settle(&*shared.ledger, scope.task, scope.run).await
    });
    let settled = settled.await.unwrap_or_else(|error| Err(error.to_string()));
    let checked = match settled {
        Ok(()) => door.spending.check(&*shared.ledger, &door.scope, shared.budget).await,
        Err(error) => Err(Denied::Ledger(error)),
    };
    let fault = |kind, text, until| door.set_fault(index, When::Now, Fault { kind, status: None, text, until });
    match checked {
        Ok(admission) => Ok(admission),
        Err(Denied::Budget { kind, refusal: Refusal { what, why, allow } }) => {
            let text = allow.as_ref().map(|line| format!("{why}; this line allows more: {line}"));
            let midnight = day_start(door.now()) + DAY_MS;
            let until = (kind == FaultKind::DayBudget).then_some(midnight);
            fault(kind, text.unwrap_or_else(|| why.clone()), until);
            // Agents take 400 for an answer and do not ask again.
            Err(Box::new(refused(provider, StatusCode::BAD_REQUEST, what, why, allow)))
        }
        Err(Denied::Ledger(error)) => {
            tracing::error!(target: "gateway", run = door.caller, error, "No call of a model: the ledger does not work");
            fault(FaultKind::Error, format!("agentd's ledger does not work: {error}"), None);
            let why = "its ledger does not work, and it makes no call that it cannot book";
            Err(Box::new(provider.error(StatusCode::SERVICE_UNAVAILABLE, why, false).into()))
        }
    }
}

fn listed(door: &DoorState) -> String {
    let names: Vec<&str> = door.endpoints.iter().map(|it| it.name.as_str()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// All headers but those that end here.
fn sent_on(headers: &HeaderMap) -> Vec<(String, String)> {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .map(|it| it.trim().to_ascii_lowercase())
        .collect();
    let ends_here = |name: &str| {
        DROPPED.contains(&name) || DROPPED_PARTS.iter().any(|it| name.contains(it)) || named.iter().any(|it| it == name)
    };
    headers
        .iter()
        .filter(|(name, _)| !ends_here(name.as_str()))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect()
}

/// Bytes of requests that a run holds; given back when it is dropped.
pub(crate) struct Held {
    all: Arc<AtomicUsize>,
    own: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

/// Reads a request's body, in as much time as it takes but not in pauses of any length.
async fn read(
    door: &DoorState,
    mut incoming: Incoming,
    body: &mut Vec<u8>,
) -> Result<Held, (StatusCode, &'static str)> {
    let too_large = (StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 32 MiB");
    let mut held = Held { all: Arc::clone(&door.held), own: 0 };
    if incoming.size_hint().lower() > BODY_MAX as u64 {
        return Err(too_large);
    }
    loop {
        let frame = match tokio::time::timeout(BODY_IDLE, incoming.frame()).await {
            Ok(None) => return Ok(held),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err((StatusCode::BAD_REQUEST, "the request broke off")),
            Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the request does not come to an end")),
        };
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > BODY_MAX {
            return Err(too_large);
        }
        held.own += data.len();
        if held.all.fetch_add(data.len(), Ordering::Relaxed) + data.len() > HELD_MAX {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "this run has too many large requests at once"));
        }
        body.extend_from_slice(&data);
    }
}

/// An answer's own headers, without those of the connection.
fn passed_on(headers: Vec<(String, String)>) -> HeaderMap {
    let own = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "alt-svc", "set-cookie"];
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        if own.contains(&name.as_str()) || name.starts_with("proxy-") {
            continue;
        }
        let parsed = (hyper::header::HeaderName::try_from(name), hyper::header::HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = parsed {
            kept.append(name, value);
        }
    }
    kept
}

/// An answer whose body comes from elsewhere.
fn response(status: u16, headers: Vec<(String, String)>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = passed_on(headers);
    response
}
