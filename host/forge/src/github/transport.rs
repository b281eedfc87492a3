//! The way to GitHub: what octocrab sends goes out through the host's own egress, so that proxy, authorities, the filter
//! of addresses and the audit lines hold for it too.
//!
//! - Never repeats a request, follows no redirect, and knows no token.
//! - Never says that a write failed when it may have been done: see [`Failure::unknown`].

use agentd_egress::{Egress, Error, Patience, Request, Rule};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response};
use http_body_util::{BodyExt, Full};
use octocrab::OctoBody;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tower::{BoxError, Service};

/// The name that audit lines show.
const CALLER: &str = "github";
/// The largest answer to a request that changes something, in bytes.
const WRITTEN_MAX: usize = 8 << 20;

#[derive(Clone)]
pub(super) struct Transport {
    egress: Egress,
    rules: Vec<Rule>,
    patience: Duration,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Failure {
    pub(super) why: String,
    /// GitHub may have got it, and may have done it.
    pub(super) unknown: bool,
    /// The same may well succeed later.
    pub(super) transient: bool,
}

impl Transport {
    /// `prefixes` are what may be called; `patience` is for the beginning of an answer, and between its pieces.
    pub(super) fn new(egress: Egress, prefixes: &[String], patience: Duration) -> Transport {
        let rule = |it: &String| Rule { methods: Vec::new(), url_prefix: it.clone(), credential: None };
        Transport { egress, rules: prefixes.iter().map(rule).collect(), patience }
    }

    async fn exchange(self, request: http::Request<OctoBody>) -> Result<Response<Full<Bytes>>, Failure> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|error| Failure::of_text(error.to_string()))?.to_bytes();
        let headers = parts.headers.iter().filter(|(name, _)| *name != http::header::CONTENT_LENGTH);
        let headers = headers.map(|(name, value)| {
            let value = value.to_str().map_err(|_| Failure::of_text(format!("the header {name} is no text")))?;
            Ok((name.as_str().to_owned(), value.to_owned()))
        });
        let request = Request {
            method: parts.method.to_string(),
            url: parts.uri.to_string(),
            headers: headers.collect::<Result<_, Failure>>()?,
            body: body.to_vec(),
            ..Request::default()
        };
        let (status, headers, body) = if parts.method == Method::GET {
            // Compressed, and with one answer for all that may go wrong: asking again harms nobody.
            let answer = self.egress.send(CALLER, &self.rules, request).await.map_err(Failure::of)?;
            (answer.status, answer.headers, Bytes::from(answer.body))
        } else {
            self.written(request).await?
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() =
            http::StatusCode::from_u16(status).map_err(|error| Failure::of_text(error.to_string()))?;
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        Ok(response)
    }

    /// Something that changes: here it matters whether the request was sent before it failed.
    async fn written(&self, request: Request) -> Result<(u16, Vec<(String, String)>, Bytes), Failure> {
        let patience = Patience { head: self.patience, idle: self.patience };
        let mut answer = self.egress.open(CALLER, &self.rules, request, patience).await.map_err(Failure::of)?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(Failure::of)? {
            if body.len() + piece.len() > WRITTEN_MAX {
                let why = format!("its answer is larger than {WRITTEN_MAX} bytes");
                return Err(Failure { why, unknown: true, transient: false });
            }
            body.extend_from_slice(&piece);
        }
        Ok((answer.status, std::mem::take(&mut answer.headers), Bytes::from(body)))
    }
}

impl Failure {
    fn of_text(why: String) -> Failure {
        Failure { why, unknown: false, transient: false }
    }

    fn of(error: Error) -> Failure {
        let (unknown, transient) = match &error {
            Error::Unavailable { .. } => (false, true),
            Error::Silent { .. } | Error::Stalled { .. } | Error::Cut { .. } => (true, true),
            Error::TooLarge { what: "answer", .. } | Error::SecretInAnswer { .. } => (true, false),
            _ => (false, false),
        };
        let why = match error {
            // The host stands in the sentence that this becomes part of.
            Error::Unavailable { why, .. } => why,
            error => error.to_string(),
        };
        Failure { why, unknown, transient }
    }
}

impl Service<http::Request<OctoBody>> for Transport {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<OctoBody>) -> Self::Future {
        let transport = self.clone();
        Box::pin(async move { transport.exchange(request).await.map_err(BoxError::from) })
    }
}

#[cfg(test)]
mod tests;
