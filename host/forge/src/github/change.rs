//! Pull requests as changes: found, opened, brought up to date, closed.
//!
//! - A pull request is found by its branch, and by the marker in its body if the account made it: so opening it again
//!   after a lost answer finds it, also when somebody has closed it meanwhile.
//! - What has ended is written to no more.

use super::{
    GitHubForge, Written,
    comment::BODY_MAX,
    issue::{Account, Label},
    marker::{self, Place},
    repository::locked,
};
use crate::{Change, Error, NewChange, State};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Between a look and a write others may come and go.
const TRIES: u32 = 5;
/// Changes that are listed.
const CHANGES_MAX: usize = 1000;
/// Ended changes that are remembered.
const KEPT: usize = 10_000;
const LIST: [(&str, &str); 3] = [("state", "all"), ("sort", "updated"), ("direction", "desc")];

/// A pull request of REST's. Lists leave out some of it.
#[derive(Debug, Deserialize)]
pub(super) struct Pull {
    pub(super) number: u32,
    pub(super) node_id: String,
    title: String,
    #[serde(default)]
    body: Option<String>,
    html_url: String,
    state: String,
    #[serde(default)]
    pub(super) draft: Option<bool>,
    #[serde(default)]
    merged_at: Option<String>,
    #[serde(default)]
    merge_commit_sha: Option<String>,
    /// None while GitHub works it out, and in lists.
    #[serde(default)]
    pub(super) mergeable: Option<bool>,
    #[serde(default)]
    pub(super) mergeable_state: Option<String>,
    pub(super) head: End,
    pub(super) base: End,
    pub(super) user: Option<Account>,
    #[serde(default)]
    pub(super) labels: Vec<Label>,
    #[serde(default)]
    pub(super) requested_reviewers: Option<Vec<Account>>,
    #[serde(default)]
    pub(super) requested_teams: Option<Vec<Team>>,
    #[serde(default)]
    comments: u32,
}

/// One of the two branches.
#[derive(Debug, Deserialize)]
pub(super) struct End {
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) sha: String,
    /// None if it is gone.
    #[serde(default)]
    pub(super) repo: Option<Named>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) full_name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Team {
    pub(super) slug: String,
}

impl GitHubForge {
    pub(super) async fn open_or_renew(&self, new: &NewChange) -> Result<Change, Error> {
        let place = self.pushed_to().await?;
        // The owner may have another name by now, and GitHub would find no branch of the old one's.
        let known = if self.forks() { place.clone() } else { self.about_itself().await?.full_name };
        let owner = known.split('/').next().unwrap_or_default().to_owned();
        if new.body.len() > BODY_MAX {
            let why = format!("it has {} bytes, and GitHub takes no more than {BODY_MAX}", new.body.len());
            return Err(Error::Invalid { what: "the body of the pull request", why });
        }
        let body = self.signer().mark(Place::Branch(&new.branch), &new.key, &new.body);
        let mut draft = new.draft;
        for _ in 0..TRIES {
            if let Some(found) = self.look_for(&owner, new).await? {
                return self.renew(found, &new.title, &body).await;
            }
            let head = if place == self.name() { new.branch.clone() } else { format!("{owner}:{}", new.branch) };
            let wanted = json!({ "title": new.title, "body": body, "head": head, "base": new.base, "draft": draft });
            let path = self.path("pulls");
            let refused = match self.api().write::<Pull>(&self.scope(), Method::POST, &path, &wanted).await? {
                Written::Done(pull) => return Ok(pull.change()),
                refused @ Written::Refused { .. } => refused,
            };
            match Refusal::of(&refused) {
                Refusal::Exists => {}
                Refusal::NoDrafts if draft => draft = false,
                Refusal::NothingNew => {
                    return Err(Error::NothingNew { branch: new.branch.clone(), base: new.base.clone() });
                }
                Refusal::Other | Refusal::NoDrafts => {
                    self.check_ends(&place, new).await?;
                    return refused.done().map(|it| it.change());
                }
            }
        }
        Err(Error::Contended { what: format!("the pull request of `{}`", new.branch), tries: TRIES })
    }

    /// The one that was opened under the same key; else the open one of branch and base.
    async fn look_for(&self, owner: &str, new: &NewChange) -> Result<Option<Pull>, Error> {
        let query = [
            ("head", format!("{owner}:{}", new.branch)),
            ("state", "all".to_owned()),
            ("sort", "created".to_owned()),
            ("direction", "desc".to_owned()),
        ];
        let mut found: Vec<Pull> = self.api().all(&self.scope(), &self.path("pulls"), &query, 200).await?;
        // A filter that GitHub does not understand is one that it does not apply, and anybody's fork may have a branch of
        // that name.
        found.retain(|it| it.head.branch == new.branch && it.head.is_of(owner) && it.is_of_a_fork() == self.forks());
        let login = self.own_login().await?;
        let of_key = |it: &Pull| {
            let ours = it.user.as_ref().is_some_and(|it| it.login.eq_ignore_ascii_case(&login));
            let marked = self.signer().read(Place::Branch(&new.branch), it.body.as_deref().unwrap_or_default());
            ours && marked.is_some_and(|(key, _)| key == new.key)
        };
        let open = |it: &Pull| it.state == "open" && it.base.branch == new.base;
        let at = found.iter().position(of_key).or_else(|| found.iter().position(open));
        Ok(at.map(|at| found.swap_remove(at)))
    }

