//! Pull requests: opened, changed, merged.

use super::{Call, Route, route};
use crate::auth::{Needs, read, write};
use crate::message::{Answer, Outcome};
use crate::state::pull::Pull;
use crate::state::repository::Repo;
use crate::state::right::Right;
use crate::state::thread::Thread;
use serde_json::json;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}/pulls", PULLS, list),
    route("POST", "/repos/{owner}/{repo}/pulls", EDIT, create),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}", PULLS, get),
    route("PATCH", "/repos/{owner}/{repo}/pulls/{pull_number}", EDIT, update),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/commits", PULLS, commits),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/files", PULLS, files),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/merge", PULLS, is_merged),
    route("PUT", "/repos/{owner}/{repo}/pulls/{pull_number}/merge", MERGE, merge),
];

const PULLS: Needs = read(&["pull_requests"]);
const EDIT: Needs = write(&["pull_requests"], Right::Read);
const MERGE: Needs = write(&["contents"], Right::Write);

fn list(call: &mut Call<'_>) -> Outcome {
    let state = call.query("state").unwrap_or("open");
    let fits = |it: &&Thread| {
        let Some(pull) = &it.pull else { return false };
        let head = format!("{}:{}", call.state.repo(pull.head_repo).owner, pull.head_branch);
        (state == "all" || it.open == (state == "open"))
            // GitHub leaves aside a head without its owner.
            && call.query("head").filter(|it| it.contains(':')).is_none_or(|wanted| wanted.eq_ignore_ascii_case(&head))
            && call.query("base").is_none_or(|wanted| wanted == pull.base_branch)
    };
    let mut all: Vec<&Thread> = call.repo().threads.values().filter(fits).collect();
    let by = call.query("sort").unwrap_or("created");
    let usual = if call.query("sort").is_none() || by == "created" { "desc" } else { "asc" };
    super::issue::sort(&mut all, by, call.query("direction").unwrap_or(usual));
    Ok(call.page(&all, |it| call.render().pull(call.repo, it)))
}

fn get(call: &mut Call<'_>) -> Outcome {
    call.pull_number("pull_number")?;
    let thread = call.thread("pull_number")?;
    let pull = thread.pull.as_ref().ok_or_else(Answer::not_found)?;
    if call.request.header("accept").is_some_and(|it| it.contains("diff")) {
        let text = call.repo().git.diff(&pull.base, &pull.head).into_bytes();
        return Ok(Answer::text("application/vnd.github.diff; charset=utf-8", super::commit::with_newline(text)));
    }
    Ok(Answer::ok(call.render().full_pull(call.repo, thread)))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let invalid = |field: &str| Answer::invalid("PullRequest", field, "invalid", "");
    let custom = |message: String| Answer::invalid("PullRequest", "", "custom", &message);
    let (head, base) = (call.text("head").unwrap_or_default(), call.text("base").unwrap_or_default());
    let (owner, branch) = head.split_once(':').unwrap_or((&call.repo().owner, &head));
    let head_repo = call.fork_of(owner).ok_or_else(|| invalid("head"))?;
    let tip = head_repo.git.branches().get(branch).cloned().ok_or_else(|| invalid("head"))?;
    let base_tip = call.repo().git.branches().get(&base).cloned().ok_or_else(|| invalid("base"))?;
    let same = |it: &&Thread| {
        let of = |pull: &Pull| pull.head_repo == head_repo.id && pull.head_branch == branch && pull.base_branch == base;
        it.open && it.pull.as_ref().is_some_and(of)
    };
    if call.repo().threads.values().any(|it| same(&it)) {
        return Err(custom(format!("A pull request already exists for {owner}:{branch}.")));
    }
    let head_id = head_repo.id;
    may_open(call, head_repo)?;
    let (from, git) = (head_repo.git.clone(), call.repo().git.clone());
    let draft = call.body["draft"] == true;
    if draft && !call.repo().drafts {
        return Err(Answer::error(422, "Draft pull requests are not supported in this repository."));
    }
    let title = call.text("title").unwrap_or_default();
    check_texts(call)?;
    if title.trim().is_empty() {
        return Err(Answer::invalid("PullRequest", "title", "missing_field", ""));
    }
    let pull = Pull {
        head_repo: head_id,
        head_branch: branch.to_owned(),
        head: tip.clone(),
        base_branch: base.clone(),
        base: base_tip.clone(),
        draft,
        merged: None,
        requested: Vec::new(),
        requested_teams: Vec::new(),
        reviews: Vec::new(),
    };
    // The commits of a fork are fetched under the number that this would get.
    git.take_pull(&from, call.repo().last_number + 1, &tip);
    if git.is_ancestor(&tip, &base_tip) {
        return Err(custom(format!("No commits between {base} and {branch}")));
    }
    let author = call.login();
    let number = call.state.open(call.repo, &author, &title, call.text("body").as_deref(), Some(pull));
    Ok(Answer::created(call.render().full_pull(call.repo, &call.repo().threads[&number])))
}

