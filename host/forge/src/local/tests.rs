//! What only the local forge can be asked: work trees, refs and records on disk.

use super::*;
use crate::conformance::{Files, Ground, suite};
use std::fs;
use tempfile::TempDir;

suite!(bare, Operator::bare());
suite!(with_a_work_tree, Operator::with_a_work_tree());

/// A machine with the operator's repository and a place for quarantines.
struct Operator {
    folder: TempDir,
    repository: PathBuf,
    /// The repository of the first commit, and of everything that is pushed.
    quarantine: Git,
    forge: LocalForge,
    other: LocalForge,
}

fn git_in(folder: impl Into<PathBuf>) -> Git {
    let mut options = GitOptions::default();
    for role in ["AUTHOR", "COMMITTER"] {
        options.env.push((format!("GIT_{role}_NAME"), "Somebody".into()));
        options.env.push((format!("GIT_{role}_EMAIL"), "somebody@acme.example".into()));
    }
    Git::new(GitDir::In(folder.into()), options)
}

async fn commit_files(git: &Git, files: Files<'_>) -> String {
    for (name, text) in files {
        fs::write(git.place().join(name), text).unwrap();
    }
    git.ok(&["add", "--all"]).await.unwrap();
    git.ok(&["commit", "--quiet", "--message", "A commit"]).await.unwrap();
    git.ok(&["rev-parse", "HEAD"]).await.unwrap()
}

impl Operator {
    async fn bare() -> Operator {
        let folder = TempDir::new().unwrap();
        git_in(folder.path()).ok(&["init", "--quiet", "--bare", "--initial-branch=main", "repo"]).await.unwrap();
        Operator::new(folder).await
    }

    /// The operator works on a branch of their own, so that `main` is free.
    async fn with_a_work_tree() -> Operator {
        let folder = TempDir::new().unwrap();
        git_in(folder.path()).ok(&["init", "--quiet", "--initial-branch=main", "repo"]).await.unwrap();
        let operator = Operator::new(folder).await;
        operator.git(&["checkout", "--quiet", "--force", "-b", "desk"]).await;
        operator
    }

    async fn new(folder: TempDir) -> Operator {
        let (repository, quarantine) = (folder.path().join("repo"), folder.path().join("quarantine"));
        git_in(folder.path()).ok(&["init", "--quiet", "--initial-branch=q", "quarantine"]).await.unwrap();
        let quarantine = git_in(quarantine);
        let first = commit_files(&quarantine, &[("a.txt", "one\ntwo\nthree\n")]).await;
        let repository_git = git_in(&repository);
        let from = quarantine.place().to_str().unwrap();
        repository_git.ok(&["fetch", "--quiet", from, &first]).await.unwrap();
        repository_git.ok(&["update-ref", "refs/heads/main", &first]).await.unwrap();
        let open = || LocalForge::open(&repository, Options::default());
        let (forge, other) = (open().await.unwrap(), open().await.unwrap());
        Operator { folder, repository, quarantine, forge, other }
    }

    async fn git(&self, args: &[&str]) -> String {
        git_in(&self.repository).ok(args).await.unwrap()
    }

    /// A change that is open, of one new file.
    async fn change(&self) -> Change {
        let base = self.tip("main").await.unwrap();
        let (from, commit) = self.commit(&base, &[("b.txt", "b\n")]).await;
        self.forge.push(&from, &commit, "agentd/t-1", None).await.unwrap();
        let (title, body) = ("Title".into(), "Body".into());
        let new =
            NewChange { branch: "agentd/t-1".into(), base: "main".into(), title, body, key: "k".into(), draft: false };
        self.forge.open_change(new).await.unwrap()
    }

    async fn merge(&self, change: &Change) -> Result<Change, Error> {
        let author = Author { name: "Ada".into(), email: "ada@acme.example".into() };
        self.forge.merge(change.number, &change.commit, &author).await
    }
}

#[async_trait]
impl Ground for Operator {
    fn forge(&self) -> &dyn Forge {
        &self.forge
    }

    fn other(&self) -> &dyn Forge {
        &self.other
    }

    async fn commit(&self, parent: &str, files: Files<'_>) -> (PathBuf, String) {
        let git = &self.quarantine;
        git.ok(&["fetch", "--quiet", self.repository.to_str().unwrap(), parent]).await.unwrap();
        git.ok(&["checkout", "--quiet", "--detach", parent]).await.unwrap();
        (git.place().to_owned(), commit_files(git, files).await)
    }

