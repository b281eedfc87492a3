//! Sends a request: all checks in their order, then the secret, then the socket.

use crate::{
    Credentials, Error, Network, Request, Response, Rule,
    address::refusal,
    credential::{Attach, Credential},
    request::{BODY_MAX, OPEN_BODY_MAX, Shaped},
    rule,
    secret::SecretScan,
    token::Tokens,
};
use audit::{Audit, Outcome};
use client::Making;
use proxy::Proxy;
use refresh::Bearer;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use url::{Host, Url};

mod audit;
mod client;
mod connect;
mod proxy;
mod refresh;
mod stream;

pub(crate) use refresh::check_token_url;
pub use stream::{Patience, Streamed};

/// What holds for all callers. Its `Debug` shows no password of the proxy's.
#[derive(Clone)]
pub struct Options {
    /// Networks that may be called although they are not public, in CIDR notation.
    pub allow_private: Vec<String>,
    /// The largest answer of [`Egress::send`] after decompression, in bytes.
    pub max_response: usize,
    /// The largest body of a request, in bytes. None: 8 MiB for [`Egress::send`], 32 MiB for [`Egress::open`].
    pub max_request: Option<usize>,
    /// The longest exchange of [`Egress::send`], from the name's resolution to the answer's last byte; and the longest
    /// way to a connection.
    pub timeout: Duration,
    /// An `http:` or `https:` URL, perhaps with user and password: everything goes through it. It resolves the names, so
    /// that only addresses that stand in a URL themselves are filtered here.
    pub proxy: Option<String>,
    /// A PEM file of certificates that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// Access tokens. Who makes a new [`Egress`] for a changed configuration hands it those of the old one.
    pub tokens: Tokens,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            allow_private: Vec::new(),
            max_response: 8 << 20,
            max_request: None,
            timeout: Duration::from_secs(30),
            proxy: None,
            ca: None,
            tokens: Tokens::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("allow_private", &self.allow_private)
            .field("max_response", &self.max_response)
            .field("max_request", &self.max_request)
            .field("timeout", &self.timeout)
            .field("proxy", &self.proxy.as_deref().map(Proxy::parse))
            .field("ca", &self.ca)
            .field("tokens", &self.tokens)
            .finish()
    }
}

/// The host's own way out. Cheap to clone; a changed configuration makes a new one.
#[derive(Clone, Debug)]
pub struct Egress {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    /// The same for answers that are handed on as they come: it does not decompress.
    plain: reqwest::Client,
    proxy: Option<Proxy>,
    allowed: Arc<[Network]>,
    max_response: usize,
    max_request: Option<usize>,
    timeout: Duration,
    credentials: Credentials,
    scan: SecretScan,
    tokens: Tokens,
}

/// A request that passed all checks, with its secret.
#[derive(Clone)]
struct Ready {
    url: Url,
    shaped: Shaped,
    body: Vec<u8>,
    timeout: Duration,
    /// The secret is a token that has yet to be had.
    bearer: Option<Bearer>,
}

impl Egress {
    /// # Errors
    /// [`Error::Options`] if a network, a credential, the proxy or the certificates do not work.
    pub fn new(options: Options, credentials: Credentials) -> Result<Egress, Error> {
        let networks: Result<Vec<Network>, Error> = options.allow_private.iter().map(|it| it.parse()).collect();
        let allowed: Arc<[Network]> = networks?.into();
        credentials.check()?;
        let proxy = options.proxy.as_deref().map(Proxy::parse).transpose()?;
        let authorities = options.ca.as_deref().map(client::authorities).transpose()?.unwrap_or_default();
        let making = Making { allowed: Arc::clone(&allowed), proxy: proxy.clone(), authorities };
        let mut secrets = credentials.secrets();
        secrets.extend(proxy.iter().flat_map(Proxy::secrets));
        let inner = Inner {
            client: making.client(true)?,
            plain: making.client(false)?,
            proxy,
            allowed,
            max_response: options.max_response,
            max_request: options.max_request,
            timeout: options.timeout,
            scan: SecretScan::new(secrets),
            credentials,
            tokens: options.tokens,
        };
        Ok(Egress { inner: Arc::new(inner) })
    }

