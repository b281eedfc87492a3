//! What callers ask and get, and the checks of a request's shape.

use crate::{Error, rule};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use std::{fmt, time::Duration};
use url::Url;

/// The largest request body of [`Egress::send`](crate::Egress::send), in bytes.
pub(crate) const BODY_MAX: usize = 8 << 20;
/// The largest request body of [`Egress::open`](crate::Egress::open), in bytes.
pub(crate) const OPEN_BODY_MAX: usize = 32 << 20;
/// Names and values of all headers together, in bytes.
const HEADERS_MAX: usize = 64 << 10;

/// Headers that say how the message is cut and carried: the host's business, and the way to smuggle a second request.
const HOSTS_OWN: [&str; 15] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"];

/// A request as the caller wrote it.
#[derive(Clone, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Absolute; empty where the credential is a whole URL.
    pub url: String,
    /// Names in any case.
    pub headers: Vec<(String, String)>,
    /// Empty: no body. At most 8 MiB; 32 MiB where the answer is streamed.
    pub body: Vec<u8>,
    /// The name of the credential to attach.
    pub credential: Option<String>,
    /// For the whole exchange; at most, and by default, the room's own. Means nothing where the answer is streamed.
    pub timeout: Option<Duration>,
    /// Sent as `idempotency-key`; where the request is signed, it is the `webhook-id`.
    pub idempotency_key: Option<String>,
    /// The present time in milliseconds since 1970, for signatures.
    pub now_ms: i64,
}

impl fmt::Debug for Request {
    /// Shows nothing that may hold a secret, by whose fault ever: no path, no query, no header's value, no body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &known(&self.method))
            .field("url", &Url::parse(&self.url).map(|url| url.origin().ascii_serialization()).unwrap_or_default())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body", &self.body.len())
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// A method as it may be shown: callers can write anything there.
pub(crate) fn known(method: &str) -> &'static str {
    METHODS.into_iter().find(|it| *it == method).unwrap_or("other")
}

/// What came back, whatever the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, repeated ones repeated; without `set-cookie`.
    pub headers: Vec<(String, String)>,
    /// Decompressed.
    pub body: Vec<u8>,
}

/// A request that could be sent, as far as its shape goes.
#[derive(Clone, Debug)]
pub(crate) struct Shaped {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
}

impl Request {
    pub(crate) fn shape(&self, caller: &str, body_max: usize) -> Result<Shaped, Error> {
        let invalid = |why: String| Error::Invalid { caller: caller.into(), why };
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| invalid("its method is none".into()))?;
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(invalid(format!("{method} is not a method for plugins")));
        }
        let size: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > HEADERS_MAX {
            return Err(invalid(format!("its headers are {size} bytes, and {HEADERS_MAX} are allowed")));
        }
        if self.body.len() > body_max {
            let host = Url::parse(&self.url).ok().and_then(|url| url.host_str().map(String::from)).unwrap_or_default();
            return Err(Error::TooLarge { caller: caller.into(), host, what: "request", limit: body_max });
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid("a header's name has characters that are not allowed there".into()))?;
            if HOSTS_OWN.contains(&name.as_str()) {
                return Err(invalid(format!("the header `{name}` is the host's business")));
            }
            let value = HeaderValue::from_str(value)
                .map_err(|_| invalid(format!("the header `{name}` has characters that are not allowed there")))?;
            headers.append(name, value);
        }
        Ok(Shaped { method, headers })
    }

    /// The URL, checked for everything that makes it mean two things.
    pub(crate) fn parse_url(&self, caller: &str) -> Result<Url, Error> {
        let invalid = |why: &str| Error::Invalid { caller: caller.into(), why: why.into() };
        if self.url.is_empty() {
            return Err(invalid("it has no URL, and names no credential that is one"));
        }
        if self.url.chars().any(|it| it.is_control() || it == ' ') {
            return Err(invalid("its URL contains spaces or control characters"));
        }
        let mut url = Url::parse(&self.url).map_err(|_| invalid("its URL is not an absolute one"))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(invalid("its URL is neither https: nor http:"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("there is a user or password in its URL; name a credential instead"));
        }
        if rule::climbs(&url) {
            return Err(invalid("its URL's path contains a hidden `..` or `.`"));
        }
        url.set_fragment(None);
        Ok(url)
    }
}
