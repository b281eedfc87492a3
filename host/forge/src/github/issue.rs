//! An issue as GitHub has it, together with who made it what it is.
//!
//! What an issue says now comes from REST. Who set its labels and who changed its texts is only in GraphQL: it is asked
//! afterwards, with title and body in the same answer, so that no change of theirs is without its author. Where GitHub
//! shows less than there is, or does not say who, a change counts as made by nobody, at the latest time that it can have
//! been made: whoever judges by it has to say no.
//!
//! - Never asks about an issue that GraphQL did not answer: then all its texts count as changed by nobody, now.

use super::{GitHubForge, Scope, client::Api};
use crate::{Applied, Error, Issue, Person, Text, TextEdit};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

/// So many nodes are asked for at once.
pub(crate) const NODES_MAX: usize = 50;

/// An issue of REST's, or a pull request that is listed as one.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RestIssue {
    pub(crate) number: u32,
    pub(crate) node_id: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: Option<String>,
    pub(crate) html_url: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) state_reason: Option<String>,
    #[serde(default)]
    pub(crate) closed_by: Option<Account>,
    pub(crate) user: Option<Account>,
    #[serde(default)]
    pub(crate) labels: Vec<Label>,
    #[serde(default)]
    pub(crate) assignees: Option<Vec<Account>>,
    #[serde(default)]
    pub(crate) milestone: Option<Milestone>,
    #[serde(default)]
    pub(crate) comments: u32,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    /// There for pull requests only.
    #[serde(default)]
    pub(crate) pull_request: Option<serde::de::IgnoredAny>,
    /// `https://api.github.com/repos/acme/api`
    #[serde(default)]
    pub(crate) repository_url: String,
}

/// An account of REST's.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) login: String,
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
}

/// GitHub has answered labels as plain names, too.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Label {
    Name(String),
    Whole { name: Option<String> },
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Milestone {
    pub(crate) title: String,
}

const QUERY: &str = "query($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Issue {
      id
      title
      body
      lastEditedAt
      userContentEdits(last: 100) {
        totalCount
        nodes { editedAt editor { __typename login } }
      }
      timelineItems(last: 100, itemTypes: [LABELED_EVENT, RENAMED_TITLE_EVENT, CLOSED_EVENT, TRANSFERRED_EVENT]) {
        pageInfo { hasPreviousPage }
        nodes {
          __typename
          ... on LabeledEvent { createdAt actor { __typename login } label { name } }
          ... on RenamedTitleEvent { createdAt actor { __typename login } }
          ... on ClosedEvent { createdAt actor { __typename login } }
          ... on TransferredEvent { createdAt actor { __typename login } }
        }
      }
    }
  }
}";

