//! Labels of a repository; labels, assignees and reactions of a thread. Each is looked at before it is changed.
//!
//! - Takes off nothing that it was not told to, and never renames or recolours a label that is there.

use super::{
    GitHub, GitHubForge, Scope, Written,
    issue::{RestIssue, same_label},
    path,
};
use crate::{Error, Reaction};
use http::Method;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::json;

/// Work for agentd.
pub const WORK_LABEL: &str = "agentd";
/// An instance is at it.
const IN_PROGRESS: &str = "agentd:in-progress";
/// It failed, and a person has to look.
const BLOCKED: &str = "agentd:blocked";

const LABELS_MAX: usize = 1000;
const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

/// The labels that agentd works with, as it makes them.
#[must_use]
pub fn own_labels() -> [Label; 3] {
    let label = |name: &str, color: &str, description: &str| Label {
        name: name.into(),
        color: color.into(),
        description: description.into(),
    };
    [
        label(WORK_LABEL, "1d76db", "agentd is to do it"),
        label(IN_PROGRESS, "fbca04", "agentd works on it"),
        label(BLOCKED, "d93f0b", "agentd could not do it and needs a person"),
    ]
}

/// A label of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    pub name: String,
    /// Six hexadecimal digits.
    pub color: String,
    pub description: String,
}

#[derive(Deserialize)]
struct RawLabel {
    name: String,
    #[serde(default)]
    color: String,
    #[serde(default)]
    description: Option<String>,
}

impl GitHub {
    /// All labels of the repository, by name.
    ///
    /// # Errors
    /// [`Error::Refused`] with status 404 if there is no such repository.
    pub async fn labels(&self, repository: &str) -> Result<Vec<Label>, Error> {
        let path = format!("repos/{}/labels", path::segments(repository));
        let found: Vec<RawLabel> = self.api.all(&Scope::repository(repository), &path, &[], LABELS_MAX).await?;
        let mut labels: Vec<Label> = found.into_iter().map(RawLabel::label).collect();
        labels.sort_by_key(|it| it.name.to_lowercase());
        Ok(labels)
    }

    /// Creates a label. `false`: there is one of that name.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if this access may not.
    pub async fn create_label(&self, repository: &str, label: &Label) -> Result<bool, Error> {
        let path = format!("repos/{}/labels", path::segments(repository));
        let written = self.api.write::<IgnoredAny>(&Scope::repository(repository), Method::POST, &path, label).await?;
        match &written {
            Written::Done(_) => Ok(true),
            Written::Refused { status: 422, errors, .. } if errors.iter().any(|it| it.code == "already_exists") => {
                Ok(false)
            }
            Written::Refused { .. } => written.done().map(|_| true),
        }
    }
}

impl GitHubForge {
    /// The thread as it is now, issue or pull request.
    pub(super) async fn thread(&self, number: u32) -> Result<Option<RestIssue>, Error> {
        self.api().get(&self.scope(), &self.path(&format!("issues/{number}")), &[]).await
    }

    /// Adds those of the labels that are not among `present`.
    pub(super) async fn add_labels(&self, number: u32, present: &[String], wanted: &[String]) -> Result<(), Error> {
        let lacks = |name: &&String| !present.iter().any(|it| same_label(it, name));
        let missing: Vec<&String> = wanted.iter().filter(lacks).collect();
        if missing.is_empty() {
            return Ok(());
        }
        for name in &missing {
            self.make_own_label(name).await?;
        }
        let path = self.path(&format!("issues/{number}/labels"));
        let body = json!({ "labels": missing });
        match self.api().write::<IgnoredAny>(&self.scope(), Method::POST, &path, &body).await? {
            Written::Refused { status: 404 | 410, .. } => Err(self.no_thread(number)),
            other => other.done().map(drop),
        }
    }

