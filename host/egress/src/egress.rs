//! Sends a request: all checks in their order, then the secret, then the socket.

use crate::{
    Credentials, Error, Network, Request, Response, Rule,
    address::refusal,
    credential::{Attach, Credential},
    request::Shaped,
    rule,
    secret::SecretScan,
};
use audit::Audit;
use reqwest::header::{HeaderName, HeaderValue, SET_COOKIE};
use std::{net::IpAddr, sync::Arc, time::Duration};
use url::{Host, Url};

mod audit;
mod client;

/// What holds for all callers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Networks that may be called although they are not public, in CIDR notation.
    pub allow_private: Vec<String>,
    /// The largest answer after decompression, in bytes.
    pub max_response: usize,
    /// The longest exchange, from the name's resolution to the answer's last byte.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { allow_private: Vec::new(), max_response: 8 << 20, timeout: Duration::from_secs(30) }
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
    allowed: Arc<[Network]>,
    max_response: usize,
    timeout: Duration,
    credentials: Credentials,
    scan: SecretScan,
}

/// A request that passed all checks, with its secret.
struct Ready {
    url: Url,
    shaped: Shaped,
    body: Vec<u8>,
    timeout: Duration,
}

impl Egress {
    /// # Errors
    /// [`Error::Options`] if a network, or a credential, does not work.
    pub fn new(options: Options, credentials: Credentials) -> Result<Egress, Error> {
        let networks: Result<Vec<Network>, Error> = options.allow_private.iter().map(|it| it.parse()).collect();
        let allowed: Arc<[Network]> = networks?.into();
        credentials.check()?;
        let inner = Inner {
            client: client::new(Arc::clone(&allowed))?,
            allowed,
            max_response: options.max_response,
            timeout: options.timeout,
            scan: SecretScan::new(credentials.secrets()),
            credentials,
        };
        Ok(Egress { inner: Arc::new(inner) })
    }

    /// Sends `request` for `caller`, which `rules` bind, and waits for the whole answer.
    ///
    /// # Errors
    /// See [`Error`]. An answer of any status is no error.
    pub async fn send(&self, caller: &str, rules: &[Rule], request: Request) -> Result<Response, Error> {
        let mut audit = Audit::new(caller, &request);
        let result = match self.inner.prepare(caller, rules, request, &mut audit.host) {
            Ok(ready) => self.inner.exchange(caller, &audit.host, ready).await,
            Err(error) => Err(error),
        };
        audit.outcome = Some(match &result {
            Ok(response) => Ok((response.status, response.body.len())),
            Err(error) => Err(error.word()),
        });
        result
    }
}

impl Inner {
    /// All checks that need no network, in their order, and then the secret.
    fn prepare(&self, caller: &str, rules: &[Rule], request: Request, host: &mut String) -> Result<Ready, Error> {
        // First of all, so that no text below can show a secret that the caller wrote into a path.
        self.refuse_secrets(caller, &request)?;
        let mut shaped = request.shape(caller)?;
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
            if !credential.is_some_and(|it| it.attach == Attach::SigningKey) {
                set_idempotency_key(&mut shaped, key).map_err(invalid)?;
            }
        }
        let timeout = request.timeout.map_or(self.timeout, |it| it.min(self.timeout));
        Ok(Ready { url, shaped, body: request.body, timeout })
    }

    fn refuse_secrets(&self, caller: &str, request: &Request) -> Result<(), Error> {
        let found = |part| Err(Error::SecretInRequest { caller: caller.into(), part });
        if self.scan.find(request.url.as_bytes()).is_some() || self.scan.find(request.method.as_bytes()).is_some() {
            return found("URL");
        }
        let headers = request.headers.iter().flat_map(|(name, value)| [name, value]);
        if headers.chain(&request.idempotency_key).any(|text| self.scan.find(text.as_bytes()).is_some()) {
            return found("headers");
        }
        if self.scan.find(&request.body).is_some() {
            return found("body");
        }
        Ok(())
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
                     folder may use none"
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
        let Ready { url, shaped, body, timeout } = ready;
        let exchange = async {
            let mut request = self.client.request(shaped.method, url).headers(shaped.headers);
            if !body.is_empty() {
                request = request.body(body);
            }
            let response = request.send().await.map_err(|error| client::failed(caller, host, error))?;
            self.read(caller, host, response).await
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| {
            let why = format!("not within {} ms", timeout.as_millis());
            Err(Error::Unavailable { caller: caller.into(), host: host.into(), why })
        })
    }

    /// Reads the answer piece by piece: a small one that unpacks to a large one must not fill the memory.
    ///
    /// Servers repeat what they were sent, a redirect the whole query: what holds a secret does not reach the caller.
    async fn read(&self, caller: &str, host: &str, mut response: reqwest::Response) -> Result<Response, Error> {
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter(|(name, value)| *name != SET_COOKIE && self.scan.find(value.as_bytes()).is_none())
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| client::failed(caller, host, error))? {
            if body.len() + piece.len() > self.max_response {
                let limit = self.max_response;
                return Err(Error::TooLarge { caller: caller.into(), host: host.into(), what: "answer", limit });
            }
            body.extend_from_slice(&piece);
        }
        if self.scan.find(&body).is_some() {
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
    let secret_url = credential.is_some_and(|it| it.attach == Attach::Url);
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
        let hint = "a shipped plugin may send to what its section's settings name; one from the plugin folder may send \
                    nowhere";
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
