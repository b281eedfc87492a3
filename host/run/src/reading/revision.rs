//! A repository's mirror, and what revisions of it stand for.
//!
//! A revision is a branch or a commit's id, and nothing else: git's own language of revisions (`HEAD~3`, `:/text`)
//! stays closed, for not all of what it can say is as cheap.

use super::{FILE_MAX, Inner, Known, git_said, listing::Listing, lock, not_found, of_git};
use crate::git::Mirror;
use agentd_forge::git::Git;
use agentd_plugin::wit::common::Error;
use std::{path::Path, time::Duration};

/// For one git command. The calls of plugins end earlier, and their git with them.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// What one git command may write: some 600,000 paths.
pub(super) const OUTPUT_MAX: usize = 64 << 20;

/// A repository that was fetched.
pub(super) struct Mirrored<'a> {
    inner: &'a Inner,
    pub(super) known: &'a Known,
    pub(super) git: Git,
}

impl Inner {
    /// The mirror of a repository.
    pub(super) async fn open(&self, id: &str) -> Result<Mirrored<'_>, Error> {
        let known = self.known.get(id).ok_or_else(|| {
            not_found(format!("there is no repository `{id}`: the names are those of the configuration"))
        })?;
        let dir = self.layout.mirror(id);
        if !tokio::fs::try_exists(dir.join("HEAD")).await.unwrap_or(false) {
            return Err(Error::Unavailable(format!(
                "repository `{id}` was not fetched yet: that happens when the daemon first works with it"
            )));
        }
        let git = Mirror::new(dir).git().with(|options| {
            options.timeout = PATIENCE;
            options.stdout_max = OUTPUT_MAX;
            // A path with `*` or `:` in it is a path.
            options.env.push(("GIT_LITERAL_PATHSPECS".into(), "1".into()));
            // What is too large to be read here does not have to be in git's memory as a whole.
            options.settings.push(("core.bigFileThreshold".into(), FILE_MAX.to_string()));
        });
        Ok(Mirrored { inner: self, known, git })
    }

    /// The default branch as far as it can be told without asking git.
    pub(super) fn likely_default(&self, known: &Known) -> String {
        let found = || lock(&self.defaults).get(&known.id).cloned();
        let there = || {
            let dir = self.layout.mirror(&known.id);
            ["main", "master"].into_iter().find(|name| has_branch(&dir, name)).map(Into::into)
        };
        known.base.clone().or_else(found).or_else(there).unwrap_or_else(|| "main".into())
    }
}

