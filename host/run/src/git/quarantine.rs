//! Where an agent's work enters: a bare repository of one run, which borrows the mirror's objects.
//!
//! Its configuration and refs are the host's. Objects come in through git's own checks, by a bundle made in a sandbox, or
//! (with the executor `local`) from the files alone. Nothing here ever opens an agent's `.git`.

use super::{Author, Checkout, Mirror, bare, failed, mirror::make_checkout, rewrite};
use crate::steps::{empty_dir, io_failure};
use agentd_forge::git::{Error, Git, GitDir, Options, UPLOAD_PACK};
use agentd_task::{Failure, Reason};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What an agent's work is called here.
const TIP: &str = "refs/agentd/tip";
/// Address space of git in a quarantine.
const MEMORY_MAX: u64 = 2 << 30;

pub(crate) struct Quarantine {
    dir: PathBuf,
}

/// A file that differs between two commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileChange {
    /// As the commit has it; lossy where it is not UTF-8.
    pub(crate) path: String,
    /// 0: the file is gone.
    pub(crate) mode: u32,
    pub(crate) blob: String,
}

/// How much a change changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stat {
    pub(crate) files: u64,
    pub(crate) added: u64,
    pub(crate) removed: u64,
}

impl Quarantine {
    /// An empty one, in place of whatever was there.
    pub(crate) async fn create(dir: PathBuf, mirror: &Mirror) -> Result<Quarantine, Failure> {
        empty_dir(&dir).await.map_err(|e| Failure::new(Reason::Internal, e.to_string()))?;
        let it = Quarantine { dir };
        it.git().ok(&["init", "--quiet", "--bare", "."]).await.map_err(|e| it.failed(&e))?;
        let alternates = it.dir.join("objects/info/alternates");
        let line = format!("{}\n", mirror.dir().join("objects").display());
        std::fs::write(&alternates, line).map_err(|e| io_failure("writing", &alternates, &e))?;
        Ok(it)
    }

    /// The one that was made before.
    pub(crate) fn open(dir: PathBuf) -> Quarantine {
        Quarantine { dir }
    }

    pub(crate) fn exists(&self) -> bool {
        self.dir.join("HEAD").exists()
    }

    /// An agent chose what is in here, so git gets no more memory than it may need: a tree can be made that is small to
    /// keep and endless to list.
    pub(crate) fn git(&self) -> Git {
        bare(&self.dir).with(|options| {
            options.memory_max = Some(MEMORY_MAX);
            // Mapped in pieces, for what is mapped counts.
            options.settings.push(("core.packedGitWindowSize".into(), "32m".into()));
            options.settings.push(("core.packedGitLimit".into(), "256m".into()));
        })
    }

    fn failed(&self, error: &Error) -> Failure {
        failed(error, Reason::Collect)
    }

    /// Takes over a bundle that lies in the host's own folder, and returns its commit.
    pub(crate) async fn take_bundle(&self, bundle: &Path) -> Result<String, Failure> {
        let git = self.git().with(|options| {
            options.settings.push(("fetch.fsckObjects".into(), "true".into()));
            options.settings.push(("transfer.fsckObjects".into(), "true".into()));
            options.settings.push(("pack.threads".into(), "1".into()));
        });
        let bundle = bundle.to_string_lossy();
        let refs = format!("+HEAD:{TIP}");
        let fetch =
            ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", &bundle, &refs];
        git.ok(&fetch).await.map_err(|e| self.failed(&e))?;
        self.tip().await
    }

