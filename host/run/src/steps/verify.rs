//! Verify: agentd looks for itself. The agent's word counts for nothing.
//!
//! First the change as data, in the quarantine: kinds of files, paths, size, secrets. Then the gates, each in a fresh
//! sandbox, on a fresh checkout of the very commit that would be pushed.

use super::{
    Outline, Run, Stop,
    collect::Collected,
    network::Phase,
    prepare::Prepared,
    sandbox::{self, Short},
};
use crate::{
    contract,
    git::{Checkout, FileChange, Mirror, Quarantine},
    options::Push,
    workflows,
};
use agentd_egress::secret;
use agentd_task::{Millis, Reason, Severity};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    borrow::Cow,
    path::{Component, Path},
};
use tokio::time::Instant;

const FILES_MAX: usize = 3_000;
const FILE_MAX: u64 = 10 << 20;
const SYMLINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

/// What agentd saw itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verified {
    pub(crate) gates: Vec<Gate>,
    /// Why a person has to see it before it is pushed.
    pub(crate) ask: Option<String>,
    /// The change's commits, oldest first: id and subject.
    #[serde(default)]
    pub(crate) commits: Vec<(String, String)>,
    /// What the task's runs have cost up to here.
    #[serde(default)]
    pub(crate) spent_microusd: u64,
}

/// A gate that passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Gate {
    pub(crate) command: String,
    pub(crate) took_ms: u64,
}

impl Outline for Verified {
    fn outline(&self) -> (String, serde_json::Value) {
        let text = match self.gates.len() {
            0 => "The change is sound; no gates are configured".into(),
            n => format!("The change is sound, {n} gates passed"),
        };
        (text, json!({ "gates": self.gates, "ask": self.ask }))
    }
}

pub(super) async fn verify(run: &Run, prepared: &Prepared, collected: &Collected) -> Result<Verified, Stop> {
    let quarantine = Quarantine::open(run.layout.quarantine());
    let changes = quarantine.changes(&collected.fork, &collected.commit).await?;
    let lines = collected.stat.added + collected.stat.removed;
    if lines > run.repository.max_lines || changes.len() > FILES_MAX {
        let text = format!(
            "the change has {} files and {lines} lines; at most {FILES_MAX} and {} are taken (`max_diff`)",
            changes.len(),
            run.repository.max_lines
        );
        return Err(Stop::failed(Reason::Refused, text));
    }
    look_at_files(&quarantine, &changes).await?;
    look_for_secrets(run, &quarantine, collected).await?;
    let mut gates = vec![];
    for (number, command) in run.repository.gates.iter().enumerate() {
        gates.push(gate(run, &quarantine, &collected.commit, number, command).await?);
    }
    run.close_network(Phase::Verify).await?;
    let commits = quarantine.commits(&collected.fork, &collected.commit).await?;
    let spent = run.rt.store.reader().spent(run.key.task, run.key.run, Millis::MAX).await?;
    let ask = ask(run, prepared, collected, &changes).await?;
    Ok(Verified { gates, ask, commits, spent_microusd: spent.task })
}

/// Refuses what a reviewer would not see for what it is.
async fn look_at_files(quarantine: &Quarantine, changes: &[FileChange]) -> Result<(), Stop> {
    let refuse = |text: String| Err(Stop::failed(Reason::Refused, text));
    let there: Vec<&FileChange> = changes.iter().filter(|it| it.mode != 0).collect();
    for change in &there {
        if change.path == ".gitmodules" {
            return refuse(".gitmodules names submodules, which agentd does not do yet".into());
        }
        match change.mode {
            SUBMODULE => return refuse(format!("{} is a repository in the repository", change.path)),
            SYMLINK => {
                let target = quarantine.blob(&change.blob).await?;
                let target = String::from_utf8_lossy(&target).into_owned();
                if leaves(&change.path, &target) {
                    return refuse(format!("{} links to {target}, outside of the repository", change.path));
                }
            }
            _ => {}
        }
    }
    let files: Vec<&str> = there.iter().filter(|it| it.mode != SUBMODULE).map(|it| it.blob.as_str()).collect();
    let sizes = quarantine.sizes(&files).await?;
    match there.iter().zip(sizes).find(|(_, size)| *size > FILE_MAX) {
        Some((change, size)) => {
            refuse(format!("{} has {} MiB; at most {} are taken", change.path, size >> 20, FILE_MAX >> 20))
        }
        None => Ok(()),
    }
}

