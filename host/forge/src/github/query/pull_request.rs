//! Pull requests, to read.

use super::{Error, GitHub, Page, PullQuery, PullRequest, Scope, issue, of, per_page};
use serde::Deserialize;

#[derive(Deserialize)]
struct Raw {
    number: u32,
    title: String,
    #[serde(default)]
    body: Option<String>,
    html_url: String,
    state: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    merged_at: Option<String>,
    user: Option<issue::Account>,
    #[serde(default)]
    labels: Vec<issue::Label>,
    head: End,
    base: End,
    created_at: String,
    updated_at: String,
}

#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
}

impl GitHub {
    /// Pull requests, drafts included, most recently changed first.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such repository.
    pub async fn pull_requests(&self, query: &PullQuery) -> Result<Page<PullRequest>, Error> {
        let name = &query.repository;
        let mut pairs = vec![
            ("state", query.state.clone()),
            ("sort", "updated".to_owned()),
            ("direction", "desc".to_owned()),
            per_page(query.limit),
        ];
        if let Some(head) = &query.head {
            let owner = name.split('/').next().unwrap_or_default();
            let head = if head.contains(':') { head.clone() } else { format!("{owner}:{head}") };
            pairs.push(("head", head));
        }
        let page = self.api.page(&Scope::repository(name), &of(name, "pulls"), &pairs, query.cursor.as_deref()).await?;
        let items = page.items.into_iter().map(|it: Raw| it.pull_request(name)).collect();
        Ok(Page { items, next: page.next })
    }

    /// One pull request. `None`: there is no such one, or it is an issue.
    ///
    /// # Errors
    /// If GitHub cannot be reached or refuses.
    pub async fn pull_request(&self, repository: &str, number: u32) -> Result<Option<PullRequest>, Error> {
        let path = of(repository, &format!("pulls/{number}"));
        let found: Option<Raw> = self.api.get(&Scope::repository(repository), &path, &[]).await?;
        Ok(found.map(|it| it.pull_request(repository)))
    }
}

impl Raw {
    fn pull_request(self, repository: &str) -> PullRequest {
        let state = match (self.state.as_str(), &self.merged_at, self.draft) {
            (_, Some(_), _) => "merged",
            ("open", None, true) => "draft",
            ("open", None, false) => "open",
            _ => "closed",
        };
        PullRequest {
            repository: repository.to_owned(),
            number: self.number,
            title: self.title,
            body: self.body.unwrap_or_default(),
            url: self.html_url,
            state: state.to_owned(),
            author: self.user.map_or_else(issue::nobody, issue::Account::person),
            labels: self.labels.iter().filter_map(issue::Label::name).map(str::to_owned).collect(),
            head: self.head.name,
            head_commit: self.head.sha,
            base: self.base.name,
            created_at: issue::time_or_last(&self.created_at),
            changed_at: issue::time_or_last(&self.updated_at),
        }
    }
}
