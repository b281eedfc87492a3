//! Secrets that are attached to requests, and where each may go.
//!
//! A caller names a credential and never sees it. The secret goes only below the prefixes that the operator wrote
//! beside it, whatever the caller's rules say, and only in the one place that its kind names.

use crate::{Error, egress::check_token_url, request::Request, rule::Prefix};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use url::Url;

const SIGNATURE_HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

/// How a service wants to get a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Attach {
    /// `Authorization: Bearer SECRET`.
    Bearer,
    /// `Authorization: Basic …`, with the secret as the password.
    Basic { user: String },
    /// The header of this name holds the secret and nothing else.
    Header(String),
    /// The query parameter of this name.
    Query(String),
    /// The secret is the whole URL; the request's own is empty.
    Url,
    /// The request is signed with it as Standard Webhooks says. The secret is base64, with or without `whsec_` before
    /// it.
    SigningKey,
    /// `Authorization: Bearer …` with an access token that `token_url` gives for the refresh token, or, without one, for
    /// the client itself. The secret is the client's; a public client has none and it is empty.
    OAuth2 { token_url: String, client_id: String, refresh_token: Option<SecretString>, scopes: Vec<String> },
}

/// A secret, its place in a request, and where it may go. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Credential {
    pub attach: Attach,
    pub secret: SecretString,
    /// URL prefixes. With [`Attach::Url`] they may be empty: the secret itself says where.
    pub urls: Vec<String>,
}

/// All credentials by name.
#[derive(Clone, Debug, Default)]
pub struct Credentials(BTreeMap<String, Credential>);

impl Credentials {
    pub fn insert(&mut self, name: impl Into<String>, credential: Credential) {
        self.0.insert(name.into(), credential);
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Credential> {
        self.0.get(name)
    }

    /// The live secret values, for a [`SecretScan`](crate::secret::SecretScan).
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        let refresh = self.0.values().filter_map(|it| match &it.attach {
            Attach::OAuth2 { refresh_token, .. } => refresh_token.clone(),
            _ => None,
        });
        self.0.values().map(|it| it.secret.clone()).chain(refresh).collect()
    }

    /// Refuses what could not work when it is needed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.0.iter().try_for_each(|(name, credential)| {
            credential.check().map_err(|why| Error::Options(format!("[credentials.{name}]: {why}")))
        })
    }
}

impl FromIterator<(String, Credential)> for Credentials {
    fn from_iter<I: IntoIterator<Item = (String, Credential)>>(entries: I) -> Credentials {
        Credentials(entries.into_iter().collect())
    }
}

impl Credential {
    fn check(&self) -> Result<(), String> {
        for prefix in &self.urls {
            Prefix::parse(prefix).map_err(|error| error.to_string())?;
        }
        let secret = self.secret.expose_secret();
        let public = matches!(&self.attach, Attach::OAuth2 { refresh_token: Some(_), .. });
        if secret.is_empty() && !public {
            return Err("the secret is empty".into());
        }
        match &self.attach {
            Attach::Header(name) if HeaderName::from_bytes(name.as_bytes()).is_err() => {
                return Err(format!("`{name}` is not the name of a header"));
            }
            Attach::Basic { user } if user.contains(':') => return Err("there is a `:` in the user".into()),
            Attach::Url => drop(self.url()?),
            Attach::SigningKey => drop(signing_key(secret)?),
            Attach::OAuth2 { client_id, .. } if client_id.is_empty() => return Err("its client_id is empty".into()),
            Attach::OAuth2 { refresh_token: Some(token), .. } if token.expose_secret().is_empty() => {
                return Err("its refresh_token is empty".into());
            }
            Attach::OAuth2 { token_url, .. } => check_token_url(token_url)?,
            Attach::Bearer | Attach::Basic { .. } | Attach::Header(_) | Attach::Query(_) => {}
        }
        if matches!(self.attach, Attach::Bearer | Attach::Header(_)) && HeaderValue::from_str(secret).is_err() {
            return Err("the secret has characters that a header cannot hold; is there a line break at its end?".into());
        }
        Ok(())
    }

    /// The URL that the secret is.
    pub(crate) fn url(&self) -> Result<Url, String> {
        match Url::parse(self.secret.expose_secret()) {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => Ok(url),
            Ok(_) | Err(_) => Err("the secret has to be a URL, https: or http:, and is none".into()),
        }
    }

    /// Whether the operator lets the secret go to `url`.
    pub(crate) fn may_go_to(&self, url: &Url) -> bool {
        (self.urls.is_empty() && matches!(self.attach, Attach::Url))
            || self.urls.iter().any(|prefix| Prefix::parse(prefix).is_ok_and(|prefix| prefix.covers(url)))
    }

