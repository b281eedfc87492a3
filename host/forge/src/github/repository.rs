//! One repository on GitHub, as a [`Forge`] and a [`Tracker`].
//!
//! All effects of the outbox come through here and may come again: after a crash, after an answer that was lost, from
//! another instance. So each of them looks first, and GitHub itself is asked to compare wherever it can: a push names
//! the value it replaces, a reference is only created, a merge names its commit.
//!
//! - Never decides what is to be done, and writes in its repository (and its fork) alone.
//! - Texts of others pass [`markdown::tame`] before they are posted; a change's body comes complete, and is posted as it
//!   comes, since it has lines that are meant to close an issue.

use super::{GitHub, Remote, Scope, client::Api, marker::Signer, path};
use crate::{
    Author, Change, Edit, Error, Forge, Issue, NewChange, Pushed, Right, Tracker,
    git::{self, Git, GitDir},
    markdown,
    name::{check_branch, check_commit},
};
use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::OnceCell;

/// The longest diff that is shown, in bytes.
const DIFF_MAX: usize = 4 << 20;

/// A repository. Cheap to clone.
#[derive(Clone)]
pub struct GitHubForge {
    github: GitHub,
    /// `owner/name`, as it was configured; it may be called otherwise by now.
    name: String,
    /// Branches go to a fork of the account's own.
    fork: bool,
    signer: Signer,
    memory: Arc<Memory>,
}

/// What need not be asked again. Nothing is lost with it.
#[derive(Default)]
pub(super) struct Memory {
    /// Ids of comments by thread and slot.
    pub(super) comments: Mutex<HashMap<(u32, String), u64>>,
    /// Changes that have ended.
    pub(super) ended: Mutex<BTreeMap<u32, Change>>,
    /// The fork's full name.
    pub(super) fork: OnceCell<String>,
    /// One comment at a time: who looks and writes is not overtaken in this process.
    pub(super) comment_turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for GitHubForge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubForge").field("name", &self.name).field("fork", &self.fork).finish_non_exhaustive()
    }
}

/// `GET /repos/{}`
#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    /// As its owner writes it now.
    pub(super) full_name: String,
    #[serde(default)]
    pub(super) default_branch: String,
    #[serde(default)]
    pub(super) private: bool,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(default)]
    pub(super) has_issues: Option<bool>,
    /// What a token's account may do there.
    #[serde(default)]
    pub(super) permissions: Option<Permissions>,
    #[serde(default)]
    pub(super) fork: bool,
    #[serde(default)]
    pub(super) parent: Option<Parent>,
    /// Told to those only who may push.
    #[serde(default)]
    pub(super) allow_merge_commit: Option<bool>,
    #[serde(default)]
    pub(super) allow_squash_merge: Option<bool>,
    #[serde(default)]
    pub(super) allow_rebase_merge: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Permissions {
    #[serde(default)]
    pub(super) push: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Parent {
    pub(super) full_name: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

impl GitHub {
    /// The repository `owner/name`; with `fork`, branches are pushed to a fork of the account's own. Makes no request.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the name is none, or if an App should have a fork.
    pub fn repository(&self, name: &str, fork: bool) -> Result<GitHubForge, Error> {
        let invalid = |why: String| Err(Error::Invalid { what: "the repository on GitHub", why });
        let plain = |it: &str| {
            let of_names = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
            !it.is_empty() && !matches!(it, "." | "..") && it.chars().all(of_names)
        };
        if !name.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name)) {
            return invalid(format!("`{name}` is not of the form OWNER/NAME"));
        }
        if fork && self.api.is_app() {
            return invalid(format!("an App has no forks, so nothing can be pushed to one of {name}"));
        }
        let signer = Signer::new(&self.options.instance, self.options.key);
        let (github, name, memory) = (self.clone(), name.to_owned(), Arc::default());
        Ok(GitHubForge { github, name, fork, signer, memory })
    }

    /// What GitHub says of a repository; none: it is not there, or not for agentd's eyes.
    pub(super) async fn about(&self, name: &str) -> Result<Option<Repository>, Error> {
        self.api.get(&Scope::repository(name), &format!("repos/{}", path::segments(name)), &[]).await
    }

    /// The same of one that has to be there.
    pub(super) async fn seen(&self, name: &str) -> Result<Repository, Error> {
        let none = || Error::NoRepository { repository: name.to_owned(), host: self.api.host() };
        self.about(name).await?.ok_or_else(none)
    }
}

