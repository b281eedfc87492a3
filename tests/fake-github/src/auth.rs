//! Who asks, and whether that is allowed: tokens of people (classic and fine-grained), Apps with their JWTs, and the
//! installation tokens that Apps get.

mod jwt;

use crate::message::Answer;
use crate::state::State;
use crate::state::repository::Repo;
use crate::state::right::Right;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
pub use jwt::KeyPair;
use std::collections::{BTreeMap, BTreeSet};

/// How long an installation token lasts.
pub(crate) const TOKEN_LASTS: i64 = 3_600_000;

#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// The login that it acts as.
    pub(crate) login: String,
    pub(crate) grant: Grant,
    pub(crate) ends_at: Option<i64>,
}

#[derive(Clone)]
pub(crate) enum Grant {
    /// A person's classic token, with its scopes.
    Classic(Vec<String>),
    /// A person's fine-grained token, or an App's for one installation.
    Fine { installation: Option<u64>, repositories: Option<BTreeSet<u64>>, permissions: BTreeMap<String, String> },
}

#[derive(Clone)]
pub(crate) enum Actor {
    Token(Token),
    /// An App itself, by its JWT.
    App(u64),
}

/// What a route asks of who calls it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// One of these, of a token that lists permissions; empty: the route is of no repository.
    pub(crate) permissions: &'static [&'static str],
    pub(crate) write: bool,
    /// Of a person.
    pub(crate) right: Right,
}

/// For routes that belong to no repository.
pub(crate) const ANYBODY: Needs = Needs { permissions: &[], write: false, right: Right::None };

pub(crate) const fn read(permissions: &'static [&'static str]) -> Needs {
    Needs { permissions, write: false, right: Right::Read }
}

pub(crate) const fn write(permissions: &'static [&'static str], right: Right) -> Needs {
    Needs { permissions, write: true, right }
}

impl Actor {
    pub(crate) fn login(&self) -> &str {
        match self {
            Actor::Token(token) => &token.login,
            Actor::App(_) => "",
        }
    }

    /// Whose limits count.
    pub(crate) fn account(&self) -> String {
        match self {
            Actor::Token(Token { grant: Grant::Fine { installation: Some(id), .. }, .. }) => {
                format!("installation {id}")
            }
            Actor::Token(token) => token.login.to_lowercase(),
            Actor::App(id) => format!("app {id}"),
        }
    }

    pub(crate) fn is_installation(&self) -> bool {
        matches!(self, Actor::Token(Token { grant: Grant::Fine { installation: Some(_), .. }, .. }))
    }

    pub(crate) fn is_fine_grained(&self) -> bool {
        matches!(self, Actor::Token(Token { grant: Grant::Fine { installation: None, .. }, .. }))
    }

    /// Nobody may because of what they may else.
    pub(crate) fn may_change_workflows(&self) -> bool {
        match self {
            Actor::Token(Token { grant: Grant::Classic(scopes), .. }) => scopes.iter().any(|it| it == "workflow"),
            Actor::Token(Token { grant: Grant::Fine { permissions, .. }, .. }) => {
                allows(permissions, "workflows", true)
            }
            Actor::App(_) => false,
        }
    }

    /// What `x-oauth-scopes` says.
    pub(crate) fn scopes(&self) -> Option<String> {
        match self {
            Actor::Token(Token { grant: Grant::Classic(scopes), .. }) => Some(scopes.join(", ")),
            Actor::Token(_) | Actor::App(_) => None,
        }
    }

    pub(crate) fn sees(&self, repo: &Repo) -> bool {
        self.right(repo) >= Right::Read
    }

    /// What it may do as a person; an App's token is held by its permissions alone.
    pub(crate) fn right(&self, repo: &Repo) -> Right {
        let Actor::Token(token) = self else { return Right::None };
        let open = if repo.private { Right::None } else { Right::Read };
        match &token.grant {
            Grant::Classic(scopes) => {
                let has = |scope: &str| scopes.iter().any(|it| it == scope);
                let full = has("repo") || (has("public_repo") && !repo.private);
                if full { repo.right(&token.login) } else { open }
            }
            Grant::Fine { installation, repositories, .. } => {
                let listed = repositories.as_ref().is_none_or(|all| all.contains(&repo.id));
                match (listed, installation) {
                    (true, Some(_)) => Right::Admin,
                    (true, None) => repo.right(&token.login),
                    (false, _) => open,
                }
            }
        }
    }

    /// Whether it may do that in the repository; the answer that it gets if not.
    pub(crate) fn may(&self, repo: &Repo, needs: &Needs) -> Result<(), Answer> {
        if needs.permissions.is_empty() {
            return Ok(());
        }
        let Actor::Token(token) = self else {
            return Err(Answer::error(401, "A JSON web token could not be decoded"));
        };
        let right = self.right(repo);
        if right < Right::Read {
            return Err(Answer::not_found());
        }
        let who = if self.is_installation() { "integration" } else { "personal access token" };
        let forbidden = || Answer::error(403, &format!("Resource not accessible by {who}"));
        if let Grant::Fine { permissions, .. } = &token.grant {
            let level = if needs.write { "write" } else { "read" };
            let accepted: Vec<String> = needs.permissions.iter().map(|it| format!("{it}={level}")).collect();
            let has = |name: &&str| *name == "metadata" && !needs.write || allows(permissions, name, needs.write);
            if !needs.permissions.iter().any(has) {
                return Err(forbidden().header("x-accepted-github-permissions", accepted.join("; ")));
            }
        }
        if right < needs.right {
            return Err(forbidden());
        }
        if repo.archived && needs.write {
            return Err(Answer::error(403, "Repository was archived so is read-only."));
        }
        Ok(())
    }
}

fn allows(permissions: &BTreeMap<String, String>, name: &str, write: bool) -> bool {
    match permissions.get(name).map(String::as_str) {
        Some("write" | "admin") => true,
        Some("read") => !write,
        _ => false,
    }
}

/// Who sent this header; the answer is what somebody unknown gets.
pub(crate) fn who(state: &State, header: Option<&str>) -> Result<Actor, Answer> {
    let unknown = || Answer::error(401, "Bad credentials");
    let Some(header) = header else { return Err(Answer::error(401, "Requires authentication")) };
    let (scheme, rest) = header.split_once(' ').ok_or_else(unknown)?;
    let text = match scheme.to_lowercase().as_str() {
        "bearer" | "token" => rest.trim().to_owned(),
        "basic" => {
            let decoded = BASE64_STANDARD.decode(rest.trim()).map_err(|_| unknown())?;
            let decoded = String::from_utf8(decoded).map_err(|_| unknown())?;
            decoded.split_once(':').ok_or_else(unknown)?.1.to_owned()
        }
        _ => return Err(unknown()),
    };
    if text.matches('.').count() == 2 {
        return jwt::app(state, &text).map(Actor::App).map_err(|message| Answer::error(401, &message));
    }
    let token = state.tokens.iter().find(|it| it.text == text).ok_or_else(unknown)?;
    if token.ends_at.is_some_and(|end| end <= state.now()) {
        return Err(unknown());
    }
    Ok(Actor::Token(token.clone()))
}
