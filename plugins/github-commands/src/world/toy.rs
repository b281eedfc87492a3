//! A forge of a few issues and comments, a clock and a key-value store, for tests.

use super::World;
use agentd_sdk::host::forge::{CommentPage, CommentQuery, Issue, IssuePage, IssueQuery};
use agentd_sdk::task_source::{Comment, Person, Thread};
use agentd_sdk::{Error, Timestamp};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub(crate) const NOW: Timestamp = 1_790_000_000_000;

#[derive(Default)]
pub(crate) struct Toy {
    pub(crate) issues: Vec<Issue>,
    pub(crate) comments: Vec<Comment>,
    /// How many comments a page has.
    pub(crate) page: usize,
    pub(crate) now: Cell<Timestamp>,
    pub(crate) kv: RefCell<BTreeMap<String, String>>,
    pub(crate) down: bool,
}

impl Toy {
    pub(crate) fn with(issues: Vec<Issue>, comments: Vec<Comment>) -> Toy {
        Toy { issues, comments, page: 100, now: Cell::new(NOW), ..Toy::default() }
    }
}

pub(crate) fn person(login: &str) -> Person {
    Person { login: login.into(), ..Person::default() }
}

pub(crate) fn issue(number: u32) -> Issue {
    Issue {
        repository: "acme/shop".into(),
        number,
        title: "Login fails".into(),
        body: "It does.".into(),
        url: format!("https://forge.example/acme/shop/issues/{number}"),
        state: "open".into(),
        author: person("mal"),
        created_at: NOW - 86_400_000,
        changed_at: NOW - 10_000,
        ..Issue::default()
    }
}

/// A comment of Ann's, `ago` milliseconds ago; on a pull request, if the number is above 50.
pub(crate) fn comment(id: &str, number: u32, ago: u64, body: &str) -> Comment {
    let place = if number > 50 { "pull" } else { "issues" };
    Comment {
        id: id.into(),
        author: person("ann"),
        body: body.into(),
        url: Some(format!("https://forge.example/acme/shop/{place}/{number}#issuecomment-{id}")),
        thread: Some(Thread::new("acme/shop", number)),
        created_at: NOW - ago,
        updated_at: NOW - ago,
        ..Comment::default()
    }
}

impl World for Toy {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    fn comments(&self, query: &CommentQuery) -> Result<CommentPage, Error> {
        if self.down {
            return Err(Error::Unavailable("no forge".into()));
        }
        let since = query.changed_since.unwrap_or(0);
        let mut all: Vec<&Comment> = self.comments.iter().filter(|it| it.updated_at >= since).collect();
        all.sort_by_key(|it| it.updated_at);
        let start: usize = query.cursor.as_ref().map_or(0, |it| it.parse().expect("an own cursor"));
        let end = all.len().min(start + self.page);
        let comments = all[start..end].iter().map(|it| (*it).clone()).collect();
        Ok(CommentPage { comments, next: (end < all.len()).then(|| end.to_string()), extra: vec![] })
    }

    fn issues(&self, query: &IssueQuery) -> Result<IssuePage, Error> {
        let since = query.changed_since.unwrap_or(0);
        let issues = self.issues.iter().filter(|it| it.changed_at >= since).cloned().collect();
        Ok(IssuePage { issues, next: None, extra: vec![] })
    }

    fn issue(&self, repository: &str, number: u32) -> Result<Issue, Error> {
        let found = self.issues.iter().find(|it| it.repository == repository && it.number == number);
        found.cloned().ok_or_else(|| Error::NotFound("no such issue".into()))
    }

    fn repositories(&self) -> Vec<String> {
        vec!["acme/shop".into()]
    }

    fn get(&self, key: &str) -> Result<Option<String>, Error> {
        Ok(self.kv.borrow().get(key).cloned())
    }

    fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        assert!((1..=256).contains(&key.len()) && value.len() <= 64 << 10, "the store's limits: {key}");
        self.kv.borrow_mut().insert(key.into(), value.into());
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), Error> {
        self.kv.borrow_mut().remove(key);
        Ok(())
    }
}