/// What the files of this folder need of it.
impl GitHubForge {
    pub(super) fn api(&self) -> &Api {
        &self.github.api
    }

    pub(super) fn github(&self) -> &GitHub {
        &self.github
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether branches go to a fork.
    pub(super) fn forks(&self) -> bool {
        self.fork
    }

    pub(super) fn prefix(&self) -> &str {
        &self.github.options.branch_prefix
    }

    pub(super) fn scope(&self) -> Scope {
        Scope::repository(&self.name)
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The path of something in the repository.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("repos/{}/{rest}", self.name)
    }

    pub(super) async fn remote(&self, name: &str) -> Result<Remote, Error> {
        self.github.remote(name).await
    }

    /// The login that agentd works as.
    pub(super) async fn own_login(&self) -> Result<String, Error> {
        Ok(self.github.account().await?.login)
    }

    /// What GitHub says of this repository.
    pub(super) async fn about_itself(&self) -> Result<Repository, Error> {
        self.github.seen(&self.name).await
    }

    /// Whether agentd may write the branch.
    pub(super) async fn check_own_branch(&self, branch: &str) -> Result<(), Error> {
        // What can be a name, git knows wherever it stands.
        let git = Git::new(GitDir::In("/".into()), git::Options::default());
        check_branch(&git, self.prefix(), branch).await
    }

    pub(super) fn no_thread(&self, number: u32) -> Error {
        Error::NoThread { repository: self.name.clone(), number }
    }

    pub(super) fn no_branch(&self, branch: &str) -> Error {
        Error::NoBranch { repository: self.name.clone(), branch: branch.to_owned() }
    }

    /// Where a branch of `repository` is, as the API sees it.
    pub(super) async fn tip(&self, repository: &str, branch: &str) -> Result<Option<String>, Error> {
        self.reference(repository, &format!("heads/{branch}")).await
    }

    /// What a reference names; `name` is without `refs/`.
    pub(super) async fn reference(&self, repository: &str, name: &str) -> Result<Option<String>, Error> {
        let path = format!("repos/{repository}/git/ref/{}", path::segments(name));
        let found = self.api().get::<Reference>(&Scope::repository(repository), &path, &[]).await;
        let found = match found {
            // A repository without any commit answers so.
            Err(Error::Refused { status: 409, .. }) => None,
            found => found?,
        };
        Ok(found.filter(|it| it.name.strip_prefix("refs/") == Some(name)).map(|it| it.object.sha))
    }

    /// Removes a reference; it is fine if it is gone. False: it was.
    pub(super) async fn delete_reference(&self, repository: &str, name: &str) -> Result<bool, Error> {
        let path = format!("repos/{repository}/git/refs/{}", path::segments(name));
        let scope = Scope::repository(repository);
        match self.api().write::<serde::de::IgnoredAny>(&scope, Method::DELETE, &path, &()).await? {
            super::Written::Refused { status: 404 | 409 | 422, .. }
                if self.reference(repository, name).await?.is_none() =>
            {
                Ok(false)
            }
            other => other.done().map(|_| true),
        }
    }

    async fn diff_of(&self, base: &str, commit: &str) -> Result<String, Error> {
        check_commit(commit)?;
        let range = format!("{}...{commit}", path::segments(base));
        let path = self.path(&format!("compare/{range}"));
        let found = self.api().text(&self.scope(), &path, "application/vnd.github.diff").await?;
        let Some(mut diff) = found else {
            if check_commit(base).is_err() && self.tip(&self.name, base).await?.is_none() {
                return Err(self.no_branch(base));
            }
            let message = "one of the two commits is not there".to_owned();
            return Err(Error::Refused { what: format!("GET {path}"), status: 404, message });
        };
        if diff.len() > DIFF_MAX {
            diff.truncate(diff.as_bytes()[..DIFF_MAX].iter().rposition(|it| *it == b'\n').map_or(0, |at| at + 1));
            diff.push_str("[agentd: the diff is longer than 4 MiB and ends here]\n");
        }
        Ok(diff)
    }
}

#[async_trait]
impl Forge for GitHubForge {
    fn kind(&self) -> &'static str {
        "github"
    }