/// GitHub takes no longer ones.
fn check_texts(call: &Call<'_>) -> Result<(), Answer> {
    for (field, most) in [("title", 256), ("body", 65_536)] {
        if call.text(field).is_some_and(|it| it.chars().count() > most) {
            let message = format!("{field} is too long (maximum is {most} characters)");
            return Err(Answer::invalid("PullRequest", field, "custom", &message));
        }
    }
    Ok(())
}

/// Whoever opens one must be able to write to the branch that is to be merged.
fn may_open(call: &Call<'_>, head: &Repo) -> Result<(), Answer> {
    let own = head.id == call.repo || !call.actor.is_installation();
    let may = call.actor.right(head) >= Right::Write || head.owner.eq_ignore_ascii_case(call.actor.login());
    if own && may { Ok(()) } else { Err(Answer::error(403, "Resource not accessible by personal access token")) }
}

fn update(call: &mut Call<'_>) -> Outcome {
    let number = call.pull_number("pull_number")?;
    let (actor, repo) = (call.login(), call.repo);
    let own = call.thread("pull_number")?.author == actor;
    super::account::at_least(call, if own { Right::Read } else { Right::Write })?;
    check_texts(call)?;
    if let Some(base) = call.text("base") {
        let tip = call.repo().git.branches().get(&base).cloned();
        let tip = tip.ok_or_else(|| Answer::invalid("PullRequest", "base", "invalid", ""))?;
        if let Some(pull) = &mut call.state.thread_mut(repo, number).pull {
            (pull.base_branch, pull.base) = (base, tip);
        }
    }
    if let Some(title) = call.text("title") {
        call.state.set_title(repo, number, &actor, &title);
    }
    if let Some(body) = call.text("body") {
        call.state.set_body(repo, number, &actor, Some(&body));
    }
    match call.text("state").as_deref() {
        Some("closed") => call.state.close(repo, number, &actor, None, None),
        Some("open") => reopen(call, number)?,
        _ => (),
    }
    Ok(Answer::ok(call.render().full_pull(repo, call.thread("pull_number")?)))
}

fn reopen(call: &mut Call<'_>, number: u32) -> Result<(), Answer> {
    let pull = call.repo().threads[&number].pull.clone().ok_or_else(Answer::not_found)?;
    let gone = !call.state.repo(pull.head_repo).git.branches().contains_key(&pull.head_branch);
    if gone || pull.merged.is_some() {
        let message = format!("state cannot be changed. The {} branch has been deleted.", pull.head_branch);
        return Err(Answer::invalid("PullRequest", "state", "invalid", &message));
    }
    let actor = call.login();
    call.state.reopen(call.repo, number, &actor);
    Ok(())
}

fn commits(call: &mut Call<'_>) -> Outcome {
    call.pull_number("pull_number")?;
    let pull = call.thread("pull_number")?.pull.as_ref().ok_or_else(Answer::not_found)?;
    let all = call.repo().git.between(&pull.base, &pull.head);
    Ok(call.page(&all, |it| call.render().commit(call.repo, it)))
}

fn files(call: &mut Call<'_>) -> Outcome {
    call.pull_number("pull_number")?;
    let pull = call.thread("pull_number")?.pull.as_ref().ok_or_else(Answer::not_found)?;
    let all = call.repo().git.differences(&pull.base, &pull.head);
    Ok(call.page(&all, |it| call.render().difference(call.repo, &pull.head, it)))
}

fn is_merged(call: &mut Call<'_>) -> Outcome {
    call.pull_number("pull_number")?;
    let merged = call.thread("pull_number")?.pull.as_ref().is_some_and(|it| it.merged.is_some());
    if merged { Ok(Answer::nothing()) } else { Err(Answer::not_found()) }
}

fn merge(call: &mut Call<'_>) -> Outcome {
    let number = call.pull_number("pull_number")?;
    let thread = call.thread("pull_number")?.clone();
    let pull = thread.pull.as_ref().ok_or_else(Answer::not_found)?;
    if !thread.open || pull.draft {
        let message = if pull.draft { "Pull Request is still a draft" } else { "Pull Request is not mergeable" };
        return Err(Answer::error(405, message));
    }
    if call.text("sha").is_some_and(|it| it != pull.head) {
        return Err(Answer::error(409, "Head branch was modified. Review and try the merge again."));
    }
    let method = call.text("merge_method").unwrap_or_else(|| "merge".to_owned());
    let allowed = call.repo().merges;
    let (fine, word) = match method.as_str() {
        "squash" => (allowed.squash, "Squash merges"),
        "rebase" => (allowed.rebase, "Rebase merges"),
        _ => (allowed.merge, "Merge commits"),
    };
    if !fine {
        return Err(Answer::error(405, &format!("{word} are not allowed on this repository.")));
    }
    if let Some(reason) = call.repo().refuses(&format!("refs/heads/{}", pull.base_branch)) {
        return Err(Answer::error(405, &reason));
    }
    let words = (call.text("commit_title"), call.text("commit_message"));
    let actor = call.login();
    let merged = call.state.merge_pull(call.repo, number, &actor, &method, words);
    let commit = merged.ok_or_else(|| Answer::error(405, "Pull Request is not mergeable"))?;
    let value = json!({ "sha": commit, "merged": true, "message": "Pull Request successfully merged" });
    Ok(Answer::ok(value))
}
