//! Logins of registries: who knows them is somebody else, and here they are only sent where they belong.

use async_trait::async_trait;
use secrecy::SecretString;
use std::fmt;

/// Who knows the user's logins.
#[async_trait]
pub trait Logins: Send + Sync {
    /// The login for a registry, named as `docker login` names it: `docker.io`, `ghcr.io`, `localhost:5000`. `Ok(None)`:
    /// there is none. `Err`: there may be one, and the sentence says what is in the way.
    async fn of(&self, registry: &str) -> Result<Option<Login>, String>;
}

/// A login. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct Login {
    /// None: the secret is an identity token.
    pub user: Option<String>,
    pub secret: SecretString,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Nobody has logged in anywhere.
#[derive(Clone, Copy, Debug)]
pub struct NoLogins;

#[async_trait]
impl Logins for NoLogins {
    async fn of(&self, _: &str) -> Result<Option<Login>, String> {
        Ok(None)
    }
}
