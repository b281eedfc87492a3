//! git's part: pushing a branch, and bringing a mirror up to date.
//!
//! A push names the value that the branch has to have, and GitHub compares: what somebody else pushed meanwhile is never
//! overwritten. A push whose outcome is not known is no error yet: the branch is looked at, and says what happened.
//!
//! - Never pushes anything but one branch below the prefix, and no tag.
//! - Never gives git an address with a token in it, nor an argument.

use super::GitHubForge;
use crate::{
    Error, Pushed,
    git::{self, Git, GitDir, Output},
    mirror,
    name::check_commit,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// For a push.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// What is shown of the remarks that come with a refusal, in bytes.
const REMARKS_MAX: usize = 2000;

/// What git says of a push.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// It was there already.
    There,
    Moved,
    /// The branch is not what it should be, or somebody moves it at this moment.
    Elsewhere,
    /// GitHub does not want it, and says why.
    Refused(String),
    /// Whether it is there is not known.
    Unknown,
}

impl GitHubForge {
    pub(super) async fn push_branch(
        &self,
        from: &Path,
        commit: &str,
        branch: &str,
        expected: Option<&str>,
    ) -> Result<Pushed, Error> {
        self.check_own_branch(branch).await?;
        check_commit(commit)?;
        let remote = self.remote(&self.pushed_to().await?).await?;
        let git = git_at(from, remote.settings)?;
        let kind = git.ok(&["cat-file", "-t", commit]).await?;
        if kind != "commit" {
            return Err(Error::Invalid { what: "the commit to push", why: format!("{commit} is a {kind}") });
        }
        let lease = format!("--force-with-lease=refs/heads/{branch}:{}", expected.unwrap_or_default());
        let spec = format!("{commit}:refs/heads/{branch}");
        let fixed = ["push", "--porcelain", "--no-follow-tags", "--recurse-submodules=no", "--no-signed"];
        let args = [&fixed[..], &[&lease, "--", &remote.url, &spec]].concat();
        let turn = self.api().turn(&self.scope()).await;
        let (said, failure) = match git.run(&args).await {
            Ok(output) => (said(&output), failed("push", &git, output)),
            Err(error) if error.is_transient() => (Said::Unknown, error),
            Err(error) => return Err(error.into()),
        };
        drop(turn);
        let pushed = |moved| Pushed { commit: commit.to_owned(), moved };
        let unknown = match said {
            Said::There => return Ok(pushed(false)),
            Said::Moved => return Ok(pushed(true)),
            Said::Refused(why) => return Err(self.push_refused(branch, why)),
            Said::Elsewhere => false,
            Said::Unknown => true,
        };
        match self.seen_by_git(&git, &remote.url, branch).await {
            // It got through after all, or somebody pushed the very same.
            Ok(Some(found)) if found == commit => Ok(pushed(unknown)),
            // What went wrong first says more than that looking went wrong, too.
            Err(_) if unknown => Err(self.git_failed("push", failure)),
            Ok(found) if unknown && found.as_deref() == expected => Err(self.git_failed("push", failure)),
            Ok(found) if found.as_deref() == expected => {
                Err(Error::Contended { what: format!("the branch `{branch}`"), tries: 1 })
            }
            Ok(found) => Err(Error::Stale { branch: branch.into(), expected: expected.map(str::to_owned), found }),
            Err(error) => Err(self.git_failed("look at a branch", error)),
        }
    }

    /// Where git sees the branch. The API may be a moment behind.
    async fn seen_by_git(&self, git: &Git, url: &str, branch: &str) -> Result<Option<String>, git::Error> {
        let name = format!("refs/heads/{branch}");
        let list = git.ok(&["ls-remote", "--quiet", "--", url, &name]).await?;
        let found = list.lines().filter_map(|it| it.split_once('\t')).find(|(_, it)| *it == name);
        Ok(found.map(|(commit, _)| commit.to_owned()))
    }

