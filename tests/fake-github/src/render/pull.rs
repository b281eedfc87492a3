//! Pull requests and reviews.

use super::Render;
use super::person::merge;
use crate::clock;
use crate::state::pull::{Pull, Review};
use crate::state::thread::Thread;
use serde_json::{Value, json};

impl Render<'_> {
    /// As lists have it.
    pub(crate) fn pull(&self, repo: u64, thread: &Thread) -> Value {
        let Some(pull) = &thread.pull else { return Value::Null };
        let number = thread.number;
        let url = self.of(repo, &format!("/pulls/{number}"));
        let issue = self.of(repo, &format!("/issues/{number}"));
        let html_url = self.page_of(repo, &format!("/pull/{number}"));
        let statuses = self.of(repo, &format!("/statuses/{}", pull.head));
        let link = |target: &str| json!({ "href": target });
        let mut value = json!({
            "id": thread.id, "node_id": self.node_id(thread), "number": number, "title": thread.title, "url": url,
            "html_url": html_url, "diff_url": format!("{html_url}.diff"), "patch_url": format!("{html_url}.patch"),
            "issue_url": issue, "commits_url": format!("{url}/commits"), "statuses_url": statuses,
            "review_comments_url": format!("{url}/comments"), "comments_url": format!("{issue}/comments"),
            "review_comment_url": self.of(repo, "/pulls/comments{/number}"), "locked": thread.locked,
            "merge_commit_sha": self.merge_commit(pull), "merged_at": pull.merged.as_ref().map(|it| clock::text(it.at)),
            "draft": pull.draft, "auto_merge": null, "active_lock_reason": null,
            "author_association": self.association(repo, &thread.author),
            "requested_reviewers": pull.requested.iter().map(|it| self.user(it)).collect::<Vec<_>>(),
            "requested_teams": pull.requested_teams.iter().map(|it| self.team(it)).collect::<Vec<_>>(),
            "head": self.side(pull.head_repo, &pull.head_branch, &pull.head),
            "base": self.side(repo, &pull.base_branch, &pull.base),
            "_links": {
                "self": link(&url), "html": link(&html_url), "issue": link(&issue), "statuses": link(&statuses),
                "comments": link(&format!("{issue}/comments")), "commits": link(&format!("{url}/commits")),
                "review_comments": link(&format!("{url}/comments")),
                "review_comment": link(&self.of(repo, "/pulls/comments{/number}")),
            },
        });
        let mut common = self.common(repo, thread);
        if let Some(common) = common.as_object_mut() {
            common.remove("comments");
        }
        merge(&mut value, common);
        value
    }

    /// As it is shown when it is asked for alone, with what git says of it.
    pub(crate) fn full_pull(&self, repo: u64, thread: &Thread) -> Value {
        let mut value = self.pull(repo, thread);
        let Some(pull) = &thread.pull else { return value };
        let of = self.state.repo(repo);
        let differences = of.git.differences(&pull.base, &pull.head);
        let merges = thread.open.then(|| of.git.merged_tree(&pull.base, &pull.head).is_some());
        let state = match (merges, pull.draft) {
            (None, _) => "unknown",
            (Some(false), _) => "dirty",
            (Some(true), true) => "draft",
            (Some(true), false) => "clean",
        };
        let on_lines = of.comments.values().filter(|it| it.number == thread.number && it.place.is_some());
        merge(
            &mut value,
            json!({
                "merged": pull.merged.is_some(), "mergeable": merges, "rebaseable": merges, "mergeable_state": state,
                "merged_by": pull.merged.as_ref().map(|it| self.user(&it.by)), "maintainer_can_modify": false,
                "comments": self.common(repo, thread)["comments"], "review_comments": on_lines.count(),
                "commits": of.git.between(&pull.base, &pull.head).len(), "changed_files": differences.len(),
                "additions": differences.iter().map(|it| it.added).sum::<u64>(),
                "deletions": differences.iter().map(|it| it.removed).sum::<u64>(),
            }),
        );
        value
    }

    fn merge_commit(&self, pull: &Pull) -> Option<String> {
        pull.merged.as_ref().map(|it| it.commit.clone())
    }

    fn side(&self, repo: u64, branch: &str, commit: &str) -> Value {
        let of = self.state.repo(repo);
        json!({
            "label": format!("{}:{branch}", of.owner), "ref": branch, "sha": commit, "user": self.user(&of.owner),
            "repo": self.full_side(repo),
        })
    }

    fn full_side(&self, repo: u64) -> Value {
        let mut value = self.repository(self.state.repo(repo), None);
        value["permissions"] = json!({ "admin": false, "push": false, "pull": true });
        value
    }

    fn team(&self, slug: &str) -> Value {
        let url = self.api(&format!("/organizations/1/team/{slug}"));
        json!({
            "id": 1, "node_id": format!("T_{slug}"), "name": slug, "slug": slug, "description": null, "url": url,
            "privacy": "closed", "notification_setting": "notifications_enabled", "permission": "pull",
            "html_url": self.page(&format!("/orgs/teams/{slug}")), "members_url": format!("{url}/members{{/member}}"),
            "repositories_url": format!("{url}/repos"), "type": "organization", "organization_id": 1, "parent": null,
        })
    }

    pub(crate) fn review(&self, repo: u64, number: u32, review: &Review) -> Value {
        let pull = self.of(repo, &format!("/pulls/{number}"));
        let html_url = self.page_of(repo, &format!("/pull/{number}#pullrequestreview-{}", review.id));
        json!({
            "id": review.id, "node_id": format!("PRR_{}", review.id), "user": self.user(&review.author),
            "body": review.body, "state": review.state, "html_url": html_url, "pull_request_url": pull,
            "commit_id": review.commit, "submitted_at": clock::text(review.at),
            "author_association": self.association(repo, &review.author),
            "_links": { "html": { "href": html_url }, "pull_request": { "href": pull } },
        })
    }
}
