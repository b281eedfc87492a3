//! Collect: what the agent left is committed and bundled inside a sandbox, and the bundle enters the quarantine.
//!
//! The agent's `.git` may hold hooks, filters and settings that run programs; whoever opens it may run them. So git runs
//! on it in a sandbox that has nothing the agent did not have. With the executor `local` it is not opened at all: the
//! host's own git looks at the files.

use super::{
    Outline, Run, Stop,
    execute::Executed,
    prepare::Prepared,
    sandbox::{self, Short},
};
use crate::{
    contract,
    git::{Mirror, Quarantine, Stat},
    workspace,
};
use agentd_executor::Kind;
use agentd_task::{Failure, Reason};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    io,
    path::{Path, PathBuf},
};

const HANDOUT: &str = "/agentd/handout";
const BUNDLE: &str = "bundle";
/// A bundle may be as large as this.
const BUNDLE_MAX: u64 = 512 << 20;

/// Commits what is left and bundles what is new. Its arguments: the start commit, the message, the handout folder.
const SCRIPT: &str = r#"
set -eu
start=$1 message=$2 handout=$3
g() {
    git --work-tree=. -c core.hooksPath=/dev/null -c core.fsmonitor=false -c commit.gpgSign=false -c gc.auto=0 \
        -c user.name=agentd -c user.email=agentd@localhost -c core.excludesFile="$handout/exclude" "$@"
}
# A git that was killed, the agent's or this script's own before a restart, leaves its locks; nobody else is here now.
rm -f .git/*.lock
find .git/refs -name '*.lock' -exec rm -f {} + 2> /dev/null || :
g add --all .
g diff --cached --quiet || g commit --quiet --no-verify -m "$message"
if [ "$(g rev-parse HEAD)" = "$start" ]; then exit 0; fi
g bundle create --quiet "$handout/bundle" HEAD "^$start"
"#;

/// What the agent changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Collected {
    pub(crate) commit: String,
    /// The commit of the base branch that it builds on: what it changes, it changes since then.
    pub(crate) fork: String,
    pub(crate) commits: usize,
    pub(crate) stat: Stat,
}

impl Outline for Collected {
    fn outline(&self) -> (String, serde_json::Value) {
        let Stat { files, added, removed } = self.stat;
        let text = format!("{} commits, {files} files, +{added} -{removed}", self.commits);
        (text, json!({ "commit": self.commit, "commits": self.commits, "stat": self.stat }))
    }
}

/// Takes over what the agent changed since the run's start; none: nothing.
pub(super) async fn collect(run: &Run, prepared: &Prepared, executed: &Executed) -> Result<Option<Collected>, Stop> {
    workspace::remount(run)?;
    let mirror = Mirror::new(run.rt.layout.mirror(&run.repository.id));
    let quarantine = Quarantine::create(run.layout.quarantine(), &mirror).await?;
    if prepared.kept {
        quarantine.take_over(&Quarantine::open(run.rt.layout.kept_change(run.key.task))).await?;
    }
    let tip = match run.repository.executor.kind() {
        Kind::Docker => bundle(run, prepared, executed, &quarantine).await?,
        Kind::Local => {
            let message = message(run);
            quarantine.take_files(&run.layout.workspace(), &prepared.start, &executed.litter, &message).await?
        }
    };
    let Some(tip) = tip else { return Ok(None) };
    if !quarantine.is_ancestor(&prepared.start, &tip).await? {
        let text = "the agent's commits do not build on the commit that it was given";
        return Err(Stop::failed(Reason::Refused, text));
    }
    let (commit, commits) = quarantine.rewrite(&prepared.start, &tip, &run.rt.author).await?;
    let fork = quarantine.fork(&prepared.base_commit, &commit).await?;
    let stat = quarantine.stat(&fork, &commit).await?;
    if stat.files == 0 {
        return Ok(None); // commits that change nothing
    }
    Ok(Some(Collected { commit, fork, commits, stat }))
}

/// The message of what the agent left uncommitted, marked as such.
fn message(run: &Run) -> String {
    let title = contract::one_line(&run.row.title, 72);
    let title = if title.is_empty() { run.key.task.to_string() } else { title };
    format!("{title}\n\nThe agent left this uncommitted; agentd committed it.\n\nAgentd-Leftovers: true")
}

async fn bundle(
    run: &Run,
    prepared: &Prepared,
    executed: &Executed,
    quarantine: &Quarantine,
) -> Result<Option<String>, Stop> {
    let handout = run.layout.handout();
    sandbox::empty_dir(&handout).await?;
    let exclude = handout.join("exclude");
    std::fs::write(&exclude, executed.litter.join("\n") + "\n")
        .map_err(|e| sandbox::io_failure("writing", &exclude, &e))?;
    sandbox::give_to_agent(run, std::slice::from_ref(&handout)).await?;
    let argv = ["sh", "-c", SCRIPT, "collect", &prepared.start, &message(run), HANDOUT].map(Into::into).into();
    let short = Short {
        name: "collect".into(),
        argv,
        workspace: run.layout.workspace(),
        home: run.layout.agent_home(),
        network: None,
        handout: Some((handout.clone(), HANDOUT.into())),
        timeout: run.rt.timeouts.collect,
    };
    let said = sandbox::run_short(run, short).await?;
    if said.exit.code != Some(0) {
        let words = contract::tail(&said.tail, 500).trim();
        let text = match said.exit.code {
            Some(127) => format!("there is no git {}: {words}; add it", sandbox::place(run)),
            code => format!("git failed on what the agent left behind ({}): {words}", sandbox::ended_with(code)),
        };
        return Err(Stop::failed(Reason::Collect, text));
    }
    let own = run.layout.dir().join("bundle");
    let copied = {
        let (handout, own) = (handout.clone(), own.clone());
        sandbox::blocking(move || take_out(&handout, &own)).await??
    };
    if !copied {
        return Ok(None);
    }
    let tip = quarantine.take_bundle(&own).await?;
    std::fs::remove_file(&own).map_err(|e| sandbox::io_failure("removing", &own, &e))?;
    Ok(Some(tip))
}

/// Copies the bundle to where no sandbox reaches; false: there is none. What an agent's user could write to is opened
/// beneath its folder only, without following links, and has to be a plain file.
fn take_out(handout: &Path, own: &PathBuf) -> Result<bool, Failure> {
    let refuse =
        |what: String| Failure::new(Reason::Collect, format!("what the sandbox handed out is refused: {what}"));
    let dir = rustix::fs::openat(CWD, handout, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| sandbox::io_failure("opening", handout, &e.into()))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match rustix::fs::openat2(&dir, BUNDLE, flags, Mode::empty(), resolve) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT) => return Ok(false),
        Err(error) => return Err(refuse(format!("the bundle cannot be opened: {error}"))),
    };
    let stat = rustix::fs::fstat(&file).map_err(|e| sandbox::io_failure("looking at", handout, &e.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refuse("the bundle is no plain file".into()));
    }
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > BUNDLE_MAX {
        return Err(refuse(format!("the bundle is larger than {} MiB", BUNDLE_MAX >> 20)));
    }
    let mut from = io::Read::take(std::fs::File::from(file), BUNDLE_MAX + 1);
    let mut to = std::fs::File::create(own).map_err(|e| sandbox::io_failure("making", own, &e))?;
    io::copy(&mut from, &mut to).map_err(|e| sandbox::io_failure("copying", own, &e))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(make: impl FnOnce(&Path), expected: Result<bool, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let (handout, own) = (dir.path().join("handout"), dir.path().join("own"));
        std::fs::create_dir(&handout).unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        make(&handout);
        match (take_out(&handout, &own), expected) {
            (Ok(seen), Ok(expected)) => assert_eq!(seen, expected),
            (Err(failure), Err(expected)) => assert!(failure.text.contains(expected), "{failure}"),
            (seen, expected) => panic!("{seen:?}, expected {expected:?}"),
        }
        assert_ne!(std::fs::read(&own).unwrap_or_default(), b"secret");
    }

    #[test]
    fn only_a_plain_file_beneath_the_handout_is_taken() {
        check(|_| (), Ok(false));
        check(|dir| std::fs::write(dir.join(BUNDLE), "bundle").unwrap(), Ok(true));
        check(|dir| std::os::unix::fs::symlink("../secret", dir.join(BUNDLE)).unwrap(), Err("cannot be opened"));
        check(|dir| std::fs::create_dir(dir.join(BUNDLE)).unwrap(), Err("no plain file"));
        let fifo = |dir: &Path| {
            let mode = Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(CWD, dir.join(BUNDLE), FileType::Fifo, mode, 0).unwrap();
        };
        check(fifo, Err("no plain file"));
    }
}