    pub(super) async fn fetch_into(&self, mirror: &Path) -> Result<(), Error> {
        let upstream = self.remote(self.name()).await?;
        let git = mirror::git_at(mirror, upstream.settings);
        mirror::fetch(&git, &[], &upstream.url, &mirror::HEADS_AND_TAGS)
            .await
            .map_err(|it| self.git_failed("fetch", it))?;
        let Some(fork) = self.found_fork().await? else { return Ok(()) };
        // agentd's own branches are where it pushes to.
        let remote = self.remote(&fork).await?;
        let git = mirror::git_at(mirror, remote.settings);
        let own = format!("+refs/heads/{prefix}*:refs/heads/{prefix}*", prefix = self.prefix());
        mirror::fetch(&git, &[], &remote.url, &[&own]).await.map_err(|it| self.git_failed("fetch", it))
    }

    fn push_refused(&self, branch: &str, why: String) -> Error {
        let hint = match why.to_lowercase() {
            it if it.contains("workflow") => {
                "a change of workflows needs the right for them: let the token have it, or protect `.github/workflows` \
                 so that a person makes such changes"
            }
            it if it.contains("gh001") || it.contains("file size limit") => {
                "a file is larger than GitHub takes; have the task leave it out"
            }
            it if it.contains("push protection") || it.contains("secret") => {
                "GitHub found what looks like a secret; look at the change with `agentd task diff`"
            }
            it if it.contains("gh013") || it.contains("protected branch") || it.contains("rule") => {
                "let a rule of the repository allow agentd to push its own branches"
            }
            _ => "what GitHub says has to be changed there",
        };
        Error::PushRefused { repository: self.name().into(), branch: branch.into(), why, hint: hint.into() }
    }

    /// What a failure of git's means where the other end is GitHub.
    fn git_failed(&self, what: &str, error: git::Error) -> Error {
        let host = self.api().host();
        let git::Error::Failed { stderr, .. } = &error else { return error.into() };
        let (said, message) = (stderr.to_lowercase(), first_line(stderr));
        let has = |words: &[&str]| words.iter().any(|it| said.contains(it));
        if has(&["authentication failed", "could not read username", "error: 401", "invalid username or"]) {
            return Error::Unauthorized { host, message };
        }
        if has(&["error: 403", "write access to repository not granted"]) {
            let (what, hint) = (format!("{what} in {}", self.name()), "`agentd doctor` lists what is missing".into());
            return Error::Forbidden { host, what, message, hint };
        }
        if has(&["error: 404", "repository not found", "' not found"]) {
            let message = "there is no such repository, or it may not be seen; `agentd doctor` says what may".into();
            return Error::Refused { what: format!("git {what} of {}", self.name()), status: 404, message };
        }
        let passing = [
            "error: 408",
            "error: 429",
            "error: 5",
            "hung up",
            "rpc failed",
            "early eof",
            "unexpected disconnect",
            "could not resolve",
            "connect",
            "timed out",
            "timeout",
            "ssl",
            "tls",
            "empty reply",
            "internal server error",
            "remote failure",
            "unpacker error",
            "failed to update",
            "transfer closed",
            "too slow",
        ];
        if has(&passing) {
            return Error::NotReachable { host, why: message };
        }
        error.into()
    }
}

/// git in the repository that is pushed from, which is agentd's own: a quarantine.
fn git_at(from: &Path, settings: Vec<(String, String)>) -> Result<Git, Error> {
    let what = "the repository to push from";
    let from: PathBuf = from.canonicalize().map_err(|error| Error::Invalid { what, why: error.to_string() })?;
    // A folder somewhere inside a repository is not that repository.
    let ceiling = from.parent().unwrap_or(&from).to_string_lossy().into_owned();
    let env = vec![("GIT_CEILING_DIRECTORIES".to_owned(), ceiling)];
    let options = git::Options { timeout: LIMIT, settings, env, ..git::Options::default() };
    Ok(Git::new(GitDir::In(from), options))
}

/// Reads what `git push --porcelain` wrote.
fn said(output: &Output) -> Said {
    let text = String::from_utf8_lossy(&output.stdout);
    // FLAG, FROM:TO, and a summary.
    let line = text.lines().find_map(|it| {
        let mut parts = it.splitn(3, '\t');
        let flag = parts.next().filter(|it| it.len() == 1)?;
        let (_names, summary) = (parts.next()?, parts.next()?);
        Some((flag, summary))
    });
    match line {
        Some(("=", _)) if output.success() => Said::There,
        Some((" " | "+" | "*", _)) if output.success() => Said::Moved,
        Some(("!", summary)) => refused(summary, &output.stderr),
        _ => Said::Unknown,
    }
}