impl Mirrored<'_> {
    /// The commit that a revision stands for; none: the default branch.
    pub(super) async fn commit(&self, revision: &Option<String>) -> Result<String, Error> {
        let id = &self.known.id;
        let name = match revision {
            Some(name) => name.clone(),
            None => self.default_branch().await?,
        };
        if !is_name(&name) {
            let shown: String = name.chars().take(200).collect();
            return Err(Error::Invalid(format!(
                "`{}` is no revision: name a branch or a commit's id, or leave it out for the default branch",
                shown.escape_debug()
            )));
        }
        if let Some(commit) = self.peel(&format!("refs/heads/{name}")).await? {
            return Ok(commit);
        }
        if name.len() >= 4 && is_hex(&name) {
            if let Some(commit) = self.peel(&name).await? {
                return Ok(commit);
            }
            return Err(not_found(format!("repository `{id}` has no commit `{name}`, as last fetched")));
        }
        let hint = if revision.is_none() { "; correct its `base`" } else { "" };
        Err(not_found(format!("repository `{id}` has no branch `{name}`, as last fetched{hint}")))
    }

    /// The configured base; or the only branch, or `main`, or `master`.
    async fn default_branch(&self) -> Result<String, Error> {
        if let Some(base) = &self.known.base {
            return Ok(base.clone());
        }
        let id = &self.known.id;
        let list = async |args: &[&str]| -> Result<Vec<String>, Error> {
            let args = [&["for-each-ref", "--count=2", "--format=%(refname)"], args].concat();
            let names = self.git.ok(&args).await.map_err(of_git(format!("listing the branches of `{id}`")))?;
            Ok(names.lines().filter_map(|it| it.strip_prefix("refs/heads/")).map(Into::into).collect())
        };
        let mut branches = list(&["refs/heads"]).await?;
        if branches.len() > 1 {
            branches = list(&["refs/heads/main", "refs/heads/master"]).await?;
            branches.retain(|it| it == "main" || it == "master");
            if branches.is_empty() {
                return Err(not_found(format!(
                    "repository `{id}` has several branches, none of them `main` or `master`: name a revision, or set \
                     its `base` in the configuration"
                )));
            }
        }
        let branch = branches.into_iter().next().ok_or_else(|| {
            not_found(format!("repository `{id}` had no commit when it was last fetched: make one first"))
        })?;
        lock(&self.inner.defaults).insert(id.clone(), branch.clone());
        Ok(branch)
    }

    /// The commit that a name of git's leads to.
    async fn peel(&self, name: &str) -> Result<Option<String>, Error> {
        let name = format!("{name}^{{commit}}");
        let output = self.git.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).await;
        let output = output.map_err(of_git(format!("looking for a revision of `{}`", self.known.id)))?;
        Ok(output.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    }

    /// The id of a file's content.
    pub(super) async fn blob(&self, commit: &str, path: &str) -> Result<String, Error> {
        let doing = || format!("looking for `{}` in `{}`", path.escape_debug(), self.known.id);
        let list =
            self.git.run(&["ls-tree", "-z", "--full-tree", commit, "--", path]).await.map_err(of_git(doing()))?;
        if !list.success() {
            return Err(git_said(doing(), &list.stderr));
        }
        let listing = Listing::parse(list.stdout)?;
        let missing = |why: &str| not_found(format!("`{}` {why}", path.escape_debug()));
        let file = listing.find(path).ok_or_else(|| missing("does not exist at that revision"))?;
        match listing.why_no_file(file) {
            None => Ok(listing.id(file).to_owned()),
            Some(why) => Err(missing(why)),
        }
    }

    /// What a file holds.
    pub(super) async fn content(&self, commit: &str, path: &str) -> Result<Vec<u8>, Error> {
        let id = self.blob(commit, path).await?;
        let doing = || format!("reading `{}` of `{}`", path.escape_debug(), self.known.id);
        let git = self.git.with(|options| options.stdout_max = FILE_MAX);
        let output = git.run(&["cat-file", "blob", &id]).await.map_err(of_git(doing()))?;
        if output.cut {
            let most = FILE_MAX >> 20;
            return Err(Error::TooLarge(format!("`{}` is larger than {most} MiB", path.escape_debug())));
        }
        if !output.success() {
            return Err(git_said(doing(), &output.stderr));
        }
        Ok(output.stdout)
    }
}

pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|it| it.is_ascii_hexdigit())
}

/// Whether it can be the name of a branch, or an id.
fn is_name(text: &str) -> bool {
    let odd = |it: char| it.is_control() || " ~^:?*[\\".contains(it);
    let out_of_form = text.is_empty() || text.len() > 1024 || text.contains(odd);
    !out_of_form
        && !text.starts_with(['-', '/'])
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && !text.contains("@{")
}

fn has_branch(mirror: &Path, name: &str) -> bool {
    let packed = || std::fs::read_to_string(mirror.join("packed-refs")).unwrap_or_default();
    let line_end = format!(" refs/heads/{name}");
    mirror.join("refs/heads").join(name).is_file() || packed().lines().any(|line| line.ends_with(&line_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_branches_and_ids_are_names() {
        for good in ["main", "feature/a-b", "release-1.2", "deadbeef", "ä", "a@b"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-x", "--all", "main~1", "main^", "a:b", ":/fix", "@{1}", "a..b", "a b", "a\nb", "a/", "*"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
