//! The bare repositories, kept by the git program: what is real at GitHub is real here.
//!
//! Git is started without the configuration of the machine or of the person. A call that cannot fail unless git is
//! missing or the fake is wrong panics; those that depend on what a program asked for give an `Option`.

pub(crate) mod http;
mod merge;
pub(crate) mod serve;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[derive(Clone, Debug)]
pub(crate) struct Git {
    folder: PathBuf,
}

/// A commit, read.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
    pub(crate) message: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
}

/// A file that differs between two commits.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) path: String,
    /// `added`, `removed` or `modified`.
    pub(crate) status: &'static str,
    pub(crate) added: u64,
    pub(crate) removed: u64,
    pub(crate) blob: String,
}

/// What a folder of a commit holds.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    /// `blob`, `tree` or `commit`.
    pub(crate) kind: String,
    pub(crate) sha: String,
    pub(crate) size: Option<u64>,
    pub(crate) path: String,
}

impl Git {
    pub(crate) fn create(folder: &Path, branch: &str) -> Git {
        let git = Git { folder: folder.to_owned() };
        let mut init = Command::new("git");
        clean(&mut init);
        init.args(["init", "--quiet", "--bare", "--initial-branch", branch]).arg(folder);
        success(&init.output().expect("git should be there"), "init");
        for (key, value) in [
            ("uploadpack.allowFilter", "true"),
            ("uploadpack.allowAnySHA1InWant", "true"),
            ("gc.auto", "0"),
            ("receive.autogc", "false"),
            ("core.logAllRefUpdates", "false"),
        ] {
            git.must(&["config", key, value]);
        }
        git
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything that the other one has, and its default branch.
    pub(crate) fn copy_from(&self, from: &Git, branch: &str) {
        let other = from.folder.to_string_lossy().into_owned();
        self.must(&["fetch", "--quiet", &other, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
        self.must(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]);
    }

    /// A fork's branch becomes the head of the pull request here.
    pub(crate) fn take_pull(&self, from: &Git, number: u32, commit: &str) {
        if from.folder != self.folder {
            let other = from.folder.to_string_lossy().into_owned();
            self.must(&["fetch", "--quiet", &other, commit]);
        }
        self.set_ref(&format!("refs/pull/{number}/head"), commit);
    }

    /// Branches with their last commits.
    pub(crate) fn branches(&self) -> BTreeMap<String, String> {
        let all = self.refs("refs/heads/").into_iter();
        all.map(|(name, commit, _)| (name.trim_start_matches("refs/heads/").to_owned(), commit)).collect()
    }

    /// Refs whose names begin so: name, object and its type.
    pub(crate) fn refs(&self, start: &str) -> Vec<(String, String, String)> {
        let text = self.must(&["for-each-ref", "--format=%(refname) %(objectname) %(objecttype)"]);
        let split = |line: &str| -> Option<(String, String, String)> {
            let mut parts = line.split(' ').map(str::to_owned);
            Some((parts.next()?, parts.next()?, parts.next()?))
        };
        text.lines().filter_map(split).filter(|(name, ..)| name.starts_with(start)).collect()
    }

    /// What the name stands for, as a commit; a branch's name is looked at before others.
    pub(crate) fn commit_of(&self, name: &str) -> Option<String> {
        let plain = !name.is_empty() && !name.starts_with('-') && !name.contains([':', '^', '~', ' ', '@']);
        let find = |name: &str| self.ask(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]);
        let named = format!("refs/heads/{name}");
        if plain { find(&named).or_else(|| find(name)) } else { None }
    }

    pub(crate) fn ref_target(&self, name: &str) -> Option<(String, String)> {
        self.refs(name).into_iter().find(|(it, ..)| it == name).map(|(_, sha, kind)| (sha, kind))
    }

    pub(crate) fn kind(&self, object: &str) -> Option<String> {
        let plain = object.len() == 40 && object.chars().all(|it| it.is_ascii_hexdigit());
        if plain { self.ask(&["cat-file", "-t", object]) } else { None }
    }

    pub(crate) fn valid_ref(&self, name: &str) -> bool {
        self.ask(&["check-ref-format", name]).is_some()
    }

    pub(crate) fn set_ref(&self, name: &str, object: &str) {
        self.must(&["update-ref", name, object]);
    }

    pub(crate) fn delete_ref(&self, name: &str) {
        self.must(&["update-ref", "-d", name]);
    }

    /// A workflow that a commit which no ref has yet brings or changes.
    pub(crate) fn new_workflow(&self, object: &str) -> Option<String> {
        let commits = self.ask(&["rev-list", object, "--not", "--all"])?;
        let changed = |commit: &str| {
            let asked =
                ["diff-tree", "--root", "--no-commit-id", "--name-only", "-r", commit, "--", ".github/workflows"];
            self.must(&asked).lines().next().map(str::to_owned)
        };
        commits.lines().find_map(changed)
    }

    pub(crate) fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.ask(&["merge-base", "--is-ancestor", old, new]).is_some()
    }