    fn url(&self) -> Option<String> {
        Some(self.api().page_url(&self.name))
    }

    async fn fetch(&self, mirror: &Path) -> Result<(), Error> {
        self.fetch_into(mirror).await
    }

    async fn default_branch(&self) -> Result<String, Error> {
        let branch = self.about_itself().await?.default_branch;
        if self.tip(&self.name, &branch).await?.is_some() {
            return Ok(branch);
        }
        Err(Error::NoCommits { path: self.name.clone().into(), branch })
    }

    async fn push(&self, from: &Path, commit: &str, branch: &str, expected: Option<&str>) -> Result<Pushed, Error> {
        self.push_branch(from, commit, branch, expected).await
    }

    async fn open_change(&self, new: NewChange) -> Result<Change, Error> {
        self.open_or_renew(&NewChange { title: markdown::tame_line(&new.title), ..new }).await
    }

    async fn dress_change(&self, number: u32, labels: &[String], reviewers: &[String]) -> Result<(), Error> {
        self.dress(number, labels, reviewers).await
    }

    async fn change(&self, number: u32) -> Result<Option<Change>, Error> {
        self.whole_change(number).await
    }

    async fn changes_of(&self, numbers: &[u32]) -> Result<Vec<Change>, Error> {
        self.changes_by_number(numbers).await
    }

    async fn changes(&self) -> Result<Vec<Change>, Error> {
        self.all_changes().await
    }

    async fn comment(&self, number: u32, body: &str, key: &str) -> Result<(), Error> {
        self.say(number, key, body, false).await.map_err(|error| match error {
            Error::NoThread { number, .. } => Error::NoChange(number),
            error => error,
        })
    }

    async fn merge(&self, number: u32, commit: &str, _author: &Author) -> Result<Change, Error> {
        // GitHub names the account as the author of what it merges, whoever asked for it.
        self.merge_change(number, commit).await
    }

    async fn close(&self, number: u32, delete_branch: bool) -> Result<Change, Error> {
        self.close_change(number, delete_branch).await
    }

    async fn delete_branch(&self, branch: &str, commit: &str) -> Result<bool, Error> {
        check_commit(commit)?;
        self.check_own_branch(branch).await?;
        let Some(place) = (if self.fork { self.found_fork().await? } else { Some(self.name.clone()) }) else {
            return Ok(false);
        };
        self.delete_at(&place, branch, commit).await
    }

    async fn diff(&self, base: &str, commit: &str) -> Result<String, Error> {
        self.diff_of(base, commit).await
    }

    async fn workflow_token_writes(&self) -> Result<Option<bool>, Error> {
        self.github().workflow_token_writes(self.name()).await
    }

    fn tracker(&self) -> Option<&dyn Tracker> {
        Some(self)
    }
}

#[async_trait]
impl Tracker for GitHubForge {
    async fn right(&self, login: &str) -> Result<Right, Error> {
        self.right_of(login).await
    }

    async fn issue(&self, number: u32) -> Result<Option<Issue>, Error> {
        self.issue_of(number).await
    }

    async fn claim(&self, number: u32, task: &str) -> Result<(), Error> {
        self.claim_thread(number, task).await
    }

    async fn release(&self, number: u32, task: &str) -> Result<(), Error> {
        self.release_thread(number, task).await
    }

    async fn edit(&self, edit: &Edit) -> Result<(), Error> {
        self.make_so(edit).await
    }
}

/// What stands under a lock here is whole at any time.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