    /// Makes one commit of the files in a folder, whose `.git` is not looked at; none if they are as at `start`.
    pub(crate) async fn take_files(
        &self,
        files: &Path,
        start: &str,
        litter: &[String],
        message: &str,
    ) -> Result<Option<String>, Failure> {
        let exclude = self.dir.join("info/exclude");
        std::fs::write(&exclude, litter.join("\n") + "\n").map_err(|e| io_failure("writing", &exclude, &e))?;
        let dir = GitDir::Split { git_dir: self.dir.clone(), work_tree: files.into() };
        let git = Git::new(dir, Options { timeout: super::LONG, ..Options::default() });
        git.ok(&["read-tree", start]).await.map_err(|e| self.failed(&e))?;
        git.ok(&["add", "--all", "."]).await.map_err(|e| self.failed(&e))?;
        let tree = git.ok(&["write-tree"]).await.map_err(|e| self.failed(&e))?;
        let before = self.git().ok(&["rev-parse", &format!("{start}^{{tree}}")]).await.map_err(|e| self.failed(&e))?;
        if tree == before {
            return Ok(None);
        }
        let author = Author { name: "agentd".into(), email: "agentd@localhost".into() };
        rewrite::commit(&self.git(), &tree, &[start.into()], message, &author, "0 +0000")
            .await
            .map(Some)
            .map_err(|e| self.failed(&e))
    }

    /// The same commits from `start` to `tip`, by agentd's author. Returns the new tip and how many there are.
    pub(crate) async fn rewrite(&self, start: &str, tip: &str, author: &Author) -> Result<(String, usize), Failure> {
        let (tip, commits) = rewrite::rewrite(&self.git(), start, tip, author).await?;
        self.git().ok(&["update-ref", TIP, &tip]).await.map_err(|e| self.failed(&e))?;
        Ok((tip, commits))
    }

    pub(crate) async fn is_ancestor(&self, older: &str, newer: &str) -> Result<bool, Failure> {
        let output =
            self.git().run(&["merge-base", "--is-ancestor", older, newer]).await.map_err(|e| self.failed(&e))?;
        match output.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => {
                Err(Failure::new(Reason::Collect, format!("the commits cannot be compared: {}", output.stderr.trim())))
            }
        }
    }

    /// What git wrote, all of it. An answer that is cut, or no answer, must never look like an empty one.
    async fn whole(&self, what: &str, args: &[&str]) -> Result<Vec<u8>, Failure> {
        let output = self.git().run(args).await.map_err(|e| self.failed(&e))?;
        if output.cut {
            return Err(Failure::new(
                Reason::Refused,
                format!("{what} is larger than {} MiB", super::OUTPUT_MAX >> 20),
            ));
        }
        if !output.success() {
            return Err(Failure::new(Reason::Collect, format!("{what} cannot be read: {}", output.stderr.trim())));
        }
        Ok(output.stdout)
    }

    /// The files that differ, each with its mode and blob in `to`.
    pub(crate) async fn changes(&self, from: &str, to: &str) -> Result<Vec<FileChange>, Failure> {
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", from, to];
        Ok(parse_raw(&self.whole("the list of changed files", &args).await?))
    }

    pub(crate) async fn stat(&self, from: &str, to: &str) -> Result<Stat, Failure> {
        let args = ["diff-tree", "-r", "--numstat", "--no-renames", from, to];
        let text = self.whole("the size of the change", &args).await?;
        let mut stat = Stat::default();
        for line in String::from_utf8_lossy(&text).lines() {
            let mut columns = line.split('\t').map(|it| it.parse::<u64>().unwrap_or(0)); // `-` for binary files
            stat.files += 1;
            stat.added += columns.next().unwrap_or(0);
            stat.removed += columns.next().unwrap_or(0);
        }
        Ok(stat)
    }

    /// The sizes of objects, in bytes, in their order.
    pub(crate) async fn sizes(&self, objects: &[&str]) -> Result<Vec<u64>, Failure> {
        let list = objects.join("\n");
        let check = ["cat-file", "--batch-check=%(objectsize)"];
        let text = self.git().ok_with(&check, list.as_bytes()).await.map_err(|e| self.failed(&e))?;
        Ok(text.lines().map(|it| it.parse().unwrap_or(u64::MAX)).collect())
    }

    pub(crate) async fn blob(&self, id: &str) -> Result<Vec<u8>, Failure> {
        self.whole("a file of the change", &["cat-file", "blob", id]).await
    }

    /// All that a push would show: each commit's message, and the lines that it adds or removes, as unified diffs.
    pub(crate) async fn history(&self, from: &str, to: &str) -> Result<Vec<u8>, Failure> {
        let range = format!("{from}..{to}");
        let shape = ["-p", "-m", "-U0", "--no-renames", "--text", "--no-ext-diff", "--no-textconv", "--format=%B"];
        let args: Vec<&str> = ["log"].into_iter().chain(shape).chain([range.as_str()]).collect();
        self.whole("the change's history", &args).await
    }

    /// The commits between, oldest first: id and subject.
    pub(crate) async fn commits(&self, from: &str, to: &str) -> Result<Vec<(String, String)>, Failure> {
        let range = format!("{from}..{to}");
        let args = ["log", "--reverse", "--topo-order", "--format=%H %s", &range];
        let output = self.whole("the change's commits", &args).await?;
        let text = String::from_utf8_lossy(&output);
        let commits = text.lines().filter_map(|line| line.split_once(' '));
        Ok(commits.map(|(id, subject)| (id.to_owned(), subject.to_owned())).collect())
    }

    /// Where the commit left the base.
    pub(crate) async fn fork(&self, base: &str, commit: &str) -> Result<String, Failure> {
        let output = self.whole("where the change began", &["merge-base", base, commit]).await?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// Makes a fresh work tree of a commit, which has the objects that the mirror lacks, so that git works in it too.
    pub(crate) async fn checkout(&self, checkout: &Checkout) -> Result<(), Failure> {
        make_checkout(&self.dir.join("objects"), checkout).await?;
        let (from, to) = (self.dir.join("objects"), checkout.dir.join(".git/objects"));
        let copied = tokio::task::spawn_blocking({
            let (from, to) = (from.clone(), to.clone());
            move || copy_objects(&from, &to)
        });
        let copied = copied.await.map_err(|e| Failure::new(Reason::Internal, format!("a thread died: {e}")))?;
        copied.map_err(|e| io_failure("copying objects from", &from, &e))
    }

    /// Takes over the work of another quarantine, and returns its commit.
    pub(crate) async fn take_over(&self, other: &Quarantine) -> Result<String, Failure> {
        let from = other.dir.to_string_lossy();
        let refs = format!("+{TIP}:{TIP}");
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", UPLOAD_PACK, &from, &refs];
        self.git().ok(&fetch).await.map_err(|e| self.failed(&e))?;
        self.tip().await
    }

    /// The commit of the work that it holds.
    pub(crate) async fn tip(&self) -> Result<String, Failure> {
        self.git().ok(&["rev-parse", &format!("{TIP}^{{commit}}")]).await.map_err(|e| self.failed(&e))
    }
}

