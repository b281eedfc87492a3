//! What people say: comments of threads, comments beside lines, and the texts of reviews.

use super::{CommentQuery, Cursor, Error, GitHub, Location, Page, Scope, ThreadComment, issue, of, per_page, rfc3339};
use crate::github::marker::{Place, Signer};
use serde::Deserialize;

/// A comment of any of the three kinds.
#[derive(Deserialize)]
struct Raw {
    id: u64,
    user: Option<issue::Account>,
    #[serde(default)]
    body: Option<String>,
    html_url: String,
    /// Of a thread's comment.
    #[serde(default)]
    issue_url: String,
    /// Of a comment beside a line, and of a review.
    #[serde(default)]
    pull_request_url: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    line: Option<u32>,
    #[serde(default)]
    original_line: Option<u32>,
    #[serde(default)]
    start_line: Option<u32>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
    /// A review has this time only; none: it is not sent off yet.
    #[serde(default)]
    submitted_at: Option<String>,
}

/// One of the lists that comments come from.
#[derive(Clone, Copy)]
enum Kind {
    Thread,
    Line,
    Review,
}

impl GitHub {
    /// Comments, agentd's own among them. Longest unchanged first within each repository and kind.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor that is none, [`Error::Refused`] where there is no such repository.
    pub async fn comments(&self, query: &CommentQuery) -> Result<Page<ThreadComment>, Error> {
        let kinds: &[Kind] = match query.number {
            Some(_) => &[Kind::Thread, Kind::Line, Kind::Review],
            None => &[Kind::Thread, Kind::Line],
        };
        let cursor = Cursor::read(query.cursor.as_deref())?;
        let lists = query.repositories.len() * kinds.len();
        let Some(name) = query.repositories.get(cursor.list / kinds.len()) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let kind = kinds[cursor.list % kinds.len()];
        let found = self.said(query, name, kind, cursor.within.as_deref()).await?;
        let login = self.account().await?.login;
        let signer = Signer::new(&self.options.instance, self.options.key);
        let items = found.items.into_iter().filter_map(|it| it.comment(name, query.number, kind, &login, &signer));
        let mut items: Vec<_> = items
            .filter(|it| query.changed_since.is_none_or(|since| it.changed_at >= since.div_euclid(1000) * 1000))
            .collect();
        items.sort_by_key(|it| it.changed_at);
        Ok(Page { items, next: Cursor::after(cursor.list, found.next, lists) })
    }

    async fn said(
        &self,
        query: &CommentQuery,
        name: &str,
        kind: Kind,
        cursor: Option<&str>,
    ) -> Result<Page<Raw>, Error> {
        let path = match (query.number, kind) {
            (Some(number), Kind::Thread) => format!("issues/{number}/comments"),
            (Some(number), Kind::Line) => format!("pulls/{number}/comments"),
            (Some(number), Kind::Review) => format!("pulls/{number}/reviews"),
            (None, Kind::Line) => "pulls/comments".to_owned(),
            (None, Kind::Thread | Kind::Review) => "issues/comments".to_owned(),
        };
        let mut pairs = vec![per_page(query.limit)];
        // Each of the lists has its own parameters.
        if matches!(kind, Kind::Line) || query.number.is_none() {
            pairs.extend([("sort", "updated".to_owned()), ("direction", "asc".to_owned())]);
        }
        if let Some(since) = query.changed_since.filter(|_| !matches!(kind, Kind::Review)) {
            pairs.push(("since", rfc3339(since)));
        }
        let found = self.api.page(&Scope::repository(name), &of(name, &path), &pairs, cursor).await;
        match (found, kind) {
            // An issue has neither.
            (Err(Error::Refused { status: 404, .. }), Kind::Line | Kind::Review) => {
                Ok(Page { items: Vec::new(), next: None })
            }
            (found, _) => found,
        }
    }
}

impl Raw {
    /// None: it says nothing, or is not sent off yet.
    fn comment(
        self,
        repository: &str,
        number: Option<u32>,
        kind: Kind,
        login: &str,
        signer: &Signer,
    ) -> Option<ThreadComment> {
        let thread = if self.issue_url.is_empty() { &self.pull_request_url } else { &self.issue_url };
        let number = number.or_else(|| thread.rsplit('/').next()?.parse().ok())?;
        let body = self.body.filter(|it| !it.trim().is_empty())?;
        let created = self.created_at.or(self.submitted_at.clone())?;
        let changed_at = issue::time_or_last(self.updated_at.as_deref().unwrap_or(&created));
        let author = self.user.map_or_else(issue::nobody, issue::Account::person);
        let own = author.login.eq_ignore_ascii_case(login) && signer.read(Place::Thread(number), &body).is_some();
        let location = self.path.map(|path| {
            let end_line = self.line.or(self.original_line).unwrap_or(0);
            Location { path, line: self.start_line.unwrap_or(end_line).min(end_line), end_line }
        });
        Some(ThreadComment {
            id: match kind {
                Kind::Thread => self.id.to_string(),
                Kind::Line => format!("line-{}", self.id),
                Kind::Review => format!("review-{}", self.id),
            },
            repository: repository.to_owned(),
            number,
            author,
            body,
            url: self.html_url,
            location,
            created_at: issue::time_or_last(&created),
            changed_at,
            own,
        })
    }
}
