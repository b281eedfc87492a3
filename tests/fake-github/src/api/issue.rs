//! Issues, and their history. Pull requests are issues, too.

use super::{Call, Route, route};
use crate::auth::{Needs, read, write};
use crate::clock;
use crate::message::{Answer, Outcome};
use crate::render::labels;
use crate::state::State;
use crate::state::right::Right;
use crate::state::thread::Thread;
use serde_json::Value;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}/issues", THREADS, list),
    route("POST", "/repos/{owner}/{repo}/issues", write(&["issues"], Right::Read), create),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}", THREADS, get),
    route("PATCH", "/repos/{owner}/{repo}/issues/{issue_number}", EDIT, update),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/events", THREADS, events),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/timeline", THREADS, events),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/reactions", THREADS, reactions),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/reactions", EDIT, react),
];

pub(super) const THREADS: Needs = read(&["issues", "pull_requests"]);
/// What everybody may do who reads; a handler asks for more where GitHub does.
const EDIT: Needs = write(&["issues", "pull_requests"], Right::Read);

fn list(call: &mut Call<'_>) -> Outcome {
    let repo = call.repo();
    let since = call.query("since").and_then(clock::parse);
    let state = call.query("state").unwrap_or("open");
    let wanted: Vec<&str> = call.query("labels").unwrap_or_default().split(',').filter(|it| !it.is_empty()).collect();
    let fits = |it: &&Thread| {
        let names: Vec<&str> = labels(repo, it).iter().map(|it| it.name.as_str()).collect();
        (state == "all" || it.open == (state == "open"))
            && since.is_none_or(|since| it.updated_at.div_euclid(1000) >= since.div_euclid(1000))
            && wanted.iter().all(|label| names.iter().any(|it| it.eq_ignore_ascii_case(label)))
            && assigned(call, it)
            && in_milestone(call, it)
            && call.query("creator").is_none_or(|login| it.author.eq_ignore_ascii_case(login))
    };
    let mut all: Vec<&Thread> = repo.threads.values().filter(fits).collect();
    sort(&mut all, call.query("sort").unwrap_or("created"), call.query("direction").unwrap_or("desc"));
    Ok(call.page(&all, |it| call.render().issue(call.repo, it)))
}

fn assigned(call: &Call<'_>, thread: &Thread) -> bool {
    match call.query("assignee") {
        None => true,
        Some("*") => !thread.assignees.is_empty(),
        Some("none") => thread.assignees.is_empty(),
        Some(login) => thread.assignees.iter().any(|it| it.eq_ignore_ascii_case(login)),
    }
}

fn in_milestone(call: &Call<'_>, thread: &Thread) -> bool {
    match call.query("milestone") {
        None => true,
        Some("*") => thread.milestone.is_some(),
        Some("none") => thread.milestone.is_none(),
        Some(number) => thread.milestone.is_some_and(|it| it.to_string() == number),
    }
}

pub(super) fn sort(all: &mut [&Thread], by: &str, direction: &str) {
    all.sort_by_key(|it| match by {
        "updated" => (it.updated_at, it.number),
        _ => (it.created_at, it.number),
    });
    if direction == "desc" {
        all.reverse();
    }
}

fn get(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::ok(call.render().issue(call.repo, call.thread("issue_number")?)))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let (author, repo) = (call.login(), call.repo);
    let title = call.body["title"].to_string();
    let title = call.text("title").unwrap_or(title);
    if title.trim().is_empty() {
        return Err(Answer::invalid("Issue", "title", "missing_field", ""));
    }
    let number = call.state.open(repo, &author, &title, call.text("body").as_deref(), None);
    // Labels and people of those who may not set them are left out without a word.
    if call.right() >= Right::Triage {
        for name in call.texts("labels").unwrap_or_default() {
            call.state.add_thread_label(repo, number, &author, &name);
        }
        for login in call.texts("assignees").unwrap_or_default() {
            if super::people::assignable(call, &login) {
                call.state.assign(repo, number, &author, &login);
            }
        }
    }
    Ok(Answer::created(call.render().issue(repo, &call.repo().threads[&number])))
}

fn update(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let (actor, repo) = (call.login(), call.repo);
    let own = call.thread("issue_number")?.author == actor;
    super::account::at_least(call, if own { Right::Read } else { Right::Triage })?;
    if let Some(title) = call.text("title") {
        call.state.set_title(repo, number, &actor, &title);
    }
    if !call.body["body"].is_null() {
        call.state.set_body(repo, number, &actor, call.text("body").as_deref());
    }
    match call.text("state").as_deref() {
        Some("closed") => call.state.close(repo, number, &actor, call.text("state_reason").as_deref(), None),
        Some("open") => call.state.reopen(repo, number, &actor),
        _ => (),
    }
    if let Some(names) = call.texts("labels") {
        set_labels(call.state, repo, number, &actor, &names);
    }
    if let Some(logins) = call.texts("assignees") {
        for login in call.thread("issue_number")?.assignees.clone() {
            if !logins.contains(&login) {
                call.state.unassign(repo, number, &actor, &login);
            }
        }
        for login in logins {
            if super::people::assignable(call, &login) {
                call.state.assign(repo, number, &actor, &login);
            }
        }
    }
    match &call.body["milestone"] {
        Value::Number(milestone) => {
            let milestone = milestone.as_u64().and_then(|it| u32::try_from(it).ok());
            call.state.thread_mut(repo, number).milestone = milestone;
        }
        Value::Null if call.body.get("milestone").is_some() => call.state.thread_mut(repo, number).milestone = None,
        _ => (),
    }
    Ok(Answer::ok(call.render().issue(repo, call.thread("issue_number")?)))
}

/// Exactly these labels.
pub(super) fn set_labels(state: &mut State, repo: u64, number: u32, actor: &str, names: &[String]) {
    let before = labels(state.repo(repo), &state.repo(repo).threads[&number]);
    let before: Vec<String> = before.into_iter().map(|it| it.name.clone()).collect();
    for name in before.iter().filter(|it| !names.iter().any(|name| name.eq_ignore_ascii_case(it))) {
        state.remove_thread_label(repo, number, actor, name);
    }
    for name in names {
        state.add_thread_label(repo, number, actor, name);
    }
}

fn events(call: &mut Call<'_>) -> Outcome {
    let thread = call.thread("issue_number")?;
    Ok(call.page(&thread.events, |it| call.render().event(call.repo, it)))
}

fn reactions(call: &mut Call<'_>) -> Outcome {
    let thread = call.thread("issue_number")?;
    Ok(call.page(&thread.reactions, |it| call.render().reaction(it)))
}

fn react(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let (id, at, by) = (call.state.id(), call.state.now(), call.login());
    let content = call.text("content").unwrap_or_default();
    let all = &mut call.state.thread_mut(call.repo, number).reactions;
    let (reaction, new) = State::react(all, id, &by, &content, at);
    Ok(Answer::new(if new { 201 } else { 200 }, call.render().reaction(&reaction)))
}
