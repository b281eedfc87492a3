//! The agent's commits once more, by agentd's author: who wrote a commit is not for the agent to say.
//!
//! Works with plumbing on the host's repository alone. Trees stay, and messages but for what a forge would obey in them; times become one time, so that doing it
//! again after a crash gives the same commits.

use super::Author;
use agentd_forge::{
    git::{Error, Git},
    markdown,
};
use agentd_task::{Failure, Reason};
use std::collections::HashMap;

/// More commits than that are refused.
const COMMITS_MAX: usize = 1_000;
const MESSAGE_MAX: usize = 64 << 10;

pub(super) async fn rewrite(git: &Git, start: &str, tip: &str, author: &Author) -> Result<(String, usize), Failure> {
    let failed = |e: Error| super::failed(&e, Reason::Collect);
    let range = format!("{start}..{tip}");
    let list = git.ok(&["rev-list", "--reverse", "--topo-order", "--parents", &range]).await.map_err(failed)?;
    let commits: Vec<&str> = list.lines().collect();
    if commits.len() > COMMITS_MAX {
        let text = format!("the agent made {} commits; at most {COMMITS_MAX} are taken", commits.len());
        return Err(Failure::new(Reason::Collect, text));
    }
    // The time of the commit that it starts from: the same whenever this is done.
    let date = git.ok(&["log", "-1", "--format=%ct +0000", start]).await.map_err(failed)?;
    let mut new: HashMap<String, String> = HashMap::new();
    let mut last = start.to_owned();
    for line in &commits {
        let mut ids = line.split(' ').map(str::to_owned);
        let Some(old) = ids.next() else { continue };
        let parents: Vec<String> = ids.map(|it| new.get(&it).cloned().unwrap_or(it)).collect();
        let tree = git.ok(&["rev-parse", &format!("{old}^{{tree}}")]).await.map_err(failed)?;
        let message = git.run(&["log", "-1", "--format=%B", &old]).await.map_err(failed)?.stdout;
        let message = String::from_utf8_lossy(&message);
        let message = crate::contract::cut(message.trim(), MESSAGE_MAX);
        // On a forge a message calls people and closes issues, which is not for an agent to do.
        let message = markdown::tame_commit(message);
        let message = if message.trim().is_empty() { "Change" } else { &message };
        last = commit(git, &tree, &parents, message, author, &date).await.map_err(failed)?;
        new.insert(old, last.clone());
    }
    Ok((last, commits.len()))
}

/// Makes a commit; `date` is git's raw form: seconds and time zone.
pub(super) async fn commit(
    git: &Git,
    tree: &str,
    parents: &[String],
    message: &str,
    author: &Author,
    date: &str,
) -> Result<String, Error> {
    let git = git.with(|options| {
        for who in ["AUTHOR", "COMMITTER"] {
            options.env.push((format!("GIT_{who}_NAME"), author.name.clone()));
            options.env.push((format!("GIT_{who}_EMAIL"), author.email.clone()));
            options.env.push((format!("GIT_{who}_DATE"), format!("@{date}")));
        }
    });
    let mut args = vec!["commit-tree", tree];
    for parent in parents {
        args.extend(["-p", parent]);
    }
    git.ok_with(&args, message.as_bytes()).await
}
