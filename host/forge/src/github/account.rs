//! Whom agentd works as, what that account sees, and what it lacks.
//!
//! - Never changes anything. What a fine-grained token may write is found out with requests that GitHub has to refuse for
//!   another reason.

use super::{GitHub, Scope, path, repository::Repository};
use crate::Error;
use http::Method;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

/// Repositories of one owner that are looked at.
const REPOSITORIES_MAX: usize = 5000;
/// A commit that no repository has.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// Whom agentd works as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// An App's ends with `[bot]`.
    pub login: String,
    pub name: Option<String>,
    pub app: bool,
    /// Of a classic token; fine-grained ones have permissions instead.
    pub scopes: Option<Vec<String>>,
}

impl GitHub {
    /// Whom agentd works as. Asked once.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if the token or App is not taken.
    pub async fn account(&self) -> Result<Account, Error> {
        self.account.get_or_try_init(|| self.ask_account()).await.cloned()
    }

    /// Full names of the repositories of an owner that this access sees, without archived ones.
    ///
    /// # Errors
    /// [`Error::Refused`] with status 404 if there is no such owner.
    pub async fn repositories_of(&self, owner: &str) -> Result<Vec<String>, Error> {
        let found = if self.api.is_app() { self.installed_at(owner).await? } else { self.seen_of(owner).await? };
        let of_owner =
            |it: &Repository| it.full_name.split('/').next().is_some_and(|it| it.eq_ignore_ascii_case(owner));
        let live = found.into_iter().filter(|it| !it.archived && !it.disabled && of_owner(it));
        let mut names: Vec<String> = live.map(|it| it.full_name).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// What this access lacks in the repository, a line each with what to do; empty: nothing that can be found out.
    ///
    /// # Errors
    /// If it cannot be asked. That something is missing is no error.
    pub async fn missing_rights(&self, repository: &str) -> Result<Vec<String>, Error> {
        let scope = Scope::repository(repository);
        if self.api.is_app() {
            let installation = match self.api.exchange.installation(&scope).await {
                Ok(installation) => installation,
                Err(error @ Error::NotInstalled { .. }) => return Ok(vec![one_line(&error)]),
                Err(error) => return Err(error),
            };
            let place = if installation.html_url.is_empty() { "its settings" } else { &installation.html_url };
            let lacks = installation.lacks().into_iter().map(|(name, level)| {
                let level = level.as_str();
                format!(
                    "the App has no permission `{name}: {level}`: give it under Permissions & events of the App's \
                     settings, then accept it at {place}"
                )
            });
            return Ok(lacks.collect());
        }
        let found = match self.seen(repository).await {
            Ok(found) => found,
            Err(error @ Error::NoRepository { .. }) => return Ok(vec![one_line(&error)]),
            Err(error) => return Err(error),
        };
        self.token_lacks(&found, &scope).await
    }

    /// Whether the tokens of the repository's workflows may write by default. `None`: this access may not ask that.
    ///
    /// # Errors
    /// If GitHub cannot be reached.
    pub async fn workflow_token_writes(&self, repository: &str) -> Result<Option<bool>, Error> {
        #[derive(Deserialize)]
        struct Defaults {
            default_workflow_permissions: String,
        }
        let path = format!("repos/{}/actions/permissions/workflow", path::segments(repository));
        let found: Result<Option<Defaults>, Error> = self.api.get(&Scope::repository(repository), &path, &[]).await;
        match found {
            Ok(found) => Ok(found.map(|it| it.default_workflow_permissions == "write")),
            Err(Error::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn ask_account(&self) -> Result<Account, Error> {
        #[derive(Deserialize)]
        struct User {
            login: String,
            #[serde(default)]
            name: Option<String>,
        }
        #[derive(Deserialize)]
        struct App {
            slug: String,
            #[serde(default)]
            name: Option<String>,
        }
        if self.api.is_app() {
            let answer = self.api.whole(&Scope::Account, "app").await?;
            let App { slug, name } = super::refusal::parse("GET app", &answer.body)?;
            return Ok(Account { login: format!("{slug}[bot]"), name, app: true, scopes: None });
        }
        let answer = self.api.whole(&Scope::Account, "user").await?;
        let User { login, name } = super::refusal::parse("GET user", &answer.body)?;
        let scopes = answer.headers.get("x-oauth-scopes").and_then(|it| it.to_str().ok());
        let scopes = scopes.map(|it| it.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned));
        Ok(Account { login, name, app: false, scopes: scopes.map(Iterator::collect) })
    }

    async fn installed_at(&self, owner: &str) -> Result<Vec<Repository>, Error> {
        let (scope, mut found, mut cursor) = (Scope::owner(owner), Vec::new(), None::<String>);
        loop {
            let path = "installation/repositories";
            let page = self.api.page_in(&scope, path, &[], cursor.as_deref(), "repositories").await?;
            found.extend(page.items);
            cursor = page.next;
            if cursor.is_none() || found.len() >= REPOSITORIES_MAX {
                return Ok(found);
            }
        }
    }

    async fn seen_of(&self, owner: &str) -> Result<Vec<Repository>, Error> {
        let name = path::segment(owner);
        let own = self.account().await?.login.eq_ignore_ascii_case(owner);
        if own {
            // The only list that has the account's private ones.
            let query = [("affiliation", "owner".to_owned())];
            return self.api.all(&Scope::Account, "user/repos", &query, REPOSITORIES_MAX).await;
        }
        let scope = Scope::owner(owner);
        match self.api.all(&scope, &format!("orgs/{name}/repos"), &[], REPOSITORIES_MAX).await {
            Err(Error::Refused { status: 404, .. }) => {
                // A person's list has the public ones alone; those that were shared are in the account's own.
                let public = format!("users/{name}/repos");
                let mut found: Vec<Repository> = self.api.all(&scope, &public, &[], REPOSITORIES_MAX).await?;
                let shared = [("affiliation", "collaborator".to_owned())];
                found.extend(self.api.all(&Scope::Account, "user/repos", &shared, REPOSITORIES_MAX).await?);
                Ok(found)
            }
            found => found,
        }
    }

    /// What a token lacks in a repository that it sees.
    async fn token_lacks(&self, found: &Repository, scope: &Scope) -> Result<Vec<String>, Error> {
        let (name, account) = (&found.full_name, self.account().await?);
        let mut lacks = Vec::new();
        if found.archived || found.disabled {
            lacks.push(format!("{name} is archived or disabled: nothing can be written there"));
            return Ok(lacks);
        }
        if found.has_issues == Some(false) {
            lacks.push(format!("{name} has no issues: switch them on in its settings, or use another source"));
        }
        if found.permissions.as_ref().is_some_and(|it| !it.push) {
            let login = &account.login;
            // With a fork of its own, too: claims are in the repository itself.
            lacks.push(format!("{login} may not write to {name}: give it the role Write"));
        }
        match &account.scopes {
            Some(scopes) => {
                let has = |scope: &str| scopes.iter().any(|it| it == scope);
                if !has("repo") && (found.private || !has("public_repo")) {
                    let wanted = if found.private { "repo" } else { "repo` or `public_repo" };
                    lacks.push(format!("the token has no scope `{wanted}`: give it one on its page on GitHub"));
                }
            }
            None if lacks.is_empty() => lacks.extend(self.token_is_refused(found, scope).await?),
            None => {}
        }
        Ok(lacks)
    }

    /// What a fine-grained token is refused. Each of these requests fails; it matters how.
    async fn token_is_refused(&self, found: &Repository, scope: &Scope) -> Result<Vec<String>, Error> {
        let repository = format!("repos/{}", path::segments(&found.full_name));
        let branch = format!("{}rights-test", self.options.branch_prefix);
        let reference = json!({ "ref": format!("refs/heads/{branch}"), "sha": NO_COMMIT });
        let change = json!({ "title": "rights test", "head": branch, "base": found.default_branch });
        let writes = [
            ("Contents", format!("{repository}/git/refs"), reference),
            ("Pull requests", format!("{repository}/pulls"), change),
            // GitHub takes `Pull requests` for this one, too: a token that has that alone is found out with its first
            // comment on an issue.
            ("Issues", format!("{repository}/issues/0/reactions"), json!({ "content": "eyes" })),
        ];
        let mut lacks = Vec::new();
        for (permission, path, body) in writes {
            match self.api.write::<IgnoredAny>(scope, Method::POST, &path, &body).await {
                Ok(_) => {}
                Err(Error::Forbidden { .. }) => lacks.push(format!(
                    "the token has no permission `{permission}: Read and write` in {}: give it on the token's page on \
                     GitHub",
                    found.full_name
                )),
                Err(error) => return Err(error),
            }
        }
        Ok(lacks)
    }
}

/// An error with its hint, as a line of a list.
fn one_line(error: &Error) -> String {
    error.to_string().replace("\nhint: ", ": ")
}

#[cfg(test)]
mod tests;
