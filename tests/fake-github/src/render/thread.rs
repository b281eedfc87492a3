//! Issues, comments and reactions.

use super::Render;
use super::person::merge;
use crate::clock;
use crate::state::repository::{Label, Repo};
use crate::state::right::Right;
use crate::state::thread::{Comment, Reaction, Thread};
use serde_json::{Value, json};

impl Render<'_> {
    /// An issue; pull requests are issues, too.
    pub(crate) fn issue(&self, repo: u64, thread: &Thread) -> Value {
        let number = thread.number;
        let url = self.of(repo, &format!("/issues/{number}"));
        let kind = if thread.pull.is_some() { "pull" } else { "issues" };
        let html_url = self.page_of(repo, &format!("/{kind}/{number}"));
        let mut value = json!({
            "id": thread.id, "node_id": self.node_id(thread), "number": number, "title": thread.title, "url": url,
            "html_url": html_url, "repository_url": self.of(repo, ""), "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"), "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"), "active_lock_reason": null, "locked": thread.locked,
            "author_association": self.association(repo, &thread.author), "performed_via_github_app": null,
            "reactions": reactions(&url, &thread.reactions),
        });
        merge(&mut value, self.common(repo, thread));
        value["state_reason"] = json!(thread.reason);
        value["closed_by"] = thread.closed_by.as_ref().map(|it| self.user(it)).unwrap_or_default();
        if let Some(pull) = &thread.pull {
            let url = self.of(repo, &format!("/pulls/{number}"));
            value["draft"] = json!(pull.draft);
            value["pull_request"] = json!({
                "url": url, "html_url": html_url, "diff_url": format!("{html_url}.diff"),
                "patch_url": format!("{html_url}.patch"),
                "merged_at": pull.merged.as_ref().map(|it| clock::text(it.at)),
            });
        }
        value
    }

    /// What issues and pull requests show in the same words.
    pub(super) fn common(&self, repo: u64, thread: &Thread) -> Value {
        let of = self.state.repo(repo);
        let assignees: Vec<Value> = thread.assignees.iter().map(|it| self.user(it)).collect();
        let labels: Vec<Value> = labels(of, thread).into_iter().map(|it| self.label(repo, it)).collect();
        let milestone = thread.milestone.and_then(|number| of.milestones.iter().find(|it| it.number == number));
        let plain = |it: &&Comment| it.number == thread.number && it.place.is_none();
        json!({
            "user": self.user(&thread.author), "labels": labels, "state": if thread.open { "open" } else { "closed" },
            "assignee": assignees.first(), "assignees": assignees, "body": thread.body,
            "milestone": milestone.map(|it| self.milestone(repo, it)),
            "comments": of.comments.values().filter(plain).count(), "created_at": clock::text(thread.created_at),
            "updated_at": clock::text(thread.updated_at), "closed_at": thread.closed_at.map(clock::text),
        })
    }

    pub(crate) fn node_id(&self, thread: &Thread) -> String {
        let kind = if thread.pull.is_some() { "PR" } else { "I" };
        format!("{kind}_{}", thread.id)
    }

    pub(crate) fn association(&self, repo: u64, login: &str) -> &'static str {
        let repo = self.state.repo(repo);
        match repo.rights.get(&login.to_lowercase()) {
            _ if repo.owner.eq_ignore_ascii_case(login) => "OWNER",
            Some((right, _)) if *right > Right::Read => "COLLABORATOR",
            _ => "NONE",
        }
    }

    pub(crate) fn comment(&self, repo: u64, comment: &Comment) -> Value {
        let url = self.of(repo, &format!("/issues/comments/{}", comment.id));
        let number = comment.number;
        let kind = if self.state.repo(repo).threads[&number].pull.is_some() { "pull" } else { "issues" };
        json!({
            "id": comment.id, "node_id": format!("IC_{}", comment.id), "url": url, "body": comment.body,
            "html_url": self.page_of(repo, &format!("/{kind}/{number}#issuecomment-{}", comment.id)),
            "issue_url": self.of(repo, &format!("/issues/{number}")), "user": self.user(&comment.author),
            "created_at": clock::text(comment.created_at), "updated_at": clock::text(comment.updated_at),
            "author_association": self.association(repo, &comment.author), "performed_via_github_app": null,
            "reactions": reactions(&url, &comment.reactions),
        })
    }

    /// A comment on lines; the caller passes none without a place.
    pub(crate) fn review_comment(&self, repo: u64, comment: &Comment) -> Value {
        let Some(place) = &comment.place else { return Value::Null };
        let url = self.of(repo, &format!("/pulls/comments/{}", comment.id));
        let pull = self.of(repo, &format!("/pulls/{}", comment.number));
        let html_url = self.page_of(repo, &format!("/pull/{}#discussion_r{}", comment.number, comment.id));
        let mut value = json!({
            "id": comment.id, "node_id": format!("PRRC_{}", comment.id), "url": url, "html_url": html_url,
            "pull_request_url": pull, "pull_request_review_id": place.review, "path": place.path,
            "diff_hunk": "@@ -1 +1 @@", "commit_id": place.commit, "original_commit_id": place.commit,
            "line": place.line, "original_line": place.line, "side": "RIGHT", "start_line": null, "start_side": null,
            "original_start_line": null, "subject_type": "line", "user": self.user(&comment.author),
            "body": comment.body, "created_at": clock::text(comment.created_at),
            "updated_at": clock::text(comment.updated_at), "reactions": reactions(&url, &comment.reactions),
            "author_association": self.association(repo, &comment.author),
            "_links": {
                "self": { "href": url }, "html": { "href": html_url }, "pull_request": { "href": pull },
            },
        });
        if let Some(first) = place.reply_to {
            value["in_reply_to_id"] = json!(first);
        }
        value
    }

    pub(crate) fn reaction(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id, "node_id": format!("REA_{}", reaction.id), "user": self.user(&reaction.by),
            "content": reaction.content, "created_at": clock::text(reaction.at),
        })
    }
}

/// In the order of their names, as GitHub has them.
pub(crate) fn labels<'a>(repo: &'a Repo, thread: &Thread) -> Vec<&'a Label> {
    let mut labels: Vec<&Label> = repo.labels.iter().filter(|it| thread.labels.contains(&it.id)).collect();
    labels.sort_by_key(|it| it.name.to_lowercase());
    labels
}

fn reactions(url: &str, all: &[Reaction]) -> Value {
    let mut value = json!({ "url": format!("{url}/reactions"), "total_count": all.len() });
    for content in ["+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"] {
        value[content] = json!(all.iter().filter(|it| it.content == content).count());
    }
    value
}
