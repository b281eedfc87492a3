//! Commits, refs, files, and what checks say of commits.

use super::Render;
use super::person::merge;
use crate::clock;
use crate::git::{Commit, Difference, Entry, Signature};
use crate::state::repository::{CheckRun, Status};
use serde_json::{Value, json};

impl Render<'_> {
    pub(crate) fn reference(&self, repo: u64, name: &str, object: &str, kind: &str) -> Value {
        let url = self.of(repo, &format!("/git/{}", name));
        let object_url = self.of(repo, &format!("/git/{kind}s/{object}"));
        json!({
            "ref": name, "node_id": format!("REF_{name}"), "url": url,
            "object": { "sha": object, "type": kind, "url": object_url },
        })
    }

    /// As git has it.
    pub(crate) fn git_commit(&self, repo: u64, commit: &Commit) -> Value {
        let git = |kind: &str, sha: &str| self.of(repo, &format!("/git/{kind}/{sha}"));
        let page = |sha: &str| self.page_of(repo, &format!("/commit/{sha}"));
        let parent = |sha: &String| json!({ "sha": sha, "url": git("commits", sha), "html_url": page(sha) });
        json!({
            "sha": commit.sha, "node_id": format!("C_{}", commit.sha), "url": git("commits", &commit.sha),
            "html_url": page(&commit.sha), "author": signature(&commit.author), "message": commit.message,
            "committer": signature(&commit.committer), "verification": verification(),
            "tree": { "sha": commit.tree, "url": git("trees", &commit.tree) },
            "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
        })
    }

    /// As GitHub shows it.
    pub(crate) fn commit(&self, repo: u64, commit: &Commit) -> Value {
        let url = self.of(repo, &format!("/commits/{}", commit.sha));
        let page = |sha: &str| self.page_of(repo, &format!("/commit/{sha}"));
        let parent = |sha: &String| json!({ "sha": sha, "url": self.of(repo, &format!("/commits/{sha}")), "html_url": page(sha) });
        json!({
            "sha": commit.sha, "node_id": format!("C_{}", commit.sha), "url": url, "html_url": page(&commit.sha),
            "comments_url": format!("{url}/comments"), "author": self.signer(&commit.author),
            "committer": self.signer(&commit.committer),
            "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
            "commit": {
                "author": signature(&commit.author), "committer": signature(&commit.committer),
                "message": commit.message, "comment_count": 0, "verification": verification(),
                "tree": { "sha": commit.tree, "url": self.of(repo, &format!("/git/trees/{}", commit.tree)) },
                "url": self.of(repo, &format!("/git/commits/{}", commit.sha)),
            },
        })
    }

    pub(crate) fn commit_with_files(&self, repo: u64, commit: &Commit) -> Value {
        let mut value = self.commit(repo, commit);
        let git = &self.state.repo(repo).git;
        let files = commit.parents.first().map(|it| git.differences(it, &commit.sha)).unwrap_or_default();
        let (added, removed): (u64, u64) = files.iter().fold((0, 0), |sum, it| (sum.0 + it.added, sum.1 + it.removed));
        merge(
            &mut value,
            json!({
                "stats": { "additions": added, "deletions": removed, "total": added + removed },
                "files": files.iter().map(|it| self.difference(repo, &commit.sha, it)).collect::<Vec<_>>(),
            }),
        );
        value
    }

    pub(crate) fn difference(&self, repo: u64, commit: &str, it: &Difference) -> Value {
        let path = &it.path;
        json!({
            "sha": it.blob, "filename": path, "status": it.status, "additions": it.added, "deletions": it.removed,
            "changes": it.added + it.removed, "blob_url": self.page_of(repo, &format!("/blob/{commit}/{path}")),
            "raw_url": self.page_of(repo, &format!("/raw/{commit}/{path}")),
            "contents_url": self.of(repo, &format!("/contents/{path}?ref={commit}")),
        })
    }

    /// A file or folder at a path, without what is in it.
    pub(crate) fn content(&self, repo: u64, name: &str, entry: &Entry, path: &str) -> Value {
        let kind = if entry.kind == "tree" { "dir" } else { "file" };
        let url = self.of(repo, &format!("/contents/{path}?ref={name}"));
        let git = self.of(repo, &format!("/git/{}s/{}", entry.kind, entry.sha));
        let html = self.page_of(repo, &format!("/{}/{name}/{path}", entry.kind));
        let raw = (kind == "file").then(|| self.page_of(repo, &format!("/raw/{name}/{path}")));
        json!({
            "type": kind, "name": path.rsplit('/').next(), "path": path, "sha": entry.sha, "url": url,
            "size": entry.size.unwrap_or(0), "git_url": git, "html_url": html, "download_url": raw,
            "_links": { "self": url, "git": git, "html": html },
        })
    }

    pub(crate) fn check_run(&self, repo: u64, run: &CheckRun) -> Value {
        let at = clock::text(run.at);
        let url = self.of(repo, &format!("/check-runs/{}", run.id));
        let app = crate::state::person::App {
            id: 15368,
            slug: "github-actions".to_owned(),
            public_key: String::new(),
            permissions: std::collections::BTreeMap::new(),
            installations: Vec::new(),
            created_at: run.at,
        };
        json!({
            "id": run.id, "node_id": format!("CR_{}", run.id), "external_id": "", "head_sha": run.commit, "url": url,
            "name": run.name, "html_url": self.page_of(repo, &format!("/runs/{}", run.id)),
            "details_url": self.page_of(repo, &format!("/runs/{}", run.id)), "status": run.status,
            "conclusion": run.conclusion, "started_at": at, "app": self.app(&app), "pull_requests": [],
            "completed_at": run.conclusion.as_ref().map(|_| at.clone()), "check_suite": { "id": run.id },
            "output": {
                "title": run.summary.as_ref().map(|_| run.name.clone()), "summary": run.summary, "text": null,
                "annotations_count": 0, "annotations_url": format!("{url}/annotations"),
            },
        })
    }

    pub(crate) fn status(&self, repo: u64, status: &Status) -> Value {
        json!({
            "id": status.id, "node_id": format!("SC_{}", status.id), "state": status.state,
            "url": self.of(repo, &format!("/statuses/{}", status.commit)), "context": status.context,
            "description": status.description, "target_url": status.target_url,
            "avatar_url": self.page("/avatars/u/1"), "created_at": clock::text(status.at),
            "updated_at": clock::text(status.at),
        })
    }

    pub(crate) fn full_status(&self, repo: u64, status: &Status) -> Value {
        let mut value = self.status(repo, status);
        value["creator"] = self.user(&status.creator);
        value
    }

    /// The account that a commit's address belongs to, where there is one.
    fn signer(&self, signature: &Signature) -> Value {
        let login = signature.email.strip_suffix(crate::handle::MAIL);
        login.and_then(|it| self.state.person(it)).map(|it| self.user(&it.login)).unwrap_or_default()
    }
}

fn signature(signature: &Signature) -> Value {
    json!({ "name": signature.name, "email": signature.email, "date": clock::text(signature.at) })
}

fn verification() -> Value {
    json!({ "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null })
}
