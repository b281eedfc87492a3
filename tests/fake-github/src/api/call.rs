//! One request on its way through a route: what it asked for, by whom, and what may be changed.

use crate::auth::Actor;
use crate::git::Signature;
use crate::message::{Answer, Request};
use crate::render::Render;
use crate::server::Shared;
use crate::state::State;
use crate::state::repository::Repo;
use crate::state::right::Right;
use crate::state::thread::Thread;
use serde_json::Value;

pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) shared: &'a Shared,
    pub(crate) actor: Actor,
    /// Of the repository in the path; 0 where the path has none.
    pub(crate) repo: u64,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) request: &'a Request,
    values: Vec<(String, String)>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        state: &'a mut State,
        shared: &'a Shared,
        actor: Actor,
        values: Vec<(String, String)>,
        query: Vec<(String, String)>,
        body: Value,
        request: &'a Request,
    ) -> Call<'a> {
        Call { state, shared, actor, repo: 0, query, body, request, values }
    }

    /// What the path has at that place; the description guarantees it.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.value(name).parse().unwrap_or(0)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A text of the body, if it has one of that name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.body[name].as_str().map(str::to_owned)
    }

    /// A list of texts in the body; a single one counts as a list. Labels may be objects with a name.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        texts(&self.body[name])
    }

    pub(crate) fn login(&self) -> String {
        self.actor.login().to_owned()
    }

    /// As whom GitHub itself makes commits for the one who asks.
    pub(crate) fn signature(&self) -> Signature {
        crate::handle::signature(&self.login(), self.state.now())
    }

    pub(crate) fn repo(&self) -> &Repo {
        self.state.repo(self.repo)
    }

    /// This repository or its fork that belongs to the owner.
    pub(crate) fn fork_of(&self, owner: &str) -> Option<&Repo> {
        let own = self.repo();
        if own.owner.eq_ignore_ascii_case(owner) {
            return Some(own);
        }
        let mut all = self.state.repositories.values();
        all.find(|it| it.fork_of == Some(self.repo) && it.owner.eq_ignore_ascii_case(owner))
    }

    /// Where the issue in the path is by now, if it was moved to another repository.
    pub(crate) fn transferred(&self) -> Option<String> {
        let number = u32::try_from(self.number("issue_number")).ok()?;
        let (repo, number) = self.state.transferred.get(&(self.repo, number))?;
        let rest: String = self.request.path.split('/').skip(8).map(|it| format!("/{it}")).collect();
        Some(format!("{}/repositories/{repo}/issues/{number}{rest}", self.state.api()))
    }

    pub(crate) fn right(&self) -> Right {
        self.actor.right(self.repo())
    }

    pub(crate) fn render(&self) -> Render<'_> {
        Render { state: self.state }
    }

    /// The thread that the path names; what is no such thread is not found.
    pub(crate) fn thread(&self, name: &str) -> Result<&Thread, Answer> {
        let number = u32::try_from(self.number(name)).map_err(|_| Answer::not_found())?;
        self.repo().threads.get(&number).ok_or_else(Answer::not_found)
    }

    pub(crate) fn thread_number(&self, name: &str) -> Result<u32, Answer> {
        self.thread(name).map(|it| it.number)
    }

    /// The number of a pull request that the path names.
    pub(crate) fn pull_number(&self, name: &str) -> Result<u32, Answer> {
        let thread = self.thread(name)?;
        thread.pull.as_ref().map(|_| thread.number).ok_or_else(Answer::not_found)
    }

    /// A page of the items, with links to the others.
    pub(crate) fn page<T>(&self, items: &[T], render: impl Fn(&T) -> Value) -> Answer {
        let (slice, link) = self.slice(items);
        let answer = Answer::ok(slice.iter().map(render).collect());
        match link {
            Some(link) => answer.header("link", link),
            None => answer,
        }
    }

    pub(crate) fn slice<'b, T>(&self, items: &'b [T]) -> (&'b [T], Option<String>) {
        let number = |name: &str| self.query(name).and_then(|it| it.parse::<usize>().ok());
        let size = number("per_page").unwrap_or(30).clamp(1, 100);
        let page = number("page").unwrap_or(1).max(1);
        let last = items.len().div_ceil(size).max(1);
        let from = ((page - 1) * size).min(items.len());
        let to = (from + size).min(items.len());
        let mut links = Vec::new();
        if page > 1 {
            links.push(self.link(page - 1, "prev"));
        }
        if page < last {
            links.push(self.link(page + 1, "next"));
            links.push(self.link(last, "last"));
        }
        if page > 1 {
            links.push(self.link(1, "first"));
        }
        (&items[from..to], (!links.is_empty()).then(|| links.join(", ")))
    }

    fn link(&self, page: usize, relation: &str) -> String {
        let others = self.request.query.split('&').filter(|it| !it.is_empty() && !it.starts_with("page="));
        let page = format!("page={page}");
        let query: Vec<&str> = others.chain([page.as_str()]).collect();
        format!("<{}{}?{}>; rel=\"{relation}\"", self.state.url, self.request.path, query.join("&"))
    }
}

pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |it: &Value| it.as_str().or_else(|| it["name"].as_str()).map(str::to_owned);
    match value {
        Value::Array(all) => Some(all.iter().filter_map(text).collect()),
        Value::String(one) => Some(vec![one.clone()]),
        _ => None,
    }
}
