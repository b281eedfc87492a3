//! The host's own repositories: mirrors that work starts from, and quarantines that an agent's work enters.
//!
//! - A mirror holds a configured repository's heads and tags. It is never collected, and never takes an agent's objects.
//! - A workspace borrows the mirror's objects. Once it is handed out, the host never opens its `.git` again.
//! - A quarantine is one run's: what the agent committed is checked there, and pushed from there.

mod mirror;
mod quarantine;
mod rewrite;

pub use agentd_forge::Author;
pub(crate) use mirror::{Checkout, Mirror, refresh_index};
pub(crate) use quarantine::{FileChange, Quarantine, Stat};

use agentd_forge::git::{Error, Git, GitDir, Options};
use agentd_task::{Failure, Reason};
use std::{path::Path, time::Duration};

/// Fetching and checking out may take long.
const LONG: Duration = Duration::from_secs(30 * 60);
const OUTPUT_MAX: usize = 64 << 20;

/// git on a bare repository of the host's.
fn bare(dir: &Path) -> Git {
    Git::new(GitDir::Bare(dir.into()), Options { timeout: LONG, stdout_max: OUTPUT_MAX, ..Options::default() })
}

/// The failure that an error of git's is: `otherwise` unless the same may work a little later.
fn failed(error: &Error, otherwise: Reason) -> Failure {
    let reason = match error {
        Error::Failed { stderr, .. } if stderr.contains("No space left") => Reason::DiskFull,
        Error::NoGit => Reason::Misconfigured,
        error if error.is_transient() => Reason::Fetch,
        _ => otherwise,
    };
    Failure::new(reason, error.to_string())
}
