//! A repository as tests hold it: what people do there in a browser or with git, and what they would see.
//!
//! Whoever is named and is nobody yet becomes a user. Rights are not asked: the test says what happens.

mod look;

use crate::git::Signature;
use crate::server::Shared;
use crate::state::person::Kind;
use crate::state::pull::Pull;
use crate::state::repository::{CheckRun, Merges};
use crate::state::right::Right;
use crate::state::thread::{Place, What};
use crate::state::{State, repository::Status};
pub use look::{Comment, Issue, PullRequest};
use std::sync::Arc;

/// What follows a login in the addresses of commits.
pub(crate) const MAIL: &str = "@users.noreply.github.invalid";

/// A repository that stays the same one when it is renamed.
#[derive(Clone)]
pub struct Repository {
    shared: Arc<Shared>,
    id: u64,
}

pub(crate) fn signature(login: &str, at: i64) -> Signature {
    Signature { name: login.to_owned(), email: format!("{login}{MAIL}"), at }
}

impl Repository {
    pub(crate) fn new(shared: Arc<Shared>, id: u64) -> Repository {
        Repository { shared, id }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn change<T>(&self, people: &[&str], change: impl FnOnce(&mut State, u64) -> T) -> T {
        let mut state = self.shared.state();
        for login in people {
            state.add_person(login, Kind::User);
        }
        change(&mut state, self.id)
    }

    /// `OWNER/NAME` as it is now.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.shared.state().repo(self.id).full_name()
    }

    /// Gives the person that right, or takes it with [`Right::None`].
    pub fn give(&self, login: &str, right: Right) -> &Repository {
        self.change(&[login], |state, id| {
            let rights = &mut state.repo_mut(id).rights;
            rights.insert(login.to_lowercase(), (right, None));
        });
        self
    }

    /// Gives the person a role of the organization's own, which stands upon that right.
    pub fn give_role(&self, login: &str, role: &str, right: Right) -> &Repository {
        self.change(&[login], |state, id| {
            state.repo_mut(id).rights.insert(login.to_lowercase(), (right, Some(role.to_owned())));
        });
        self
    }

    pub fn set_public(&self) -> &Repository {
        self.change(&[], |state, id| state.repo_mut(id).private = false);
        self
    }

    pub fn set_archived(&self, archived: bool) -> &Repository {
        self.change(&[], |state, id| state.repo_mut(id).archived = archived);
        self
    }

    /// Drafts are refused from now on, as in private repositories without a plan.
    pub fn refuse_drafts(&self) -> &Repository {
        self.change(&[], |state, id| state.repo_mut(id).drafts = false);
        self
    }

    /// Which ways of merging are allowed.
    pub fn allow_merges(&self, merge: bool, squash: bool, rebase: bool) -> &Repository {
        self.change(&[], |state, id| state.repo_mut(id).merges = Merges { merge, squash, rebase });
        self
    }

    /// Whether workflows' tokens may write unless they say otherwise.
    pub fn set_workflows_write(&self, write: bool) -> &Repository {
        self.change(&[], |state, id| state.repo_mut(id).workflows_write = write);
        self
    }

    /// Refuses changes of the ref (`refs/heads/main`, or with a star at its end) with that message.
    pub fn protect(&self, name: &str, message: &str) -> &Repository {
        let rule = (name.to_owned(), message.to_owned());
        self.change(&[], |state, id| state.repo_mut(id).protected.push(rule));
        self
    }

    pub fn unprotect(&self) -> &Repository {
        self.change(&[], |state, id| state.repo_mut(id).protected.clear());
        self
    }

    /// Gives it another full name; requests to the old one are sent on.
    pub fn rename(&self, full_name: &str) -> &Repository {
        self.change(&[], |state, id| state.rename(id, full_name));
        self
    }

    /// Adds a commit with these files to `main`; its id.
    pub fn push_files(&self, files: &[(&str, &str)]) -> String {
        let owner = self.shared.state().repo(self.id).owner.clone();
        let branch = self.shared.state().repo(self.id).default_branch.clone();
        self.push_to(&branch, &owner, files)
    }

