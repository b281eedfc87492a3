//! GitHub's REST and GraphQL for the other files of this folder: paths and small types in, values out.
//!
//! What is not there is `None`, a refusal that the caller understands is a [`Written::Refused`], everything else is an
//! error that says what to do.
//!
//! - Names in paths are encoded by [`super::path`]; nothing from outside is put into a path without it.
//! - Never gives an address as a cursor: what a cursor says is only how far the same query has come.

use super::{
    auth::Scope,
    exchange::{Answer, Ask, Exchange},
    refusal::{self, ApiError},
    turn::Turn,
};
use crate::Error;
use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::sync::Arc;
use url::{Url, form_urlencoded};

/// What of the way on to the next page is in a cursor.
const CURSOR: [&str; 4] = ["page", "after", "before", "cursor"];
/// Pages that are gone through for one list.
const PAGES_MAX: usize = 100;

/// All that is asked of GitHub goes through here. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(super) exchange: Arc<Exchange>,
}

/// Some of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Gives the next page of the same query.
    pub next: Option<String>,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written<T> {
    Done(T),
    /// It was not done. `status` is 400, 404, 405, 409, 410 or 422.
    Refused {
        /// Method and path.
        what: String,
        status: u16,
        message: String,
        errors: Vec<ApiError>,
    },
}

impl<T> Written<T> {
    /// For callers who have no use for a refusal.
    pub(crate) fn done(self) -> Result<T, Error> {
        match self {
            Written::Done(value) => Ok(value),
            Written::Refused { what, status, message, errors } => {
                let message = refusal::Said { message, errors }.words();
                Err(Error::Refused { what, status, message })
            }
        }
    }
}

