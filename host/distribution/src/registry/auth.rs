//! How a registry wants to know who asks: not at all, by Basic, or by a token from a place that it names.

use super::Session;
use crate::{
    Error, Login,
    fetch::{CALLER, check_scheme, rule},
};
use agentd_egress::{Attach, Credential, Credentials, Egress, Request};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Url, form_urlencoded};

/// The credential's name within this room's own requests.
const NAME: &str = "registry";

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Session<'_> {
    /// Answers the registry's question: from here on its requests carry what it wants.
    pub(super) async fn log_in(&mut self, challenges: &[String]) -> Result<(), Error> {
        let login = self.distribution.options.logins.of(&self.registry).await;
        let login = login.map_err(|why| Error::remote(&self.place, format!("it wants a login: {why}")))?;
        let parsed: Vec<Challenge> = challenges.iter().filter_map(|it| Challenge::parse(it)).collect();
        let bearer = parsed.iter().find(|it| matches!(it, Challenge::Bearer { .. }));
        let credential = match (bearer.or(parsed.first()), login) {
            (None, _) => return Err(Error::remote(&self.place, "it wants a login, and does not say which")),
            (Some(Challenge::Basic), Some(Login { user: Some(user), secret })) => {
                Credential { attach: Attach::Basic { user }, secret, urls: vec![self.own()] }
            }
            (Some(Challenge::Basic), _) => {
                let host = &self.registry;
                return Err(Error::Remote {
                    place: self.place.clone(),
                    what: "it wants a user and a password".into(),
                    hint: Some(format!("`docker login {host}` stores one that is used here too")),
                });
            }
            (Some(Challenge::Bearer { realm, service, scope }), login) => {
                let token = self.token(realm, service.as_deref(), scope.as_deref(), login).await?;
                Credential { attach: Attach::Bearer, secret: token, urls: vec![self.own()] }
            }
        };
        self.egress = self.with(NAME, credential)?;
        self.credential = Some(NAME);
        Ok(())
    }

    /// Where this registry's credential may go.
    fn own(&self) -> String {
        format!("{}/v2/", self.base.origin().ascii_serialization())
    }

    fn with(&self, name: &str, credential: Credential) -> Result<Egress, Error> {
        let credentials: Credentials = [(name.to_owned(), credential)].into_iter().collect();
        let made = self.distribution.egress.with_credentials(credentials);
        made.map_err(|_| Error::remote(&self.place, "its login has characters that cannot be sent"))
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        login: Option<Login>,
    ) -> Result<SecretString, Error> {
        let odd = |what: &str| Error::remote(&self.place, what);
        let mut url = Url::parse(realm).map_err(|_| odd("the place that it names for tokens is no URL"))?;
        if self.base.scheme() == "https" && url.scheme() != "https" {
            return Err(odd("the place that it names for tokens is not https:"));
        }
        check_scheme(&self.distribution.egress, &url, &self.place).await?;
        url.set_fragment(None);
        // For pushing, the first question was a harmless one: the token is for what comes after it.
        let own = format!("repository:{}:pull,push", self.repository);
        let scope = if self.pushes { &own } else { scope.unwrap_or_default() };
        let pairs = [("service", service.unwrap_or_default()), ("scope", scope)];
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let plain = self.distribution.egress.clone();
        let (egress, request, named) = match login {
            Some(Login { user: None, secret }) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token").append_pair("client_id", "agentd");
                form.extend_pairs(pairs).append_pair("refresh_token", secret.expose_secret());
                let headers = vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
                (
                    plain,
                    Request { method: "POST".into(), headers, body: form.finish().into(), ..Request::default() },
                    None,
                )
            }
            Some(Login { user: Some(user), secret }) => {
                url.query_pairs_mut().extend_pairs(pairs);
                let urls = vec![rule("GET", &url).url_prefix];
                let egress = self.with(NAME, Credential { attach: Attach::Basic { user }, secret, urls })?;
                (egress, Request { method: "GET".into(), ..Request::default() }, Some(NAME.to_owned()))
            }
            None => {
                url.query_pairs_mut().extend_pairs(pairs);
                (plain, Request { method: "GET".into(), ..Request::default() }, None)
            }
        };
        let mut rule = rule(&request.method, &url);
        rule.credential.clone_from(&named);
        let request = Request { url: url.to_string(), credential: named, ..request };
        let answer = egress.send(CALLER, &[rule], request).await.map_err(|error| Error::egress(&self.place, &error))?;
        let host = url.host_str().unwrap_or_default();
        if answer.status != 200 {
            let hint = format!("`docker login {}` stores a login that is used here too", self.registry);
            let what = format!("{host}, which it names for tokens, answers {}", answer.status);
            return Err(Error::Remote { place: self.place.clone(), what, hint: Some(hint) });
        }
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = said["token"].as_str().or(said["access_token"].as_str()).filter(|it| !it.is_empty());
        token.map(SecretString::from).ok_or_else(|| odd("the place that it names for tokens gives none"))
    }
}

impl Challenge {
    /// One `www-authenticate`; none: it is of a kind that nobody here knows.
    fn parse(text: &str) -> Option<Challenge> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        if kind.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !kind.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        for (key, value) in parameters(rest) {
            match key.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
        }
        Some(Challenge::Bearer { realm: realm?, service, scope })
    }
}

/// `a="x,y",b=z`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((key.trim().to_owned(), value.to_owned()));
        rest = after.trim_start_matches([' ', ',']);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        #[track_caller]
        fn check(text: &str, expected: Option<Challenge>) {
            assert_eq!(Challenge::parse(text), expected, "{text}");
        }
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let (service, scope) = (service.map(str::to_owned), scope.map(str::to_owned));
            Some(Challenge::Bearer { realm: realm.into(), service, scope })
        };
        check(
            r#"Bearer realm="https://a/token",service="r",scope="repository:a/b:pull,push""#,
            bearer("https://a/token", Some("r"), Some("repository:a/b:pull,push")),
        );
        check("bearer Realm=https://a/token, service=r", bearer("https://a/token", Some("r"), None));
        check(r#"Bearer service="r""#, None);
        check(r#"Bearer realm="x"#, bearer("x", None, None));
        check(r#"Basic realm="x""#, Some(Challenge::Basic));
        check("Negotiate", None);
        check("", None);
    }
}
