//! People, organizations, bots, and the apps that bots belong to.

use super::State;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Organization,
    Bot,
}

#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) name: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) created_at: i64,
}

/// A GitHub App, installed once for each owner.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
    /// The key that its JWTs are signed with, as PEM.
    pub(crate) public_key: String,
    /// What it may do at most, `contents` to `write` and so on.
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) installations: Vec<Installation>,
    pub(crate) created_at: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    /// The login of the owner.
    pub(crate) account: String,
    /// None: every repository of the owner.
    pub(crate) repositories: Option<Vec<u64>>,
    pub(crate) suspended: bool,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::Organization => "Organization",
            Kind::Bot => "Bot",
        }
    }
}

impl App {
    pub(crate) fn login(&self) -> String {
        format!("{}[bot]", self.slug)
    }
}

impl Installation {
    pub(crate) fn sees(&self, repository: u64, owner: &str) -> bool {
        let of_owner = self.account.eq_ignore_ascii_case(owner);
        of_owner && self.repositories.as_ref().is_none_or(|all| all.contains(&repository))
    }
}

impl State {
    /// Adds somebody who is not there yet.
    pub(crate) fn add_person(&mut self, login: &str, kind: Kind) {
        if self.person(login).is_some() {
            return;
        }
        let (id, created_at) = (self.id(), self.now());
        self.people.push(Person { id, login: login.to_owned(), name: None, kind, created_at });
    }

    /// The owner of that name: who is nobody yet becomes an organization.
    pub(crate) fn add_owner(&mut self, login: &str) {
        self.add_person(login, Kind::Organization);
    }
}