impl Api {
    /// One thing; `None`: it is not there, or not for agentd's eyes.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Option<T>, Error> {
        let ask = Ask::get(scope.clone(), self.exchange.address.of(path, query));
        let what = ask.words(&self.exchange.address);
        let answer = self.exchange.ask(ask).await?;
        found(&answer).then(|| self.value(&what, &answer)).transpose()
    }

    /// A page of a list, a hundred at once unless the query says otherwise. A list that is not there is an error.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        path: &str,
        query: &[(&str, String)],
        cursor: Option<&str>,
    ) -> Result<Page<T>, Error> {
        let (what, answer) = self.page_answer(scope, path, query, cursor).await?;
        let items = self.value(&what, &answer)?;
        Ok(Page { items, next: next(&answer) })
    }

    /// As [`Api::page`], of a list that stands in a field of an object.
    pub(crate) async fn page_in<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        path: &str,
        query: &[(&str, String)],
        cursor: Option<&str>,
        field: &str,
    ) -> Result<Page<T>, Error> {
        let (what, answer) = self.page_answer(scope, path, query, cursor).await?;
        let mut object: Value = self.value(&what, &answer)?;
        let items = object.get_mut(field).map(Value::take).unwrap_or_default();
        let items = serde_json::from_value(items)
            .map_err(|error| Error::Unreadable { what, why: refusal::short(&error.to_string()) })?;
        Ok(Page { items, next: next(&answer) })
    }

    /// All of a list, but not more than about `most`.
    pub(crate) async fn all<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        path: &str,
        query: &[(&str, String)],
        most: usize,
    ) -> Result<Vec<T>, Error> {
        let (mut items, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.page(scope, path, query, cursor.as_deref()).await?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() || items.len() >= most {
                break;
            }
        }
        Ok(items)
    }

    /// Something that changes. It is sent once; see [`Error::Unknown`].
    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Written<T>, Error> {
        let body = serde_json::to_value(body).map_err(refusal::unwritable)?;
        let body = (!body.is_null()).then_some(body);
        let ask = Ask { method, body, reads: false, ..Ask::get(scope.clone(), self.exchange.address.of(path, &[])) };
        let what = ask.words(&self.exchange.address);
        let answer = self.exchange.ask(ask).await?;
        match answer.status {
            200..=299 => refusal::parse(&what, &answer.body).map(Written::Done),
            status @ (400 | 404 | 405 | 409 | 410 | 422) => {
                let refusal::Said { message, errors } = refusal::said(&answer);
                Ok(Written::Refused { what, status, message, errors })
            }
            _ => Err(refusal::error(&self.exchange.address, &what, &answer)),
        }
    }

    /// A query or a mutation. What it could not see is null in the value, not an error.
    pub(crate) async fn graphql<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        query: &'static str,
        variables: Value,
    ) -> Result<T, Error> {
        #[derive(Deserialize)]
        struct Reply<T> {
            data: Option<T>,
            #[serde(default)]
            errors: Vec<GraphError>,
        }
        #[derive(Deserialize)]
        struct GraphError {
            #[serde(default, rename = "type")]
            kind: String,
            #[serde(default)]
            message: String,
        }
        let reads = !query.trim_start().starts_with("mutation");
        let body = Some(json!({ "query": query, "variables": variables }));
        let url = self.exchange.address.graphql.clone();
        let ask = Ask { method: Method::POST, body, reads, ..Ask::get(scope.clone(), url) };
        let what = ask.words(&self.exchange.address);
        let answer = self.exchange.ask(ask).await?;
        if answer.status != 200 {
            return Err(refusal::error(&self.exchange.address, &what, &answer));
        }
        let reply: Reply<T> = refusal::parse(&what, &answer.body)?;
        let unseen = |error: &GraphError| matches!(error.kind.as_str(), "NOT_FOUND" | "FORBIDDEN");
        let told = reply.errors.iter().find(|it| !unseen(it)).or(reply.errors.first());
        match (reply.data, told) {
            (Some(data), None) => Ok(data),
            (Some(data), Some(error)) if unseen(error) => Ok(data),
            (_, Some(error)) if error.kind == "RATE_LIMITED" => Err(self.exchange.graphql_limited(scope)),
            (_, Some(error)) => Err(Error::Refused { what, status: 200, message: refusal::short(&error.message) }),
            (None, None) => Err(Error::Unreadable { what, why: "there is neither data nor an error in it".into() }),
        }
    }

    /// Something that is text, in the form that `accept` names: a diff. `None`: it is not there.
    pub(crate) async fn text(&self, scope: &Scope, path: &str, accept: &'static str) -> Result<Option<String>, Error> {
        let ask = Ask { accept, ..Ask::get(scope.clone(), self.exchange.address.of(path, &[])) };
        let what = ask.words(&self.exchange.address);
        let answer = self.exchange.ask(ask).await?;
        if !found(&answer) {
            return Ok(None);
        }
        self.good(&what, &answer)?;
        Ok(Some(String::from_utf8_lossy(&answer.body).into_owned()))
    }

    /// The head of an answer, for what stands nowhere else.
    pub(super) async fn whole(&self, scope: &Scope, path: &str) -> Result<Answer, Error> {
        let ask = Ask::get(scope.clone(), self.exchange.address.of(path, &[]));
        let what = ask.words(&self.exchange.address);
        let answer = self.exchange.ask(ask).await?;
        self.good(&what, &answer)?;
        Ok(answer)
    }

    /// Nobody else writes in the repository while this is held, and what is read after it is read anew. For writes that
    /// go another way: [`Api::write`] takes a turn by itself, and would wait for this one.
    pub(crate) async fn turn(&self, scope: &Scope) -> Turn {
        self.exchange.turn(scope).await
    }

    /// Where people look at a repository, an issue, a change.
    pub(crate) fn page_url(&self, path: &str) -> String {
        format!("{}{}", self.exchange.address.pages, path.trim_start_matches('/'))
    }

    /// `github.com`, or the host of the Enterprise server.
    pub(crate) fn host(&self) -> String {
        self.exchange.address.host()
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        (self.exchange.clock)()
    }

    pub(crate) fn is_app(&self) -> bool {
        self.exchange.tokens.is_app()
    }

    async fn page_answer(
        &self,
        scope: &Scope,
        path: &str,
        query: &[(&str, String)],
        cursor: Option<&str>,
    ) -> Result<(String, Answer), Error> {
        let mut url = self.exchange.address.of(path, query);
        if !query.iter().any(|(name, _)| *name == "per_page") {
            url.query_pairs_mut().append_pair("per_page", "100");
        }
        if let Some(cursor) = cursor {
            let pairs = form_urlencoded::parse(cursor.as_bytes()).filter(|(name, _)| CURSOR.contains(&name.as_ref()));
            url.query_pairs_mut().extend_pairs(pairs);
        }
        let ask = Ask::get(scope.clone(), url);
        let what = ask.words(&self.exchange.address);
        let answer = self.exchange.ask(ask).await?;
        self.good(&what, &answer)?;
        Ok((what, answer))
    }

    fn value<T: DeserializeOwned>(&self, what: &str, answer: &Answer) -> Result<T, Error> {
        self.good(what, answer)?;
        refusal::parse(what, &answer.body)
    }

    fn good(&self, what: &str, answer: &Answer) -> Result<(), Error> {
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(refusal::error(&self.exchange.address, what, answer))
    }
}

fn found(answer: &Answer) -> bool {
    !matches!(answer.status, 404 | 410)
}

/// How to go on, from the `Link` header.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get(http::header::LINK)?.to_str().ok()?;
    let next = link.split(',').find(|it| it.contains("rel=\"next\""))?;
    let url = Url::parse(next.split('<').nth(1)?.split('>').next()?).ok()?;
    let mut cursor = form_urlencoded::Serializer::new(String::new());
    cursor.extend_pairs(url.query_pairs().filter(|(name, _)| CURSOR.contains(&name.as_ref())));
    Some(cursor.finish()).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(link: &str, expected: Option<&str>) {
        let mut headers = http::HeaderMap::new();
        headers.insert("link", link.parse().unwrap());
        let answer = Answer { status: 200, headers, body: bytes::Bytes::new() };
        assert_eq!(next(&answer).as_deref(), expected);
    }

    #[test]
    fn a_cursor_says_only_how_far_one_has_come() {
        let base = "https://api.github.com/repositories/1/issues";
        check(
            &format!("<{base}?state=all&page=1>; rel=\"prev\", <{base}?state=all&page=3>; rel=\"next\""),
            Some("page=3"),
        );
        check(&format!("<{base}?after=Y%3D%3D&per_page=5&page=2>; rel=\"next\""), Some("after=Y%3D%3D&page=2"));
        check(&format!("<{base}?page=1>; rel=\"first\""), None);
        check("nonsense", None);
    }
}
