//! GitHub, github.com or an Enterprise server: one client for all repositories, with one set of limits.
//!
//! Requests are made by octocrab; its transport is the host's own egress, so that proxy, authorities and the filter of
//! addresses hold for it as for everything else. Around it stand what GitHub asks of its clients: what was given before
//! is asked for by its ETag, limits are respected before they are reached, and nothing is written twice blindly.
//!
//! - Never shows a token, and never gives one to anybody but GitHub and git's environment.
//! - Never writes outside the repository that it was asked about.

use crate::{Author, Error};
use agentd_egress::{Credentials, Egress};
use secrecy::SecretString;
use std::{fmt, path::PathBuf, sync::Arc};

mod account;
mod address;
mod auth;
mod breaker;
mod cache;
mod change;
mod claim;
mod client;
mod comment;
mod edit;
mod exchange;
mod fork;
mod issue;
mod label;
mod limits;
mod marker;
mod merge;
mod moved;
mod path;
mod push;
mod query;
mod refusal;
mod remote;
mod repository;
mod review;
mod right;
#[cfg(test)]
mod scripted;
mod transport;
mod turn;
mod usage;

pub use account::Account;
pub use auth::Auth;
pub(crate) use auth::Scope;
pub use client::Page;
pub(crate) use client::{Api, Written};
pub use exchange::Patience;
pub use label::{Label, WORK_LABEL, own_labels};
pub use limits::Allowance;
pub use query::{Check, CommentQuery, IssueOrder, IssueQuery, Location, PullQuery, PullRequest, ThreadComment};
#[cfg(test)]
pub(crate) use refusal::ApiError;
pub(crate) use remote::Remote;
pub use repository::GitHubForge;
pub use usage::Usage;

/// The largest answer that is taken, in bytes: diffs are the largest.
const ANSWER_MAX: usize = 32 << 20;

/// What holds for all repositories. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct Options {
    /// The address of an Enterprise server's pages; none: github.com.
    pub url: Option<String>,
    pub auth: Auth,
    pub egress: agentd_egress::Options,
    /// Names this instance in claims and comments.
    pub instance: String,
    /// Signs the markers of comments.
    pub key: [u8; 32],
    /// What the names of all branches begin with that agentd may write.
    pub branch_prefix: String,
    /// Who commits where GitHub is asked for a commit.
    pub author: Author,
    pub patience: Patience,
    /// Milliseconds since 1970.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// A folder of agentd's own, for the certificates that git is to trust.
    pub scratch: PathBuf,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .field("auth", &self.auth)
            .field("egress", &self.egress)
            .field("instance", &self.instance)
            .field("branch_prefix", &self.branch_prefix)
            .field("author", &self.author)
            .field("patience", &self.patience)
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}

/// GitHub, as one configuration reaches it: all requests, limits and caches. Cheap to clone.
#[derive(Clone)]
pub struct GitHub {
    pub(crate) api: Api,
    pub(crate) options: Arc<Options>,
    queries: Arc<query::Seen>,
    way: Arc<remote::Way>,
    account: Arc<tokio::sync::OnceCell<Account>>,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub").field("host", &self.api.host()).finish_non_exhaustive()
    }
}

impl GitHub {
    /// Checks what can be checked without a request.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the address, the token or key, the proxy or the certificates do not work.
    pub fn new(options: Options) -> Result<GitHub, Error> {
        crate::name::check_prefix(&options.branch_prefix)?;
        let address = address::Address::parse(options.url.as_deref())?;
        let mut way_out = options.egress.clone();
        way_out.max_response = way_out.max_response.max(ANSWER_MAX);
        way_out.timeout = options.patience.answer.saturating_mul(2);
        let egress = Egress::new(way_out, Credentials::default())
            .map_err(|error| Error::Invalid { what: "the way to GitHub", why: error.to_string() })?;
        let transport = transport::Transport::new(egress, &address.prefixes(), options.patience.answer);
        let making = Box::new(move || exchange::octocrab(transport.clone()));
        let clock = Arc::clone(&options.clock);
        let exchange = exchange::Exchange::new(address, &options.auth, options.patience, clock, making)?;
        Ok(GitHub::with(Arc::new(exchange), options))
    }

    /// What was asked of GitHub, and what it allows.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.api.exchange.usage()
    }

    /// Where people look at GitHub, ending with `/`.
    #[must_use]
    pub fn url(&self) -> String {
        self.api.page_url("")
    }

    fn with(exchange: Arc<exchange::Exchange>, options: Options) -> GitHub {
        let proxy = options.egress.proxy.clone().map(SecretString::from);
        let way = Arc::new(remote::Way::new(proxy, options.egress.ca.clone(), options.scratch.clone()));
        GitHub {
            api: Api { exchange },
            options: Arc::new(options),
            queries: Arc::default(),
            way,
            account: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests;
