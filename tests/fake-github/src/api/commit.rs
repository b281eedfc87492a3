//! Commits, what lies between two of them, and what checks say.

use super::{Call, Route, route};
use crate::auth::{read, write};
use crate::message::{Answer, Outcome};
use crate::state::repository::Status;
use crate::state::right::Right;
use serde_json::{Value, json};

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}/commits", read(&["contents"]), list),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}", read(&["contents"]), get),
    route("GET", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls", read(&["pull_requests", "contents"]), pulls),
    route("GET", "/repos/{owner}/{repo}/compare/{basehead}", read(&["contents"]), compare),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", read(&["checks"]), check_runs),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/status", read(&["statuses"]), combined),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses", read(&["statuses"]), statuses),
    route("POST", "/repos/{owner}/{repo}/statuses/{sha}", STATUSES, create_status),
];

const STATUSES: crate::auth::Needs = write(&["statuses"], Right::Write);

fn list(call: &mut Call<'_>) -> Outcome {
    let name = call.query("sha").unwrap_or(&call.repo().default_branch).to_owned();
    let git = &call.repo().git;
    let tip = git.commit_of(&name).ok_or_else(Answer::not_found)?;
    let all = git.history(&tip, 1000);
    Ok(call.page(&all, |it| call.render().commit(call.repo, it)))
}

fn resolved(call: &Call<'_>, name: &str) -> Result<String, Answer> {
    let missing = || Answer::error(422, &format!("No commit found for SHA: {name}"));
    let short = name.strip_prefix("heads/").unwrap_or(name);
    call.repo().git.commit_of(short).ok_or_else(missing)
}

fn get(call: &mut Call<'_>) -> Outcome {
    let sha = resolved(call, call.value("ref"))?;
    let accept = call.request.header("accept").unwrap_or_default();
    if accept.contains("vnd.github.sha") {
        return Ok(Answer::text("application/vnd.github.sha; charset=utf-8", sha.into_bytes()));
    }
    let commit = call.repo().git.commit(&sha).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(call.render().commit_with_files(call.repo, &commit)))
}

fn pulls(call: &mut Call<'_>) -> Outcome {
    let sha = resolved(call, call.value("commit_sha"))?;
    let git = &call.repo().git;
    let with = call.repo().threads.values().filter(|it| {
        it.pull.as_ref().is_some_and(|pull| git.is_ancestor(&sha, &pull.head) && !git.is_ancestor(&sha, &pull.base))
    });
    let all: Vec<_> = with.collect();
    Ok(call.page(&all, |it| call.render().pull(call.repo, it)))
}

fn compare(call: &mut Call<'_>) -> Outcome {
    let (base, head) = call.value("basehead").split_once("...").ok_or_else(Answer::not_found)?;
    let git = &call.repo().git;
    // A side may be of a fork, as `login:branch`; its commits are here only once there is a pull request.
    let side = |name: &str| {
        let plain = match name.split_once(':') {
            Some((owner, branch)) => call.fork_of(owner).and_then(|it| it.git.branches().get(branch).cloned()),
            None => git.commit_of(name),
        };
        plain.filter(|it| git.kind(it).is_some()).ok_or_else(Answer::not_found)
    };
    let (base, head) = (side(base)?, side(head)?);
    let accept = call.request.header("accept").unwrap_or_default();
    if accept.contains("diff") {
        let text = git.diff(&base, &head).into_bytes();
        return Ok(Answer::text("application/vnd.github.diff; charset=utf-8", with_newline(text)));
    }
    let parted = git.merge_base(&base, &head).ok_or_else(Answer::not_found)?;
    let (ahead, behind) = (git.between(&base, &head), git.between(&head, &base).len());
    let status = match (ahead.len(), behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let commit = |sha: &str| git.commit(sha).map(|it| call.render().commit(call.repo, &it)).unwrap_or_default();
    let url = format!("{}/repos/{}/compare/{base}...{head}", call.state.api(), call.repo().full_name());
    let page = format!("{}/{}/compare/{base}...{head}", call.state.url, call.repo().full_name());
    let files = git.differences(&base, &head);
    Ok(Answer::ok(json!({
        "url": url, "html_url": page, "permalink_url": page, "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"), "base_commit": commit(&base), "merge_base_commit": commit(&parted),
        "status": status, "ahead_by": ahead.len(), "behind_by": behind, "total_commits": ahead.len(),
        "commits": ahead.iter().map(|it| call.render().commit(call.repo, it)).collect::<Vec<_>>(),
        "files": files.iter().map(|it| call.render().difference(call.repo, &head, it)).collect::<Vec<_>>(),
    })))
}

