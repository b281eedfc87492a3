//! Asks a server for an access token (RFC 6749: refresh token, or client credentials), and attaches it.
//!
//! The request goes the same way as any other: address filter, proxy, authorities, an audit line. One asks for all who
//! wait; a refusal is remembered for a while, so that a dead refresh token is not tried with each call.
//!
//! - Nothing that the server wrote is in an error but a code that the standard knows.
//! - The secret goes to the token URL alone, and to no redirect of it.

use super::{
    Inner, Ready,
    audit::{Audit, Outcome},
    client,
};
use crate::{
    Attach, Error, Response,
    credential::Credential,
    rule,
    token::{Access, Failure, Place, State},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

const ANSWER_BYTES_MAX: usize = 256 << 10;
/// A token is not used in its last minute, or last tenth if that is shorter: clocks differ, and requests take time.
const MARGIN: Duration = Duration::from_secs(60);
const LIFETIME_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// For how long a server is left alone that refused, or that did not answer.
const RESTS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(5));
/// What the standards say of a token that could not be had; anything else that a server writes is not repeated.
const CODES: [&str; 10] = [
    "access_denied",
    "bad_refresh_token",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// A request whose secret is a token that has to be had first.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) name: String,
    pub(super) credential: Credential,
}

/// A server's yes.
struct Granted {
    token: SecretString,
    lifetime: Option<Duration>,
    refresh: Option<SecretString>,
}

/// A server's no.
struct Refused {
    why: String,
    code: Option<&'static str>,
    /// It may say otherwise in a moment.
    passing: bool,
}

impl Inner {
    /// The whole exchange within its time, with a token where the credential is one.
    pub(super) async fn answer(
        self: &Arc<Self>,
        caller: &str,
        host: &str,
        mut ready: Ready,
    ) -> Result<Response, Error> {
        let timeout = ready.timeout;
        let whole = async {
            let Some(bearer) = ready.bearer.take() else { return self.exchange(caller, host, ready).await };
            let again = repeatable(&ready);
            let token = self.authorize(caller, &bearer, &mut ready, None).await?;
            let response = self.exchange(caller, host, ready).await?;
            if response.status != 401 {
                return Ok(response);
            }
            let Some(mut again) = again else {
                self.spoil(&bearer, &token).await;
                return Ok(response);
            };
            self.authorize(caller, &bearer, &mut again, Some(&token)).await?;
            self.exchange(caller, host, again).await
        };
        tokio::time::timeout(timeout, whole).await.unwrap_or_else(|_| {
            let why = format!("not within {} ms", timeout.as_millis());
            Err(Error::Unavailable { caller: caller.into(), host: host.into(), why })
        })
    }

    /// Waits for the answer's head, with a token where the credential is one.
    pub(super) async fn begin(
        self: &Arc<Self>,
        caller: &str,
        host: &str,
        mut ready: Ready,
        patience: Duration,
    ) -> Result<reqwest::Response, Error> {
        let Some(bearer) = ready.bearer.take() else { return self.head(caller, host, ready, patience).await };
        let again = repeatable(&ready);
        let token = self.authorize(caller, &bearer, &mut ready, None).await?;
        let response = self.head(caller, host, ready, patience).await?;
        if response.status().as_u16() != 401 {
            return Ok(response);
        }
        let Some(mut again) = again else {
            self.spoil(&bearer, &token).await;
            return Ok(response);
        };
        self.authorize(caller, &bearer, &mut again, Some(&token)).await?;
        self.head(caller, host, again, patience).await
    }