    /// The same way out, with its open connections, and other credentials in place of its own.
    ///
    /// # Errors
    /// [`Error::Options`] if a credential does not work.
    pub fn with_credentials(&self, credentials: Credentials) -> Result<Egress, Error> {
        credentials.check()?;
        let mut secrets = credentials.secrets();
        secrets.extend(self.inner.proxy.iter().flat_map(Proxy::secrets));
        let Inner { client, plain, proxy, allowed, max_response, max_request, timeout, tokens, .. } = &*self.inner;
        let inner = Inner {
            client: client.clone(),
            plain: plain.clone(),
            proxy: proxy.clone(),
            allowed: Arc::clone(allowed),
            max_response: *max_response,
            max_request: *max_request,
            timeout: *timeout,
            scan: SecretScan::new(secrets),
            credentials,
            tokens: tokens.clone(),
        };
        Ok(Egress { inner: Arc::new(inner) })
    }

    /// Whether `host` is one that may be called only because the operator named its network: `http:` to it does not
    /// leave their hands. Where a proxy resolves the names, only an address that stands there itself can be told.
    pub async fn is_private(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']);
        let own = |ip: IpAddr| refusal(ip, &[]).is_some() && refusal(ip, &self.inner.allowed).is_none();
        if let Ok(ip) = host.parse::<IpAddr>() {
            return own(ip);
        }
        if self.inner.proxy.is_some() {
            return false;
        }
        match tokio::time::timeout(self.inner.timeout, client::look_up(host)).await {
            Ok(Ok(found)) => !found.is_empty() && found.iter().all(|it| own(it.ip())),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Sends `request` for `caller`, which `rules` bind, and waits for the whole answer.
    ///
    /// # Errors
    /// See [`Error`]. An answer of any status is no error.
    pub async fn send(&self, caller: &str, rules: &[Rule], request: Request) -> Result<Response, Error> {
        let mut audit = Audit::new(caller, &request.method, request.body.len());
        let most = self.inner.max_request.unwrap_or(BODY_MAX);
        let result = match self.inner.prepare(caller, rules, request, most, &mut audit.host) {
            Ok(ready) => self.inner.answer(caller, &audit.host, ready).await,
            Err(error) => Err(error),
        };
        audit.outcome = Some(match &result {
            Ok(Response { status, body, .. }) => Outcome::Answered { status: *status, bytes: body.len() },
            Err(error) => Outcome::Failed(error.word()),
        });
        result
    }

    /// As [`send`](Egress::send), but gives the answer's head as soon as it is there and its body piece by piece, of any
    /// length and not decompressed (`accept-encoding: identity` goes out unless the caller set one).
    ///
    /// # Errors
    /// See [`Error`]: [`Error::Unavailable`] if there was no connection, [`Error::Silent`] if no head came in time,
    /// [`Error::Cut`] if the connection ended before. An answer of any status is no error.
    pub async fn open(
        &self,
        caller: &str,
        rules: &[Rule],
        request: Request,
        patience: Patience,
    ) -> Result<Streamed, Error> {
        let mut audit = Audit::new(caller, &request.method, request.body.len());
        let secret = request.credential.is_some();
        let most = self.inner.max_request.unwrap_or(OPEN_BODY_MAX);
        let opened = match self.inner.prepare(caller, rules, request, most, &mut audit.host) {
            Ok(ready) => self.inner.begin(caller, &audit.host, ready, patience.head).await,
            Err(error) => Err(error),
        };
        let response = opened.inspect_err(|error| audit.outcome = Some(Outcome::Failed(error.word())))?;
        let status = response.status().as_u16();
        audit.outcome = Some(Outcome::LeftOff { status, bytes: 0 });
        Ok(Streamed {
            status,
            headers: self.inner.readable(response.headers()),
            response,
            idle: patience.idle,
            caller: caller.into(),
            audit,
            inner: Arc::clone(&self.inner),
            tail: secret.then(Vec::new),
            bytes: 0,
            ended: false,
        })
    }

    /// A TCP connection for `caller`, whose right to it is the caller's own business: only the address is checked. Where
    /// there is a proxy it is asked to connect (`CONNECT`).
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Invalid`], [`Error::SecretInRequest`] if the host may not be dialled,
    /// [`Error::Unavailable`] if it, or the proxy, does not answer.
    pub async fn connect(&self, caller: &str, host: &str, port: u16) -> Result<TcpStream, Error> {
        let mut audit = Audit::new(caller, "CONNECT", 0);
        let result = connect::dial(&self.inner, caller, host, port).await;
        if !matches!(result, Err(Error::SecretInRequest { .. } | Error::Invalid { .. })) {
            host.clone_into(&mut audit.host);
        }
        audit.outcome = Some(match &result {
            Ok(_) => Outcome::Connected,
            Err(error) => Outcome::Failed(error.word()),
        });
        result
    }
}

impl Inner {
    /// All checks that need no network, in their order, and then the secret.
    fn prepare(
        &self,
        caller: &str,
        rules: &[Rule],
        request: Request,
        body_max: usize,
        host: &mut String,
    ) -> Result<Ready, Error> {
        // First of all, so that no text below can show a secret that the caller wrote into a path.
        self.refuse_secrets(caller, &request)?;
        let mut shaped = request.shape(caller, body_max)?;
        let credential = self.credential(caller, rules, &request)?;
        let mut url = match credential {
            Some(Credential { attach: Attach::Url, .. }) if !request.url.is_empty() => {
                let why = "its credential is a whole URL, and it has one of its own".into();
                return Err(Error::Invalid { caller: caller.into(), why });
            }
            Some(it @ Credential { attach: Attach::Url, .. }) => it.url().map_err(Error::Options)?,
            Some(_) | None => request.parse_url(caller)?,
        };
        url.host_str().unwrap_or_default().clone_into(host);
        check_rules(caller, rules, &request, credential, &url)?;
        self.check_literal(caller, &url)?;
        let invalid = |why: String| Error::Invalid { caller: caller.into(), why };
        if let Some(credential) = credential {
            credential.attach(caller, &request, &mut url, &mut shaped.headers).map_err(invalid)?;
        }
        if let Some(key) = &request.idempotency_key {
            // A signed request carries it as its id.
            if !credential.is_some_and(|it| matches!(it.attach, Attach::SigningKey)) {
                set_idempotency_key(&mut shaped, key).map_err(invalid)?;
            }
        }
        let timeout = request.timeout.map_or(self.timeout, |it| it.min(self.timeout));
        let bearer = match (&request.credential, credential) {
            (Some(name), Some(it)) if matches!(it.attach, Attach::OAuth2 { .. }) => {
                Some(Bearer { name: name.clone(), credential: it.clone() })
            }
            _ => None,
        };
        Ok(Ready { url, shaped, body: request.body, timeout, bearer })
    }

    fn refuse_secrets(&self, caller: &str, request: &Request) -> Result<(), Error> {
        let found = |part| Err(Error::SecretInRequest { caller: caller.into(), part });
        if self.finds(request.url.as_bytes()) || self.finds(request.method.as_bytes()) {
            return found("URL");
        }
        let headers = request.headers.iter().flat_map(|(name, value)| [name, value]);
        if headers.chain(&request.idempotency_key).any(|text| self.finds(text.as_bytes())) {
            return found("headers");
        }
        if self.finds(&request.body) {
            return found("body");
        }
        Ok(())
    }

    /// Whether there is a secret in it: one of the configuration, or a token that was had with one.
    fn finds(&self, bytes: &[u8]) -> bool {
        self.scan.find(bytes).is_some() || self.tokens.finds(bytes)
    }

    /// The credential that the request names, if some rule lets the caller name it.
    fn credential(&self, caller: &str, rules: &[Rule], request: &Request) -> Result<Option<&Credential>, Error> {
        let Some(name) = &request.credential else { return Ok(None) };
        let named = rules.iter().any(|rule| rule.credential.as_ref() == Some(name));
        match self.credentials.get(name) {
            Some(credential) if named => Ok(Some(credential)),
            found => Err(Error::Denied {
                caller: caller.into(),
                method: request.method.clone(),
                url: Url::parse(&request.url).map_or_else(|_| "its URL".into(), |url| rule::shown(&url)),
                why: if found.is_some() {
                    format!("it may not use the credential `{name}`")
                } else {
                    format!("there is no credential `{name}`")
                },
                hint: if found.is_some() {
                    "a shipped plugin may use the credential that its section's settings name; one from the plugin \
                     folder one that is approved for it"
                        .into()
                } else {
                    format!(
                        "these lines in the configuration make it: [credentials.{}] bearer = \"file:PATH\", urls = \
                         [\"https://HOST/\"]",
                        key(name)
                    )
                },
            }),
        }
    }

    /// The client's resolver sees names only: an address that stands in the URL is checked here.
    fn check_literal(&self, caller: &str, url: &Url) -> Result<(), Error> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        match refusal(ip, &self.allowed) {
            Some(why) => Err(Error::Address { caller: caller.into(), host: ip.to_string(), address: ip, why }),
            None => Ok(()),
        }
    }

    async fn exchange(&self, caller: &str, host: &str, ready: Ready) -> Result<Response, Error> {
        let Ready { url, shaped, body, .. } = ready;
        let mut request = self.client.request(shaped.method, url).headers(shaped.headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| client::failed(caller, host, error))?;
        self.read(caller, host, response).await
    }

    /// Waits for the answer's head.
    async fn head(
        &self,
        caller: &str,
        host: &str,
        ready: Ready,
        patience: Duration,
    ) -> Result<reqwest::Response, Error> {
        let Ready { url, mut shaped, body, .. } = ready;
        shaped.headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        let mut request = self.plain.request(shaped.method, url).headers(shaped.headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        match tokio::time::timeout(patience, request.send()).await {
            Ok(result) => result.map_err(|error| client::failed_early(caller, host, error)),
            Err(_) => Err(Error::Silent { caller: caller.into(), host: host.into(), after: patience }),
        }
    }

    /// The headers that a caller gets to see.
    ///
    /// Servers repeat what they were sent, a redirect the whole query: what holds a secret does not reach the caller. Nor
    /// does a cookie: it is a key to a session that the credential opened, and callers hold no keys.
    fn readable(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        headers
            .iter()
            .filter(|(name, value)| *name != SET_COOKIE && *name != "set-cookie2" && !self.finds(value.as_bytes()))
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect()
    }

    /// Reads the answer piece by piece: a small one that unpacks to a large one must not fill the memory.
    async fn read(&self, caller: &str, host: &str, mut response: reqwest::Response) -> Result<Response, Error> {
        let status = response.status().as_u16();
        let headers = self.readable(response.headers());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| client::failed(caller, host, error))? {
            if body.len() + piece.len() > self.max_response {
                let limit = self.max_response;
                return Err(Error::TooLarge { caller: caller.into(), host: host.into(), what: "answer", limit });
            }
            body.extend_from_slice(&piece);
        }
        if self.finds(&body) {
            return Err(Error::SecretInAnswer { caller: caller.into(), host: host.into() });
        }
        Ok(Response { status, headers, body })
    }
}

/// Whether the caller may send this there, and the credential may go there.
fn check_rules(
    caller: &str,
    rules: &[Rule],
    request: &Request,
    credential: Option<&Credential>,
    url: &Url,
) -> Result<(), Error> {
    let secret_url = credential.is_some_and(|it| matches!(it.attach, Attach::Url));
    // The path of a secret URL is the secret.
    let shown = if secret_url { format!("{}/…", url.origin().ascii_serialization()) } else { rule::shown(url) };
    let denied = |why: String, hint: String| {
        let (caller, method) = (caller.to_owned(), request.method.clone());
        Err(Error::Denied { caller, method, url: shown.clone(), why, hint })
    };
    let there: Vec<&Rule> = rules
        .iter()
        .filter(|rule| rule.covers(url) || (secret_url && rule.url_prefix.is_empty()))
        .filter(|rule| request.credential.is_none() || rule.credential == request.credential)
        .collect();
    if !there.iter().any(|rule| rule.allows_method(&request.method)) {
        let why = if there.is_empty() { "no grant covers it" } else { "its grants there are for other methods" };
        let hint = "a shipped plugin may send to what its section's settings name; one from the plugin folder to \
                    what is approved";
        return denied(why.into(), hint.into());
    }
    match (credential, &request.credential) {
        (Some(credential), Some(name)) if !credential.may_go_to(url) => {
            let why = format!("the credential `{name}` may not go there");
            let origin = url.origin().ascii_serialization();
            let line = format!("[credentials.{}] urls = [\"{origin}/\"]", key(name));
            denied(why, format!("this line in the configuration allows it: {line}"))
        }
        _ => Ok(()),
    }
}

fn set_idempotency_key(shaped: &mut Shaped, key: &str) -> Result<(), String> {
    let name = HeaderName::from_static("idempotency-key");
    if shaped.headers.contains_key(&name) {
        return Err("it has an idempotency key and a header of that name".into());
    }
    let value = HeaderValue::from_str(key).map_err(|_| "its idempotency key cannot be a header")?;
    shaped.headers.insert(name, value);
    Ok(())
}

/// A name as a key of a TOML table.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
    if bare { name.into() } else { format!("{name:?}") }
}

#[cfg(test)]
mod tests;
