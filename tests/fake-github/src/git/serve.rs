//! Who may fetch and push, and what a push does beyond its refs.

use super::http::{self, RefChange};
use crate::auth::{self, Actor};
use crate::journal::Write;
use crate::message::{Answer, Request, decoded};
use crate::server::Shared;
use crate::state::State;
use crate::state::right::Right;
use std::collections::BTreeSet;

/// Answers everything below `/OWNER/NAME.git`, and with or without that ending.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Answer {
    let mut parts = request.path.trim_start_matches('/').splitn(3, '/').map(decoded);
    let (Some(owner), Some(name), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Answer::not_found();
    };
    let full_name = format!("{owner}/{}", name.strip_suffix(".git").unwrap_or(&name));
    let push = rest == "git-receive-pack" || request.query.contains("service=git-receive-pack");
    let checked = {
        let state = shared.state();
        check(&state, request, &full_name, &rest, push)
    };
    let (actor, repo, git) = match checked {
        Ok(checked) => checked,
        Err(answer) => return answer,
    };
    if rest != "git-receive-pack" {
        return http::answer(&git, &rest, request, Some(actor.login()));
    }
    let (changes, sideband) = http::changes(&request.body);
    let refused: Vec<(String, String)> = {
        let state = shared.state();
        let refused = |it: &RefChange| state.repo(repo).refuses(&it.name).map(|reason| (it.name.clone(), reason));
        changes.iter().filter_map(refused).collect()
    };
    let answer = if refused.is_empty() {
        let answer = http::answer(&git, &rest, request, Some(actor.login()));
        pushed(&mut shared.state(), repo, &changes, actor.login());
        answer
    } else {
        http::refused(&refused, sideband)
    };
    let names: Vec<&str> = changes.iter().map(|it| it.name.as_str()).collect();
    // A push that changes nothing asks without any ref.
    if !names.is_empty() {
        shared.journal.wrote(Write {
            method: "PUSH".to_owned(),
            route: "git".to_owned(),
            path: names.join(" "),
            actor: actor.login().to_owned(),
            status: if refused.is_empty() { answer.status } else { 422 },
        });
    }
    answer
}

type Checked = (Actor, u64, super::Git);

fn check(state: &State, request: &Request, full_name: &str, rest: &str, push: bool) -> Result<Checked, Answer> {
    let challenge = |answer: Answer| answer.header("www-authenticate", "Basic realm=\"GitHub\"");
    let actor = auth::who(state, request.header("authorization")).map_err(challenge)?;
    if let Some(&moved) = state.renamed.get(&full_name.to_lowercase()) {
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let target = format!("{}/{}.git/{rest}{query}", state.url, state.repo(moved).full_name());
        return Err(Answer::error(301, "Moved Permanently").header("location", target));
    }
    let repo = state.named(full_name).ok_or_else(Answer::not_found)?;
    let needs = if push { auth::write(&["contents"], Right::Write) } else { auth::read(&["contents"]) };
    actor.may(repo, &needs)?;
    Ok((actor, repo.id, repo.git.clone()))
}

/// What GitHub does with new commits: pull requests move on or end, those whose commits are now on their base branch
/// are merged, and keywords in commits on the default branch close issues.
fn pushed(state: &mut State, repo: u64, changes: &[RefChange], actor: &str) {
    state.refs_changed(repo, actor);
    let tips = state.repo(repo).git.branches();
    let changed: BTreeSet<&str> = changes.iter().filter_map(|it| it.name.strip_prefix("refs/heads/")).collect();
    let git = state.repo(repo).git.clone();
    let open = |it: &&crate::state::thread::Thread| it.open && it.pull.is_some();
    let numbers: Vec<u32> = state.repo(repo).threads.values().filter(open).map(|it| it.number).collect();
    for number in numbers {
        let Some(pull) = state.repo(repo).threads[&number].pull.clone() else { continue };
        let Some(tip) = tips.get(&pull.base_branch).filter(|_| changed.contains(pull.base_branch.as_str())) else {
            continue;
        };
        if git.is_ancestor(&pull.head, tip) {
            state.merged(repo, number, actor, tip);
        }
    }
    let default = state.repo(repo).default_branch.clone();
    let of_default = changes.iter().find(|it| it.name == format!("refs/heads/{default}"));
    if let (Some(change), Some(tip)) = (of_default, tips.get(&default))
        && change.new == *tip
        && !change.old.starts_with("0000000")
    {
        let words = git.messages(&change.old, tip);
        state.close_named(repo, &words, actor, tip);
    }
}
