//! `agentd:host/http`: one request, if the plugin wants it and the operator grants it.
//!
//! Looks at the request only; resolving, credentials, secrets and the wire are the daemon's business.

use crate::bindings::agentd::host::http::{Host, Request, Response};
use crate::host::HttpCall;
use crate::state::State;
use crate::wit::common::{Content, Error};
use tokio::time::Instant;

pub(super) const BODY_BYTES: usize = 8 << 20;
pub(super) const TIMEOUT_MS: u32 = 30_000;

/// Headers that say how the wire is used, or that the daemon sets.
pub(super) const HOSTS_OWN: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        Ok(self.send_http(request).await)
    }
}

impl State {
    async fn send_http(&mut self, mut request: Request) -> Result<Response, Error> {
        self.open("http")?;
        check(&request)?;
        let granted = self.rights.http(&request)?;
        let left = self.deadline.saturating_duration_since(Instant::now()).as_millis();
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        request.timeout_ms = Some(request.timeout_ms.unwrap_or(TIMEOUT_MS).min(left));
        self.host.http(HttpCall { entry: self.entry.clone(), granted, request }).await
    }
}

pub(super) fn check(request: &Request) -> Result<(), Error> {
    let token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
    if request.method.is_empty() || !request.method.bytes().all(token) {
        return Err(Error::Invalid("the request's method is not a word".into()));
    }
    for (name, value) in &request.headers {
        if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
            return Err(Error::Invalid(format!("header `{}` cannot be sent", name.escape_debug())));
        }
        if HOSTS_OWN.iter().any(|it| it.eq_ignore_ascii_case(name)) {
            return Err(Error::Invalid(format!("header `{name}` is the host's business: leave it out")));
        }
    }
    let size = match &request.body {
        Content::Text(text) => text.len(),
        Content::Bytes(bytes) => bytes.len(),
    };
    if size > BODY_BYTES {
        return Err(Error::TooLarge(format!("the body is {size} bytes long; {BODY_BYTES} are allowed")));
    }
    Ok(())
}