    async fn commit_to_base(&self, files: Files<'_>) -> String {
        let before = self.tip("main").await.unwrap();
        let (from, commit) = self.commit(&before, files).await;
        self.git(&["fetch", "--quiet", from.to_str().unwrap(), &commit]).await;
        self.git(&["update-ref", "refs/heads/main", &commit, &before]).await;
        commit
    }

    async fn tag(&self, name: &str, commit: &str) {
        self.git(&["tag", name, commit]).await;
    }

    async fn tip(&self, branch: &str) -> Option<String> {
        let output = git_in(&self.repository).run(&["rev-parse", "--verify", &format!("refs/heads/{branch}")]).await;
        output.ok().filter(crate::git::Output::success).map(|it| String::from_utf8(it.stdout).unwrap().trim().into())
    }

    async fn base_line(&self) -> Vec<String> {
        self.git(&["rev-list", "--first-parent", "main"]).await.lines().map(str::to_owned).collect()
    }

    async fn base_file(&self, name: &str) -> String {
        self.git(&["show", &format!("main:{name}")]).await
    }
}

#[track_caller]
fn check_text(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[tokio::test]
async fn what_is_no_repository_is_refused_with_what_to_do() {
    let operator = Operator::with_a_work_tree().await;
    let folder = operator.folder.path();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::create_dir(operator.repository.join("inside")).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    for (name, why) in [
        ("missing", "No such file"),
        ("file", "not a folder"),
        ("empty", "not a git repository"),
        // Opening it would mean the repository around it, which nobody named.
        ("repo/inside", "not a git repository"),
    ] {
        let error = LocalForge::open(&folder.join(name), Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::NotARepository { .. }), "{error}");
        check_text(&error, &[name, why, "hint: give a repository's folder"]);
    }
}

#[tokio::test]
async fn a_repository_is_opened_by_any_of_its_folders() {
    let operator = Operator::with_a_work_tree().await;
    operator.git(&["worktree", "add", "--quiet", "../linked", "main"]).await;
    let git_dir = operator.repository.join(".git").canonicalize().unwrap();
    for folder in [operator.repository.clone(), git_dir.clone(), operator.folder.path().join("linked")] {
        let forge = LocalForge::open(&folder, Options::default()).await.unwrap();
        assert_eq!(PathBuf::from(forge.git_dir), git_dir, "{}", folder.display());
    }
}

#[tokio::test]
async fn a_default_branch_exists_and_has_a_commit() {
    let operator = Operator::bare().await;
    assert_eq!(operator.forge.default_branch().await.unwrap(), "main");

    operator.git(&["symbolic-ref", "HEAD", "refs/heads/trunk"]).await;
    let error = operator.forge.default_branch().await.unwrap_err();
    check_text(&error, &["names `trunk`, which does not exist, beside main", "hint: name the base branch"]);

    operator.git(&["update-ref", "--no-deref", "HEAD", "refs/heads/main"]).await;
    check_text(&operator.forge.default_branch().await.unwrap_err(), &["HEAD is detached"]);

    let empty = operator.folder.path().join("empty.git");
    git_in(operator.folder.path())
        .ok(&["init", "--quiet", "--bare", "--initial-branch=dev", "empty.git"])
        .await
        .unwrap();
    let error = LocalForge::open(&empty, Options::default()).await.unwrap().default_branch().await.unwrap_err();
    assert!(matches!(error, Error::NoCommits { .. }), "{error}");
    check_text(&error, &["empty.git has no commit yet", "hint: make a first commit on its branch `dev`"]);
}

#[tokio::test]
async fn a_base_that_is_checked_out_is_merged_by_its_owner() {
    let operator = Operator::with_a_work_tree().await;
    operator.git(&["checkout", "--quiet", "main"]).await;
    let change = operator.change().await;
    let before = operator.tip("main").await;
    let error = operator.merge(&change).await.unwrap_err();
    assert!(matches!(&error, Error::CheckedOut { path, .. } if *path == operator.repository.canonicalize().unwrap()));
    check_text(&error, &["`main` is checked out in", "hint: run `git merge agentd/t-1` there; agentd sees it"]);
    assert_eq!((operator.tip("main").await, operator.git(&["status", "--porcelain"]).await), (before, String::new()));

    operator.git(&["merge", "--quiet", "--no-edit", "--no-ff", "agentd/t-1"]).await;
    let expected = Change { state: State::Merged, merged_as: operator.tip("main").await, ..change.clone() };
    assert_eq!(operator.forge.change(change.number).await.unwrap().as_ref(), Some(&expected));
    // Life goes on, and the merge is still the one that it was.
    fs::write(operator.repository.join("later.txt"), "later").unwrap();
    operator.git(&["add", "--all"]).await;
    operator.git(&["commit", "--quiet", "--message", "Later"]).await;
    assert_eq!(operator.merge(&change).await.unwrap(), expected);
    assert_eq!(operator.forge.close(change.number, true).await.unwrap(), expected);
    assert_eq!(operator.forge.changes().await.unwrap(), [expected]);
}