    /// Puts a token on the request and gives it; never the one that was refused before.
    async fn authorize(
        self: &Arc<Self>,
        caller: &str,
        bearer: &Bearer,
        ready: &mut Ready,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, Error> {
        let failed = |Failure { host, why, hint }| Error::Token {
            caller: caller.to_owned(),
            credential: bearer.name.clone(),
            host,
            why,
            hint,
        };
        let token = self.token(bearer, refused).await.map_err(failed)?;
        let invalid = |_| Error::Invalid { caller: caller.into(), why: "its access token cannot be a header".into() };
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(invalid)?;
        value.set_sensitive(true);
        ready.shaped.headers.insert(AUTHORIZATION, value);
        Ok(token)
    }

    /// The next request gets another token.
    async fn spoil(&self, bearer: &Bearer, token: &SecretString) {
        let place = self.tokens.place(&bearer.name, &bearer.credential);
        let mut state = place.state.lock().await;
        state.access.take_if(|it| it.token.expose_secret() == token.expose_secret());
    }

    async fn token(self: &Arc<Self>, bearer: &Bearer, refused: Option<&SecretString>) -> Result<SecretString, Failure> {
        let place = self.tokens.place(&bearer.name, &bearer.credential);
        if let Some(token) = usable(&*place.state.lock().await, refused) {
            return Ok(token);
        }
        let (inner, bearer, refused) = (Arc::clone(self), bearer.clone(), refused.cloned());
        let asked = async move { inner.renew(&place, &bearer, refused.as_ref()).await };
        self.tokens.through(asked).await.unwrap_or_else(|| {
            let (host, hint) = ("agentd".to_owned(), "this is a fault of agentd's; please report it".to_owned());
            Err(Failure { host, why: "gave up on the way".into(), hint })
        })
    }

    /// Has a new token, unless somebody else had one while this one waited.
    async fn renew(
        &self,
        place: &Place,
        bearer: &Bearer,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, Failure> {
        let mut state = place.state.lock().await;
        if let Some(token) = usable(&state, refused) {
            return Ok(token);
        }
        if let Some((until, failure)) = &state.rests
            && Instant::now() < *until
        {
            return Err(failure.clone());
        }
        let Attach::OAuth2 { token_url, refresh_token, .. } = &bearer.credential.attach else {
            return Err(Failure { host: "agentd".into(), why: "has no such credential".into(), hint: String::new() });
        };
        state.access = None;
        let url = Url::parse(token_url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
        let refresh = state.rotated.clone().or_else(|| refresh_token.clone());
        match self.ask(bearer, url, &host, refresh.as_ref(), &mut state.in_header).await {
            Ok(Granted { token, lifetime, refresh: new }) => {
                self.tokens.learn(&bearer.name, [Some(token.clone()), new.clone()].into_iter().flatten());
                let changed = |it: &SecretString| refresh.is_none_or(|old| old.expose_secret() != it.expose_secret());
                if let Some(new) = new.filter(changed) {
                    self.tokens.keep(&bearer.name, &new);
                    state.rotated = Some(new);
                }
                let lasts = lifetime.map(|it| it.saturating_sub(MARGIN.min(it / 10)).min(LIFETIME_MAX));
                state.access = Some(Access { token: token.clone(), until: lasts.map(|it| Instant::now() + it) });
                state.rests = None;
                Ok(token)
            }
            Err(Refused { why, code, passing }) => {
                let failure = Failure { host, why, hint: hint(&bearer.name, code, passing) };
                let rest = if passing { RESTS.1 } else { RESTS.0 };
                state.rests = Some((Instant::now() + rest, failure.clone()));
                Err(failure)
            }
        }
    }

    /// Asks, and where the server does not understand how the client shows itself, asks the other way.
    async fn ask(
        &self,
        bearer: &Bearer,
        url: Option<Url>,
        host: &str,
        refresh: Option<&SecretString>,
        in_header: &mut Option<bool>,
    ) -> Result<Granted, Refused> {
        let no = |why: &str| Refused { why: why.into(), code: None, passing: false };
        let url = url.ok_or_else(|| no("is no URL"))?;
        let way = in_header.unwrap_or(true);
        let first = self.ask_once(bearer, url.clone(), host, refresh, way).await;
        let other_way = matches!(&first, Err(it) if it.code == Some("invalid_client"))
            && in_header.is_none()
            && !bearer.credential.secret.expose_secret().is_empty();
        let (way, result) =
            if other_way { (!way, self.ask_once(bearer, url, host, refresh, !way).await) } else { (way, first) };
        if result.is_ok() {
            *in_header = Some(way);
        }
        result
    }

    async fn ask_once(
        &self,
        bearer: &Bearer,
        url: Url,
        host: &str,
        refresh: Option<&SecretString>,
        in_header: bool,
    ) -> Result<Granted, Refused> {
        let passing = |why: String| Refused { why, code: None, passing: true };
        let caller = format!("credential {}", bearer.name);
        let (body, authorization) = form(&bearer.credential, refresh, in_header);
        let mut audit = Audit::new(&caller, "POST", body.len());
        host.clone_into(&mut audit.host);
        audit.outcome = Some(Outcome::Failed("unavailable"));
        if let Err(error) = self.check_literal(&caller, &url) {
            audit.outcome = Some(Outcome::Failed(error.word()));
            return Err(Refused { why: error.to_string().replace('\n', "; "), code: None, passing: false });
        }
        let mut request = self.client.post(url).header(ACCEPT, "application/json");
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        if let Some(value) = authorization.and_then(|it| HeaderValue::from_str(&it).ok()) {
            let mut value = value;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let exchange = async {
            let failed = |error| passing(client::failed(&caller, host, error).to_string().replace('\n', "; "));
            let mut response = request.send().await.map_err(failed)?;
            let mut bytes = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(failed)? {
                if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
                    return Err(passing("answered more than a token".into()));
                }
                bytes.extend_from_slice(&piece);
            }
            Ok((response.status().as_u16(), bytes))
        };
        let (status, bytes) = tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(passing(format!("did not answer within {} s", self.timeout.as_secs()))))?;
        audit.outcome = Some(Outcome::Answered { status, bytes: bytes.len() });
        understood(status, &bytes)
    }
}

/// A request that changes nothing may be sent once more.
fn repeatable(ready: &Ready) -> Option<Ready> {
    matches!(ready.shaped.method, Method::GET | Method::HEAD).then(|| ready.clone())
}

/// A token that has not ended and was not refused.
fn usable(state: &State, refused: Option<&SecretString>) -> Option<SecretString> {
    let access = state.access.as_ref()?;
    let fresh = access.until.is_none_or(|it| Instant::now() < it);
    let other = refused.is_none_or(|it| it.expose_secret() != access.token.expose_secret());
    (fresh && other).then(|| access.token.clone())
}

/// The body, and the value of `authorization` where the secret goes there.
fn form(credential: &Credential, refresh: Option<&SecretString>, in_header: bool) -> (String, Option<String>) {
    let secret = credential.secret.expose_secret();
    let Attach::OAuth2 { client_id, scopes, .. } = &credential.attach else { return (String::new(), None) };
    let mut form = form_urlencoded::Serializer::new(String::new());
    match refresh {
        Some(token) => {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose_secret());
        }
        None => {
            form.append_pair("grant_type", "client_credentials");
        }
    }
    if !scopes.is_empty() {
        form.append_pair("scope", &scopes.join(" "));
    }
    let authorization = (in_header && !secret.is_empty()).then(|| {
        // The standard wants both encoded before they are joined.
        let encoded = |it: &str| form_urlencoded::byte_serialize(it.as_bytes()).collect::<String>();
        format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret))))
    });
    if authorization.is_none() {
        form.append_pair("client_id", client_id);
        if !secret.is_empty() {
            form.append_pair("client_secret", secret);
        }
    }
    (form.finish(), authorization)
}

