//! Reviews of pull requests, and who is asked for one.

use super::{Call, Route, route};
use crate::auth::{Needs, read, write};
use crate::message::{Answer, Outcome};
use crate::state::pull::Review;
use crate::state::right::Right;
use crate::state::thread::What;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", PULLS, requested),
    route("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", ASK, request),
    route("DELETE", "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", ASK, withdraw),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", PULLS, list),
    route("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", SPEAK, create),
];

const PULLS: Needs = read(&["pull_requests"]);
const ASK: Needs = write(&["pull_requests"], Right::Write);
const SPEAK: Needs = write(&["pull_requests"], Right::Read);

fn requested(call: &mut Call<'_>) -> Outcome {
    call.pull_number("pull_number")?;
    let pull = call.render().pull(call.repo, call.thread("pull_number")?);
    let value = serde_json::json!({ "users": pull["requested_reviewers"], "teams": pull["requested_teams"] });
    Ok(Answer::ok(value))
}

fn request(call: &mut Call<'_>) -> Outcome {
    let number = call.pull_number("pull_number")?;
    let author = call.thread("pull_number")?.author.clone();
    let logins = call.texts("reviewers").unwrap_or_default();
    if logins.iter().any(|it| it.eq_ignore_ascii_case(&author)) {
        return Err(Answer::error(422, "Review cannot be requested from pull request author."));
    }
    let stranger = |it: &&String| call.state.person(it).is_none() || !super::people::assignable(call, it);
    if logins.iter().any(|it| stranger(&it)) {
        let message = "Reviews may only be requested from collaborators. One or more of the users or teams you specified \
                       is not a collaborator of the repository.";
        return Err(Answer::error(422, message));
    }
    let actor = call.login();
    for login in logins {
        call.state.ask_for_review(call.repo, number, &actor, &login);
    }
    for team in call.texts("team_reviewers").unwrap_or_default() {
        if let Some(pull) = &mut call.state.thread_mut(call.repo, number).pull
            && !pull.requested_teams.contains(&team)
        {
            pull.requested_teams.push(team);
        }
    }
    Ok(Answer::created(call.render().pull(call.repo, call.thread("pull_number")?)))
}

fn withdraw(call: &mut Call<'_>) -> Outcome {
    let number = call.pull_number("pull_number")?;
    let actor = call.login();
    for login in call.texts("reviewers").unwrap_or_default() {
        let Some(pull) = &mut call.state.thread_mut(call.repo, number).pull else { continue };
        pull.requested.retain(|it| !it.eq_ignore_ascii_case(&login));
        call.state.note(call.repo, number, &actor, What::ReviewRequestRemoved(login));
    }
    Ok(Answer::ok(call.render().pull(call.repo, call.thread("pull_number")?)))
}

fn list(call: &mut Call<'_>) -> Outcome {
    let number = call.pull_number("pull_number")?;
    let pull = call.thread("pull_number")?.pull.as_ref().ok_or_else(Answer::not_found)?;
    Ok(call.page(&pull.reviews, |it| call.render().review(call.repo, number, it)))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let number = call.pull_number("pull_number")?;
    let event = call.text("event").unwrap_or_else(|| "COMMENT".to_owned());
    let author = call.login();
    if event != "COMMENT" && call.thread("pull_number")?.author == author {
        return Err(Answer::error(422, "Can not approve your own pull request"));
    }
    let body = call.text("body").unwrap_or_default();
    let review: Review = call.state.add_review(call.repo, number, &author, &event, &body);
    Ok(Answer::ok(call.render().review(call.repo, number, &review)))
}
