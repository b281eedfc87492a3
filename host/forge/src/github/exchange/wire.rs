//! One request through octocrab to the transport, and its answer.
//!
//! - Never repeats anything, and knows nothing of limits.

use super::{Answer, Ask};
use crate::github::transport::Failure;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::{BodyExt, Full};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};
use std::{sync::OnceLock, time::Duration};
use tower::BoxError;

/// What makes a service of octocrab's: a task of its runtime belongs to it, so it is made when it is first used.
pub(crate) type Making = Box<dyn Fn() -> Octocrab + Send + Sync>;

pub(super) struct Wire {
    making: Making,
    octocrab: OnceLock<Octocrab>,
    patience: Duration,
}

impl Wire {
    /// `patience` is the transport's, for each piece of an answer.
    pub(super) fn new(making: Making, patience: Duration) -> Wire {
        Wire { making, octocrab: OnceLock::new(), patience }
    }

    /// Makes one request. Nothing is tried again.
    pub(super) async fn send(&self, ask: &Ask, token: &SecretString, etag: Option<&str>) -> Result<Answer, Failure> {
        let octocrab = self.octocrab.get_or_init(|| (self.making)());
        let bad = |why: String| Failure { why, unknown: false, transient: false };
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| bad("the token cannot stand in a header".into()))?;
        bearer.set_sensitive(true);
        let mut builder = http::request::Builder::new()
            .method(ask.method.clone())
            .uri(ask.url.as_str())
            .header(header::ACCEPT, ask.accept)
            .header(header::AUTHORIZATION, bearer);
        if let Some(etag) = etag {
            builder = builder.header(header::IF_NONE_MATCH, etag);
        }
        let request = octocrab.build_request(builder, ask.body.as_ref()).map_err(|error| bad(error.to_string()))?;
        let sent = tokio::time::timeout(self.patience.saturating_mul(4), async {
            let response = octocrab.execute(request).await.map_err(failure)?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(failure)?.to_bytes();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        });
        sent.await.unwrap_or_else(|_| {
            Err(Failure { why: "the answer did not come to an end".into(), unknown: true, transient: true })
        })
    }
}

/// octocrab over a transport. To be called within a runtime, for a task of it hands the requests on.
pub(crate) fn octocrab<S>(transport: S) -> Octocrab
where
    S: tower::Service<http::Request<OctoBody>, Response = http::Response<Full<Bytes>>, Error = BoxError>
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let built = OctocrabBuilder::new_empty().with_service(transport).with_auth(AuthState::None).build();
    built.unwrap_or_else(|never| match never {})
}

/// What octocrab makes of the transport's failure, undone.
fn failure(error: octocrab::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(it) = cause {
        if let Some(Failure { why, unknown, transient }) = it.downcast_ref::<Failure>() {
            return Failure { why: why.clone(), unknown: *unknown, transient: *transient };
        }
        cause = it.source();
    }
    Failure { why: format!("the client failed: {error}"), unknown: true, transient: true }
}
