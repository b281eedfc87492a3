//! Repositories, their labels and milestones.

use super::Render;
use super::person::merge;
use crate::auth::Actor;
use crate::clock;
use crate::state::repository::{Label, Milestone, Repo};
use crate::state::right::Right;
use serde_json::{Map, Value, json};

/// What `{name}_url` leads to; the names with a template in them have it.
const LINKS: [(&str, &str); 36] = [
    ("archive", "/{archive_format}{/ref}"),
    ("assignees", "/assignees{/user}"),
    ("blobs", "/git/blobs{/sha}"),
    ("branches", "/branches{/branch}"),
    ("collaborators", "/collaborators{/collaborator}"),
    ("comments", "/comments{/number}"),
    ("commits", "/commits{/sha}"),
    ("compare", "/compare/{base}...{head}"),
    ("contents", "/contents/{+path}"),
    ("contributors", "/contributors"),
    ("deployments", "/deployments"),
    ("downloads", "/downloads"),
    ("events", "/events"),
    ("forks", "/forks"),
    ("git_commits", "/git/commits{/sha}"),
    ("git_refs", "/git/refs{/sha}"),
    ("git_tags", "/git/tags{/sha}"),
    ("hooks", "/hooks"),
    ("issue_comment", "/issues/comments{/number}"),
    ("issue_events", "/issues/events{/number}"),
    ("issues", "/issues{/number}"),
    ("keys", "/keys{/key_id}"),
    ("labels", "/labels{/name}"),
    ("languages", "/languages"),
    ("merges", "/merges"),
    ("milestones", "/milestones{/number}"),
    ("notifications", "/notifications{?since,all,participating}"),
    ("pulls", "/pulls{/number}"),
    ("releases", "/releases{/id}"),
    ("stargazers", "/stargazers"),
    ("statuses", "/statuses/{sha}"),
    ("subscribers", "/subscribers"),
    ("subscription", "/subscription"),
    ("tags", "/tags"),
    ("teams", "/teams"),
    ("trees", "/git/trees{/sha}"),
];

impl Render<'_> {
    /// As lists have it, with what the one who asks may do.
    pub(crate) fn repository(&self, repo: &Repo, actor: Option<&Actor>) -> Value {
        let full_name = repo.full_name();
        let mut value = Map::new();
        for (name, path) in LINKS {
            value.insert(format!("{name}_url"), json!(self.of(repo.id, path)));
        }
        let mut value = Value::Object(value);
        let open = repo.threads.values().filter(|it| it.open).count();
        merge(
            &mut value,
            json!({
                "id": repo.id, "node_id": format!("R_{}", repo.id), "name": repo.name, "full_name": full_name,
                "owner": self.user(&repo.owner), "private": repo.private, "html_url": self.page_of(repo.id, ""),
                "description": repo.description, "fork": repo.fork_of.is_some(), "url": self.of(repo.id, ""),
                "clone_url": format!("{}.git", self.page_of(repo.id, "")), "mirror_url": null,
                "git_url": format!("git://127.0.0.1/{full_name}.git"), "svn_url": self.page_of(repo.id, ""),
                "ssh_url": format!("git@127.0.0.1:{full_name}.git"), "homepage": null, "language": null,
            }),
        );
        merge(
            &mut value,
            json!({
                "forks_count": 0, "forks": 0, "stargazers_count": 0, "watchers_count": 0, "watchers": 0, "size": 1,
                "default_branch": repo.default_branch, "open_issues_count": open, "open_issues": open,
                "is_template": false, "topics": [], "has_issues": true, "has_projects": false, "has_wiki": false,
                "has_pages": false, "has_downloads": false, "has_discussions": false, "archived": repo.archived,
                "disabled": false, "visibility": if repo.private { "private" } else { "public" },
                "pushed_at": clock::text(repo.pushed_at), "created_at": clock::text(repo.created_at),
                "updated_at": clock::text(repo.updated_at), "license": null, "allow_forking": true,
                "web_commit_signoff_required": false,
            }),
        );
        if let Some(actor) = actor {
            let right = actor.right(repo);
            let has = |least: Right| right >= least;
            value["permissions"] = json!({
                "admin": has(Right::Admin), "maintain": has(Right::Maintain), "push": has(Right::Write),
                "triage": has(Right::Triage), "pull": has(Right::Read),
            });
        }
        value
    }

    /// As it is shown when it is asked for alone.
    pub(crate) fn full_repository(&self, repo: &Repo, actor: Option<&Actor>) -> Value {
        let mut value = self.repository(repo, actor);
        merge(
            &mut value,
            json!({
                "network_count": 0, "subscribers_count": 0, "allow_merge_commit": repo.merges.merge,
                "allow_squash_merge": repo.merges.squash, "allow_rebase_merge": repo.merges.rebase,
                "allow_auto_merge": false, "delete_branch_on_merge": false, "allow_update_branch": false,
            }),
        );
        if let Some(parent) = repo.fork_of {
            value["parent"] = self.repository(self.state.repo(parent), None);
            value["source"] = value["parent"].clone();
        }
        value
    }

    pub(crate) fn label(&self, repo: u64, label: &Label) -> Value {
        let encoded = percent_encoding::utf8_percent_encode(&label.name, percent_encoding::NON_ALPHANUMERIC);
        json!({
            "id": label.id, "node_id": format!("LA_{}", label.id), "name": label.name, "color": label.color,
            "url": self.of(repo, &format!("/labels/{encoded}")), "default": false, "description": label.description,
        })
    }

    pub(crate) fn milestone(&self, repo: u64, milestone: &Milestone) -> Value {
        let number = milestone.number;
        let threads = self.state.repo(repo).threads.values().filter(|it| it.milestone == Some(number));
        let (open, closed): (Vec<_>, Vec<_>) = threads.partition(|it| it.open);
        let at = clock::text(milestone.created_at);
        json!({
            "id": milestone.id, "node_id": format!("MI_{}", milestone.id), "number": number, "title": milestone.title,
            "url": self.of(repo, &format!("/milestones/{number}")), "state": "open", "description": null,
            "html_url": self.page_of(repo, &format!("/milestone/{number}")), "creator": self.user(&milestone.creator),
            "labels_url": self.of(repo, &format!("/milestones/{number}/labels")), "open_issues": open.len(),
            "closed_issues": closed.len(), "created_at": at, "updated_at": at, "closed_at": null, "due_on": null,
        })
    }
}
