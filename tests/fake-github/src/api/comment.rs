//! Comments: of threads, and of lines in pull requests.

use super::issue::THREADS;
use super::{Call, Route, route};
use crate::auth::{Needs, read, write};
use crate::clock;
use crate::message::{Answer, Outcome};
use crate::state::State;
use crate::state::right::Right;
use crate::state::thread::Comment;
use serde_json::Value;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/comments", THREADS, of_thread),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments", SPEAK, create),
    route("GET", "/repos/{owner}/{repo}/issues/comments", THREADS, of_repository),
    route("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}", THREADS, get),
    route("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}", SPEAK, update),
    route("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}", SPEAK, delete),
    route("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", THREADS, reactions),
    route("POST", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", SPEAK, react),
    route("GET", "/repos/{owner}/{repo}/pulls/comments", PULLS, on_lines),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/comments", PULLS, on_lines_of),
    route("GET", "/repos/{owner}/{repo}/pulls/comments/{comment_id}", PULLS, get_on_lines),
    route("POST", "/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions", SPEAK, react_on_lines),
    route("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies", SPEAK, reply),
];

const SPEAK: Needs = write(&["issues", "pull_requests"], Right::Read);
const PULLS: Needs = read(&["pull_requests"]);
/// GitHub takes no more in one comment.
const LONGEST: usize = 65_536;

fn listed<'a>(call: &'a Call<'_>, number: Option<u32>, on_lines: bool) -> Vec<&'a Comment> {
    let since = call.query("since").and_then(clock::parse);
    let fits = |it: &&Comment| {
        number.is_none_or(|number| it.number == number)
            && it.place.is_some() == on_lines
            && since.is_none_or(|since| it.updated_at.div_euclid(1000) >= since.div_euclid(1000))
    };
    let mut all: Vec<&Comment> = call.repo().comments.values().filter(fits).collect();
    match call.query("sort") {
        Some("updated") => all.sort_by_key(|it| (it.updated_at, it.id)),
        _ => all.sort_by_key(|it| (it.created_at, it.id)),
    }
    // Without `sort`, GitHub leaves `direction` aside.
    if call.query("sort").is_some() && call.query("direction").unwrap_or("desc") == "desc" {
        all.reverse();
    }
    all
}

fn of_thread(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let all = listed(call, Some(number), false);
    Ok(call.page(&all, |it| call.render().comment(call.repo, it)))
}

fn of_repository(call: &mut Call<'_>) -> Outcome {
    let all = listed(call, None, false);
    Ok(call.page(&all, |it| call.render().comment(call.repo, it)))
}

fn on_lines(call: &mut Call<'_>) -> Outcome {
    let all = listed(call, None, true);
    Ok(call.page(&all, |it| call.render().review_comment(call.repo, it)))
}

fn on_lines_of(call: &mut Call<'_>) -> Outcome {
    let number = call.pull_number("pull_number")?;
    let all = listed(call, Some(number), true);
    Ok(call.page(&all, |it| call.render().review_comment(call.repo, it)))
}

fn body(call: &Call<'_>) -> Result<String, Answer> {
    let text = call.text("body").unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Answer::invalid("IssueComment", "body", "custom", "body cannot be blank"));
    }
    if text.chars().count() > LONGEST {
        let message = "Body is too long (maximum is 65536 characters)";
        return Err(Answer::invalid("IssueComment", "body", "custom", message));
    }
    Ok(text)
}

fn create(call: &mut Call<'_>) -> Outcome {
    let number = call.thread_number("issue_number")?;
    let (author, text) = (call.login(), body(call)?);
    if call.thread("issue_number")?.locked && call.right() < Right::Write {
        return Err(Answer::error(403, "Unable to create comment because issue is locked."));
    }
    let id = call.state.add_comment(call.repo, number, &author, &text, None);
    Ok(Answer::created(call.render().comment(call.repo, &call.repo().comments[&id])))
}

fn found<'a>(call: &'a Call<'_>, on_lines: bool) -> Result<&'a Comment, Answer> {
    let comment = call.repo().comments.get(&call.number("comment_id"));
    comment.filter(|it| it.place.is_some() == on_lines).ok_or_else(Answer::not_found)
}

/// An author changes what is theirs; everything, only who may write.
fn own(call: &Call<'_>) -> Result<u64, Answer> {
    let comment = found(call, false)?;
    if comment.author != call.login() {
        super::account::at_least(call, Right::Write)?;
    }
    Ok(comment.id)
}

fn get(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::ok(call.render().comment(call.repo, found(call, false)?)))
}

fn get_on_lines(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::ok(call.render().review_comment(call.repo, found(call, true)?)))
}

fn update(call: &mut Call<'_>) -> Outcome {
    let (id, text, now, repo) = (own(call)?, body(call)?, call.state.now(), call.repo);
    if let Some(comment) = call.state.repo_mut(repo).comments.get_mut(&id) {
        (comment.body, comment.updated_at) = (text, now);
    }
    Ok(Answer::ok(call.render().comment(repo, found(call, false)?)))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let (id, repo) = (own(call)?, call.repo);
    call.state.repo_mut(repo).comments.remove(&id);
    Ok(Answer::nothing())
}

fn reactions(call: &mut Call<'_>) -> Outcome {
    let comment = found(call, false)?;
    Ok(call.page(&comment.reactions, |it| call.render().reaction(it)))
}

fn react(call: &mut Call<'_>) -> Outcome {
    let id = found(call, false)?.id;
    reacted(call, id)
}

fn react_on_lines(call: &mut Call<'_>) -> Outcome {
    let id = found(call, true)?.id;
    reacted(call, id)
}

fn reacted(call: &mut Call<'_>, id: u64) -> Outcome {
    let (new_id, at, by, repo) = (call.state.id(), call.state.now(), call.login(), call.repo);
    let content = call.text("content").unwrap_or_default();
    let comment = call.state.repo_mut(repo).comments.get_mut(&id).ok_or_else(Answer::not_found)?;
    let (reaction, new) = State::react(&mut comment.reactions, new_id, &by, &content, at);
    let value: Value = call.render().reaction(&reaction);
    Ok(Answer::new(if new { 201 } else { 200 }, value))
}

fn reply(call: &mut Call<'_>) -> Outcome {
    let number = call.pull_number("pull_number")?;
    let to = found(call, true)?;
    let mut place = to.place.clone();
    if let Some(place) = &mut place {
        place.reply_to = Some(to.id);
    }
    let (author, text) = (call.login(), body(call)?);
    let id = call.state.add_comment(call.repo, number, &author, &text, place);
    Ok(Answer::created(call.render().review_comment(call.repo, &call.repo().comments[&id])))
}
