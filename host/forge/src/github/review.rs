//! What a change is dressed with: labels, and the people who are asked to review it.
//!
//! - Nobody is asked twice: neither while their review is awaited nor after it.

use super::{GitHubForge, Written, change::Pull, issue::Account};
use crate::Error;
use http::Method;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

#[derive(Debug, Deserialize)]
struct Review {
    user: Option<Account>,
}

impl GitHubForge {
    pub(super) async fn dress(&self, number: u32, labels: &[String], reviewers: &[String]) -> Result<(), Error> {
        let pull = self.pull_there(number).await?;
        let present: Vec<String> = pull.labels.iter().filter_map(|it| it.name().map(str::to_owned)).collect();
        self.add_labels(number, &present, labels).await?;
        let missing = self.not_asked(&pull, reviewers).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let all: Vec<&str> = missing.iter().map(String::as_str).collect();
        if self.request_review(number, &all).await? || missing.len() == 1 {
            return Ok(());
        }
        // GitHub refuses all of them for one who may not review.
        for one in all {
            self.request_review(number, &[one]).await?;
        }
        Ok(())
    }

    /// Those who were never asked: neither waited for nor heard.
    async fn not_asked(&self, pull: &Pull, reviewers: &[String]) -> Result<Vec<String>, Error> {
        let asked: Vec<&str> = pull.requested_reviewers.iter().flatten().map(|it| it.login.as_str()).collect();
        let teams: Vec<&str> = pull.requested_teams.iter().flatten().map(|it| it.slug.as_str()).collect();
        let author = pull.user.as_ref().map(|it| it.login.as_str());
        let has = |list: &[&str], name: &str| list.iter().any(|it| it.eq_ignore_ascii_case(name));
        let mut missing: Vec<String> = reviewers.to_vec();
        missing.retain(|it| match team(it) {
            Some(slug) => !has(&teams, slug),
            None => !has(&asked, it) && !author.is_some_and(|author| author.eq_ignore_ascii_case(it)),
        });
        if missing.is_empty() {
            return Ok(missing);
        }
        let path = self.path(&format!("pulls/{}/reviews", pull.number));
        let reviews: Vec<Review> = self.api().all(&self.scope(), &path, &[], 500).await?;
        let heard: Vec<&str> = reviews.iter().filter_map(|it| Some(it.user.as_ref()?.login.as_str())).collect();
        missing.retain(|it| team(it).is_some() || !has(&heard, it));
        Ok(missing)
    }

    /// False: GitHub does not let one of them review.
    async fn request_review(&self, number: u32, of: &[&str]) -> Result<bool, Error> {
        let people: Vec<&str> = of.iter().copied().filter(|it| team(it).is_none()).collect();
        let teams: Vec<&str> = of.iter().copied().filter_map(team).collect();
        let body = json!({ "reviewers": people, "team_reviewers": teams });
        let path = self.path(&format!("pulls/{number}/requested_reviewers"));
        match self.api().write::<IgnoredAny>(&self.scope(), Method::POST, &path, &body).await? {
            Written::Refused { status: 422, message, .. } => {
                tracing::warn!(
                    repository = self.name(),
                    number,
                    reviewers = of.join(", "),
                    why = message,
                    "A review could not be asked for"
                );
                Ok(false)
            }
            Written::Refused { status: 404 | 410, .. } => Err(Error::NoChange(number)),
            other => other.done().map(|_| true),
        }
    }
}

/// The slug in `team:org/slug`.
fn team(reviewer: &str) -> Option<&str> {
    let team = reviewer.strip_prefix("team:")?;
    Some(team.rsplit_once('/').map_or(team, |(_, slug)| slug))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_named_by_its_slug() {
        assert_eq!((team("team:acme/web"), team("team:web"), team("ann")), (Some("web"), Some("web"), None));
    }
}
