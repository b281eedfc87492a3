//! Who agentd is at GitHub: a token, or an App that gets a token of its own for each repository, with no more rights
//! than are needed there, and for an hour.
//!
//! - Tokens stay in memory, and are shown by nobody: not in `Debug`, not in an error, not in a line of the log.
//! - Never asks by itself: [`super::exchange`] makes the requests and keeps here what they gave.

use crate::Error;
use octocrab::jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// A token is not used any more this long before its end, in milliseconds: a long push has to be through by then.
const EARLY_MS: i64 = 5 * 60_000;
/// GitHub takes what is signed for ten minutes at most, and clocks differ.
const SIGNED_FOR_S: i64 = 9 * 60;
const SIGNED_BEFORE_S: i64 = 60;
/// Repositories whose tokens are kept.
const KEPT: usize = 4096;

/// What agentd needs in a repository, and so asks for there: nothing that changes settings, secrets or workflows.
const RIGHTS: [(&str, Level); 7] = [
    ("actions", Level::Read),
    ("checks", Level::Read),
    ("contents", Level::Write),
    ("issues", Level::Write),
    ("metadata", Level::Read),
    ("pull_requests", Level::Write),
    ("statuses", Level::Read),
];

/// How agentd proves who it is. Its `Debug` shows no secret.
#[derive(Clone)]
pub enum Auth {
    /// A personal access token, fine-grained or classic.
    Token(SecretString),
    /// A GitHub App; `key` is its private key in PEM form.
    App { id: u64, key: SecretString },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::Token(_) => f.write_str("Token"),
            Auth::App { id, .. } => f.debug_struct("App").field("id", id).finish_non_exhaustive(),
        }
    }
}

/// What a request is about: it decides which token goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// `owner/name`.
    Repository(String),
    /// All repositories of an owner, to read their issues.
    Owner(String),
    /// The account itself.
    Account,
}

impl Scope {
    pub(crate) fn repository(name: &str) -> Scope {
        Scope::Repository(name.to_ascii_lowercase())
    }

    pub(crate) fn owner(name: &str) -> Scope {
        Scope::Owner(name.to_ascii_lowercase())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Read,
    Write,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Level::Read => "read",
            Level::Write => "write",
        }
    }

    fn parse(text: &str) -> Option<Level> {
        match text {
            "read" => Some(Level::Read),
            "write" | "admin" => Some(Level::Write),
            _ => None,
        }
    }
}

/// An App's installation at an owner.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) html_url: String,
}

impl Installation {
    /// What agentd needs and the installation has not: the permission, and at which level.
    pub(crate) fn lacks(&self) -> Vec<(&'static str, Level)> {
        let missing = RIGHTS.into_iter().filter(|(name, level)| self.level(name) < Some(*level));
        missing.collect()
    }

    /// What to ask for: more than the installation has would be refused as a whole.
    fn rights(&self, scope: &Scope) -> BTreeMap<&'static str, &'static str> {
        let reading = matches!(scope, Scope::Owner(_));
        let wanted = RIGHTS.into_iter().filter(|(name, _)| !reading || matches!(*name, "issues" | "metadata"));
        let wanted = wanted.map(|(name, level)| (name, if reading { Level::Read } else { level }));
        wanted.filter_map(|(name, level)| Some((name, self.level(name)?.min(level).as_str()))).collect()
    }

    fn level(&self, name: &str) -> Option<Level> {
        self.permissions.get(name).and_then(|it| Level::parse(it))
    }
}

/// What asks for an installation's token.
#[derive(Debug, Serialize)]
pub(crate) struct TokenRequest {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repositories: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repository_ids: Vec<u64>,
    permissions: BTreeMap<&'static str, &'static str>,
}

impl TokenRequest {
    /// `id` is the repository's, where it is known because the repository has another name by now.
    pub(crate) fn new(scope: &Scope, installation: &Installation, id: Option<u64>) -> TokenRequest {
        let permissions = installation.rights(scope);
        let (mut repositories, mut repository_ids) = (Vec::new(), Vec::new());
        match (scope, id) {
            (Scope::Repository(_), Some(id)) => repository_ids.push(id),
            (Scope::Repository(name), None) => {
                repositories.push(name.rsplit_once('/').map_or(name.as_str(), |(_, name)| name).to_owned());
            }
            (Scope::Owner(_) | Scope::Account, _) => {}
        }
        TokenRequest { repositories, repository_ids, permissions }
    }
}

