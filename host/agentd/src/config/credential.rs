//! `[credentials.NAME]`: secrets that plugins may name and never see, how a request carries them, and where they may go.

use super::{
    secret::Secret,
    section::{Section, list},
    value,
};
use secrecy::SecretString;
use std::collections::BTreeMap;

const KINDS: [&str; 7] = ["bearer", "basic", "header", "query", "url", "signing-key", "oauth2"];

/// A secret that requests to some addresses may carry.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) attach: Attach,
    /// Empty for an OAuth2 client that has none.
    pub(crate) secret: Secret,
    /// What the addresses begin with.
    pub(crate) urls: Vec<String>,
}

/// How a request carries a credential.
#[derive(Clone, Debug)]
pub(crate) enum Attach {
    Bearer,
    Basic {
        user: String,
    },
    Header {
        name: String,
    },
    Query {
        name: String,
    },
    /// The whole address is the secret.
    Url,
    /// The request is signed with it.
    SigningKey,
    /// With an access token that `token_url` gives for the refresh token or, without one, for the client itself.
    OAuth2 {
        token_url: String,
        client_id: String,
        refresh_token: Option<Secret>,
        scopes: Vec<String>,
    },
}

/// Those that are whole; what is wrong with the others is noted.
pub(super) fn credentials(root: &mut Section<'_, '_>) -> BTreeMap<String, Credential> {
    let all = root.named("credentials", value::name, |section, _| credential(section));
    all.into_iter().filter_map(|(name, credential)| Some((name, credential?))).collect()
}

fn credential(section: &mut Section<'_, '_>) -> Option<Credential> {
    let urls = section.texts("urls", &[], url);
    let given: Vec<_> = KINDS.into_iter().filter(|kind| section.has(kind)).collect();
    let [kind] = given[..] else {
        let what = match given.len() {
            0 => format!("must have one of {}", list(KINDS.into_iter())),
            _ => format!("must have one of {}, has {}", list(KINDS.into_iter()), list(given.into_iter())),
        };
        section.problem_here(what);
        return None;
    };
    if urls.is_empty() && kind != "url" && !section.has("urls") {
        section.missing("urls", "is missing: say urls = [\"https://…/\"], the addresses it may be sent to");
    }
    let (attach, secret) = match kind {
        "bearer" => (Attach::Bearer, section.secret(kind)),
        "url" => (Attach::Url, section.secret(kind)),
        "signing-key" => (Attach::SigningKey, section.secret(kind)),
        "oauth2" => section.section(kind, oauth2)?,
        "basic" => section.section(kind, |inner| {
            let user = inner.required_text("user", "\"NAME\"");
            (Attach::Basic { user }, required_secret(inner))
        }),
        _ => section.section(kind, |inner| {
            let name = inner.required_text("name", "\"X-Api-Key\"");
            let attach = if kind == "header" { Attach::Header { name } } else { Attach::Query { name } };
            (attach, required_secret(inner))
        }),
    };
    Some(Credential { attach, secret: secret?, urls })
}

fn oauth2(section: &mut Section<'_, '_>) -> Option<(Attach, Option<Secret>)> {
    let token_url = section.required_text("token_url", "\"https://…/token\"");
    if !token_url.is_empty()
        && let Err(what) = url(&token_url)
    {
        section.problem("token_url", what);
    }
    let client_id = section.required_text("client_id", "\"…\", as the service calls its client");
    let refresh_token = section.secret("refresh_token");
    // Without a refresh token the client asks for itself, and has to prove who it is.
    let secret = match section.has("refresh_token") && !section.has("secret") {
        true => Some(Secret { reference: String::new(), value: SecretString::from("") }),
        false => required_secret(section),
    };
    if section.has("refresh_token") && refresh_token.is_none() {
        return None; // has been named
    }
    let scopes = section.texts("scopes", &[], |text| match text.is_empty() || text.contains([' ', '"', '\\']) {
        true => Err(format!("`{text}` is not a scope: each is a text of its own, without spaces")),
        false => Ok(()),
    });
    Some((Attach::OAuth2 { token_url, client_id, refresh_token, scopes }, secret))
}

fn required_secret(section: &mut Section<'_, '_>) -> Option<Secret> {
    let secret = section.secret("secret");
    if !section.has("secret") {
        section.missing("secret", "is missing: say secret = \"${NAME}\" or \"file:PATH\"");
    }
    secret
}

/// The beginning of an address.
pub(super) fn url(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['*', '@', ' ']) => Ok(()),
        _ => Err(format!("`{text}` is not the beginning of an address, which looks like \"https://api.acme.com/v1/\"")),
    }
}
