//! A repository and what hangs on it.

use super::State;
use super::right::Right;
use super::thread::{Comment, Thread};
use crate::git::Git;
use std::collections::BTreeMap;

pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) git: Git,
    pub(crate) description: Option<String>,
    pub(crate) private: bool,
    pub(crate) archived: bool,
    pub(crate) default_branch: String,
    pub(crate) merges: Merges,
    /// Whether pull requests may be drafts.
    pub(crate) drafts: bool,
    /// Whether a workflow's token may write unless it says otherwise.
    pub(crate) workflows_write: bool,
    /// By login in lower case; with the name of the role where it is one of the organization's own.
    pub(crate) rights: BTreeMap<String, (Right, Option<String>)>,
    pub(crate) labels: Vec<Label>,
    pub(crate) milestones: Vec<Milestone>,
    pub(crate) threads: BTreeMap<u32, Thread>,
    pub(crate) comments: BTreeMap<u64, Comment>,
    pub(crate) checks: Vec<CheckRun>,
    pub(crate) statuses: Vec<Status>,
    /// Refs that no push may change, each with what it is told. A star at the end stands for anything.
    pub(crate) protected: Vec<(String, String)>,
    pub(crate) fork_of: Option<u64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) pushed_at: i64,
    pub(crate) last_number: u32,
}

/// Which ways of merging are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merges {
    pub(crate) merge: bool,
    pub(crate) squash: bool,
    pub(crate) rebase: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Milestone {
    pub(crate) id: u64,
    pub(crate) number: u32,
    pub(crate) title: String,
    pub(crate) creator: String,
    pub(crate) created_at: i64,
}

/// A check of an app, as GitHub Actions has them.
#[derive(Clone, Debug)]
pub(crate) struct CheckRun {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) commit: String,
    /// `queued`, `in_progress` or `completed`.
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) at: i64,
}

/// A commit status, the older kind of check.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) commit: String,
    pub(crate) state: String,
    pub(crate) context: String,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<String>,
    pub(crate) creator: String,
    pub(crate) at: i64,
}

impl Repo {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// What the person may do here, the owner and the openness of the repository counted in.
    pub(crate) fn right(&self, login: &str) -> Right {
        if self.owner.eq_ignore_ascii_case(login) {
            return Right::Admin;
        }
        let given = self.rights.get(&login.to_lowercase()).map_or(Right::None, |(right, _)| *right);
        if self.private { given } else { given.max(Right::Read) }
    }

    pub(crate) fn role(&self, login: &str) -> String {
        let right = self.right(login);
        let own = self.rights.get(&login.to_lowercase()).and_then(|(_, role)| role.clone());
        own.unwrap_or_else(|| if right == Right::None { String::new() } else { right.as_str().to_owned() })
    }

    pub(crate) fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|it| it.name.eq_ignore_ascii_case(name))
    }

    /// Why a push may not change this ref, in git's words.
    pub(crate) fn refuses(&self, name: &str) -> Option<String> {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        if name.starts_with("refs/pull/") {
            return Some("deny updating a hidden ref".to_owned());
        }
        self.protected.iter().find(|(pattern, _)| matches(pattern)).map(|(_, message)| message.clone())
    }
}

impl State {
    /// An empty repository; its owner becomes an organization if nobody has that name.
    pub(crate) fn add_repository(&mut self, full_name: &str) -> u64 {
        let (owner, name) = full_name.split_once('/').expect("a full name is OWNER/NAME");
        self.add_owner(owner);
        let owner = self.person(owner).expect("it was just added").login.clone();
        let (id, now) = (self.id(), self.now());
        let git = Git::create(&self.folder.join(format!("{id}.git")), "main");
        let repo = Repo {
            id,
            owner,
            name: name.to_owned(),
            git,
            description: None,
            private: true,
            archived: false,
            default_branch: "main".to_owned(),
            merges: Merges { merge: true, squash: true, rebase: true },
            drafts: true,
            workflows_write: false,
            rights: BTreeMap::new(),
            labels: Vec::new(),
            milestones: Vec::new(),
            threads: BTreeMap::new(),
            comments: BTreeMap::new(),
            checks: Vec::new(),
            statuses: Vec::new(),
            protected: Vec::new(),
            fork_of: None,
            created_at: now,
            updated_at: now,
            pushed_at: now,
            last_number: 0,
        };
        self.repositories.insert(id, repo);
        for (name, color) in [("bug", "d73a4a"), ("enhancement", "a2eeef")] {
            self.add_label(id, name, color, None);
        }
        id
    }

    /// The fork of that owner, made if there is none.
    pub(crate) fn add_fork(&mut self, of: u64, owner: &str) -> u64 {
        let known =
            self.repositories.values().find(|it| it.fork_of == Some(of) && it.owner.eq_ignore_ascii_case(owner));
        if let Some(fork) = known {
            return fork.id;
        }
        let parent = self.repo(of);
        let (name, from, private) = (parent.name.clone(), parent.git.clone(), parent.private);
        let default_branch = parent.default_branch.clone();
        let rights = parent.rights.clone();
        let id = self.add_repository(&format!("{owner}/{name}"));
        let fork = self.repo_mut(id);
        fork.git.copy_from(&from, &default_branch);
        (fork.private, fork.default_branch, fork.fork_of) = (private, default_branch, Some(of));
        // Who may read what was forked may read the fork.
        fork.rights = rights.into_keys().map(|login| (login, (Right::Read, None))).collect();
        id
    }

    pub(crate) fn rename(&mut self, repo: u64, full_name: &str) {
        let (owner, name) = full_name.split_once('/').expect("a full name is OWNER/NAME");
        self.add_owner(owner);
        self.renamed.remove(&full_name.to_lowercase());
        let before = self.repo(repo).full_name().to_lowercase();
        self.renamed.insert(before, repo);
        let repo = self.repo_mut(repo);
        (repo.owner, repo.name) = (owner.to_owned(), name.to_owned());
    }

    /// False: there was one of that name.
    pub(crate) fn add_label(&mut self, repo: u64, name: &str, color: &str, description: Option<&str>) -> bool {
        if self.repo(repo).label(name).is_some() {
            return false;
        }
        let id = self.id();
        let label =
            Label { id, name: name.to_owned(), color: color.to_owned(), description: description.map(str::to_owned) };
        self.repo_mut(repo).labels.push(label);
        true
    }

    pub(crate) fn add_milestone(&mut self, repo: u64, title: &str, creator: &str) -> u32 {
        let (id, created_at) = (self.id(), self.now());
        let all = &mut self.repo_mut(repo).milestones;
        if let Some(known) = all.iter().find(|it| it.title == title) {
            return known.number;
        }
        let number = u32::try_from(all.len()).expect("tests make few milestones") + 1;
        let (title, creator) = (title.to_owned(), creator.to_owned());
        all.push(Milestone { id, number, title, creator, created_at });
        number
    }
}
