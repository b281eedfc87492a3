//! Which token goes with a question: the configured one, the App's own signature, or one that the App gets for the
//! repository.
//!
//! - One refresh at a time for each repository; the others wait for it.

use super::{Ask, Exchange};
use crate::{
    Error,
    github::{
        auth::{Installation, Minted, Scope, TokenRequest},
        path, refusal,
    },
};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

impl Exchange {
    /// A token for the scope that serves for some minutes more.
    pub(crate) async fn token(&self, scope: &Scope) -> Result<SecretString, Error> {
        if let Some(token) = self.tokens.fixed() {
            return Ok(token.clone());
        }
        if *scope == Scope::Account {
            return self.tokens.signed((self.clock)());
        }
        let slot = self.tokens.slot(scope);
        let mut minted = slot.lock().await;
        if let Some(it) = minted.as_ref().filter(|it| it.serves((self.clock)())) {
            return Ok(it.token.clone());
        }
        // Boxed, for this asks in turn.
        let fresh = Box::pin(self.mint(scope)).await?;
        let token = fresh.token.clone();
        *minted = Some(fresh);
        Ok(token)
    }

    /// The App's installation that the scope belongs to.
    pub(crate) async fn installation(&self, scope: &Scope) -> Result<Installation, Error> {
        let paths = match scope {
            Scope::Repository(name) => vec![format!("repos/{}/installation", path::segments(name))],
            Scope::Owner(name) => {
                let name = path::segment(name);
                vec![format!("orgs/{name}/installation"), format!("users/{name}/installation")]
            }
            Scope::Account => Vec::new(),
        };
        for path in paths {
            let ask = Ask::get(Scope::Account, self.address.of(&path, &[]));
            let what = ask.words(&self.address);
            let answer = self.ask(ask).await?;
            match answer.status {
                200..=299 => return refusal::parse(&what, &answer.body),
                404 => {}
                _ => return Err(refusal::error(&self.address, &what, &answer)),
            }
        }
        let of = match scope {
            Scope::Repository(name) | Scope::Owner(name) => name.clone(),
            Scope::Account => String::new(),
        };
        Err(Error::NotInstalled { repository: of, host: self.address.host() })
    }

    /// Forgets a token that was refused, unless somebody else has replaced it already.
    pub(super) async fn discard(&self, scope: &Scope, token: &SecretString) {
        let slot = self.tokens.slot(scope);
        let mut minted = slot.lock().await;
        if minted.as_ref().is_some_and(|it| it.token.expose_secret() == token.expose_secret()) {
            *minted = None;
        }
    }

    async fn mint(&self, scope: &Scope) -> Result<Minted, Error> {
        #[derive(Deserialize)]
        struct Fresh {
            token: String,
            expires_at: String,
        }
        let installation = self.installation(scope).await?;
        let id = match scope {
            Scope::Repository(name) => self.moved.id_of(name),
            Scope::Owner(_) | Scope::Account => None,
        };
        let body = serde_json::to_value(TokenRequest::new(scope, &installation, id)).map_err(refusal::unwritable)?;
        let url = self.address.of(&format!("app/installations/{}/access_tokens", installation.id), &[]);
        // It changes nothing that anybody sees, and one token too many does no harm.
        let ask = Ask { method: Method::POST, body: Some(body), ..Ask::get(Scope::Account, url) };
        let what = ask.words(&self.address);
        let answer = self.repeat(&ask, None).await?;
        if !(200..300).contains(&answer.status) {
            return Err(refusal::error(&self.address, &what, &answer));
        }
        let fresh: Fresh = refusal::parse(&what, &answer.body)?;
        let ends_at = refusal::time(&what, &fresh.expires_at)?;
        tracing::debug!(target: "github", ?scope, ends_at, "A token of the App's was made");
        Ok(Minted { token: SecretString::from(fresh.token), ends_at })
    }
}
