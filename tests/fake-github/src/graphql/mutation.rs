//! The few changes that GitHub has in GraphQL alone.

use super::run::Run;
use super::{object, root};
use crate::state::thread::What;
use serde_json::{Value, json};

/// None: the fake does not have that mutation.
pub(super) fn run(run: &mut Run<'_>, field: &str, input: &Value) -> Option<Value> {
    let (draft, payload) = match field {
        "markPullRequestReadyForReview" => (false, "MarkPullRequestReadyForReviewPayload"),
        "convertPullRequestToDraft" => (true, "ConvertPullRequestToDraftPayload"),
        _ => return None,
    };
    let id = input["pullRequestId"].as_str().unwrap_or_default();
    let Some((repo, number)) = object::thread_with(run.state, id) else {
        return Some(run.error("NOT_FOUND", &format!("Could not resolve to a node with the global id of '{id}'")));
    };
    let author = run.state.repo(repo).threads[&number].author.clone();
    if !root::may_change(run, repo) && author != run.actor.login() {
        let who = if run.actor.is_installation() { "integration" } else { "personal access token" };
        return Some(run.error("FORBIDDEN", &format!("Resource not accessible by {who}")));
    }
    let drafts = run.state.repo(repo).drafts;
    let actor = run.actor.login().to_owned();
    let thread = run.state.thread_mut(repo, number);
    let (open, pull) = (thread.open, thread.pull.as_mut());
    let Some(pull) = pull else { return Some(run.error("UNPROCESSABLE", "It is not a pull request.")) };
    if !open || (draft && !drafts) {
        return Some(run.error("UNPROCESSABLE", "Pull request is closed, or drafts are not supported here."));
    }
    if pull.draft != draft {
        pull.draft = draft;
        let what = if draft { What::ConvertedToDraft } else { What::ReadyForReview };
        run.state.note(repo, number, &actor, what);
    }
    let client = input["clientMutationId"].clone();
    Some(json!({ "__typename": payload, "pullRequest": { "@id": id }, "clientMutationId": client }))
}
