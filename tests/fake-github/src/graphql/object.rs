//! The objects of GraphQL, made from the same state as those of the REST API.
//!
//! Two things that surprise: a bot's login has no `[bot]` here, and the edits of a body come newest first, the original
//! one included once there is an edit.

use crate::auth::{self, Actor};
use crate::clock;
use crate::render::labels;
use crate::state::State;
use crate::state::person::Kind;
use crate::state::repository::Label;
use crate::state::thread::{Comment, Event, Thread, What};
use serde_json::{Value, json};

/// The object with that node id, if the one who asks may see it.
pub(super) fn node(state: &State, actor: &Actor, id: &str) -> Option<Value> {
    let (kind, number) = id.split_once('_')?;
    let number: u64 = number.parse().ok()?;
    match kind {
        "I" | "PR" => {
            let (repo, thread) = thread_with(state, id)?;
            let permission = if kind == "I" { &["issues"] } else { &["pull_requests"] };
            actor.may(state.repo(repo), &auth::read(permission)).ok()?;
            Some(thread_object(state, repo, &state.repo(repo).threads[&thread]))
        }
        "R" => state.repositories.get(&number).filter(|it| actor.sees(it)).map(|it| repository(state, actor, it.id)),
        "U" => state.people.iter().find(|it| it.id == number).map(|it| person(state, &it.login)),
        "IC" => {
            let repo = state.repositories.values().find(|it| it.comments.contains_key(&number))?;
            actor.sees(repo).then(|| comment(state, repo.id, &repo.comments[&number]))
        }
        _ => None,
    }
}

pub(super) fn id_of(thread: &Thread) -> String {
    let kind = if thread.pull.is_some() { "PR" } else { "I" };
    format!("{kind}_{}", thread.id)
}

/// The repository and the number of the thread with that node id.
pub(super) fn thread_with(state: &State, id: &str) -> Option<(u64, u32)> {
    let mut all = state.repositories.values();
    all.find_map(|repo| repo.threads.values().find(|it| id_of(it) == id).map(|it| (repo.id, it.number)))
}

/// Null for who is gone.
pub(super) fn person(state: &State, login: &str) -> Value {
    let Some(person) = state.person(login) else { return Value::Null };
    let shown = person.login.strip_suffix("[bot]").unwrap_or(&person.login);
    let mut value = json!({
        "__typename": person.kind.as_str(), "id": format!("U_{}", person.id), "databaseId": person.id, "login": shown,
        "url": format!("{}/{shown}", state.url), "avatarUrl": format!("{}/avatars/u/{}", state.url, person.id),
        "resourcePath": format!("/{shown}"), "createdAt": clock::text(person.created_at),
    });
    if person.kind != Kind::Bot {
        value["name"] = json!(person.name);
    }
    value
}

pub(super) fn repository(state: &State, actor: &Actor, id: u64) -> Value {
    let repo = state.repo(id);
    let head = format!("refs/heads/{}", repo.default_branch);
    let labels: Vec<Value> = repo.labels.iter().map(label).collect();
    json!({
        "__typename": "Repository", "@repository": id, "id": format!("R_{id}"), "databaseId": id, "name": repo.name,
        "nameWithOwner": repo.full_name(), "owner": person(state, &repo.owner), "isPrivate": repo.private,
        "isArchived": repo.archived, "isFork": repo.fork_of.is_some(), "url": format!("{}/{}", state.url, repo.full_name()),
        "viewerPermission": actor.right(repo).as_str().to_uppercase(),
        "defaultBranchRef": repo.git.ref_target(&head).map(|(sha, _)| reference(&head, &sha)),
        "labels": { "@list": labels, "@type": "Label" }, "createdAt": clock::text(repo.created_at),
        "updatedAt": clock::text(repo.updated_at), "pushedAt": clock::text(repo.pushed_at),
    })
}

pub(super) fn reference(name: &str, sha: &str) -> Value {
    let short = name.trim_start_matches("refs/heads/");
    let target = json!({ "__typename": "Commit", "id": format!("C_{sha}"), "oid": sha, "abbreviatedOid": &sha[..7] });
    json!({ "__typename": "Ref", "id": format!("REF_{name}"), "name": short, "prefix": "refs/heads/", "target": target })
}

pub(super) fn label(label: &Label) -> Value {
    json!({
        "__typename": "Label", "id": format!("LA_{}", label.id), "name": label.name, "color": label.color,
        "description": label.description, "isDefault": false,
    })
}