    /// Adds a person's commit to a branch, which starts at the default branch if it is not there; the commit's id.
    pub fn push_to(&self, branch: &str, by: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<(&str, Option<&[u8]>)> =
            files.iter().map(|&(path, text)| (path, Some(text.as_bytes()))).collect();
        self.commit_to(branch, by, &files, "Change files")
    }

    /// As `push_to`, with a message; a file without content is deleted.
    pub fn commit_to(&self, branch: &str, by: &str, files: &[(&str, Option<&[u8]>)], message: &str) -> String {
        self.change(&[by], |state, id| {
            let (now, repo) = (state.now(), state.repo(id));
            let (git, start) = (repo.git.clone(), repo.git.branches().get(&repo.default_branch).cloned());
            let commit = git.commit_files(branch, start.as_deref(), files, message, &signature(by, now));
            state.refs_changed(id, by);
            commit
        })
    }

    /// Deletes a branch, which closes its pull requests.
    pub fn delete_branch(&self, branch: &str, by: &str) {
        self.change(&[by], |state, id| {
            state.repo(id).git.delete_ref(&format!("refs/heads/{branch}"));
            state.refs_changed(id, by);
        });
    }

    /// Its number.
    pub fn open_issue(&self, by: &str, title: &str, body: &str) -> u32 {
        self.change(&[by], |state, id| state.open(id, by, title, Some(body), None))
    }

    /// Opens a pull request of a branch into the default one; its number.
    pub fn open_pull(&self, by: &str, branch: &str, title: &str, body: &str) -> u32 {
        self.change(&[by], |state, id| {
            let repo = state.repo(id);
            let branches = repo.git.branches();
            let pull = Pull {
                head_repo: id,
                head_branch: branch.to_owned(),
                head: branches.get(branch).expect("the branch is there").clone(),
                base_branch: repo.default_branch.clone(),
                base: branches.get(&repo.default_branch).expect("there is a commit").clone(),
                draft: false,
                merged: None,
                requested: Vec::new(),
                requested_teams: Vec::new(),
                reviews: Vec::new(),
            };
            state.open(id, by, title, Some(body), Some(pull))
        })
    }

    /// Makes a label of the repository, if it is not there.
    pub fn create_label(&self, name: &str) -> &Repository {
        self.change(&[], |state, id| state.add_label(id, name, "ededed", None));
        self
    }

    pub fn label(&self, by: &str, number: u32, name: &str) {
        self.change(&[by], |state, id| state.add_thread_label(id, number, by, name));
    }

    pub fn unlabel(&self, by: &str, number: u32, name: &str) {
        self.change(&[by], |state, id| state.remove_thread_label(id, number, by, name));
    }

    pub fn edit_title(&self, by: &str, number: u32, title: &str) {
        self.change(&[by], |state, id| state.set_title(id, number, by, title));
    }

    pub fn edit_body(&self, by: &str, number: u32, body: &str) {
        self.change(&[by], |state, id| state.set_body(id, number, by, Some(body)));
    }

    pub fn assign(&self, by: &str, number: u32, login: &str) {
        self.change(&[by, login], |state, id| state.assign(id, number, by, login));
    }

    pub fn unassign(&self, by: &str, number: u32, login: &str) {
        self.change(&[by], |state, id| state.unassign(id, number, by, login));
    }

    /// Moves an issue to another repository, where it has another number: who asks for it here is sent there.
    pub fn transfer(&self, number: u32, to: &Repository) -> u32 {
        self.change(&[], |state, id| {
            let issue = state.repo_mut(id).threads.remove(&number).expect("the issue is there");
            let there = state.open(to.id, &issue.author, &issue.title, issue.body.as_deref(), None);
            state.transferred.insert((id, number), (to.id, there));
            there
        })
    }