#[tokio::test]
async fn a_branch_that_went_forward_by_hand_is_merged() {
    let operator = Operator::with_a_work_tree().await;
    let change = operator.change().await;
    operator.git(&["checkout", "--quiet", "main"]).await;
    operator.git(&["merge", "--quiet", "--ff-only", "agentd/t-1"]).await;
    operator.git(&["branch", "--quiet", "-d", "agentd/t-1"]).await;
    let found = operator.forge.change(change.number).await.unwrap().unwrap();
    assert_eq!((found.state, found.merged_as), (State::Merged, Some(change.commit)));
}

#[tokio::test]
async fn a_base_that_is_checked_out_beside_a_bare_repository_counts_too() {
    let operator = Operator::bare().await;
    let linked = operator.folder.path().join("linked");
    operator.git(&["worktree", "add", "--quiet", "../linked", "main"]).await;
    let change = operator.change().await;
    let error = operator.merge(&change).await.unwrap_err();
    check_text(&error, &["linked", "git merge agentd/t-1"]);
    // Somebody threw the work tree away without telling git.
    fs::remove_dir_all(linked).unwrap();
    assert_eq!(operator.merge(&change).await.unwrap().state, State::Merged);
}

#[tokio::test]
async fn a_branch_that_somebody_works_on_is_neither_pushed_nor_deleted() {
    let operator = Operator::with_a_work_tree().await;
    let change = operator.change().await;
    operator.git(&["checkout", "--quiet", "--force", "agentd/t-1"]).await;
    let (from, next) = operator.commit(&change.commit, &[("b.txt", "next\n")]).await;
    let error = operator.forge.push(&from, &next, "agentd/t-1", Some(&change.commit)).await.unwrap_err();
    check_text(&error, &["`agentd/t-1` is checked out", "switch to another branch there"]);
    let error = operator.forge.close(change.number, true).await.unwrap_err();
    check_text(&error, &["`agentd/t-1` is checked out", "git branch -D agentd/t-1"]);
    assert_eq!(operator.git(&["status", "--porcelain"]).await, "");
    // The change is closed all the same; only the branch is left to its owner.
    assert_eq!(operator.forge.change(change.number).await.unwrap().unwrap().state, State::Closed);
}

#[tokio::test]
async fn a_crash_after_the_merge_and_before_its_record_merges_once() {
    let operator = Operator::bare().await;
    let change = operator.change().await;
    let record = operator.git(&["rev-parse", "refs/agentd/changes/1"]).await;
    let merged = operator.merge(&change).await.unwrap();
    operator.git(&["update-ref", "refs/agentd/changes/1", &record]).await;
    assert_eq!(operator.merge(&change).await.unwrap(), merged);
    assert_eq!(operator.tip("main").await, merged.merged_as);
    assert_ne!(operator.git(&["rev-parse", "refs/agentd/changes/1"]).await, record);
}