    pub(crate) fn merge_base(&self, one: &str, other: &str) -> Option<String> {
        self.ask(&["merge-base", one, other])
    }

    /// Commits that `to` has and `from` lacks, oldest first.
    pub(crate) fn between(&self, from: &str, to: &str) -> Vec<Commit> {
        let text = self.must(&["rev-list", "--reverse", "--topo-order", &format!("{from}..{to}")]);
        text.lines().filter_map(|sha| self.commit(sha)).collect()
    }

    /// The commit and those before it, newest first.
    pub(crate) fn history(&self, from: &str, most: usize) -> Vec<Commit> {
        let text = self.must(&["rev-list", &format!("--max-count={most}"), from]);
        text.lines().filter_map(|sha| self.commit(sha)).collect()
    }

    /// What the commits between say, together.
    pub(crate) fn messages(&self, from: &str, to: &str) -> String {
        self.must(&["log", "--format=%B", &format!("{from}..{to}")])
    }

    pub(crate) fn commit(&self, name: &str) -> Option<Commit> {
        let format = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B";
        let text = self.ask(&["log", "-1", "--no-show-signature", format, name])?;
        let mut parts = text.splitn(10, '\0').map(str::to_owned);
        let mut next = || parts.next();
        let (sha, tree, parents) = (next()?, next()?, next()?);
        let mut person = || Some(Signature { name: next()?, email: next()?, at: 1000 * next()?.parse::<i64>().ok()? });
        let (author, committer) = (person()?, person()?);
        let parents = parents.split_whitespace().map(str::to_owned).collect();
        let message = next()?.trim_end_matches('\n').to_owned();
        Some(Commit { sha, tree, parents, author, committer, message })
    }

    /// As `git diff` shows it, from where the branches parted.
    pub(crate) fn diff(&self, base: &str, head: &str) -> String {
        self.must(&["diff", "--no-color", &format!("{base}...{head}")])
    }

    pub(crate) fn differences(&self, base: &str, head: &str) -> Vec<Difference> {
        let range = format!("{base}...{head}");
        let states = self.must(&["diff", "--no-renames", "--raw", "--no-abbrev", &range]);
        let counts = self.must(&["diff", "--no-renames", "--numstat", &range]);
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        let both = states.lines().zip(counts.lines());
        both.filter_map(|(state, count)| {
            let (fields, path) = state.split_once('\t')?;
            let fields: Vec<&str> = fields.split(' ').collect();
            let (added, removed) = count.split_once('\t')?;
            let status = match *fields.get(4)? {
                "A" => "added",
                "D" => "removed",
                _ => "modified",
            };
            let blob = if status == "removed" { fields.get(2)? } else { fields.get(3)? };
            let (added, removed) = (number(added), number(removed.split('\t').next()?));
            Some(Difference { path: path.to_owned(), status, added, removed, blob: (*blob).to_owned() })
        })
        .collect()
    }