    /// Sets the milestone of that title, made if need be; none: takes it away.
    pub fn set_milestone(&self, by: &str, number: u32, title: Option<&str>) {
        self.change(&[by], |state, id| {
            let milestone = title.map(|it| state.add_milestone(id, it, by));
            let now = state.now();
            let thread = state.thread_mut(id, number);
            (thread.milestone, thread.updated_at) = (milestone, now);
        });
    }

    /// The comment's id.
    pub fn comment(&self, by: &str, number: u32, body: &str) -> u64 {
        self.change(&[by], |state, id| state.add_comment(id, number, by, body, None))
    }

    /// A comment on a line of a pull request, within a review of its own; its id.
    pub fn comment_on_line(&self, by: &str, number: u32, path: &str, line: u32, body: &str) -> u64 {
        self.change(&[by], |state, id| {
            let review = state.add_review(id, number, by, "COMMENT", "");
            let place = Place { path: path.to_owned(), line, commit: review.commit, review: review.id, reply_to: None };
            state.add_comment(id, number, by, body, Some(place))
        })
    }

    pub fn edit_comment(&self, comment: u64, body: &str) {
        self.change(&[], |state, id| {
            let now = state.now();
            let comment = state.repo_mut(id).comments.get_mut(&comment).expect("the comment is there");
            (comment.body, comment.updated_at) = (body.to_owned(), now);
        });
    }

    pub fn delete_comment(&self, comment: u64) {
        self.change(&[], |state, id| state.repo_mut(id).comments.remove(&comment));
    }

    /// Closes an issue or a pull request; `reason` is `completed`, `not_planned` or `duplicate`, for issues alone.
    pub fn close(&self, by: &str, number: u32, reason: Option<&str>) {
        self.change(&[by], |state, id| state.close(id, number, by, reason, None));
    }

    pub fn reopen(&self, by: &str, number: u32) {
        self.change(&[by], |state, id| state.reopen(id, number, by));
    }

    /// Merges a pull request with a merge commit, whose id it gives. Panics if it conflicts.
    pub fn merge(&self, by: &str, number: u32) -> String {
        let merged = self.change(&[by], |state, id| state.merge_pull(id, number, by, "merge", (None, None)));
        merged.unwrap_or_else(|| panic!("pull request {number} conflicts with its base"))
    }

    pub fn ready_for_review(&self, by: &str, number: u32) {
        self.change(&[by], |state, id| {
            if let Some(pull) = &mut state.thread_mut(id, number).pull {
                pull.draft = false;
            }
            state.note(id, number, by, What::ReadyForReview);
        });
    }

    pub fn request_review(&self, by: &str, number: u32, of: &str) {
        self.change(&[by, of], |state, id| state.ask_for_review(id, number, by, of));
    }

    /// `event` is `APPROVE`, `REQUEST_CHANGES` or `COMMENT`.
    pub fn review(&self, by: &str, number: u32, event: &str, body: &str) {
        self.change(&[by], |state, id| state.add_review(id, number, by, event, body));
    }

    /// What a check says of a commit: `conclusion` such as `success` or `failure`; none: it still runs.
    pub fn check(&self, commit: &str, name: &str, conclusion: Option<&str>, summary: &str) {
        self.change(&[], |state, id| {
            let run = CheckRun {
                id: state.id(),
                name: name.to_owned(),
                commit: commit.to_owned(),
                status: if conclusion.is_some() { "completed" } else { "in_progress" }.to_owned(),
                conclusion: conclusion.map(str::to_owned),
                summary: Some(summary.to_owned()),
                at: state.now(),
            };
            state.repo_mut(id).checks.push(run);
        });
    }

    /// A commit status: `state` is `pending`, `success`, `failure` or `error`.
    pub fn status(&self, commit: &str, context: &str, state_word: &str) {
        self.change(&[], |state, id| {
            let status = Status {
                id: state.id(),
                commit: commit.to_owned(),
                state: state_word.to_owned(),
                context: context.to_owned(),
                description: None,
                target_url: None,
                creator: "github".to_owned(),
                at: state.now(),
            };
            state.repo_mut(id).statuses.push(status);
        });
    }
}
