//! Brings plugins here and elsewhere: sources, registries, signatures, and the lock file.
//!
//! [`Distribution::fetch`] gets a file from a path, a URL or an OCI registry into the plugin folder, as a file that
//! nobody takes for a plugin yet. Whoever called looks at it and says what it is called; [`Folder::put`] then gives it
//! its name and its line in the lock file, both under one lock and each by a rename. [`Distribution::publish`] is the
//! other direction.
//!
//! - Never runs, compiles or understands what it carries: whether it is a plugin is somebody else's question.
//! - Never approves anything: what a plugin may do is decided where it serves.
//! - Never goes anywhere on its own: every request is one command of a person's. Nothing here runs when agentd starts.
//! - What comes is bounded in size and time, and hashed on its way; what a digest or a key was named for is refused if it
//!   is something else.

mod error;
mod fetch;
mod folder;
mod login;
mod package;
mod registry;
mod signature;
mod source;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use fetch::Fetched;
pub use folder::{Finding, Folder, Installed, Put, State};
pub use login::{Login, Logins, NoLogins};
pub use package::{Package, Published};
pub use signature::{Key, Signed, Signer};
pub use source::{Reference, Source};

use agentd_egress::{Credentials, Egress};
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

/// The largest plugin that is carried, in bytes.
pub const PLUGIN_BYTES_MAX: u64 = 128 << 20;

/// What holds for all that is brought.
#[derive(Clone)]
pub struct Options {
    /// The plugin folder; made if it is missing.
    pub folder: PathBuf,
    pub network: agentd_egress::Options,
    /// Who knows the logins of registries.
    pub logins: Arc<dyn Logins>,
    /// Minisign public keys by source prefix: what comes from there has to be signed by that key.
    pub signed_by: BTreeMap<String, String>,
    /// The longest that one file may take, however slowly it comes.
    pub patience: Duration,
}

impl Options {
    /// For one file.
    pub const PATIENCE: Duration = Duration::from_secs(15 * 60);
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("folder", &self.folder)
            .field("network", &self.network)
            .field("signed_by", &self.signed_by)
            .finish_non_exhaustive()
    }
}

/// The way from sources into the plugin folder, and to registries.
#[derive(Clone, Debug)]
pub struct Distribution {
    options: Options,
    egress: Egress,
    keys: BTreeMap<String, Key>,
}

impl Distribution {
    /// # Errors
    /// [`Error::Key`] if a key of the policy is none, [`Error::Network`] if the network's options do not work.
    pub fn new(options: Options) -> Result<Distribution, Error> {
        let mut keys = BTreeMap::new();
        for (prefix, key) in &options.signed_by {
            let prefix = source::canonical_prefix(prefix)?;
            keys.insert(prefix, Key::parse(key)?);
        }
        let most = usize::try_from(PLUGIN_BYTES_MAX).unwrap_or(usize::MAX);
        let network = agentd_egress::Options { max_request: Some(most), ..options.network.clone() };
        let egress = Egress::new(network, Credentials::default()).map_err(|error| Error::Network(error.to_string()))?;
        Ok(Distribution { options, egress, keys })
    }

    /// The plugin folder.
    #[must_use]
    pub fn folder(&self) -> Folder {
        Folder::of(&self.options.folder)
    }

    /// The key that what comes from there has to be signed by.
    #[must_use]
    pub fn key_of(&self, source: &Source) -> Option<&Key> {
        let name = source.name();
        let below = self.keys.iter().filter(|(prefix, _)| source::is_below(prefix, &name));
        below.max_by_key(|(prefix, _)| prefix.len()).map(|(_, key)| key)
    }
}
