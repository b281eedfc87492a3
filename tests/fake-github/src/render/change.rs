//! The history of a thread.

use super::Render;
use crate::clock;
use crate::state::thread::{Event, What};
use serde_json::{Value, json};

impl Render<'_> {
    /// An event, as the issue's own list and its timeline have it.
    pub(crate) fn event(&self, repo: u64, event: &Event) -> Value {
        let mut value = json!({
            "id": event.id, "node_id": format!("E_{}", event.id), "event": event.what.as_str(),
            "url": self.of(repo, &format!("/issues/events/{}", event.id)), "actor": self.user(&event.actor),
            "commit_id": null, "commit_url": null, "created_at": clock::text(event.at),
            "performed_via_github_app": null,
        });
        match &event.what {
            What::Labeled(name) | What::Unlabeled(name) => {
                let color = self.state.repo(repo).label(name).map_or("ededed", |it| it.color.as_str());
                value["label"] = json!({ "name": name, "color": color });
            }
            What::Renamed { from, to } => value["rename"] = json!({ "from": from, "to": to }),
            What::Closed { reason, commit } => {
                value["state_reason"] = json!(reason);
                self.at_commit(&mut value, repo, commit.as_deref());
            }
            What::Merged(commit) => self.at_commit(&mut value, repo, Some(commit)),
            What::Assigned(login) | What::Unassigned(login) => {
                value["assignee"] = self.user(login);
                value["assigner"] = self.user(&event.actor);
            }
            What::ReviewRequested(login) | What::ReviewRequestRemoved(login) => {
                value["review_requester"] = self.user(&event.actor);
                value["requested_reviewer"] = self.user(login);
            }
            What::Reopened | What::ReadyForReview | What::ConvertedToDraft | What::HeadRefDeleted => (),
        }
        value
    }

    fn at_commit(&self, value: &mut Value, repo: u64, commit: Option<&str>) {
        if let Some(commit) = commit {
            value["commit_id"] = json!(commit);
            value["commit_url"] = json!(self.of(repo, &format!("/commits/{commit}")));
        }
    }
}
