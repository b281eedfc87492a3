//! Issues, by list or by search, and what is known of who made them what they are.
//!
//! That is asked once for each state of an issue: what did not change since is remembered.

use super::{
    Cursor, Error, GitHub, Issue, IssueOrder, IssueQuery, Page, RestIssue, Scope, issue, of, per_page, rfc3339,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

/// Issues that are remembered.
const SEEN_MAX: usize = 5000;
/// GitHub writes whole seconds: what changed this recently may change again without showing it.
const YOUNG_MS: i64 = 5000;
const MILESTONES_MAX: usize = 1000;

/// Issues by their node ids, as they were given before.
#[derive(Default)]
pub(in super::super) struct Seen(Mutex<HashMap<String, (Shape, Issue)>>);

/// What has to be the same for an issue to be the same.
#[derive(PartialEq, Eq)]
struct Shape {
    updated_at: String,
    title: String,
    body: Option<String>,
    state: String,
}

/// The repositories of one owner.
struct Group {
    owner: String,
    names: Vec<String>,
}

impl GitHub {
    /// Issues, without pull requests: one list if one repository is asked for, otherwise a search for each owner.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a query or cursor that is none, [`Error::Refused`] where there is no such repository.
    pub async fn issues(&self, query: &IssueQuery) -> Result<Page<Issue>, Error> {
        if !matches!(query.state.as_str(), "open" | "closed" | "all") {
            let why = format!("`{}` is none of open, closed and all", query.state);
            return Err(Error::Invalid { what: "the state of issues", why });
        }
        let groups = groups(&query.repositories);
        let cursor = Cursor::read(query.cursor.as_deref())?;
        let Some(group) = groups.get(cursor.list) else { return Ok(Page { items: Vec::new(), next: None }) };
        let within = cursor.within.as_deref();
        let (scope, found) = match group.names.as_slice() {
            [name] => {
                let scope = Scope::repository(name);
                let found = self.listed(query, name, &scope, within).await?;
                (scope, found)
            }
            _ => {
                let scope = Scope::owner(&group.owner);
                let found = self.searched(query, group, &scope, within).await?;
                (scope, found)
            }
        };
        let named = found.items.into_iter().filter(|it| it.pull_request.is_none());
        let named = named.filter_map(|it| Some((group.name_of(&it)?.to_owned(), it))).collect();
        let items = self.with_provenance(&scope, named).await?;
        Ok(Page { items, next: Cursor::after(cursor.list, found.next, groups.len()) })
    }

    async fn listed(
        &self,
        query: &IssueQuery,
        name: &str,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Page<RestIssue>, Error> {
        let (sort, direction) = order(query.order);
        let mut pairs = vec![("state", query.state.clone()), ("sort", sort.into()), ("direction", direction.into())];
        // Commas part them, so that one with a comma in it cannot be named here.
        let (others, named): (Vec<&String>, Vec<&String>) = query.labels.iter().partition(|it| it.contains(','));
        if !named.is_empty() {
            let named: Vec<&str> = named.into_iter().map(String::as_str).collect();
            pairs.push(("labels", named.join(",")));
        }
        if let Some(since) = query.changed_since {
            pairs.push(("since", rfc3339(since)));
        }
        if let Some(assignee) = &query.assignee {
            pairs.push(("assignee", assignee.clone()));
        }
        if let Some(title) = &query.milestone {
            match self.milestone(name, scope, title).await? {
                Some(number) => pairs.push(("milestone", number.to_string())),
                None => return Ok(Page { items: Vec::new(), next: None }),
            }
        }
        pairs.push(per_page(query.limit));
        let mut page: Page<RestIssue> = self.api.page(scope, &of(name, "issues"), &pairs, cursor).await?;
        page.items.retain(|it| {
            let has = |label: &&String| it.label_names().iter().any(|name| issue::same_label(name, label));
            others.iter().all(has)
        });
        Ok(page)
    }

    async fn searched(
        &self,
        query: &IssueQuery,
        group: &Group,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Page<RestIssue>, Error> {
        let (sort, direction) = order(query.order);
        let pairs = [
            ("q", words(query, &group.owner)),
            ("sort", sort.to_owned()),
            ("order", direction.to_owned()),
            per_page(query.limit),
        ];
        self.api.page_in(scope, "search/issues", &pairs, cursor, "items").await
    }

    /// The number of a milestone, which is what lists want to know.
    async fn milestone(&self, name: &str, scope: &Scope, title: &str) -> Result<Option<u64>, Error> {
        #[derive(Deserialize)]
        struct Milestone {
            number: u64,
            title: String,
        }
        let all = [("state", "all".to_owned())];
        let found: Vec<Milestone> = self.api.all(scope, &of(name, "milestones"), &all, MILESTONES_MAX).await?;
        Ok(found.into_iter().find(|it| it.title.eq_ignore_ascii_case(title)).map(|it| it.number))
    }

    /// The issues of the pairs of repository and answer, asking only about those that changed.
    async fn with_provenance(&self, scope: &Scope, found: Vec<(String, RestIssue)>) -> Result<Vec<Issue>, Error> {
        let mut items: Vec<Option<Issue>> = found.iter().map(|(name, it)| self.queries.get(name, it)).collect();
        let unknown = found.iter().zip(&items).filter(|(_, seen)| seen.is_none());
        let ids: Vec<String> = unknown.map(|((_, it), _)| it.node_id.clone()).collect();
        if !ids.is_empty() {
            let now = self.api.now();
            let known = issue::provenance(&self.api, scope, &ids).await?;
            for (item, (name, raw)) in items.iter_mut().zip(found) {
                if item.is_some() {
                    continue;
                }
                let (id, shape, known) = (raw.node_id.clone(), Shape::of(&raw), known.get(&raw.node_id));
                let issue = raw.issue(&name, known);
                if known.is_some() && issue.changed_at + YOUNG_MS < now {
                    self.queries.put(id, shape, issue.clone());
                }
                *item = Some(issue);
            }
        }
        Ok(items.into_iter().flatten().collect())
    }
}

impl Group {
    /// The repository of an issue as it was asked for, if it was.
    fn name_of(&self, issue: &RestIssue) -> Option<&String> {
        // A renamed one answers with its new name, and there is only one that it can be.
        if let [name] = self.names.as_slice() {
            return Some(name);
        }
        let mut parts = issue.repository_url.rsplit('/');
        let (name, owner) = (parts.next()?, parts.next()?);
        self.names.iter().find(|it| it.eq_ignore_ascii_case(&format!("{owner}/{name}")))
    }
}

impl Shape {
    fn of(raw: &RestIssue) -> Shape {
        let (updated_at, title) = (raw.updated_at.clone(), raw.title.clone());
        Shape { updated_at, title, body: raw.body.clone(), state: raw.state.clone() }
    }
}

impl Seen {
    fn get(&self, name: &str, raw: &RestIssue) -> Option<Issue> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (shape, issue) = seen.get(&raw.node_id)?;
        (*shape == Shape::of(raw) && issue.repository == name).then(|| issue.clone())
    }

    fn put(&self, id: String, shape: Shape, issue: Issue) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert(id, (shape, issue));
    }
}

fn groups(repositories: &[String]) -> Vec<Group> {
    let mut groups = BTreeMap::<String, Vec<String>>::new();
    for name in repositories {
        let owner = name.split('/').next().unwrap_or_default().to_ascii_lowercase();
        groups.entry(owner).or_default().push(name.clone());
    }
    groups.into_iter().map(|(owner, names)| Group { owner, names }).collect()
}

fn order(order: IssueOrder) -> (&'static str, &'static str) {
    match order {
        IssueOrder::Newest => ("created", "desc"),
        IssueOrder::Oldest => ("created", "asc"),
        IssueOrder::Freshest => ("updated", "desc"),
        IssueOrder::Stalest => ("updated", "asc"),
    }
}

/// A search in the words of GitHub. One owner, for several qualifiers of a kind have meant "or" and have meant "and".
fn words(query: &IssueQuery, owner: &str) -> String {
    let mut words = vec!["is:issue".to_owned(), format!("user:{}", quoted(owner))];
    if query.state != "all" {
        words.push(format!("state:{}", query.state));
    }
    words.extend(query.labels.iter().map(|it| format!("label:{}", quoted(it))));
    match query.assignee.as_deref() {
        Some("*") => words.push("-no:assignee".to_owned()),
        Some(login) => words.push(format!("assignee:{}", quoted(login))),
        None => {}
    }
    words.extend(query.milestone.iter().map(|it| format!("milestone:{}", quoted(it))));
    words.extend(query.changed_since.map(|it| format!("updated:>={}", rfc3339(it))));
    words.join(" ")
}

/// What cannot be quoted is left out: a search that finds too much is better than one that means something else.
fn quoted(word: &str) -> String {
    let plain = word.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
    if plain { word.to_owned() } else { format!("\"{}\"", word.replace(['"', '\\'], " ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_in_githubs_words() {
        let query = IssueQuery {
            state: "open".into(),
            labels: vec!["agentd".into(), "good \"first\" issue".into()],
            assignee: Some("*".into()),
            milestone: Some("v1.2".into()),
            changed_since: Some(1_704_164_645_999),
            ..IssueQuery::default()
        };
        assert_eq!(
            words(&query, "acme"),
            "is:issue user:acme state:open label:agentd label:\"good  first  issue\" -no:assignee milestone:\"v1.2\" \
             updated:>=2024-01-02T03:04:05Z"
        );
    }

    #[test]
    fn repositories_of_one_owner_are_one_search() {
        let names: Vec<String> = ["Acme/api", "blue/x", "acme/web"].map(str::to_owned).into();
        let found: Vec<_> = groups(&names).into_iter().map(|it| (it.owner, it.names.len())).collect();
        assert_eq!(found, [("acme".to_owned(), 2), ("blue".to_owned(), 1)]);
    }
}
