//! What a pull request has beyond an issue, and what git's changes do to it.

use super::State;
use super::thread::What;
use crate::git::Git;

#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub(crate) head_repo: u64,
    pub(crate) head_branch: String,
    /// The branch's last commit; as it was at the end where the branch is gone.
    pub(crate) head: String,
    pub(crate) base_branch: String,
    pub(crate) base: String,
    pub(crate) draft: bool,
    pub(crate) merged: Option<Merged>,
    pub(crate) requested: Vec<String>,
    pub(crate) requested_teams: Vec<String>,
    pub(crate) reviews: Vec<Review>,
}

#[derive(Clone, Debug)]
pub(crate) struct Merged {
    pub(crate) commit: String,
    pub(crate) by: String,
    pub(crate) at: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) author: String,
    /// `APPROVED`, `CHANGES_REQUESTED` or `COMMENTED`.
    pub(crate) state: String,
    pub(crate) body: String,
    pub(crate) commit: String,
    pub(crate) at: i64,
}

impl State {
    /// Merges by git, and moves the base branch; none if that conflicts.
    pub(crate) fn merge_pull(
        &mut self,
        repo: u64,
        number: u32,
        actor: &str,
        method: &str,
        words: (Option<String>, Option<String>),
    ) -> Option<String> {
        let who = crate::handle::signature(actor, self.now());
        let of = self.repo(repo);
        let thread = &of.threads[&number];
        let pull = thread.pull.as_ref()?;
        let git = of.git.clone();
        let tip = git.branches().get(&pull.base_branch)?.clone();
        let (head, branch) = (pull.head.clone(), pull.base_branch.clone());
        let from = format!("{}/{}", self.repo(pull.head_repo).owner, pull.head_branch);
        let commit = match method {
            "rebase" => git.rebased(&tip, &head, &who)?,
            _ => {
                let tree = git.merged_tree(&tip, &head)?;
                let squash = method == "squash";
                let usual = if squash {
                    format!("{} (#{number})", thread.title)
                } else {
                    format!("Merge pull request #{number} from {from}")
                };
                let message = words.1.unwrap_or_else(|| if squash { String::new() } else { thread.title.clone() });
                let message = format!("{}\n\n{message}", words.0.unwrap_or(usual));
                let both = [tip.as_str(), head.as_str()];
                let parents = if squash { &both[..1] } else { &both[..] };
                git.write_commit(&tree, parents, message.trim_end(), &who, &who)
            }
        };
        if !git.move_branch(&branch, Some(&tip), &commit) {
            return None;
        }
        self.merged(repo, number, actor, &commit);
        self.refs_changed(repo, actor);
        Some(commit)
    }

    pub(crate) fn ask_for_review(&mut self, repo: u64, number: u32, actor: &str, login: &str) {
        let Some(pull) = &mut self.thread_mut(repo, number).pull else { return };
        if !pull.requested.iter().any(|it| it.eq_ignore_ascii_case(login)) {
            pull.requested.push(login.to_owned());
            self.note(repo, number, actor, What::ReviewRequested(login.to_owned()));
        }
    }

    /// `event` is `APPROVE`, `REQUEST_CHANGES` or `COMMENT`; who was asked for a review is no more.
    pub(crate) fn add_review(&mut self, repo: u64, number: u32, author: &str, event: &str, body: &str) -> Review {
        let (id, at) = (self.id(), self.now());
        let thread = self.thread_mut(repo, number);
        thread.updated_at = at;
        let state = match event {
            "APPROVE" => "APPROVED",
            "REQUEST_CHANGES" => "CHANGES_REQUESTED",
            _ => "COMMENTED",
        };
        let pull = thread.pull.as_mut().expect("only pull requests are reviewed");
        let review = Review {
            id,
            author: author.to_owned(),
            state: state.to_owned(),
            body: body.to_owned(),
            commit: pull.head.clone(),
            at,
        };
        pull.requested.retain(|it| it != author);
        pull.reviews.push(review.clone());
        review
    }

    /// Looks at the branches again after git or somebody changed them: heads move on, and a pull request whose branch is
    /// gone is closed.
    pub(crate) fn refs_changed(&mut self, repo: u64, actor: &str) {
        let now = self.now();
        let tips = self.repo(repo).git.branches();
        self.repo_mut(repo).pushed_at = now;
        let bases: Vec<u64> = self.repositories.keys().copied().collect();
        for base in bases {
            let of_this = |it: &&super::thread::Thread| {
                it.open && it.pull.as_ref().is_some_and(|pull| pull.head_repo == repo || base == repo)
            };
            let numbers: Vec<u32> = self.repo(base).threads.values().filter(of_this).map(|it| it.number).collect();
            for number in numbers {
                self.pull_moved(base, number, repo, &tips, actor, now);
            }
        }
    }

    fn pull_moved(
        &mut self,
        base: u64,
        number: u32,
        repo: u64,
        tips: &std::collections::BTreeMap<String, String>,
        actor: &str,
        now: i64,
    ) {
        let id = self.id();
        let from: Git = self.repo(repo).git.clone();
        let to = self.repo(base).git.clone();
        let thread = self.repo_mut(base).threads.get_mut(&number).expect("it was just listed");
        let pull = thread.pull.as_mut().expect("only pull requests were listed");
        if base == repo
            && let Some(tip) = tips.get(&pull.base_branch)
        {
            pull.base.clone_from(tip);
        }
        if pull.head_repo != repo {
            return;
        }
        match tips.get(&pull.head_branch) {
            Some(tip) if *tip == pull.head => (),
            Some(tip) => {
                pull.head.clone_from(tip);
                thread.updated_at = now;
                to.take_pull(&from, number, tip);
            }
            None => {
                thread.note(id, actor, now, What::HeadRefDeleted);
                self.close(base, number, actor, None, None);
            }
        }
    }
}
