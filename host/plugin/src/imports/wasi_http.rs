//! `wasi:http`: what JavaScript's `fetch` and the libraries of other languages send by. The same way out as
//! `agentd:host/http`, with the same rights and limits.
//!
//! The header `agentd-credential` names the credential and is taken off. A refusal is a typed error of WASI's; what would
//! allow it has no place in there, so it is a line of the plugin's log. A time-out that a guest chooses is cut to what
//! is left of its call.
//!
//! - Never opens a connection, and never follows a redirect: both is the daemon's business.

use super::http::{BODY_BYTES, HOSTS_OWN, TIMEOUT_MS, check};
use crate::Host;
use crate::grants::Rights;
use crate::host::HttpCall;
use crate::output::Output;
use crate::state::{State, Surface};
use crate::wit::common::{Content, Error};
use crate::wit::http::{Request, Response};
use crate::wit::log::Level;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use wasmtime_wasi_http::{
    Error as Failure, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

/// Names the credential of a request.
const CREDENTIAL: &str = "agentd-credential";

/// How many requests of one call are under way at the same time; others wait.
const SENDS: usize = 16;

/// How many bytes of answers a call may hold that it has not dropped yet.
const HELD_BYTES: usize = 64 << 20;

/// The two ends of WASI's HTTP in a state.
#[derive(Default)]
pub(crate) struct WasiHttp {
    context: WasiHttpCtx,
    hooks: Option<Hooks>,
}

/// What WASI asks when a guest sends.
struct Hooks(Way);

/// The way out of one call.
#[derive(Clone)]
struct Way {
    plugin: String,
    entry: String,
    surface: Surface,
    rights: Arc<Rights>,
    host: Arc<dyn Host>,
    output: Output,
    deadline: Instant,
    sends: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// An answer's body, which takes up room until the guest lets go of it.
struct Held {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let way = || Way {
            plugin: self.plugin.clone(),
            entry: self.entry.clone(),
            surface: self.surface,
            rights: self.rights.clone(),
            host: self.host.clone(),
            output: self.output.clone(),
            deadline: self.deadline,
            sends: Arc::new(Semaphore::new(SENDS)),
            room: Arc::new(Semaphore::new(HELD_BYTES)),
        };
        let WasiHttp { context, hooks } = &mut self.wasi_http;
        let hooks = hooks.get_or_insert_with(|| Hooks(way()));
        hooks.0.deadline = self.deadline;
        WasiHttpCtxView { ctx: context, table: &mut self.table, hooks }
    }
}

type Answered = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Failure>> + Send>);

impl WasiHttpHooks for Hooks {
    /// `content-length` stays: libraries say it, and what they say is compared with what they send.
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| HOSTS_OWN.contains(&name.as_str()) && *name != http::header::CONTENT_LENGTH)
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Failure>> + Send>,
    ) -> Box<dyn Future<Output = Result<Answered, Failure>> + Send> {
        let way = self.0.clone();
        Box::new(async move {
            let response = way.send(request, options).await?;
            let done: Box<dyn Future<Output = Result<(), Failure>> + Send> = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

impl Way {
    async fn send(
        &self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<http::Response<WasiBody>, Failure> {
        let place = format!("{} {}", request.method(), request.uri().authority().map_or("", |it| it.as_str()));
        let _turn = self.sends.acquire().await.expect("the semaphore is never closed");
        let request = self.read(request, options).await?;
        match self.pass(request).await.and_then(|it| Ok((self.room(&it)?, it))) {
            Ok((room, response)) => write(response, room),
            Err(error) => {
                let text = crate::error::text(&error);
                self.output.log(Level::Warn, &format!("wasi:http: {place}: {text}"), vec![]);
                Err(failure(error))
            }
        }
    }

    async fn pass(&self, request: Request) -> Result<Response, Error> {
        self.surface.open(&self.plugin, "wasi:http")?;
        check(&request)?;
        let granted = self.rights.http(&request)?;
        self.host.http(HttpCall { entry: self.entry.clone(), granted, request }).await
    }

    /// A guest may send many requests and read none of the answers: they lie in the daemon's memory meanwhile.
    fn room(&self, response: &Response) -> Result<OwnedSemaphorePermit, Error> {
        let size = match &response.body {
            Content::Text(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        };
        let wanted = u32::try_from(size).unwrap_or(u32::MAX);
        self.room.clone().try_acquire_many_owned(wanted).map_err(|_| {
            Error::TooLarge(format!("the call holds answers of {HELD_BYTES} bytes: read and drop some first"))
        })
    }

    /// The request as the contract has it.
    async fn read(
        &self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Request, Failure> {
        let (mut parts, body) = request.into_parts();
        if parts.uri.authority().is_none_or(|it| it.as_str().is_empty()) {
            return Err(Failure::HttpRequestUriInvalid);
        }
        let body = Limited::new(body, BODY_BYTES).collect().await.map_err(|error| {
            match error.downcast_ref::<LengthLimitError>() {
                Some(_) => Failure::HttpRequestBodySize(None),
                None => Failure::InternalError(Some("the request's body broke off".into())),
            }
        })?;
        let credential = parts.headers.remove(CREDENTIAL).map(|it| it.to_str().map(str::to_owned));
        let credential = credential.transpose().map_err(|_| not_text(CREDENTIAL))?;
        parts.headers.remove(http::header::CONTENT_LENGTH);
        let left = self.deadline.saturating_duration_since(Instant::now()).as_millis();
        let asked = options.and_then(|it| it.first_byte_timeout.or(it.connect_timeout));
        let asked = asked.map_or(u128::from(TIMEOUT_MS), |it| it.as_millis());
        Ok(Request {
            method: parts.method.as_str().to_owned(),
            url: parts.uri.to_string(),
            headers: texts(&parts.headers)?,
            body: content(body.to_bytes()),
            credential,
            timeout_ms: Some(u32::try_from(asked.min(left)).unwrap_or(u32::MAX)),
            extra: vec![],
        })
    }
}

fn not_text(header: &str) -> Failure {
    Failure::InternalError(Some(format!("the header `{header}` is no text")))
}

fn texts(headers: &HeaderMap) -> Result<Vec<(String, String)>, Failure> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = value.to_str().map_err(|_| not_text(name.as_str()))?;
        Ok((name.as_str().to_owned(), value.to_owned()))
    };
    headers.iter().map(text).collect()
}

fn content(bytes: Bytes) -> Content {
    match String::from_utf8(bytes.into()) {
        Ok(text) => Content::Text(text),
        Err(error) => Content::Bytes(error.into_bytes()),
    }
}

fn write(response: Response, room: OwnedSemaphorePermit) -> Result<http::Response<WasiBody>, Failure> {
    let bytes = match response.body {
        Content::Text(text) => text.into_bytes(),
        Content::Bytes(bytes) => bytes,
    };
    let body = Bytes::from_owner(Held { bytes, _room: room });
    let mut built = http::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        built = built.header(name, value);
    }
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    built.body(body).map_err(|_| Failure::HttpProtocolError)
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Denied(_) => Failure::HttpRequestDenied,
        Error::TooLarge(_) => Failure::HttpResponseBodySize(None),
        Error::RateLimited(_) => Failure::ConnectionLimitReached,
        Error::Unavailable(_) => Failure::DestinationUnavailable,
        other => Failure::InternalError(Some(crate::error::text(&other))),
    }
}