#[tokio::test]
async fn a_merge_is_the_persons_and_committed_by_agentd() {
    let operator = Operator::bare().await;
    operator.merge(&operator.change().await).await.unwrap();
    let format = "--format=%an <%ae>|%cn <%ce>|%B";
    assert_eq!(
        operator.git(&["log", "-1", format, "main"]).await,
        "Ada <ada@acme.example>|agentd <agentd@localhost>|Merge change 1: Title\n\nBranch: agentd/t-1"
    );
    let author = Author { name: "Eve <eve@evil.example>".into(), email: "x".into() };
    let error = operator.forge.merge(1, &operator.tip("main").await.unwrap(), &author).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn no_hook_of_the_repository_runs() {
    use std::os::unix::fs::PermissionsExt;
    let operator = Operator::bare().await;
    let ran = operator.folder.path().join("ran");
    for hook in ["pre-receive", "update", "post-receive", "reference-transaction", "post-update", "pre-merge-commit"] {
        let file = operator.repository.join("hooks").join(hook);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("#!/bin/sh\ntouch '{}'\nexit 1\n", ran.display())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Without the settings of this room they would run.
    let unguarded = operator.quarantine.with(|options| {
        options.settings.push(("core.hooksPath".into(), operator.repository.join("hooks").display().to_string()));
    });
    unguarded.ok(&["update-ref", "refs/heads/x", "HEAD"]).await.unwrap_err();
    assert!(ran.exists());
    fs::remove_file(&ran).unwrap();

    let base = operator.tip("main").await.unwrap();
    let (from, commit) = operator.commit(&base, &[("b.txt", "b\n")]).await;
    operator.forge.push(&from, &commit, "agentd/t-1", None).await.unwrap();
    assert!(!ran.exists());
}

#[tokio::test]
async fn a_name_for_another_branch_is_not_written() {
    let operator = Operator::bare().await;
    operator.git(&["symbolic-ref", "refs/heads/agentd/alias", "refs/heads/main"]).await;
    let base = operator.tip("main").await.unwrap();
    let (from, commit) = operator.commit(&base, &[("b.txt", "b\n")]).await;
    let error = operator.forge.push(&from, &commit, "agentd/alias", Some(&base)).await.unwrap_err();
    check_text(&error, &["only a name for another"]);
    assert_eq!(operator.tip("main").await, Some(base));
}

#[tokio::test]
async fn a_name_that_git_would_understand_as_something_else_is_no_branch() {
    let operator = Operator::bare().await;
    let commit = operator.change().await.commit;
    for base in ["main~0", "main@{0}", "main^{tree}", "HEAD", "-p", "--output=x", "main main", "*", ""] {
        let error = operator.forge.diff(base, &commit).await.unwrap_err();
        assert!(matches!(error, Error::NoBranch { .. }), "{base}: {error}");
    }
}

#[tokio::test]
async fn a_long_diff_is_cut_at_a_line_and_says_so() {
    let operator = Operator::bare().await;
    let text = "0123456789abcdef\n".repeat(300_000);
    let base = operator.tip("main").await.unwrap();
    let (from, commit) = operator.commit(&base, &[("long.txt", &text)]).await;
    operator.forge.push(&from, &commit, "agentd/t-1", None).await.unwrap();
    let diff = operator.forge.diff("main", &commit).await.unwrap();
    let end = "\n+0123456789abcdef\n[agentd: the diff is longer than 4 MiB and ends here]\n";
    assert!(diff.ends_with(end), "{}", &diff[diff.len() - 200..]);
    assert!((DIFF_MAX - 100..DIFF_MAX + 100).contains(&diff.len()), "{}", diff.len());
}

#[tokio::test]
async fn a_record_that_somebody_broke_is_named() {
    let operator = Operator::bare().await;
    operator.change().await;
    let blob = git_in(&operator.repository).ok_with(&["hash-object", "-w", "--stdin"], b"{}").await.unwrap();
    operator.git(&["update-ref", "refs/agentd/changes/1", &blob]).await;
    let error = operator.forge.change(1).await.unwrap_err();
    check_text(&error, &["the record of change 1", "hint", "git cat-file -p refs/agentd/changes/1"]);
    check_text(&operator.forge.changes().await.unwrap_err(), &["the record of change 1"]);
}

#[tokio::test]
async fn changes_come_in_the_order_of_their_numbers() {
    let operator = Operator::bare().await;
    let base = operator.tip("main").await.unwrap();
    for number in 1..=11 {
        let branch = format!("agentd/t-{number}");
        let (from, commit) = operator.commit(&base, &[("b.txt", &branch)]).await;
        operator.forge.push(&from, &commit, &branch, None).await.unwrap();
        let (title, body, key) = ("T".into(), String::new(), branch.clone());
        let new = NewChange { branch, base: "main".into(), title, body, key, draft: false };
        operator.forge.open_change(new).await.unwrap();
    }
    let numbers: Vec<u32> = operator.forge.changes().await.unwrap().iter().map(|it| it.number).collect();
    assert_eq!(numbers, (1..=11).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused() {
    let operator = Operator::bare().await;
    let change = operator.change().await;
    let error = operator.forge.comment(change.number, &"x".repeat(5 << 20), "k").await.unwrap_err();
    check_text(&error, &["bytes, and 4194304 are kept"]);
    assert_eq!(operator.forge.change(change.number).await.unwrap(), Some(change));
}
