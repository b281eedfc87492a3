//! Bringing a mirror up to date, from whatever forge.
//!
//! - Never writes anything but the heads and tags that it is told, and never collects what is left over.

use crate::git::{Error, Git, GitDir, Options};
use std::{path::Path, time::Duration};

/// Fetching a large repository for the first time takes long.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// A list of references is what is read of it.
const OUTPUT_MAX: usize = 64 << 20;

/// All branches and tags.
pub(crate) const HEADS_AND_TAGS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// git on a mirror. `settings` are what the way there needs.
pub(crate) fn git_at(mirror: &Path, settings: Vec<(String, String)>) -> Git {
    let options = Options { timeout: LIMIT, stdout_max: OUTPUT_MAX, settings, ..Options::default() };
    Git::new(GitDir::Bare(mirror.into()), options)
}

/// Fetches `specs` from `url`, and prunes what they cover.
pub(crate) async fn fetch(git: &Git, options: &[&str], url: &str, specs: &[&str]) -> Result<(), Error> {
    let fixed = ["fetch", "--quiet", "--prune", "--no-auto-gc", "--no-tags", "--no-write-fetch-head"];
    let args = [&fixed, options, &["--", url], specs].concat();
    git.ok(&args).await.map(drop)
}