/// All but where others are borrowed from. The host made both.
fn copy_objects(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() && entry.file_name() != "info" => copy_objects(&entry.path(), &target)?,
            kind if kind.is_file() && !target.exists() => drop(std::fs::copy(entry.path(), &target)?),
            _ => {}
        }
    }
    Ok(())
}

/// `:100644 100755 OLD NEW M NUL path NUL` and so on.
fn parse_raw(raw: &[u8]) -> Vec<FileChange> {
    let mut parts = raw.split(|it| *it == 0);
    let mut changes = vec![];
    while let (Some(head), Some(path)) = (parts.next(), parts.next()) {
        let head = String::from_utf8_lossy(head);
        let mut columns = head.trim_start_matches(':').split(' ').skip(1);
        let mode = columns.next().and_then(|it| u32::from_str_radix(it, 8).ok()).unwrap_or(0);
        let blob = columns.nth(1).unwrap_or_default().to_owned();
        changes.push(FileChange { path: String::from_utf8_lossy(path).into_owned(), mode, blob });
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_diff_is_read_with_odd_names() {
        let raw =
            b":100644 100755 aaa bbb M\0a b.txt\0:000000 120000 000 ccc A\0l\xffnk\0:100644 000000 ddd 000 D\0x\0";
        let seen: Vec<_> = parse_raw(raw).into_iter().map(|it| (it.path, it.mode, it.blob)).collect();
        let expected = [("a b.txt", 0o100_755, "bbb"), ("l\u{fffd}nk", 0o120_000, "ccc"), ("x", 0, "000")];
        assert_eq!(seen, expected.map(|(path, mode, blob)| (path.to_owned(), mode, blob.to_owned())));
    }
}
