//! The client of GitHub, as the configuration describes it. Nothing is asked here.

use super::{gateway, misconfigured};
use crate::config::{Config, GitHubAuth};
use agentd_forge::{
    Author, GitHub,
    github::{Auth, Options, Patience},
};
use agentd_run::Clock;
use anyhow::Context;
use secrecy::SecretString;
use std::{path::Path, sync::Arc, time::Duration};

/// What every branch of agentd's begins with.
pub(crate) const BRANCH_PREFIX: &str = "agentd/";

/// None: the configuration has no `[github]`.
///
/// `instance` and `key` sign what is written there, so that it is known again.
pub(crate) fn github(config: &Config, instance: &str, key: [u8; 32]) -> anyhow::Result<Option<GitHub>> {
    let Some(it) = &config.github else { return Ok(None) };
    let clock = Clock::system();
    let options = Options {
        url: it.url.clone(),
        auth: match &it.auth {
            GitHubAuth::Token(token) => Auth::Token(token.value.clone()),
            GitHubAuth::App { id, key } => Auth::App { id: *id, key: key.value.clone() },
        },
        egress: config.network.egress(),
        instance: instance.to_owned(),
        key,
        branch_prefix: BRANCH_PREFIX.into(),
        author: Author { name: config.commits.name.clone(), email: config.commits.email.clone() },
        patience: patience(it.url.is_some()),
        clock: Arc::new(move || clock.now()),
        scratch: config.home.join("github"),
    };
    let made = GitHub::new(options);
    made.map(Some).map_err(|error| misconfigured(error.to_string(), "see [github] and [network] in the configuration"))
}

/// What the marks on GitHub are signed with. It stays the same for as long as the home folder does.
pub(crate) fn key(home: &Path) -> anyhow::Result<[u8; 32]> {
    gateway::key(&home.join("forge.key")).context("the key for marks on GitHub cannot be kept")
}

/// A server of one's own has no limit on how fast is written unless its operator sets one.
fn patience(own_server: bool) -> Patience {
    let usual = Patience::default();
    match own_server {
        true => Patience { write: Duration::from_millis(100), ..usual },
        false => usual,
    }
}

/// What must not be shown anywhere.
pub(super) fn secrets(config: &Config) -> Vec<SecretString> {
    let auth = config.github.as_ref().map(|it| &it.auth);
    let secret = auth.map(|it| match it {
        GitHubAuth::Token(token) => token.value.clone(),
        GitHubAuth::App { key, .. } => key.value.clone(),
    });
    secret.into_iter().collect()
}
