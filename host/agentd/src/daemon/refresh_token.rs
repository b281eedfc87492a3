//! Refresh tokens that a server put in the place of the configured ones, in files of the home folder.
//!
//! A server that gave out a new one takes the old one no longer, so it has to outlive the daemon. A kept one belongs to
//! the configured one that it replaced: whoever configures another means that.
//!
//! - No file is ever readable by others, and no token is in a log line or an error.

use agentd_egress::Keep;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The folder of these files, and which configured token each credential has now.
pub(super) struct RefreshTokens {
    folder: PathBuf,
    configured: Mutex<BTreeMap<String, String>>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// A hash of the configured one.
    of: String,
    token: String,
}

impl RefreshTokens {
    pub(super) fn new(home: &Path) -> RefreshTokens {
        RefreshTokens { folder: home.join("refresh-tokens"), configured: Mutex::default() }
    }

    /// The newest token of a credential: the one that took the place of the configured one, or that itself.
    pub(super) fn newest(&self, credential: &str, configured: &SecretString) -> SecretString {
        let of = hash(configured);
        self.configured.lock().unwrap_or_else(PoisonError::into_inner).insert(credential.into(), of.clone());
        let text = fs::read_to_string(self.path(credential)).unwrap_or_default();
        match serde_json::from_str::<Kept>(&text) {
            Ok(kept) if kept.of == of => SecretString::from(kept.token),
            _ => configured.clone(),
        }
    }

    fn write(&self, credential: &str, token: &SecretString) -> io::Result<()> {
        let of = self.configured.lock().unwrap_or_else(PoisonError::into_inner).get(credential).cloned();
        let kept = Kept { of: of.unwrap_or_default(), token: token.expose_secret().into() };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let partial = self.folder.join(format!("{credential}.partial"));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        file.sync_all()?;
        fs::rename(partial, self.path(credential))
    }

    fn path(&self, credential: &str) -> PathBuf {
        self.folder.join(credential)
    }
}

impl Keep for RefreshTokens {
    fn keep(&self, credential: &str, refresh_token: &SecretString) {
        if let Err(error) = self.write(credential, refresh_token) {
            tracing::error!(
                credential,
                %error,
                "A new refresh token cannot be kept: after a restart the service will not know agentd any more"
            );
        }
    }
}

fn hash(token: &SecretString) -> String {
    hex::encode(Sha256::digest(token.expose_secret()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_kept_token_replaces_the_configured_one_until_another_is_configured() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = RefreshTokens::new(dir.path());
        let (first, second) = (SecretString::from("first"), SecretString::from("second"));
        assert_eq!(tokens.newest("tracker", &first).expose_secret(), "first");
        tokens.keep("tracker", &second);
        let again = RefreshTokens::new(dir.path());
        assert_eq!(again.newest("tracker", &first).expose_secret(), "second");
        assert_eq!(again.newest("wiki", &first).expose_secret(), "first");
        let other = SecretString::from("other");
        assert_eq!(again.newest("tracker", &other).expose_secret(), "other");
        let mode = fs::metadata(dir.path().join("refresh-tokens/tracker")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