#[derive(Debug, Deserialize)]
struct Nodes {
    /// Null for what there is not, or not any more; without an id for what is no issue.
    nodes: Vec<Option<Node>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node {
    id: Option<String>,
    #[serde(flatten)]
    provenance: Provenance,
}

/// What GraphQL knows of an issue.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Provenance {
    title: Option<String>,
    body: Option<String>,
    last_edited_at: Option<String>,
    user_content_edits: Option<Edits>,
    timeline_items: Option<Timeline>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Edits {
    total_count: usize,
    nodes: Vec<Option<ContentEdit>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentEdit {
    edited_at: String,
    editor: Option<Actor>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Timeline {
    page_info: PageInfo,
    nodes: Vec<Option<Item>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PageInfo {
    has_previous_page: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(rename = "__typename")]
    kind: String,
    created_at: Option<String>,
    actor: Option<Actor>,
    label: Option<Named>,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Actor {
    #[serde(rename = "__typename")]
    kind: String,
    login: String,
}

/// What GraphQL knows of issues, by their node ids. What it does not answer is not in the map.
pub(crate) async fn provenance(api: &Api, scope: &Scope, ids: &[String]) -> Result<HashMap<String, Provenance>, Error> {
    let mut known = HashMap::new();
    for ids in ids.chunks(NODES_MAX) {
        let answer: Nodes = api.graphql(scope, QUERY, json!({ "ids": ids })).await?;
        let nodes = answer.nodes.into_iter().flatten();
        known.extend(nodes.filter_map(|node| Some((node.id?, node.provenance))));
    }
    Ok(known)
}

impl GitHubForge {
    pub(super) async fn issue_of(&self, number: u32) -> Result<Option<Issue>, Error> {
        let found: Option<RestIssue> =
            self.api().get(&self.scope(), &self.path(&format!("issues/{number}")), &[]).await?;
        if found.is_none() {
            // It is gone; or the whole repository is not to be seen, which says nothing about the issue.
            self.about_itself().await?;
        }
        let Some(found) = found.filter(|it| it.pull_request.is_none()) else { return Ok(None) };
        let known = provenance(self.api(), &self.scope(), std::slice::from_ref(&found.node_id)).await?;
        let known = known.get(&found.node_id);
        Ok(Some(found.issue(self.name(), known)))
    }
}

impl RestIssue {
    /// The issue. `known` was asked after this was.
    pub(crate) fn issue(self, repository: &str, known: Option<&Provenance>) -> Issue {
        let changed_at = time_or_last(&self.updated_at);
        let edits = match known {
            Some(known) => known.edits(changed_at),
            None => [Text::Title, Text::Body].map(|what| TextEdit { by: None, at: changed_at, what }).into(),
        };
        let names = self.labels.iter().filter_map(Label::name);
        let labels = names.map(|name| known.map_or_else(|| unknown(name), |known| known.applied(name))).collect();
        let (title, body) = known.map_or((None, None), |it| (it.title.clone(), it.body.clone()));
        Issue {
            repository: repository.to_owned(),
            number: self.number,
            title: title.unwrap_or(self.title),
            body: body.or(self.body).unwrap_or_default(),
            url: self.html_url,
            open: self.state == "open",
            state_reason: match self.state_reason.as_deref() {
                Some("not_planned") => "not-planned".into(),
                Some(reason @ ("completed" | "duplicate")) => reason.into(),
                _ => String::new(),
            },
            closed_by: self.closed_by.map(Account::person),
            author: self.user.map_or_else(nobody, Account::person),
            labels,
            assignees: self.assignees.unwrap_or_default().into_iter().map(|it| it.login).collect(),
            milestone: self.milestone.map(|it| it.title),
            comments: self.comments,
            created_at: time_or_last(&self.created_at),
            changed_at,
            edits,
        }
    }
}

impl Provenance {
    /// All changes of title and body, newest last. `changed_at`: no change can have been made later.
    fn edits(&self, changed_at: i64) -> Vec<TextEdit> {
        let mut edits = self.body_edits();
        let items = self.timeline_items.as_ref();
        let renamed = items.iter().flat_map(|it| it.known()).filter(|it| it.kind == "RenamedTitleEvent");
        edits.extend(renamed.map(|it| {
            let at = it.created_at.as_deref().map_or(changed_at, time_or_last);
            TextEdit { by: person(it.actor.as_ref()), at, what: Text::Title }
        }));
        // What was done to it in another repository is not known, nor who might do it there.
        let moved = items.iter().flat_map(|it| it.known()).filter(|it| it.kind == "TransferredEvent");
        edits.extend(moved.flat_map(|it| {
            let at = it.created_at.as_deref().map_or(changed_at, time_or_last);
            [Text::Title, Text::Body].map(|what| TextEdit { by: None, at, what })
        }));
        match items {
            None => edits.push(TextEdit { by: None, at: changed_at, what: Text::Title }),
            // Older ones than these are not shown.
            Some(items) if items.page_info.has_previous_page => {
                let oldest = items.known().filter_map(|it| it.created_at.as_deref()).map(time_or_last).min();
                edits.push(TextEdit { by: None, at: oldest.unwrap_or(changed_at), what: Text::Title });
            }
            Some(_) => {}
        }
        edits.sort_by_key(|it| it.at);
        edits
    }

    fn body_edits(&self) -> Vec<TextEdit> {
        let nodes = self.user_content_edits.iter().flat_map(|it| it.nodes.iter().flatten());
        let edit = |it: &ContentEdit| TextEdit {
            by: person(it.editor.as_ref()),
            at: time_or_last(&it.edited_at),
            what: Text::Body,
        };
        let mut edits: Vec<_> = nodes.map(edit).collect();
        let last = self.last_edited_at.as_deref().map(time_or_last);
        let all = self.user_content_edits.as_ref().map_or(0, |it| it.total_count);
        let newest = edits.iter().map(|it| it.at).max();
        // Shown are some of them only, or the newest is not among them.
        if all > edits.len() || last.is_some_and(|last| newest.is_none_or(|it| it < last)) {
            edits.extend(last.or(newest).map(|at| TextEdit { by: None, at, what: Text::Body }));
        }
        edits
    }

    /// The newest event that set the label.
    fn applied(&self, name: &str) -> Applied {
        let items = self.timeline_items.iter().flat_map(|it| it.known());
        let of_name =
            |it: &&Item| it.kind == "LabeledEvent" && it.label.as_ref().is_some_and(|it| same_label(&it.name, name));
        let newest = items.filter(of_name).max_by_key(|it| it.created_at.as_deref().map(time_or_last));
        newest.map_or_else(
            || unknown(name),
            |it| Applied {
                name: name.to_owned(),
                by: person(it.actor.as_ref()),
                at: it.created_at.as_deref().and_then(time),
            },
        )
    }
}

impl Timeline {
    fn known(&self) -> impl Iterator<Item = &Item> {
        self.nodes.iter().flatten()
    }
}

impl Label {
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Label::Name(name) => Some(name),
            Label::Whole { name } => name.as_deref(),
        }
    }
}

impl Account {
    pub(crate) fn person(self) -> Person {
        let bot = self.kind == "Bot" || self.login.ends_with("[bot]");
        Person { login: self.login, name: None, bot }
    }
}

/// Labels differ by more than case.
pub(crate) fn same_label(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// In milliseconds since 1970.
pub(crate) fn time(text: &str) -> Option<i64> {
    Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())
}

/// As [`time`]; one that cannot be read is the latest there is, so that nothing comes after it.
pub(crate) fn time_or_last(text: &str) -> i64 {
    time(text).unwrap_or(i64::MAX)
}

/// Who did it. GraphQL names an App without the suffix that keeps its name apart from a person's.
fn person(actor: Option<&Actor>) -> Option<Person> {
    let Actor { kind, login } = actor?;
    match kind.as_str() {
        "Bot" if !login.ends_with("[bot]") => Some(Person { login: format!("{login}[bot]"), name: None, bot: true }),
        "Bot" => Some(Person { login: login.clone(), name: None, bot: true }),
        "User" => Some(Person { login: login.clone(), name: None, bot: false }),
        // A mannequin stands for somebody of another forge, and may be called like anybody here.
        _ => None,
    }
}

fn unknown(name: &str) -> Applied {
    Applied { name: name.to_owned(), by: None, at: None }
}

/// Whom GitHub shows where an account is gone.
pub(crate) fn nobody() -> Person {
    Person { login: "ghost".into(), name: None, bot: false }
}

#[cfg(test)]
mod tests;
