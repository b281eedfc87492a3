//! Everything that the fake GitHub knows. Only what git itself keeps (branches, commits, files) is elsewhere, in the bare
//! repositories.
//!
//! A change goes through a method here, so that it leaves the same traces whoever makes it: an event of the thread, the
//! time of the last change, a number that is never used again.

pub(crate) mod change;
pub(crate) mod person;
pub(crate) mod pull;
pub(crate) mod repository;
pub(crate) mod right;
pub(crate) mod thread;

use crate::clock::Clock;
use person::{App, Person};
use repository::Repo;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) struct State {
    /// Where the bare repositories are.
    pub(crate) folder: PathBuf,
    /// The address of the pages, without a slash at its end.
    pub(crate) url: String,
    pub(crate) clock: Arc<Clock>,
    pub(crate) people: Vec<Person>,
    pub(crate) apps: Vec<App>,
    pub(crate) tokens: Vec<crate::auth::Token>,
    pub(crate) repositories: BTreeMap<u64, Repo>,
    /// Full names in lower case that repositories had before.
    pub(crate) renamed: BTreeMap<String, u64>,
    /// Issues that were moved to another repository: from repository and number to both.
    pub(crate) transferred: BTreeMap<(u64, u32), (u64, u32)>,
    next_id: u64,
}

impl State {
    pub(crate) fn new(folder: PathBuf, url: String, clock: Arc<Clock>) -> State {
        State {
            folder,
            url,
            clock,
            people: Vec::new(),
            apps: Vec::new(),
            tokens: Vec::new(),
            repositories: BTreeMap::new(),
            renamed: BTreeMap::new(),
            transferred: BTreeMap::new(),
            next_id: 1000,
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// An id that nothing else has.
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Where programs ask, without a slash at its end.
    pub(crate) fn api(&self) -> String {
        format!("{}/api/v3", self.url)
    }

    pub(crate) fn repo(&self, id: u64) -> &Repo {
        self.repositories.get(&id).expect("repositories are never taken away")
    }

    pub(crate) fn repo_mut(&mut self, id: u64) -> &mut Repo {
        self.repositories.get_mut(&id).expect("repositories are never taken away")
    }

    /// The repository that has this full name now.
    pub(crate) fn named(&self, full_name: &str) -> Option<&Repo> {
        self.repositories.values().find(|it| it.full_name().eq_ignore_ascii_case(full_name))
    }

    pub(crate) fn person(&self, login: &str) -> Option<&Person> {
        self.people.iter().find(|it| it.login.eq_ignore_ascii_case(login))
    }
}