    /// GitHub makes a label that it does not know, in grey. Ours have colours that say what they mean.
    async fn make_own_label(&self, name: &str) -> Result<(), Error> {
        let Some(label) = own_labels().into_iter().find(|it| same_label(&it.name, name)) else { return Ok(()) };
        let path = self.path(&format!("labels/{}", path::segment(name)));
        if self.api().get::<IgnoredAny>(&self.scope(), &path, &[]).await?.is_some() {
            return Ok(());
        }
        self.github().create_label(self.name(), &label).await.map(drop)
    }

    pub(super) async fn remove_label(&self, number: u32, name: &str) -> Result<(), Error> {
        let path = self.path(&format!("issues/{number}/labels/{}", path::segment(name)));
        match self.api().write::<IgnoredAny>(&self.scope(), Method::DELETE, &path, &()).await? {
            // Somebody else has taken it off, or the thread is gone.
            Written::Refused { status: 404 | 410, .. } => Ok(()),
            other => other.done().map(drop),
        }
    }

    /// Assigns those who are not yet, and the other way round with `method` DELETE.
    pub(super) async fn assign(&self, number: u32, method: Method, logins: &[String]) -> Result<(), Error> {
        if logins.is_empty() {
            return Ok(());
        }
        let path = self.path(&format!("issues/{number}/assignees"));
        let body = json!({ "assignees": logins });
        let adding = method == Method::POST;
        match self.api().write::<RestIssue>(&self.scope(), method, &path, &body).await? {
            Written::Done(thread) => {
                let assigned = thread.logins();
                let has = |login: &str| assigned.iter().any(|it| it.eq_ignore_ascii_case(login));
                // GitHub leaves out who cannot be assigned, without a word.
                for login in logins.iter().filter(|it| adding && !has(it)) {
                    tracing::warn!(repository = self.name(), number, login, "This account cannot be assigned");
                }
                Ok(())
            }
            Written::Refused { status: 404 | 410, .. } => Err(self.no_thread(number)),
            Written::Refused { message, .. } => {
                tracing::warn!(repository = self.name(), number, why = message, "Assignees were not changed");
                Ok(())
            }
        }
    }

    /// GitHub has each reaction of an account once, however often it is made.
    pub(super) async fn react(&self, number: u32, reaction: &Reaction) -> Result<(), Error> {
        let invalid = |why: String| Error::Invalid { what: "the reaction", why };
        if !REACTIONS.contains(&reaction.content.as_str()) {
            return Err(invalid(format!("`{}` is none of {}", reaction.content, REACTIONS.join(", "))));
        }
        let path = match &reaction.comment {
            None => format!("issues/{number}/reactions"),
            Some(id) => {
                let (kind, id) = id.strip_prefix("line-").map_or(("issues", id.as_str()), |id| ("pulls", id));
                let id: u64 = id.parse().map_err(|_| invalid(format!("`{id}` is no comment that can have one")))?;
                format!("{kind}/comments/{id}/reactions")
            }
        };
        let (path, body) = (self.path(&path), json!({ "content": reaction.content }));
        match self.api().write::<IgnoredAny>(&self.scope(), Method::POST, &path, &body).await? {
            Written::Refused { status: 404 | 410, .. } if reaction.comment.is_none() => Err(self.no_thread(number)),
            Written::Refused { status: 404 | 410, .. } => {
                tracing::info!(repository = self.name(), number, "A comment is gone that a reaction was for");
                Ok(())
            }
            other => other.done().map(drop),
        }
    }
}

impl RawLabel {
    fn label(self) -> Label {
        Label { name: self.name, color: self.color, description: self.description.unwrap_or_default() }
    }
}

impl RestIssue {
    pub(super) fn logins(&self) -> Vec<String> {
        self.assignees.iter().flatten().map(|it| it.login.clone()).collect()
    }

    pub(super) fn label_names(&self) -> Vec<String> {
        self.labels.iter().filter_map(|it| it.name().map(str::to_owned)).collect()
    }
}