    async fn renew(&self, found: Pull, title: &str, body: &str) -> Result<Change, Error> {
        let same = found.title == title && marker::same_text(found.body.as_deref().unwrap_or_default(), body);
        if found.state != "open" || same {
            return Ok(found.change());
        }
        let pull = self.patch(found.number, &json!({ "title": title, "body": body })).await?;
        Ok(pull.change())
    }

    async fn patch(&self, number: u32, what: &Value) -> Result<Pull, Error> {
        let path = self.path(&format!("pulls/{number}"));
        match self.api().write(&self.scope(), Method::PATCH, &path, what).await? {
            Written::Refused { status: 404 | 410, .. } => Err(Error::NoChange(number)),
            other => other.done(),
        }
    }

    /// Says which of the branches is missing.
    async fn check_ends(&self, place: &str, new: &NewChange) -> Result<(), Error> {
        if self.tip(place, &new.branch).await?.is_none() {
            return Err(self.no_branch(&new.branch));
        }
        if self.tip(self.name(), &new.base).await?.is_none() {
            return Err(self.no_branch(&new.base));
        }
        Ok(())
    }

    pub(super) async fn pull(&self, number: u32) -> Result<Option<Pull>, Error> {
        self.api().get(&self.scope(), &self.path(&format!("pulls/{number}")), &[]).await
    }

    pub(super) async fn pull_there(&self, number: u32) -> Result<Pull, Error> {
        self.pull(number).await?.ok_or(Error::NoChange(number))
    }

    pub(super) async fn whole_change(&self, number: u32) -> Result<Option<Change>, Error> {
        let Some(pull) = self.pull(number).await? else { return Ok(None) };
        self.with_comments(pull).await.map(Some)
    }

    pub(super) async fn with_comments(&self, pull: Pull) -> Result<Change, Error> {
        let comments = if pull.comments > 0 { self.own_words(pull.number).await? } else { Vec::new() };
        Ok(Change { comments, ..pull.change() })
    }

    pub(super) async fn all_changes(&self) -> Result<Vec<Change>, Error> {
        let query = LIST.map(|(name, value)| (name, value.to_owned()));
        let found: Vec<Pull> = self.api().all(&self.scope(), &self.path("pulls"), &query, CHANGES_MAX).await?;
        let own = found.into_iter().filter(|it| it.head.branch.starts_with(self.prefix()));
        let mut changes: Vec<Change> = own.map(|it| it.change()).collect();
        changes.sort_by_key(|it| it.number);
        Ok(changes)
    }

    /// The last hundred that changed come in one request, which costs nothing while none changes. Of the others only
    /// those are asked for that had not ended when they were last seen: whatever happens to one brings it to the front.
    pub(super) async fn changes_by_number(&self, numbers: &[u32]) -> Result<Vec<Change>, Error> {
        let wanted: BTreeSet<u32> = numbers.iter().copied().collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let query = LIST.map(|(name, value)| (name, value.to_owned()));
        let page = self.api().page::<Pull>(&self.scope(), &self.path("pulls"), &query, None).await?;
        let mut changes = BTreeMap::new();
        for pull in page.items.into_iter().filter(|it| wanted.contains(&it.number)) {
            changes.insert(pull.number, pull.change());
        }
        for number in wanted {
            // One that the list does not have is asked for also where the list seems to be whole: lists lag.
            if changes.contains_key(&number) {
                continue;
            }
            let known = locked(&self.memory().ended).get(&number).cloned();
            let found = match known {
                Some(known) => Some(known),
                None => self.pull(number).await?.map(|it| it.change()),
            };
            changes.extend(found.map(|it| (number, it)));
        }
        self.remember_ended(changes.values());
        Ok(changes.into_values().collect())
    }