/// A token and its end, in milliseconds since 1970.
#[derive(Clone)]
pub(crate) struct Minted {
    pub(crate) token: SecretString,
    pub(crate) ends_at: i64,
}

impl Minted {
    pub(crate) fn serves(&self, now: i64) -> bool {
        now < self.ends_at - EARLY_MS
    }
}

/// The configured secret, and what was got with it.
pub(crate) struct Tokens {
    auth: Ready,
    minted: Mutex<HashMap<Scope, Slot>>,
}

/// Held while a token is minted: one refresh at a time.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Option<Minted>>>;

enum Ready {
    Token(SecretString),
    App { id: u64, key: Box<EncodingKey> },
}

impl Tokens {
    /// Checks what can be checked without GitHub.
    pub(crate) fn new(auth: &Auth) -> Result<Tokens, Error> {
        let bad = |why: String| Error::Invalid { what: "the access to GitHub", why };
        let auth = match auth {
            Auth::Token(token) => {
                let text = token.expose_secret();
                if text.is_empty() {
                    return Err(bad("the token is empty".into()));
                }
                if !text.bytes().all(|it| it.is_ascii_graphic()) {
                    return Err(
                        bad("the token has characters that none has; is there a line break at its end?".into()),
                    );
                }
                Ready::Token(token.clone())
            }
            Auth::App { id, key } => {
                let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes()).map_err(|_| {
                    bad("the App's key is no RSA key in PEM form; GitHub gives one on the App's page, as a .pem file".into())
                })?;
                Ready::App { id: *id, key: Box::new(key) }
            }
        };
        Ok(Tokens { auth, minted: Mutex::default() })
    }

    pub(crate) fn is_app(&self) -> bool {
        matches!(self.auth, Ready::App { .. })
    }

    /// The token that goes with everything, if there is one.
    pub(crate) fn fixed(&self) -> Option<&SecretString> {
        match &self.auth {
            Ready::Token(token) => Some(token),
            Ready::App { .. } => None,
        }
    }

    /// What proves for some minutes that agentd is the App. `now` in milliseconds since 1970.
    pub(crate) fn signed(&self, now: i64) -> Result<SecretString, Error> {
        #[derive(Serialize)]
        struct Claims {
            iss: String,
            iat: i64,
            exp: i64,
        }
        let bad = |why: &str| Error::Invalid { what: "the access to GitHub", why: why.to_owned() };
        let Ready::App { id, key } = &self.auth else { return Err(bad("it is no App's")) };
        let now = now / 1000;
        let claims = Claims { iss: id.to_string(), iat: now - SIGNED_BEFORE_S, exp: now + SIGNED_FOR_S };
        let signed = encode(&Header::new(Algorithm::RS256), &claims, key);
        signed.map(SecretString::from).map_err(|_| bad("the App's key does not sign"))
    }

    pub(crate) fn slot(&self, scope: &Scope) -> Slot {
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        if minted.len() >= KEPT {
            minted.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(minted.entry(scope.clone()).or_default())
    }

    /// Whose limits a request counts for.
    pub(crate) fn account(&self, scope: &Scope) -> String {
        match (&self.auth, scope) {
            (Ready::Token(_), _) => "token".to_owned(),
            (Ready::App { .. }, Scope::Account) => "app".to_owned(),
            (Ready::App { .. }, Scope::Owner(owner)) => owner.clone(),
            (Ready::App { .. }, Scope::Repository(name)) => name.split('/').next().unwrap_or_default().to_owned(),
        }
    }

    /// Whose eyes see an answer: what one token is shown is nothing for another one.
    pub(crate) fn eyes(&self, scope: &Scope) -> String {
        match (&self.auth, scope) {
            (Ready::Token(_), _) | (Ready::App { .. }, Scope::Account) => String::new(),
            (Ready::App { .. }, Scope::Owner(name) | Scope::Repository(name)) => name.clone(),
        }
    }
}