pub(super) fn state_word(thread: &Thread) -> &'static str {
    match (&thread.pull, thread.open) {
        (_, true) => "OPEN",
        (Some(pull), false) if pull.merged.is_some() => "MERGED",
        (_, false) => "CLOSED",
    }
}

fn thread_object(state: &State, repo: u64, thread: &Thread) -> Value {
    let of = state.repo(repo);
    let kind = if thread.pull.is_some() { "PullRequest" } else { "Issue" };
    let page = if thread.pull.is_some() { "pull" } else { "issues" };
    let people: Vec<Value> = thread.assignees.iter().map(|it| person(state, it)).collect();
    let names: Vec<Value> = labels(of, thread).into_iter().map(label).collect();
    let comments = of.comments.values().filter(|it| it.number == thread.number && it.place.is_none());
    let comments: Vec<Value> = comments.map(|it| json!({ "@id": format!("IC_{}", it.id) })).collect();
    let milestone = of.milestones.iter().find(|it| Some(it.number) == thread.milestone).map(|it| {
        json!({ "__typename": "Milestone", "id": format!("MI_{}", it.id), "number": it.number, "title": it.title })
    });
    let last = thread.edits.last();
    let mut value = json!({
        "__typename": kind, "id": id_of(thread), "databaseId": thread.id, "fullDatabaseId": thread.id.to_string(),
        "number": thread.number, "title": thread.title, "body": thread.body.clone().unwrap_or_default(),
        "url": format!("{}/{}/{page}/{}", state.url, of.full_name(), thread.number), "state": state_word(thread),
        "closed": !thread.open, "closedAt": thread.closed_at.map(clock::text), "locked": thread.locked,
        "createdAt": clock::text(thread.created_at), "updatedAt": clock::text(thread.updated_at),
        "lastEditedAt": last.map(|it| clock::text(it.at)), "editor": last.map(|it| person(state, &it.by)),
        "author": person(state, &thread.author), "milestone": milestone, "includesCreatedEdit": last.is_some(),
        "labels": { "@list": names, "@type": "Label" }, "assignees": { "@list": people, "@type": "User" },
        "comments": { "@list": comments, "@type": "IssueComment" }, "repository": { "@id": format!("R_{repo}") },
    });
    value["userContentEdits"] = json!({ "@list": edits(state, thread), "@type": "UserContentEdit" });
    let items = format!("{kind}TimelineItems");
    value["timelineItems"] = json!({ "@list": timeline(state, repo, thread), "@type": items });
    if thread.pull.is_none() {
        value["stateReason"] = json!(thread.reason.as_ref().map(|it| it.to_uppercase()));
    }
    if let (Some(value), Some(more)) = (value.as_object_mut(), pull_object(state, repo, thread).as_object()) {
        value.extend(more.clone());
    }
    value
}

fn pull_object(state: &State, repo: u64, thread: &Thread) -> Value {
    let Some(pull) = &thread.pull else { return Value::Null };
    let requests = pull.requested.iter().map(
        |it| json!({ "__typename": "ReviewRequest", "id": format!("RR_{it}"), "requestedReviewer": person(state, it) }),
    );
    let requests: Vec<Value> = requests.collect();
    let reviews = pull.reviews.iter().map(|it| {
        json!({
            "__typename": "PullRequestReview", "id": format!("PRR_{}", it.id), "state": it.state, "body": it.body,
            "author": person(state, &it.author), "submittedAt": clock::text(it.at),
        })
    });
    let reviews: Vec<Value> = reviews.collect();
    let merges = state.repo(repo).git.merged_tree(&pull.base, &pull.head).is_some();
    json!({
        "isDraft": pull.draft, "merged": pull.merged.is_some(),
        "mergedAt": pull.merged.as_ref().map(|it| clock::text(it.at)),
        "mergedBy": pull.merged.as_ref().map(|it| person(state, &it.by)), "baseRefName": pull.base_branch,
        "headRefName": pull.head_branch, "headRefOid": pull.head, "baseRefOid": pull.base,
        "mergeable": if !thread.open { "UNKNOWN" } else if merges { "MERGEABLE" } else { "CONFLICTING" },
        "headRepository": { "@id": format!("R_{}", pull.head_repo) }, "isCrossRepository": pull.head_repo != repo,
        "reviewRequests": { "@list": requests, "@type": "ReviewRequest" },
        "reviews": { "@list": reviews, "@type": "PullRequestReview" },
    })
}

