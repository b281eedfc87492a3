//! Looks at the end from outside: into the forge, not into what agentd or the agent say of themselves.

use super::Executor;
use super::scene::{self, GATE, Scene};
use super::story::Story;
use crate::say::Say;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(super) struct Verdict {
    task: String,
    subject: String,
    change: String,
    branch: String,
    base: String,
    commit: String,
}

/// Refuses an end that is not the promised one, with what is wrong.
pub(super) fn look(scene: &Scene, task: &str, nonce: &str, story: &Story) -> Result<Verdict> {
    let forge = scene.forge();
    let branches = scene::git(&forge, &["for-each-ref", "--format=%(refname:short)", "refs/heads/agentd/"])?;
    let branches: Vec<&str> = branches.lines().collect();
    ensure!(branches.len() == 1, "the forge should have one branch of agentd's and has {branches:?}");
    let branch = branches[0].to_owned();
    let base = scene::git(&forge, &["rev-parse", "refs/heads/main"])?;
    let commit = scene::git(&forge, &["rev-parse", &format!("refs/heads/{branch}")])?;
    scene::git(&forge, &["merge-base", "--is-ancestor", &base, &commit])
        .context("the change should start at its base")?;
    ensure!(!gate(scene, &base)?, "the gate {GATE} passes at the base {base} already");
    ensure!(gate(scene, &commit)?, "the gate {GATE} fails at the change's commit {commit}");

    // One execution of one agent, even when the daemon died beside it.
    let said = story.count("agent.message", nonce);
    ensure!(said == 1, "the agent should have said the nonce once and said it {said} times");
    let log = scene.agentd(&["events", "--after", "0", "--task", task, "--json"])?;
    ensure!(log.contains(nonce), "the nonce {nonce} is not in the task's event log");

    let shown = scene.json(&["task", "show", task])?;
    let state = &shown["state"];
    ensure!(state == "in-review", "the task should be in review and is {state}");
    let ranked = shown["score_reason"].as_str().is_some_and(|it| !it.is_empty());
    ensure!(ranked, "the task was started without a word of the prioritizer's");
    let (number, commit_said) = (&shown["change"]["number"], &shown["change"]["commit"]);
    ensure!(commit_said == &json!(commit), "the forge has {commit} at {branch} and agentd says {commit_said}");
    // The local forge keeps its changes as objects in the repository itself.
    let change = format!("refs/agentd/changes/{number}");
    scene::git(&forge, &["cat-file", "-e", &change]).context("the change should be in the forge")?;
    Ok(Verdict { task: task.to_owned(), subject: subject(&shown), change, branch, base, commit })
}

/// What the task is about: its URL where it has one, else its place in its source.
fn subject(shown: &Value) -> String {
    let text = |name: &str| shown[name].as_str();
    let place = || format!("{}:{}", text("source").unwrap_or_default(), text("key").unwrap_or_default());
    text("subject").or_else(|| text("url")).map_or_else(place, str::to_owned)
}

impl Verdict {
    pub(super) fn tell(&self, say: Say, scene: &Scene) {
        let short = |commit: &str| commit.get(..12).unwrap_or(commit).to_owned();
        say.line(format_args!("  {} has {} at {}", scene.forge().display(), self.branch, short(&self.commit)));
        say.line(format_args!(
            "  its gate {GATE} fails at {} and passes at {}",
            short(&self.base),
            short(&self.commit)
        ));
    }

    pub(super) fn json(&self, scene: &Scene, executor: Executor, nonce: &str, elapsed: Duration) -> Value {
        json!({
            "task": self.task,
            "subject": self.subject,
            "state": "in-review",
            "repo": scene.forge(),
            "base": self.base,
            "branch": self.branch,
            "commit": self.commit,
            "change": self.change,
            "gate": GATE,
            "executor": executor.as_str(),
            "nonce": nonce,
            "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Whether the gate passes in a fresh checkout of this commit.
fn gate(scene: &Scene, commit: &str) -> Result<bool> {
    let tree = scene.folder().join(format!("look-{commit}"));
    let forge = scene.forge();
    let (forge, folder) = (text(&forge)?, text(&tree)?);
    scene::git(scene.folder(), &["clone", "-q", "--no-checkout", forge, folder])?;
    scene::git(&tree, &["checkout", "-q", "--detach", commit])?;
    let mut shell = Command::new("sh");
    shell.current_dir(&tree).args(["-c", GATE]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let passes = shell.status().context("running the gate")?.success();
    std::fs::remove_dir_all(&tree).with_context(|| format!("removing {}", tree.display()))?;
    Ok(passes)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_an_address_is_named_by_its_place() {
        let check = |shown: Value, expected: &str| assert_eq!(subject(&shown), expected);
        let place = json!({ "source": "tasks", "key": "a.md", "url": null, "subject": null });
        check(place.clone(), "tasks:a.md");
        let with = |name: &str| {
            let mut shown = place.clone();
            shown[name] = json!("https://example.com/1");
            shown
        };
        check(with("url"), "https://example.com/1");
        check(with("subject"), "https://example.com/1");
    }
}