fn understood(status: u16, bytes: &[u8]) -> Result<Granted, Refused> {
    let answer: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let code = answer["error"].as_str().and_then(|it| CODES.into_iter().find(|code| *code == it));
    // A server that does not know the client may say so by its status alone.
    let code = code.or((status == 401).then_some("invalid_client"));
    let refused = |why: String| {
        let passing = status == 429 || status >= 500 || code == Some("temporarily_unavailable");
        Err(Refused { why, code, passing })
    };
    let text = |key: &str| answer[key].as_str().filter(|it| !it.is_empty()).map(SecretString::from);
    if !(200..300).contains(&status) {
        return refused(match code {
            Some(code) => format!("answered {status} ({code})"),
            None => format!("answered {status}"),
        });
    }
    let Some(token) = text("access_token") else {
        return refused(match code {
            Some(code) => format!("answered {code}"),
            None => "answered something that is no token".into(),
        });
    };
    if answer["token_type"].as_str().is_some_and(|it| !it.eq_ignore_ascii_case("bearer")) {
        return refused("gave a token of another type than bearer".into());
    }
    if HeaderValue::from_str(token.expose_secret()).is_err() {
        return refused("gave a token that cannot be a header".into());
    }
    let seconds = answer["expires_in"].as_u64().or_else(|| answer["expires_in"].as_str()?.parse().ok());
    Ok(Granted { token, lifetime: seconds.map(Duration::from_secs), refresh: text("refresh_token") })
}

fn hint(name: &str, code: Option<&str>, passing: bool) -> String {
    let section = format!("[credentials.{}] oauth2", super::key(name));
    match code {
        Some("invalid_grant" | "bad_refresh_token") => {
            format!("the refresh token has ended or was used up: log in there anew and put the new one into {section}")
        }
        Some("invalid_client" | "unauthorized_client") => format!("check client_id and secret in {section}"),
        Some("invalid_scope") => format!("check scopes in {section}"),
        Some(_) | None if passing => "it is tried again with a later request".into(),
        Some(_) | None => format!("check {section}: token_url ({})", "an https: URL that answers POST with a token"),
    }
}

/// Refuses what could not work, or would show the secret to the network between.
pub(crate) fn check_token_url(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|_| "its token_url is not an absolute URL")?;
    let own = match url.host() {
        Some(url::Host::Ipv4(ip)) => crate::address::refusal(ip.into(), &[]).is_some(),
        Some(url::Host::Ipv6(ip)) => crate::address::refusal(ip.into(), &[]).is_some(),
        Some(url::Host::Domain(_)) | None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && own) {
        return Err(format!("its token_url {} is not https:", rule::shown(&url)));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("there is a user, a password or a fragment in its token_url".into());
    }
    Ok(())
}