/// Whether a link at `path` to `target` points out of the tree, or might: `..` behind a name goes wherever that name, if
/// it is a link itself, leads.
fn leaves(path: &str, target: &str) -> bool {
    let mut depth = Path::new(path).components().count().saturating_sub(1);
    let mut named = false;
    for part in Path::new(target).components() {
        match part {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 && !named => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

/// Looks through all that a push would show for secrets. The text says where and never what.
async fn look_for_secrets(run: &Run, quarantine: &Quarantine, collected: &Collected) -> Result<(), Stop> {
    let history = quarantine.history(&collected.fork, &collected.commit).await?;
    let secrets = run.rt.secrets.clone();
    let found = sandbox::blocking(move || {
        let mirror = find_added(&history, mirror_address().as_bytes());
        (find_secret(&history, &secrets), mirror)
    });
    match found.await? {
        (Some((what, place)), _) => {
            let text = format!("the change shows what looks like {what} in {place}; it was not pushed");
            Err(Stop::failed(Reason::Refused, text))
        }
        (None, Some(place)) => {
            let text = format!(
                "{place} names {}, a mirror that only the sandbox has: its tool wrote the address that it fetched from; \
                 say in the task that such files stay as they are, or keep its dependencies for a person",
                mirror_address()
            );
            Err(Stop::failed(Reason::Refused, text))
        }
        (None, None) => Ok(()),
    }
}

/// The address of a mirror that only a sandbox has: some tools write it into their lock files, where it is of no use to
/// anybody else.
fn mirror_address() -> String {
    format!("http://127.0.0.1:{}/", agentd_gateway::PORT)
}

/// What kind of secret was found, and where.
fn find_secret(history: &[u8], live: &secret::SecretScan) -> Option<(String, String)> {
    shown(history).find_map(|(place, line)| {
        let kind = match live.find(line) {
            Some(_) => Some("a secret of this configuration"),
            None => secret::find_pattern(line).map(|(name, _)| name),
        };
        kind.map(|it| (it.to_owned(), place.into_owned()))
    })
}

/// The file to which a line with `words` was added.
fn find_added(history: &[u8], words: &[u8]) -> Option<String> {
    let added = |line: &[u8]| line.starts_with(b"+") && line.windows(words.len()).any(|it| it == words);
    shown(history).find(|(_, line)| added(line)).map(|(place, _)| place.into_owned())
}

/// Every line that a push would show, with the file that it stands in: headers and messages too. Only lines that take
/// something away are not among them, for what they show is in the repository already, or was looked at where it was
/// added.
fn shown(history: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
    let (mut place, mut in_header) = (Cow::Borrowed("a commit message"), false);
    history.split(|it| *it == b'\n').filter_map(move |line| {
        if line.starts_with(b"diff --git ") {
            in_header = true;
        } else if line.starts_with(b"@@ ") {
            in_header = false;
        } else if in_header && let Some(name) = line.strip_prefix(b"+++ b/") {
            place = String::from_utf8_lossy(name);
        } else if line.starts_with(b"-") {
            return None;
        }
        Some((place.clone(), line))
    })
}

/// Runs one gate on a fresh checkout.
async fn gate(run: &Run, quarantine: &Quarantine, commit: &str, number: usize, command: &str) -> Result<Gate, Stop> {
    let (proof, home) = (run.layout.proof(), run.layout.proof_home());
    sandbox::empty_dir(&proof).await?;
    sandbox::empty_dir(&home).await?;
    let mirror = Mirror::new(run.rt.layout.mirror(&run.repository.id));
    let checkout = Checkout {
        dir: proof.clone(),
        commit: commit.into(),
        branch: None,
        objects_inside: sandbox::mirror_objects(run, &mirror),
    };
    quarantine.checkout(&checkout).await?;
    sandbox::give_to_agent(run, &[proof.clone(), home.clone()]).await?;
    sandbox::setup(run, Phase::Verify, &proof, &home, &format!("gate-{number}-setup")).await?;
    run.say("gate.started", Severity::Info, format!("Gate `{command}`"), json!({ "command": command })).await;
    let began = Instant::now();
    let short = Short {
        name: format!("gate-{number}"),
        argv: sandbox::shell(command),
        workspace: proof,
        home,
        network: Some(Phase::Verify),
        handout: None,
        timeout: run.rt.timeouts.gate,
    };
    let said = sandbox::run_short(run, short).await?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let passed = said.exit.code == Some(0);
    let word = if passed { "passed" } else { "failed" };
    let details = json!({ "command": command, "passed": passed, "exit_code": said.exit.code, "took_ms": took_ms,
        "output": said.tail });
    let severity = if passed { Severity::Info } else { Severity::Warning };
    run.say(&format!("gate.{word}"), severity, format!("Gate `{command}` {word}"), details).await;
    if passed {
        return Ok(Gate { command: command.into(), took_ms });
    }
    let text = format!(
        "the gate `{command}` ended with {}: {}",
        if said.exit.oom { "no memory left".into() } else { sandbox::ended_with(said.exit.code) },
        contract::tail(&said.tail, 1_000).trim()
    );
    Err(Stop::failed(Reason::Gate, text))
}

/// Why a person has to see the change before it is pushed.
async fn ask(
    run: &Run,
    prepared: &Prepared,
    collected: &Collected,
    changes: &[FileChange],
) -> Result<Option<String>, Stop> {
    if let Some(why) = ask_for_paths(run, changes) {
        return Ok(Some(why));
    }
    Ok(match run.repository.push {
        Push::Branch => None,
        Push::Ask => Some("A person has to see it before it is pushed (`push = \"ask\"`)".into()),
        Push::AsWorkflowsSay => ask_for_workflows(run, prepared, collected).await?,
    })
}

/// A pushed branch runs in CI, with what CI has: by the workflows that it has of the commit where it left the base, by
/// those of the base as it is now, and, where one runs after another, by those of the default branch.
async fn ask_for_workflows(run: &Run, prepared: &Prepared, collected: &Collected) -> Result<Option<String>, Stop> {
    let forge = &run.repository.forge;
    let mirror = Mirror::new(run.rt.layout.mirror(&run.repository.id));
    let default = match forge.default_branch().await.map_err(|e| e.to_string()) {
        Ok(branch) => mirror.branch(&branch).await.map_err(|e| e.to_string()),
        Err(why) => Err(why),
    };
    let default = match default {
        Ok(commit) => commit,
        Err(why) => {
            return Ok(Some(format!(
                "A pushed branch may run in CI, and what that has is not known. A person has to see it before: {why}"
            )));
        }
    };
    // What cannot be found out counts as the worst.
    let writes = forge.workflow_token_writes().await.unwrap_or_default();
    let commits = [&prepared.base_commit, &collected.fork, &default];
    let risks = workflows::risks_at(&mirror.git(), &commits, writes).await;
    let risks = risks.map_err(|e| Stop::failed(Reason::Repository, e.to_string()))?;
    let Some(first) = risks.first() else { return Ok(None) };
    let more = match risks.len() {
        1 => String::new(),
        n => format!(", and {} more (`agentd doctor` names them)", n - 1),
    };
    Ok(Some(format!(
        "A pushed branch would run in CI: {first}{more}. A person has to see it before, unless the repository says \
         `push = \"branch\"`"
    )))
}

fn ask_for_paths(run: &Run, changes: &[FileChange]) -> Option<String> {
    if let Some(change) = changes.iter().find(|it| run.repository.protected.is_match(&it.path)) {
        return Some(format!(
            "It changes {}, which is protected: a person has to see it before it is pushed",
            change.path
        ));
    }
    // What stands there runs as it is in the pushed branch, not as it is in the base.
    let workflow = changes.iter().find(|it| is_of_ci(&it.path)).filter(|_| run.repository.forge.kind() != "local");
    workflow.map(|it| format!("It changes {}, which CI would run: a person has to see it before it is pushed", it.path))
}

/// The folder's own name is there too: where a link takes its place, it leads to others.
fn is_of_ci(path: &str) -> bool {
    path == ".github" || path.starts_with(".github/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ci_would_run_stands_in_one_folder() {
        for (path, expected) in
            [(".github", true), (".github/workflows/ci.yml", true), (".githubx/a", false), ("docs/.github/a", false)]
        {
            assert_eq!(is_of_ci(path), expected, "{path}");
        }
    }

    #[test]
    fn a_link_may_not_leave_the_repository() {
        for (path, target, expected) in [
            ("a", "b", false),
            ("dir/a", "../b", false),
            ("dir/a", "../../b", true),
            ("a", "/etc/passwd", true),
            ("a", "..", true),
            ("x/y/a", "./../../z/b", false),
            ("x/y/a", "../z/../b", true),
            ("a", ".git/config", false),
        ] {
            assert_eq!(leaves(path, target), expected, "{path} -> {target}");
        }
    }

    #[test]
    fn a_secret_is_named_by_its_kind_and_file_only() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        let diff = format!("diff --git a/x b/x\n--- a/x\n+++ b/conf/x.toml\n@@ -0,0 +1 @@\n+token = \"{token}\"\n");
        let (what, file) = find_secret(diff.as_bytes(), &secret::SecretScan::new(vec![])).unwrap();
        assert_eq!(file, "conf/x.toml");
        assert!(!what.contains(&token), "{what}");
        let none = |text: &str| find_secret(text.as_bytes(), &secret::SecretScan::new(vec![]));
        assert!(none(&format!("+++ b/x\n-{token}\n+fine\n")).is_none());
        // A line of the file that looks like a header, and a message, hide nothing.
        let (_, place) = none(&format!("diff --git a/x b/x\n+++ b/x\n@@ -0,0 +1 @@\n+++ b/{token}\n")).unwrap();
        assert_eq!(place, "x");
        let (_, place) = none(&format!("Mend it with {token}\n")).unwrap();
        assert_eq!(place, "a commit message");
    }

    #[test]
    fn the_address_of_the_sandboxes_mirror_is_found_where_it_was_added() {
        let url = format!("{}pypi/files/six/six.whl", mirror_address());
        let diff =
            |sign: &str| format!("diff --git a/x b/x\n--- a/x\n+++ b/uv.lock\n@@ -1 +1 @@\n{sign}source = \"{url}\"\n");
        let found = |sign: &str| find_added(diff(sign).as_bytes(), mirror_address().as_bytes());
        assert_eq!(found("+").as_deref(), Some("uv.lock"));
        assert_eq!(found("-"), None);
        assert_eq!(found(" "), None);
    }
}