fn refused(summary: &str, stderr: &str) -> Said {
    let low = summary.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| low.contains(it));
    if has(&["stale info", "cannot lock ref", "already exists", "fetch first", "non-fast-forward"]) {
        return Said::Elsewhere;
    }
    if !low.contains("rejected") || has(&["internal", "timeout", "timed out", "unpacker error", "failed to update"]) {
        return Said::Unknown;
    }
    let reason = summary.split_once('(').map_or(summary, |(_, it)| it.strip_suffix(')').unwrap_or(it));
    let remarks: Vec<&str> =
        stderr.lines().filter_map(|it| it.strip_prefix("remote:")).map(str::trim).filter(|it| !it.is_empty()).collect();
    let mut why = [&[reason][..], &remarks].concat().join("\n");
    if why.len() > REMARKS_MAX {
        why.truncate(why.floor_char_boundary(REMARKS_MAX));
        why.push('…');
    }
    Said::Refused(why)
}

/// The failure, should the output turn out to be one. What git says of a branch stands beside its other words.
fn failed(command: &str, git: &Git, output: Output) -> git::Error {
    let refused = String::from_utf8_lossy(&output.stdout);
    let refused = refused.lines().filter(|it| it.starts_with('!')).map(|it| format!("error: {it}"));
    let stderr = refused.chain([output.stderr.clone()]).collect::<Vec<_>>().join("\n");
    git.failed(command, Output { stderr, ..output })
}

/// git says the cause before the consequence, and prefixes both.
fn first_line(stderr: &str) -> String {
    let line = stderr.lines().find(|it| it.starts_with("fatal:") || it.starts_with("error:"));
    line.or_else(|| stderr.lines().next_back()).unwrap_or("git does not say why").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: i32, stdout: &str, stderr: &str, expected: Said) {
        let output = Output { code: Some(code), stdout: stdout.into(), cut: false, stderr: stderr.into() };
        assert_eq!(said(&output), expected, "{stdout}");
    }

    #[test]
    fn what_git_says_of_a_push_is_read() {
        let to = "1234:refs/heads/agentd/t-1";
        let line =
            |flag: &str, summary: &str| format!("To https://github.com/acme/api.git\n{flag}\t{to}\t{summary}\nDone\n");
        check(0, &line("*", "[new branch]"), "", Said::Moved);
        check(0, &line(" ", "1234..5678"), "", Said::Moved);
        check(0, &line("+", "1234...5678 (forced update)"), "", Said::Moved);
        check(0, &line("=", "[up to date]"), "", Said::There);
        check(1, &line("!", "[rejected] (stale info)"), "", Said::Elsewhere);
        check(1, &line("!", "[remote rejected] (cannot lock ref 'refs/heads/agentd/t-1')"), "", Said::Elsewhere);
        check(1, &line("!", "[remote rejected] (Internal Server Error)"), "", Said::Unknown);
        check(1, &line("!", "[remote failure] (remote failed to report status)"), "", Said::Unknown);
        check(128, "", "fatal: the remote end hung up unexpectedly", Said::Unknown);
        // The connection broke after the line was written.
        check(1, &line("*", "[new branch]"), "fatal: the remote end hung up unexpectedly", Said::Unknown);
    }

    #[test]
    fn a_refusal_has_githubs_own_words() {
        let stdout = "!\t1:refs/heads/agentd/x\t[remote rejected] (protected branch hook declined)\n";
        let stderr = "remote: error: GH006: Protected branch update failed for refs/heads/agentd/x.        \nremote: \n\
                      To https://github.com/acme/api\n";
        let why =
            "protected branch hook declined\nerror: GH006: Protected branch update failed for refs/heads/agentd/x.";
        check(1, stdout, stderr, Said::Refused(why.into()));
        let long = format!("remote: {}\n", "ä".repeat(3000));
        let output = Output { code: Some(1), stdout: stdout.into(), cut: false, stderr: long };
        let Said::Refused(why) = said(&output) else { panic!("it was refused") };
        assert!(why.len() <= REMARKS_MAX + 3 && why.ends_with("ä…"));
    }
}
