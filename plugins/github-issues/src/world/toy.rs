//! A forge of a few issues and a key-value store, for tests.

use super::World;
use agentd_sdk::host::forge::{Issue, IssuePage, IssueQuery};
use agentd_sdk::{Error, RateLimit};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Toy {
    pub(crate) issues: Vec<Issue>,
    /// Numbers that lists do not have, though they would be there.
    pub(crate) lagging: Vec<u32>,
    pub(crate) repositories: Vec<String>,
    /// Repositories that fail, and how.
    pub(crate) broken: BTreeMap<String, Error>,
    /// From there on the list of all fails, because of a repository that is broken.
    pub(crate) breaks_at: Option<usize>,
    /// From this lookup on, the forge wants a pause.
    pub(crate) limit: Option<usize>,
    pub(crate) lookups: RefCell<Vec<String>>,
    pub(crate) lists: Cell<usize>,
    pub(crate) kv: RefCell<BTreeMap<String, String>>,
    pub(crate) writes: Cell<usize>,
}

impl Toy {
    pub(crate) fn with(issues: Vec<Issue>) -> Toy {
        Toy { issues, repositories: vec!["acme/shop".into()], ..Toy::default() }
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        let kv = self.kv.borrow();
        kv.keys().filter_map(|it| it.strip_prefix("seen/")).map(str::to_owned).collect()
    }
}

impl World for Toy {
    /// Like the forge, it is loose in what it takes for a hit: labels are the plugin's to compare.
    fn list(&self, query: &IssueQuery) -> Result<IssuePage, Error> {
        self.lists.set(self.lists.get() + 1);
        let wanted = |it: &&Issue| query.repository.as_ref().is_none_or(|id| *id == it.repository);
        let failing = |id: &String| query.repository.as_ref().is_none_or(|wanted| wanted == id);
        let start: usize = match &query.cursor {
            Some(cursor) => cursor.parse().map_err(|_| Error::Invalid("no such page".into()))?,
            None => 0,
        };
        let breaks = query.repository.is_some() || start >= self.breaks_at.unwrap_or(0);
        if let Some((_, error)) = self.broken.iter().find(|(id, _)| failing(id) && breaks) {
            return Err(error.clone());
        }
        let there = |it: &&Issue| it.state == "open" && !self.lagging.contains(&it.number);
        let all: Vec<&Issue> = self.issues.iter().filter(wanted).filter(there).collect();
        let end = all.len().min(start + query.limit as usize);
        let issues = all[start..end].iter().map(|it| (*it).clone()).collect();
        Ok(IssuePage { issues, next: (end < all.len()).then(|| end.to_string()), extra: vec![] })
    }

    fn issue(&self, repository: &str, number: u32) -> Result<Issue, Error> {
        if self.limit.is_some_and(|limit| self.lookups.borrow().len() >= limit) {
            return Err(Error::RateLimited(RateLimit { message: "slowly".into(), ..RateLimit::default() }));
        }
        self.lookups.borrow_mut().push(format!("{repository}#{number}"));
        if let Some(error) = self.broken.get(repository) {
            return Err(error.clone());
        }
        let found = self.issues.iter().find(|it| it.number == number);
        found.cloned().ok_or_else(|| Error::NotFound("no such issue".into()))
    }

    fn repositories(&self) -> Vec<String> {
        self.repositories.clone()
    }

    fn get(&self, key: &str) -> Result<Option<String>, Error> {
        Ok(self.kv.borrow().get(key).cloned())
    }

    fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        assert!((1..=256).contains(&key.len()) && value.len() <= 64 << 10, "the store's limits: {key}");
        self.writes.set(self.writes.get() + 1);
        self.kv.borrow_mut().insert(key.into(), value.into());
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), Error> {
        self.writes.set(self.writes.get() + 1);
        self.kv.borrow_mut().remove(key);
        Ok(())
    }

    fn keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Error> {
        let kv = self.kv.borrow();
        let keys = kv.keys().filter(|it| it.starts_with(prefix) && Some(it.as_str()) > after);
        Ok(keys.take(1_000).cloned().collect())
    }
}