pub(super) fn with_newline(mut text: Vec<u8>) -> Vec<u8> {
    if !text.is_empty() {
        text.push(b'\n');
    }
    text
}

fn check_runs(call: &mut Call<'_>) -> Outcome {
    let sha = resolved(call, call.value("ref"))?;
    let all: Vec<_> = call.repo().checks.iter().filter(|it| it.commit == sha).collect();
    let name = call.query("check_name");
    let newest = |run: &&crate::state::repository::CheckRun| {
        call.query("filter") == Some("all")
            || !all.iter().any(|it| it.name == run.name && (it.at, it.id) > (run.at, run.id))
    };
    let shown: Vec<_> =
        all.iter().copied().filter(newest).filter(|it| name.is_none_or(|name| it.name == name)).collect();
    let (slice, link) = call.slice(&shown);
    let runs: Vec<Value> = slice.iter().map(|it| call.render().check_run(call.repo, it)).collect();
    let answer = Answer::ok(json!({ "total_count": shown.len(), "check_runs": runs }));
    Ok(match link {
        Some(link) => answer.header("link", link),
        None => answer,
    })
}

/// Newest first.
fn of_commit<'a>(call: &'a Call<'_>, sha: &str) -> Vec<&'a Status> {
    call.repo().statuses.iter().rev().filter(|it| it.commit == sha).collect()
}

fn combined(call: &mut Call<'_>) -> Outcome {
    let sha = resolved(call, call.value("ref"))?;
    let mut newest: Vec<&Status> = Vec::new();
    for status in of_commit(call, &sha) {
        if !newest.iter().any(|it| it.context == status.context) {
            newest.push(status);
        }
    }
    let any = |state: &[&str]| newest.iter().any(|it| state.contains(&it.state.as_str()));
    let state = match () {
        () if any(&["failure", "error"]) => "failure",
        () if any(&["pending"]) || newest.is_empty() => "pending",
        () => "success",
    };
    let url = format!("{}/repos/{}/commits/{sha}", call.state.api(), call.repo().full_name());
    let (slice, link) = call.slice(&newest);
    let statuses: Vec<Value> = slice.iter().map(|it| call.render().status(call.repo, it)).collect();
    let answer = Answer::ok(json!({
        "state": state, "sha": sha, "total_count": newest.len(), "statuses": statuses, "commit_url": url,
        "url": format!("{url}/status"), "repository": call.render().repository(call.repo(), None),
    }));
    Ok(match link {
        Some(link) => answer.header("link", link),
        None => answer,
    })
}

fn statuses(call: &mut Call<'_>) -> Outcome {
    let sha = resolved(call, call.value("ref"))?;
    let all = of_commit(call, &sha);
    Ok(call.page(&all, |it| call.render().full_status(call.repo, it)))
}

fn create_status(call: &mut Call<'_>) -> Outcome {
    let commit = resolved(call, call.value("sha"))?;
    let (id, at, creator) = (call.state.id(), call.state.now(), call.login());
    let status = Status {
        id,
        commit,
        state: call.text("state").unwrap_or_default(),
        context: call.text("context").unwrap_or_else(|| "default".to_owned()),
        description: call.text("description"),
        target_url: call.text("target_url"),
        creator,
        at,
    };
    let repo = call.repo;
    call.state.repo_mut(repo).statuses.push(status.clone());
    Ok(Answer::created(call.render().full_status(repo, &status)))
}