    fn remember_ended<'a>(&self, changes: impl Iterator<Item = &'a Change>) {
        let mut ended = locked(&self.memory().ended);
        for change in changes {
            match change.state {
                // Somebody opened it again.
                State::Open => drop(ended.remove(&change.number)),
                State::Merged | State::Closed => drop(ended.insert(change.number, change.clone())),
            }
        }
        while ended.len() > KEPT {
            ended.pop_first();
        }
    }

    pub(super) async fn close_change(&self, number: u32, delete_branch: bool) -> Result<Change, Error> {
        let mut pull = self.pull_there(number).await?;
        if pull.state == "open" {
            pull = self.patch(number, &json!({ "state": "closed" })).await?;
        }
        let (branch, commit) = (pull.head.branch.clone(), pull.head.sha.clone());
        // A branch of the same name in somebody else's repository is not agentd's.
        let place = pull.head.repo.as_ref().map(|it| it.full_name.clone());
        let change = self.with_comments(pull).await?;
        if delete_branch && let Some(place) = place {
            let own = self.about_itself().await?.full_name;
            let place = if place == own {
                Some(self.name().to_owned())
            } else {
                self.found_fork().await?.filter(|it| *it == place)
            };
            let Some(place) = place else { return Ok(change) };
            self.check_own_branch(&branch).await?;
            if !self.delete_at(&place, &branch, &commit).await?
                && let Some(found) = self.tip(&place, &branch).await?
            {
                return Err(Error::Stale { branch, expected: Some(commit), found: Some(found) });
            }
        }
        Ok(change)
    }

    /// Deletes a branch that is at `commit`. GitHub compares nothing here, so between the look and the deletion there is
    /// a moment in which a push would be lost to the branch; the pull request still has it.
    pub(super) async fn delete_at(&self, place: &str, branch: &str, commit: &str) -> Result<bool, Error> {
        if self.tip(place, branch).await?.as_deref() != Some(commit) {
            return Ok(false);
        }
        self.delete_reference(place, &format!("heads/{branch}")).await
    }
}

impl End {
    /// Whether the branch is one of the owner's.
    fn is_of(&self, owner: &str) -> bool {
        let name = self.repo.as_ref().and_then(|it| it.full_name.split('/').next());
        name.is_some_and(|it| it.eq_ignore_ascii_case(owner))
    }
}

impl Pull {
    fn is_of_a_fork(&self) -> bool {
        let name = |end: &End| end.repo.as_ref().map(|it| it.full_name.to_ascii_lowercase());
        name(&self.head) != name(&self.base)
    }

    pub(super) fn change(self) -> Change {
        let state = self.state();
        let asked = |list: Option<usize>| list.is_some_and(|it| it > 0);
        let review_requested = asked(self.requested_reviewers.as_ref().map(Vec::len))
            || asked(self.requested_teams.as_ref().map(Vec::len));
        Change {
            number: self.number,
            title: self.title,
            body: marker::without(self.body.as_deref().unwrap_or_default()).replace("\r\n", "\n"),
            branch: self.head.branch,
            base: self.base.branch,
            commit: self.head.sha,
            state,
            url: Some(self.html_url),
            merged_as: self.merge_commit_sha.filter(|_| state == State::Merged),
            comments: Vec::new(),
            draft: self.draft.unwrap_or(false),
            review_requested,
        }
    }

    pub(super) fn state(&self) -> State {
        match (self.merged_at.is_some(), self.state.as_str()) {
            (true, _) => State::Merged,
            (false, "open") => State::Open,
            (false, _) => State::Closed,
        }
    }
}

/// Why no pull request was opened.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Exists,
    NoDrafts,
    NothingNew,
    Other,
}

impl Refusal {
    /// GitHub has no codes for these; the words are what there is.
    fn of<T>(refused: &Written<T>) -> Refusal {
        let Written::Refused { status: 422, message, errors, .. } = refused else { return Refusal::Other };
        let words = errors.iter().map(|it| it.message.as_str()).chain([message.as_str()]);
        let words = words.collect::<Vec<_>>().join("\n").to_lowercase();
        match words {
            it if it.contains("already exists") => Refusal::Exists,
            it if it.contains("draft pull requests are not supported") => Refusal::NoDrafts,
            it if it.contains("no commits between") => Refusal::NothingNew,
            _ => Refusal::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::ApiError;

    #[track_caller]
    fn check(message: &str, detail: &str, expected: Refusal) {
        let errors = vec![ApiError { message: detail.into(), code: "custom".into(), ..ApiError::default() }];
        let (what, message) = ("POST repos/acme/api/pulls".to_owned(), message.to_owned());
        let refused = Written::<()>::Refused { what, status: 422, message, errors };
        assert_eq!(Refusal::of(&refused), expected);
    }

    #[test]
    fn why_no_pull_request_was_opened() {
        let failed = "Validation Failed";
        check(failed, "A pull request already exists for acme:agentd/t-1.", Refusal::Exists);
        check(failed, "No commits between main and agentd/t-1", Refusal::NothingNew);
        check("Draft pull requests are not supported in this repository.", "", Refusal::NoDrafts);
        check(failed, "", Refusal::Other);
    }
}
