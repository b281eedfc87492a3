//! The fork that branches go to where the account may not push to the repository itself.
//!
//! - Never pushes to a repository that is called like a fork and is none of this one.

use super::{GitHubForge, repository::Repository};
use crate::Error;
use http::Method;

impl GitHubForge {
    /// The repository that branches are pushed to. The fork is made if there is none.
    pub(super) async fn pushed_to(&self) -> Result<String, Error> {
        if !self.forks() {
            return Ok(self.name().to_owned());
        }
        if let Some(fork) = self.found_fork().await? {
            return Ok(fork);
        }
        // GitHub makes one fork for an account, however often it is asked, and answers before it is filled.
        let (path, upstream) = (self.path("forks"), self.about_itself().await?.full_name);
        let made = self.api().write::<Repository>(&self.scope(), Method::POST, &path, &serde_json::json!({})).await?;
        let made = made.done()?;
        if !made.is_fork_of(&upstream) {
            let why = format!("GitHub names {} as it, which is none of {upstream}", made.full_name);
            return Err(Error::Invalid { what: "the fork to push to", why });
        }
        tracing::info!(repository = self.name(), fork = made.full_name, "There is a fork to push to");
        Ok(self.memory().fork.get_or_init(|| async { made.full_name }).await.clone())
    }

    /// The account's own fork, if branches go to one and it is there.
    pub(super) async fn found_fork(&self) -> Result<Option<String>, Error> {
        if !self.forks() {
            return Ok(None);
        }
        if let Some(fork) = self.memory().fork.get() {
            return Ok(Some(fork.clone()));
        }
        let upstream = self.about_itself().await?.full_name;
        let name = self.name().split_once('/').map_or(self.name(), |(_, name)| name);
        let own = format!("{}/{name}", self.own_login().await?);
        // The second is how GitHub calls it where the account has another repository of the name.
        for name in [own.clone(), format!("{own}-1")] {
            if let Some(fork) = self.github().about(&name).await?.filter(|it| it.is_fork_of(&upstream)) {
                return Ok(Some(self.memory().fork.get_or_init(|| async { fork.full_name }).await.clone()));
            }
        }
        Ok(None)
    }
}

impl Repository {
    fn is_fork_of(&self, upstream: &str) -> bool {
        self.fork && self.parent.as_ref().is_some_and(|it| it.full_name.eq_ignore_ascii_case(upstream))
    }
}
