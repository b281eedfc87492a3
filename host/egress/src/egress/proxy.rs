//! The operator's proxy: what is known of it, and nothing that shows its password.

use crate::{Error, secret::percent_decoded};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use std::fmt;
use url::Url;

/// An `http:` or `https:` proxy, perhaps with user and password.
#[derive(Clone)]
pub(super) struct Proxy(Url);

impl Proxy {
    pub(super) fn parse(text: &str) -> Result<Proxy, Error> {
        let bad =
            |why: &str| Error::Options(format!("[network] proxy: {why}; one looks like http://proxy.acme.com:3128"));
        let url = Url::parse(text).map_err(|_| bad("it is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(bad("it is neither http: nor https:"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("there is more in it than a host, a port, a user and a password"));
        }
        Ok(Proxy(url))
    }

    /// With user and password.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Host and port to dial, as `tokio` takes them.
    pub(super) fn address(&self) -> (String, u16) {
        (self.host().trim_matches(['[', ']']).to_owned(), self.0.port_or_known_default().unwrap_or(80))
    }

    /// What has to be looked for in requests.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let Some(password) = self.0.password() else { return Vec::new() };
        vec![SecretString::from(password), SecretString::from(decoded(password))]
    }

    /// The value of `proxy-authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        if self.0.username().is_empty() && self.0.password().is_none() {
            return None;
        }
        let (user, password) = (decoded(self.0.username()), decoded(self.0.password().unwrap_or_default()));
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.0.origin().ascii_serialization()).finish()
    }
}

fn decoded(text: &str) -> String {
    percent_decoded(text.as_bytes())
        .map_or_else(|| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_and_its_password_is_not_shown() {
        let proxy = Proxy::parse("http://me:p%40ssword@proxy.acme.com:3128").unwrap();
        assert_eq!(proxy.address(), ("proxy.acme.com".to_owned(), 3128));
        assert_eq!(proxy.authorization(), Some(format!("Basic {}", STANDARD.encode("me:p@ssword"))));
        assert_eq!(format!("{proxy:?}"), "Proxy(\"http://proxy.acme.com:3128\")");
        assert_eq!(Proxy::parse("http://[::1]:3128").unwrap().address(), ("::1".to_owned(), 3128));
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for bad in ["proxy:3128", "socks5://me:hunter22@proxy", "http://me:hunter22@proxy/path", "http://me:hunter22@"]
        {
            let error = Proxy::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with("[network] proxy: ") && !error.contains("hunter22"), "{bad}: {error}");
        }
    }
}
