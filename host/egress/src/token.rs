//! Access tokens that are had in exchange for longer-lived secrets (OAuth 2), kept until shortly before they end.
//!
//! [`Tokens`] outlives a single [`Egress`](crate::Egress): a changed configuration makes a new one, and hands it the
//! same `Tokens`, so that neither a token nor a rotated refresh token is lost. What a token belongs to is the whole of
//! its credential: one that was changed in any part begins anew.
//!
//! - Never writes anything: a rotated refresh token is handed to [`Keep`], and is used from memory until then.
//! - Every token that was had is looked for in requests and answers like any other live secret.

use crate::{credential::Credential, secret::SecretScan};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// So many of a credential's tokens are looked for, counted from the newest: an old one has ended.
const LOOKED_FOR: usize = 16;

/// Stores refresh tokens that a server put in the place of others: the ones before are of no use any more.
pub trait Keep: Send + Sync {
    /// Called once for each new refresh token. Must not block for long.
    fn keep(&self, credential: &str, refresh_token: &SecretString);
}

/// The tokens of all credentials. Cheap to clone, and all clones are one. Its `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Tokens {
    shelf: Arc<Shelf>,
}

#[derive(Default)]
struct Shelf {
    keep: Option<Arc<dyn Keep>>,
    places: RwLock<BTreeMap<String, Arc<Place>>>,
    live: RwLock<Live>,
    asking: TaskTracker,
}

/// What of the tokens must not leave.
#[derive(Default)]
struct Live {
    /// By credential, the oldest first.
    secrets: BTreeMap<String, Vec<SecretString>>,
    scan: Option<SecretScan>,
}

/// Where one credential's tokens are. Whoever asks the server for a new one holds the lock.
pub(crate) struct Place {
    pub(crate) state: tokio::sync::Mutex<State>,
    fingerprint: [u8; 32],
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) access: Option<Access>,
    /// In place of the configured one.
    pub(crate) rotated: Option<SecretString>,
    /// Whether the server takes the client's secret in a header; none: not known yet.
    pub(crate) in_header: Option<bool>,
    /// Until when the server is not asked again, and what it said.
    pub(crate) rests: Option<(Instant, Failure)>,
}

#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) token: SecretString,
    /// None: the server did not say.
    pub(crate) until: Option<Instant>,
}

/// Why there is no token. Holds nothing of what the server wrote but a code of the standard's.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) host: String,
    pub(crate) why: String,
    pub(crate) hint: String,
}

impl Tokens {
    /// With somebody who stores rotated refresh tokens.
    #[must_use]
    pub fn new(keep: Arc<dyn Keep>) -> Tokens {
        Tokens { shelf: Arc::new(Shelf { keep: Some(keep), ..Shelf::default() }) }
    }

    /// The place of a credential; a changed one gets a new place.
    pub(crate) fn place(&self, name: &str, credential: &Credential) -> Arc<Place> {
        let fingerprint = fingerprint(credential);
        let same = |it: &&Arc<Place>| it.fingerprint == fingerprint;
        let known = self.shelf.places.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.get(name).filter(same) {
            return Arc::clone(place);
        }
        drop(known);
        let mut places = self.shelf.places.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(name).filter(same) {
            return Arc::clone(place);
        }
        let place = Arc::new(Place { state: tokio::sync::Mutex::default(), fingerprint });
        places.insert(name.to_owned(), Arc::clone(&place));
        place
    }

    /// From now on these are secrets.
    pub(crate) fn learn(&self, name: &str, secrets: impl IntoIterator<Item = SecretString>) {
        let mut live = self.shelf.live.write().unwrap_or_else(PoisonError::into_inner);
        let known = live.secrets.entry(name.to_owned()).or_default();
        known.extend(secrets);
        known.drain(..known.len().saturating_sub(LOOKED_FOR));
        live.scan = Some(SecretScan::new(live.secrets.values().flatten().cloned().collect()));
    }

    pub(crate) fn finds(&self, bytes: &[u8]) -> bool {
        let live = self.shelf.live.read().unwrap_or_else(PoisonError::into_inner);
        live.scan.as_ref().is_some_and(|it| it.find(bytes).is_some())
    }

    /// The longest text that is looked for, in bytes.
    pub(crate) fn longest(&self) -> usize {
        let live = self.shelf.live.read().unwrap_or_else(PoisonError::into_inner);
        live.scan.as_ref().map_or(0, SecretScan::longest)
    }

    pub(crate) fn keep(&self, name: &str, refresh_token: &SecretString) {
        if let Some(keep) = &self.shelf.keep {
            keep.keep(name, refresh_token);
        }
    }

    /// Carries `work` through even if nobody waits for it any more: a server that has given out a new refresh token
    /// takes the old one no longer, so the new one must not get lost. None: it panicked.
    pub(crate) async fn through<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.shelf.asking.spawn(work).await.ok()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.shelf.places.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Tokens").field("credentials", &places.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Changes with each part of a credential that tokens depend on.
fn fingerprint(credential: &Credential) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(credential.secret.expose_secret().as_bytes());
    if let crate::Attach::OAuth2 { token_url, client_id, refresh_token, scopes } = &credential.attach {
        part(token_url.as_bytes());
        part(client_id.as_bytes());
        part(refresh_token.as_ref().map_or(&[], |it| it.expose_secret().as_bytes()));
        part(scopes.join(" ").as_bytes());
    }
    hash.finalize().into()
}
