//! What the daemon and the commands for authors have in common on the way out: credentials of the configuration, and a
//! plugin's request as the egress wants it.

use crate::config::{Attach, Config};
use agentd_egress::{Credential, Credentials, Egress, Request, Rule};
use agentd_plugin::{HttpCall, wit};
use secrecy::SecretString;
use std::time::Duration;
use wit::common::{Content, Error};

/// All of the configuration. `newest` gives the refresh token that counts for the one that is configured: services hand
/// out new ones.
pub(crate) fn credentials(config: &Config, newest: impl Fn(&str, &SecretString) -> SecretString) -> Credentials {
    let mut credentials = Credentials::default();
    for (name, it) in &config.credentials {
        let attach = match it.attach.clone() {
            Attach::Bearer => agentd_egress::Attach::Bearer,
            Attach::Basic { user } => agentd_egress::Attach::Basic { user },
            Attach::Header { name } => agentd_egress::Attach::Header(name),
            Attach::Query { name } => agentd_egress::Attach::Query(name),
            Attach::Url => agentd_egress::Attach::Url,
            Attach::SigningKey => agentd_egress::Attach::SigningKey,
            Attach::OAuth2 { token_url, client_id, refresh_token, scopes } => {
                let refresh_token = refresh_token.map(|it| newest(name, &it.value));
                agentd_egress::Attach::OAuth2 { token_url, client_id, refresh_token, scopes }
            }
        };
        credentials.insert(name, Credential { attach, secret: it.secret.value.clone(), urls: it.urls.clone() });
    }
    credentials
}

/// Sends a plugin's request within what it is granted.
///
/// # Errors
/// In the contract's words, without any secret.
pub(crate) async fn send(egress: &Egress, call: HttpCall, now_ms: i64) -> Result<wit::http::Response, Error> {
    let HttpCall { entry, granted, request } = call;
    let rules: Vec<Rule> = granted
        .into_iter()
        .map(|it| Rule { methods: it.methods, url_prefix: it.url_prefix, credential: it.credential })
        .collect();
    let key = request.extra.into_iter().find(|(name, _)| name == "idempotency-key").map(|(_, value)| value);
    let request = Request {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: match request.body {
            Content::Text(text) => text.into_bytes(),
            Content::Bytes(bytes) => bytes,
        },
        credential: request.credential,
        timeout: request.timeout_ms.map(|it| Duration::from_millis(it.into())),
        idempotency_key: key,
        now_ms,
    };
    let response = egress.send(&entry, &rules, request).await.map_err(refusal)?;
    let body = match String::from_utf8(response.body) {
        Ok(text) => Content::Text(text),
        Err(error) => Content::Bytes(error.into_bytes()),
    };
    Ok(wit::http::Response { status: response.status, headers: response.headers, body, extra: vec![] })
}

fn refusal(error: agentd_egress::Error) -> Error {
    use agentd_egress::Error as E;
    let text = error.to_string();
    match error {
        E::Denied { .. } | E::Address { .. } | E::SecretInRequest { .. } => Error::Denied(text),
        E::Invalid { .. } | E::Options(_) => Error::Invalid(text),
        E::Unavailable { .. } => Error::Unavailable(text),
        E::TooLarge { .. } => Error::TooLarge(text),
        _ => Error::Other(text),
    }
}