    /// Puts the secret where it belongs. `Err`: what the caller wrote already stands there.
    pub(crate) fn attach(
        &self,
        caller: &str,
        request: &Request,
        url: &mut Url,
        headers: &mut HeaderMap,
    ) -> Result<(), String> {
        let secret = self.secret.expose_secret();
        match &self.attach {
            Attach::Bearer => set_secret(headers, AUTHORIZATION, &format!("Bearer {secret}")),
            Attach::Basic { user } => {
                set_secret(headers, AUTHORIZATION, &format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))))
            }
            Attach::Header(name) => {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "the credential's header is none")?;
                set_secret(headers, name, secret)
            }
            Attach::Query(name) => {
                if url.query_pairs().any(|(it, _)| it == name.as_str()) {
                    return Err(format!("the query parameter `{name}` is the credential's"));
                }
                url.query_pairs_mut().append_pair(name, secret);
                Ok(())
            }
            Attach::Url => Ok(()),
            Attach::SigningKey => sign(secret, caller, request, headers),
            // The token is had later, and goes to a place that has to be free.
            Attach::OAuth2 { .. } if headers.contains_key(AUTHORIZATION) => {
                Err(format!("the header `{AUTHORIZATION}` is the credential's"))
            }
            Attach::OAuth2 { .. } => Ok(()),
        }
    }
}

fn set_secret(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), String> {
    if headers.contains_key(&name) {
        return Err(format!("the header `{name}` is the credential's"));
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| "the secret has characters that a header cannot hold")?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Signs `id.seconds.body`. The id is the caller's idempotency key; without one it is made of what is sent, so that the
/// same message at the same moment has the same id.
fn sign(secret: &str, caller: &str, request: &Request, headers: &mut HeaderMap) -> Result<(), String> {
    if let Some(name) = SIGNATURE_HEADERS.into_iter().find(|it| headers.contains_key(*it)) {
        return Err(format!("the header `{name}` is the credential's"));
    }
    let id = match &request.idempotency_key {
        Some(key) if key.contains('.') => {
            return Err("there is a `.` in the idempotency key of a signed request".into());
        }
        Some(key) => key.clone(),
        None => made_id(caller, request),
    };
    let seconds = (request.now_ms / 1000).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(&signing_key(secret)?).expect("HMAC takes a key of any length");
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", &request.body] {
        mac.update(part);
    }
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    for (name, value) in SIGNATURE_HEADERS.into_iter().zip([id, seconds, signature]) {
        let value = HeaderValue::from_str(&value).map_err(|_| "the idempotency key cannot be a header")?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(())
}

fn made_id(caller: &str, request: &Request) -> String {
    let mut hash = Sha256::new();
    for part in [caller.as_bytes(), &request.now_ms.to_be_bytes(), request.url.as_bytes(), &request.body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("msg_{}", hex::encode(&hash.finalize()[..16]))
}

fn signing_key(secret: &str) -> Result<Vec<u8>, String> {
    let text = secret.strip_prefix("whsec_").unwrap_or(secret);
    match STANDARD.decode(text) {
        Ok(key) if !key.is_empty() => Ok(key),
        Ok(_) | Err(_) => Err("a signing key is `whsec_` and base64, and this one is not".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(attach: Attach, secret: &str, expected: Option<&str>) {
        let credential = Credential { attach, secret: secret.into(), urls: vec![] };
        let found = Credentials::from_iter([("jira".to_owned(), credential)]).check().err().map(|it| it.to_string());
        match (&found, expected) {
            (Some(found), Some(expected)) => {
                assert!(found.starts_with("[credentials.jira]: ") && found.contains(expected), "{found}");
                assert!(secret.is_empty() || !found.contains(secret), "{found}");
            }
            (None, None) => {}
            _ => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_credential_that_cannot_work_is_refused_at_once() {
        check(Attach::Bearer, "s3cret-value", None);
        check(Attach::Bearer, "s3cret-value\n", Some("line break"));
        check(Attach::Bearer, "", Some("empty"));
        check(Attach::Basic { user: "bot".into() }, "with\nbreak", None);
        check(Attach::Basic { user: "bot:x".into() }, "s3cret-value", Some("`:`"));
        check(Attach::Header("x-key".into()), "s3cret-value", None);
        check(Attach::Header("x key".into()), "s3cret-value", Some("not the name of a header"));
        check(Attach::Url, "https://hooks.acme.com/T0/B0", None);
        check(Attach::Url, "hooks.acme.com/T0/B0", Some("has to be a URL"));
        check(Attach::SigningKey, "whsec_c2VjcmV0", None);
        check(Attach::SigningKey, "whsec_not base64!", Some("`whsec_` and base64"));
    }

    /// The example of the Standard Webhooks specification's own libraries.
    #[test]
    fn a_signature_is_the_one_that_others_compute() {
        let request = Request {
            body: br#"{"test": 2432232314}"#.to_vec(),
            idempotency_key: Some("msg_p5jXN8AQM9LWM0D4loKWxJek".into()),
            now_ms: 1_614_265_330_999,
            ..Request::default()
        };
        let mut headers = HeaderMap::new();
        sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "hook", &request, &mut headers).unwrap();
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_signed_message_without_a_key_has_an_id_of_its_own() {
        let request = Request { body: b"x".to_vec(), now_ms: 1, ..Request::default() };
        let later = Request { now_ms: 2, ..request.clone() };
        assert_eq!(made_id("hook", &request), made_id("hook", &request.clone()));
        assert_ne!(made_id("hook", &request), made_id("hook", &later));
        assert_ne!(made_id("hook", &request), made_id("other", &request));
    }

    #[test]
    fn nothing_shows_the_secret() {
        let credential = Credential { attach: Attach::Bearer, secret: "s3cret-value".into(), urls: vec![] };
        assert!(!format!("{:?}", Credentials::from_iter([("x".to_owned(), credential)])).contains("s3cret"));
    }
}
