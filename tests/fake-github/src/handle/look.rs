//! What people would see of a repository.

use super::Repository;
use crate::render::labels;
use crate::state::thread::Thread;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub number: u32,
    pub author: String,
    pub title: String,
    pub body: String,
    pub open: bool,
    /// `completed`, `not_planned`, `duplicate`, `reopened`, or empty.
    pub reason: String,
    /// By name.
    pub labels: Vec<String>,
    pub assignees: Vec<String>,
    pub milestone: Option<String>,
    /// Content and who said it.
    pub reactions: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// What it has in common with an issue.
    pub issue: Issue,
    /// With the owner, where it is of a fork: `ann:branch`.
    pub head: String,
    pub head_commit: String,
    pub base: String,
    pub draft: bool,
    pub merged: bool,
    pub requested_reviewers: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub id: u64,
    pub number: u32,
    pub author: String,
    pub body: String,
    /// Whether somebody changed it since.
    pub edited: bool,
    pub reactions: Vec<(String, String)>,
}

impl Repository {
    /// The issue, or what a pull request has in common with one. Panics if there is none.
    #[must_use]
    pub fn issue(&self, number: u32) -> Issue {
        self.look(number, |it, thread| it.shown(thread))
    }

    /// Panics if there is none.
    #[must_use]
    pub fn pull(&self, number: u32) -> PullRequest {
        let pulls = self.pulls();
        let found = pulls.into_iter().find(|it| it.issue.number == number);
        found.unwrap_or_else(|| panic!("there is no pull request {number}"))
    }

    /// Open and closed, oldest first.
    #[must_use]
    pub fn pulls(&self) -> Vec<PullRequest> {
        let state = self.shared.state();
        let repo = state.repo(self.id);
        let shown = |thread: &Thread| {
            let pull = thread.pull.as_ref()?;
            let head = match pull.head_repo == self.id {
                true => pull.head_branch.clone(),
                false => format!("{}:{}", state.repo(pull.head_repo).owner, pull.head_branch),
            };
            Some(PullRequest {
                issue: Look { repo }.shown(thread),
                head,
                head_commit: pull.head.clone(),
                base: pull.base_branch.clone(),
                draft: pull.draft,
                merged: pull.merged.is_some(),
                requested_reviewers: pull.requested.iter().chain(&pull.requested_teams).cloned().collect(),
            })
        };
        repo.threads.values().filter_map(shown).collect()
    }

    /// Of one thread, oldest first; those on lines are among them.
    #[must_use]
    pub fn comments(&self, number: u32) -> Vec<Comment> {
        let state = self.shared.state();
        let of_thread = state.repo(self.id).comments.values().filter(|it| it.number == number);
        let shown = of_thread.map(|it| Comment {
            id: it.id,
            number,
            author: it.author.clone(),
            body: it.body.clone(),
            edited: it.updated_at > it.created_at,
            reactions: it.reactions.iter().map(|it| (it.content.clone(), it.by.clone())).collect(),
        });
        shown.collect()
    }

    /// Names of the repository's labels, in order.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.shared.state().repo(self.id).labels.iter().map(|it| it.name.clone()).collect();
        names.sort();
        names
    }

    /// Branches with their last commits.
    #[must_use]
    pub fn branches(&self) -> BTreeMap<String, String> {
        self.shared.state().repo(self.id).git.branches()
    }

    /// Every ref whose name begins so, with its object.
    #[must_use]
    pub fn refs(&self, start: &str) -> BTreeMap<String, String> {
        let refs = self.shared.state().repo(self.id).git.refs(start);
        refs.into_iter().map(|(name, object, _)| (name, object)).collect()
    }

    /// What the file holds on that branch.
    #[must_use]
    pub fn file(&self, branch: &str, path: &str) -> Option<String> {
        self.shared.state().repo(self.id).git.file(branch, path)
    }

    /// The bare repository itself, for tests that ask git.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.shared.state().repo(self.id).git.folder().to_owned()
    }

    /// What the refs and the fork of that owner are: none if there is none.
    #[must_use]
    pub fn fork(&self, owner: &str) -> Option<Repository> {
        let state = self.shared.state();
        let of_owner =
            |it: &&crate::state::repository::Repo| it.fork_of == Some(self.id) && it.owner.eq_ignore_ascii_case(owner);
        let id = state.repositories.values().find(of_owner)?.id;
        drop(state);
        Some(Repository::new(self.shared.clone(), id))
    }

    fn look<T>(&self, number: u32, look: impl FnOnce(Look<'_>, &Thread) -> T) -> T {
        let state = self.shared.state();
        let repo = state.repo(self.id);
        let thread = repo.threads.get(&number).unwrap_or_else(|| panic!("there is no issue {number}"));
        look(Look { repo }, thread)
    }
}

struct Look<'a> {
    repo: &'a crate::state::repository::Repo,
}

impl Look<'_> {
    fn shown(&self, thread: &Thread) -> Issue {
        let milestone = self.repo.milestones.iter().find(|it| Some(it.number) == thread.milestone);
        Issue {
            number: thread.number,
            author: thread.author.clone(),
            title: thread.title.clone(),
            body: thread.body.clone().unwrap_or_default(),
            open: thread.open,
            reason: thread.reason.clone().unwrap_or_default(),
            labels: labels(self.repo, thread).into_iter().map(|it| it.name.clone()).collect(),
            assignees: thread.assignees.clone(),
            milestone: milestone.map(|it| it.title.clone()),
            reactions: thread.reactions.iter().map(|it| (it.content.clone(), it.by.clone())).collect(),
        }
    }
}
