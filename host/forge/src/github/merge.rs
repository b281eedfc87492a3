//! Merging a pull request, in the way that the repository allows.
//!
//! - Merges nothing but the commit that it is told: GitHub compares.

use super::{GitHubForge, Written, change::Pull};
use crate::{Change, Error, State, name::check_commit};
use http::Method;
use serde::de::IgnoredAny;
use serde_json::json;

/// Branch and base may move meanwhile.
const TRIES: u32 = 5;
const METHODS: [&str; 3] = ["merge", "squash", "rebase"];

const READY: &str = "mutation($id: ID!) {
  markPullRequestReadyForReview(input: { pullRequestId: $id }) { pullRequest { isDraft } }
}";

/// What GitHub said of a merge.
enum Said {
    Merged,
    /// Something is another way by now.
    Again,
    /// Not in this way.
    OtherMethod,
    Never(String),
}

impl GitHubForge {
    pub(super) async fn merge_change(&self, number: u32, commit: &str) -> Result<Change, Error> {
        check_commit(commit)?;
        for _ in 0..TRIES {
            let pull = self.pull_there(number).await?;
            let moved = || Error::Moved {
                number,
                branch: pull.head.branch.clone(),
                expected: commit.to_owned(),
                found: Some(pull.head.sha.clone()),
            };
            match pull.state() {
                State::Closed => return Err(Error::NotOpen { number, state: State::Closed }),
                _ if pull.head.sha != commit => return Err(moved()),
                State::Merged => return self.with_comments(pull).await,
                State::Open => {}
            }
            if pull.draft == Some(true) {
                let _: IgnoredAny = self.api().graphql(&self.scope(), READY, json!({ "id": pull.node_id })).await?;
            }
            if let Some(why) = self.try_methods(&pull, commit).await?
                && let Some(error) = self.not_merged(number, why).await?
            {
                return Err(error);
            }
        }
        Err(Error::Contended { what: format!("pull request {number}, or its base,"), tries: TRIES })
    }

    /// None: look again, it is merged or something moved. Else: why it is not merged.
    async fn try_methods(&self, pull: &Pull, commit: &str) -> Result<Option<String>, Error> {
        let about = self.about_itself().await?;
        let allowed = [about.allow_merge_commit, about.allow_squash_merge, about.allow_rebase_merge];
        let mut why = "the repository allows no way of merging".to_owned();
        for (method, _) in METHODS.into_iter().zip(allowed).filter(|(_, allowed)| *allowed != Some(false)) {
            match self.try_method(pull.number, commit, method).await? {
                Said::Merged | Said::Again => return Ok(None),
                Said::OtherMethod => {}
                Said::Never(words) => {
                    why = words;
                    break;
                }
            }
        }
        Ok(Some(why))
    }

    async fn try_method(&self, number: u32, commit: &str, method: &str) -> Result<Said, Error> {
        let path = self.path(&format!("pulls/{number}/merge"));
        let body = json!({ "sha": commit, "merge_method": method });
        match self.api().write::<IgnoredAny>(&self.scope(), Method::PUT, &path, &body).await? {
            Written::Done(_) => Ok(Said::Merged),
            // Branch or base was modified.
            Written::Refused { status: 409, .. } => Ok(Said::Again),
            Written::Refused { status: 404 | 410, .. } => Err(Error::NoChange(number)),
            Written::Refused { status: 405, message, .. } if of_method(&message) => Ok(Said::OtherMethod),
            Written::Refused { status: 405, message, .. } => Ok(Said::Never(message)),
            other => other.done().map(|_| Said::Merged),
        }
    }

    /// What GitHub's no means, as far as the pull request shows it. None: somebody else has merged it.
    async fn not_merged(&self, number: u32, why: String) -> Result<Option<Error>, Error> {
        let pull = self.pull_there(number).await?;
        let (base, conflicts) = (pull.base.branch.clone(), pull.mergeable_state.as_deref() == Some("dirty"));
        Ok(match (pull.state(), pull.mergeable) {
            (State::Merged, _) => None,
            (State::Closed, _) => Some(Error::NotOpen { number, state: State::Closed }),
            (State::Open, Some(false)) if conflicts => Some(Error::Conflict { number, base, files: Vec::new() }),
            // GitHub has not found out yet.
            (State::Open, None) => {
                Some(Error::Contended { what: format!("the base of pull request {number}"), tries: 1 })
            }
            (State::Open, Some(_)) => Some(Error::NotMergeable { number, why }),
        })
    }
}

/// Whether another way of merging may do.
fn of_method(message: &str) -> bool {
    let low = message.to_lowercase();
    ["not allowed on this repository", "merge method", "merges are not allowed", "commits are not allowed"]
        .iter()
        .any(|it| low.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_method_is_told_from_a_refused_merge() {
        assert!(of_method("Merge commits are not allowed on this repository."));
        assert!(of_method("Squash merges are not allowed on this repository."));
        assert!(!of_method("Pull Request is not mergeable"));
        assert!(!of_method("At least 1 approving review is required by reviewers with write access."));
        assert!(!of_method("2 of 2 required status checks are expected."));
    }
}
