//! What every forge has to do, whatever it is made of. A forge's tests give a [`Ground`] and call [`suite!`].

use crate::{
    Author, Change, Error, Forge, NewChange, State,
    git::{self, Git, GitDir},
};
use async_trait::async_trait;
use std::path::PathBuf;
use tempfile::TempDir;

pub(crate) type Files<'a> = &'a [(&'a str, &'a str)];

/// A forge with one repository, whose base branch `main` has a commit with `a.txt` (three lines) in it.
#[async_trait]
pub(crate) trait Ground: Sync {
    fn forge(&self) -> &dyn Forge;
    /// The same forge, as another process has it.
    fn other(&self) -> &dyn Forge;
    /// A commit on top of `parent` in a repository to push from: its place, and the commit.
    async fn commit(&self, parent: &str, files: Files<'_>) -> (PathBuf, String);
    /// Somebody else commits to the base.
    async fn commit_to_base(&self, files: Files<'_>) -> String;
    /// Somebody makes a tag.
    async fn tag(&self, name: &str, commit: &str);
    /// Where a branch is.
    async fn tip(&self, branch: &str) -> Option<String>;
    /// The commits of the base, the first-parent line, newest first.
    async fn base_line(&self) -> Vec<String>;
    /// Whether a conflict's error names the files. GitHub's API does not tell them.
    fn names_conflicts(&self) -> bool {
        true
    }
    /// A file as the base has it.
    async fn base_file(&self, name: &str) -> String;
}

/// Makes a test of each case for the ground that the expression makes.
macro_rules! suite {
    ($name:ident, $ground:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the expression may need nothing of the tests around it")]
            use super::*;
            crate::conformance::suite!(@ $ground;
                a_mirror_has_heads_and_tags_and_no_more
                pushing_twice_is_one_push
                a_push_needs_the_expected_value
                a_push_elsewhere_is_refused
                a_push_of_nothing_real_is_refused
                opening_twice_is_one_change
                opening_again_brings_the_texts_up_to_date
                opening_at_once_is_one_change
                a_change_needs_something_new
                a_feedback_push_moves_the_open_change
                commenting_twice_is_one_comment
                commenting_at_once_keeps_all_comments
                merging_twice_is_one_merge
                a_base_that_moved_is_merged_with
                a_conflict_names_the_files
                only_what_was_reviewed_is_merged
                closing_twice_is_one_close
                a_closed_change_is_not_merged_and_not_found_again
                a_branch_is_deleted_only_where_it_was_seen
                changes_are_found_by_their_numbers
                a_diff_shows_the_change_alone
                what_does_not_exist_is_said
            );
        }
    };
    (@ $ground:expr; $($case:ident)+) => {
        $(#[tokio::test]
        async fn $case() {
            crate::conformance::$case(&$ground.await).await;
        })+
    };
}
pub(crate) use suite;

const BRANCH: &str = "agentd/t-1";

fn new_change(key: &str) -> NewChange {
    let (title, body) = ("Fix the sum".into(), "It was wrong.\n\n- \"quoted\" ÿ".into());
    NewChange { branch: BRANCH.into(), base: "main".into(), title, body, key: key.into(), draft: false }
}

fn author() -> Author {
    Author { name: "Ada".into(), email: "ada@acme.example".into() }
}

/// A branch with one commit, pushed, and the commit.
async fn pushed(ground: &dyn Ground, files: Files<'_>) -> String {
    let base = ground.tip("main").await.unwrap();
    let (from, commit) = ground.commit(&base, files).await;
    ground.forge().push(&from, &commit, BRANCH, None).await.unwrap();
    commit
}

async fn opened(ground: &dyn Ground, files: Files<'_>) -> Change {
    pushed(ground, files).await;
    ground.forge().open_change(new_change("open:1")).await.unwrap()
}

/// A bare repository that was fetched into.
async fn mirrored(ground: &dyn Ground) -> (TempDir, Git) {
    let folder = TempDir::new().unwrap();
    let git = Git::new(GitDir::Bare(folder.path().into()), git::Options::default());
    git.ok(&["init", "--quiet", "--bare", "."]).await.unwrap();
    ground.forge().fetch(folder.path()).await.unwrap();
    (folder, git)
}

/// Without the branch that somebody may be on in the forge's own work tree.
async fn refs(git: &Git) -> Vec<String> {
    let list = git.ok(&["for-each-ref", "--format=%(refname) %(objectname)"]).await.unwrap();
    list.lines().filter(|it| !it.starts_with("refs/heads/desk ")).map(str::to_owned).collect()
}

pub(crate) async fn a_mirror_has_heads_and_tags_and_no_more(ground: &dyn Ground) {
    let base = ground.tip("main").await.unwrap();
    let (folder, git) = mirrored(ground).await;
    assert_eq!(refs(&git).await, [format!("refs/heads/main {base}")]);
    let change = opened(ground, &[("b.txt", "b\n")]).await;
    ground.tag("v1", &base).await;
    let next = ground.commit_to_base(&[("a.txt", "1\n")]).await;
    let (branch, tag) = (format!("refs/heads/{BRANCH} {}", change.commit), format!("refs/tags/v1 {base}"));
    for _ in 0..2 {
        ground.other().fetch(folder.path()).await.unwrap();
        // The record of a change, a pull request's or a claim's reference: they are not for work to start from.
        assert_eq!(refs(&git).await, [branch.clone(), format!("refs/heads/main {next}"), tag.clone()]);
    }
    assert!(ground.forge().delete_branch(BRANCH, &change.commit).await.unwrap());
    ground.forge().fetch(folder.path()).await.unwrap();
    assert_eq!(refs(&git).await, [format!("refs/heads/main {next}"), tag]);
    ground.forge().fetch(&folder.path().join("nowhere")).await.unwrap_err();
}

pub(crate) async fn pushing_twice_is_one_push(ground: &dyn Ground) {
    let base = ground.tip("main").await.unwrap();
    let (from, commit) = ground.commit(&base, &[("b.txt", "b\n")]).await;
    let first = ground.forge().push(&from, &commit, BRANCH, None).await.unwrap();
    let second = ground.other().push(&from, &commit, BRANCH, None).await.unwrap();
    assert_eq!((first.moved, second.moved), (true, false));
    assert_eq!((&first.commit, &second.commit), (&commit, &commit));
    assert_eq!(ground.tip(BRANCH).await, Some(commit));
    assert_eq!(ground.tip("main").await, Some(base));
}

pub(crate) async fn a_push_needs_the_expected_value(ground: &dyn Ground) {
    let first = pushed(ground, &[("b.txt", "b\n")]).await;
    let base = ground.tip("main").await.unwrap();
    let (from, second) = ground.commit(&base, &[("b.txt", "c\n")]).await;
    for wrong in [None, Some(base.as_str()), Some(second.as_str())] {
        let error = ground.forge().push(&from, &second, BRANCH, wrong).await.unwrap_err();
        assert!(matches!(&error, Error::Stale { found: Some(found), .. } if *found == first), "{error}");
        assert_eq!(ground.tip(BRANCH).await.as_ref(), Some(&first));
    }
    let error = ground.forge().push(&from, &second, "agentd/t-2", Some(&first)).await.unwrap_err();
    assert!(matches!(error, Error::Stale { found: None, .. }), "{error}");
    assert_eq!(ground.tip("agentd/t-2").await, None);
    // With the right value even one that is no descendant goes: the run began again.
    assert!(ground.forge().push(&from, &second, BRANCH, Some(&first)).await.unwrap().moved);
    assert_eq!(ground.tip(BRANCH).await, Some(second));
}

pub(crate) async fn a_push_elsewhere_is_refused(ground: &dyn Ground) {
    let base = ground.tip("main").await.unwrap();
    let (from, commit) = ground.commit(&base, &[("b.txt", "b\n")]).await;
    for branch in ["main", "agentd", "agentd/", "agentd-evil/x", "refs/heads/agentd/x", "", "../agentd/x"] {
        let error = ground.forge().push(&from, &commit, branch, None).await.unwrap_err();
        assert!(matches!(error, Error::OutsidePrefix { .. }), "{branch}: {error}");
    }
    for branch in ["agentd/../main", "agentd/a b", "agentd/x.lock", "agentd/a~1", "agentd/x\n", "agentd/-/"] {
        let error = ground.forge().push(&from, &commit, branch, None).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{branch}: {error}");
    }
    assert_eq!(ground.tip("main").await, Some(base));
}

pub(crate) async fn a_push_of_nothing_real_is_refused(ground: &dyn Ground) {
    let base = ground.tip("main").await.unwrap();
    let (from, commit) = ground.commit(&base, &[("b.txt", "b\n")]).await;
    for bad in ["", "HEAD", "main", "--all", &commit[..12], &format!("+{commit}")] {
        let error = ground.forge().push(&from, bad, BRANCH, None).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{bad}: {error}");
    }
    let missing = "1".repeat(40);
    ground.forge().push(&from, &missing, BRANCH, None).await.unwrap_err();
    ground.forge().push(&from.join("nowhere"), &commit, BRANCH, None).await.unwrap_err();
    assert_eq!(ground.tip(BRANCH).await, None);
}

pub(crate) async fn opening_twice_is_one_change(ground: &dyn Ground) {
    let commit = pushed(ground, &[("b.txt", "b\n")]).await;
    let first = ground.forge().open_change(new_change("open:1")).await.unwrap();
    assert_eq!((first.state, &first.commit), (State::Open, &commit));
    assert_eq!((first.title.as_str(), first.body.as_str()), ("Fix the sum", new_change("").body.as_str()));
    assert_eq!(ground.other().open_change(new_change("open:1")).await.unwrap(), first);
    // Another effect for the same branch and base finds the open one.
    assert_eq!(ground.other().open_change(new_change("open:2")).await.unwrap(), first);
    assert_eq!(ground.forge().changes().await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(ground.forge().change(first.number).await.unwrap(), Some(first));
}

pub(crate) async fn opening_again_brings_the_texts_up_to_date(ground: &dyn Ground) {
    let first = opened(ground, &[("b.txt", "b\n")]).await;
    let (title, body) = ("Fix the sum again".to_owned(), "Now for negative numbers, too.".to_owned());
    let new = NewChange { title: title.clone(), body: body.clone(), ..new_change("open:2") };
    let again = ground.other().open_change(new.clone()).await.unwrap();
    assert_eq!(again, Change { title, body, ..first.clone() });
    assert_eq!(ground.forge().open_change(new.clone()).await.unwrap(), again);
    assert_eq!(ground.forge().change(first.number).await.unwrap(), Some(again.clone()));
    // It is the change of the newer effect by now, also when somebody has closed it; what has ended keeps its texts.
    let closed = ground.forge().close(first.number, false).await.unwrap();
    let late = NewChange { body: "Too late.".into(), ..new };
    assert_eq!(ground.forge().open_change(late).await.unwrap(), closed);
    assert_eq!(ground.forge().changes().await.unwrap(), [closed]);
}

pub(crate) async fn opening_at_once_is_one_change(ground: &dyn Ground) {
    pushed(ground, &[("b.txt", "b\n")]).await;
    let (one, two, three, four) = tokio::join!(
        ground.forge().open_change(new_change("open:1")),
        ground.other().open_change(new_change("open:1")),
        ground.forge().open_change(new_change("open:1")),
        ground.other().open_change(new_change("open:1")),
    );
    let first = one.unwrap();
    for change in [two, three, four] {
        assert_eq!(change.unwrap(), first);
    }
    assert_eq!(ground.forge().changes().await.unwrap(), [first]);
}

pub(crate) async fn a_change_needs_something_new(ground: &dyn Ground) {
    let error = ground.forge().open_change(new_change("open:1")).await.unwrap_err();
    assert!(matches!(&error, Error::NoBranch { branch, .. } if branch == BRANCH), "{error}");
    let commit = pushed(ground, &[("b.txt", "b\n")]).await;
    let no_base = NewChange { base: "develop".into(), ..new_change("open:1") };
    let error = ground.forge().open_change(no_base).await.unwrap_err();
    assert!(matches!(&error, Error::NoBranch { branch, .. } if branch == "develop"), "{error}");
    let base = ground.tip("main").await.unwrap();
    let (from, _) = ground.commit(&base, &[("c.txt", "c\n")]).await;
    ground.forge().push(&from, &base, BRANCH, Some(&commit)).await.unwrap();
    let error = ground.forge().open_change(new_change("open:1")).await.unwrap_err();
    assert!(matches!(error, Error::NothingNew { .. }), "{error}");
    assert_eq!(ground.forge().changes().await.unwrap(), []);
}

pub(crate) async fn a_feedback_push_moves_the_open_change(ground: &dyn Ground) {
    let change = opened(ground, &[("b.txt", "b\n")]).await;
    let (from, next) = ground.commit(&change.commit, &[("b.txt", "better\n")]).await;
    ground.forge().push(&from, &next, BRANCH, Some(&change.commit)).await.unwrap();
    let moved = ground.forge().change(change.number).await.unwrap().unwrap();
    assert_eq!(moved, Change { commit: next, ..change });
}

pub(crate) async fn commenting_twice_is_one_comment(ground: &dyn Ground) {
    let change = opened(ground, &[("b.txt", "b\n")]).await;
    ground.forge().comment(change.number, "All gates passed.", "gates:1").await.unwrap();
    ground.other().comment(change.number, "All gates passed.", "gates:1").await.unwrap();
    ground.other().comment(change.number, "Once more.\nÿ", "gates:2").await.unwrap();
    let comments = ground.forge().change(change.number).await.unwrap().unwrap().comments;
    let said: Vec<_> = comments.iter().map(|it| (it.key.as_str(), it.body.as_str())).collect();
    assert_eq!(said, [("gates:1", "All gates passed."), ("gates:2", "Once more.\nÿ")]);
}

pub(crate) async fn commenting_at_once_keeps_all_comments(ground: &dyn Ground) {
    let change = opened(ground, &[("b.txt", "b\n")]).await;
    let (forge, other, number) = (ground.forge(), ground.other(), change.number);
    let results = tokio::join!(
        forge.comment(number, "said", "a"),
        other.comment(number, "said", "b"),
        forge.comment(number, "said", "a"),
        other.comment(number, "said", "c"),
    );
    for result in [results.0, results.1, results.2, results.3] {
        result.unwrap();
    }
    let comments = ground.forge().change(change.number).await.unwrap().unwrap().comments;
    let mut keys: Vec<_> = comments.iter().map(|it| it.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a", "b", "c"]);
}

pub(crate) async fn merging_twice_is_one_merge(ground: &dyn Ground) {
    let change = opened(ground, &[("b.txt", "b\n")]).await;
    let (before, author) = (ground.base_line().await, author());
    let (one, two) = tokio::join!(
        ground.forge().merge(change.number, &change.commit, &author),
        ground.other().merge(change.number, &change.commit, &author),
    );
    let merged = one.unwrap();
    assert_eq!(two.unwrap(), merged);
    assert_eq!(ground.forge().merge(change.number, &change.commit, &author).await.unwrap(), merged);
    assert_eq!((merged.state, &merged.commit), (State::Merged, &change.commit));
    // One commit more, even where going forward would have done, and it is the one that is named.
    let after = ground.base_line().await;
    assert_eq!((after.len(), &after[1..]), (before.len() + 1, &before[..]));
    assert_eq!(merged.merged_as.as_ref(), Some(&after[0]));
    assert_eq!(ground.base_file("b.txt").await, "b");
    assert_eq!(ground.other().change(change.number).await.unwrap(), Some(merged));
}

pub(crate) async fn a_base_that_moved_is_merged_with(ground: &dyn Ground) {
    let change = opened(ground, &[("a.txt", "ONE\ntwo\nthree\n")]).await;
    ground.commit_to_base(&[("other.txt", "other\n")]).await;
    ground.forge().merge(change.number, &change.commit, &author()).await.unwrap();
    assert_eq!(ground.base_file("a.txt").await, "ONE\ntwo\nthree");
    assert_eq!(ground.base_file("other.txt").await, "other");
}

pub(crate) async fn a_conflict_names_the_files(ground: &dyn Ground) {
    let change = opened(ground, &[("a.txt", "ONE\ntwo\nthree\n"), ("b.txt", "b\n")]).await;
    let base = ground.commit_to_base(&[("a.txt", "1\ntwo\nthree\n")]).await;
    let error = ground.forge().merge(change.number, &change.commit, &author()).await.unwrap_err();
    let named: &[&str] = if ground.names_conflicts() { &["a.txt"] } else { &[] };
    assert!(matches!(&error, Error::Conflict { files, .. } if files == named), "{error}");
    assert_eq!(ground.tip("main").await, Some(base));
    assert_eq!(ground.forge().change(change.number).await.unwrap(), Some(change));
}

pub(crate) async fn only_what_was_reviewed_is_merged(ground: &dyn Ground) {
    let change = opened(ground, &[("b.txt", "b\n")]).await;
    let (from, next) = ground.commit(&change.commit, &[("b.txt", "evil\n")]).await;
    ground.forge().push(&from, &next, BRANCH, Some(&change.commit)).await.unwrap();
    let error = ground.forge().merge(change.number, &change.commit, &author()).await.unwrap_err();
    assert!(matches!(&error, Error::Moved { found: Some(found), .. } if *found == next), "{error}");
    let merged = ground.forge().merge(change.number, &next, &author()).await.unwrap();
    assert_eq!(merged.commit, next);
    let error = ground.forge().merge(change.number, &change.commit, &author()).await.unwrap_err();
    assert!(matches!(error, Error::Moved { .. }), "{error}");
}

pub(crate) async fn closing_twice_is_one_close(ground: &dyn Ground) {
    let change = opened(ground, &[("b.txt", "b\n")]).await;
    let closed = ground.forge().close(change.number, false).await.unwrap();
    assert_eq!(closed, Change { state: State::Closed, ..change.clone() });
    assert_eq!(ground.tip(BRANCH).await.as_ref(), Some(&change.commit));
    for _ in 0..2 {
        assert_eq!(ground.other().close(change.number, true).await.unwrap(), closed);
        assert_eq!(ground.tip(BRANCH).await, None);
    }
    assert_eq!(ground.forge().change(change.number).await.unwrap(), Some(closed));
}

pub(crate) async fn a_closed_change_is_not_merged_and_not_found_again(ground: &dyn Ground) {
    let change = opened(ground, &[("b.txt", "b\n")]).await;
    ground.forge().close(change.number, false).await.unwrap();
    let error = ground.forge().merge(change.number, &change.commit, &author()).await.unwrap_err();
    assert!(matches!(error, Error::NotOpen { state: State::Closed, .. }), "{error}");
    // The same effect again finds what it made; another one makes another.
    assert_eq!(ground.forge().open_change(new_change("open:1")).await.unwrap().number, change.number);
    let next = ground.forge().open_change(new_change("open:2")).await.unwrap();
    assert!(next.number > change.number && next.state == State::Open, "{next:?}");
    let merged = ground.forge().merge(next.number, &next.commit, &author()).await.unwrap();
    assert_eq!(ground.forge().close(next.number, true).await.unwrap(), merged);
    assert_eq!(ground.tip(BRANCH).await, None);
}

pub(crate) async fn a_branch_is_deleted_only_where_it_was_seen(ground: &dyn Ground) {
    let commit = pushed(ground, &[("b.txt", "b\n")]).await;
    let base = ground.tip("main").await.unwrap();
    assert!(!ground.forge().delete_branch(BRANCH, &base).await.unwrap());
    assert!(!ground.forge().delete_branch("agentd/t-2", &commit).await.unwrap());
    let error = ground.forge().delete_branch("main", &base).await.unwrap_err();
    assert!(matches!(error, Error::OutsidePrefix { .. }), "{error}");
    let error = ground.forge().delete_branch(BRANCH, "HEAD").await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    assert_eq!(ground.tip(BRANCH).await.as_ref(), Some(&commit));
    assert!(ground.forge().delete_branch(BRANCH, &commit).await.unwrap());
    assert!(!ground.other().delete_branch(BRANCH, &commit).await.unwrap());
    assert_eq!((ground.tip(BRANCH).await, ground.tip("main").await), (None, Some(base)));
}

pub(crate) async fn changes_are_found_by_their_numbers(ground: &dyn Ground) {
    let first = opened(ground, &[("b.txt", "b\n")]).await;
    let first = ground.forge().close(first.number, false).await.unwrap();
    let second = ground.forge().open_change(new_change("open:2")).await.unwrap();
    let numbers = [second.number, 1_000_000, first.number, second.number];
    assert_eq!(ground.other().changes_of(&numbers).await.unwrap(), [first, second.clone()]);
    assert_eq!(ground.forge().changes_of(&[second.number]).await.unwrap(), [second]);
    assert_eq!(ground.forge().changes_of(&[]).await.unwrap(), []);
    assert_eq!(ground.forge().changes_of(&[1_000_000]).await.unwrap(), []);
}

pub(crate) async fn a_diff_shows_the_change_alone(ground: &dyn Ground) {
    let change = opened(ground, &[("a.txt", "one\nTWO\nthree\n")]).await;
    let before = ground.tip("main").await.unwrap();
    ground.commit_to_base(&[("other.txt", "other\n")]).await;
    let diff = ground.forge().diff("main", &change.commit).await.unwrap();
    assert!(diff.starts_with("diff --git a/a.txt b/a.txt\n"), "{diff}");
    assert!(diff.ends_with("@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"), "{diff}");
    assert_eq!(ground.forge().diff(&before, &change.commit).await.unwrap(), diff);
}

pub(crate) async fn what_does_not_exist_is_said(ground: &dyn Ground) {
    let branch = ground.forge().default_branch().await.unwrap();
    assert!(ground.tip(&branch).await.is_some(), "{branch}");
    assert_eq!(ground.forge().change(7).await.unwrap(), None);
    assert_eq!(ground.forge().changes().await.unwrap(), []);
    let commit = ground.tip("main").await.unwrap();
    let forge = ground.forge();
    let errors = [
        forge.comment(7, "x", "k").await.unwrap_err(),
        forge.merge(7, &commit, &author()).await.unwrap_err(),
        forge.close(7, true).await.unwrap_err(),
        forge.dress_change(7, &["bug".into()], &[]).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "there is no change 7");
    }
    let error = forge.diff("nowhere", &commit).await.unwrap_err().to_string();
    assert!(error.contains("no branch `nowhere`"), "{error}");
}