    /// The folder's own entries, or all below it; none if there is no such tree.
    pub(crate) fn list(&self, tree: &str, recursive: bool) -> Option<Vec<Entry>> {
        let mut arguments = vec!["ls-tree", "--long"];
        if recursive {
            arguments.extend(["-r", "-t"]);
        }
        arguments.push(tree);
        let text = self.ask(&arguments)?;
        let entry = |line: &str| {
            let (fields, path) = line.split_once('\t')?;
            let mut fields = fields.split_whitespace().map(str::to_owned);
            let (mode, kind, sha) = (fields.next()?, fields.next()?, fields.next()?);
            Some(Entry { mode, kind, sha, size: fields.next()?.parse().ok(), path: path.to_owned() })
        };
        Some(text.lines().filter_map(entry).collect())
    }

    pub(crate) fn blob(&self, sha: &str) -> Vec<u8> {
        let output = self.command(&["cat-file", "blob", sha]).output().expect("git should be there");
        success(&output, "cat-file");
        output.stdout
    }

    /// A commit that nothing names yet.
    pub(crate) fn write_commit(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        author: &Signature,
        committer: &Signature,
    ) -> String {
        let mut arguments = vec!["commit-tree", tree];
        for parent in parents {
            arguments.extend(["-p", parent]);
        }
        let mut command = self.command(&arguments);
        for (who, signature) in [("AUTHOR", author), ("COMMITTER", committer)] {
            command.env(format!("GIT_{who}_NAME"), &signature.name).env(format!("GIT_{who}_EMAIL"), &signature.email);
            command.env(format!("GIT_{who}_DATE"), format!("@{} +0000", signature.at.div_euclid(1000)));
        }
        let output = piped(&mut command, message.as_bytes());
        success(&output, "commit-tree");
        text(&output)
    }

    /// The tree of the commit with these files put in; a file without content is taken out.
    pub(crate) fn write_tree(&self, base: Option<&str>, files: &[(&str, Option<&[u8]>)]) -> String {
        let index = tempfile::NamedTempFile::new_in(&self.folder).expect("the repository's folder can be written");
        let path = index.path().with_extension("index");
        let with_index = |arguments: &[&str]| {
            let mut command = self.command(arguments);
            command.env("GIT_INDEX_FILE", &path);
            command
        };
        let read = with_index(&["read-tree", base.unwrap_or("--empty")]).output().expect("git should be there");
        success(&read, "read-tree");
        for (file, content) in files {
            let mut update = match content {
                Some(content) => {
                    let output = piped(&mut self.command(&["hash-object", "-w", "--stdin"]), content);
                    success(&output, "hash-object");
                    let entry = format!("100644,{},{file}", text(&output));
                    with_index(&["update-index", "--add", "--cacheinfo", &entry])
                }
                None => with_index(&["rm", "--cached", "--quiet", "--ignore-unmatch", "--", file]),
            };
            success(&update.output().expect("git should be there"), "changing the index");
        }
        let output = with_index(&["write-tree"]).output().expect("git should be there");
        success(&output, "write-tree");
        std::fs::remove_file(&path).expect("the index was just written");
        text(&output)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        clean(&mut command);
        command.arg("--git-dir").arg(&self.folder).args(arguments).current_dir(&self.folder);
        command
    }

    /// What git says, without the final newline; none if it refuses.
    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let output = self.command(arguments).output().expect("git should be there");
        output.status.success().then(|| text(&output))
    }

    #[track_caller]
    fn must(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("git should be there");
        success(&output, &arguments.join(" "));
        text(&output)
    }
}

/// Nothing of the machine's or the person's own configuration.
fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(&name);
        }
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}

fn piped(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("git should be there");
    let mut stdin = child.stdin.take().expect("it was just asked for");
    stdin.write_all(input).expect("git reads what it is given");
    drop(stdin);
    child.wait_with_output().expect("git was just started")
}

#[track_caller]
fn success(output: &Output, doing: &str) {
    assert!(output.status.success(), "the fake's git: {doing}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}