fn comment(state: &State, repo: u64, comment: &Comment) -> Value {
    let thread = &state.repo(repo).threads[&comment.number];
    let edited = comment.updated_at > comment.created_at;
    json!({
        "__typename": "IssueComment", "id": format!("IC_{}", comment.id), "databaseId": comment.id,
        "body": comment.body, "author": person(state, &comment.author), "issue": { "@id": id_of(thread) },
        "createdAt": clock::text(comment.created_at), "updatedAt": clock::text(comment.updated_at),
        "lastEditedAt": edited.then(|| clock::text(comment.updated_at)),
        "editor": edited.then(|| person(state, &comment.author)), "repository": { "@id": format!("R_{repo}") },
    })
}

fn edits(state: &State, thread: &Thread) -> Vec<Value> {
    let edit = |id: u64, by: &str, at: i64| {
        let at = clock::text(at);
        json!({
            "__typename": "UserContentEdit", "id": format!("UCE_{id}"), "createdAt": at, "editedAt": at, "updatedAt": at,
            "editor": person(state, by), "deletedAt": null, "deletedBy": null, "diff": null,
        })
    };
    let mut all: Vec<Value> = thread.edits.iter().rev().map(|it| edit(it.id, &it.by, it.at)).collect();
    if !all.is_empty() {
        all.push(edit(thread.id, &thread.author, thread.created_at));
    }
    all
}

fn timeline(state: &State, repo: u64, thread: &Thread) -> Vec<Value> {
    let mut all: Vec<(i64, u64, Value)> =
        thread.events.iter().map(|it| (it.at, it.id, event(state, repo, it))).collect();
    let comments = state.repo(repo).comments.values().filter(|it| it.number == thread.number && it.place.is_none());
    all.extend(
        comments.map(|it| (it.created_at, it.id, json!({ "@id": format!("IC_{}", it.id), "@item": "ISSUE_COMMENT" }))),
    );
    all.sort_by_key(|(at, id, _)| (*at, *id));
    all.into_iter().map(|(.., value)| value).collect()
}

fn event(state: &State, repo: u64, event: &Event) -> Value {
    let (item, kind) = match &event.what {
        What::Labeled(_) => ("LABELED_EVENT", "LabeledEvent"),
        What::Unlabeled(_) => ("UNLABELED_EVENT", "UnlabeledEvent"),
        What::Renamed { .. } => ("RENAMED_TITLE_EVENT", "RenamedTitleEvent"),
        What::Closed { .. } => ("CLOSED_EVENT", "ClosedEvent"),
        What::Reopened => ("REOPENED_EVENT", "ReopenedEvent"),
        What::Assigned(_) => ("ASSIGNED_EVENT", "AssignedEvent"),
        What::Unassigned(_) => ("UNASSIGNED_EVENT", "UnassignedEvent"),
        What::ReviewRequested(_) => ("REVIEW_REQUESTED_EVENT", "ReviewRequestedEvent"),
        What::ReviewRequestRemoved(_) => ("REVIEW_REQUEST_REMOVED_EVENT", "ReviewRequestRemovedEvent"),
        What::Merged(_) => ("MERGED_EVENT", "MergedEvent"),
        What::ReadyForReview => ("READY_FOR_REVIEW_EVENT", "ReadyForReviewEvent"),
        What::ConvertedToDraft => ("CONVERT_TO_DRAFT_EVENT", "ConvertToDraftEvent"),
        What::HeadRefDeleted => ("HEAD_REF_DELETED_EVENT", "HeadRefDeletedEvent"),
    };
    let mut value = json!({
        "__typename": kind, "@item": item, "id": format!("E_{}", event.id), "actor": person(state, &event.actor),
        "createdAt": clock::text(event.at),
    });
    match &event.what {
        What::Labeled(name) | What::Unlabeled(name) => {
            let known = state.repo(repo).label(name).map(label);
            value["label"] = known.unwrap_or_else(
                || json!({ "__typename": "Label", "id": "LA_0", "name": name, "color": "ededed", "description": null }),
            );
        }
        What::Renamed { from, to } => (value["previousTitle"], value["currentTitle"]) = (json!(from), json!(to)),
        What::Closed { reason, .. } => value["stateReason"] = json!(reason.as_ref().map(|it| it.to_uppercase())),
        What::Assigned(login) | What::Unassigned(login) => value["assignee"] = person(state, login),
        What::ReviewRequested(login) | What::ReviewRequestRemoved(login) => {
            value["requestedReviewer"] = person(state, login);
        }
        What::Reopened | What::Merged(_) | What::ReadyForReview | What::ConvertedToDraft | What::HeadRefDeleted => (),
    }
    value
}
